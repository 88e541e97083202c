/* Large bodies, one a connection, all at once.
 *
 *     bench_streams PORT bare|tus|checked STREAMS MIB
 *
 * `bare` speaks to bench_bare; `tus` sends PATCHes, `checked` with the sha256 of the
 * body as Upload-Checksum. Prints the seconds from the first byte to the last answer.
 * The uploads are deleted afterwards, so that the next run finds the same disk. */
#include "client.h"

#include "tusfs/clock.h"
#include "tusfs/digest.h"
#include "tusfs/text.h"

#include <err.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STREAMS_MAX 256

struct stream {
	pthread_t thread;
	int fd;
	char path[CLIENT_PATH_SIZE];
	int64_t ended;
};

static enum { BARE, TUS, CHECKED } mode;
static uint64_t size;
static char checksum[160];
static pthread_barrier_t start;

/* What the whole body will be, hashed before the clock runs. */
static void promise_checksum(void)
{
	uint8_t found[DIGEST_MAX_BYTES];
	char coded[text_base64_length(32) + 1];
	struct digest *digest;

	if (digest_new(DIGEST_SHA256, &digest))
		errx(1, "sha256");
	for (uint64_t left = size; left;) {
		uint64_t step = left < CLIENT_PIECE ? left : CLIENT_PIECE;

		digest_update(digest, client_piece(), step);
		left -= step;
	}
	digest_final(digest, found);
	digest_free(digest);
	text_to_base64(found, 32, coded);
	snprintf(checksum, sizeof(checksum), "Upload-Checksum: sha256 %s\r\n", coded);
}

static void send_bare(struct stream *stream)
{
	char answer;

	client_send_body(stream->fd, size);
	shutdown(stream->fd, SHUT_WR);
	if (recv(stream->fd, &answer, 1, 0) != 1)
		errx(1, "the bare loop failed");
}

static void send_patch(struct stream *stream)
{
	char head[512];
	struct answer answer;
	size_t length =
		client_patch_head(head, sizeof(head), stream->path, size, checksum);

	client_send(stream->fd, head, length);
	client_send_body(stream->fd, size);
	client_receive(stream->fd, false, &answer);
	client_expect(&answer, 204);
}

static void *run(void *arg)
{
	struct stream *stream = arg;

	pthread_barrier_wait(&start);
	if (mode == BARE)
		send_bare(stream);
	else
		send_patch(stream);
	stream->ended = clock_monotonic();
	return NULL;
}

static void prepare(struct stream *stream, uint16_t port, unsigned int number)
{
	char metadata[128], fields[256];

	stream->fd = client_connect(port);
	if (mode != BARE) {
		client_metadata(number, metadata, sizeof(metadata));
		snprintf(fields, sizeof(fields), "Upload-Length: %ju\r\n%s",
			 (uintmax_t)size, metadata);
		client_create(stream->fd, fields, stream->path);
	}
	if (pthread_create(&stream->thread, NULL, run, stream))
		errx(1, "start a thread");
}

static void measure(uint16_t port, struct stream *streams, unsigned int count)
{
	int64_t began, ended = 0;

	pthread_barrier_init(&start, NULL, count + 1);
	for (unsigned int i = 0; i < count; i++)
		prepare(&streams[i], port, i);
	began = clock_monotonic();
	pthread_barrier_wait(&start);
	for (unsigned int i = 0; i < count; i++) {
		pthread_join(streams[i].thread, NULL);
		if (streams[i].ended > ended)
			ended = streams[i].ended;
	}
	printf("{\"seconds\": %.6f}\n", (double)(ended - began) / CLOCK_SECOND);
	for (unsigned int i = 0; i < count; i++) {
		close(streams[i].fd);
		if (mode == BARE)
			continue;
		streams[i].fd = client_connect(port);
		client_delete(streams[i].fd, streams[i].path);
		close(streams[i].fd);
	}
}

int main(int argc, char **argv)
{
	static struct stream streams[STREAMS_MAX];
	uint64_t count;

	if (argc != 5)
		errx(2, "usage: bench_streams PORT bare|tus|checked STREAMS MIB");
	mode = strcmp(argv[2], "bare") == 0  ? BARE
	       : strcmp(argv[2], "tus") == 0 ? TUS
					     : CHECKED;
	count = client_number(argv[3], "STREAMS");
	size = client_number(argv[4], "MIB") << 20;
	if (count == 0 || count > STREAMS_MAX || size == 0)
		errx(2, "1 to %d streams, of 1 MiB and up", STREAMS_MAX);
	if (mode == CHECKED)
		promise_checksum();
	measure((uint16_t)client_number(argv[1], "PORT"), streams, (unsigned int)count);
	return 0;
}
