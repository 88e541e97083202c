/* Connections as such: idle, slow, many; and where the server listens. */
#include "run.h"
#include "server.h"
#include "temp_dir.h"

#include "tusfs/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void set_idle_timeout(int64_t microseconds)
{
	server.config.idle_timeout = microseconds;
	server_restart();
}

START_TEST(a_silent_connection_is_closed)
{
	int64_t before = clock_monotonic();
	int fd;

	set_idle_timeout(CLOCK_SECOND / 5);
	fd = client_connect(server.port);
	ck_assert(client_closed(fd));
	ck_assert_int_ge(clock_monotonic() - before, CLOCK_SECOND / 5);
	close(fd);
}
END_TEST

START_TEST(an_idle_connection_is_closed_after_its_answer)
{
	int fd;
	SCOPED(reply_release) struct reply reply = {0};

	set_idle_timeout(CLOCK_SECOND / 5);
	fd = client_connect(server.port);
	reply = client_ask_on(fd, "OPTIONS", "/files/", "", NULL);
	ck_assert_int_eq(reply.status, 204);
	ck_assert(client_closed(fd));
	close(fd);
}
END_TEST

/* Sends one byte every 20 ms until the server closes; false if it never does. */
static bool dripped_out(int fd, const char *bytes, size_t size)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};

	for (size_t i = 0; i < size; i++) {
		if (!client_send(fd, bytes + i, 1))
			return true;
		if (poll(&wait, 1, 20) > 0)
			return client_closed(fd);
	}
	return false;
}

START_TEST(a_dripping_header_is_closed)
{
	char header[1000];
	int fd;

	memset(header, 'a', sizeof(header));
	set_idle_timeout(CLOCK_SECOND / 5);
	fd = client_connect(server.port);
	ck_assert(client_print(fd, "GET / HTTP/1.1\r\n"));
	ck_assert(dripped_out(fd, header, sizeof(header)));
	close(fd);
}
END_TEST

START_TEST(a_dripping_body_is_closed_and_kept)
{
	SCOPED(scoped_free) char *path = NULL;
	uint64_t offset;
	int fd;

	set_idle_timeout(CLOCK_SECOND);
	path = create_upload("Upload-Length: 1000\r\n");
	fd = client_connect(server.port);
	client_print(fd, PATCH_HEAD "Upload-Offset: 0\r\nContent-Length: 1000\r\n\r\n",
		     path);
	ck_assert(dripped_out(fd, path, strlen(path)) || client_closed(fd));
	close(fd);
	offset = head_offset(path);
	ck_assert_uint_gt(offset, 0);
	ck_assert_uint_lt(offset, 1000);
}
END_TEST

/* Far above the rate that is asked for, over more than one time-out. */
START_TEST(a_slow_but_steady_body_comes_whole)
{
	SCOPED(scoped_free) char *path = NULL;
	SCOPED(reply_release) struct reply reply = {0};
	int fd;

	set_idle_timeout(2 * CLOCK_SECOND);
	path = create_upload("Upload-Length: 4000\r\n");
	fd = client_connect(server.port);
	client_print(fd, PATCH_HEAD "Upload-Offset: 0\r\nContent-Length: 4000\r\n\r\n",
		     path);
	for (int i = 0; i < 40; i++) {
		char piece[100];
		struct pollfd wait = {.fd = fd, .events = POLLIN};

		memset(piece, 'x', sizeof(piece));
		ck_assert(client_send(fd, piece, sizeof(piece)));
		if (i < 39)
			ck_assert_int_eq(poll(&wait, 1, 120), 0);
	}
	reply = client_receive(fd, "PATCH");
	ck_assert_int_eq(reply.status, 204);
	close(fd);
}
END_TEST

