/* Uploads that end: a client removes one, or it expires. It leaves a tombstone, which
 * is forgotten here as well, and its bytes, if nobody else uses them, to the janitor.
 */
#include "engine.h"

#include "tusfs/clock.h"

#include <errno.h>

int drop_bytes(struct conn *conn, uint64_t blob, bool small)
{
	SCOPED(file_release) struct file owner = {0};
	bool used;
	int r = catalog_file(conn, blob, &owner);

	if (r != REFUSED_NOT_FOUND)
		return r;
	r = catalog_has_users(conn, blob, &used);
	if (r || used)
		return r;
	return small ? catalog_remove_body(conn, blob) : catalog_add_trash(conn, blob);
}

static int remove_final(struct conn *conn, uint64_t num)
{
	SCOPED(scoped_free) struct segment *segments = NULL;
	size_t count;
	int r = catalog_segments(conn, num, &segments, &count);

	if (!r)
		r = catalog_remove_segments(conn, num);
	for (size_t i = 0; !r && i < count; i++)
		r = drop_bytes(conn, segments[i].blob, segments[i].small);
	/* a blob of its own is what a compaction that a crash ended left */
	return r ? r : catalog_add_trash(conn, num);
}

/* Whether there may be finals that it is still to complete. */
static bool is_waited_for(const struct file *file)
{
	return file->kind == FILE_PARTIAL && !file_is_complete(file);
}

int remove_upload(struct conn *conn, const struct file *file, int64_t now)
{
	int r = catalog_remove(conn, file->num);

	/* without its bytes they can never be complete: the janitor ends them */
	if (!r && is_waited_for(file))
		r = catalog_abandon_finals(conn, file->num, now);
	if (!r)
		r = place_gone(conn, file, now);
	if (!r)
		r = catalog_add_tombstone(conn, file->id, now);
	if (r)
		return r;
	if (file->kind == FILE_FINAL)
		return remove_final(conn, file->num);
	return drop_bytes(conn, file->num, file->small);
}

struct removal {
	struct upload_id id;
	int64_t expired; /* only if it expires at this time or before; 0: in any case */
	bool in_use;	 /* it is put off until `renewed`; 0: for ever */
	int64_t renewed;
	bool put_off; /* it, or its parts, are active */
	struct file file;
	uint64_t left; /* as in the event */
};

/* A final that waits for its parts is active while they are. */
static int put_off(struct conn *conn, struct removal *removal)
{
	struct file *file = &removal->file;
	int64_t expires = removal->renewed;
	int r = 0;

	if (!removal->in_use) {
		if (file->kind != FILE_FINAL || file_is_complete(file))
			return 0;
		r = catalog_final_expires(conn, file->num, &expires);
		if (r || expires <= removal->expired)
			return r;
	}
	removal->put_off = true;
	return catalog_set_expires(conn, file->num, expires == INT64_MAX ? 0 : expires);
}

static int apply_remove(struct conn *conn, void *arg)
{
	struct removal *removal = arg;
	int r;

	file_release(&removal->file);
	removal->put_off = false;
	r = catalog_file_with_id(conn, removal->id, &removal->file);
	if (r)
		return r;
	if (removal->expired &&
	    (!removal->file.expires || removal->file.expires > removal->expired))
		return REFUSED_NOT_FOUND;
	if (removal->expired)
		r = put_off(conn, removal);
	if (r || removal->put_off)
		return r;
	r = place_left(conn, &removal->file, &removal->left);
	return r ? r : remove_upload(conn, &removal->file, clock_now());
}

static int list_finals_of(struct uploads *uploads, uint64_t num, uint64_t **finals,
			  size_t *count)
{
	SCOPED(conn_release) struct conn *conn = catalog_reader(uploads->catalog);

	return catalog_users(conn, num, finals, count);
}

/* Whoever has the upload open, or a final that it is a part of, reads on to where that
 * has come. */
static int catch_up(struct uploads *uploads, const struct file *file)
{
	SCOPED(scoped_free) uint64_t *finals = NULL;
	size_t count = 0;
	int r = is_waited_for(file)
			? list_finals_of(uploads, file->num, &finals, &count)
			: 0;

	readers_catch_up(uploads, file->num);
	for (size_t i = 0; i < count; i++)
		readers_catch_up(uploads, finals[i]);
	return r;
}

/* Removes an upload that the caller has claimed. */
static int remove_claimed(struct uploads *uploads, struct removal *removal)
{
	SCOPED(file_release) struct file there = {0};
	int r = uploads_stat_id(uploads, removal->id, &there);

	if (r)
		return r;
	recent_drop(uploads->recent, removal->id);
	r = catch_up(uploads, &there);
	if (!r)
		r = catalog_commit(uploads->catalog, durable_always(uploads),
				   apply_remove, removal);
	if (!r)
		janitor_wake(uploads->janitor);
	return r;
}

static void removal_release(struct removal *removal)
{
	file_release(&removal->file);
}

static int terminate(struct uploads *uploads, struct removal *removal)
{
	struct live *live;
	int r = live_claim_to_end(uploads, removal->id, &live);

	if (r)
		return r;
	r = remove_claimed(uploads, removal);
	live_release(uploads, live);
	return r;
}

int uploads_terminate(struct uploads *uploads, struct upload_id id)
{
	SCOPED(removal_release) struct removal removal = {.id = id};
	int r = terminate(uploads, &removal);

	if (!r)
		tell_gone(uploads, &removal.file, removal.left);
	return r;
}

