#include "warden.h"

#include "child.h"

#include "tusfs/scoped.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a killed daemon needs to end by itself, and how often it is helped. */
#define PATIENCE_MS 500
#define TRIES	    20
/* Of the kernel's fs/fuse/control.c; no header has it. */
#define FUSE_CTL_SUPER_MAGIC 0x65735543

struct warden {
	pid_t child;
	_Atomic dev_t *mount; /* in memory that both processes share; 0: none yet */
};

/* Where it is, a connection that is not listed has ended. */
static bool control_is_mounted(void)
{
	struct statfs control;

	return statfs("/sys/fs/fuse/connections", &control) == 0 &&
	       control.f_type == FUSE_CTL_SUPER_MAGIC;
}

/* By the control file system, which also lets an unprivileged owner in; or, where that
 * is not mounted, by the first half of a forced umount(2), which only root may. */
void warden_abort(const char *mountpoint, dev_t mount)
{
	SCOPED(scoped_close) int fd = -1;
	char path[64];

	snprintf(path, sizeof(path), "/sys/fs/fuse/connections/%u/abort", minor(mount));
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0 ? write(fd, "1", 1) < 0 : !control_is_mounted())
		umount2(mountpoint, MNT_FORCE | UMOUNT_NOFOLLOW);
}

/* Until then the daemon's descriptor keeps the connection, and so its number. */
static bool has_ended(int pidfd)
{
	struct pollfd wait = {.fd = pidfd, .events = POLLIN};

	return poll(&wait, 1, PATIENCE_MS) == 1;
}

_Noreturn static void keep_watch(pid_t parent, const char *mountpoint,
				 const _Atomic dev_t *mount)
{
	sigset_t death;
	siginfo_t info;
	int pidfd;

	sigemptyset(&death);
	sigaddset(&death, SIGUSR1);
	sigprocmask(SIG_BLOCK, &death, NULL);
	child_begin("tusfs-warden", parent, SIGUSR1, -1);
	pidfd = pidfd_open(parent, 0);
	if (pidfd < 0)
		_exit(1);
	do /* anybody else's signal is not meant */
		info.si_pid = 0;
	while (sigwaitinfo(&death, &info) < 0 || info.si_pid != parent);
	for (int i = 0; i < TRIES && !has_ended(pidfd); i++)
		if (atomic_load(mount))
			warden_abort(mountpoint, atomic_load(mount));
	_exit(0);
}

int warden_fork(const char *mountpoint, struct warden **warden)
{
	struct warden *made = calloc(1, sizeof(*made));
	pid_t self = getpid();
	int r;

	if (!made)
		return failure(-ENOMEM, "make the warden");
	made->mount = mmap(NULL, sizeof(*made->mount), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (made->mount == MAP_FAILED) {
		r = failure(-errno, "make the warden's memory");
		free(made);
		return r;
	}
	made->child = fork();
	if (made->child == 0)
		keep_watch(self, mountpoint, made->mount);
	if (made->child < 0) {
		r = failure(-errno, "fork the warden");
		munmap(made->mount, sizeof(*made->mount));
		free(made);
		return r;
	}
	*warden = made;
	return 0;
}

void warden_watch(struct warden *warden, dev_t mount)
{
	atomic_store(warden->mount, mount);
}

struct warden *warden_free(struct warden *warden)
{
	if (!warden)
		return NULL;
	kill(warden->child, SIGKILL);
	while (waitpid(warden->child, NULL, 0) < 0 && errno == EINTR)
		;
	munmap(warden->mount, sizeof(*warden->mount));
	free(warden);
	return NULL;
}
