/* STORE/ballast: room that nobody uses, so that there is some to give up when the disk
 * is full and something is to be removed: that too needs room first, in the catalog. */
#include "layout.h"

#include <errno.h>
#include <fcntl.h>

#define BALLAST_BYTES (2 * 1024 * 1024)

static int open_ballast(const struct store *store)
{
	return openat(store->fd, "ballast", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

int ballast_take(struct store *store)
{
	SCOPED(scoped_close) int fd = open_ballast(store);
	int error = fd < 0 ? errno : posix_fallocate(fd, 0, BALLAST_BYTES);

	if (error == ENOSPC || error == EDQUOT) {
		ballast_drop(store); /* part of it would be of no use */
		return REFUSED_NO_SPACE;
	}
	return error ? failure(-error, "store %s: ballast", store->path) : 0;
}

void ballast_drop(struct store *store)
{
	SCOPED(scoped_close) int fd = open_ballast(store);

	if (fd < 0 || ftruncate(fd, 0) < 0)
		failure(-errno, "store %s: drop the ballast", store->path);
}
