/* The frame of the door: starts its parts and stops them in order (http.h), and is what
 * libmicrohttpd calls for the connections that the front passes to it. Each such call
 * goes on to request.c; what a request means is not known here. */
#include "tusfs/http.h"

#include "answer.h"
#include "body.h"
#include "front.h"
#include "listen.h"
#include "peer.h"
#include "request.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Bounds the header. libmicrohttpd clears all of it after each request, so each kept
 * connection pays for it; but half of it is the largest piece of a body, which is why
 * small pieces are gathered (uploads/append.c) and long bodies read by hand (body.c).
 */
#define CONNECTION_MEMORY ((size_t)64 * 1024)
#define THREAD_STACK	  ((size_t)256 * 1024)

struct http {
	struct site site;
	struct peers *peers;
	struct listener *listeners;
	size_t count;
	struct MHD_Daemon *daemon; /* for what the front passes to it */
	struct front *front;
	atomic_uint begun; /* connections, by the daemon */
	bool quiesced;
};

/* ---- what libmicrohttpd calls ---- */

static void notify_connection(void *arg, struct MHD_Connection *mhd, void **peer,
			      enum MHD_ConnectionNotificationCode code)
{
	struct http *http = arg;
	const union MHD_ConnectionInfo *info;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		peer_close(*peer);
		*peer = NULL;
		return;
	}
	atomic_fetch_add(&http->begun, 1);
	info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	*peer = info ? peer_open(http->peers, info->connect_fd, PEER_HEAVY) : NULL;
}

static struct peer *peer_of(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *mhd, const char *url,
			      const char *method, const char *version,
			      const char *bytes, size_t *size, void **state)
{
	struct http *http = arg;
	struct request *request = *state;
	size_t came = *size;

	if (!request) {
		struct peer *peer = peer_of(mhd);

		if (!peer)
			return MHD_NO;
		peer_enter(peer, PEER_BUSY);
		request = *state =
			request_new(&http->site, mhd, peer, url, method, version);
		return request ? request_begin(request) : MHD_NO;
	}
	*size = 0;
	return came ? request_take(request, bytes, came) : request_end(request);
}

static void notify_completed(void *arg, struct MHD_Connection *mhd, void **state,
			     enum MHD_RequestTerminationCode code)
{
	struct peer *peer = peer_of(mhd);

	(void)arg;
	if (*state && code == MHD_REQUEST_TERMINATED_CLIENT_ABORT)
		body_break(*state); /* the socket is not shut down before this */
	request_free(*state);
	*state = NULL;
	if (peer)
		peer_enter(peer, PEER_WAITING);
}

/* Paths are compared as they were sent: decoding would turn %2e into a dot, and cut at
 * %00. */
static size_t unescape_nothing(void *arg, struct MHD_Connection *mhd, char *text)
{
	(void)arg;
	(void)mhd;
	return strlen(text);
}

/* ---- start and stop ---- */

/* The library's own limit is out of reach: it counts those that are being closed. The
 * front admits. */
static struct MHD_Daemon *start_daemon(struct http *http)
{
	return MHD_start_daemon(
		MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
			MHD_USE_POLL | MHD_USE_ITC | MHD_USE_NO_LISTEN_SOCKET,
		0, NULL, NULL, handle, http, MHD_OPTION_NOTIFY_CONNECTION,
		notify_connection, http, MHD_OPTION_NOTIFY_COMPLETED, notify_completed,
		http, MHD_OPTION_UNESCAPE_CALLBACK, unescape_nothing, NULL,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_CONNECTION_LIMIT,
		http->site.config.max_connections * 2,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY,
		MHD_OPTION_THREAD_STACK_SIZE, THREAD_STACK, MHD_OPTION_END);
}

static int start_front(struct http *http)
{
	struct front_config config = {
		.site = &http->site,
		.peers = http->peers,
		.listeners = http->listeners,
		.count = http->count,
	};

	http->daemon = start_daemon(http);
	if (!http->daemon)
		return failure(errno ? -errno : -EIO, "start the HTTP server");
	config.daemon = http->daemon;
	return front_start(&config, &http->front);
}

static int start_all(struct http *http)
{
	const struct http_config *config = &http->site.config;
	int r;

	if (!config->base_path)
		return failure(-ENOMEM, "start the HTTP server");
	r = peers_new(config->max_connections, config->idle_timeout, &http->peers);
	if (!r)
		r = listeners_open(config, &http->listeners, &http->count);
	return r ? r : start_front(http);
}

int http_start(const struct http_config *config, struct uploads *uploads,
	       struct http **http)
{
	struct http *made = calloc(1, sizeof(*made));
	size_t length = strlen(config->base_path);
	int r;

	assert(length && config->base_path[length - 1] == '/');
	if (!made)
		return failure(-ENOMEM, "start the HTTP server");
	made->site.config = *config;
	made->site.config.base_path = strdup(config->base_path);
	made->site.uploads = uploads;
	r = start_all(made);
	made->site.config.listen = NULL; /* the caller's, and done with */
	if (r) {
		http_stop(made);
		return r;
	}
	*http = made;
	return 0;
}

void http_quiesce(struct http *http)
{
	if (http->quiesced)
		return;
	http->quiesced = true;
	if (!http->front)
		return;
	front_quiesce(http->front);
	for (size_t i = 0; i < http->count; i++)
		listener_stop(&http->listeners[i]);
}

/* libmicrohttpd's own thread begins what was passed to it; what is left then it would
 * close unserved, and without its lock. It turns away those beyond its limit, so this
 * ends in any case. */
static void await_passed(struct http *http)
{
	static const struct timespec pause = {.tv_nsec = 1000000};

	for (int i = 0; i < 100; i++) {
		if (atomic_load(&http->begun) >= front_passed(http->front))
			return;
		nanosleep(&pause, NULL);
	}
}

struct http *http_stop(struct http *http)
{
	if (!http)
		return NULL;
	http_quiesce(http);
	if (http->peers)
		peers_shut_down(http->peers);
	front_stop(http->front);
	if (http->front)
		await_passed(http);
	if (http->daemon)
		MHD_stop_daemon(http->daemon);
	for (size_t i = 0; i < http->count; i++)
		listener_release(&http->listeners[i]);
	front_free(http->front);
	peers_free(http->peers);
	free(http->listeners);
	free((char *)http->site.config.base_path);
	free(http);
	return NULL;
}

uint16_t http_port(const struct http *http)
{
	for (size_t i = 0; i < http->count; i++)
		if (listener_port(&http->listeners[i]))
			return listener_port(&http->listeners[i]);
	return 0;
}
