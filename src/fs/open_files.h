/* Which files are open, and how the kernel reads each.
 *
 * For one inode the kernel accepts, at one time, either opens through its own page
 * cache or opens that pass through to one backing file; a breach is EIO at open(2). So
 * the way of the first open decides for those that overlap with it. Direct opens, those
 * of unfinished uploads, go with either, but none may come after one that passes
 * through. The kernel acts on our answers in an order of its own: that it has acted on
 * one is known only once it uses the handle. Thread-safe. */
#ifndef TUSFS_FS_OPEN_FILES_H
#define TUSFS_FS_OPEN_FILES_H

#include "mount.h"

#include <sys/stat.h>

enum open_way {
	OPEN_DIRECT,  /* read requests for each read(2), nothing cached */
	OPEN_CACHED,  /* read requests that fill the kernel's page cache */
	OPEN_PASSING, /* the kernel reads the backing file itself */
};

struct open_file;

MUST_CHECK int open_files_new(struct open_files **files);
struct open_files *open_files_free(struct open_files *files);

struct open_answer {
	struct open_file *open; /* ended with open_files_close() */
	enum open_way way;
	int backing_id; /* of OPEN_PASSING */
	bool keep_cache;
};

/* Opens an upload's file. `file` is its row; NULL when it has none any more: what
 * somebody has open can be opened again, through /proc/PID/fd. Refusals: NOT_FOUND,
 * GONE. */
MUST_CHECK int open_files_open(struct fs *fs, uint64_t num, const struct file *file,
			       struct open_answer *answer);
void open_files_close(struct fs *fs, struct open_file *open);
/* As upload_reader_read(). */
MUST_CHECK int open_files_read(struct fs *fs, struct open_file *open, void *bytes,
			       size_t size, uint64_t offset, size_t *got);
/* Notes what a file that may be open is like now, for the time when it has no row. */
void open_files_note(struct open_files *files, uint64_t num, const struct stat *stat);
/* An upload has become complete: who has its file open can read all of it from now on,
 * even when its row goes before anybody has looked. */
void open_files_finished(struct open_files *files, uint64_t num);
/* The attributes of a file that is open but has no row any more; false when it is not
 * open. */
bool open_files_stat(struct open_files *files, uint64_t num, struct stat *stat);

#endif
