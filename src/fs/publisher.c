#include "publisher.h"

#include "publisher_child.h"

#include "tusfs/log.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Requests that are sent before the first is answered: they must fit into the socket's
 * buffer, and then keep the child from waiting for us. */
#define WINDOW 8

struct queue {
	struct publish_job *first;
	struct publish_job **end;
};

struct publisher {
	int fd;
	struct publisher_shared *shared;
	pid_t child;	/* to be reaped */
	atomic_int pid; /* recognised in requests; 0 once it is gone */
	pthread_t thread;
	bool started;
	pthread_mutex_t mutex; /* protects all below */
	pthread_cond_t wanted; /* there is work, or stopping */
	struct queue waiting;
	struct queue sent;
	unsigned int sent_count;
	uint64_t last_number;
	bool gone;
	bool stopping;
};

static void queue_init(struct queue *queue)
{
	queue->first = NULL;
	queue->end = &queue->first;
}

static void queue_add(struct queue *queue, struct publish_job *job)
{
	job->next = NULL;
	*queue->end = job;
	queue->end = &job->next;
}

static struct publish_job *queue_take(struct queue *queue)
{
	struct publish_job *job = queue->first;

	if (!job)
		return NULL;
	queue->first = job->next;
	if (!queue->first)
		queue->end = &queue->first;
	return job;
}

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
	atomic_store(&publisher->pid, publisher->child);
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
	pthread_mutex_init(&made->mutex, NULL);
	pthread_cond_init(&made->wanted, NULL);
	queue_init(&made->waiting);
	queue_init(&made->sent);
	*publisher = made;
	return 0;
}

void publisher_mounted(struct publisher *publisher, dev_t device)
{
	atomic_store(&publisher->shared->mounted, device);
}

static void finish(struct publish_job *job, int result)
{
	job->result = result;
	job->done = true;
	pthread_cond_signal(&job->finished);
}

/* The mutex is held, and free while the message is sent: the child may be waiting for a
 * worker that wants to know what it is at. */
static bool send_next(struct publisher *publisher)
{
	struct publish_job *job = queue_take(&publisher->waiting);
	bool sent;

	queue_add(&publisher->sent, job);
	publisher->sent_count++;
	pthread_mutex_unlock(&publisher->mutex);
	sent = publisher_child_ask(publisher->fd, job);
	pthread_mutex_lock(&publisher->mutex);
	return sent;
}

static bool receive_one(struct publisher *publisher)
{
	int result;
	ssize_t got;

	pthread_mutex_unlock(&publisher->mutex);
	do
		got = recv(publisher->fd, &result, sizeof(result), 0);
	while (got < 0 && errno == EINTR);
	pthread_mutex_lock(&publisher->mutex);
	if (got != sizeof(result))
		return false;
	publisher->sent_count--;
	finish(queue_take(&publisher->sent), result);
	return true;
}

static bool take_step(struct publisher *publisher)
{
	while (publisher->waiting.first && publisher->sent_count < WINDOW)
		if (!send_next(publisher))
			return false;
	return receive_one(publisher);
}

/* The child has died. It stays a zombie until publisher_free(), so that its pid is
 * nobody else's as long as requests of its own may still be under way. */
static void give_up(struct publisher *publisher)
{
	struct publish_job *job;

	publisher->gone = true;
	atomic_store(&publisher->pid, 0);
	log_warning("the publisher has died: no more inotify events for uploads");
	while ((job = queue_take(&publisher->sent)))
		finish(job, -EPIPE);
	while ((job = queue_take(&publisher->waiting)))
		finish(job, -EPIPE);
	publisher->sent_count = 0;
}

static void *publisher_main(void *arg)
{
	struct publisher *publisher = arg;
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&publisher->mutex);

	for (;;) {
		while (!publisher->waiting.first && !publisher->sent.first &&
		       !publisher->stopping)
			pthread_cond_wait(&publisher->wanted, &publisher->mutex);
		if (!publisher->waiting.first && !publisher->sent.first)
			return NULL;
		if (!take_step(publisher)) {
			give_up(publisher);
			return NULL;
		}
	}
}

int publisher_start(struct publisher *publisher)
{
	int r = pthread_create(&publisher->thread, NULL, publisher_main, publisher);

	if (r)
		return failure(-r, "start the publisher's thread");
	publisher->started = true;
	return 0;
}

void publisher_stop(struct publisher *publisher)
{
	if (!publisher)
		return;
	pthread_mutex_lock(&publisher->mutex);
	publisher->stopping = true;
	pthread_cond_signal(&publisher->wanted);
	pthread_mutex_unlock(&publisher->mutex);
	if (publisher->started)
		pthread_join(publisher->thread, NULL);
	publisher->started = false;
}

struct publisher *publisher_free(struct publisher *publisher)
{
	if (!publisher)
		return NULL;
	close(publisher->fd);
	kill(publisher->child, SIGKILL);
	while (waitpid(publisher->child, NULL, 0) < 0 && errno == EINTR)
		;
	pthread_cond_destroy(&publisher->wanted);
	pthread_mutex_destroy(&publisher->mutex);
	release(publisher);
	return NULL;
}

static void submit(struct publisher *publisher, struct publish_job *job)
{
	job->done = false;
	pthread_cond_init(&job->finished, NULL);
	if (publisher->gone || publisher->stopping) {
		finish(job, -EPIPE);
		return;
	}
	job->number = ++publisher->last_number;
	queue_add(&publisher->waiting, job);
	pthread_cond_signal(&publisher->wanted);
}

static void await(struct publisher *publisher, struct publish_job *job)
{
	while (!job->done)
		pthread_cond_wait(&job->finished, &publisher->mutex);
	pthread_cond_destroy(&job->finished);
}

void publisher_run(struct publisher *publisher, struct publish_job *job)
{
	if (!publisher) {
		job->result = -EPIPE;
		return;
	}
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&publisher->mutex);
	submit(publisher, job);
	await(publisher, job);
}

bool publisher_is(struct publisher *publisher, fuse_req_t req)
{
	pid_t pid = publisher ? atomic_load(&publisher->pid) : 0;

	return pid != 0 && fuse_req_ctx(req)->pid == pid;
}

bool publisher_claims(struct publisher *publisher, fuse_ino_t parent, const char *name,
		      struct publish_subject *subject)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&publisher->mutex);
	uint64_t at = atomic_load(&publisher->shared->at);
	const struct publish_job *job = publisher->sent.first;

	while (job && job->number != at)
		job = job->next;
	if (!job || job->subject.parent != parent ||
	    strcmp(job->subject.name.text, name) != 0)
		return false;
	*subject = job->subject;
	return true;
}
