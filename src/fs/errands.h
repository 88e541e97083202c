/* Jobs that one thread does, in order, for others who wait for a limited time only.
 *
 * Such a job may have to wait for a folder that some program holds, for as long as that
 * program likes. So who has waited until his deadline leaves, and the job is done late,
 * without him. From then on nobody waits until a job has been finished: otherwise each
 * would spend his whole time on what is stuck. Jobs that wait are at most ERRANDS_MAX.
 *
 * The thread that does them calls what is below "the servant", with the mutex held.
 * Everything else is thread-safe. */
#ifndef TUSFS_FS_ERRANDS_H
#define TUSFS_FS_ERRANDS_H

#include "tusfs/error.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define ERRANDS_MAX 10000

/* At the start of each job, which malloc made and errands own. */
struct errand {
	struct errand *next;
	int result;
	bool done;
	bool left; /* nobody waits for it */
	pthread_cond_t finished;
};

struct errand_list {
	struct errand *first;
	struct errand **end;
};

struct errands_kind {
	const char *begins; /* logged when the first is left */
	const char *ends;   /* logged when all that were left are done */
	/* Told of each that was left and is done now, which it borrows. May be NULL. */
	void (*late)(void *arg, const struct errand *errand);
	void (*free)(struct errand *errand);
};

struct errands {
	const struct errands_kind *kind; /* fixed, as is `arg`, which `late` gets */
	void *arg;
	pthread_mutex_t mutex; /* protects all below */
	pthread_cond_t wanted; /* there is work, or no more will come */
	pthread_cond_t emptied;
	struct errand_list waiting;
	struct errand_list taken;
	size_t count; /* in both lists */
	size_t taken_count;
	size_t late_count; /* of them, those that were left */
	size_t lost;	   /* since it was stuck: those for which there was no room */
	bool stuck;	   /* one was left, and none has been finished since */
	bool told;
	int64_t told_at;
	bool closed;
};

void errands_init(struct errands *errands, const struct errands_kind *kind, void *arg);
/* There must be no jobs left. */
void errands_deinit(struct errands *errands);

/* Has a job done, and takes it over. The result is that of the job, -ETIMEDOUT when it
 * will be done late, -ENOBUFS or -EPIPE when it will not be done. */
int errands_run(struct errands *errands, struct errand *errand,
		const struct timespec *until);
/* The same without waiting. */
void errands_post(struct errands *errands, struct errand *errand);
bool errands_stuck(struct errands *errands);
/* Takes no more jobs, and waits for those that there are: whether all are done. */
bool errands_close(struct errands *errands, const struct timespec *until);

/* The servant: waits for work; false when no more will come. */
bool errands_wait(struct errands *errands);
/* Takes the first that waits. */
struct errand *errands_take(struct errands *errands);
/* Ends the one that was taken first. The mutex is free while `late` is told. */
void errands_finish(struct errands *errands, int result);
/* Has the one that was taken first wait again: before all others when it was left,
 * since later ones may build on it. */
void errands_again(struct errands *errands);
/* Ends the first that waits. */
void errands_drop(struct errands *errands, int result);
/* Closes, and ends all. */
void errands_abandon(struct errands *errands, int result);

#endif
