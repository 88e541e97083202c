/* Inode numbers. There is one tree of names in the engine and two views of it, so a
 * folder has one number for each view; a file has one, however it is reached. All are
 * made from the numbers of rows, which are never used twice: there is no inode table,
 * and forget() has nothing to do. Pure. */
#ifndef TUSFS_FS_NODE_H
#define TUSFS_FS_NODE_H

#include "tusfs/uploads.h"

#include <fuse_lowlevel.h>

#define INO_COMPLETE ((fuse_ino_t)FILE_NUM_TREE)
#define INO_PARTIAL  ((fuse_ino_t)FILE_NUM_PARTIAL)
#define INO_INCOMING ((fuse_ino_t)4)
#define INO_BY_ID    ((fuse_ino_t)5)

/* The folders of the root, whose names are never other files'. */
struct root_folder {
	const char *name;
	fuse_ino_t ino;
};
#define ROOT_FOLDERS 4
extern const struct root_folder root_folders[ROOT_FOLDERS];

enum place {
	PLACE_ROOT,	/* the mount's root */
	PLACE_COMPLETE, /* complete/ and the folders in it; any file */
	PLACE_INCOMING, /* incoming/ and the folders in it */
	PLACE_PARTIAL,	/* partial/ */
	PLACE_BY_ID,	/* by-id/ */
	PLACE_LINK,	/* a symbolic link in by-id/ */
};

struct node {
	enum place place;
	uint64_t num; /* of the row; 0 for the root and by-id/ */
};

struct node node_of(fuse_ino_t ino);
/* The inode number of a folder as `place` shows it, or of a file or link there. */
fuse_ino_t node_ino(enum place place, const struct file *file);
/* The same of a folder in complete/ or incoming/, by its num. */
fuse_ino_t node_folder_ino(enum place place, uint64_t num);
/* The view of the engine's tree that a folder of `place` lists. */
enum uploads_view node_view(enum place place);

#endif
