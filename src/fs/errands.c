#include "errands.h"

#include "tusfs/clock.h"
#include "tusfs/log.h"

#include <errno.h>

/* Who comes with a deadline that has nearly passed waits for so long all the same. */
#define GRACE (20 * CLOCK_SECOND / 1000)
/* So often at most is it told that a folder is held. */
#define TELL_AGAIN (60 * CLOCK_SECOND)

static void list_init(struct errand_list *list)
{
	list->first = NULL;
	list->end = &list->first;
}

static void list_append(struct errand_list *list, struct errand *errand)
{
	errand->next = NULL;
	*list->end = errand;
	list->end = &errand->next;
}

static void list_prepend(struct errand_list *list, struct errand *errand)
{
	errand->next = list->first;
	if (!list->first)
		list->end = &errand->next;
	list->first = errand;
}

static struct errand *list_pop(struct errand_list *list)
{
	struct errand *errand = list->first;

	list->first = errand->next;
	if (!list->first)
		list->end = &list->first;
	return errand;
}

void errands_init(struct errands *errands, const struct errands_kind *kind, void *arg)
{
	*errands = (struct errands){.kind = kind, .arg = arg};
	pthread_mutex_init(&errands->mutex, NULL);
	pthread_cond_init(&errands->wanted, NULL);
	pthread_cond_init(&errands->emptied, NULL);
	list_init(&errands->waiting);
	list_init(&errands->taken);
}

void errands_deinit(struct errands *errands)
{
	pthread_cond_destroy(&errands->emptied);
	pthread_cond_destroy(&errands->wanted);
	pthread_mutex_destroy(&errands->mutex);
}

static void release(struct errands *errands, struct errand *errand)
{
	pthread_cond_destroy(&errand->finished);
	errands->kind->free(errand);
}

/* 0, or why there is no place for it. */
static int add(struct errands *errands, struct errand *errand)
{
	errand->done = false;
	errand->left = false;
	pthread_cond_init(&errand->finished, NULL);
	if (errands->closed)
		return -EPIPE;
	if (errands->count == ERRANDS_MAX) {
		errands->lost++;
		return -ENOBUFS;
	}
	errands->count++;
	list_append(&errands->waiting, errand);
	pthread_cond_signal(&errands->wanted);
	return 0;
}

static void tell_begin(struct errands *errands)
{
	int64_t now = clock_monotonic();

	if (errands->told || (errands->told_at && now - errands->told_at < TELL_AGAIN))
		return;
	errands->told = true;
	errands->told_at = now;
	log_warning("%s", errands->kind->begins);
}

static void tell_end(struct errands *errands)
{
	if (errands->lost)
		log_warning("%zu changes were too many to be kept meanwhile",
			    errands->lost);
	errands->lost = 0;
	if (errands->told)
		log_info("%s", errands->kind->ends);
	errands->told = false;
}

static void leave(struct errands *errands, struct errand *errand)
{
	errand->left = true;
	errands->late_count++;
}

static struct timespec later_of(struct timespec a, struct timespec b)
{
	if (a.tv_sec != b.tv_sec)
		return a.tv_sec > b.tv_sec ? a : b;
	return a.tv_nsec > b.tv_nsec ? a : b;
}

/* Whether it was done in time. */
static bool await(struct errands *errands, struct errand *errand, struct timespec until)
{
	int r = 0;

	until = later_of(until, clock_deadline(GRACE));
	while (!errand->done && !errands->stuck && r != ETIMEDOUT)
		r = pthread_cond_clockwait(&errand->finished, &errands->mutex,
					   CLOCK_MONOTONIC, &until);
	return errand->done;
}

int errands_run(struct errands *errands, struct errand *errand,
		const struct timespec *until)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&errands->mutex);
	int r = add(errands, errand);

	if (!r && !await(errands, errand, *until)) {
		leave(errands, errand);
		errands->stuck = true;
		tell_begin(errands);
		return -ETIMEDOUT;
	}
	if (!r)
		r = errand->result;
	release(errands, errand);
	return r;
}

void errands_post(struct errands *errands, struct errand *errand)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&errands->mutex);

	if (add(errands, errand))
		release(errands, errand);
	else
		leave(errands, errand);
}

bool errands_stuck(struct errands *errands)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&errands->mutex);
	return errands->stuck;
}

bool errands_close(struct errands *errands, const struct timespec *until)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&errands->mutex);
	int r = 0;

	errands->closed = true;
	pthread_cond_signal(&errands->wanted);
	while (errands->count > 0 && r != ETIMEDOUT)
		r = pthread_cond_clockwait(&errands->emptied, &errands->mutex,
					   CLOCK_MONOTONIC, until);
	return errands->count == 0;
}

bool errands_wait(struct errands *errands)
{
	while (errands->count == 0 && !errands->closed)
		pthread_cond_wait(&errands->wanted, &errands->mutex);
	return errands->count > 0;
}

struct errand *errands_take(struct errands *errands)
{
	struct errand *errand = list_pop(&errands->waiting);

	list_append(&errands->taken, errand);
	errands->taken_count++;
	return errand;
}

static void finish_late(struct errands *errands, struct errand *errand)
{
	pthread_mutex_unlock(&errands->mutex);
	if (errands->kind->late)
		errands->kind->late(errands->arg, errand);
	release(errands, errand);
	pthread_mutex_lock(&errands->mutex);
	if (--errands->late_count == 0)
		tell_end(errands);
}

static void finish(struct errands *errands, struct errand *errand, int result)
{
	errand->result = result;
	errand->done = true;
	errands->stuck = false;
	if (errand->left)
		finish_late(errands, errand);
	else
		pthread_cond_signal(&errand->finished);
	if (--errands->count == 0)
		pthread_cond_signal(&errands->emptied);
}

void errands_finish(struct errands *errands, int result)
{
	errands->taken_count--;
	finish(errands, list_pop(&errands->taken), result);
}

void errands_again(struct errands *errands)
{
	struct errand *errand = list_pop(&errands->taken);

	errands->taken_count--;
	if (errand->left)
		list_prepend(&errands->waiting, errand);
	else
		list_append(&errands->waiting, errand);
}

void errands_drop(struct errands *errands, int result)
{
	finish(errands, list_pop(&errands->waiting), result);
}

void errands_abandon(struct errands *errands, int result)
{
	errands->closed = true;
	while (errands->taken.first)
		errands_finish(errands, result);
	while (errands->waiting.first)
		errands_drop(errands, result);
}
