#include "server.h"

#include "temp_dir.h"

#include "tusfs/clock.h"

#include <check.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct server server;

static void start(void)
{
	char *path = temp_dir_join("store");

	ck_assert_int_eq(uploads_open(path, &server.engine, &server.uploads), 0);
	ck_assert_int_eq(http_start(&server.config, server.uploads, &server.http), 0);
	ck_assert_int_eq(uploads_start_threads(server.uploads), 0);
	server.port = http_port(server.http);
	free(path);
}

static void stop(void)
{
	http_quiesce(server.http);
	uploads_stop_writers(server.uploads);
	server.http = http_stop(server.http);
	server.uploads = uploads_close(server.uploads);
}

void server_setup(void)
{
	static const char *const any_port[] = {"127.0.0.1:0"};

	temp_dir_setup();
	server.engine = (struct uploads_config){.sync = SYNC_NEVER,
						.tombstone_time = 3600 * CLOCK_SECOND};
	server.config = (struct http_config){.listen = any_port,
					     .listen_count = 1,
					     .base_path = "/files/",
					     .cors = true,
					     .max_connections = 64,
					     .idle_timeout = 60 * CLOCK_SECOND};
	start();
}

void server_teardown(void)
{
	stop();
	temp_dir_teardown();
}

void server_restart(void)
{
	stop();
	start();
}

int server_end(int fd)
{
	struct sockaddr_in mine, theirs;
	socklen_t size = sizeof(mine);

	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&mine, &size), 0);
	for (int other = 3; other < 1024; other++) {
		size = sizeof(theirs);
		if (getpeername(other, (struct sockaddr *)&theirs, &size) == 0 &&
		    theirs.sin_family == AF_INET && theirs.sin_port == mine.sin_port)
			return other;
	}
	return -1;
}

struct reply ask(const char *method, const char *path, const char *fields,
		 const char *body)
{
	return client_ask(server.port, method, path, fields, body);
}

int ask_status(const char *method, const char *path, const char *fields,
	       const char *body)
{
	SCOPED(reply_release) struct reply reply = ask(method, path, fields, body);

	return reply.status;
}

char *create_upload(const char *fields)
{
	SCOPED(reply_release) struct reply reply = ask("POST", "/files/", fields, NULL);
	const char *location = reply_field(&reply, "Location");

	ck_assert_msg(reply.status == 201, "%d: %s", reply.status, reply.body);
	ck_assert_ptr_nonnull(location);
	return strdup(location);
}

char *create_complete(const char *fields, const char *content)
{
	SCOPED(scoped_free) char *all = NULL;
	char *path;

	ck_assert_int_ge(
		asprintf(&all, "Upload-Length: %zu\r\n%s", strlen(content), fields), 0);
	path = create_upload(all);
	ck_assert_int_eq(patch(path, 0, "", content), 204);
	return path;
}

int patch(const char *path, uint64_t offset, const char *fields, const char *body)
{
	SCOPED(scoped_free) char *all = NULL;

	ck_assert_int_ge(asprintf(&all, PATCH_TYPE "Upload-Offset: %" PRIu64 "\r\n%s",
				  offset, fields),
			 0);
	return ask_status("PATCH", path, all, body);
}

uint64_t head_offset(const char *path)
{
	SCOPED(reply_release) struct reply reply = ask("HEAD", path, "", NULL);
	const char *offset = reply_field(&reply, "Upload-Offset");

	ck_assert_int_eq(reply.status, 200);
	ck_assert_ptr_nonnull(offset);
	return strtoull(offset, NULL, 10);
}

void assert_content(const char *path, const char *content)
{
	SCOPED(reply_release) struct reply reply = ask("GET", path, "", NULL);

	ck_assert_int_eq(reply.status, 200);
	ck_assert_str_eq(reply.body, content);
	ck_assert_uint_eq(reply.size, strlen(content));
}

void assert_alive(void)
{
	ck_assert_int_eq(ask_status("OPTIONS", "/files/", "", NULL), 204);
}
