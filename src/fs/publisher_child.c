/* A request is one message: its number, what to do, and one or two paths, each with its
 * NUL. */
#include "publisher_child.h"

#include "child.h"
#include "mountpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

struct head {
	uint64_t number;
	enum publish_what what;
};

struct message {
	struct head head;
	char paths[2 * PATH_MAX];
};

bool publisher_child_ask(int fd, const struct publish_job *job)
{
	struct head head = {.number = job->number, .what = job->subject.what};
	const char *second = job->new_path ? job->new_path : "";
	struct iovec parts[] = {
		{&head, sizeof(head)},
		{job->path, strlen(job->path) + 1},
		{(void *)second, strlen(second) + 1},
	};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};
	ssize_t sent;

	do
		sent = sendmsg(fd, &message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent >= 0;
}

/* An open folder, and a name in it. */
struct target {
	int folder;
	const char *name;
};

static int open_beneath(int root, const char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS,
	};

	return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
}

/* Where openat2(2) is missing, or is filtered away. */
static int open_and_check(int root, const char *path)
{
	int fd = openat(root, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || mountpoint_device(fd) == mountpoint_device(root))
		return fd;
	close(fd);
	errno = EXDEV;
	return -1;
}

/* Somebody may have mounted something else on a folder of ours, in which nothing must
 * be done. The path is taken apart in place. 0, or a negative errno. */
static int find_target(int root, char *path, struct target *target)
{
	char *slash = strrchr(path, '/');
	int fd;

	if (!slash)
		return -EINVAL;
	*slash = '\0';
	fd = open_beneath(root, path);
	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		fd = open_and_check(root, path);
	if (fd < 0)
		return errno == EXDEV ? -ENODEV : -errno;
	*target = (struct target){fd, slash + 1};
	return 0;
}

/* Waits for whoever is looking the name up at this moment. */
static int look(const struct target *target, struct statx *found)
{
	return statx(target->folder, target->name,
		     AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, 0,
		     found);
}

/* mkdir(2) looks the name up anew, and would take what is mounted on it away. */
static bool is_mounted_on(const struct target *target)
{
	struct statx found;

	return look(target, &found) == 0 &&
	       (found.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

static int call(enum publish_what what, const struct target *at,
		const struct target *to)
{
	struct statx found;

	switch (what) {
	case PUBLISH_CREATE:
		return mknodat(at->folder, at->name, S_IFREG | 0444, 0);
	case PUBLISH_FOLDER:
		if (!is_mounted_on(at))
			return mkdirat(at->folder, at->name, 0755);
		errno = EBUSY;
		return -1;
	case PUBLISH_MOVE:
		return renameat(at->folder, at->name, to->folder, to->name);
	case PUBLISH_REMOVE:
		return unlinkat(at->folder, at->name, 0);
	case PUBLISH_LOOK:
		return look(at, &found);
	case PUBLISH_NOTHING:
		break;
	}
	errno = EINVAL;
	return -1;
}

static void target_close(const struct target *target)
{
	scoped_close(&target->folder);
}

static int call_beneath(int root, struct message *message)
{
	SCOPED(target_close) struct target at = {.folder = -1};
	SCOPED(target_close) struct target to = {.folder = -1};
	char *path = message->paths;
	char *second = path + strlen(path) + 1;
	int r = find_target(root, path, &at);

	if (!r && message->head.what == PUBLISH_MOVE)
		r = find_target(root, second, &to);
	if (r)
		return r;
	if (call(message->head.what, &at, &to) == 0)
		return 0;
	return errno == EXDEV ? -ENODEV : -errno;
}

/* Our mount may have been detached, and the files be somebody else's that are seen
 * there now. */
static int call_in(const char *mountpoint, dev_t mounted, struct message *message)
{
	SCOPED(scoped_close)
	int root = open(mountpoint, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return -errno;
	return mountpoint_device(root) == mounted ? call_beneath(root, message)
						  : -ENODEV;
}

_Noreturn void publisher_child(int fd, pid_t parent, const char *mountpoint,
			       struct publisher_shared *shared)
{
	static struct message message;

	fd = child_begin("tusfs-publish", parent, SIGKILL, fd);
	for (;;) {
		ssize_t got = recv(fd, &message, sizeof(message), 0);
		int result;

		if (got < (ssize_t)sizeof(message.head))
			_exit(0);
		atomic_store(&shared->at, message.head.number);
		result = call_in(mountpoint, atomic_load(&shared->mounted), &message);
		if (send(fd, &result, sizeof(result), MSG_NOSIGNAL) < 0)
			_exit(0);
	}
}
