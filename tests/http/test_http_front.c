/* What the front serves, and what it passes on: a client cannot tell, whatever it sends
 * in whatever pieces and order. */
#include "run.h"
#include "server.h"

#include "tusfs/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FIELDS "Host: x\r\nTus-Resumable: 1.0.0\r\n"

/* As with older kernels, and TCP. */
static bool no_peek_offset;

int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t size);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t size);

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
	if (no_peek_offset && level == SOL_SOCKET && name == SO_PEEK_OFF) {
		errno = EOPNOTSUPP;
		return -1;
	}
	return __real_setsockopt(fd, level, name, value, size);
}

/* Sends all at once; the statuses of the answers, which come in that order. */
static void exchange(const char *requests, const char *const *methods,
		     const int *statuses, size_t count)
{
	SCOPED(scoped_close) int fd = client_connect(server.port);

	ck_assert(client_send(fd, requests, strlen(requests)));
	for (size_t i = 0; i < count; i++) {
		SCOPED(reply_release)
		struct reply reply = client_receive(fd, methods[i]);

		ck_assert_msg(reply.status == statuses[i], "answer %zu: %d", i,
			      reply.status);
	}
}

START_TEST(requests_in_one_piece_are_answered_in_their_order)
{
	static const char *const methods[] = {"HEAD", "PATCH", "HEAD", "GET", "HEAD"};
	static const int statuses[] = {200, 204, 200, 200, 200};
	SCOPED(scoped_free) char *path = create_upload("Upload-Length: 5\r\n");
	SCOPED(scoped_free) char *requests = NULL;

	ck_assert_int_gt(asprintf(&requests,
				  "HEAD %s HTTP/1.1\r\n" FIELDS "\r\n"
				  "PATCH %s HTTP/1.1\r\n" FIELDS PATCH_TYPE
				  "Upload-Offset: 0\r\nContent-Length: 5\r\n\r\nhello"
				  "HEAD %s HTTP/1.1\r\n" FIELDS "\r\n"
				  "GET %s HTTP/1.1\r\n" FIELDS "\r\n"
				  "HEAD %s HTTP/1.1\r\n" FIELDS "\r\n",
				  path, path, path, path, path),
			 0);
	exchange(requests, methods, statuses, 5);
	assert_content(path, "hello");
}
END_TEST

/* Many more than the front takes at a look. */
START_TEST(a_long_line_of_requests_is_answered)
{
	enum { COUNT = 2000 };
	SCOPED(scoped_free) char *path = create_upload("Upload-Length: 5\r\n");
	SCOPED(scoped_free) char *request = NULL;
	SCOPED(scoped_close) int fd = client_connect(server.port);

	ck_assert_int_gt(asprintf(&request, "HEAD %s HTTP/1.1\r\n" FIELDS "\r\n", path),
			 0);
	for (int sent = 0; sent < COUNT; sent += 500) {
		for (int i = 0; i < 500; i++)
			ck_assert(client_send(fd, request, strlen(request)));
		for (int i = 0; i < 500; i++) {
			SCOPED(reply_release)
			struct reply reply = client_receive(fd, "HEAD");

			ck_assert_int_eq(reply.status, 200);
		}
	}
}
END_TEST

START_TEST(a_connection_goes_on_after_it_was_passed)
{
	static const struct {
		const char *method, *fields;
		int status;
	} steps[] = {
		{"HEAD", "", 200},
		{"GET", "", 200}, /* from here on it has a thread */
		{"HEAD", "", 200},
		{"OPTIONS", "", 204},
		{"HEAD", "Connection: keep-alive\r\n", 200},
	};
	SCOPED(scoped_free) char *path = create_complete("", "hello");
	SCOPED(scoped_close) int fd = client_connect(server.port);

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		SCOPED(reply_release)
		struct reply reply =
			client_ask_on(fd, steps[i].method, path, steps[i].fields, NULL);

		ck_assert_msg(reply.status == steps[i].status, "step %zu: %d", i,
			      reply.status);
	}
}
END_TEST

/* Some of them are still in the socket when it is passed. */
START_TEST(a_connection_is_passed_after_any_number_of_requests)
{
	static const int numbers[] = {1, 2, 5, 20, 30, 100};
	SCOPED(scoped_free) char *path = create_complete("", "hello");

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		SCOPED(scoped_close) int fd = client_connect(server.port);
		SCOPED(reply_release) struct reply reply = {0};

		for (int n = 0; n < numbers[i]; n++) {
			reply_release(&reply);
			reply = client_ask_on(fd, "HEAD", path, "", NULL);
			ck_assert_int_eq(reply.status, 200);
		}
		reply_release(&reply);
		reply = client_ask_on(fd, "GET", path, "", NULL);
		ck_assert_int_eq(reply.status, 200);
		ck_assert_str_eq(reply.body, "hello");
	}
}
END_TEST

