#include "clerk.h"

#include "tusfs/clock.h"

#include <errno.h>
#include <stdatomic.h>

/* At most so many in one transaction, so that the first does not wait for too many. */
#define BATCH_MAX 256
/* A batch waits for more only up to this size: in larger ones the sync is the smaller
 * part; and for this part of the last one's time at most. */
#define CROWD_MAX   16
#define CROWD_SHARE 4
/* Longer than any healthy disk takes for a commit. */
#define HELD_UP CLOCK_SECOND

struct clerk {
	void (*done)(void *arg);
	void *arg;
	pthread_t thread;
	_Atomic int64_t since; /* when the batch in hand was begun; 0: there is none */
	pthread_mutex_t mutex; /* protects the rest */
	pthread_cond_t wanted;
	struct jobs waiting, finished;
	bool stopping;
	/* of the last batch: how long it took, and how many were in it or came
	 * meanwhile */
	int64_t time;
	size_t crowd;
};

/* ---- its work ---- */

static void commit(const struct jobs *jobs)
{
	struct upload_change *changes[BATCH_MAX];
	size_t count = 0;

	for (struct job *job = jobs->first; job; job = job->next)
		changes[count++] = job->request.change;
	upload_changes_commit(jobs->first->request.site->uploads, changes, count);
	for (struct job *job = jobs->first; job; job = job->next)
		routes_end(&job->request);
}

/* Clients that each wait for their answers fall into two halves: one is committed while
 * the other waits, and each has a sync of its own. But those who have just been
 * answered come back at once, so to wait for them a little makes one half of two. */
static void await_crowd(struct clerk *clerk)
{
	struct timespec deadline = clock_deadline(clerk->time / CROWD_SHARE);
	size_t wanted = clerk->crowd < CROWD_MAX ? clerk->crowd : CROWD_MAX;

	while (clerk->waiting.count < wanted && !clerk->stopping)
		if (pthread_cond_clockwait(&clerk->wanted, &clerk->mutex,
					   CLOCK_MONOTONIC, &deadline) == ETIMEDOUT)
			return;
}

/* False when there will be no more. */
static bool take_batch(struct clerk *clerk, struct jobs *batch)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&clerk->mutex);

	while (!clerk->waiting.first && !clerk->stopping)
		pthread_cond_wait(&clerk->wanted, &clerk->mutex);
	await_crowd(clerk);
	jobs_move(&clerk->waiting, batch, BATCH_MAX);
	return batch->first;
}

static void give_back(struct clerk *clerk, struct jobs *batch, int64_t time)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&clerk->mutex);

	clerk->time = time;
	clerk->crowd = batch->count + clerk->waiting.count;
	jobs_move(batch, &clerk->finished, SIZE_MAX);
}

static void *work(void *arg)
{
	struct clerk *clerk = arg;
	struct jobs batch;

	jobs_init(&batch);
	while (take_batch(clerk, &batch)) {
		int64_t began = clock_monotonic();

		atomic_store(&clerk->since, began);
		commit(&batch);
		atomic_store(&clerk->since, 0);
		give_back(clerk, &batch, clock_monotonic() - began);
		clerk->done(clerk->arg);
	}
	return NULL;
}

/* ---- the front's side ---- */

int clerk_start(void (*done)(void *arg), void *arg, struct clerk **clerk)
{
	struct clerk *made = calloc(1, sizeof(*made));
	int r;

	if (!made)
		return failure(-ENOMEM, "start the HTTP server");
	made->done = done;
	made->arg = arg;
	pthread_mutex_init(&made->mutex, NULL);
	pthread_cond_init(&made->wanted, NULL);
	jobs_init(&made->waiting);
	jobs_init(&made->finished);
	r = pthread_create(&made->thread, NULL, work, made);
	if (r) {
		free(made);
		return failure(-r, "start the thread that commits small uploads");
	}
	*clerk = made;
	return 0;
}

struct clerk *clerk_stop(struct clerk *clerk)
{
	if (!clerk)
		return NULL;
	pthread_mutex_lock(&clerk->mutex);
	clerk->stopping = true;
	pthread_cond_signal(&clerk->wanted);
	pthread_mutex_unlock(&clerk->mutex);
	pthread_join(clerk->thread, NULL);
	pthread_cond_destroy(&clerk->wanted);
	pthread_mutex_destroy(&clerk->mutex);
	free(clerk);
	return NULL;
}

void clerk_give(struct clerk *clerk, struct jobs *jobs)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&clerk->mutex);

	jobs_move(jobs, &clerk->waiting, SIZE_MAX);
	pthread_cond_signal(&clerk->wanted);
}

void clerk_collect(struct clerk *clerk, struct jobs *jobs)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&clerk->mutex);

	jobs_move(&clerk->finished, jobs, SIZE_MAX);
}

bool clerk_is_held_up(struct clerk *clerk)
{
	int64_t since = atomic_load(&clerk->since);

	return since && clock_monotonic() - since > HELD_UP;
}
