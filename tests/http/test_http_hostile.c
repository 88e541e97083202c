/* What no honest client sends. Each case is answered with 4xx or a closed connection,
 * and a fresh connection is served afterwards. */
#include "run.h"
#include "server.h"

#include "tusfs/clock.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define LINE "POST /files/ HTTP/1.1\r\n"
#define HOST "Host: x\r\n"
#define TUS  "Tus-Resumable: 1.0.0\r\n"
#define OK   LINE HOST TUS "Upload-Length: 5\r\n"

/* Sends these bytes, and no more, and reads what comes. */
static void assert_harmless(const char *bytes, size_t size)
{
	SCOPED(scoped_close) int fd = client_connect(server.port);
	SCOPED(reply_release) struct reply reply = {0};

	client_send(fd, bytes, size);
	shutdown(fd, SHUT_WR);
	reply = client_receive(fd, "POST");
	/* 505: the version of HTTP is none */
	ck_assert_msg(reply.status == 0 || reply.status == 505 ||
			      (reply.status >= 400 && reply.status < 500),
		      "%d for\n%.200s", reply.status, bytes);
	assert_alive();
}

static void assert_all_harmless(const char *const requests[], size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_harmless(requests[i], strlen(requests[i]));
}

#define ASSERT_ALL_HARMLESS(requests)                                                  \
	assert_all_harmless(requests, sizeof(requests) / sizeof((requests)[0]))

START_TEST(what_is_not_http_harms_nothing)
{
	static const char *const requests[] = {
		"\r\n\r\n\r\n",
		"x\r\n\r\n",
		"GET\r\n\r\n",
		"GET /files/\r\n\r\n",
		"GET /files/ HTTP/9.9\r\n" HOST "\r\n",
		"GET /files/ HTTP/1.1 HTTP/1.1\r\n" HOST "\r\n",
		" GET /files/ HTTP/1.1\r\n" HOST "\r\n",
		"\x16\x03\x01\x02",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		LINE "\r\n",
		"OPTIONS * HTTP/1.1\r\n" HOST "\r\n",
		"CONNECT x:80 HTTP/1.1\r\n" HOST "\r\n",
		"TRACE /files/ HTTP/1.1\r\n" HOST "\r\n",
	};

	ASSERT_ALL_HARMLESS(requests);
}
END_TEST

START_TEST(framing_that_two_servers_read_differently_is_refused)
{
	static const char *const requests[] = {
		OK PATCH_TYPE
		"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
		"0\r\n\r\n",
		OK PATCH_TYPE
		"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"
		"hello",
		OK PATCH_TYPE "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
		OK PATCH_TYPE "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
		OK PATCH_TYPE "Content-Length: 5, 5\r\n\r\nhello",
		OK PATCH_TYPE "Content-Length: -5\r\n\r\nhello",
		OK PATCH_TYPE "Content-Length: +5\r\n\r\nhello",
		OK PATCH_TYPE "Content-Length: 0x5\r\n\r\nhello",
		OK PATCH_TYPE "Content-Length: \r\n\r\nhello",
		OK PATCH_TYPE "Content-Length: 9223372036854775808\r\n\r\nhello",
		OK PATCH_TYPE "Content-Length: 18446744073709551620\r\n\r\nhello",
		OK PATCH_TYPE "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		OK PATCH_TYPE "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
		OK PATCH_TYPE "Transfer-Encoding: identity\r\n\r\nhello",
		OK PATCH_TYPE
		"Transfer-Encoding: chunked\r\n"
		"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		OK PATCH_TYPE "Transfer-Encoding:\r\n\r\n0\r\n\r\n",
#if MHD_VERSION < 0x00097700 /* later ones trim it */
		OK PATCH_TYPE "Transfer-Encoding: chunked \r\n\r\n0\r\n\r\n",
#endif
		OK "Host: y\r\n\r\n",
		OK PATCH_TYPE "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloxx\r\n",
		OK PATCH_TYPE "Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n",
		OK PATCH_TYPE
		"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
		OK PATCH_TYPE "Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
		OK PATCH_TYPE "Transfer-Encoding: chunked\r\n\r\n\r\n",
	};

	ASSERT_ALL_HARMLESS(requests);
}
END_TEST