/* And then sees the end of the connection, not an error. */
START_TEST(a_client_that_sends_no_more_gets_all_its_answers)
{
	SCOPED(scoped_free) char *path = create_upload("Upload-Length: 5\r\n");

	for (int count = 1; count <= 40; count += 13) {
		SCOPED(scoped_close) int fd = client_connect(server.port);
		char byte;

		for (int i = 0; i < count; i++)
			client_print(fd, "HEAD %s HTTP/1.1\r\n" FIELDS "\r\n", path);
		ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
		poll(NULL, 0, 20);
		for (int i = 0; i < count; i++) {
			SCOPED(reply_release)
			struct reply reply = client_receive(fd, "HEAD");

			ck_assert_int_eq(reply.status, 200);
		}
		ck_assert_int_eq(recv(fd, &byte, 1, 0), 0);
	}
}
END_TEST

/* What is not plain is read by libmicrohttpd, and so means what it always meant. */
START_TEST(unusual_requests_are_passed)
{
	static const struct {
		const char *line, *fields;
		int status;
	} cases[] = {
		{"HEAD %s?x=1 HTTP/1.1", FIELDS, 200},
		{"HEAD http://x%s HTTP/1.1", FIELDS, 200},
		{"HEAD %s HTTP/1.1", "Host: x\r\ntus-resumable:1.0.0\r\n", 200},
		{"HEAD %s HTTP/1.1", FIELDS "Connection: close\r\n", 200},
		{"HEAD %s HTTP/1.1", FIELDS "Connection: Keep-Alive\r\n", 200},
		{"HEAD %s HTTP/1.1", "Tus-Resumable: 1.0.0\r\n", 400}, /* no Host */
		{"HEAD %s HTTP/1.1", FIELDS "Tus-Resumable: 1.0.0\r\n", 400},
		{"HEAD %s HTTP/1.1",
		 FIELDS "Content-Length: 1\r\n"
			"Content-Length: 2\r\n",
		 400},
		{"HEAD %s HTTP/1.1", FIELDS "Transfer-Encoding: gzip\r\n", 400},
		{"HEAD %s HTTP/1.1", FIELDS "Expect: tea\r\n", 417},
		{"HEAD %s HTTP/1.1", "Host: x\r\nTus-Resumable: 0.2.2\r\n", 412},
		{"POST %s HTTP/1.1", FIELDS "X-HTTP-Method-Override: HEAD\r\n", 200},
		{"HEAD %s HTTP/1.0", FIELDS, 200},
	};
	SCOPED(scoped_free) char *path = create_complete("", "hello");

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		SCOPED(scoped_close) int fd = client_connect(server.port);
		SCOPED(scoped_free) char *line = NULL;
		SCOPED(reply_release) struct reply reply = {0};
		const char *slot = strstr(cases[i].line, "%s");

		ck_assert_int_gt(asprintf(&line, "%.*s%s%s",
					  (int)(slot - cases[i].line), cases[i].line,
					  path, slot + 2),
				 0);
		client_print(fd, "%s\r\n%s\r\n", line, cases[i].fields);
		reply = client_receive(fd, "HEAD");
		ck_assert_msg(reply.status == cases[i].status, "case %zu: %d", i,
			      reply.status);
	}
}
END_TEST

/* A last part, and a look at it behind; the final that it completes is verified, which
 * is for a thread: it is passed after it was begun. */
static void expect_last_part(const char *part, const char *bytes, int status)
{
	static const char *const methods[] = {"PATCH", "HEAD"};
	const int statuses[] = {status, 200};
	SCOPED(scoped_free) char *requests = NULL;

	ck_assert_int_gt(asprintf(&requests,
				  "PATCH %s HTTP/1.1\r\n" FIELDS PATCH_TYPE
				  "Upload-Offset: 0\r\nContent-Length: 3\r\n\r\n%s"
				  "HEAD %s HTTP/1.1\r\n" FIELDS "\r\n",
				  part, bytes, part),
			 0);
	exchange(requests, methods, statuses, 2);
}

