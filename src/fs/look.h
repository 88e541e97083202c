#ifndef TUSFS_FS_LOOK_H
#define TUSFS_FS_LOOK_H

#include "mount.h"
#include "node.h"

/* What a lookup of the name in a folder other than the root answers. Inode 0 says for
 * how long the kernel may take it that there is no such name; NOT_FOUND is the same,
 * but must not be kept. Refusals: NOT_FOUND, GONE, NOT_FOLDER, NAME. */
MUST_CHECK int look_in_folder(struct fs *fs, struct node folder, const char *name,
			      struct fuse_entry_param *entry);

#endif