START_TEST(what_follows_doubtful_framing_is_not_a_request)
{
	SCOPED(scoped_free) char *path = create_complete("", "hello");
	SCOPED(scoped_close) int fd = client_connect(server.port);
	SCOPED(reply_release) struct reply reply = {0};

	client_print(fd,
		     OK PATCH_TYPE
		     "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
		     "DELETE %s HTTP/1.1\r\n" HOST TUS "\r\n",
		     path);
	reply = client_receive(fd, "POST");
	ck_assert_int_eq(reply.status, 400);
	ck_assert(client_closed(fd));
	assert_content(path, "hello");
}
END_TEST

START_TEST(fields_sent_twice_are_refused)
{
	static const char *const requests[] = {
		OK "Upload-Length: 6\r\n\r\n",
		OK "upload-length: 5\r\n\r\n",
		OK TUS "\r\n",
		OK "Upload-Metadata: a\r\nUpload-Metadata: b\r\n\r\n",
		OK "Upload-Concat: partial\r\nUpload-Concat: partial\r\n\r\n",
		OK
		"X-HTTP-Method-Override: POST\r\n"
		"X-HTTP-Method-Override: DELETE\r\n\r\n",
		OK PATCH_TYPE PATCH_TYPE "Content-Length: 5\r\n\r\nhello",
		OK "Expect: 100-continue\r\nExpect: 100-continue\r\n\r\n",
	};

	ASSERT_ALL_HARMLESS(requests);
}
END_TEST

/* Some of these libmicrohttpd 0.9.75 takes for the end of the header, others it glues
 * to what comes before them, or cuts. */
#define MALFORMED(line)                                                                \
	{                                                                              \
		line, sizeof(line) - 1                                                 \
	}

static const struct {
	const char *bytes;
	size_t size;
} malformed[] = {
	MALFORMED(": no name\r\n"),
	MALFORMED(":\r\n"),
	MALFORMED(": no name\n"),
	MALFORMED("no colon\r\n"),
	MALFORMED("\0: x\r\n"),
	MALFORMED("\0\r\n"),
	MALFORMED("X\0Y: x\r\n"),
	MALFORMED("X: a\0b\r\n"),
	MALFORMED("X: a\rb\r\n"),
	MALFORMED("X: a\r\r\n"),
	MALFORMED("X: a\nY: b\r\n"),
	MALFORMED("X: a\n"),
	MALFORMED("X: a\n: b\r\n"),
	MALFORMED("X: a\x01\r\n"),
	MALFORMED("X: a\x7f\r\n"),
	MALFORMED("X Y: a\r\n"),
	MALFORMED("X\x01: a\r\n"),
	MALFORMED("Content-Length : 0\r\n"),
	MALFORMED("Transfer-Encoding\t: chunked\r\n"),
	MALFORMED("X: a\r\n b\r\n"),
	MALFORMED("X: a\r\n\tb: c\r\n"),
	MALFORMED("Upload-Metadata: a YQ==,\r\n b Yg==\r\n"),
};

/* With the line first, between the others, or last; a DELETE is behind it. */
static size_t put_malformed(char *bytes, size_t i, int place, const char *path)
{
	static const char *const lines[] = {HOST, TUS "Upload-Length: 5\r\n"};
	size_t size = sizeof(LINE) - 1;

	memcpy(bytes, LINE, size);
	for (int n = 0; n < 3; n++) {
		if (n == place) {
			memcpy(bytes + size, malformed[i].bytes, malformed[i].size);
			size += malformed[i].size;
		}
		if (n < 2) {
			strcpy(bytes + size, lines[n]);
			size += strlen(lines[n]);
		}
	}
	return size + sprintf(bytes + size,
			      "\r\nDELETE %s HTTP/1.1\r\n" HOST TUS "\r\n", path);
}

/* libmicrohttpd 0.9.75 sends some answers of its own with two heads. */
static void await_end(int fd)
{
	char more[1000];
	ssize_t n;

	do
		n = recv(fd, more, sizeof(more), 0);
	while (n > 0);
	ck_assert(n == 0 || errno == ECONNRESET);
}

static void assert_malformed(int fd, size_t i, int place, const char *path)
{
	SCOPED(reply_release) struct reply reply = {0};
	char bytes[1000];

	client_send(fd, bytes, put_malformed(bytes, i, place, path));
	reply = client_receive(fd, "POST");
	ck_assert_msg(reply.status == 400, "line %zu in place %d: %d", i, place,
		      reply.status);
	await_end(fd);
	ck_assert_int_eq(ask_status("HEAD", path, "", NULL), 200);
}

START_TEST(a_malformed_line_ends_the_connection)
{
	SCOPED(scoped_free) char *path = create_complete("", "hello");

	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
		for (int place = 0; place < 3; place++) {
			SCOPED(scoped_close) int fd = client_connect(server.port);

			assert_malformed(fd, i, place, path);
		}
}
END_TEST

