/* Work in the time that nobody else wants (SCHED_IDLE), in a thread of its own: the
 * scheduler may leave it standing for long, so whoever takes locks that others need, or
 * leads a commit, must not be that thread. */
#include "engine.h"

#include "tusfs/clock.h"
#include "tusfs/log.h"

#include <errno.h>
#include <sched.h>

#define LOOK_PERIOD CLOCK_SECOND

struct idle_work {
	int (*work)(void *arg);
	void *arg;
	int result;
};

static void *idle_run(void *arg)
{
	struct idle_work *idle = arg;
	struct sched_param none = {0};

	if (pthread_setschedparam(pthread_self(), SCHED_IDLE, &none))
		log_debug("work in the background runs at normal priority");
	idle->result = idle->work(idle->arg);
	return NULL;
}

/* By the wall clock, as pthread_timedjoin_np() wants it: a clock that is set makes one
 * look come early or late. */
static struct timespec next_look(void)
{
	int64_t when = clock_now() + LOOK_PERIOD;

	return (struct timespec){when / CLOCK_SECOND, when % CLOCK_SECOND * 1000};
}

int run_idle(int (*work)(void *arg), void *arg, void (*look)(void *arg))
{
	struct idle_work idle = {work, arg, 0};
	struct timespec deadline;
	pthread_t thread;
	int r = pthread_create(&thread, NULL, idle_run, &idle);

	if (r)
		return failure(-r, "start work in the background");
	do {
		look(arg);
		deadline = next_look();
	} while (pthread_timedjoin_np(thread, NULL, &deadline) == ETIMEDOUT);
	return idle.result;
}
