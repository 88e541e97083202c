/* Finals of several segments, rewritten to one blob of their own: the kernel can read
 * only one file by passthrough. Whoever has the final open reads on from the segments,
 * whose bytes are the same. */
#include "engine.h"

#include "tusfs/clock.h"
#include "tusfs/log.h"

#include <errno.h>

#define COMPACT_BATCH 64
#define COMPACT_BLOCK (1024 * 1024)
/* After one that failed. */
#define REST_TIME (10 * 60 * CLOCK_SECOND)

/* Whether nobody writes or ends an upload just now. */
static bool is_idle(struct uploads *uploads)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&uploads->mutex);

	for (int i = 0; i < LIVE_BUCKETS; i++)
		if (uploads->live[i])
			return false;
	return true;
}

static bool has_room(struct uploads *uploads, uint64_t length)
{
	struct statvfs space;

	/* twice: what is rewritten for speed must not take the last room from uploads
	 */
	return uploads_space(uploads, &space) == 0 &&
	       length < (uint64_t)space.f_bavail * space.f_frsize / 2;
}

/* One final that is being rewritten. */
struct copying {
	struct uploads *uploads;
	uint64_t num;
	struct content *content;
	struct blob *blob;
	const atomic_bool *stop;
	atomic_bool stopping;
	bool done;
};

/* Copies it all, unless it is told to stop: then it is not done. */
static int copy(void *arg)
{
	struct copying *copying = arg;
	SCOPED(scoped_free) uint8_t *block = malloc(COMPACT_BLOCK);
	uint64_t offset = 0;
	size_t got;
	int r;

	if (!block)
		return failure(-ENOMEM, "compact an upload");
	while (offset < copying->content->length) {
		if (atomic_load(&copying->stopping))
			return 0;
		r = content_read(copying->content, block, COMPACT_BLOCK, offset, &got);
		if (!r)
			r = blob_write(copying->blob, block, got, offset);
		if (r)
			return r;
		offset += got;
	}
	copying->done = true;
	return 0;
}

/* What was removed meanwhile is let go of, so that its space comes free. */
static void look_after(void *arg)
{
	struct copying *copying = arg;

	if (atomic_load(copying->stop) ||
	    upload_is_gone(copying->uploads, copying->num))
		atomic_store(&copying->stopping, true);
}

static void copying_end(struct copying *copying)
{
	blob_unref(copying->blob);
	content_unref(copying->content);
}

struct compaction {
	uint64_t num;
	uint64_t length;
};

static int drop_all(struct conn *conn, const struct segment *segments, size_t count)
{
	int r = 0;

	for (size_t i = 0; i < count && !r; i++)
		r = drop_bytes(conn, segments[i].blob, segments[i].small);
	return r;
}

static int apply_compact(struct conn *conn, void *arg)
{
	const struct compaction *compaction = arg;
	struct segment whole = {
		.blob = compaction->num,
		.length_known = true,
		.length = compaction->length,
	};
	SCOPED(scoped_free) struct segment *segments = NULL;
	size_t count;
	int r = catalog_segments(conn, compaction->num, &segments, &count);

	if (!r && !count)
		return REFUSED_NOT_FOUND; /* it was removed meanwhile */
	if (!r)
		r = catalog_remove_segments(conn, compaction->num);
	if (!r)
		r = catalog_add_segment(conn, compaction->num, 0, &whole);
	return r ? r : drop_all(conn, segments, count);
}

static int switch_over(struct uploads *uploads, uint64_t num, uint64_t length)
{
	struct compaction compaction = {num, length};
	int r = catalog_commit(uploads->catalog, true, apply_compact, &compaction);

	if (r)
		return r;
	contents_forget(uploads->contents, num); /* or its parts would be kept */
	janitor_wake(uploads->janitor);
	return 0;
}

/* Refusals: NOT_FOUND and GONE (it was removed meanwhile, or is damaged). */
static int compact_one(struct uploads *uploads, uint64_t num, const atomic_bool *stop)
{
	SCOPED(copying_end)
	struct copying copying = {.uploads = uploads, .num = num, .stop = stop};
	int r = content_load(uploads, num, &(struct content_user){0}, &copying.content);

	if (r || !copying.content->complete || !copying.content->length ||
	    !has_room(uploads, copying.content->length))
		return r;
	r = blob_create(uploads->store, num, &copying.blob);
	if (!r)
		r = run_idle(copy, &copying, look_after);
	if (!r && copying.done)
		r = blob_sync(copying.blob);
	if (!r && copying.done) {
		r = switch_over(uploads, num, copying.content->length);
		/* a failed commit may count after a crash, and then needs the blob; the
		 * next try overwrites it */
		if (!r || (r < 0 && r != -ENOSPC && r != -EDQUOT))
			return r;
	}
	/* of no use, and nobody knows of it */
	return copying.blob && blob_remove(uploads->store, num) < 0 ? -EIO : r;
}

/* A final that may still be asked for again is found by its parts. */
static bool is_fresh(struct uploads *uploads, uint64_t num)
{
	SCOPED(file_release) struct file file = {0};

	return uploads_stat(uploads, num, &file) == 0 &&
	       file.created > clock_now() - REPEAT_TIME;
}

static int list(struct uploads *uploads, uint64_t after, uint64_t *nums, size_t *count)
{
	SCOPED(conn_release) struct conn *conn = catalog_reader(uploads->catalog);

	return catalog_scattered(conn, after, nums, COMPACT_BATCH, count);
}

static void compact_now_or_later(struct uploads *uploads, uint64_t num,
				 const atomic_bool *stop, bool *later)
{
	int r;

	if (is_fresh(uploads, num)) {
		*later = true;
		return;
	}
	r = compact_one(uploads, num, stop);
	if (r >= 0)
		return;
	*later = true;
	if (r == -EMFILE) /* a smaller one may find descriptors */
		return;
	log_warning("upload %llu could not be compacted", (unsigned long long)num);
	uploads->compact_after = clock_monotonic() + REST_TIME;
}

/* One that fails does not keep the others, and is not read again and again for it. */
int compact_all(struct uploads *uploads, const atomic_bool *stop, bool *later)
{
	enum compact_mode mode = uploads->config.compact;
	uint64_t nums[COMPACT_BATCH], after = 0;
	size_t count;
	int r;

	if (mode == COMPACT_OFF)
		return 0;
	if (clock_monotonic() < uploads->compact_after) {
		*later = true;
		return 0;
	}
	do {
		r = list(uploads, after, nums, &count);
		for (size_t i = 0; !r && i < count && !atomic_load(stop); i++) {
			if (mode == COMPACT_IDLE && !is_idle(uploads)) {
				*later = true;
				return 0;
			}
			after = nums[i];
			compact_now_or_later(uploads, nums[i], stop, later);
		}
	} while (!r && count == COMPACT_BATCH && !atomic_load(stop));
	return r;
}
