/* The steps of a check and of a repair. The daemon's own start is one of them: each
 * step takes the store's lock for itself. */
#include "tusfs/check.h"

#include "tusfs/log.h"
#include "tusfs/uploads.h"

#include "state.h"

#include <errno.h>
#include <string.h>

/* ---- telling ---- */

/* Names are chosen by clients: one must not forge a line. */
static void print_name(FILE *out, const char *name)
{
	fputs("\"", out);
	for (; *name; name++)
		fputc((unsigned char)*name < ' ' || *name == 0x7f ? '?' : *name, out);
	fputs("\"", out);
}

static void print_subject(FILE *out, const struct finding *finding)
{
	unsigned long long num = finding->num;

	if (finding->of_blob) {
		fprintf(out, "blob %016llx", num);
		return;
	}
	fprintf(out, "%s %llu",
		finding->id	? "upload"
		: finding->name ? "folder"
				: "number",
		num);
	if (finding->id)
		fprintf(out, " (%s)", finding->id);
	if (finding->name) {
		fputc(' ', out);
		print_name(out, finding->name);
	}
}

void check_found(void *arg, const struct finding *finding)
{
	struct check *check = arg;

	check->found++;
	if (finding->num) {
		print_subject(check->out, finding);
		fprintf(check->out, " %s\n", finding->what);
	} else {
		fprintf(check->out, "the catalog: %s\n", finding->what);
	}
}

void check_found_whole(struct check *check, const char *what)
{
	check->found++;
	fprintf(check->out, "%s\n", what);
}

/* ---- the blobs ---- */

static int take_blob(void *arg, uint64_t num, uint64_t size)
{
	struct check *check = arg;
	size_t room = check->blobs_room ? check->blobs_room * 2 : 1024;
	struct blob_fact *more;

	if (check->blobs_count == check->blobs_room) {
		more = reallocarray(check->blobs, room, sizeof(*more));
		if (!more)
			return failure(-ENOMEM, "list the blobs");
		check->blobs = more;
		check->blobs_room = room;
	}
	check->blobs[check->blobs_count++] = (struct blob_fact){num, size};
	if (num > check->last)
		check->last = num;
	return 0;
}

static int take_stranger(void *arg, const char *place)
{
	struct strings *strings = &((struct check *)arg)->strangers;
	char **more =
		reallocarray(strings->all, strings->count + 1, sizeof(*strings->all));

	if (!more)
		return failure(-ENOMEM, "list the blobs");
	strings->all = more;
	strings->all[strings->count] = strdup(place);
	if (!strings->all[strings->count])
		return failure(-ENOMEM, "list the blobs");
	strings->count++;
	return 0;
}

static void forget(struct check *check)
{
	for (size_t i = 0; i < check->strangers.count; i++)
		free(check->strangers.all[i]);
	free(check->strangers.all);
	check->strangers = (struct strings){0};
	check->blobs_count = 0;
	check->last = 0;
}

static int list_blobs(struct check *check)
{
	struct store_visitor visitor = {take_blob, take_stranger, check};

	forget(check);
	return store_walk(check->store, &visitor);
}

static void tell_strangers(struct check *check)
{
	for (size_t i = 0; i < check->strangers.count; i++) {
		check->found++;
		fputs("blobs/", check->out);
		print_name(check->out, check->strangers.all[i]);
		fputs(" is no blob\n", check->out);
	}
}

/* ---- looking ---- */

static int tell_end(struct check *check)
{
	bool ended = true;
	int r = uploads_ended_in_order(check->path, &ended);

	if (!r && !ended)
		check_found_whole(check, "the last run did not end in order");
	return r;
}

static int look_at_rows(struct check *check, struct conn *conn)
{
	int r = catalog_note_blobs(conn, check->blobs, check->blobs_count);

	return r ? r : catalog_check_rows(conn, check_found, check);
}

static int look_inside(struct check *check)
{
	SCOPED(scoped_catalog_look_close) struct conn *conn = NULL;
	enum catalog_state state;
	int r = list_blobs(check);

	if (r)
		return r;
	tell_strangers(check);
	if (store_has(check->store, STORE_MENDED)) {
		check_found_whole(check, "a repair did not come to its end");
		return 0;
	}
	r = tell_end(check);
	if (!r)
		r = damage_judge(check, &state, &conn);
	return r || !conn ? r : look_at_rows(check, conn);
}

