/* The limit that streams are measured against: a bare loop of recv() of 256 KiB and
 * pwrite(), a thread a connection. What comes on one connection until its end goes into
 * a file of its own; then one byte is the answer.
 *
 *     bench_bare FOLDER [--sync] [--sha256]
 *
 * --sync adds fdatasync() in front of the answer, --sha256 a hash of what came. Prints
 * "ready: port N" and runs until a signal ends it. */
#include "tusfs/digest.h"
#include "tusfs/scoped.h"

#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define PIECE (256 * 1024)

static const char *folder;
static bool with_sync, with_sha256;

static void receive(int from, int to, struct digest *digest)
{
	SCOPED(scoped_free) char *piece = malloc(PIECE);
	off_t at = 0;
	ssize_t n;

	while (piece && (n = recv(from, piece, PIECE, 0)) > 0) {
		if (digest)
			digest_update(digest, piece, (size_t)n);
		if (pwrite(to, piece, (size_t)n, at) != n)
			err(1, "write");
		at += n;
	}
	if (!piece || n < 0 || (with_sync && fdatasync(to) < 0))
		err(1, "receive");
}

static void *serve(void *arg)
{
	SCOPED(scoped_close) int from = (int)(intptr_t)arg;
	SCOPED(scoped_free) char *path = NULL;
	SCOPED(scoped_digest_free) struct digest *digest = NULL;
	SCOPED(scoped_close) int to = -1;
	uint8_t sha256[DIGEST_MAX_BYTES];
	char gone;

	if (asprintf(&path, "%s/bare-%d", folder, from) < 0 ||
	    (with_sha256 && digest_new(DIGEST_SHA256, &digest)))
		err(1, "serve");
	to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (to < 0)
		err(1, "%s", path);
	receive(from, to, digest);
	if (digest)
		digest_final(digest, sha256);
	if (send(from, "!", 1, MSG_NOSIGNAL) != 1 || recv(from, &gone, 1, 0) < 0)
		err(1, "answer");
	unlink(path);
	return NULL;
}

static int open_listener(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, 128) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &length) < 0)
		err(1, "listen");
	printf("ready: port %u\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	int listener;

	if (argc < 2)
		errx(2, "usage: bench_bare FOLDER [--sync] [--sha256]");
	folder = argv[1];
	for (int i = 2; i < argc; i++) {
		with_sync |= strcmp(argv[i], "--sync") == 0;
		with_sha256 |= strcmp(argv[i], "--sha256") == 0;
	}
	listener = open_listener();
	for (;;) {
		int from = accept(listener, NULL, NULL);

		if (from < 0 ||
		    pthread_create(&thread, NULL, serve, (void *)(intptr_t)from))
			err(1, "accept");
		pthread_detach(thread);
	}
}
