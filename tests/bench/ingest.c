/* How fast one stream comes in: a PATCH to the daemon, against a bare loop of recv()
 * and pwrite() beside it, in turns.
 *
 *     bench_ingest TUSFS FOLDER [MIB [ROUNDS]]      1024 MiB and 9 rounds
 *
 * FOLDER must be empty, on the file system that is to be measured, and have room for
 * one round. The last line has the median ratio. */
#include "tusfs/clock.h"
#include "tusfs/scoped.h"

#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define PIECE	   (256 * 1024)
#define ROUNDS_MAX 99

static char piece[PIECE];

/* ---- client ---- */

static int connect_to(uint16_t port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		err(1, "connect to port %u", port);
	return fd;
}

static void send_all(int fd, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);

		if (sent < 0)
			err(1, "send");
		bytes += sent;
		size -= (size_t)sent;
	}
}

static void send_body(int fd, uint64_t size)
{
	for (; size > 0; size -= size < PIECE ? size : PIECE)
		send_all(fd, piece, size < PIECE ? size : PIECE);
}

/* Sends a request and its body, and reads the answer's head into `answer`. */
static void exchange(uint16_t port, const char *request, uint64_t body, char *answer,
		     size_t room)
{
	SCOPED(scoped_close) int fd = connect_to(port);
	size_t got = 0;
	ssize_t n;

	send_all(fd, request, strlen(request));
	send_body(fd, body);
	do {
		n = recv(fd, answer + got, room - 1 - got, 0);
		if (n <= 0)
			errx(1, "no answer to %.40s", request);
		got += (size_t)n;
		answer[got] = '\0';
	} while (!strstr(answer, "\r\n\r\n") && got < room - 1);
}

static void expect(const char *answer, const char *status)
{
	if (strncmp(answer, "HTTP/1.1 ", 9) != 0 || strncmp(answer + 9, status, 3) != 0)
		errx(1, "not %s: %.60s", status, answer);
}

/* ---- the bare loop, in a process of its own ---- */

static void receive(int listener, const char *path)
{
	SCOPED(scoped_close) int from = accept(listener, NULL, NULL);
	SCOPED(scoped_close)
	int to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	off_t at = 0;
	ssize_t n;

	if (from < 0 || to < 0)
		err(1, "receive into %s", path);
	while ((n = recv(from, piece, sizeof(piece), 0)) > 0) {
		if (pwrite(to, piece, (size_t)n, at) != n)
			err(1, "write %s", path);
		at += n;
	}
	if (n < 0 || send(from, "!", 1, MSG_NOSIGNAL) != 1)
		err(1, "receive");
}

static pid_t start_receiver(const char *path, uint16_t *port)
{
	SCOPED(scoped_close) int listener = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t length = sizeof(address);
	pid_t child;

	if (listener < 0 ||
	    bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)&address, &length) < 0)
		err(1, "listen");
	*port = ntohs(address.sin_port);
	child = fork();
	if (child == 0) {
		receive(listener, path);
		_exit(0);
	}
	return child;
}

static double time_bare(const char *folder, uint64_t size)
{
	SCOPED(scoped_free) char *path = NULL;
	uint16_t port;
	pid_t child;
	int64_t began, took;
	char answer;
	int status, fd;

	if (asprintf(&path, "%s/bare", folder) < 0)
		err(1, "path");
	child = start_receiver(path, &port);
	fd = connect_to(port);
	began = clock_monotonic();
	send_body(fd, size);
	shutdown(fd, SHUT_WR);
	if (recv(fd, &answer, 1, 0) != 1)
		errx(1, "the bare loop failed");
	took = clock_monotonic() - began;
	close(fd);
	waitpid(child, &status, 0);
	unlink(path);
	return (double)took / CLOCK_SECOND;
}

/* ---- the daemon ---- */

struct daemon {
	pid_t pid;
	uint16_t port;
};

/* The port stands in the line that says that it is ready. */
static uint16_t wait_until_ready(int from)
{
	SCOPED(scoped_free) char *line = NULL;
	FILE *lines = fdopen(from, "r");
	const char *ready = NULL;
	unsigned int port = 0;
	size_t room = 0;

	while (lines && !ready && getline(&line, &room, lines) > 0)
		ready = strstr(line, "ready: port ");
	if (!ready || sscanf(ready, "ready: port %u", &port) != 1)
		errx(1, "the daemon did not start");
	return (uint16_t)
		port; /* its log goes on into this pipe, so `lines` stays open */
}

