/* Who may change an upload: one at a time, by claim. "Busy" is this state, not a mutex:
 * the holder may take hours, so a newcomer tells it to stop, and then waits for it. */
#include "engine.h"

#include "tusfs/clock.h"

#include <errno.h>
#include <string.h>

enum stop_for {
	STOP_FOR_ANOTHER, /* who goes on behind what has come */
	STOP_FOR_THE_END, /* of the upload, so what still comes is not wanted */
};

static struct live **bucket_of(struct uploads *uploads, struct upload_id id)
{
	uint64_t hash;

	memcpy(&hash, id.bytes, sizeof(hash)); /* ids are random as they are */
	return &uploads->live[hash % LIVE_BUCKETS];
}

static struct live *live_new(struct upload_id id)
{
	struct live *live = calloc(1, sizeof(*live));

	if (!live)
		return NULL;
	live->id = id;
	pthread_mutex_init(&live->mutex, NULL);
	pthread_cond_init(&live->released, NULL);
	return live;
}

static struct live *live_free(struct live *live)
{
	pthread_cond_destroy(&live->released);
	pthread_mutex_destroy(&live->mutex);
	free(live);
	return NULL;
}

/* uploads->mutex is held. */
static struct live *find(struct uploads *uploads, struct upload_id id)
{
	struct live *found = *bucket_of(uploads, id);

	while (found && memcmp(&found->id, &id, sizeof(id)) != 0)
		found = found->next;
	return found;
}

/* Finds the live object of an id, or makes it; counts the caller as a user. */
static int live_get(struct uploads *uploads, struct upload_id id, bool make,
		    struct live **live)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&uploads->mutex);
	struct live **bucket = bucket_of(uploads, id);
	struct live *found = find(uploads, id);

	if (!found && make) {
		if (uploads->stopping)
			return REFUSED_BUSY;
		found = live_new(id);
		if (!found)
			return failure(-ENOMEM, "claim upload");
		found->next = *bucket;
		*bucket = found;
	}
	if (found)
		found->users++;
	*live = found;
	return 0;
}

static void live_put(struct uploads *uploads, struct live *live)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&uploads->mutex);
	struct live **link = bucket_of(uploads, live->id);

	if (--live->users)
		return;
	while (*link != live)
		link = &(*link)->next;
	*link = live->next;
	live_free(live);
}

/* Tells the holder to stop, and once more when its time for that is over. live->mutex
 * is held, so the holder still exists. */
static void live_stop_holder(struct live *live, enum stop_for why)
{
	int64_t now = clock_monotonic();

	live->unwanted |= why == STOP_FOR_THE_END;
	if (!live->claimed ||
	    (live->stopping && (live->urged || now - live->stopped_at < STOPPING_TIME)))
		return;
	live->urged = live->stopping;
	if (!live->stopping)
		live->stopped_at = now;
	live->stopping = true;
	if (live->stop)
		live->stop(live->arg);
}

/* Waits until nobody has the claim. live->mutex is held. */
static int live_wait(struct live *live, enum stop_for why)
{
	int64_t end = clock_monotonic() + TAKEOVER_TIME, left;

	while (live->claimed && (left = end - clock_monotonic()) > 0) {
		struct timespec deadline;

		live_stop_holder(live, why);
		deadline = clock_deadline(left < STOPPING_TIME ? left : STOPPING_TIME);
		pthread_cond_clockwait(&live->released, &live->mutex, CLOCK_MONOTONIC,
				       &deadline);
	}
	return live->claimed ? REFUSED_BUSY : 0;
}

static void live_hold(struct live *live, void (*stop)(void *arg), void *arg)
{
	live->claimed = true;
	live->stopping = live->urged = live->unwanted = false;
	live->stop = stop;
	live->arg = arg;
}

static int claim_waiting(struct live *live, enum stop_for why, void (*stop)(void *arg),
			 void *arg)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&live->mutex);
	int r = live_wait(live, why);

	if (r)
		live->unwanted = false; /* the upload lives on */
	else
		live_hold(live, stop, arg);
	return r;
}

static int claim(struct uploads *uploads, struct upload_id id, enum stop_for why,
		 void (*stop)(void *arg), void *arg, struct live **out)
{
	struct live *live;
	int r = live_get(uploads, id, true, &live);

	if (r)
		return r;
	r = claim_waiting(live, why, stop, arg);
	if (r) {
		live_put(uploads, live);
		return r;
	}
	*out = live;
	return 0;
}

int live_claim(struct uploads *uploads, struct upload_id id, void (*stop)(void *arg),
	       void *arg, struct live **live)
{
	return claim(uploads, id, STOP_FOR_ANOTHER, stop, arg, live);
}

int live_claim_to_end(struct uploads *uploads, struct upload_id id, struct live **live)
{
	return claim(uploads, id, STOP_FOR_THE_END, NULL, NULL, live);
}

int live_try_claim(struct uploads *uploads, struct upload_id id, struct live **out)
{
	struct live *live;
	int r = live_get(uploads, id, true, &live);

	if (r)
		return r;
	pthread_mutex_lock(&live->mutex);
	r = live->claimed ? REFUSED_BUSY : 0;
	if (!r)
		live_hold(live, NULL, NULL);
	pthread_mutex_unlock(&live->mutex);
	if (r)
		live_put(uploads, live);
	else
		*out = live;
	return r;
}

struct live *live_release(struct uploads *uploads, struct live *live)
{
	if (!live)
		return NULL;
	pthread_mutex_lock(&live->mutex);
	live->claimed = false;
	live->stop = NULL;
	pthread_cond_broadcast(&live->released);
	pthread_mutex_unlock(&live->mutex);
	live_put(uploads, live);
	return NULL;
}

int live_settle(struct uploads *uploads, struct upload_id id)
{
	struct live *live;
	int r = live_get(uploads, id, false, &live);

	if (r || !live)
		return r;
	pthread_mutex_lock(&live->mutex);
	r = live_wait(live, STOP_FOR_ANOTHER);
	pthread_mutex_unlock(&live->mutex);
	live_put(uploads, live);
	return r;
}

bool live_is_held(struct uploads *uploads, struct upload_id id)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&uploads->mutex);

	return find(uploads, id) != NULL;
}

bool live_must_end(struct live *live)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&live->mutex);

	return live->stopping &&
	       (live->unwanted ||
		clock_monotonic() - live->stopped_at >= STOPPING_TIME);
}

bool live_is_to_end(struct live *live)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&live->mutex);

	return live->unwanted;
}

/* Whether any is left. */
static bool stop_holders(struct uploads *uploads)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&uploads->mutex);
	bool claimed = false;

	uploads->stopping = true;
	for (int i = 0; i < LIVE_BUCKETS; i++)
		for (struct live *live = uploads->live[i]; live; live = live->next) {
			pthread_mutex_lock(&live->mutex);
			live_stop_holder(live, STOP_FOR_ANOTHER);
			claimed |= live->claimed;
			pthread_mutex_unlock(&live->mutex);
		}
	return claimed;
}

void uploads_stop_writers(struct uploads *uploads)
{
	static const struct timespec pause = {.tv_nsec = 5000000};

	for (int64_t waited = 0; stop_holders(uploads) && waited < STOPPING_TIME;
	     waited += pause.tv_nsec / 1000)
		nanosleep(&pause, NULL);
}
