/* A daemon that is killed while threads of it wait for answers that only it could have
 * given: unkillable, they would keep /dev/fuse open, and so the mount, for ever. */
#include "engine.h"
#include "run.h"
#include "temp_dir.h"

#include "tusfs/fs.h"
#include "tusfs/scoped.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOKERS 8
#define KILLS	5

static char mountpoint[512];

/* Looks through its own mount, as a notification does that waits for a folder. */
static void *look(void *arg)
{
	const int *told = arg;
	char path[600];
	struct stat found;

	snprintf(path, sizeof(path), "%s/incoming/x", mountpoint);
	for (;;) {
		if (stat(path, &found) == 0 || errno != ENOENT ||
		    write(*told, "", 1) < 0)
			_exit(1);
	}
	return NULL;
}

_Noreturn static void be_daemon(int told)
{
	struct fs_config config = {
		.mountpoint = mountpoint,
		.source = "test",
		.base_path = "/files/",
	};
	pthread_t thread;
	struct fs *fs;

	if (fs_prepare(&config, &fs))
		_exit(1);
	engine_open();
	if (fs_start(fs, engine, NULL, NULL))
		_exit(1);
	for (int i = 0; i < LOOKERS; i++)
		if (pthread_create(&thread, NULL, look, &told))
			_exit(1);
	for (;;)
		pause();
}

/* Comes back when all threads look. */
static pid_t start_daemon(int *told)
{
	int ends[2];
	pid_t pid;

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		be_daemon(ends[1]);
	close(ends[1]);
	*told = ends[0];
	for (int looks = 0; looks < 100 * LOOKERS;) {
		char bytes[4096];
		ssize_t got = read(*told, bytes, sizeof(bytes));

		ck_assert_int_gt(got, 0);
		looks += (int)got;
	}
	return pid;
}

static bool ends_within(pid_t pid, int milliseconds)
{
	SCOPED(scoped_close) int fd = pidfd_open(pid, 0);
	struct pollfd wait = {.fd = fd, .events = POLLIN};

	ck_assert_int_ge(fd, 0);
	return poll(&wait, 1, milliseconds) == 1;
}

START_TEST(a_killed_daemon_ends_though_its_threads_wait_for_it)
{
	engine_close();
	snprintf(mountpoint, sizeof(mountpoint), "%s-mount", temp_dir_path());
	ck_assert_int_eq(mkdir(mountpoint, 0700), 0);
	for (int i = 0; i < KILLS; i++) {
		int told;
		pid_t pid = start_daemon(&told);

		kill(pid, SIGKILL);
		ck_assert(ends_within(pid, 30000));
		ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
		close(told);
		umount2(mountpoint, MNT_DETACH);
	}
	ck_assert_int_eq(rmdir(mountpoint), 0);
	engine_open();
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		a_killed_daemon_ends_though_its_threads_wait_for_it,
	};

	if (getuid() != 0 || access("/dev/fuse", R_OK | W_OK) < 0) {
		puts("skipped: only root mounts, on /dev/fuse");
		return 77;
	}
	return RUN_TESTS_FOR(tests, engine_setup, engine_teardown, 200);
}
