/* struct stat of everything in the mount, and how long the kernel may keep it. */
#ifndef TUSFS_FS_STAT_H
#define TUSFS_FS_STAT_H

#include "mount.h"
#include "node.h"

#include <sys/stat.h>

/* What stat(2) says of a file, folder or link that a folder of `place` shows, and for
 * how many seconds that holds. */
MUST_CHECK int stat_of(struct fs *fs, enum place place, const struct file *file,
		       struct stat *stat, double *keep);
/* The same of any node; that of a removed file that is still open too. Refusals:
 * NOT_FOUND. */
MUST_CHECK int stat_of_node(struct fs *fs, struct node node, struct stat *stat,
			    double *keep);
/* Gives it a size, and the blocks for that. */
void stat_set_size(struct stat *stat, uint64_t bytes);
/* The answer to a lookup that found the file in a folder of `place`. */
MUST_CHECK int entry_of(struct fs *fs, enum place place, const struct file *file,
			struct fuse_entry_param *entry);

#endif
