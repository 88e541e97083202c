/* Every open connection, and the reaper: the thread that shuts down the sockets of
 * those that idle or are too slow. libmicrohttpd has a time-out of its own, but in the
 * thread-per-connection mode it spins in its last second, and it takes one byte now and
 * then for life.
 *
 *     WAITING --first byte of a request's end of head--> BUSY <--> RECEIVING
 *        ^                                                |
 *        `------------------- SENDING <-------------------'
 *
 * A connection that works for us (BUSY: it waits for a writer, or the disk) is never
 * too slow. Thread-safe. */
#ifndef TUSFS_HTTP_CONN_H
#define TUSFS_HTTP_CONN_H

#include "tusfs/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conns;
struct conn;

enum conn_phase {
	CONN_WAITING,	/* for the head of a request */
	CONN_BUSY,	/* in a handler */
	CONN_RECEIVING, /* for more of a body */
	CONN_SENDING,	/* an answer */
};

/* Starts the reaper as well. The caller owns *conns. `idle_timeout` in microseconds;
 * 0 is never. */
MUST_CHECK int conns_new(unsigned int max, int64_t idle_timeout, struct conns **conns);
/* Stops the reaper; all connections must be closed. Takes and returns NULL. */
struct conns *conns_free(struct conns *conns);
/* Whether there are as many as there may be. */
bool conns_full(struct conns *conns);
/* Shuts every socket down, so that its thread comes to its end. */
void conns_shut_down(struct conns *conns);

/* `fd` stays the caller's, and open until conn_end(). NULL when memory is short. */
struct conn *conn_begin(struct conns *conns, int fd);
/* Before the descriptor is closed. Takes NULL. */
void conn_end(struct conn *conn);
int conn_fd(const struct conn *conn);
void conn_enter(struct conn *conn, enum conn_phase phase);
/* That bytes of a body came. */
void conn_received(struct conn *conn, size_t size);
/* Makes the connection come to its end, without blocking. */
void conn_shut_down(struct conn *conn);

#endif
