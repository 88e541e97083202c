/* A connection that the front serves, and what front.c and connection.c share: nobody
 * else looks inside. All of it belongs to the front's thread, but for two flags. */
#ifndef TUSFS_HTTP_CONNECTION_H
#define TUSFS_HTTP_CONNECTION_H

#include "clerk.h"
#include "front.h"

#include <stdatomic.h>
#include <sys/queue.h>

struct connection {
	TAILQ_ENTRY(connection) link; /* in `list`, if it is in one */
	struct connections *list;
	int fd;
	struct peer *peer;
	bool peek_moves;  /* MSG_PEEK begins where the last one ended */
	size_t answered;  /* bytes of answered requests that are still in the socket */
	size_t looked;	  /* bytes behind them that were looked at */
	struct job *job;  /* which the clerk has, or whose answer is to be sent */
	bool more;	  /* there may be more to read than was looked at */
	bool ended;	  /* the client sends no more */
	bool refused;	  /* nothing that it sends counts any more */
	int64_t deadline; /* in `partial`, and of one that is refused */
};

TAILQ_HEAD(connections, connection);

struct front {
	struct front_config config;
	pthread_t thread;
	int epoll;
	int wake; /* an eventfd */
	atomic_bool quiesced, stopping;
	struct clerk *clerk;
	bool listens;
	int64_t listen_again;	    /* when it does not, for lack of descriptors */
	unsigned int count;	    /* of connections */
	unsigned int passed;	    /* so far */
	struct connections partial; /* wait for the rest of a request, oldest first */
	struct connections ready;   /* have more than was looked at */
	unsigned int with_clerk;
	int64_t slow_until;   /* requests are for threads till then */
	struct jobs answered; /* their answers are to be sent */
	struct jobs spare;
};

/* Takes a connection on; the descriptor becomes its own. */
void connection_open(struct front *front, int fd);
/* Looks at what came, and begins to serve it. */
void connection_look(struct front *front, struct connection *connection);
/* Hands it over to libmicrohttpd, with all that was not taken out of its socket. */
void connection_pass(struct front *front, struct connection *connection);
/* The clerk is done with the job. */
void connection_take_back(struct front *front, struct job *job);
/* Sends the answers that are there. */
void connections_answer(struct front *front);

#endif
