/* What the files of this module share: a check on its way. */
#ifndef TUSFS_CHECK_STATE_H
#define TUSFS_CHECK_STATE_H

#include "tusfs/catalog_check.h"
#include "tusfs/store.h"

#include <stdbool.h>
#include <stdio.h>

struct strings {
	char **all;
	size_t count;
};

struct check {
	const char *path;
	bool mend;
	FILE *out;
	uint64_t found;
	struct store *store; /* locked, while it is looked at */
	struct blob_fact *blobs;
	size_t blobs_count, blobs_room;
	uint64_t last; /* the highest number of a blob */
	bool nothing;  /* there is neither catalog nor blob */
	struct strings strangers;
};

enum catalog_state {
	CATALOG_NONE, /* of a store that never had an upload */
	CATALOG_WHOLE,
	CATALOG_MISSING,
	CATALOG_DAMAGED,
};

/* ---- check.c ---- */

/* Tells an error; a catalog_found of the struct check `arg`. */
void check_found(void *arg, const struct finding *finding);
/* Tells an error of the store or its catalog as a whole. */
void check_found_whole(struct check *check, const char *what);

/* ---- damage.c: the catalog's file as a whole ---- */

/* Looks whether the catalog's file is there and whole; if it is, *conn is open to look.
 * Refusals: INVALID. */
MUST_CHECK int damage_judge(struct check *check, enum catalog_state *state,
			    struct conn **conn);
/* Puts a new catalog in place of one that is missing or damaged, with what can be read
 * of it; the damaged one is kept aside. */
MUST_CHECK int damage_replace(struct check *check, enum catalog_state state);
/* Does the rest of a replacement that was interrupted, if there was one. */
MUST_CHECK int damage_resume(struct check *check);

#endif
