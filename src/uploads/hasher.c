/* One thread for what finished uploads are still owed: the sha256 of those that do not
 * have it yet, and the compaction of finals. The bytes are read in the time that
 * nobody else wants. What is left to do is in the catalog, so a restart loses nothing.
 */
#include "engine.h"

#include "tusfs/clock.h"
#include "tusfs/log.h"

#include <errno.h>

#define HASH_BATCH 64
#define LATER	   (2 * CLOCK_SECOND)
#define HASH_BLOCK (256 * 1024)
/* Of one transaction at most, but for the last. */
#define HASH_BYTES (64 * 1024 * 1024)

struct hasher {
	struct uploads *uploads;
	pthread_t thread;
	bool runs;	/* the thread was started */
	uint8_t *block; /* only the thread's */
	atomic_bool stop;
	pthread_mutex_t mutex; /* protects the rest */
	pthread_cond_t woken;
	bool wake;
};

struct hashed {
	uint64_t num;
	uint8_t sha256[DIGEST_MAX_BYTES];
};

/* What was hashed and is not committed yet: many small ones share a transaction, which
 * would otherwise be taken from those who upload. */
struct hashes {
	struct hashed all[HASH_BATCH];
	size_t count;
	uint64_t bytes;
};

static int apply_hashes(struct conn *conn, void *arg)
{
	const struct hashes *hashes = arg;
	int r = 0;

	for (size_t i = 0; i < hashes->count && !r; i++)
		r = catalog_set_sha256(conn, hashes->all[i].num, hashes->all[i].sha256);
	return r;
}

static int commit_hashes(struct hasher *hasher, struct hashes *hashes)
{
	int r = 0;

	if (hashes->count)
		r = catalog_commit(hasher->uploads->catalog, false, apply_hashes,
				   hashes);
	hashes->count = 0;
	hashes->bytes = 0;
	return r;
}

/* One upload that is being read. */
struct hashing {
	struct hasher *hasher;
	uint64_t num;
	struct content *content;
	struct digest *digest;
	atomic_bool stop;
	bool done;
};

/* Reads it all, unless it is told to stop: then it is not done. */
static int digest_content(void *arg)
{
	struct hashing *hashing = arg;
	uint64_t offset = 0;
	size_t got;
	int r;

	while (offset < hashing->content->length) {
		if (atomic_load(&hashing->stop))
			return 0;
		r = content_read(hashing->content, hashing->hasher->block, HASH_BLOCK,
				 offset, &got);
		if (r)
			return r;
		digest_update(hashing->digest, hashing->hasher->block, got);
		offset += got;
	}
	hashing->done = true;
	return 0;
}

/* An upload that was removed meanwhile is let go of, so that its space comes free. */
static void look_after(void *arg)
{
	struct hashing *hashing = arg;

	if (atomic_load(&hashing->hasher->stop) ||
	    upload_is_gone(hashing->hasher->uploads, hashing->num))
		atomic_store(&hashing->stop, true);
}

static void hashing_end(struct hashing *hashing)
{
	content_unref(hashing->content);
	digest_free(hashing->digest);
}

static int hash_one(struct hasher *hasher, uint64_t num, struct hashes *hashes)
{
	SCOPED(hashing_end) struct hashing hashing = {.hasher = hasher, .num = num};
	struct hashed *hashed = &hashes->all[hashes->count];
	int r = content_load(hasher->uploads, num, &(struct content_user){0},
			     &hashing.content);

	if (!r)
		r = digest_new(DIGEST_SHA256, &hashing.digest);
	if (!r)
		r = run_idle(digest_content, &hashing, look_after);
	if (r || !hashing.done)
		return r;
	hashed->num = num;
	digest_final(hashing.digest, hashed->sha256);
	hashes->count++;
	hashes->bytes += hashing.content->length;
	return hashes->bytes < HASH_BYTES ? 0 : commit_hashes(hasher, hashes);
}

static int list_unhashed(struct uploads *uploads, uint64_t after, uint64_t *nums,
			 size_t *count)
{
	SCOPED(conn_release) struct conn *conn = catalog_reader(uploads->catalog);

	return catalog_unhashed(conn, after, nums, HASH_BATCH, count);
}

/* One pass over all there is to do. What cannot be read is left to the next pass;
 * *later tells whether that should be soon. */
static void hash_all(struct hasher *hasher, bool *later)
{
	uint64_t nums[HASH_BATCH], after = 0;
	struct hashes hashes = {.count = 0};
	size_t count;
	int r;

	do {
		if (list_unhashed(hasher->uploads, after, nums, &count))
			return;
		for (size_t i = 0; i < count && !atomic_load(&hasher->stop); i++) {
			after = nums[i];
			r = hash_one(hasher, nums[i], &hashes);
			*later |= r == -EMFILE;
			if (r < 0 && r != -EMFILE)
				log_warning("an upload could not be hashed");
		}
		if (commit_hashes(hasher, &hashes))
			log_warning("hashes could not be kept");
	} while (count == HASH_BATCH && !atomic_load(&hasher->stop));
}

/* Waits for something to do; if something was put off, not for long. */
static void hasher_wait(struct hasher *hasher, bool later)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&hasher->mutex);
	struct timespec deadline = clock_deadline(LATER);
	int r = 0;

	while (!hasher->wake && !atomic_load(&hasher->stop) && r != ETIMEDOUT)
		r = later ? pthread_cond_clockwait(&hasher->woken, &hasher->mutex,
						   CLOCK_MONOTONIC, &deadline)
			  : pthread_cond_wait(&hasher->woken, &hasher->mutex);
	hasher->wake = false;
}

static void *hasher_run(void *arg)
{
	struct hasher *hasher = arg;
	while (!atomic_load(&hasher->stop)) {
		bool later = false;

		hash_all(hasher, &later);
		if (compact_all(hasher->uploads, &hasher->stop, &later))
			log_warning("compaction is put off");
		hasher_wait(hasher, later);
	}
	return NULL;
}

int hasher_new(struct uploads *uploads, struct hasher **hasher)
{
	struct hasher *made = calloc(1, sizeof(*made));

	if (!made)
		return failure(-ENOMEM, "make the hasher");
	made->block = malloc(HASH_BLOCK);
	if (!made->block) {
		free(made);
		return failure(-ENOMEM, "make the hasher");
	}
	made->uploads = uploads;
	pthread_mutex_init(&made->mutex, NULL);
	pthread_cond_init(&made->woken, NULL);
	*hasher = made;
	return 0;
}

int hasher_start(struct hasher *hasher)
{
	int r = pthread_create(&hasher->thread, NULL, hasher_run, hasher);

	if (r)
		return failure(-r, "start the hasher");
	hasher->runs = true;
	return 0;
}

void hasher_wake(struct hasher *hasher)
{
	pthread_mutex_lock(&hasher->mutex);
	hasher->wake = true;
	pthread_cond_signal(&hasher->woken);
	pthread_mutex_unlock(&hasher->mutex);
}

struct hasher *hasher_free(struct hasher *hasher)
{
	if (!hasher)
		return NULL;
	if (hasher->runs) {
		atomic_store(&hasher->stop, true);
		hasher_wake(hasher);
		pthread_join(hasher->thread, NULL);
	}
	pthread_cond_destroy(&hasher->woken);
	pthread_mutex_destroy(&hasher->mutex);
	free(hasher->block);
	free(hasher);
	return NULL;
}
