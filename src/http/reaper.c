#include "reaper.h"

#include "tusfs/clock.h"

#include <linux/tcp.h> /* its tcp_info is newer than that of netinet/tcp.h */
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* How often the reaper looks. */
#define REAPER_TICK	(CLOCK_SECOND / 4)
#define REAPER_TICK_MIN (CLOCK_SECOND / 100)
/* A body or an answer that moves at less than this, in bytes a second over a whole
 * idle time-out, is as good as stalled. */
#define REAPER_MIN_RATE 100
/* Idle connections that had an answer keep all of their memory: more than this many are
 * not kept, beginning with the oldest... */
#define REAPER_IDLE_KEPT 64
/* ...but none that a client may just be about to use again. */
#define REAPER_IDLE_MIN CLOCK_SECOND

/* What the peer has taken, or given. Of a Unix socket the kernel does not tell what was
 * sent: its peer is on this machine, and is trusted to come to an end. */
static uint64_t peer_progress(const struct peer *peer)
{
	struct tcp_info info = {0};
	socklen_t size = sizeof(info);

	if (getsockopt(peer->fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
		return atomic_load(&peer->phase) == PEER_SENDING
			       ? UINT64_MAX
			       : atomic_load(&peer->received);
	return atomic_load(&peer->received) + info.tcpi_bytes_acked;
}

/* One window is an idle time-out long; the rate is looked at as each ends. */
static bool peer_too_slow(struct peer *peer, int64_t now)
{
	int64_t window = now - peer->window_start;
	uint64_t wanted = (uint64_t)window * REAPER_MIN_RATE / CLOCK_SECOND + 1;
	uint64_t bytes;

	if (window < peer->peers->idle_timeout)
		return false;
	bytes = peer_progress(peer);
	if (bytes != UINT64_MAX && bytes - peer->window_bytes < wanted)
		return true;
	peer->window_bytes = bytes;
	peer->window_start = now;
	return false;
}

/* Whether a peer that waits for its next request has sent nothing of it: on a busy
 * machine its thread may not have had the time to look. */
static bool peer_silent(const struct peer *peer)
{
	int size = 0;

	return ioctl(peer->fd, FIONREAD, &size) < 0 ||
	       (size_t)size <= atomic_load(&peer->answered);
}

static bool peer_expired(struct peer *peer, int64_t now)
{
	enum peer_phase phase = atomic_load(&peer->phase);

	if (phase == PEER_RECEIVING || phase == PEER_SENDING)
		return peer_too_slow(peer, now);
	peer->window_start = now;
	peer->window_bytes = peer_progress(peer);
	return phase == PEER_WAITING &&
	       now - atomic_load(&peer->since) >= peer->peers->idle_timeout;
}

static void peer_doom(struct peer *peer)
{
	if (peer->doomed)
		return;
	peer->doomed = true;
	peer->peers->doomed++;
	peer_shut_down(peer);
}

struct idle {
	struct peer *peer;
	int64_t since;
};

static int older(const void *a, const void *b)
{
	int64_t left = ((const struct idle *)a)->since;
	int64_t right = ((const struct idle *)b)->since;

	return (left > right) - (left < right);
}

/* One that keeps much memory, and may not just be about to be used again. */
static bool is_burden(const struct peer *peer, int64_t now)
{
	return peer->weight == PEER_HEAVY && atomic_load(&peer->served) &&
	       now - atomic_load(&peer->since) >= REAPER_IDLE_MIN;
}

/* Idle connections that may be shed, the oldest first; how many. */
static unsigned int find_idle(struct peers *peers, int64_t now, bool crowded,
			      struct idle *idle)
{
	unsigned int n = 0;

	for (struct peer *peer = peers->first; peer; peer = peer->next) {
		if (!peer->doomed && atomic_load(&peer->phase) == PEER_WAITING &&
		    (crowded || is_burden(peer, now)) && peer_silent(peer))
			/* asked last: it may have had an answer just now */
			idle[n++] = (struct idle){peer, atomic_load(&peer->since)};
	}
	qsort(idle, n, sizeof(*idle), older);
	return n;
}

bool reaper_crowded(const struct peers *peers)
{
	return peers->count - peers->doomed >= peers->max - peers->max / 8;
}

/* Near the limit a newcomer would be turned away, so then idle connections go until
 * half of the places are free; those that never sent a request too. The youngest are
 * spared: they may just have come, or be about to send their next request. */
void reaper_shed(struct peers *peers, int64_t now)
{
	unsigned int live = peers->count - peers->doomed;
	unsigned int kept = REAPER_IDLE_KEPT, n;
	bool crowded = reaper_crowded(peers);
	struct idle *idle;

	if (!crowded && live <= kept)
		return;
	idle = calloc(peers->count + 1, sizeof(*idle));
	if (!idle)
		return; /* the next tick tries again */
	n = find_idle(peers, now, crowded, idle);
	if (crowded) {
		unsigned int wanted = live - peers->max / 2;

		kept = n > wanted ? n - wanted : 0;
		if (kept < peers->max / 16)
			kept = peers->max / 16;
	}
	for (unsigned int i = 0; i + kept < n; i++)
		peer_doom(idle[i].peer);
	free(idle);
}

static void *reap(void *arg)
{
	struct peers *peers = arg;
	int64_t tick = peers->idle_timeout / 4;
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&peers->mutex);

	(void)lock;
	if (tick > REAPER_TICK)
		tick = REAPER_TICK;
	if (tick < REAPER_TICK_MIN)
		tick = REAPER_TICK_MIN;
	while (!peers->stopping) {
		struct timespec deadline = clock_deadline(tick);
		int64_t now;

		pthread_cond_clockwait(&peers->wake, &peers->mutex, CLOCK_MONOTONIC,
				       &deadline);
		now = clock_monotonic();
		for (struct peer *peer = peers->first; peer; peer = peer->next)
			if (peer_expired(peer, now))
				peer_doom(peer);
		reaper_shed(peers, now);
	}
	return NULL;
}

int reaper_start(struct peers *peers)
{
	int r = pthread_create(&peers->thread, NULL, reap, peers);

	return r ? failure(-r, "start the thread that ends idle connections") : 0;
}

void reaper_stop(struct peers *peers)
{
	pthread_mutex_lock(&peers->mutex);
	peers->stopping = true;
	pthread_cond_signal(&peers->wake);
	pthread_mutex_unlock(&peers->mutex);
	pthread_join(peers->thread, NULL);
}
