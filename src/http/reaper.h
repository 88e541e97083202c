/* What peer.c and reaper.c share: nobody else looks inside. */
#ifndef TUSFS_HTTP_REAPER_H
#define TUSFS_HTTP_REAPER_H

#include "peer.h"

#include <pthread.h>
#include <stdatomic.h>

struct peers {
	pthread_mutex_t mutex; /* protects the list and `stopping` */
	pthread_cond_t wake;   /* when `stopping` was set */
	struct peer *first;
	unsigned int count;
	unsigned int doomed; /* how many of them are */
	bool stopping;
	/* fixed */
	unsigned int max;
	int64_t idle_timeout;
	pthread_t thread;
};

struct peer {
	struct peer *next, *previous;
	struct peers *peers;
	int fd;
	enum peer_weight weight;
	/* written by the connection's thread, read by the reaper */
	_Atomic enum peer_phase phase;
	_Atomic int64_t since; /* when WAITING began */
	_Atomic bool served;   /* it has had an answer */
	_Atomic bool polling;  /* in peer_await_input() */
	_Atomic uint64_t received;
	_Atomic size_t answered; /* bytes in the socket that are no new request */
	/* by whoever stops it: its body is to come to its end; and the socket was shut
	 */
	_Atomic bool stopped;
	_Atomic bool shut;
	bool doomed; /* shut down, and soon to be closed; under the list's mutex */
	/* the reaper's own: how far the connection was at the last look that counted */
	int64_t window_start;
	uint64_t window_bytes;
};

MUST_CHECK int reaper_start(struct peers *peers);
void reaper_stop(struct peers *peers);
/* These two with the list's mutex held: whether the limit is near, and ending idle
 * connections if there are too many. */
bool reaper_crowded(const struct peers *peers);
void reaper_shed(struct peers *peers, int64_t now);

#endif
