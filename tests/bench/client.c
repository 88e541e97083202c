#include "client.h"

#include "tusfs/text.h"

#include <arpa/inet.h>
#include <err.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- answers ---- */

/* The value of a field, at the start of which a pointer is given; NULL when absent. */
static const char *find_field(const char *head, const char *end, const char *name)
{
	const char *found = strcasestr(head, name);

	if (!found || found > end)
		return NULL;
	found += strlen(name);
	return found + strspn(found, " ");
}

static void copy_path(const char *location, char path[CLIENT_PATH_SIZE])
{
	const char *authority = location;
	size_t length;

	if (strncmp(location, "http://", 7) == 0)
		authority = strchr(location + 7, '/');
	length = authority ? strcspn(authority, "\r\n") : 0;
	if (!length || length >= CLIENT_PATH_SIZE)
		errx(1, "a Location that cannot be used: %.60s", location);
	memcpy(path, authority, length);
	path[length] = '\0';
}

/* Bytes of the body, or -1 while it is not all there. */
static ssize_t body_size(const char *head, const char *body, size_t came)
{
	const char *value = find_field(head, body, "\ncontent-length:");
	size_t size = value ? strtoul(value, NULL, 10) : 0;
	const char *last;

	if (find_field(head, body, "\ntransfer-encoding:")) {
		last = strstr(body, "0\r\n\r\n");
		return last ? last + 5 - body : -1;
	}
	return came < size ? -1 : (ssize_t)size;
}

bool answer_parse(const char *bytes, size_t size, bool head, struct answer *answer)
{
	const char *end = strstr(bytes, "\r\n\r\n"), *location;
	ssize_t body = 0;

	if (!end)
		return false;
	end += 4;
	if (strncmp(bytes, "HTTP/1.1 ", 9) != 0)
		errx(1, "not an answer: %.40s", bytes);
	answer->status = (unsigned int)strtoul(bytes + 9, NULL, 10);
	if (!head && answer->status != 204)
		body = body_size(bytes, end, size - (size_t)(end - bytes));
	if (body < 0)
		return false;
	answer->path[0] = '\0';
	location = find_field(bytes, end, "\nlocation:");
	if (location)
		copy_path(location, answer->path);
	answer->size = (size_t)(end - bytes) + (size_t)body;
	return true;
}

/* ---- sockets ---- */

int client_connect(uint16_t port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		err(1, "connect to port %u", port);
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
		err(1, "TCP_NODELAY");
	return fd;
}

static int connect_unix(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(address.sun_path))
		errx(2, "too long for a socket: %s", path);
	memcpy(address.sun_path, path, strlen(path));
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		err(1, "connect to %s", path);
	return fd;
}

int client_connect_to(const char *address)
{
	return *address == '/'
		       ? connect_unix(address)
		       : client_connect((uint16_t)client_number(address, "PORT"));
}

void client_send(int fd, const void *bytes, size_t size)
{
	const char *rest = bytes;

	while (size > 0) {
		ssize_t sent = send(fd, rest, size, MSG_NOSIGNAL);

		if (sent < 0)
			err(1, "send");
		rest += sent;
		size -= (size_t)sent;
	}
}

void client_receive(int fd, bool head, struct answer *answer)
{
	char bytes[CLIENT_HEAD_MAX];
	size_t got = 0;
	ssize_t n;

	do {
		n = recv(fd, bytes + got, sizeof(bytes) - 1 - got, 0);
		if (n < 0)
			err(1, "receive");
		if (n == 0)
			errx(1, "no answer, or too long a one");
		got += (size_t)n;
		bytes[got] = '\0';
	} while (!answer_parse(bytes, got, head, answer));
}

void client_expect(const struct answer *answer, unsigned int status)
{
	if (answer->status != status)
		errx(1, "answered %u where %u was expected", answer->status, status);
}

