#include "workers.h"

#include "tusfs/clock.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

/* Interrupts a worker's read(2) of the device, and does nothing else. */
#define SIGNAL_STOP SIGRTMIN
/* How long a worker is given to notice, before it is interrupted again: the signal may
 * have come just before read(2). In microseconds. */
#define STOP_AGAIN 10000

static _Thread_local struct {
	char *bytes;
	size_t size;
} buffer;

char *workers_buffer(size_t size)
{
	char *bytes;

	if (buffer.bytes && size <= buffer.size)
		return buffer.bytes;
	bytes = realloc(buffer.bytes, size);
	if (!bytes)
		return NULL;
	buffer.bytes = bytes;
	buffer.size = size;
	return bytes;
}

static void release_buffer(void)
{
	free(buffer.bytes);
	buffer.bytes = NULL;
	buffer.size = 0;
}

static int receive(struct worker *worker, struct fuse_buf *request)
{
	int got;

	atomic_store(&worker->receiving, true);
	got = atomic_load(&worker->workers->stopping)
		      ? 0
		      : fuse_session_receive_buf(worker->workers->session, request);
	atomic_store(&worker->receiving, false);
	return got;
}

static void serve(struct worker *worker)
{
	struct workers *workers = worker->workers;
	struct fuse_buf request = {.mem = NULL};

	while (!fuse_session_exited(workers->session)) {
		int got = receive(worker, &request);

		if (got == -EINTR || got == -EAGAIN)
			continue;
		if (got <= 0)
			break;
		fuse_session_process_buf(workers->session, &request);
	}
	free(request.mem);
	release_buffer();
}

static void *worker_main(void *arg)
{
	struct worker *worker = arg;
	struct workers *workers = worker->workers;
	sigset_t stop;

	sigemptyset(&stop);
	sigaddset(&stop, SIGNAL_STOP);
	pthread_sigmask(SIG_UNBLOCK, &stop, NULL);
	serve(worker);
	if (atomic_load(&workers->stopping))
		return NULL;
	if (atomic_fetch_sub(&workers->running, 1) == 1 && workers->ended)
		workers->ended(workers->arg);
	return NULL;
}

static void ignore(int number)
{
}

int workers_start(struct workers *workers, struct fuse_session *session,
		  void (*ended)(void *arg), void *arg)
{
	struct sigaction action = {.sa_handler = ignore}; /* no SA_RESTART */

	sigaction(SIGNAL_STOP, &action, NULL);
	workers->session = session;
	workers->ended = ended;
	workers->arg = arg;
	atomic_store(&workers->running, WORKERS_COUNT);
	while (workers->count < WORKERS_COUNT) {
		struct worker *worker = &workers->each[workers->count];
		int r;

		worker->workers = workers;
		r = pthread_create(&worker->thread, NULL, worker_main, worker);
		if (r)
			return failure(-r, "start a thread of the mount");
		workers->count++;
	}
	return 0;
}

static struct timespec soon(void)
{
	int64_t when = clock_now() + STOP_AGAIN;

	return (struct timespec){when / CLOCK_SECOND, when % CLOCK_SECOND * 1000};
}

static void join(struct worker *worker)
{
	struct timespec deadline = soon();

	while (pthread_timedjoin_np(worker->thread, NULL, &deadline) == ETIMEDOUT) {
		if (atomic_load(&worker->receiving))
			pthread_kill(worker->thread, SIGNAL_STOP);
		deadline = soon();
	}
}

void workers_stop(struct workers *workers)
{
	atomic_store(&workers->stopping, true);
	for (unsigned int i = 0; i < workers->count; i++)
		if (atomic_load(&workers->each[i].receiving))
			pthread_kill(workers->each[i].thread, SIGNAL_STOP);
	for (unsigned int i = 0; i < workers->count; i++)
		join(&workers->each[i]);
	workers->count = 0;
}