START_TEST(a_last_part_whose_final_is_to_be_verified_is_passed)
{
	SCOPED(scoped_free)
	char *a = create_upload("Upload-Concat: partial\r\nUpload-Length: 2\r\n");
	SCOPED(scoped_free)
	char *b = create_upload("Upload-Concat: partial\r\nUpload-Length: 3\r\n");
	SCOPED(scoped_free) char *fields = NULL;
	SCOPED(scoped_free) char *final = NULL;

	/* checksum sha1:aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d */
	ck_assert_int_gt(
		asprintf(&fields,
			 "Upload-Concat: final;%s %s\r\nUpload-Metadata: checksum "
			 "c2hhMTphYWY0YzYxZGRjYzVlOGEyZGFiZWRlMGYzYjQ4MmNkOWFlYTk0MzRk"
			 "\r\n",
			 a, b),
		0);
	final = create_upload(fields);
	ck_assert_int_eq(patch(a, 0, "", "he"), 204);
	expect_last_part(b, "LLO", 460);
	ck_assert_uint_eq(head_offset(b), 0);
	expect_last_part(b, "llo", 204);
	assert_content(final, "hello");
}
END_TEST

/* Within the time that the front waits for the rest, and far beyond. */
START_TEST(a_request_may_come_slowly)
{
	static const int pauses[] = {1, 5, 15, 25, 100};

	for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
		SCOPED(scoped_free) char *path = create_upload("Upload-Length: 10\r\n");
		SCOPED(scoped_close) int fd = client_connect(server.port);
		SCOPED(reply_release) struct reply reply = {0};

		client_print(fd, "PATCH %s HTTP/1.1\r\n" FIELDS PATCH_TYPE, path);
		poll(NULL, 0, pauses[i]);
		client_print(fd, "Upload-Offset: 0\r\nContent-Length: 10\r\n\r\n");
		poll(NULL, 0, pauses[i]);
		client_print(fd, "01234");
		poll(NULL, 0, pauses[i]);
		client_print(fd, "56789");
		reply = client_receive(fd, "PATCH");
		ck_assert_int_eq(reply.status, 204);
		assert_content(path, "0123456789");
	}
}
END_TEST

START_TEST(a_large_upload_takes_small_pieces)
{
	SCOPED(scoped_free) char *path = create_upload("Upload-Length: 100000\r\n");
	char piece[1001];

	memset(piece, 'x', 1000);
	piece[1000] = '\0';
	for (uint64_t offset = 0; offset < 100000; offset += 1000)
		ck_assert_int_eq(patch(path, offset, "", piece), 204);
	ck_assert_uint_eq(head_offset(path), 100000);
}
END_TEST

static void check_metadata(size_t size)
{
	SCOPED(scoped_free) char *metadata = malloc(size + 1);
	SCOPED(scoped_free) char *fields = NULL;
	SCOPED(scoped_free) char *path = NULL;

	memset(metadata, 'A', size);
	memcpy(metadata, "note ", 5);
	metadata[size] = '\0';
	ck_assert_int_gt(asprintf(&fields,
				  "Upload-Length: 5\r\nUpload-Metadata: %s\r\n",
				  metadata),
			 0);
	path = create_upload(fields);
	for (int i = 0; i < 2; i++) { /* found in the catalog, and then kept */
		SCOPED(reply_release)
		struct reply reply = ask("HEAD", path, "", NULL);

		ck_assert_int_eq(reply.status, 200);
		ck_assert_str_eq(reply_field(&reply, "Upload-Metadata"), metadata);
	}
}

START_TEST(long_metadata_comes_back)
{
	check_metadata(5 + 1000);
	check_metadata(5 + 5988);
	check_metadata(5 + 60000);
}
END_TEST

/* ---- many at once ---- */

#define THREADS 8
#define UPLOADS 60

/* Each upload is patched by all threads at the same offsets: one wins, and the others
 * are told so, or were taken over and shut down. */
static void *contend(void *arg)
{
	char *const *paths = arg;

	for (int i = 0; i < UPLOADS; i++)
		for (uint64_t offset = 0; offset < 10; offset += 5) {
			int status =
				patch(paths[i], offset, "", offset ? "56789" : "01234");

			ck_assert_msg(status == 204 || status == 409 || status == 423 ||
					      !status,
				      "%d", status);
		}
	return NULL;
}

START_TEST(appends_that_contend_lose_nothing)
{
	char *paths[UPLOADS];
	pthread_t threads[THREADS];

	for (int i = 0; i < UPLOADS; i++)
		paths[i] = create_upload("Upload-Length: 10\r\n");
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, contend, paths), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < UPLOADS; i++) {
		assert_content(paths[i], "0123456789");
		free(paths[i]);
	}
}
END_TEST

static bool head_tells(const char *path, uint64_t offset)
{
	SCOPED(reply_release) struct reply reply = ask("HEAD", path, "", NULL);
	char line[64];

	snprintf(line, sizeof(line), "Upload-Offset: %ju\r\n", (uintmax_t)offset);
	return reply.status == 200 && strstr(reply.head, line);
}

