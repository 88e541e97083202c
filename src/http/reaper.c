#include "reaper.h"

#include "tusfs/clock.h"

#include <linux/tcp.h> /* its tcp_info is newer than that of netinet/tcp.h */
#include <netinet/in.h>
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
static uint64_t conn_progress(const struct conn *conn)
{
	struct tcp_info info = {0};
	socklen_t size = sizeof(info);

	if (getsockopt(conn->fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
		return atomic_load(&conn->phase) == CONN_SENDING
			       ? UINT64_MAX
			       : atomic_load(&conn->received);
	return atomic_load(&conn->received) + info.tcpi_bytes_acked;
}

/* One window is an idle time-out long; the rate is looked at as each ends. */
static bool conn_too_slow(struct conn *conn, int64_t now)
{
	int64_t window = now - conn->window_start;
	uint64_t wanted = (uint64_t)window * REAPER_MIN_RATE / CLOCK_SECOND + 1;
	uint64_t bytes;

	if (window < conn->conns->idle_timeout)
		return false;
	bytes = conn_progress(conn);
	if (bytes != UINT64_MAX && bytes - conn->window_bytes < wanted)
		return true;
	conn->window_bytes = bytes;
	conn->window_start = now;
	return false;
}

static bool conn_expired(struct conn *conn, int64_t now)
{
	enum conn_phase phase = atomic_load(&conn->phase);

	if (phase == CONN_RECEIVING || phase == CONN_SENDING)
		return conn_too_slow(conn, now);
	conn->window_start = now;
	conn->window_bytes = conn_progress(conn);
	return phase == CONN_WAITING &&
	       now - atomic_load(&conn->since) >= conn->conns->idle_timeout;
}

static int older(const void *a, const void *b)
{
	int64_t left = atomic_load(&(*(struct conn *const *)a)->since);
	int64_t right = atomic_load(&(*(struct conn *const *)b)->since);

	return (left > right) - (left < right);
}

/* Idle connections that may be shed, into `idle`; how many. */
static unsigned int find_idle(struct conns *conns, int64_t now, bool crowded,
			      struct conn **idle)
{
	unsigned int n = 0;

	for (struct conn *conn = conns->first; conn; conn = conn->next)
		if (atomic_load(&conn->phase) == CONN_WAITING &&
		    (crowded || atomic_load(&conn->served)) &&
		    now - atomic_load(&conn->since) >= REAPER_IDLE_MIN)
			idle[n++] = conn;
	return n;
}

/* Near the limit a newcomer would wait in vain, so then idle connections go until half
 * of the places are free; those that never sent a request too. */
static void shed(struct conns *conns, int64_t now)
{
	bool crowded = conns->count >= conns->max - conns->max / 8;
	unsigned int kept = REAPER_IDLE_KEPT, n;
	struct conn **idle;

	if (!crowded && conns->count <= kept)
		return;
	idle = calloc(conns->count, sizeof(struct conn *));
	if (!idle)
		return; /* the next tick tries again */
	n = find_idle(conns, now, crowded, idle);
	qsort(idle, n, sizeof(struct conn *), older);
	if (crowded) {
		unsigned int wanted = conns->count - conns->max / 2;

		kept = n > wanted ? n - wanted : 0;
	}
	for (unsigned int i = 0; i + kept < n; i++)
		conn_shut_down(idle[i]);
	free(idle);
}

static void *reap(void *arg)
{
	struct conns *conns = arg;
	int64_t tick = conns->idle_timeout / 4;
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&conns->mutex);

	(void)lock;
	if (tick > REAPER_TICK)
		tick = REAPER_TICK;
	if (tick < REAPER_TICK_MIN)
		tick = REAPER_TICK_MIN;
	while (!conns->stopping) {
		struct timespec deadline = clock_deadline(tick);
		int64_t now;

		pthread_cond_clockwait(&conns->wake, &conns->mutex, CLOCK_MONOTONIC,
				       &deadline);
		now = clock_monotonic();
		for (struct conn *conn = conns->first; conn; conn = conn->next)
			if (conn_expired(conn, now))
				conn_shut_down(conn);
		shed(conns, now);
	}
	return NULL;
}

int reaper_start(struct conns *conns)
{
	int r = pthread_create(&conns->thread, NULL, reap, conns);

	return r ? failure(-r, "start the thread that ends idle connections") : 0;
}

void reaper_stop(struct conns *conns)
{
	pthread_mutex_lock(&conns->mutex);
	conns->stopping = true;
	pthread_cond_signal(&conns->wake);
	pthread_mutex_unlock(&conns->mutex);
	pthread_join(conns->thread, NULL);
}