/* After a GET, libmicrohttpd has the connection. */
START_TEST(a_malformed_line_ends_a_connection_that_goes_on)
{
	SCOPED(scoped_free) char *path = create_complete("", "hello");

	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
		for (int place = 0; place < 3; place++) {
			SCOPED(scoped_close) int fd = client_connect(server.port);
			SCOPED(reply_release)
			struct reply reply = client_ask_on(fd, "GET", path, "", NULL);

			ck_assert_int_eq(reply.status, 200);
			assert_malformed(fd, i, place, path);
		}
}
END_TEST

/* A line without a name would end them for libmicrohttpd, too. */
START_TEST(nothing_behind_trailers_is_a_request)
{
	SCOPED(scoped_free) char *path = create_complete("", "hello");
	SCOPED(scoped_close) int fd = client_connect(server.port);
	SCOPED(reply_release) struct reply reply = {0};

	client_print(fd,
		     OK PATCH_TYPE
		     "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"
		     "X: a\r\n: no name\r\nDELETE %s HTTP/1.1\r\n" HOST TUS "\r\n",
		     path);
	reply = client_receive(fd, "POST");
	ck_assert_int_eq(reply.status, 201);
	ck_assert(client_closed(fd));
	assert_content(path, "hello");
}
END_TEST

/* The rest of a body does not cost the client its answer. */
START_TEST(a_bad_header_is_answered_in_one_line)
{
	static const struct {
		const char *lines;
		int status;
	} cases[] = {
		{"", 400},
		{HOST "Content-Length: +5\r\n", 400},
		{HOST "Content-Length: -5\r\n", 400},
		{HOST "Content-Length:\r\n", 400},
		{HOST "Content-Length: 5,5\r\n", 400},
		{HOST "Content-Length: 0x5\r\n", 400},
		{HOST "Content-Length: 5a\r\n", 400},
		{HOST "Content-Length: 99999999999999999999\r\n", 413},
		{HOST "Content-Length: 5\r\nContent-Length: 6\r\n", 400},
		{HOST "no colon\r\n", 400},
	};
	SCOPED(scoped_free) char *body = calloc(1, 1000000);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		SCOPED(scoped_close) int fd = client_connect(server.port);
		SCOPED(reply_release) struct reply reply = {0};

		client_print(fd, LINE TUS "Upload-Length: 5\r\n" PATCH_TYPE "%s\r\n",
			     cases[i].lines);
		client_send(fd, body, 1000000);
		reply = client_receive(fd, "POST");
		ck_assert_msg(reply.status == cases[i].status, "%s: %d", cases[i].lines,
			      reply.status);
		ck_assert_str_eq(reply_field(&reply, "Tus-Resumable"), "1.0.0");
		ck_assert(reply.closes);
		ck_assert(strncmp(reply.body, "ERR_", 4) == 0);
		ck_assert(client_closed(fd));
	}
}
END_TEST

/* Much less than the idle time-out, which it is not. */
START_TEST(who_is_refused_and_goes_on_is_cut_off)
{
	SCOPED(scoped_free) char *body = calloc(1, 1000000);
	SCOPED(scoped_close) int fd = client_connect(server.port);
	int64_t began = clock_monotonic();

	client_print(fd, LINE TUS "no colon\r\n\r\n");
	while (client_send(fd, body, 1000000))
		ck_assert(clock_monotonic() - began < 20 * CLOCK_SECOND);
	assert_alive();
}
END_TEST

START_TEST(a_name_that_begins_like_a_known_one_is_another)
{
	ck_assert_int_eq(ask_status("POST", "/files/",
				    "Upload-Length: 5\r\nUpload-Length-Hint: 6\r\n",
				    NULL),
			 201);
}
END_TEST

/* A request with one field of so many bytes. */
static int status_with_field_of(const char *name, size_t size)
{
	SCOPED(scoped_free) char *fields = malloc(size + 100);
	size_t n = snprintf(fields, 100, "Upload-Length: 1\r\n%s: ", name);

	memset(fields + n, 'A', size);
	memcpy(fields + n + size, "\r\n", 3);
	return ask_status("POST", "/files/", fields, NULL);
}

