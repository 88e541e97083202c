/* A file or folder of the mount: one row of the catalog, as a plain value. */
#ifndef TUSFS_FILE_H
#define TUSFS_FILE_H

#include "tusfs/error.h"
#include "tusfs/id.h"
#include "tusfs/name.h"

#include <stdbool.h>
#include <stdint.h>

/* There is one tree of names. complete/ and incoming/ are two views of it: complete/
 * shows what has `shown`, incoming/ what has `arriving`. A folder can be in both.
 * partial/ is a folder of its own. */
enum file_kind { FILE_FOLDER, FILE_PLAIN, FILE_PARTIAL, FILE_FINAL };

/* Numbers that are given out from the start; files come from FILE_NUM_FIRST on. */
#define FILE_NUM_TREE	 2 /* the root of the tree of names */
#define FILE_NUM_PARTIAL 3 /* the folder of partial uploads */
#define FILE_NUM_FIRST	 16

struct file {
	uint64_t num;	 /* row id: inode and readdir cookie, never used twice */
	uint64_t parent; /* num of the folder it is in */
	struct name name;
	enum file_kind kind;
	uint64_t arriving; /* uploads that arrive in or below it; 1 on such a one */
	bool shown;	   /* in complete/ (or, a partial upload, in partial/) */
	/* times in microseconds since the epoch; 0 is "not" */
	int64_t created;
	int64_t modified; /* last byte; of a folder, last change of its complete/ view
			   */
	int64_t changed;  /* st_ctime; of a folder, last change of either view */
	int64_t finished; /* not 0: complete */
	int64_t expires;
	/* of uploads only */
	struct upload_id id;
	uint64_t offset; /* committed bytes */
	uint64_t length; /* 0 while it is not known */
	bool length_known;
	bool small;	/* its bytes are in the catalog */
	bool broken;	/* its bytes are damaged: it answers as gone */
	char *metadata; /* Upload-Metadata as received, or NULL; owned */
	char *concat;	/* Upload-Concat as received, or NULL; owned */
	bool has_sha256;
	uint8_t sha256[32];
};

/* Frees what the value owns and leaves it zeroed. */
void file_release(struct file *file);
/* A value that owns strings of its own; the caller releases it. */
MUST_CHECK int file_copy(const struct file *file, struct file *copy);

static inline bool file_is_folder(const struct file *file)
{
	return file->kind == FILE_FOLDER;
}

static inline bool file_is_complete(const struct file *file)
{
	return file->finished != 0;
}

#endif