struct visit {
	char *paths[UPLOADS];
	bool failed;
};

/* What a HEAD tells after an answer is never older than the answer, whoever asks. */
static void *append_and_ask(void *arg)
{
	struct visit *visit = arg;

	for (int i = 0; i < UPLOADS; i++) {
		const char *path = visit->paths[i];

		for (uint64_t offset = 0; offset < 20; offset += 5) {
			visit->failed |= !head_tells(path, offset);
			visit->failed |= patch(path, offset, "", "01234") != 204;
			visit->failed |= !head_tells(path, offset + 5);
		}
		visit->failed |= ask_status("DELETE", path, "", NULL) != 204;
		visit->failed |= ask_status("HEAD", path, "", NULL) != 410;
	}
	return NULL;
}

START_TEST(head_is_never_older_than_an_answer)
{
	static struct visit visits[THREADS];
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		for (int k = 0; k < UPLOADS; k++)
			visits[i].paths[k] = create_upload("Upload-Length: 20\r\n");
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(
			pthread_create(&threads[i], NULL, append_and_ask, &visits[i]),
			0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		ck_assert(!visits[i].failed);
		for (int k = 0; k < UPLOADS; k++)
			free(visits[i].paths[k]);
	}
}
END_TEST

START_TEST(clients_that_vanish_harm_nobody)
{
	SCOPED(scoped_free) char *path = NULL;

	server.config.max_connections = 1000;
	server_restart();
	for (int i = 0; i < 300; i++) {
		int fd = client_connect(server.port);

		client_print(fd, "POST /files/ HTTP/1.1\r\n" FIELDS PATCH_TYPE
				 "Upload-Length: 5\r\nContent-Length: 5\r\n\r\nhello");
		if (i % 2)
			client_reset(fd);
		else
			close(fd);
	}
	path = create_complete("", "hello");
	assert_content(path, "hello");
}
END_TEST

/* Not by fstat(), which is a race to ThreadSanitizer, as is dup(). */
static uint64_t socket_of(int fd)
{
	struct statx found;

	return statx(fd, "", AT_EMPTY_PATH, STATX_INO, &found) < 0 ? 0 : found.stx_ino;
}

/* Another process or thread may hold the socket for a moment longer than the server:
 * its epoll must not tell it of what happens there then. */
START_TEST(a_socket_that_others_hold_is_forgotten_when_it_is_closed)
{
	int fd = client_connect(server.port), server_fd;
	SCOPED(scoped_close) int held = -1;

	client_print(fd, "OPTIONS /files/ HTTP/1.1\r\n" FIELDS "\r\n");
	while ((server_fd = server_end(fd)) < 0)
		usleep(1000);
	held = (int)syscall(SYS_dup, server_fd);
	close(fd);
	while (socket_of(server_fd) == socket_of(held))
		usleep(1000);
	for (int i = 0; i < 10; i++) {
		shutdown(held, SHUT_RDWR);
		assert_alive();
	}
}
END_TEST

START_TEST(a_stop_ends_every_connection)
{
	int fds[50];
	SCOPED(scoped_free) char *path = create_upload("Upload-Length: 5\r\n");

	for (int i = 0; i < 50; i++) {
		fds[i] = client_connect(server.port);
		if (i % 3 == 0)
			client_print(fds[i], "HEAD %s HTTP/1.1\r\n" FIELDS, path);
		if (i % 3 == 1) {
			SCOPED(reply_release)
			struct reply reply =
				client_ask_on(fds[i], "HEAD", path, "", NULL);

			ck_assert_int_eq(reply.status, 200);
		}
	}
	server_restart();
	for (int i = 0; i < 50; i++) {
		ck_assert(client_closed(fds[i]));
		close(fds[i]);
	}
	assert_alive();
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		requests_in_one_piece_are_answered_in_their_order,
		a_long_line_of_requests_is_answered,
		a_connection_goes_on_after_it_was_passed,
		a_connection_is_passed_after_any_number_of_requests,
		a_client_that_sends_no_more_gets_all_its_answers,
		unusual_requests_are_passed,
		a_last_part_whose_final_is_to_be_verified_is_passed,
		a_request_may_come_slowly,
		a_large_upload_takes_small_pieces,
		long_metadata_comes_back,
		appends_that_contend_lose_nothing,
		head_is_never_older_than_an_answer,
		clients_that_vanish_harm_nobody,
		a_socket_that_others_hold_is_forgotten_when_it_is_closed,
		a_stop_ends_every_connection,
	};

	int failed = RUN_TESTS(tests, server_setup, server_teardown);

	no_peek_offset = true;
	return failed | RUN_TESTS(tests, server_setup, server_teardown);
}
