/* One thread that cleans up behind the others: what expired, blobs that nothing refers
 * to, the catalog's log. */
#include "engine.h"

#include "tusfs/clock.h"
#include "tusfs/fault_point.h"
#include "tusfs/log.h"

#include <errno.h>

#define JANITOR_PERIOD (CLOCK_SECOND / 2)
#define TRASH_BATCH    256

struct janitor {
	struct uploads *uploads;
	pthread_t thread;
	bool runs;	       /* the thread was started */
	pthread_mutex_t mutex; /* protects the rest */
	pthread_cond_t woken;
	bool wake;
	bool stop;
};

struct trash {
	uint64_t blobs[TRASH_BATCH];
	size_t count;
};

static int list_trash(struct uploads *uploads, uint64_t after, struct trash *trash)
{
	SCOPED(conn_release) struct conn *conn = catalog_reader(uploads->catalog);

	return catalog_trash(conn, after, trash->blobs, TRASH_BATCH, &trash->count);
}

static int apply_touched(struct conn *conn, void *arg)
{
	const struct trash *trash = arg;

	return catalog_touch_trash(conn, trash->blobs[0]);
}

/* A power cut must not bring back the row of an upload whose blob is gone. With
 * SYNC_ALWAYS no row was removed without a sync; SYNC_NEVER promises nothing. */
static int sync_removals(struct uploads *uploads, const struct trash *trash)
{
	if (uploads->config.sync != SYNC_FINISH)
		return 0;
	return catalog_commit(uploads->catalog, true, apply_touched, (void *)trash);
}

static int apply_emptied(struct conn *conn, void *arg)
{
	const struct trash *trash = arg;
	int r = 0;

	for (size_t i = 0; i < trash->count && !r; i++)
		r = catalog_remove_trash(conn, trash->blobs[i]);
	return r;
}

static int remove_blob(struct uploads *uploads, uint64_t num)
{
	blob_unref(unsynced_take(uploads->unsynced, num));
	return blob_remove(uploads->store, num);
}

static int sync_removal(struct uploads *uploads, uint64_t num)
{
	return durable_finish(uploads) ? blob_sync_removal(uploads->store, num) : 0;
}

/* Does it for all, and leaves in *trash those that it could be done for: one that
 * cannot be removed does not keep the others. *last is the last failure, if any. */
static void for_each(struct uploads *uploads, struct trash *trash,
		     int (*act)(struct uploads *uploads, uint64_t num), int *last)
{
	size_t done = 0;

	for (size_t i = 0; i < trash->count; i++) {
		int r = act(uploads, trash->blobs[i]);

		if (r)
			*last = r;
		else
			trash->blobs[done++] = trash->blobs[i];
	}
	trash->count = done;
}

/* Removes blobs first and forgets them then: a crash in between only repeats it, and a
 * power cut does not bring one back that nobody remembers. Leaves in *trash what is
 * forgotten. */
static int empty_some(struct uploads *uploads, struct trash *trash)
{
	int last = 0, r = sync_removals(uploads, trash);

	if (!r) {
		for_each(uploads, trash, remove_blob, &last);
		/* the first sync writes most of what was removed, for the others too */
		for_each(uploads, trash, sync_removal, &last);
		fault_point("blobs removed, and not forgotten");
	}
	if (!r && trash->count)
		r = catalog_commit(uploads->catalog, false, apply_emptied, trash);
	if (r)
		trash->count = 0;
	return r ? r : last;
}

/* Goes on as long as anything can be removed, and does not let the log grow over it. */
static int empty_trash(struct uploads *uploads)
{
	struct trash trash;
	uint64_t after = 0;
	int r = 0, emptied;
	bool more;

	do {
		emptied = list_trash(uploads, after, &trash);
		if (emptied || !trash.count)
			return emptied ? emptied : r;
		more = trash.count == TRASH_BATCH;
		after = trash.blobs[trash.count - 1];
		emptied = empty_some(uploads, &trash);
		if (!emptied)
			emptied = catalog_tend_log(uploads->catalog);
		if (emptied)
			r = emptied;
	} while (more && trash.count);
	return r;
}

int uploads_clean(struct uploads *uploads)
{
	int r = empty_trash(uploads);

	return r ? r : catalog_checkpoint(uploads->catalog);
}

/* Waits for a reason to work, unless there is one; false when it is time to stop. */
static bool janitor_wait(struct janitor *janitor, bool more)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&janitor->mutex);
	struct timespec deadline = clock_deadline(JANITOR_PERIOD);

	while (!more && !janitor->wake && !janitor->stop)
		if (pthread_cond_clockwait(&janitor->woken, &janitor->mutex,
					   CLOCK_MONOTONIC, &deadline) == ETIMEDOUT)
			break;
	janitor->wake = false;
	return !janitor->stop;
}

/* The log is not to grow because a blob cannot be removed. */
static int clean_now_and_then(struct uploads *uploads)
{
	int emptied = empty_trash(uploads);
	int tended = catalog_tend_log(uploads->catalog);

	return emptied ? emptied : tended;
}

static void *janitor_run(void *arg)
{
	struct janitor *janitor = arg;
	struct uploads *uploads = janitor->uploads;
	int cleaned, expired;
	bool more;

	do {
		/* space first: on a full disk nothing can expire before there is some
		 */
		cleaned = clean_now_and_then(uploads);
		expired = expire_some(uploads, &more);
		if (cleaned || expired)
			log_warning("clean-up is put off");
	} while (janitor_wait(janitor, more && !cleaned && !expired));
	return NULL;
}

int janitor_new(struct uploads *uploads, struct janitor **janitor)
{
	struct janitor *made = calloc(1, sizeof(*made));

	if (!made)
		return failure(-ENOMEM, "make the janitor");
	made->uploads = uploads;
	pthread_mutex_init(&made->mutex, NULL);
	pthread_cond_init(&made->woken, NULL);
	*janitor = made;
	return 0;
}

int janitor_start(struct janitor *janitor)
{
	int r = pthread_create(&janitor->thread, NULL, janitor_run, janitor);

	if (r)
		return failure(-r, "start the janitor");
	janitor->runs = true;
	return 0;
}

void janitor_wake(struct janitor *janitor)
{
	pthread_mutex_lock(&janitor->mutex);
	janitor->wake = true;
	pthread_cond_signal(&janitor->woken);
	pthread_mutex_unlock(&janitor->mutex);
}

static void janitor_stop(struct janitor *janitor)
{
	pthread_mutex_lock(&janitor->mutex);
	janitor->stop = true;
	pthread_cond_signal(&janitor->woken);
	pthread_mutex_unlock(&janitor->mutex);
	pthread_join(janitor->thread, NULL);
}

struct janitor *janitor_free(struct janitor *janitor)
{
	if (!janitor)
		return NULL;
	if (janitor->runs)
		janitor_stop(janitor);
	pthread_cond_destroy(&janitor->woken);
	pthread_mutex_destroy(&janitor->mutex);
	free(janitor);
	return NULL;
}
