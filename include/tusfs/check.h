/* What fsck.tusfs does: compares all of a store that no daemon has open, and mends it.
 * Not thread-safe. */
#ifndef TUSFS_CHECK_H
#define TUSFS_CHECK_H

#include "tusfs/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct check_result {
	uint64_t found; /* errors */
	uint64_t left;	/* of these, after a repair; without one, all */
};

/* Writes a line to `out` for each error of the store in the folder `path`. Without
 * `mend` nothing of the store is changed. Refusals: BUSY (a daemon has it), NOT_FOUND
 * (no store), INVALID (of a newer version; logged). */
MUST_CHECK int check_store(const char *path, bool mend, FILE *out,
			   struct check_result *result);

/* Copies the catalog of a store, which a daemon may have open, as it is at one moment
 * to `file`: one that is whole and on disk takes the place of what was there. Refusals:
 * GONE (the catalog is damaged), INVALID (of a newer version; logged). */
MUST_CHECK int check_backup(const char *store, const char *file);

#endif
