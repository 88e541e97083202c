/* Listening sockets, made here and not by libmicrohttpd, so that what goes wrong is
 * told in one clear line. */
#ifndef TUSFS_HTTP_LISTEN_H
#define TUSFS_HTTP_LISTEN_H

#include "tusfs/http.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct listener {
	int fd;
	char *unix_path; /* to be removed in the end, or NULL */
	bool inherited;	 /* from systemd, which goes on listening */
};

/* Opens a socket for each address of the configuration, or takes those that systemd
 * handed over (sd_listen_fds(3)). The caller releases each of *listeners and frees
 * it. Refusals: INVALID (an address that cannot be read; logged). */
MUST_CHECK int listeners_open(const struct http_config *config,
			      struct listener **listeners, size_t *count);
/* Lets no more connections in; the descriptor stays open. */
void listener_stop(struct listener *listener);
void listener_release(struct listener *listener);
/* The port, or 0 of a Unix socket. */
uint16_t listener_port(const struct listener *listener);

#endif
