/* A raw HTTP client for tests: it sends whatever bytes a test wants, in whatever
 * pieces, and reads answers. Everything that goes wrong beneath HTTP fails the test. */
#ifndef SUPPORT_HTTP_CLIENT_H
#define SUPPORT_HTTP_CLIENT_H

#include "tusfs/scoped.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A new connection to 127.0.0.1; the caller closes it. An answer that does not come
 * within a minute fails the test. */
int client_connect(uint16_t port);
/* The whole of it; false when the server has closed the connection before. */
bool client_send(int fd, const void *bytes, size_t size);
bool client_print(int fd, const char *format, ...) PRINTF_LIKE(2, 3);
/* Closes so that the peer gets a RST at once. */
void client_reset(int fd);

struct reply {
	int status; /* 0: the connection was closed without an answer */
	char *head; /* the field lines, each with CRLF */
	char *body; /* with a NUL behind it */
	size_t size;
	bool closes; /* Connection: close */
	char *found; /* by reply_field() */
};

/* Reads one answer; `method` of the request tells whether it has a body. Interim
 * answers (1xx) are skipped. The caller releases it. */
struct reply client_receive(int fd, const char *method);
void reply_release(struct reply *reply);
/* The value of a field, or NULL; valid until the next call. */
const char *reply_field(struct reply *reply, const char *name);
/* Whether the server has closed the connection by now, or within a minute. */
bool client_closed(int fd);

/* One request on a connection of its own. `fields` are lines, each with CRLF; Host and,
 * unless there is one or it is left out on purpose ("-"), Tus-Resumable are added, and
 * Content-Length if `body` is not NULL. */
struct reply client_ask(uint16_t port, const char *method, const char *path,
			const char *fields, const char *body);
/* The same on an open connection. */
struct reply client_ask_on(int fd, const char *method, const char *path,
			   const char *fields, const char *body);
/* The same, with a body of any bytes. */
struct reply client_ask_bytes(int fd, const char *method, const char *path,
			      const char *fields, const void *body, size_t size);

#endif