/* A line of that name, with a value of so many bytes. */
static char *line_of(const char *name, size_t size)
{
	char *line = malloc(size + 100);
	size_t n = snprintf(line, 100, "%s: ", name);

	ck_assert_ptr_nonnull(line);
	memset(line + n, 'A', size);
	memcpy(line + n + size, "\r\n", 3);
	return line;
}

static char *upload_with_metadata_of(size_t size)
{
	SCOPED(scoped_free) char *line = line_of("Upload-Metadata", size);
	SCOPED(scoped_free) char *fields = NULL;

	memcpy(strchr(line, 'A'), "note ", 5);
	ck_assert_int_gt(asprintf(&fields, "Upload-Length: 0\r\n%s", line), 0);
	return create_upload(fields);
}

/* Both heads are in libmicrohttpd's memory of a connection, and cookies are twice. */
static void check_long_heads(const char *name, size_t most)
{
	for (size_t size = 4000; size <= 60000; size += 8000) {
		SCOPED(scoped_free) char *path = upload_with_metadata_of(size + 5);

		for (size_t more = 0; more <= most; more += more < 8000 ? 500 : 4000) {
			SCOPED(scoped_free) char *line = line_of(name, more);
			SCOPED(reply_release)
			struct reply reply = ask("HEAD", path, line, NULL);

			ck_assert_msg(reply.status == 200, "%zu and %zu: %d", size,
				      more, reply.status);
			ck_assert_uint_eq(
				strlen(reply_field(&reply, "Upload-Metadata")),
				size + 5);
		}
	}
}

START_TEST(long_metadata_comes_back_to_a_long_request)
{
	check_long_heads("Cookie", 24000);
	check_long_heads("X-Long", 61000);
}
END_TEST

START_TEST(a_long_request_is_answered_whatever_it_asks)
{
	SCOPED(scoped_free) char *path = create_complete("", "hello");
	SCOPED(scoped_free) char *line = line_of("X-Long", 61500);
	SCOPED(scoped_free) char *range = NULL;
	SCOPED(reply_release) struct reply reply = {0};

	ck_assert_int_gt(asprintf(&range, "Range: bytes=1-3\r\n%s", line), 0);
	reply = ask("GET", path, range, NULL);
	ck_assert_int_eq(reply.status, 206);
	ck_assert_str_eq(reply.body, "ell");
	ck_assert_int_eq(ask_status("PUT", path, line, NULL), 405);
	ck_assert_int_eq(ask_status("OPTIONS", path, line, NULL), 204);
	ck_assert_int_eq(patch(path, 5, line, ""), 204);
	ck_assert_int_eq(patch(path, 0, line, "a"), 409);
	ck_assert_int_eq(ask_status("DELETE", path, line, NULL), 204);
}
END_TEST

/* Each takes more of that memory than its bytes. */
START_TEST(many_fields_are_answered)
{
	SCOPED(scoped_free) char *path = upload_with_metadata_of(20005);
	char fields[500 * 6 + 1] = "";

	for (size_t n = 0; n < 500; n += 10) {
		snprintf(fields + 6 * n, sizeof(fields) - 6 * n, "%s",
			 "A: B\r\nA: B\r\nA: B\r\nA: B\r\nA: B\r\n"
			 "A: B\r\nA: B\r\nA: B\r\nA: B\r\nA: B\r\n");
		ck_assert_int_eq(ask_status("HEAD", path, fields, NULL), 200);
	}
}
END_TEST

START_TEST(many_cookies_are_answered)
{
	SCOPED(scoped_free) char *path = upload_with_metadata_of(20005);
	char fields[500 * 4 + 20] = "Cookie: a=b";

	for (size_t n = 0; n < 500; n += 10) {
		size_t used = strlen(fields);

		memcpy(fields + used, "\r\n", 3);
		ck_assert_int_eq(ask_status("HEAD", path, fields, NULL), 200);
		strcpy(fields + used, ";a=b;a=b;a=b;a=b;a=b;a=b;a=b;a=b;a=b;a=b");
	}
}
END_TEST

START_TEST(long_headers_are_431)
{
	ck_assert_int_eq(status_with_field_of("X-Long", 60000), 201);
	ck_assert_int_eq(status_with_field_of("X-Long", 63900), 431);
	ck_assert_int_eq(status_with_field_of("X-Long", 200000), 431);
	ck_assert_int_eq(status_with_field_of("Upload-Metadata", 60000), 201);
	ck_assert_int_eq(status_with_field_of("Upload-Metadata", 63900), 431);
	ck_assert_int_eq(status_with_field_of("Upload-Metadata", 100000), 431);
	ck_assert_int_eq(status_with_field_of("Upload-Concat", 60000), 400);
	ck_assert_int_eq(status_with_field_of("Upload-Concat", 140000), 431);
	ck_assert_int_eq(status_with_field_of("Upload-Checksum", 60000), 400);
	ck_assert_int_eq(status_with_field_of("Host2", 66000), 431);
	assert_alive();
}
END_TEST

