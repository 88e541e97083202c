/* The HTTP door: tus 1.0.0 on libmicrohttpd. Knows the engine, and nothing of the
 * mount. */
#ifndef TUSFS_HTTP_H
#define TUSFS_HTTP_H

#include "tusfs/error.h"
#include "tusfs/uploads.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http;

struct http_config {
	/* "ADDR:PORT", "[v6]:PORT" or "unix:PATH"; port 0 takes a free one */
	const char *const *listen;
	size_t listen_count;
	const char *base_path; /* begins and ends with '/' */
	uint64_t max_size;     /* for Tus-Max-Size; 0 is no limit */
	bool serve_unfinished; /* GET of unfinished uploads */
	bool trust_proxy;      /* of Forwarded and X-Forwarded-*, for Location */
	bool absolute_location;
	bool cors; /* answer browsers of other origins */
	unsigned int max_connections;
	int64_t idle_timeout; /* microseconds */
};

/* After a fork(), in the child: sockets that systemd handed over to the parent are for
 * this process now. */
void http_inherit_from_parent(void);
/* Opens every listening socket and starts to serve. The configuration and the strings
 * in it are copied. The caller owns *http. Fails with one logged line (port taken, bad
 * address). Refusals: INVALID (an address that cannot be read; logged). */
MUST_CHECK int http_start(const struct http_config *config, struct uploads *uploads,
			  struct http **http);
/* Takes no new connections; those that are open go on. */
void http_quiesce(struct http *http);
/* Ends every connection, waits for their handlers, frees. Takes and returns NULL. Call
 * uploads_stop_writers() between quiesce and this. */
struct http *http_stop(struct http *http);
/* The port of the first TCP socket, for tests and for port 0; 0 if there is none. */
uint16_t http_port(const struct http *http);

#endif
