/* Which files are open, and how the kernel reads each.
 *
 * For one inode the kernel accepts, at one time, either opens through its own page
 * cache or opens that pass through to one backing file; a breach is EIO at open(2). So
 * the way of the first open decides for those that overlap with it. Direct opens, those
 * of unfinished uploads, go with either. Thread-safe. */
#ifndef TUSFS_FS_OPEN_FILES_H
#define TUSFS_FS_OPEN_FILES_H

#include "mount.h"

#include <sys/stat.h>

enum open_way {
	OPEN_DIRECT,  /* read requests for each read(2), nothing cached */
	OPEN_CACHED,  /* read requests that fill the kernel's page cache */
	OPEN_PASSING, /* the kernel reads the backing file itself */
};

struct open_inode;

struct open_file {
	struct upload_reader *reader;
	struct open_inode *inode;
	enum open_way way;
	int backing_id; /* of OPEN_PASSING */
	bool keep_cache;
};

MUST_CHECK int open_files_new(struct open_files **files);
struct open_files *open_files_free(struct open_files *files);

/* Opens an upload's file, described by `file`. The caller owns *open and ends it with
 * open_files_close(). Refusals: NOT_FOUND, GONE. */
MUST_CHECK int open_files_open(struct fs *fs, const struct file *file,
			       struct open_file **open);
void open_files_close(struct fs *fs, struct open_file *open);
/* Notes what a file that may be open is like now, for the time when it has no row. */
void open_files_note(struct open_files *files, uint64_t num, const struct stat *stat);
/* The attributes of a file that is open but has no row any more; false when it is not
 * open. */
bool open_files_stat(struct open_files *files, uint64_t num, struct stat *stat);

#endif