START_TEST(a_header_without_end_is_refused)
{
	SCOPED(scoped_free) char *line = malloc(1001);

	memset(line, 'a', 1000);
	line[1000] = '\0';
	for (int with_lines = 0; with_lines < 2; with_lines++) {
		SCOPED(scoped_close) int fd = client_connect(server.port);
		SCOPED(reply_release) struct reply reply = {0};
		bool open = client_print(fd, LINE HOST "X: ");

		for (int i = 0; open && i < 1000; i++)
			open = client_print(fd, "%s%s", line,
					    with_lines ? "\r\nY: " : "");
		shutdown(fd, SHUT_WR);
		reply = client_receive(fd, "POST");
		ck_assert(reply.status == 431 || reply.status == 400 ||
			  reply.status == 0);
		assert_alive();
	}
}
END_TEST

START_TEST(thousands_of_short_fields_are_harmless)
{
	SCOPED(scoped_close) int fd = client_connect(server.port);
	SCOPED(reply_release) struct reply reply = {0};

	client_print(fd, OK);
	for (int i = 0; i < 20000; i++)
		if (!client_print(fd, "a: b\r\n"))
			break;
	client_print(fd, "\r\n");
	reply = client_receive(fd, "POST");
	ck_assert(reply.status == 431 || reply.status == 0 || reply.status == 201);
	assert_alive();
}
END_TEST

#define ID "0123456789abcdef0123456789abcdef"

START_TEST(odd_ids_are_not_found)
{
	static const char *const ids[] = {
		"..",
		"../",
		"../../etc/passwd",
		"%2e%2e",
		"%2e%2e%2fetc%2fpasswd",
		ID "%00",
		ID "%00.png",
		ID "/",
		ID "/x",
		ID "0",
		"0123456789ABCDEF0123456789ABCDEF",
		"%30123456789abcdef0123456789abcdef",
		"0123456789abcdef0123456789abcde",
		"0123456789abcdef0123456789abcde%",
		"' OR 1=1 --",
		"\xff\xfe",
		"./" ID,
		"/" ID,
		ID "#x",
		ID "&",
	};
	static const char *const methods[] = {"HEAD", "PATCH", "DELETE", "GET"};

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		for (size_t j = 0; j < 4; j++) {
			SCOPED(scoped_free) char *path = NULL;
			int status;

			ck_assert_int_ge(asprintf(&path, "/files/%s", ids[i]), 0);
			status = ask_status(methods[j], path, "", NULL);
			ck_assert_msg(status == 404 || status == 400 || status == 0,
				      "%s %s: %d", methods[j], ids[i], status);
		}
	assert_alive();
}
END_TEST

START_TEST(a_long_id_is_not_found)
{
	for (size_t size = 4096; size <= 300000; size += 98000) {
		SCOPED(scoped_free) char *path = malloc(size + 8);
		int status;

		memcpy(path, "/files/", 7);
		memset(path + 7, 'a', size);
		path[7 + size] = '\0';
		status = ask_status("GET", path, "", NULL);
		ck_assert(status == 404 || status == 414 || status == 431 ||
			  status == 0);
		assert_alive();
	}
}
END_TEST

START_TEST(a_nul_in_a_request_is_harmless)
{
	static const char in_path[] = "GET /files/" ID "\0x HTTP/1.1\r\n" HOST "\r\n";
	static const char in_field[] = OK "Upload-Metadata: a Y\0Q==\r\n\r\n";
	static const char in_name[] = OK "Upload-\0Metadata: a Y\r\n\r\n";
	SCOPED(scoped_close) int fd = client_connect(server.port);
	SCOPED(reply_release) struct reply reply = {0};

	assert_harmless(in_path, sizeof(in_path) - 1);
	assert_harmless(in_field, sizeof(in_field) - 1);
	client_send(fd, in_name, sizeof(in_name) - 1);
	reply = client_receive(fd, "POST");
	ck_assert_int_lt(reply.status, 500);
	assert_alive();
}
END_TEST

