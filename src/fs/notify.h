/* What the kernel must be told to forget.
 *
 * notify_entry and notify_folder wait for the kernel's lock of the folder, which a
 * request that we are serving may hold: never call them from a worker, nor with a lock
 * held that a worker takes. notify_attributes takes no such lock. Thread-safe. */
#ifndef TUSFS_FS_NOTIFY_H
#define TUSFS_FS_NOTIFY_H

#include "mount.h"

/* The name in the folder, there or not there, is to be looked up again. */
void notify_entry(struct fs *fs, fuse_ino_t parent, const char *name);
/* The attributes are to be asked for again. */
void notify_attributes(struct fs *fs, fuse_ino_t ino);
/* The folder is to be listed again. */
void notify_listing(struct fs *fs, fuse_ino_t ino);
/* The attributes of a folder in complete/ are to be asked for again, also by whoever is
 * looking it up for the first time at this moment. */
void notify_folder(struct fs *fs, uint64_t num);

#endif