/* Runs a step with the store open. */
static int with_store(struct check *check, int (*step)(struct check *check))
{
	int r = check->mend ? store_open_to_mend(check->path, &check->store)
			    : store_open_to_look(check->path, &check->store);

	if (!r)
		r = step(check);
	check->store = store_close(check->store);
	return r;
}

/* ---- mending ---- */

static int move_strangers(struct check *check)
{
	int r = 0;

	tell_strangers(check);
	for (size_t i = 0; i < check->strangers.count && !r; i++)
		r = store_set_aside(check->store, check->strangers.all[i]);
	return r;
}

/* Before a daemon could start: the catalog must be there. */
static int mend_files(struct check *check)
{
	SCOPED(scoped_catalog_look_close) struct conn *conn = NULL;
	enum catalog_state state = CATALOG_WHOLE;
	int r = damage_resume(check);

	if (!r)
		r = list_blobs(check);
	if (!r)
		r = move_strangers(check);
	if (!r)
		r = tell_end(check);
	if (!r)
		r = damage_judge(check, &state, &conn);
	check->nothing = state == CATALOG_NONE;
	if (r || state == CATALOG_WHOLE || state == CATALOG_NONE)
		return r;
	return damage_replace(check, state);
}

/* What the daemon does when it starts and stops: by its journal, then the blobs of what
 * was removed. */
static int start_and_stop(const char *path)
{
	struct uploads_config config = {.sync = SYNC_ALWAYS};
	struct uploads *uploads = NULL;
	int r = uploads_open(path, &config, &uploads);

	if (!r)
		r = uploads_clean(uploads);
	uploads_close(uploads);
	return r;
}

static int cut(void *arg, uint64_t num, uint64_t size)
{
	struct check *check = arg;
	SCOPED(scoped_blob_unref) struct blob *blob = NULL;
	int r;

	if (size == CATALOG_ASIDE)
		return blob_set_aside(check->store, num);
	r = blob_open(check->store, num, &blob);
	if (!r)
		r = blob_cut(blob, size);
	return r ? r : blob_sync(blob);
}

/* A store without any of its blobs is one of which a part is not mounted, or not copied
 * yet: to drop all rows would be no repair. Refusals: GONE. */
static int refuse_empty(struct check *check, struct conn *conn)
{
	uint64_t count;
	int r;

	if (check->blobs_count)
		return 0;
	r = catalog_count_blobs(conn, &count);
	if (r || count < 2)
		return r;
	log_error(
		"%s has none of the %llu blobs that its catalog counts on: "
		"no upload is dropped for that",
		check->path, (unsigned long long)count);
	return REFUSED_GONE;
}

static int mend_rows(struct check *check)
{
	SCOPED(scoped_catalog_look_close) struct conn *conn = NULL;
	SCOPED(scoped_free) char *path = store_path(check->store, STORE_CATALOG);
	int r;

	if (!path)
		return failure(-ENOMEM, "open catalog");
	r = list_blobs(check);
	if (!r)
		r = catalog_look_to_mend(path, &conn);
	if (!r)
		r = refuse_empty(check, conn);
	if (!r)
		r = catalog_note_blobs(conn, check->blobs, check->blobs_count);
	return r ? r : catalog_mend_rows(conn, check_found, cut, check);
}

/* The rows first: a start after a power cut removes the blobs that the catalog cannot
 * know, and an older catalog may have been put beside them. */
static int mend_all(struct check *check)
{
	int r = with_store(check, mend_files);

	if (!r && !check->nothing)
		r = with_store(check, mend_rows);
	return r ? r : start_and_stop(check->path);
}

/* What a look afterwards still finds is told once more. */
static int mend_and_look(struct check *check, struct check_result *result)
{
	int r = mend_all(check);

	result->found = check->found;
	if (r || !check->found)
		return r;
	check->found = 0;
	r = with_store(check, look_inside);
	result->left = check->found;
	return r;
}

int check_store(const char *path, bool mend, FILE *out, struct check_result *result)
{
	struct check check = {.path = path, .mend = mend, .out = out};
	struct check_result made = {0};
	int r;

	if (mend) {
		r = mend_and_look(&check, &made);
	} else {
		r = with_store(&check, look_inside);
		made = (struct check_result){check.found, check.found};
	}
	forget(&check);
	free(check.blobs);
	if (!r)
		*result = made;
	return r;
}
