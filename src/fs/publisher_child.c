/* A request is one message: its number, what to do, and one or two paths, each with its
 * NUL. */
#include "publisher_child.h"

#include "child.h"
#include "mountpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
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

static int call(int root, const struct message *message)
{
	const char *path = message->paths;
	const char *second = path + strlen(path) + 1;

	switch (message->head.what) {
	case PUBLISH_CREATE:
		return mknodat(root, path, S_IFREG | 0444, 0);
	case PUBLISH_FOLDER:
		return mkdirat(root, path, 0755);
	case PUBLISH_MOVE:
		return renameat(root, path, root, second);
	case PUBLISH_REMOVE:
		return unlinkat(root, path, 0);
	case PUBLISH_NOTHING:
		break;
	}
	errno = EINVAL;
	return -1;
}

/* Our mount may have been detached, and the files be somebody else's that are seen
 * there now. */
static int call_in(const char *mountpoint, dev_t mounted, const struct message *message)
{
	int root = open(mountpoint, O_PATH | O_DIRECTORY | O_CLOEXEC), r;

	if (root < 0)
		return -errno;
	if (mountpoint_device(root) != mounted)
		r = -ENODEV;
	else
		r = call(root, message) < 0 ? -errno : 0;
	close(root);
	return r;
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
