/* The content store: blobs, which are files of bytes named by their own number.
 *
 *     STORE/lock                       held by the daemon, one at a time
 *           blobs/00/ ... ff/
 *                 2a/000000000000002a  blob 42: the last two digits, all sixteen
 *           not-blobs/2a-NAME.1        what fsck.tusfs found in blobs/2a/ besides
 *           catalog.db, -wal, -shm     the catalog: SQLite's three files
 *           catalog.db.new, .mended    another one, while fsck.tusfs makes it
 *           catalog.db*.damaged-1      what it took the place of
 *           writers                    the journal: what running appends have written
 *
 * This module makes the first three; for the others it has only the names. It knows
 * nothing of uploads. A blob is created once, written at the end, read anywhere, cut,
 * removed. Thread-safe; one blob's writes are its writer's business. */
#ifndef TUSFS_STORE_H
#define TUSFS_STORE_H

#include "tusfs/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/statvfs.h>

#define STORE_JOURNAL "writers"
#define STORE_CATALOG "catalog.db"
/* A catalog that fsck.tusfs is still writing, ... */
#define STORE_NEW STORE_CATALOG ".new"
/* ...and one that it has made, and not yet put into its place. */
#define STORE_MENDED STORE_CATALOG ".mended"

struct store;
struct blob; /* an open blob: one descriptor, shared by reference count */

/* Opens or makes the store in the folder `path` (mode 0700, its parent must exist) and
 * takes its lock, for which it waits up to three seconds. The caller owns *store.
 * Refusals: BUSY (another daemon has the lock). */
MUST_CHECK int store_open(const char *path, struct store **store);
/* The same for a store that is there, of which nothing is made or changed: to look at
 * it. Refusals: BUSY, NOT_FOUND (no such folder, or there is nothing of a store in it).
 */
MUST_CHECK int store_open_to_look(const char *path, struct store **store);
/* The same, but a lock that is missing is made. */
MUST_CHECK int store_open_to_mend(const char *path, struct store **store);
struct store *store_close(struct store *store);
/* The path of a file in the store's folder, such as the catalog; the caller frees it.
 */
char *store_path(const struct store *store, const char *name);
/* Whether there is a file of that name in the store's folder. */
bool store_has(const struct store *store, const char *name);
/* The same, and that it is not empty, as a restore that broke off leaves it. */
bool store_has_bytes(const struct store *store, const char *name);
/* Whether there is a blob, or something that should be one. */
MUST_CHECK int store_has_blobs(struct store *store, bool *has);
/* Writes out all that the file system holds in memory, and waits for it. */
MUST_CHECK int store_sync(const struct store *store);
/* Room and use of the file system that the store is on. */
MUST_CHECK int store_space(const struct store *store, struct statvfs *space);

/* Creates an empty blob, or empties the one that a crash left. */
MUST_CHECK int blob_create(struct store *store, uint64_t num, struct blob **blob);
/* Refusals: NOT_FOUND. */
MUST_CHECK int blob_open(struct store *store, uint64_t num, struct blob **blob);
struct blob *blob_ref(struct blob *blob);
/* Drops one reference; the last closes. Returns NULL, takes NULL. */
struct blob *blob_unref(struct blob *blob);

/* The descriptor, borrowed: open for as long as the reference is held. For sendfile(2)
 * and kernel passthrough. */
int blob_fd(const struct blob *blob);
/* Bytes in the file now. */
MUST_CHECK int blob_size(struct blob *blob, uint64_t *size);
/* Writes all of it at `offset`, or fails. */
MUST_CHECK int blob_write(struct blob *blob, const void *bytes, size_t size,
			  uint64_t offset);
/* The same for bytes of a long stream: they are written out at once, and leave the page
 * cache once they are on disk, unless somebody reads them (RWF_DONTCACHE, since Linux
 * 6.14 for some file systems). Where that cannot be had, it is blob_write(). */
MUST_CHECK int blob_stream(struct blob *blob, const void *bytes, size_t size,
			   uint64_t offset);
/* Reads until `size`, or the end of the blob: *got tells. */
MUST_CHECK int blob_read(struct blob *blob, void *bytes, size_t size, uint64_t offset,
			 size_t *got);
/* Starts writing out [offset, offset + size) without waiting for it. Never fails: it is
 * only a push. */
void blob_push(struct blob *blob, uint64_t offset, uint64_t size);
/* Makes what was written, and the blob's name, survive a power cut. A failure is final:
 * what was not synced before may be lost (fsync(2), NOTES), so every later call fails
 * as well, until the blob is opened again and written anew. Except for want of a
 * descriptor (EMFILE, ENFILE): then nothing is lost, and it can be tried again. */
MUST_CHECK int blob_sync(struct blob *blob);
/* Whether a sync failed for good. */
bool blob_is_lost(const struct blob *blob);
/* Cuts the blob down to `size` bytes, and gives back the room that is set aside behind
 * them; never makes it longer. */
MUST_CHECK int blob_cut(struct blob *blob, uint64_t size);
/* Sets aside room for the bytes from `from` up to `to` without changing the size
 * (fallocate, KEEP_SIZE); what is in front of them is there already. Refusals:
 * NO_SPACE; then nothing new is set aside. A file system that cannot do it is no error.
 */
MUST_CHECK int blob_reserve(struct blob *blob, uint64_t from, uint64_t to);
/* Removes the name; whoever has it open reads on. Absent is no error. */
MUST_CHECK int blob_remove(struct store *store, uint64_t num);
/* Makes the removal survive a power cut. */
MUST_CHECK int blob_sync_removal(struct store *store, uint64_t num);

/* What is in blobs/, told by store_walk(). What these return other than 0
 * ends the walk. */
struct store_visitor {
	int (*blob)(void *arg, uint64_t num, uint64_t size);
	/* What is no blob; its place is below blobs/, borrowed. */
	int (*stranger)(void *arg, const char *place);
	void *arg;
};
MUST_CHECK int store_walk(struct store *store, const struct store_visitor *visitor);
/* Moves what is no blob out of blobs/, to a free name in STORE/not-blobs/. */
MUST_CHECK int store_set_aside(struct store *store, const char *place);
MUST_CHECK int blob_set_aside(struct store *store, uint64_t num);

void scoped_blob_unref(struct blob **blob);
void scoped_store_close(struct store **store);

#endif
