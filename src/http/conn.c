#include "conn.h"

#include "reaper.h"

#include "tusfs/clock.h"

#include <sys/socket.h>

int conns_new(unsigned int max, int64_t idle_timeout, struct conns **conns)
{
	struct conns *made = calloc(1, sizeof(*made));
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
	*conns = made;
	return 0;
}

struct conns *conns_free(struct conns *conns)
{
	if (!conns)
		return NULL;
	reaper_stop(conns);
	assert(!conns->first);
	pthread_cond_destroy(&conns->wake);
	pthread_mutex_destroy(&conns->mutex);
	free(conns);
	return NULL;
}

bool conns_full(struct conns *conns)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&conns->mutex);

	(void)lock;
	return conns->count >= conns->max;
}

void conns_shut_down(struct conns *conns)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&conns->mutex);

	(void)lock;
	for (struct conn *conn = conns->first; conn; conn = conn->next)
		conn_shut_down(conn);
}

struct conn *conn_begin(struct conns *conns, int fd)
{
	struct conn *conn = calloc(1, sizeof(*conn));
	int64_t now = clock_monotonic();

	if (!conn)
		return NULL;
	conn->conns = conns;
	conn->fd = fd;
	atomic_init(&conn->phase, CONN_WAITING);
	atomic_init(&conn->since, now);
	conn->window_start = now;

	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&conns->mutex);
	(void)lock;
	conn->next = conns->first;
	if (conn->next)
		conn->next->previous = conn;
	conns->first = conn;
	conns->count++;
	return conn;
}

void conn_end(struct conn *conn)
{
	struct conns *conns;

	if (!conn)
		return;
	conns = conn->conns;
	pthread_mutex_lock(&conns->mutex);
	if (conn->previous)
		conn->previous->next = conn->next;
	else
		conns->first = conn->next;
	if (conn->next)
		conn->next->previous = conn->previous;
	conns->count--;
	pthread_mutex_unlock(&conns->mutex);
	free(conn);
}

int conn_fd(const struct conn *conn)
{
	return conn->fd;
}

void conn_enter(struct conn *conn, enum conn_phase phase)
{
	if (phase == CONN_WAITING) {
		atomic_store(&conn->served, true);
		atomic_store(&conn->since, clock_monotonic());
	}
	/* last, so that the reaper never sees a new phase with an old time */
	atomic_store(&conn->phase, phase);
}

void conn_received(struct conn *conn, size_t size)
{
	atomic_fetch_add(&conn->received, size);
}

void conn_shut_down(struct conn *conn)
{
	shutdown(conn->fd, SHUT_RDWR);
}
