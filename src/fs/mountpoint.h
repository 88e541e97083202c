/* The folder to mount on, and what an earlier daemon may have left there. */
#ifndef TUSFS_FS_MOUNTPOINT_H
#define TUSFS_FS_MOUNTPOINT_H

#include "tusfs/error.h"

#include <sys/types.h>

/* What /proc/self/mountinfo calls a mount of ours. */
#define MOUNT_TYPE "fuse.tusfs"

/* Detaches mounts of ours on `path` that have lost their daemon, and checks that it is
 * an empty folder. Refusals, each logged: NOT_FOUND, NOT_FOLDER, NOT_EMPTY (also: a
 * living mount). */
MUST_CHECK int mountpoint_check(const char *path);
/* The device that is seen at a path, or as a descriptor, which tells mounts apart; 0
 * when it cannot be told. Asks no daemon, and may be called in a child. */
dev_t mountpoint_device_of(const char *path);
dev_t mountpoint_device(int fd);
/* Detaches what is mounted on `path`, by fusermount3 where we may not ourselves. */
MUST_CHECK int mountpoint_detach(const char *path);

#endif
