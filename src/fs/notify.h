/* What the kernel must be told to forget.
 *
 * notify_entry and notify_listing wait for the kernel's locks, which a request that we
 * are serving may hold: never call them from a worker, nor with a lock held that a
 * worker takes. The others take no such lock. Thread-safe. */
#ifndef TUSFS_FS_NOTIFY_H
#define TUSFS_FS_NOTIFY_H

#include "mount.h"

#include <time.h>

/* The name in the folder, there or not there, is to be looked up again. Waits for no
 * longer than `until`, and with NULL not at all: then all names are, as soon as the
 * kernel can do that without waiting for a lock (see notify_names). */
void notify_entry(struct fs *fs, fuse_ino_t parent, const char *name,
		  const struct timespec *until);
/* All names are to be looked up again. False on kernels before Linux 6.16, which cannot
 * be told so. */
bool notify_names(struct fs *fs);
/* The attributes are to be asked for again. The result is -ENOENT when the kernel has
 * no such inode. */
int notify_attributes(struct fs *fs, fuse_ino_t ino);
/* The folder is to be listed again. Waits as notify_entry() does. */
void notify_listing(struct fs *fs, fuse_ino_t ino, const struct timespec *until);

#endif
