#include "publisher.h"

#include "publisher_child.h"

#include "tusfs/clock.h"
#include "tusfs/log.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Requests that are sent before the first is answered: they must fit into the socket's
 * buffer, and then keep the child from waiting for us. */
#define WINDOW 8
/* How often a call is tried whose way was lost, and the pause before each. */
#define TRIES		  30
#define PAUSE_NS	  1000000
#define STOP_PATIENCE	  CLOCK_SECOND
#define DEATH_PATIENCE_MS 500

struct publisher {
	int fd;
	struct publisher_shared *shared;
	pid_t child; /* recognised in requests; reaped at the end */
	struct publisher_calls calls;
	pthread_t thread;
	bool started;
	uint64_t last_number; /* the thread's own */
	struct errands errands;
};

static void job_free(struct errand *errand)
{
	struct publish_job *job = (struct publish_job *)errand;

	free(job->path);
	free(job->new_path);
	free(job);
}

static void finished_late(void *arg, const struct errand *errand)
{
	const struct publisher *publisher = arg;

	publisher->calls.late(publisher->calls.arg, (const struct publish_job *)errand);
}

static const struct errands_kind kind = {
	.begins =
		"some program holds a folder of the mount: "
		"inotify is told late of what changes",
	.ends = "the folder is free again, and inotify has been told",
	.late = finished_late,
	.free = job_free,
};

static int fork_child(struct publisher *publisher, const char *mountpoint)
{
	pid_t self = getpid();
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return failure(-errno, "make the publisher's socket");
	publisher->child = fork();
	if (publisher->child == 0)
		publisher_child(fds[1], self, mountpoint, publisher->shared);
	close(fds[1]);
	if (publisher->child < 0) {
		close(fds[0]);
		return failure(-errno, "fork the publisher");
	}
	publisher->fd = fds[0];
	return 0;
}

static void release(struct publisher *publisher)
{
	if (publisher->shared != MAP_FAILED)
		munmap(publisher->shared, sizeof(*publisher->shared));
	free(publisher);
}