START_TEST(a_reader_that_stalls_is_closed)
{
	size_t size = 48 << 20, got = 0;
	SCOPED(scoped_free) char *body = malloc(size + 1);
	SCOPED(scoped_free) char *path = NULL;
	SCOPED(scoped_close) int fd = -1;
	ssize_t n;

	memset(body, 'x', size);
	body[size] = '\0';
	path = create_complete("", body);
	set_idle_timeout(CLOCK_SECOND / 5);
	fd = client_connect(server.port);
	client_print(fd, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
	ck_assert_int_eq(recv(fd, body, 1, MSG_PEEK), 1);
	while (server_end(fd) >= 0)
		ck_assert_int_eq(poll(NULL, 0, 1), 0);
	while ((n = recv(fd, body, size, 0)) > 0)
		got += n;
	ck_assert_uint_lt(got, size);
}
END_TEST

START_TEST(a_fresh_connection_is_served_among_many_idle_ones)
{
	int idle[300];

	server.config.max_connections = 100;
	server_restart();
	for (int i = 0; i < 300; i++)
		idle[i] = client_connect(server.port);
	assert_alive();
	for (int i = 0; i < 300; i++)
		close(idle[i]);
	assert_alive();
}
END_TEST

/* What they had answered may still be in their sockets, and is no new request. */
START_TEST(a_fresh_connection_is_served_among_many_that_had_an_answer)
{
	int idle[300];

	server.config.max_connections = 100;
	server_restart();
	for (int i = 0; i < 300; i++) {
		SCOPED(reply_release) struct reply reply = {0};

		idle[i] = client_connect(server.port);
		reply = client_ask_on(idle[i], "OPTIONS", "/files/", "", NULL);
		ck_assert_msg(reply.status == 204, "connection %d: %d", i,
			      reply.status);
	}
	for (int i = 0; i < 300; i++)
		close(idle[i]);
	assert_alive();
}
END_TEST

/* 200 connections that had an answer each to a request with these fields. */
static void open_idle(int idle[200], const char *fields)
{
	server.config.max_connections = 1000;
	server_restart();
	for (int i = 0; i < 200; i++) {
		SCOPED(reply_release) struct reply reply = {0};

		idle[i] = client_connect(server.port);
		reply = client_ask_on(idle[i], "OPTIONS", "/files/", fields, NULL);
		ck_assert_int_eq(reply.status, 204);
	}
}

/* What the front does not serve has a thread, and its memory. */
START_TEST(idle_connections_with_a_thread_are_shed)
{
	int idle[200], closed = 0;

	open_idle(idle, "X-HTTP-Method-Override: OPTIONS\r\n");
	/* the oldest go first */
	ck_assert(client_closed(idle[0]));
	for (int i = 0; i < 200; i++) {
		struct pollfd wait = {.fd = idle[i], .events = POLLIN};

		closed += poll(&wait, 1, i < 100 ? 60000 : 0) > 0;
		close(idle[i]);
	}
	ck_assert_int_ge(closed, 100);
	ck_assert_int_le(closed, 199);
}
END_TEST

START_TEST(idle_connections_of_the_front_are_kept)
{
	int idle[200];

	open_idle(idle, "");
	ck_assert_int_eq(poll(NULL, 0, 2500), 0);
	for (int i = 0; i < 200; i++) {
		SCOPED(reply_release)
		struct reply reply =
			client_ask_on(idle[i], "OPTIONS", "/files/", "", NULL);

		ck_assert_int_eq(reply.status, 204);
		close(idle[i]);
	}
}
END_TEST

/* ---- where it listens ---- */

static int start_on(const char *address, struct http **http)
{
	struct http_config config = server.config;

	config.listen = &address;
	config.listen_count = 1;
	return http_start(&config, server.uploads, http);
}

START_TEST(a_taken_port_and_a_bad_address_are_refused)
{
	static const char *const bad[] = {
		"",
		"127.0.0.1",
		"127.0.0.1:",
		"127.0.0.1:x",
		"127.0.0.1:65536",
		"::1:80",
		"[::1:80",
		"unix:",
		"127.0.0.1:-1",
		"a b:80",
		"300.1.1.1:80",
	};
	SCOPED(scoped_free) char *taken = NULL;
	struct http *http = NULL;

	ck_assert_int_ge(asprintf(&taken, "127.0.0.1:%u", server.port), 0);
	ck_assert_int_eq(start_on(taken, &http), -EADDRINUSE);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(start_on(bad[i], &http) == REFUSED_INVALID, "%s", bad[i]);
	ck_assert_ptr_null(http);
}
END_TEST

START_TEST(a_unix_socket_is_served_and_removed)
{
	SCOPED(scoped_free) char *path = temp_dir_join("socket");
	SCOPED(scoped_free) char *address = NULL;
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	SCOPED(scoped_close) int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	SCOPED(reply_release) struct reply reply = {0};
	struct http *http, *second;

	ck_assert_int_ge(asprintf(&address, "unix:%s", path), 0);
	snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
	{ /* a dead daemon's socket is in the way */
		int stale = socket(AF_UNIX, SOCK_STREAM, 0);

		ck_assert_int_eq(bind(stale, (struct sockaddr *)&name, sizeof(name)),
				 0);
		close(stale);
	}
	ck_assert_int_eq(start_on(address, &http), 0);
	ck_assert_uint_eq(http_port(http), 0);
	ck_assert_int_eq(start_on(address, &second), -EADDRINUSE);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	reply = client_ask_on(fd, "POST", "/files/", "Upload-Length: 5\r\n" PATCH_TYPE,
			      "hello");
	ck_assert_int_eq(reply.status, 201);
	http_stop(http);
	ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

START_TEST(anybody_may_connect_to_a_unix_socket)
{
	SCOPED(scoped_free) char *path = temp_dir_join("socket");
	SCOPED(scoped_free) char *address = NULL;
	struct http *http = NULL;
	mode_t umask_before = umask(077);
	struct stat st;

	ck_assert_int_ge(asprintf(&address, "unix:%s", path), 0);
	ck_assert_int_eq(start_on(address, &http), 0);
	umask(umask_before);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert(S_ISSOCK(st.st_mode));
	ck_assert_uint_eq(st.st_mode & 07777, 0666);
	http_stop(http);
}
END_TEST

START_TEST(several_addresses_are_served_at_once)
{
	static const char *const addresses[] = {"127.0.0.1:0", "[::1]:0"};
	struct http_config config = server.config;
	struct http *http;
	int r;

	config.listen = addresses;
	config.listen_count = 2;
	r = http_start(&config, server.uploads, &http);
	if (r == -EADDRNOTAVAIL || r == -EAFNOSUPPORT)
		return; /* a machine without IPv6 */
	ck_assert_int_eq(r, 0);
	{
		SCOPED(reply_release)
		struct reply reply =
			client_ask(http_port(http), "OPTIONS", "/files/", "", NULL);

		ck_assert_int_eq(reply.status, 204);
	}
	http_stop(http);
}
END_TEST

/* The port that was logged for an address, or 0. */
static unsigned int logged_port(FILE *log, const char *address)
{
	char line[256], *found;
	unsigned int port = 0;

	rewind(log);
	while (fgets(line, sizeof(line), log)) {
		found = strstr(line, address);
		if (found)
			ck_assert_int_eq(
				sscanf(found + strlen(address), ": port %u", &port), 1);
	}
	return port;
}

/* But for the first, which main() tells. */
START_TEST(each_port_that_was_chosen_is_logged)
{
	static const char *const addresses[] = {"127.0.0.1:0", "127.0.0.2:0",
						"127.0.0.3:0"};
	struct http_config config = server.config;
	struct http *http = NULL;
	FILE *log = tmpfile();
	int standard_error = dup(STDERR_FILENO), r;
	unsigned int second, third;

	ck_assert_ptr_nonnull(log);
	config.listen = addresses;
	config.listen_count = 3;
	dup2(fileno(log), STDERR_FILENO);
	r = http_start(&config, server.uploads, &http);
	dup2(standard_error, STDERR_FILENO);
	close(standard_error);
	ck_assert_int_eq(r, 0);
	second = logged_port(log, addresses[1]);
	ck_assert_uint_ne(second, 0);
	third = logged_port(log, addresses[2]);
	ck_assert_uint_ne(third, 0);
	ck_assert_uint_ne(third, second);
	fclose(log);
	http_stop(http);
}
END_TEST

START_TEST(a_quiesced_server_serves_who_is_there_and_no_one_else)
{
	SCOPED(scoped_close) int fd = client_connect(server.port);
	SCOPED(scoped_close) int late = socket(AF_INET, SOCK_STREAM, 0);
	SCOPED(reply_release)
	struct reply reply = client_ask_on(fd, "OPTIONS", "/files/", "", NULL);
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons(server.port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	ck_assert_int_eq(reply.status, 204);
	http_quiesce(server.http);
	reply_release(&reply);
	reply = client_ask_on(fd, "OPTIONS", "/files/", "", NULL);
	ck_assert_int_eq(reply.status, 204);
	ck_assert_int_eq(connect(late, (struct sockaddr *)&address, sizeof(address)),
			 -1);
	ck_assert_int_eq(errno, ECONNREFUSED);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		a_silent_connection_is_closed,
		an_idle_connection_is_closed_after_its_answer,
		a_dripping_header_is_closed,
		a_dripping_body_is_closed_and_kept,
		a_slow_but_steady_body_comes_whole,
		a_reader_that_stalls_is_closed,
		a_fresh_connection_is_served_among_many_idle_ones,
		a_fresh_connection_is_served_among_many_that_had_an_answer,
		idle_connections_with_a_thread_are_shed,
		idle_connections_of_the_front_are_kept,
		a_taken_port_and_a_bad_address_are_refused,
		a_unix_socket_is_served_and_removed,
		anybody_may_connect_to_a_unix_socket,
		several_addresses_are_served_at_once,
		each_port_that_was_chosen_is_logged,
		a_quiesced_server_serves_who_is_there_and_no_one_else,
	};

	return RUN_TESTS_FOR(tests, server_setup, server_teardown, 150);
}
