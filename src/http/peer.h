/* The peers: every open connection, and the reaper: the thread that shuts down the
 * sockets of those that idle or are too slow. libmicrohttpd has a time-out of its own,
 * but in the thread-per-connection mode it spins in its last second, and one byte now
 * and then keeps it away for life.
 *
 *     WAITING --a head came--> BUSY <--> RECEIVING
 *        ^                      |
 *        `------ SENDING <------'
 *
 * A peer that waits for us (BUSY: another writer has to stop, or the disk is slow) is
 * never too slow. Thread-safe. */
#ifndef TUSFS_HTTP_PEER_H
#define TUSFS_HTTP_PEER_H

#include "tusfs/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct peers;
struct peer;

enum peer_phase {
	PEER_WAITING,	/* for the head of a request */
	PEER_BUSY,	/* in a handler */
	PEER_RECEIVING, /* for more of a body */
	PEER_SENDING,	/* an answer */
};

/* Starts the reaper as well. The caller owns *peers. `idle_timeout` in microseconds;
 * 0 is never. */
MUST_CHECK int peers_new(unsigned int max, int64_t idle_timeout, struct peers **peers);
/* Stops the reaper; all connections must be closed. Takes and returns NULL. */
struct peers *peers_free(struct peers *peers);
/* Whether one more may come. Near the limit idle ones are ended to make room. */
bool peers_admit(struct peers *peers);
/* Shuts every socket down, so that its thread comes to its end. */
void peers_shut_down(struct peers *peers);

/* Whether an idle connection costs memory worth speaking of. */
enum peer_weight { PEER_HEAVY, PEER_LIGHT };

/* `fd` stays the caller's, and open until peer_close(). NULL when memory is short. */
struct peer *peer_open(struct peers *peers, int fd, enum peer_weight weight);
/* Before the descriptor is closed. Takes NULL. */
void peer_close(struct peer *peer);
int peer_fd(const struct peer *peer);
/* RECEIVING is for when libmicrohttpd is to wait for more of a body. */
void peer_enter(struct peer *peer, enum peer_phase phase);
/* That bytes of a body came. */
void peer_received(struct peer *peer, size_t size);
/* That so many bytes in the socket were answered, and are only to be taken out. */
void peer_note_answered(struct peer *peer, size_t size);
/* Waits until there is something to read, for `timeout` milliseconds at most, or
 * without end when it is -1; what poll() says of the socket, or 0. RECEIVING meanwhile,
 * and BUSY after it. */
short peer_await_input(struct peer *peer, int timeout);
/* Lets the body that the connection receives come to its end, without blocking: at once
 * if nothing of it is there, or else when it stops coming. Asked for a second time, it
 * shuts the connection down. */
void peer_stop_receiving(struct peer *peer);
/* Takes that back, as far as it has not been done; nobody asks for it meanwhile. */
void peer_go_on(struct peer *peer);
/* Whether it was asked for, and not taken back. */
bool peer_is_stopped(const struct peer *peer);
/* Whether it was done, and so no other request will come. */
bool peer_is_shut(const struct peer *peer);
/* Whether nothing that is sent would reach anybody: the connection was reset, or shut
 * down. */
bool peer_is_gone(const struct peer *peer);
/* Makes the connection come to its end, without blocking. */
void peer_shut_down(struct peer *peer);

#endif
