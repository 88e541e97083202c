#include "http_client.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE 60 /* seconds: a busy machine takes its time */

int client_connect(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons(port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval patience = {.tv_sec = PATIENCE};
	int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

bool client_send(int fd, const void *bytes, size_t size)
{
	while (size) {
		ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL);

		if (n < 0) {
			ck_assert_int_ne(errno, EAGAIN);
			return false;
		}
		bytes = (const char *)bytes + n;
		size -= n;
	}
	return true;
}

bool client_print(int fd, const char *format, ...)
{
	SCOPED(scoped_free) char *text = NULL;
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vasprintf(&text, format, arguments);
	va_end(arguments);
	ck_assert_int_ge(length, 0);
	return client_send(fd, text, length);
}

void client_reset(int fd)
{
	struct linger at_once = {.l_onoff = 1, .l_linger = 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
}

/* 0 at the end, or when the connection was reset. */
static size_t receive_some(int fd, char *bytes, size_t size)
{
	ssize_t n = recv(fd, bytes, size, 0);

	if (n < 0)
		ck_assert_msg(errno == ECONNRESET, "no answer: %s", strerror(errno));
	return n > 0 ? n : 0;
}

/* Up to the empty line; NULL when the connection ends before. The caller frees it. */
static char *receive_head(int fd)
{
	size_t used = 0, room = 4096;
	char *head = malloc(room);

	ck_assert_ptr_nonnull(head);
	while (used < 4 || memcmp(head + used - 4, "\r\n\r\n", 4) != 0) {
		if (used + 1 >= room) {
			head = realloc(head, room *= 2);
			ck_assert_ptr_nonnull(head);
		}
		if (!receive_some(fd, head + used, 1)) {
			free(head);
			return NULL;
		}
		used++;
	}
	head[used] = '\0';
	return head;
}

const char *reply_field(struct reply *reply, const char *name)
{
	size_t length = strlen(name);
	const char *line = reply->head;

	while (line && *line) {
		const char *end = strstr(line, "\r\n");

		ck_assert_ptr_nonnull(end);
		if (strncasecmp(line, name, length) == 0 && line[length] == ':') {
			line += length + 1 + strspn(line + length + 1, " ");
			free(reply->found);
			reply->found = strndup(line, end - line);
			return reply->found;
		}
		line = end + 2;
	}
	return NULL;
}

static bool has_body(const struct reply *reply, const char *method)
{
	return strcmp(method, "HEAD") != 0 && reply->status != 204 &&
	       reply->status != 304;
}

static void receive_body(int fd, struct reply *reply)
{
	const char *length = reply_field(reply, "Content-Length");
	size_t n;

	ck_assert_msg(length != NULL, "no Content-Length in\n%s", reply->head);
	reply->size = strtoull(length, NULL, 10);
	free(reply->body);
	reply->body = malloc(reply->size + 1);
	ck_assert_ptr_nonnull(reply->body);
	for (size_t got = 0; got < reply->size; got += n) {
		n = receive_some(fd, reply->body + got, reply->size - got);
		ck_assert_msg(n, "the body ends after %zu of %zu bytes", got,
			      reply->size);
	}
	reply->body[reply->size] = '\0';
}

static int status_of(const char *head)
{
	ck_assert_msg(strncmp(head, "HTTP/1.", 7) == 0, "not HTTP: %s", head);
	return atoi(head + 9);
}

struct reply client_receive(int fd, const char *method)
{
	struct reply reply = {.body = strdup("")};
	char *head, *fields;
	const char *connection;

	do {
		head = receive_head(fd);
		if (!head)
			return reply;
		reply.status = status_of(head);
		fields = strstr(head, "\r\n") + 2;
		free(reply.head);
		reply.head = strdup(fields);
		free(head);
	} while (reply.status < 200);
	reply.head[strlen(reply.head) - 2] = '\0'; /* the empty line */
	connection = reply_field(&reply, "Connection");
	reply.closes = connection && strcasecmp(connection, "close") == 0;
	if (has_body(&reply, method))
		receive_body(fd, &reply);
	return reply;
}

void reply_release(struct reply *reply)
{
	free(reply->found);
	free(reply->head);
	free(reply->body);
	*reply = (struct reply){0};
}

bool client_closed(int fd)
{
	char byte;

	return receive_some(fd, &byte, 1) == 0;
}

struct reply client_ask_bytes(int fd, const char *method, const char *path,
			      const char *fields, const void *body, size_t size)
{
	bool versioned = strcasestr(fields, "Tus-Resumable:") || *fields == '-';

	if (*fields == '-')
		fields++;
	client_print(fd, "%s %s HTTP/1.1\r\nHost: tus.example\r\n%s%s", method, path,
		     versioned ? "" : "Tus-Resumable: 1.0.0\r\n", fields);
	if (body)
		client_print(fd, "Content-Length: %zu\r\n", size);
	client_print(fd, "\r\n");
	if (body)
		client_send(fd, body, size);
	return client_receive(fd, method);
}

struct reply client_ask_on(int fd, const char *method, const char *path,
			   const char *fields, const char *body)
{
	return client_ask_bytes(fd, method, path, fields, body,
				body ? strlen(body) : 0);
}

struct reply client_ask(uint16_t port, const char *method, const char *path,
			const char *fields, const char *body)
{
	SCOPED(scoped_close) int fd = client_connect(port);

	return client_ask_on(fd, method, path, fields, body);
}