static struct daemon start_daemon(const char *tusfs, const char *folder)
{
	SCOPED(scoped_free) char *store = NULL;
	struct daemon daemon;
	int log[2];

	if (asprintf(&store, "%s/store", folder) < 0 || pipe(log) < 0)
		err(1, "start");
	daemon.pid = fork();
	if (daemon.pid == 0) {
		dup2(log[1], STDERR_FILENO);
		execl(tusfs, tusfs, "-f", "--no-mount", "--sync=never",
		      "--listen=127.0.0.1:0", store, NULL);
		err(1, "%s", tusfs);
	}
	close(log[1]);
	daemon.port = wait_until_ready(log[0]);
	return daemon;
}

/* What the daemon has computed, in clock ticks: utime and stime of proc(5). */
static unsigned long ticks_of(pid_t pid)
{
	unsigned long user = 0, system = 0;
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (!file || fscanf(file,
			    "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u "
			    "%lu %lu",
			    &user, &system) != 2)
		err(1, "%s", path);
	fclose(file);
	return user + system;
}

/* The daemon hashes, and gives space back, in the background: the next round must not
 * pay for that. */
static void wait_until_idle(pid_t pid)
{
	struct timespec pause = {.tv_nsec = 200000000};
	unsigned long before, now = ticks_of(pid);

	do {
		before = now;
		nanosleep(&pause, NULL);
		now = ticks_of(pid);
	} while (now != before);
}

static double time_patch(const struct daemon *daemon, uint64_t size)
{
	char request[512], answer[4096], path[128];
	const char *location;
	int64_t began, took;

	snprintf(request, sizeof(request),
		 "POST /files/ HTTP/1.1\r\nHost: bench\r\nTus-Resumable: 1.0.0\r\n"
		 "Upload-Length: %ju\r\nContent-Length: 0\r\n\r\n",
		 (uintmax_t)size);
	exchange(daemon->port, request, 0, answer, sizeof(answer));
	expect(answer, "201");
	location = strcasestr(answer, "\nLocation: ");
	if (!location || sscanf(location + 11, "%127s", path) != 1)
		errx(1, "no Location");
	snprintf(request, sizeof(request),
		 "PATCH %s HTTP/1.1\r\nHost: bench\r\nTus-Resumable: 1.0.0\r\n"
		 "Upload-Offset: 0\r\nContent-Length: %ju\r\n"
		 "Content-Type: application/offset+octet-stream\r\n\r\n",
		 path, (uintmax_t)size);
	began = clock_monotonic();
	exchange(daemon->port, request, size, answer, sizeof(answer));
	took = clock_monotonic() - began;
	expect(answer, "204");
	snprintf(request, sizeof(request),
		 "DELETE %s HTTP/1.1\r\nHost: bench\r\nTus-Resumable: 1.0.0\r\n\r\n",
		 path);
	exchange(daemon->port, request, 0, answer, sizeof(answer));
	expect(answer, "204");
	wait_until_idle(daemon->pid);
	return (double)took / CLOCK_SECOND;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void measure(const struct daemon *daemon, const char *folder, unsigned int mib,
		    unsigned int rounds)
{
	uint64_t size = (uint64_t)mib << 20;
	double ratios[ROUNDS_MAX];

	for (unsigned int i = 0; i < rounds; i++) {
		double patch = time_patch(daemon, size);
		double bare = time_bare(folder, size);

		ratios[i] = bare / patch;
		printf("round %2u: PATCH %5.0f MiB/s, bare loop %5.0f MiB/s, ratio "
		       "%.2f\n",
		       i + 1, mib / patch, mib / bare, ratios[i]);
		fflush(stdout);
	}
	qsort(ratios, rounds, sizeof(ratios[0]), compare);
	printf("median ratio %.2f, of %u rounds [%.2f..%.2f]\n", ratios[rounds / 2],
	       rounds, ratios[0], ratios[rounds - 1]);
}

int main(int argc, char **argv)
{
	unsigned int mib = argc > 3 ? (unsigned int)strtoul(argv[3], NULL, 10) : 1024;
	unsigned int rounds = argc > 4 ? (unsigned int)strtoul(argv[4], NULL, 10) : 9;
	struct daemon daemon;
	int status;

	if (argc < 3 || mib == 0 || rounds == 0 || rounds > ROUNDS_MAX)
		errx(2, "usage: bench_ingest TUSFS FOLDER [MIB [ROUNDS]]");
	daemon = start_daemon(argv[1], argv[2]);
	measure(&daemon, argv[2], mib, rounds);
	kill(daemon.pid, SIGTERM);
	waitpid(daemon.pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
