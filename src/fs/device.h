/* The session's way to the kernel: /dev/fuse and the mount, or a socket. */
#ifndef TUSFS_FS_DEVICE_H
#define TUSFS_FS_DEVICE_H

#include "mount.h"

/* Makes fs->session, without a connection. */
MUST_CHECK int device_session(struct fs *fs);
/* The kernel's readahead on the mount, in bytes: as large as the largest request. Reads
 * that come through the daemon gain half over the 128 KiB that it gives FUSE. The
 * kernel takes the lesser of the device's own and of what the answer to FUSE_INIT says.
 */
#define DEVICE_READ_AHEAD (1024 * 1024)

/* Mounts; where only fusermount3(1) may, with its help. Sets the readahead, and tells
 * the warden of the mount. Call before requests are served. */
MUST_CHECK int device_mount(struct fs *fs);
/* Serves on a descriptor, which it takes over, instead of a mount. */
MUST_CHECK int device_use(struct fs *fs, int fd);
/* Unmounts, unless somebody else has. Call when nobody serves requests. */
void device_unmount(struct fs *fs);

#endif
