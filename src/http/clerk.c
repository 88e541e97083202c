#include "clerk.h"

#include "tusfs/clock.h"

#include <errno.h>
#include <stdatomic.h>

/* At most so many in one transaction, so that the first does not wait for too many. */
#define BATCH_MAX 256
/* A batch of fewer than CROWD_MAX waits for more: for a quarter of the last commit's
 * time, 5 ms at most. In larger ones the sync is the smaller part. */
#define CROWD_MAX   16
#define CROWD_SHARE 4
#define CROWD_TIME  (CLOCK_SECOND / 200)
/* Longer than any healthy disk takes for a commit. */
#define HELD_UP CLOCK_SECOND

struct clerk {
	void (*done)(void *arg);
	void *arg;
	pthread_t thread, teller;
	_Atomic int64_t since; /* when the batch in hand was begun; 0: there is none */
	_Atomic int64_t telling; /* the same of the teller */
	pthread_mutex_t mutex;	 /* protects the rest */
	pthread_cond_t wanted, told;
	struct jobs waiting, committed, finished;
	bool stopping;
	/* of the last batch: how long its commit took, and how many were in it or came
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
}

/* Clients that each wait for their answers fall into two halves: one is committed while
 * the other waits, and each has a sync of its own. But those who have just been
 * answered come back at once, so to wait for them a little makes one half of two. */
static void await_crowd(struct clerk *clerk)
{
	int64_t share = clerk->time / CROWD_SHARE;
	struct timespec deadline =
		clock_deadline(share < CROWD_TIME ? share : CROWD_TIME);
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

static void note_crowd(struct clerk *clerk, const struct jobs *batch, int64_t time)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&clerk->mutex);

	clerk->time = time;
	clerk->crowd = batch->count + clerk->waiting.count;
}

static void give_back(struct clerk *clerk, struct jobs *jobs)
{
	pthread_mutex_lock(&clerk->mutex);
	jobs_move(jobs, &clerk->finished, SIZE_MAX);
	pthread_mutex_unlock(&clerk->mutex);
	clerk->done(clerk->arg);
}

static void end_all(struct clerk *clerk, struct jobs *jobs)
{
	for (struct job *job = jobs->first; job; job = job->next)
		routes_end(&job->request);
	give_back(clerk, jobs);
}

static void leave_to_teller(struct clerk *clerk, struct jobs *batch)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&clerk->mutex);

	jobs_move(batch, &clerk->committed, SIZE_MAX);
	pthread_cond_signal(&clerk->told);
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
		note_crowd(clerk, &batch, clock_monotonic() - began);
		if (uploads_observer_waits(batch.first->request.site->uploads))
			leave_to_teller(clerk, &batch);
		else
			end_all(clerk, &batch);
	}
	return NULL;
}

/* False when there will be no more. */
static bool take_committed(struct clerk *clerk, struct jobs *one)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&clerk->mutex);

	while (!clerk->committed.first && !clerk->stopping)
		pthread_cond_wait(&clerk->told, &clerk->mutex);
	jobs_move(&clerk->committed, one, 1);
	return one->first;
}

/* Who is told may wait for a folder that somebody holds who waits for an upload, which
 * waits for its commit: so the clerk must not be the one who waits. */
static void *tell(void *arg)
{
	struct clerk *clerk = arg;
	struct jobs one;

	jobs_init(&one);
	while (take_committed(clerk, &one)) {
		atomic_store(&clerk->telling, clock_monotonic());
		end_all(clerk, &one);
		atomic_store(&clerk->telling, 0);
	}
	return NULL;
}

/* ---- the front's side ---- */

static void stop(struct clerk *clerk)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&clerk->mutex);

	clerk->stopping = true;
	pthread_cond_signal(&clerk->wanted);
	pthread_cond_signal(&clerk->told);
}

static int start_threads(struct clerk *clerk)
{
	int r = pthread_create(&clerk->teller, NULL, tell, clerk);

	if (r)
		return -r;
	r = pthread_create(&clerk->thread, NULL, work, clerk);
	if (!r)
		return 0;
	stop(clerk); /* the teller has nothing to do yet, and ends */
	pthread_join(clerk->teller, NULL);
	return -r;
}

static struct clerk *clerk_free(struct clerk *clerk)
{
	pthread_cond_destroy(&clerk->told);
	pthread_cond_destroy(&clerk->wanted);
	pthread_mutex_destroy(&clerk->mutex);
	free(clerk);
	return NULL;
}

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
	pthread_cond_init(&made->told, NULL);
	jobs_init(&made->waiting);
	jobs_init(&made->committed);
	jobs_init(&made->finished);
	r = start_threads(made);
	if (r) {
		clerk_free(made);
		return failure(r, "start the threads that commit small uploads");
	}
	*clerk = made;
	return 0;
}

/* The front has none of its jobs left. */
struct clerk *clerk_stop(struct clerk *clerk)
{
	if (!clerk)
		return NULL;
	stop(clerk);
	pthread_join(clerk->thread, NULL);
	pthread_join(clerk->teller, NULL);
	return clerk_free(clerk);
}

void clerk_give(struct clerk *clerk, struct job *job)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&clerk->mutex);

	jobs_add(&clerk->waiting, job);
	pthread_cond_signal(&clerk->wanted);
}

void clerk_collect(struct clerk *clerk, struct jobs *jobs)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&clerk->mutex);

	jobs_move(&clerk->finished, jobs, SIZE_MAX);
}

static bool is_long_ago(int64_t since)
{
	return since && clock_monotonic() - since > HELD_UP;
}

bool clerk_is_held_up(struct clerk *clerk)
{
	return is_long_ago(atomic_load(&clerk->since)) ||
	       is_long_ago(atomic_load(&clerk->telling));
}