int uploads_unlink(struct uploads *uploads, uint64_t num, struct file *file,
		   uint64_t *left)
{
	SCOPED(file_release) struct file there = {0};
	SCOPED(removal_release) struct removal removal = {0};
	int r = uploads_stat(uploads, num, &there);

	if (r)
		return r;
	if (file_is_folder(&there))
		return REFUSED_IS_FOLDER;
	removal.id = there.id;
	r = terminate(uploads, &removal);
	if (r)
		return r == REFUSED_GONE ? REFUSED_NOT_FOUND : r;
	*left = removal.left;
	*file = removal.file;
	removal.file = (struct file){0};
	return 0;
}

/* So many are removed in one transaction, which others wait for. */
#define EXPIRE_BATCH 16

struct expiry {
	bool begun; /* or else somebody ended it */
	struct live *live;
	struct removal removal;
	struct catalog_change change;
};

/* Or else whoever has claimed it can bring nothing, and need not be waited for. */
static bool is_active(const struct file *file)
{
	return file->kind == FILE_PARTIAL ||
	       (file->kind == FILE_PLAIN && !file_is_complete(file));
}

static int begin_expiry(struct uploads *uploads, uint64_t num, int64_t now,
			struct expiry *expiry)
{
	SCOPED(file_release) struct file file = {0};
	bool in_use = false;
	int r = uploads_stat(uploads, num, &file);

	if (!r)
		r = live_try_claim(uploads, file.id, &expiry->live);
	if (r == REFUSED_BUSY) {
		in_use = is_active(&file);
		r = 0;
	}
	if (r)
		return r < 0 ? r : 0;
	if (!in_use) {
		recent_drop(uploads->recent, file.id);
		r = catch_up(uploads, &file);
		if (r)
			return r;
	}
	expiry->begun = true;
	expiry->removal = (struct removal){.id = file.id,
					   .expired = now,
					   .in_use = in_use,
					   .renewed = expiry_from(uploads, now)};
	expiry->change = (struct catalog_change){.apply = apply_remove,
						 .arg = &expiry->removal,
						 .durable = durable_always(uploads)};
	return 0;
}

/* Whether that was the end of the upload, or put off; or a failure. No claim is held
 * any more: the observer may wait for somebody who waits for one. */
static int end_expiry(struct uploads *uploads, struct expiry *expiry, bool *ended)
{
	const struct removal *removal = &expiry->removal;
	int r = expiry->change.result;

	if (!r && !removal->put_off)
		tell_gone(uploads, &removal->file, removal->left);
	*ended |= !r;
	file_release(&expiry->removal.file);
	return r < 0 ? r : 0;
}

static void commit_expiries(struct uploads *uploads, struct expiry *all, size_t count)
{
	struct catalog_change *first = NULL, *last = NULL;

	for (size_t i = 0; i < count; i++) {
		if (!all[i].begun)
			continue;
		if (last)
			last->next = &all[i].change;
		else
			first = &all[i].change;
		last = &all[i].change;
	}
	if (first)
		catalog_commit_all(uploads->catalog, first, last);
}

/* Whether any of them ended, or was put off. */
static int expire_all(struct uploads *uploads, int64_t now, const uint64_t *nums,
		      size_t count, bool *ended)
{
	SCOPED(scoped_free) struct expiry *all = calloc(EXPIRE_BATCH, sizeof(*all));
	int r = all ? 0 : failure(-ENOMEM, "expire uploads"), last = 0;

	for (size_t i = 0; i < count && !r; i++)
		r = begin_expiry(uploads, nums[i], now, &all[i]);
	if (all)
		commit_expiries(uploads, all, count);
	for (size_t i = 0; all && i < count; i++)
		live_release(uploads, all[i].live);
	for (size_t i = 0; all && i < count; i++)
		if (all[i].begun) {
			int one = end_expiry(uploads, &all[i], ended);

			last = one ? one : last;
		}
	if (*ended)
		janitor_wake(uploads->janitor);
	return r ? r : last;
}

static int list_expired(struct uploads *uploads, int64_t now, uint64_t *nums,
			size_t *count)
{
	SCOPED(conn_release) struct conn *conn = catalog_reader(uploads->catalog);

	return catalog_expired(conn, now, nums, EXPIRE_BATCH, count);
}

struct forgetting {
	int64_t before;
	size_t count;
};

static int apply_forget(struct conn *conn, void *arg)
{
	struct forgetting *forgetting = arg;

	return catalog_forget_tombstones(conn, forgetting->before, EXPIRE_BATCH,
					 &forgetting->count);
}

static int forget_some(struct uploads *uploads, int64_t now, bool *more)
{
	struct forgetting forgetting = {now - uploads->config.tombstone_time, 0};
	int r = catalog_commit(uploads->catalog, false, apply_forget, &forgetting);

	*more |= !r && forgetting.count == EXPIRE_BATCH;
	return r;
}

int expire_some(struct uploads *uploads, bool *more)
{
	uint64_t nums[EXPIRE_BATCH];
	int64_t now = clock_now();
	bool ended = false;
	size_t count;
	int r = list_expired(uploads, now, nums, &count);

	if (!r && count)
		r = expire_all(uploads, now, nums, count, &ended);
	*more = !r && ended && count == EXPIRE_BATCH;
	return r ? r : forget_some(uploads, now, more);
}

int uploads_expire(struct uploads *uploads)
{
	bool more;
	int r;

	do
		r = expire_some(uploads, &more);
	while (!r && more);
	return r;
}
