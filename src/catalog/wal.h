/* How far SQLite's write-ahead log has come, and the one way to copy it into the
 * catalog's file. Thread-safe. */
#ifndef TUSFS_CATALOG_WAL_H
#define TUSFS_CATALOG_WAL_H

#include "query.h"

#include <pthread.h>
#include <stdatomic.h>

#define PAGE_BYTES 4096 /* SQLite's default */

struct wal {
	atomic_bool lost;	 /* a sync of it failed: see mend() in commit.c */
	pthread_mutex_t copying; /* held by whoever copies it */
	pthread_mutex_t mutex;	 /* protects the rest */
	int frames, copied;	 /* as in struct wal_progress */
	unsigned int number;	 /* counts how often it began anew */
};

struct wal_progress {
	int frames; /* pages in it after the last commit */
	int copied; /* so many are in the catalog's file as well */
};

/* Follows the commits on `writer`, the only connection that writes. */
void wal_init(struct wal *wal, struct conn *writer);
void wal_release(struct wal *wal);
struct wal_progress wal_progress(struct wal *wal);
/* Copies it on a connection, in a mode of sqlite3_wal_checkpoint_v2(), whose result it
 * returns. Only the writer cuts it (SQLITE_CHECKPOINT_TRUNCATE). */
MUST_CHECK int wal_copy(struct wal *wal, struct conn *conn, int mode);

#endif
