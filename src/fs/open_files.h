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

/* One open, a plain value, which the kernel keeps for us as the file handle. */
struct open_file {
	struct open_inode *inode;
	enum open_way way;
};

uint64_t open_file_handle(struct open_file open);
struct open_file open_file_of(uint64_t handle);

MUST_CHECK int open_files_new(struct open_files **files);
struct open_files *open_files_free(struct open_files *files);

struct open_answer {
	struct open_file open; /* ended with open_files_close() */
	int backing_id;	       /* of OPEN_PASSING */
	bool keep_cache;
};

/* Opens an upload's file. `file` is its row; NULL when it has none any more: what
 * somebody has open can be opened again, through /proc/PID/fd. Refusals: NOT_FOUND,
 * GONE. */
MUST_CHECK int open_files_open(struct fs *fs, uint64_t num, const struct file *file,
			       struct open_answer *answer);
void open_files_close(struct fs *fs, struct open_file open);
/* The bytes, for as long as the file is open. */
struct upload_reader *open_file_reader(struct open_file open);

/* Notes what a file that may be open is like now, for the time when it has no row. */
void open_files_note(struct open_files *files, uint64_t num, const struct stat *stat);
/* The attributes of a file that is open but has no row any more; false when it is not
 * open. */
bool open_files_stat(struct open_files *files, uint64_t num, struct stat *stat);

#endif