uint64_t client_number(const char *text, const char *what)
{
	uint64_t number;

	if (!text || !text_to_u64(text, strlen(text), &number))
		errx(2, "%s is not a number: %s", what, text ? text : "(missing)");
	return number;
}

/* ---- requests ---- */

void client_create(int fd, const char *fields, char path[CLIENT_PATH_SIZE])
{
	struct answer answer;
	char *request;
	int size = asprintf(&request,
			    "POST /files/ HTTP/1.1\r\nHost: bench\r\n"
			    "Tus-Resumable: 1.0.0\r\n%sContent-Length: 0\r\n\r\n",
			    fields);

	if (size < 0)
		err(1, "request");
	client_send(fd, request, (size_t)size);
	free(request);
	client_receive(fd, false, &answer);
	client_expect(&answer, 201);
	memcpy(path, answer.path, CLIENT_PATH_SIZE);
}

size_t client_patch_head(char *head, size_t room, const char *path, uint64_t size,
			 const char *fields)
{
	return (size_t)snprintf(
		head, room,
		"PATCH %s HTTP/1.1\r\nHost: bench\r\nTus-Resumable: 1.0.0\r\n%s"
		"Upload-Offset: 0\r\nContent-Length: %ju\r\n"
		"Content-Type: application/offset+octet-stream\r\n\r\n",
		path, fields, (uintmax_t)size);
}

void client_metadata(uint64_t number, char *line, size_t room)
{
	char name[48], coded[text_base64_length(sizeof(name)) + 1];
	int length = snprintf(name, sizeof(name), "bench-%d-%ju.bin", (int)getpid(),
			      (uintmax_t)number);

	text_to_base64((const uint8_t *)name, (size_t)length, coded);
	snprintf(line, room, "Upload-Metadata: filename %s\r\n", coded);
}

void client_delete(int fd, const char *path)
{
	struct answer answer;
	char request[512];
	int size = snprintf(request, sizeof(request),
			    "DELETE %s HTTP/1.1\r\nHost: bench\r\n"
			    "Tus-Resumable: 1.0.0\r\n\r\n",
			    path);

	client_send(fd, request, (size_t)size);
	client_receive(fd, false, &answer);
	client_expect(&answer, 204);
}

/* ---- bodies ---- */

static char piece[CLIENT_PIECE];

/* Neither zeros, which a file system might treat apart, nor slow to make. */
__attribute__((constructor)) static void fill_piece(void)
{
	uint32_t x = 1;

	for (size_t i = 0; i < sizeof(piece); i++) {
		x = x * 1664525 + 1013904223;
		piece[i] = (char)(x >> 24);
	}
}

const char *client_piece(void)
{
	return piece;
}

/* The piece as a file. What sends it takes half of the processor that send() takes:
 * real clients are not on the server's machine, and are not to be measured with it. */
static int piece_fd;

static void store_piece(void)
{
	FILE *file = tmpfile();

	if (!file || fwrite(piece, CLIENT_PIECE, 1, file) != 1 || fflush(file))
		err(1, "a temporary file");
	piece_fd = fileno(file);  /* open until the end */
	signal(SIGPIPE, SIG_IGN); /* sendfile() has no MSG_NOSIGNAL */
}

/* Sends up to a piece. */
static void send_piece(int fd, size_t size)
{
	off_t offset = 0;

	while ((size_t)offset < size)
		if (sendfile(fd, piece_fd, &offset, size - (size_t)offset) <= 0)
			err(1, "sendfile");
}

void client_send_body(int fd, uint64_t size)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, store_piece);
	for (; size > CLIENT_PIECE; size -= CLIENT_PIECE)
		send_piece(fd, CLIENT_PIECE);
	send_piece(fd, size);
}

/* ---- numbers ---- */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

void client_sort(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), compare);
}

double client_quantile(const double *sorted, size_t count, double q)
{
	size_t at = (size_t)(q * (double)count);

	return sorted[at < count ? at : count - 1];
}
