/* The engine in a temporary folder and the HTTP door on a port of its own, in process.
 * A checked fixture of libcheck: each test gets fresh ones. */
#ifndef SUPPORT_SERVER_H
#define SUPPORT_SERVER_H

#include "http_client.h"

#include "tusfs/http.h"
#include "tusfs/uploads.h"

#include <stdint.h>

struct server {
	struct uploads *uploads;
	struct http *http;
	uint16_t port;
	/* what the next server_start() uses */
	struct uploads_config engine;
	struct http_config config;
};

extern struct server server;

/* Makes the temporary folder and starts with the defaults: sync never, no limits,
 * CORS. */
void server_setup(void);
void server_teardown(void);
/* Stops, and starts again on the same store, as `server.engine` and `server.config` now
 * say. */
void server_restart(void);

/* The server's end of a connection, since both are in this process; -1 while it is not
 * accepted, or when it is closed. */
int server_end(int fd);

/* One request on a connection of its own. */
struct reply ask(const char *method, const char *path, const char *fields,
		 const char *body);
/* The same, to an upload of that path, and only for its status. */
int ask_status(const char *method, const char *path, const char *fields,
	       const char *body);

#define PATCH_TYPE "Content-Type: application/offset+octet-stream\r\n"

/* How requests begin that a test sends by client_print(); a PATCH with the path. */
#define TUS_FIELDS "Host: x\r\nTus-Resumable: 1.0.0\r\n"
#define PATCH_HEAD "PATCH %s HTTP/1.1\r\n" TUS_FIELDS PATCH_TYPE
#define POST_HEAD  "POST /files/ HTTP/1.1\r\n" TUS_FIELDS

/* Creates an upload with these fields; its path, which the caller frees. */
char *create_upload(const char *fields);
/* Creates one of that content, and completes it. */
char *create_complete(const char *fields, const char *content);
/* The status of a PATCH. */
int patch(const char *path, uint64_t offset, const char *fields, const char *body);
/* What HEAD says; fails the test if it is not 200. */
uint64_t head_offset(const char *path);
/* Whether GET gives exactly that text. */
void assert_content(const char *path, const char *content);
/* Whether a fresh connection is served. */
void assert_alive(void);

#endif