START_TEST(pipelined_requests_are_answered_in_order)
{
	SCOPED(scoped_free) char *path = create_upload("Upload-Length: 10\r\n");
	SCOPED(scoped_close) int fd = client_connect(server.port);

	client_print(fd,
		     "PATCH %s HTTP/1.1\r\n" HOST TUS PATCH_TYPE
		     "Upload-Offset: 0\r\nContent-Length: 5\r\n\r\nhello"
		     "HEAD %s HTTP/1.1\r\n" HOST TUS
		     "\r\n"
		     "PATCH %s HTTP/1.1\r\n" HOST TUS PATCH_TYPE
		     "Upload-Offset: 9\r\nContent-Length: 5\r\n\r\nxxxxx"
		     "PATCH %s HTTP/1.1\r\n" HOST TUS PATCH_TYPE
		     "Upload-Offset: 5\r\nContent-Length: 5\r\n\r\nworld"
		     "GET %s HTTP/1.1\r\n" HOST "\r\n",
		     path, path, path, path, path);
	for (int i = 0; i < 5; i++) {
		static const int expected[] = {204, 200, 409, 204, 200};
		SCOPED(reply_release)
		struct reply reply = client_receive(fd, i == 1 ? "HEAD" : "GET");

		ck_assert_int_eq(reply.status, expected[i]);
		if (i == 4)
			ck_assert_str_eq(reply.body, "helloworld");
	}
}
END_TEST

/* Noise from a fixed generator, so that a failure can be repeated. */
START_TEST(noise_is_harmless)
{
	uint32_t state = 12345;

	for (int round = 0; round < 300; round++) {
		char bytes[400];
		size_t size = sizeof(bytes);
		SCOPED(scoped_close) int fd = client_connect(server.port);
		SCOPED(reply_release) struct reply reply = {0};

		memcpy(bytes, OK, sizeof(OK) - 1);
		for (size_t i = round % 2 ? 0 : sizeof(OK) - 1; i < size; i++) {
			state = state * 1664525 + 1013904223;
			bytes[i] = (char)(state >> 24);
		}
		client_send(fd, bytes, size);
		shutdown(fd, SHUT_WR);
		reply = client_receive(fd, "POST");
		ck_assert_int_lt(reply.status, 500);
	}
	assert_alive();
}
END_TEST

/* One byte of a good request is changed at a time, to one of some odd values; they take
 * turns. */
START_TEST(a_changed_byte_is_never_a_server_error)
{
	static const char good[] = OK PATCH_TYPE
		"Upload-Metadata: a YQ==\r\nContent-Length: 5\r\n\r\nhello";
	static const char odd[] = {'\0', '\r', '\n', ' ', ':', '%', '9', '\xff'};

	for (size_t i = 0; i < sizeof(good) - 1; i++)
		for (size_t j = i % 4; j < sizeof(odd); j += 4) {
			char bytes[sizeof(good) - 1];
			SCOPED(scoped_close) int fd = client_connect(server.port);
			SCOPED(reply_release) struct reply reply = {0};

			memcpy(bytes, good, sizeof(bytes));
			bytes[i] = odd[j];
			client_send(fd, bytes, sizeof(bytes));
			shutdown(fd, SHUT_WR);
			reply = client_receive(fd, "POST");
			/* 505: it was the digit of the version */
			ck_assert_msg(reply.status < 500 || reply.status == 505,
				      "byte %zu as %02x: %d", i, (unsigned char)odd[j],
				      reply.status);
		}
	assert_alive();
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		what_is_not_http_harms_nothing,
		framing_that_two_servers_read_differently_is_refused,
		what_follows_doubtful_framing_is_not_a_request,
		fields_sent_twice_are_refused,
		a_malformed_line_ends_the_connection,
		a_malformed_line_ends_a_connection_that_goes_on,
		nothing_behind_trailers_is_a_request,
		a_bad_header_is_answered_in_one_line,
		who_is_refused_and_goes_on_is_cut_off,
		a_name_that_begins_like_a_known_one_is_another,
		long_headers_are_431,
		long_metadata_comes_back_to_a_long_request,
		a_long_request_is_answered_whatever_it_asks,
		many_fields_are_answered,
		many_cookies_are_answered,
		a_header_without_end_is_refused,
		thousands_of_short_fields_are_harmless,
		odd_ids_are_not_found,
		a_long_id_is_not_found,
		a_nul_in_a_request_is_harmless,
		pipelined_requests_are_answered_in_order,
		noise_is_harmless,
		a_changed_byte_is_never_a_server_error,
	};

	return RUN_TESTS_FOR(tests, server_setup, server_teardown, 150);
}
