/* What the files of this module share: where things are in a store's folder. */
#ifndef TUSFS_STORE_LAYOUT_H
#define TUSFS_STORE_LAYOUT_H

#include "tusfs/store.h"

#include <stdatomic.h>

#define LAYOUT_LOCK	 "lock"
#define LAYOUT_BLOBS	 "blobs"
#define LAYOUT_NOT_BLOBS "not-blobs"

#define LAYOUT_FOLDERS	   256
#define LAYOUT_FOLDER_SIZE 3  /* "2a" */
#define LAYOUT_PLACE_SIZE  20 /* "2a/000000000000002a" */

/* Whether the names in a folder are on disk: `changes` counts up with every name made
 * or removed in it, `synced` is what it was before the last fsync(2). They start
 * different, since a daemon that was killed may have left names that nobody synced. */
struct folder {
	atomic_uint_fast64_t changes;
	atomic_uint_fast64_t synced;
};

struct store {
	char *path; /* absolute, since the daemon leaves its working folder */
	int fd;
	int lock_fd;
	int blobs_fd;
	atomic_bool keeps_all; /* the kernel cannot write past the page cache */
	struct folder folders[LAYOUT_FOLDERS];
};

void layout_folder(unsigned int index, char text[LAYOUT_FOLDER_SIZE]);
/* Where a blob is, from blobs/. */
void layout_place(uint64_t num, char text[LAYOUT_PLACE_SIZE]);
/* Index of the folder that a blob is in. */
unsigned int layout_index(uint64_t num);

#endif
