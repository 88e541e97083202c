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
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOOKERS	    8
#define KILLS	    5
#define EARLY_KILLS 50

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

static pid_t fork_daemon(int *told)
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
	return pid;
}

/* Comes back when all threads look. */
static pid_t start_daemon(int *told)
{
	pid_t pid = fork_daemon(told);

	for (int looks = 0; looks < 100 * LOOKERS;) {
		char bytes[4096];
		ssize_t got = read(*told, bytes, sizeof(bytes));

		ck_assert_int_gt(got, 0);
		looks += (int)got;
	}
	return pid;
}

/* Without asking the daemon. */
static dev_t device_of(const char *path)
{
	struct statx found;

	ck_assert_int_eq(statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, 0, &found), 0);
	return makedev(found.stx_dev_major, found.stx_dev_minor);
}

static void spin(int64_t microseconds)
{
	struct timespec start, now;

	clock_gettime(CLOCK_MONOTONIC, &start);
	do
		clock_gettime(CLOCK_MONOTONIC, &now);
	while ((now.tv_sec - start.tv_sec) * 1000000 +
		       (now.tv_nsec - start.tv_nsec) / 1000 <
	       microseconds);
}

/* Comes back a little after the mount is there. */
static pid_t see_daemon_mount(int *told, int64_t microseconds)
{
	dev_t before = device_of(mountpoint);
	pid_t pid = fork_daemon(told);

	while (device_of(mountpoint) == before)
		continue;
	spin(microseconds);
	return pid;
}

static bool ends_within(pid_t pid, int milliseconds)
{
	SCOPED(scoped_close) int fd = pidfd_open(pid, 0);
	struct pollfd wait = {.fd = fd, .events = POLLIN};

	ck_assert_int_ge(fd, 0);
	return poll(&wait, 1, milliseconds) == 1;
}

static void make_mountpoint(void)
{
	engine_close();
	snprintf(mountpoint, sizeof(mountpoint), "%s-mount", temp_dir_path());
	ck_assert_int_eq(mkdir(mountpoint, 0700), 0);
}

static void remove_mountpoint(void)
{
	ck_assert_int_eq(rmdir(mountpoint), 0);
	engine_open();
}

static void kill_daemon(pid_t pid, int told)
{
	kill(pid, SIGKILL);
	ck_assert(ends_within(pid, 30000));
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	close(told);
	umount2(mountpoint, MNT_DETACH);
}

START_TEST(a_killed_daemon_ends_though_its_threads_wait_for_it)
{
	make_mountpoint();
	for (int i = 0; i < KILLS; i++) {
		int told;
		pid_t pid = start_daemon(&told);

		kill_daemon(pid, told);
	}
	remove_mountpoint();
}
END_TEST

/* It must not be waiting for an answer of its own then. */
START_TEST(a_daemon_that_is_killed_while_it_mounts_ends)
{
	make_mountpoint();
	for (unsigned int i = 0; i < EARLY_KILLS; i++) {
		int told;
		pid_t pid = see_daemon_mount(&told, i * 8);

		kill_daemon(pid, told);
	}
	remove_mountpoint();
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		a_killed_daemon_ends_though_its_threads_wait_for_it,
		a_daemon_that_is_killed_while_it_mounts_ends,
	};

	if (getuid() != 0 || access("/dev/fuse", R_OK | W_OK) < 0) {
		puts("skipped: only root mounts, on /dev/fuse");
		return 77;
	}
	return RUN_TESTS_FOR(tests, engine_setup, engine_teardown, 200);
}
