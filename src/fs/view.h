/* What the folders of the mount show: the engine's tree of names, seen through the
 * state of each upload and through the overlay. Thread-safe. */
#ifndef TUSFS_FS_VIEW_H
#define TUSFS_FS_VIEW_H

#include "mount.h"
#include "node.h"

/* Whether the upload is where the overlay holds it: complete, but not published. */
bool view_holds(struct fs *fs, const struct file *file);
/* Whether a folder of `place` shows a file or folder that the tree has in it. */
bool view_shows(struct fs *fs, enum place place, const struct file *file);

/* From a file or folder of the tree to the folder that it is in: false at the root of
 * the tree, or when it is gone. */
bool view_go_up(struct fs *fs, uint64_t *num);

/* What the folder shows by that name. *hidden tells, on NOT_FOUND, that the name is
 * about to appear, so that the answer must not be kept. The caller releases *file.
 * Refusals: NOT_FOUND, GONE, NOT_FOLDER, NAME. */
MUST_CHECK int view_find(struct fs *fs, struct node folder, const char *name,
			 struct file *file, bool *hidden);

/* Calls `entry` for what the folder shows, in the order of num, from after num `after`
 * on, until it returns false. *file is borrowed for the call. The engine must not be
 * asked anything from within it: each thread has one question at a time. */
MUST_CHECK int view_list(struct fs *fs, struct node folder, uint64_t after,
			 bool (*entry)(void *arg, const struct file *file), void *arg);

/* The target of the upload's symbolic link in by-id/; the caller frees it. Refusals:
 * NOT_FOUND. */
MUST_CHECK int view_link_target(struct fs *fs, const struct file *file, char **target);

#endif
