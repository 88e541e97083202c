/* Answers to the publisher's own calls. Each is granted when it is what the publisher
 * was asked to do, and changes nothing in the engine: it has happened there already. */
#ifndef TUSFS_FS_PUBLISHED_H
#define TUSFS_FS_PUBLISHED_H

#include "mount.h"

/* As look_in_folder(): the publisher sees what is about to go, does not see what is
 * about to come, and may walk every folder of incoming/. */
MUST_CHECK int published_lookup(struct fs *fs, fuse_ino_t parent, const char *name,
				struct fuse_entry_param *entry);
/* Of mknod and mkdir. Refusals: NOT_FOUND (it is to be in another folder: one was
 * renamed meanwhile), PERMISSION. */
MUST_CHECK int published_create(struct fs *fs, fuse_ino_t parent, const char *name,
				struct fuse_entry_param *entry);
/* Refusals: NOT_FOUND (also when the new name is not the upload's in complete/, or no
 * more: then it is to be begun anew), PERMISSION. */
MUST_CHECK int published_rename(struct fs *fs, fuse_ino_t parent, const char *name,
				fuse_ino_t new_parent, const char *new_name);
/* Refusals: NOT_FOUND, EXISTS (somebody else has the name by now), PERMISSION. */
MUST_CHECK int published_unlink(struct fs *fs, fuse_ino_t parent, const char *name);

#endif
