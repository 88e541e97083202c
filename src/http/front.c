#include "connection.h"

#include "tusfs/clock.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

/* After there were no descriptors left. */
#define ACCEPT_PAUSE (CLOCK_SECOND / 10)
/* At most so many at a time. */
#define EVENTS_MAX 64
/* And so many newcomers: those who have just left are to be let go in between. */
#define ACCEPT_MAX 8

/* ---- newcomers ---- */

static void listen_on(struct front *front, bool on)
{
	const struct listener *listeners = front->config.listeners;

	front->listens = on;
	for (size_t i = 0; i < front->config.count; i++) {
		struct epoll_event event = {.events = EPOLLIN,
					    .data.ptr = (void *)&listeners[i]};

		if (epoll_ctl(front->epoll, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL,
			      listeners[i].fd, &event) == 0 ||
		    !on || errno == EEXIST)
			continue;
		failure(-errno, "wait for connections");
		listen_on(front, false); /* all or none, so that a stop finds none */
		front->listen_again = clock_monotonic() + ACCEPT_PAUSE;
		return;
	}
}

static void accept_one(struct front *front, int fd)
{
	if (peers_admit(front->config.peers))
		connection_open(front, fd);
	else
		close(fd);
}

static void accept_some(struct front *front, const struct listener *listener)
{
	for (int i = 0; i < ACCEPT_MAX && !atomic_load(&front->quiesced); i++) {
		int fd =
			accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			accept_one(front, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
		    errno == ENOMEM) {
			listen_on(front, false);
			front->listen_again = clock_monotonic() + ACCEPT_PAUSE;
		}
		return;
	}
}

static void tend_listeners(struct front *front)
{
	bool quiesced = atomic_load(&front->quiesced);

	if (front->listens && quiesced)
		listen_on(front, false);
	if (!front->listens && !quiesced && clock_monotonic() >= front->listen_again)
		listen_on(front, true);
}

/* ---- the thread ---- */

static bool is_listener(const struct front *front, const void *source)
{
	const struct listener *listeners = front->config.listeners;

	return source >= (const void *)listeners &&
	       source < (const void *)(listeners + front->config.count);
}

static void take_event(struct front *front, const struct epoll_event *event)
{
	struct connection *connection = event->data.ptr;

	if (event->data.ptr == front)
		return; /* to wake up was all */
	if (is_listener(front, event->data.ptr)) {
		accept_some(front, event->data.ptr);
		return;
	}
	if (event->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		connection->ended = true;
	if (connection->job)
		connection->more = true;
	else
		connection_look(front, connection);
}

static void collect(struct front *front)
{
	struct jobs done;
	struct job *job;

	if (!front->with_clerk)
		return;
	jobs_init(&done);
	clerk_collect(front->clerk, &done);
	while ((job = jobs_take(&done)))
		connection_take_back(front, job);
}

static void look_at_ready(struct front *front)
{
	struct connections ready = TAILQ_HEAD_INITIALIZER(ready);
	struct connection *connection;

	TAILQ_CONCAT(&ready, &front->ready, link);
	while ((connection = TAILQ_FIRST(&ready))) {
		TAILQ_REMOVE(&ready, connection, link);
		connection->list = NULL;
		connection_look(front, connection);
	}
}

static void pass_partial(struct front *front)
{
	struct connection *connection;
	int64_t now;

	if (TAILQ_EMPTY(&front->partial))
		return;
	now = clock_monotonic();
	while ((connection = TAILQ_FIRST(&front->partial)) &&
	       connection->deadline <= now)
		connection_pass(front, connection);
}

/* In milliseconds. */
static int time_to_wait(const struct front *front)
{
	const struct connection *first = TAILQ_FIRST(&front->partial);
	int64_t wait = INT64_MAX;

	if (!TAILQ_EMPTY(&front->ready))
		return 0;
	if (first)
		wait = first->deadline - clock_monotonic();
	if ((front->with_clerk || !front->listens) && wait > ACCEPT_PAUSE)
		wait = ACCEPT_PAUSE;
	if (wait == INT64_MAX)
		return -1;
	return wait > 0 ? (int)(wait / 1000) + 1 : 0;
}

static void *run(void *arg)
{
	struct front *front = arg;
	struct epoll_event events[EVENTS_MAX];

	while (!atomic_load(&front->stopping) || front->count) {
		int n = epoll_wait(front->epoll, events, EVENTS_MAX,
				   time_to_wait(front));

		for (int i = 0; i < n; i++)
			take_event(front, &events[i]);
		collect(front);
		look_at_ready(front);
		pass_partial(front);
		tend_listeners(front);
		connections_answer(front);
	}
	return NULL;
}

/* ---- start and stop ---- */

static void wake(void *arg)
{
	struct front *front = arg;

	if (eventfd_write(front->wake, 1) < 0)
		failure(-errno, "wake the front");
}

static int open_epoll(struct front *front)
{
	/* each write is an event of its own, so that nobody need read */
	struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = front};

	front->epoll = epoll_create1(EPOLL_CLOEXEC);
	front->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (front->epoll < 0 || front->wake < 0 ||
	    epoll_ctl(front->epoll, EPOLL_CTL_ADD, front->wake, &event) < 0)
		return failure(-errno, "start the HTTP server");
	return 0;
}

struct front *front_free(struct front *front)
{
	if (!front)
		return NULL;
	clerk_stop(front->clerk);
	jobs_release(&front->spare);
	scoped_close(&front->wake);
	scoped_close(&front->epoll);
	free(front);
	return NULL;
}

int front_start(const struct front_config *config, struct front **front)
{
	struct front *made = calloc(1, sizeof(*made));
	int r;

	if (!made)
		return failure(-ENOMEM, "start the HTTP server");
	made->config = *config;
	made->epoll = made->wake = -1;
	TAILQ_INIT(&made->partial);
	TAILQ_INIT(&made->ready);
	jobs_init(&made->answered);
	jobs_init(&made->spare);
	r = open_epoll(made);
	if (!r)
		r = clerk_start(wake, made, &made->clerk);
	if (!r) {
		listen_on(made, true);
		r = pthread_create(&made->thread, NULL, run, made);
		if (r)
			r = failure(-r, "start the thread that accepts connections");
	}
	if (r)
		front_free(made);
	else
		*front = made;
	return r;
}

void front_quiesce(struct front *front)
{
	atomic_store(&front->quiesced, true);
	wake(front);
}

void front_stop(struct front *front)
{
	if (!front)
		return;
	atomic_store(&front->stopping, true);
	wake(front);
	pthread_join(front->thread, NULL);
}

unsigned int front_passed(const struct front *front)
{
	return front->passed;
}
