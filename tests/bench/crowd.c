/* Many connections that do little.
 *
 *     bench_crowd PORT idle CONNECTIONS
 *     bench_crowd PORT slow CONNECTIONS PIECE PIECES
 *
 * idle: each makes one HEAD request (of an upload that is created first) and then
 * keeps its connection. slow: each creates an upload and then PATCHes it, a piece of so
 * many bytes a second; a connection that is not answered 204 ends the program. Prints
 * "ready" once all are connected and, with slow, have sent their first piece; idle then
 * stays until standard input ends. */
#include "client.h"

#include "tusfs/clock.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CROWD_MAX 20000
#define PIECE_MAX 65536

static int fds[CROWD_MAX];

static void say_ready(void)
{
	puts("ready");
	fflush(stdout);
}

static void be_idle(uint16_t port, unsigned int count)
{
	char path[CLIENT_PATH_SIZE], request[256], end;
	struct answer answer;
	size_t size;

	for (unsigned int i = 0; i < count; i++) {
		fds[i] = client_connect(port);
		if (i == 0)
			client_create(fds[0], "Upload-Length: 1000\r\n", path);
		size = (size_t)snprintf(request, sizeof(request),
					"HEAD %s HTTP/1.1\r\nHost: bench\r\n"
					"Tus-Resumable: 1.0.0\r\n\r\n",
					path);
		client_send(fds[i], request, size);
		client_receive(fds[i], true, &answer);
		client_expect(&answer, 200);
	}
	say_ready();
	while (read(STDIN_FILENO, &end, 1) > 0)
		;
}

static void begin_slow(uint16_t port, unsigned int number, uint64_t size)
{
	char metadata[128], text[512], path[CLIENT_PATH_SIZE];

	fds[number] = client_connect(port);
	client_metadata(number, metadata, sizeof(metadata));
	snprintf(text, sizeof(text), "Upload-Length: %ju\r\n%s", (uintmax_t)size,
		 metadata);
	client_create(fds[number], text, path);
	client_send(fds[number], text,
		    client_patch_head(text, sizeof(text), path, size, ""));
}

/* The pieces of one second, spread over it, so that it is the server's work that is
 * measured and not the client's burst. */
static void send_round(unsigned int count, size_t piece)
{
	int64_t began = clock_monotonic();

	for (unsigned int i = 0; i < count; i++) {
		int64_t ahead = CLOCK_SECOND * i / count - (clock_monotonic() - began);
		struct timespec pause = {.tv_nsec = ahead * 1000};

		if (ahead > 1000)
			nanosleep(&pause, NULL);
		client_send(fds[i], client_piece(), piece);
	}
}

static void be_slow(uint16_t port, unsigned int count, size_t piece, uint64_t pieces)
{
	int64_t began = clock_monotonic(), connected;
	struct answer answer;

	for (unsigned int i = 0; i < count; i++)
		begin_slow(port, i, piece * pieces);
	connected = clock_monotonic();
	send_round(count, piece);
	say_ready();
	for (uint64_t i = 1; i < pieces; i++)
		send_round(count, piece);
	for (unsigned int i = 0; i < count; i++) {
		client_receive(fds[i], false, &answer);
		client_expect(&answer, 204);
	}
	printf("{\"served\": %u, \"connect_seconds\": %.3f, \"seconds\": %.3f}\n",
	       count, (double)(connected - began) / CLOCK_SECOND,
	       (double)(clock_monotonic() - began) / CLOCK_SECOND);
}

int main(int argc, char **argv)
{
	uint64_t count, piece;
	uint16_t port;
	bool slow;

	if (argc != 4 && argc != 6)
		errx(2,
		     "usage: bench_crowd PORT idle CONNECTIONS | "
		     "slow CONNECTIONS PIECE PIECES");
	slow = strcmp(argv[2], "slow") == 0;
	port = (uint16_t)client_number(argv[1], "PORT");
	count = client_number(argv[3], "CONNECTIONS");
	if (!count || count > CROWD_MAX || slow != (argc == 6))
		errx(2, "1 to %d connections", CROWD_MAX);
	if (!slow) {
		be_idle(port, (unsigned int)count);
		return 0;
	}
	piece = client_number(argv[4], "PIECE");
	if (!piece || piece > PIECE_MAX)
		errx(2, "pieces of up to %d bytes", PIECE_MAX);
	be_slow(port, (unsigned int)count, piece, client_number(argv[5], "PIECES"));
	return 0;
}
