/* The front: a thread that accepts every connection and serves what needs no thread of
 * its own, which is most of what clients with small files send.
 *
 *                      ,-- HEAD, OPTIONS: answered at once
 *     accept --> read -+-- POST, PATCH of few bytes --> clerk --> answered
 *                 ^    '-- all else --> a thread of libmicrohttpd, for good
 *                 '------- the next request
 *
 * A request is looked at in the socket (MSG_PEEK) and taken out of it only after its
 * answer, some together. So whatever is unusual, large, incomplete for a while, or
 * would have to wait for somebody, is passed to libmicrohttpd as it came: the front
 * knows one plain form of HTTP. It refuses by itself only what nothing after can be
 * believed (framing.c), and then drops all that comes. */
#ifndef TUSFS_HTTP_FRONT_H
#define TUSFS_HTTP_FRONT_H

#include "listen.h"
#include "peer.h"
#include "request.h"

struct front;

struct front_config {
	const struct site *site;
	struct peers *peers;
	const struct listener *listeners;
	size_t count;
	struct MHD_Daemon *daemon; /* has no listening socket */
};

/* All that the configuration points to must stay until the stop. */
MUST_CHECK int front_start(const struct front_config *config, struct front **front);
/* Accepts nobody any more. */
void front_quiesce(struct front *front);
/* Once every socket was shut down: ends all connections that it still has, with the
 * requests in hand, but leaves the front. Takes NULL. */
void front_stop(struct front *front);
/* How many connections it has passed. */
unsigned int front_passed(const struct front *front);
/* After the stop. Takes and returns NULL. */
struct front *front_free(struct front *front);

#endif
