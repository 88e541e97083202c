/* The catalog as fsck.tusfs looks at it: is the file whole, does what it says fit
 * together and fit the blobs, what of a damaged one can still be read. And copies of a
 * catalog in use. Nobody else may have a catalog open that is looked at or mended; a
 * connection belongs to one thread. */
#ifndef TUSFS_CATALOG_CHECK_H
#define TUSFS_CATALOG_CHECK_H

#include "tusfs/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conn;

/* One thing that is wrong. */
struct finding {
	const char *what; /* as in "upload 17 WHAT" */
	bool of_blob;	  /* num is a blob's */
	uint64_t num;	  /* 0: the catalog as a whole */
	const char *name; /* of the file, or NULL */
	const char *id;	  /* of the upload, or NULL */
};
typedef void catalog_found(void *arg, const struct finding *finding);

/* Opens a catalog without changing anything, not even where a crash left a log beside
 * it. Refusals: INVALID (of a newer version; logged), GONE (damaged, empty, or another
 * program's). */
MUST_CHECK int catalog_look(const char *path, struct conn **conn);
/* Opens a catalog to mend it, which makes its files if they are absent. Refusals: as
 * above. */
MUST_CHECK int catalog_look_to_mend(const char *path, struct conn **conn);
struct conn *catalog_look_close(struct conn *conn);
void scoped_catalog_look_close(struct conn **conn);

/* Whether all pages and indexes are whole (SQLite's integrity_check); what is not is
 * told to `found`. Refusals: GONE (something is not). */
MUST_CHECK int catalog_check_pages(struct conn *conn, catalog_found *found, void *arg);

struct blob_fact {
	uint64_t num;
	uint64_t size; /* bytes */
};

/* Tells the connection which blobs there are; what it was told before is forgotten. */
MUST_CHECK int catalog_note_blobs(struct conn *conn, const struct blob_fact *blobs,
				  size_t count);
/* How many uploads have their bytes in a blob of their own, by their rows. */
MUST_CHECK int catalog_count_blobs(struct conn *conn, uint64_t *count);
/* Compares all rows with each other, and with the blobs noted. */
MUST_CHECK int catalog_check_rows(struct conn *conn, catalog_found *found, void *arg);
/* The same, and mends what is found, until nothing is; durable once it has returned.
 * `cut` is then called for each blob that is to be cut to `size`, or moved aside if
 * that is CATALOG_ASIDE. */
#define CATALOG_ASIDE UINT64_MAX
MUST_CHECK int catalog_mend_rows(struct conn *conn, catalog_found *found,
				 int (*cut)(void *arg, uint64_t num, uint64_t size),
				 void *arg);

/* Makes a new catalog `to` with all that can be read of the damaged `from` (NULL: with
 * nothing). It gives out numbers above `last` only. *rows were saved. */
MUST_CHECK int catalog_salvage(const char *from, const char *to, uint64_t last,
			       uint64_t *rows);

/* Copies the catalog as it is at one moment, while the daemon goes on, to the file
 * `copy`, which must be empty or absent. The copy is whole and on disk when this
 * returns. Refusals: GONE (damaged, or no catalog), INVALID. */
MUST_CHECK int catalog_copy(const char *path, const char *copy);

#endif
