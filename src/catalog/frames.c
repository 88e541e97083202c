/* What is appended to the log waits in memory until the frame that ends a transaction
 * (its header has the size of the database in bytes 4 to 7, which is 0 in all others:
 * sqlite.org/walformat.html). Up to then nobody else looks at it: the index of the log,
 * which tells readers what is there, is written after that frame. Every other call on
 * the log, a write to another place too, finds all of it in the file. */
#include "frames.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* The usual VFS writes less than 128 KiB at a time, and takes more for a full disk. */
#define GATHER_BYTES (124 * 1024)
#define FILE_HEADER  32
#define FRAME_HEADER 24
#define PAGE_MIN     512

struct frames {
	sqlite3_file base;
	sqlite3_int64 end; /* of what was appended; 0 while it is not known */
	bool ends;	   /* the page that comes next ends a transaction */
	size_t gathered;
	uint8_t *buffer;
	/* and the usual VFS's file behind it */
};

static struct frames *frames_of(sqlite3_file *file)
{
	return (struct frames *)file;
}

static sqlite3_file *real_of(sqlite3_file *file)
{
	return (sqlite3_file *)(frames_of(file) + 1);
}

static const sqlite3_io_methods *methods_of(sqlite3_file *file)
{
	return real_of(file)->pMethods;
}

/* What could not be written is forgotten: SQLite rolls back, and writes it anew. */
static int flush(sqlite3_file *file)
{
	struct frames *frames = frames_of(file);
	size_t size = frames->gathered;
	int rc;

	if (!size)
		return SQLITE_OK;
	frames->gathered = 0;
	rc = methods_of(file)->xWrite(real_of(file), frames->buffer, (int)size,
				      frames->end - (sqlite3_int64)size);
	if (rc != SQLITE_OK)
		frames->end = 0;
	return rc;
}

static int write_now(sqlite3_file *file, const void *bytes, int size,
		     sqlite3_int64 offset)
{
	struct frames *frames = frames_of(file);
	int rc = flush(file);

	if (rc == SQLITE_OK)
		rc = methods_of(file)->xWrite(real_of(file), bytes, size, offset);
	/* the header of a log that begins */
	if (rc == SQLITE_OK && offset == 0 && size == FILE_HEADER)
		frames->end = FILE_HEADER;
	return rc;
}

static int gather(sqlite3_file *file, const void *bytes, int size)
{
	struct frames *frames = frames_of(file);
	int rc = SQLITE_OK;

	if (frames->gathered + (size_t)size > GATHER_BYTES)
		rc = flush(file);
	if (rc != SQLITE_OK)
		return rc;
	memcpy(frames->buffer + frames->gathered, bytes, (size_t)size);
	frames->gathered += (size_t)size;
	frames->end += size;
	return SQLITE_OK;
}

static bool ends_transaction(const void *header)
{
	static const uint8_t none[4];

	return memcmp((const uint8_t *)header + 4, none, sizeof(none)) != 0;
}

static int frames_write(sqlite3_file *file, const void *bytes, int size,
			sqlite3_int64 offset)
{
	struct frames *frames = frames_of(file);
	bool header = size == FRAME_HEADER;
	int rc;

	if (header)
		frames->ends = ends_transaction(bytes);
	/* the first of a log that is there already: SQLite goes on at its end */
	if (!frames->end && header)
		frames->end = offset;
	if (offset != frames->end || (!header && size < PAGE_MIN))
		return write_now(file, bytes, size, offset);
	rc = gather(file, bytes, size);
	return rc == SQLITE_OK && !header && frames->ends ? flush(file) : rc;
}

static int frames_read(sqlite3_file *file, void *bytes, int size, sqlite3_int64 offset)
{
	int rc = flush(file);

	return rc ? rc : methods_of(file)->xRead(real_of(file), bytes, size, offset);
}

static int frames_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	int rc = flush(file);

	frames_of(file)->end = 0;
	return rc ? rc : methods_of(file)->xTruncate(real_of(file), size);
}

static int frames_sync(sqlite3_file *file, int flags)
{
	int rc = flush(file);

	return rc ? rc : methods_of(file)->xSync(real_of(file), flags);
}

static int frames_size(sqlite3_file *file, sqlite3_int64 *size)
{
	int rc = flush(file);

	return rc ? rc : methods_of(file)->xFileSize(real_of(file), size);
}

static int frames_close(sqlite3_file *file)
{
	int flushed = flush(file);
	int rc = methods_of(file)->xClose(real_of(file));

	sqlite3_free(frames_of(file)->buffer);
	return rc ? rc : flushed;
}

static int frames_lock(sqlite3_file *file, int kind)
{
	return methods_of(file)->xLock(real_of(file), kind);
}

static int frames_unlock(sqlite3_file *file, int kind)
{
	return methods_of(file)->xUnlock(real_of(file), kind);
}

static int frames_check_lock(sqlite3_file *file, int *is)
{
	return methods_of(file)->xCheckReservedLock(real_of(file), is);
}

static int frames_control(sqlite3_file *file, int op, void *arg)
{
	return methods_of(file)->xFileControl(real_of(file), op, arg);
}

static int frames_sector_size(sqlite3_file *file)
{
	return methods_of(file)->xSectorSize(real_of(file));
}

static int frames_characteristics(sqlite3_file *file)
{
	return methods_of(file)->xDeviceCharacteristics(real_of(file));
}

/* The log needs no more: shared memory and maps are the database's. */
static const sqlite3_io_methods frames_methods = {
	.iVersion = 1,
	.xClose = frames_close,
	.xRead = frames_read,
	.xWrite = frames_write,
	.xTruncate = frames_truncate,
	.xSync = frames_sync,
	.xFileSize = frames_size,
	.xLock = frames_lock,
	.xUnlock = frames_unlock,
	.xCheckReservedLock = frames_check_lock,
	.xFileControl = frames_control,
	.xSectorSize = frames_sector_size,
	.xDeviceCharacteristics = frames_characteristics,
};

static sqlite3_vfs *usual_of(sqlite3_vfs *vfs)
{
	return vfs->pAppData;
}

static int open_log(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
		    int *flags_out)
{
	struct frames *frames = frames_of(file);
	int rc = usual_of(vfs)->xOpen(usual_of(vfs), name, real_of(file), flags,
				      flags_out);

	memset(frames, 0, sizeof(*frames));
	if (rc != SQLITE_OK)
		return rc;
	frames->buffer = sqlite3_malloc(GATHER_BYTES);
	if (!frames->buffer) {
		methods_of(file)->xClose(real_of(file));
		return SQLITE_NOMEM;
	}
	frames->base.pMethods = &frames_methods;
	return SQLITE_OK;
}

static int frames_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file,
		       int flags, int *flags_out)
{
	return flags & SQLITE_OPEN_WAL ? open_log(vfs, name, file, flags, flags_out)
				       : usual_of(vfs)->xOpen(usual_of(vfs), name, file,
							      flags, flags_out);
}

/* All but opening is the usual VFS's, whose functions look at their own fields only. */
void frames_register(void)
{
	static sqlite3_vfs frames_vfs;
	sqlite3_vfs *usual = sqlite3_vfs_find(NULL);

	if (!usual)
		return;
	frames_vfs = *usual;
	frames_vfs.pNext = NULL;
	frames_vfs.zName = FRAMES_VFS;
	frames_vfs.pAppData = usual;
	frames_vfs.szOsFile = (int)sizeof(struct frames) + usual->szOsFile;
	frames_vfs.xOpen = frames_open;
	sqlite3_vfs_register(&frames_vfs, 0);
}
