#include "peer.h"

#include "reaper.h"

#include "tusfs/clock.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* What was sent before somebody took over may still be on its way: a pause as long as
 * this, in milliseconds, is the end of it. */
#define LAST_PAUSE 20

int peers_new(unsigned int max, int64_t idle_timeout, struct peers **peers)
{
	struct peers *made = calloc(1, sizeof(*made));
	int r;

	if (!made)
		return failure(-ENOMEM, "make the list of connections");
	made->max = max;
	made->idle_timeout = idle_timeout > 0 ? idle_timeout : INT64_MAX;
	pthread_mutex_init(&made->mutex, NULL);
	pthread_cond_init(&made->wake, NULL);
	r = reaper_start(made);
	if (r) {
		free(made);
		return r;
	}
	*peers = made;
	return 0;
}

struct peers *peers_free(struct peers *peers)
{
	if (!peers)
		return NULL;
	reaper_stop(peers);
	assert(!peers->first);
	pthread_cond_destroy(&peers->wake);
	pthread_mutex_destroy(&peers->mutex);
	free(peers);
	return NULL;
}

bool peers_admit(struct peers *peers)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&peers->mutex);

	(void)lock;
	if (reaper_crowded(peers))
		reaper_shed(peers, clock_monotonic());
	return peers->count - peers->doomed < peers->max;
}

void peers_shut_down(struct peers *peers)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&peers->mutex);

	(void)lock;
	for (struct peer *peer = peers->first; peer; peer = peer->next)
		peer_shut_down(peer);
}

struct peer *peer_open(struct peers *peers, int fd, enum peer_weight weight)
{
	struct peer *peer = calloc(1, sizeof(*peer));
	int64_t now = clock_monotonic();

	if (!peer)
		return NULL;
	peer->peers = peers;
	peer->fd = fd;
	peer->weight = weight;
	atomic_init(&peer->phase, PEER_WAITING);
	atomic_init(&peer->since, now);
	peer->window_start = now;

	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&peers->mutex);
	(void)lock;
	peer->next = peers->first;
	if (peer->next)
		peer->next->previous = peer;
	peers->first = peer;
	peers->count++;
	return peer;
}

void peer_close(struct peer *peer)
{
	struct peers *peers;

	if (!peer)
		return;
	peers = peer->peers;
	pthread_mutex_lock(&peers->mutex);
	if (peer->previous)
		peer->previous->next = peer->next;
	else
		peers->first = peer->next;
	if (peer->next)
		peer->next->previous = peer->previous;
	peers->count--;
	peers->doomed -= peer->doomed;
	pthread_mutex_unlock(&peers->mutex);
	free(peer);
}

int peer_fd(const struct peer *peer)
{
	return peer->fd;
}

/* Linux opens the window of a socket no more after this, and so the rest of what was
 * sent does not come. */
static void stop_waiting(struct peer *peer)
{
	atomic_store(&peer->shut, true);
	shutdown(peer->fd, SHUT_RD);
}

void peer_enter(struct peer *peer, enum peer_phase phase)
{
	if (phase == PEER_WAITING) {
		atomic_store(&peer->served, true);
		peer_go_on(peer);
		atomic_store(&peer->since, clock_monotonic());
	}
	/* last, so that the reaper never sees a new phase with an old time */
	atomic_store(&peer->phase, phase);
	if (phase == PEER_RECEIVING && atomic_load(&peer->stopped))
		stop_waiting(peer); /* libmicrohttpd does, and does not ask */
}

void peer_received(struct peer *peer, size_t size)
{
	atomic_fetch_add(&peer->received, size);
}

void peer_note_answered(struct peer *peer, size_t size)
{
	atomic_store(&peer->answered, size);
}

short peer_await_input(struct peer *peer, int timeout)
{
	struct pollfd wait = {.fd = peer->fd, .events = POLLIN | POLLRDHUP};
	int r;

	atomic_store(&peer->polling, true);
	atomic_store(&peer->phase, PEER_RECEIVING);
	if (atomic_load(&peer->stopped))
		timeout = LAST_PAUSE;
	do
		r = poll(&wait, 1, timeout);
	while (r < 0 && errno == EINTR);
	atomic_store(&peer->phase, PEER_BUSY);
	atomic_store(&peer->polling, false);
	return r > 0 ? wait.revents : 0;
}

/* Whether peer_await_input() is about to return, and to be called again. */
static bool will_look(const struct peer *peer)
{
	int size = 0;

	return atomic_load(&peer->polling) && ioctl(peer->fd, FIONREAD, &size) == 0 &&
	       size > 0;
}

/* Either this sees that the connection waits, or the connection sees this before it
 * waits. */
void peer_stop_receiving(struct peer *peer)
{
	if (atomic_exchange(&peer->stopped, true))
		peer_shut_down(peer);
	else if (atomic_load(&peer->phase) != PEER_BUSY && !will_look(peer))
		stop_waiting(peer);
}

void peer_go_on(struct peer *peer)
{
	atomic_store(&peer->stopped, false);
}

bool peer_is_stopped(const struct peer *peer)
{
	return atomic_load(&peer->stopped);
}

bool peer_is_shut(const struct peer *peer)
{
	return atomic_load(&peer->shut);
}

bool peer_is_gone(const struct peer *peer)
{
	struct pollfd look = {.fd = peer->fd};

	return poll(&look, 1, 0) != 0;
}

void peer_shut_down(struct peer *peer)
{
	shutdown(peer->fd, SHUT_RDWR);
}
