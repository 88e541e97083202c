/* Small requests on keep-alive connections, each of which waits for its answer before
 * it sends the next.
 *
 *     bench_requests PORT|SOCKET patch|upload|head|get CONNECTIONS COUNT [SIZE]
 *
 * patch: COUNT uploads of SIZE bytes (4096), by POST and then PATCH; upload: the same
 * by creation-with-upload; head: COUNT times HEAD of uploads that were created before;
 * get: GET of such that have SIZE bytes. Prints uploads, or looks, in a second, and how
 * long a request waited. */
#include "client.h"

#include "tusfs/clock.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define REQUEST_MAX (64 * 1024)

struct connection {
	int fd;
	bool patching; /* the upload was created, and this PATCH fills it */
	char path[CLIENT_PATH_SIZE];
	char answer[CLIENT_HEAD_MAX];
	size_t got;
	int64_t began;
};

static enum { PATCH, UPLOAD, HEAD, GET } work;
static uint64_t body = 4096, left, created;
static double *waits; /* milliseconds */
static size_t answered;
static char request[REQUEST_MAX];

static size_t write_post(void)
{
	char metadata[128];
	int size;

	client_metadata(created++, metadata, sizeof(metadata));
	size = snprintf(
		request, sizeof(request),
		"POST /files/ HTTP/1.1\r\nHost: bench\r\nTus-Resumable: 1.0.0\r\n"
		"Upload-Length: %ju\r\n%sContent-Length: %ju\r\n%s\r\n",
		(uintmax_t)body, metadata, (uintmax_t)(work == UPLOAD ? body : 0),
		work == UPLOAD ? "Content-Type: application/offset+octet-stream\r\n"
			       : "");
	return (size_t)size;
}

static size_t write_look(const struct connection *connection)
{
	return (size_t)snprintf(request, sizeof(request),
				"%s %s HTTP/1.1\r\nHost: bench\r\n"
				"Tus-Resumable: 1.0.0\r\n\r\n",
				work == HEAD ? "HEAD" : "GET", connection->path);
}

static void begin(struct connection *connection)
{
	bool with_body = work == UPLOAD || connection->patching;
	size_t size;

	if (work == HEAD || work == GET)
		size = write_look(connection);
	else if (connection->patching)
		size = client_patch_head(request, sizeof(request), connection->path,
					 body, "");
	else
		size = write_post();
	if (with_body) {
		memcpy(request + size, client_piece(), body);
		size += body;
	}
	connection->got = 0;
	connection->began = clock_monotonic();
	client_send(connection->fd, request, size);
}

/* What follows the answer; false when this connection has no more to do. */
static bool go_on(struct connection *connection, const struct answer *answer)
{
	client_expect(answer, work == HEAD || work == GET ? 200
			      : connection->patching	  ? 204
							  : 201);
	waits[answered++] = (double)(clock_monotonic() - connection->began) / 1000;
	if (work == PATCH && !connection->patching) {
		memcpy(connection->path, answer->path, CLIENT_PATH_SIZE);
		connection->patching = true;
		begin(connection);
		return true;
	}
	connection->patching = false;
	if (!left)
		return false;
	left--;
	begin(connection);
	return true;
}

/* Takes what came; false when the connection is done. */
static bool take(struct connection *connection)
{
	size_t room = sizeof(connection->answer) - 1 - connection->got;
	struct answer answer;
	ssize_t n = recv(connection->fd, connection->answer + connection->got, room, 0);

	if (n <= 0)
		err(1, "no answer");
	connection->got += (size_t)n;
	connection->answer[connection->got] = '\0';
	if (!answer_parse(connection->answer, connection->got, work == HEAD, &answer))
		return true;
	return go_on(connection, &answer);
}

static void run(struct connection *connections, unsigned int count, int epoll)
{
	struct epoll_event events[64];
	unsigned int busy = count;

	for (unsigned int i = 0; i < count; i++) {
		left--;
		begin(&connections[i]);
	}
	while (busy) {
		int n = epoll_wait(epoll, events, 64, -1);

		if (n < 0)
			err(1, "epoll_wait");
		for (int i = 0; i < n; i++)
			busy -= !take(events[i].data.ptr);
	}
}

static void make_whole(struct connection *connection)
{
	struct answer answer;
	char head[512];

	snprintf(head, sizeof(head), "Upload-Length: %ju\r\n", (uintmax_t)body);
	client_create(connection->fd, head, connection->path);
	client_send(connection->fd, head,
		    client_patch_head(head, sizeof(head), connection->path, body, ""));
	client_send_body(connection->fd, body);
	client_receive(connection->fd, false, &answer);
	client_expect(&answer, 204);
}

static void prepare(struct connection *connection, const char *server, int epoll)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};

	connection->fd = client_connect_to(server);
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, connection->fd, &event) < 0)
		err(1, "epoll_ctl");
	if (work == HEAD)
		client_create(connection->fd, "Upload-Length: 1000000\r\n",
			      connection->path);
	if (work == GET)
		make_whole(connection);
}

static void measure(const char *server, unsigned int count)
{
	struct connection *connections = calloc(count, sizeof(*connections));
	uint64_t total = left;
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	double seconds;
	int64_t began;

	waits = calloc(total * 2, sizeof(*waits));
	if (!connections || !waits || epoll < 0)
		err(1, "prepare");
	for (unsigned int i = 0; i < count; i++)
		prepare(&connections[i], server, epoll);
	began = clock_monotonic();
	run(connections, count, epoll);
	seconds = (double)(clock_monotonic() - began) / CLOCK_SECOND;
	client_sort(waits, answered);
	printf("{\"rate\": %.1f, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": "
	       "%.3f}\n",
	       (double)total / seconds, client_quantile(waits, answered, 0.5),
	       client_quantile(waits, answered, 0.99), waits[answered - 1]);
	free(waits);
	free(connections);
}

int main(int argc, char **argv)
{
	uint64_t count;

	if (argc < 5 || argc > 6)
		errx(2,
		     "usage: bench_requests PORT|SOCKET patch|upload|head|get "
		     "CONNECTIONS COUNT [SIZE]");
	work = strcmp(argv[2], "patch") == 0	? PATCH
	       : strcmp(argv[2], "upload") == 0 ? UPLOAD
	       : strcmp(argv[2], "head") == 0	? HEAD
						: GET;
	count = client_number(argv[3], "CONNECTIONS");
	left = client_number(argv[4], "COUNT");
	if (argc == 6)
		body = client_number(argv[5], "SIZE");
	if (!count || left < count || count > 20000 || body > REQUEST_MAX - 1024 ||
	    (work == GET && body > CLIENT_HEAD_MAX - 1024))
		errx(2, "COUNT is at least CONNECTIONS, which is 1 to 20000");
	measure(argv[1], (unsigned int)count);
	return 0;
}
