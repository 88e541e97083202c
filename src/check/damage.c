/* A catalog that is missing or damaged is replaced by a new one. The new one becomes
 * STORE_MENDED when it is whole and on disk. From then on the replacement goes on by
 * itself when it is interrupted; until then the old catalog is as it was. In between
 * the old catalog lacks its log, so no daemon starts while there is one. */
#include "state.h"

#include <errno.h>
#include <fcntl.h>

#define ASIDE_MAX 10000

static char *path_of(struct check *check, const char *name)
{
	return store_path(check->store, name);
}

static enum catalog_state missing(struct check *check)
{
	if (check->blobs_count == 0 && !store_has(check->store, STORE_JOURNAL))
		return CATALOG_NONE;
	check_found_whole(check, "the catalog is missing");
	return CATALOG_MISSING;
}

int damage_judge(struct check *check, enum catalog_state *state, struct conn **conn)
{
	SCOPED(scoped_catalog_look_close) struct conn *made = NULL;
	SCOPED(scoped_free) char *path = path_of(check, STORE_CATALOG);
	int r;

	if (!path)
		return failure(-ENOMEM, "open catalog");
	*state = CATALOG_WHOLE;
	if (!store_has_bytes(check->store, STORE_CATALOG)) {
		*state = missing(check);
		return 0;
	}
	r = catalog_look(path, &made);
	if (!r)
		r = catalog_check_pages(made, check_found, check);
	if (r == REFUSED_GONE) {
		check_found_whole(check, "the catalog is damaged");
		*state = CATALOG_DAMAGED;
		return 0;
	}
	if (!r)
		*conn = STEAL(made);
	return r;
}

/* ---- files ---- */

static int sync_store(struct check *check)
{
	SCOPED(scoped_close) int fd = open(check->path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return failure(-errno, "sync folder %s", check->path);
	return 0;
}

static int remove_file(struct check *check, const char *name)
{
	SCOPED(scoped_free) char *path = path_of(check, name);

	if (!path)
		return failure(-ENOMEM, "remove %s", name);
	if (unlink(path) < 0 && errno != ENOENT)
		return failure(-errno, "remove %s", path);
	return 0;
}

static int rename_file(struct check *check, const char *name, const char *to_name)
{
	SCOPED(scoped_free) char *path = path_of(check, name);
	SCOPED(scoped_free) char *to = path_of(check, to_name);

	if (!path || !to)
		return failure(-ENOMEM, "rename %s", name);
	if (rename(path, to) < 0)
		return failure(-errno, "rename %s to %s", path, to);
	return sync_store(check);
}

/* Gives a file a second name. Refusals: EXISTS, NOT_FOUND. */
static int link_file(struct check *check, const char *name, const char *to_name)
{
	SCOPED(scoped_free) char *path = path_of(check, name);
	SCOPED(scoped_free) char *to = path_of(check, to_name);

	if (!path || !to)
		return failure(-ENOMEM, "keep %s", name);
	if (link(path, to) == 0)
		return 0;
	if (errno == EEXIST)
		return REFUSED_EXISTS;
	if (errno == ENOENT)
		return REFUSED_NOT_FOUND;
	return failure(-errno, "keep %s as %s", path, to);
}

/* Keeps a file under a free name as well, which is written to `kept`. */
static int keep_file(struct check *check, const char *name, char *kept, size_t size)
{
	int r = REFUSED_EXISTS;

	for (int n = 1; r == REFUSED_EXISTS && n < ASIDE_MAX; n++) {
		snprintf(kept, size, "%s.damaged-%d", name, n);
		r = link_file(check, name, kept);
	}
	return r > 0 ? failure(-EEXIST, "keep %s", name) : r;
}

/* Keeps the damaged catalog and its log. */
static int keep_catalog(struct check *check, char *kept, size_t size)
{
	SCOPED(scoped_free) char *log = NULL;
	int r = keep_file(check, STORE_CATALOG, kept, size);

	if (r)
		return r;
	if (asprintf(&log, "%s-wal", kept) < 0) {
		log = NULL;
		return failure(-ENOMEM, "keep the damaged catalog");
	}
	r = link_file(check, STORE_CATALOG "-wal", log);
	return r < 0 ? r : sync_store(check);
}

/* What the log holds is of no use to a new catalog, but perhaps to somebody. */
static int keep_lone_log(struct check *check)
{
	char kept[64];
	int r;

	if (!store_has_bytes(check->store, STORE_CATALOG "-wal"))
		return 0;
	r = keep_file(check, STORE_CATALOG "-wal", kept, sizeof(kept));
	if (r)
		return r;
	fprintf(check->out, "the log of the missing catalog is kept as %s\n", kept);
	return sync_store(check);
}

/* ---- the replacement ---- */

static int put_into_place(struct check *check)
{
	int r = remove_file(check, STORE_CATALOG "-wal");

	if (!r)
		r = remove_file(check, STORE_CATALOG "-shm");
	if (!r)
		r = sync_store(check);
	return r ? r : rename_file(check, STORE_MENDED, STORE_CATALOG);
}

int damage_resume(struct check *check)
{
	if (!store_has(check->store, STORE_MENDED))
		return 0;
	check_found_whole(check, "a repair did not come to its end");
	return put_into_place(check);
}

static int make_new(struct check *check, const char *aside)
{
	SCOPED(scoped_free) char *from = aside ? path_of(check, aside) : NULL;
	SCOPED(scoped_free) char *to = path_of(check, STORE_NEW);
	uint64_t rows;
	int r;

	if (!to || (aside && !from))
		return failure(-ENOMEM, "make a new catalog");
	r = remove_file(check, STORE_NEW);
	if (!r)
		r = remove_file(check, STORE_NEW "-journal");
	if (!r)
		r = catalog_salvage(from, to, check->last, &rows);
	if (r)
		return r;
	fprintf(check->out, "made a new catalog, with %llu rows of the old one%s%s\n",
		(unsigned long long)rows, aside ? ", which is kept as " : "",
		aside ? aside : "");
	return rename_file(check, STORE_NEW, STORE_MENDED);
}

int damage_replace(struct check *check, enum catalog_state state)
{
	char aside[64];
	bool damaged = state == CATALOG_DAMAGED;
	int r = damaged ? keep_catalog(check, aside, sizeof(aside))
			: keep_lone_log(check);

	if (!r)
		r = make_new(check, damaged ? aside : NULL);
	return r ? r : put_into_place(check);
}