int publisher_fork(const char *mountpoint, struct publisher **publisher)
{
	struct publisher *made = calloc(1, sizeof(*made));
	int r;

	if (!made)
		return failure(-ENOMEM, "make the publisher");
	made->shared = mmap(NULL, sizeof(*made->shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (made->shared == MAP_FAILED)
		r = failure(-errno, "make the publisher's memory");
	else
		r = fork_child(made, mountpoint);
	if (r) {
		release(made);
		return r;
	}
	errands_init(&made->errands, &kind, made);
	*publisher = made;
	return 0;
}

void publisher_mounted(struct publisher *publisher, dev_t device)
{
	atomic_store(&publisher->shared->mounted, device);
}

static bool make_paths(struct publisher *publisher, struct publish_job *job, bool again)
{
	free(job->path);
	free(job->new_path);
	job->path = job->new_path = NULL;
	return publisher->calls.paths(publisher->calls.arg, job, again);
}

/* The mutex is held, and free while the job is made ready and sent: the child may be
 * waiting for a worker that wants to know what it is at. */
static bool send_next(struct publisher *publisher)
{
	struct errands *errands = &publisher->errands;
	struct publish_job *job = (struct publish_job *)errands->waiting.first;
	bool again = job->tries > 0 || errands->late_count > 0;
	bool has_path, sent;

	pthread_mutex_unlock(&errands->mutex);
	has_path = make_paths(publisher, job, again);
	pthread_mutex_lock(&errands->mutex);
	if (!has_path) {
		errands_drop(errands, -ENOENT);
		return true;
	}
	job->number = ++publisher->last_number;
	errands_take(errands);
	pthread_mutex_unlock(&errands->mutex);
	sent = publisher_child_ask(publisher->fd, job);
	pthread_mutex_lock(&errands->mutex);
	return sent;
}

/* A folder on the way may be renamed while the call is under way to it; and for a
 * moment after such a rename was answered, the kernel still has the names from before.
 */
static bool is_lost(const struct publish_job *job, int result)
{
	return (result == -ENOENT || result == -ESTALE) && job->tries < TRIES;
}

static void try_again(struct errands *errands)
{
	static const struct timespec pause = {.tv_nsec = PAUSE_NS};

	errands_again(errands);
	pthread_mutex_unlock(&errands->mutex);
	nanosleep(&pause, NULL);
	pthread_mutex_lock(&errands->mutex);
}

static bool receive_one(struct publisher *publisher)
{
	struct errands *errands = &publisher->errands;
	struct publish_job *job = (struct publish_job *)errands->taken.first;
	int result;
	ssize_t got;

	pthread_mutex_unlock(&errands->mutex);
	do
		got = recv(publisher->fd, &result, sizeof(result), 0);
	while (got < 0 && errno == EINTR);
	pthread_mutex_lock(&errands->mutex);
	if (got != sizeof(result))
		return false;
	job->tries++;
	if (is_lost(job, result))
		try_again(errands);
	else
		errands_finish(errands, result);
	return true;
}

/* Those that are late may build on one another, so that each is ended before the next
 * is sent. */
static bool has_window(const struct errands *errands)
{
	return errands->taken_count < (errands->late_count > 0 ? 1 : WINDOW);
}

static bool take_step(struct publisher *publisher)
{
	struct errands *errands = &publisher->errands;

	while (errands->waiting.first && has_window(errands))
		if (!send_next(publisher))
			return false;
	return !errands->taken.first || receive_one(publisher);
}

static void *publisher_main(void *arg)
{
	struct publisher *publisher = arg;
	struct errands *errands = &publisher->errands;
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&errands->mutex);

	while (errands_wait(errands))
		if (!take_step(publisher)) {
			bool stopping = errands->closed;

			if (!stopping)
				log_warning(
					"the publisher has died: no more inotify "
					"events for uploads");
			errands_abandon(errands, stopping ? -ECANCELED : -EPIPE);
			return NULL;
		}
	return NULL;
}

int publisher_start(struct publisher *publisher, const struct publisher_calls *calls)
{
	int r;

	publisher->calls = *calls;
	r = pthread_create(&publisher->thread, NULL, publisher_main, publisher);
	if (r)
		return failure(-r, "start the publisher's thread");
	publisher->started = true;
	return 0;
}

void publisher_stop(struct publisher *publisher)
{
	struct timespec until = clock_deadline(STOP_PATIENCE);

	if (!publisher)
		return;
	if (!errands_close(&publisher->errands, &until)) {
		log_warning(
			"some program still holds a folder of the mount: inotify is "
			"not told of the last changes");
		kill(publisher->child, SIGKILL);
		shutdown(publisher->fd, SHUT_RDWR); /* the child may be beyond death */
	}
	if (publisher->started)
		pthread_join(publisher->thread, NULL);
	publisher->started = false;
}

/* What it waits for in the kernel was freed with the connection, unless some program
 * holds a folder for another reason. */
static void reap(pid_t child)
{
	SCOPED(scoped_close) int pidfd = pidfd_open(child, 0);
	struct pollfd end = {.fd = pidfd, .events = POLLIN};

	kill(child, SIGKILL);
	if (pidfd < 0 || poll(&end, 1, DEATH_PATIENCE_MS) == 1)
		while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
			;
}

struct publisher *publisher_free(struct publisher *publisher)
{
	if (!publisher)
		return NULL;
	close(publisher->fd);
	reap(publisher->child);
	errands_deinit(&publisher->errands);
	release(publisher);
	return NULL;
}

int publisher_run(struct publisher *publisher, struct publish_job *job,
		  const struct timespec *until)
{
	if (!job)
		return -ENOMEM;
	if (publisher)
		return errands_run(&publisher->errands, &job->errand, until);
	job_free(&job->errand);
	return -EPIPE;
}

bool publisher_stuck(struct publisher *publisher)
{
	return publisher && errands_stuck(&publisher->errands);
}

/* Also when the child has died, since requests of its own may still be under way: it
 * stays a zombie until publisher_free(), so that its pid is nobody else's. */
bool publisher_is(struct publisher *publisher, fuse_req_t req)
{
	return publisher && fuse_req_ctx(req)->pid == publisher->child;
}

bool publisher_at(struct publisher *publisher, struct publish_subject *subject)
{
	SCOPED(scoped_unlock)
	pthread_mutex_t *lock = scoped_lock(&publisher->errands.mutex);
	uint64_t at = atomic_load(&publisher->shared->at);
	const struct errand *errand = publisher->errands.taken.first;

	while (errand && ((const struct publish_job *)errand)->number != at)
		errand = errand->next;
	if (!errand)
		return false;
	*subject = ((const struct publish_job *)errand)->subject;
	return true;
}
