/* The session's way to the kernel: /dev/fuse and the mount, or a socket. */
#ifndef TUSFS_FS_DEVICE_H
#define TUSFS_FS_DEVICE_H

#include "mount.h"

/* Makes fs->session, without a connection. */
MUST_CHECK int device_session(struct fs *fs);
/* Mounts; where only fusermount3(1) may, with its help. Tells the warden of the mount:
 * from the first served request on, a kill may need it. */
MUST_CHECK int device_mount(struct fs *fs);
/* Serves on a descriptor, which it takes over, instead of a mount. */
MUST_CHECK int device_use(struct fs *fs, int fd);
/* Unmounts, unless somebody else has. Call when nobody serves requests. */
void device_unmount(struct fs *fs);
/* Asks the kernel to read ahead further than the 128 KiB that it gives FUSE: reads that
 * come through the daemon gain half. Call when requests are served. */
void device_mounted(struct fs *fs);

#endif
