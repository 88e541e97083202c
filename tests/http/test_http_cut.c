/* Connections cut at every byte of a request, by FIN and by RST. */
#include "run.h"
#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define BODY "0123456789abcdefghij"

/* A whole PATCH of BODY; the caller frees it. */
static char *patch_request(const char *path, size_t *head)
{
	char *text;
	int length = asprintf(&text,
			      PATCH_HEAD
			      "Upload-Offset: 0\r\nContent-Length: %zu\r\n\r\n" BODY,
			      path, strlen(BODY));

	ck_assert_int_ge(length, 0);
	*head = length - strlen(BODY);
	return text;
}

/* The answer to a body that broke off, on a connection that ends with it. */
static void assert_broken(int fd, const char *method, uint64_t kept)
{
	SCOPED(reply_release) struct reply reply = client_receive(fd, method);
	const char *offset;

	ck_assert_int_eq(reply.status, 400);
	ck_assert_int_eq(strncmp(reply.body, "ERR_INCOMPLETE_BODY: ", 21), 0);
	offset = reply_field(&reply, "Upload-Offset");
	ck_assert_ptr_nonnull(offset);
	ck_assert_uint_eq(strtoull(offset, NULL, 10), kept);
	ck_assert(reply.closes);
	ck_assert(client_closed(fd));
}

START_TEST(a_fin_at_any_byte_keeps_every_byte_of_the_body)
{
	size_t head, total = 1;

	for (size_t cut = 0; cut <= total; cut++) {
		SCOPED(scoped_free) char *path = create_upload("Upload-Length: 20\r\n");
		SCOPED(scoped_free) char *request = patch_request(path, &head);
		int fd = client_connect(server.port);
		uint64_t body = cut > head ? cut - head : 0;

		total = strlen(request);
		client_send(fd, request, cut);
		shutdown(fd, SHUT_WR);
		if (cut >= head && cut < total)
			assert_broken(fd, "PATCH", body);
		while (!client_closed(fd))
			; /* reads an answer, if there is one, to its end */
		close(fd);
		ck_assert_uint_eq(head_offset(path), body);
	}
}
END_TEST

START_TEST(a_request_whose_client_half_closes_is_answered)
{
	size_t head;
	SCOPED(scoped_free) char *path = create_upload("Upload-Length: 20\r\n");
	SCOPED(scoped_free) char *request = patch_request(path, &head);
	SCOPED(scoped_close) int fd = client_connect(server.port);
	SCOPED(reply_release) struct reply reply = {0};

	client_print(fd, "%s", request);
	shutdown(fd, SHUT_WR);
	reply = client_receive(fd, "PATCH");
	ck_assert_int_eq(reply.status, 204);
	assert_content(path, BODY);
}
END_TEST

START_TEST(a_large_request_whose_client_half_closes_is_answered)
{
	size_t size = 2 << 20;
	SCOPED(scoped_free) char *body = malloc(size + 1);
	SCOPED(scoped_free) char *path = create_upload("Upload-Length: 2097152\r\n");
	SCOPED(scoped_close) int fd = client_connect(server.port);
	SCOPED(reply_release) struct reply reply = {0};

	memset(body, 'x', size);
	body[size] = '\0';
	client_print(fd, PATCH_HEAD "Upload-Offset: 0\r\nContent-Length: %zu\r\n\r\n",
		     path, size);
	client_send(fd, body, size);
	shutdown(fd, SHUT_WR);
	reply = client_receive(fd, "PATCH");
	ck_assert_int_eq(reply.status, 204);
	ck_assert_str_eq(reply_field(&reply, "Upload-Offset"), "2097152");
	assert_content(path, body);
}
END_TEST

START_TEST(a_large_body_that_breaks_off_is_kept_to_its_last_byte)
{
	size_t size = 3 << 20;
	SCOPED(scoped_free) char *body = calloc(1, size);
	SCOPED(scoped_free) char *path = create_upload("Upload-Length: 39000000\r\n");
	SCOPED(scoped_close) int fd = client_connect(server.port);

	ck_assert_ptr_nonnull(body);
	client_print(fd,
		     PATCH_HEAD "Upload-Offset: 0\r\nContent-Length: 39000000\r\n\r\n",
		     path);
	ck_assert(client_send(fd, body, size));
	shutdown(fd, SHUT_WR);
	assert_broken(fd, "PATCH", size);
	ck_assert_uint_eq(head_offset(path), size);
}
END_TEST

/* Waits for some seconds until the upload has so much; nobody is stopped. */
static void await_offset(const char *path, uint64_t offset)
{
	struct upload_id id;
	struct file file = {0};

	ck_assert(upload_id_parse(strrchr(path, '/') + 1, UPLOAD_ID_DIGITS, &id));
	for (int i = 0; i < 50 && file.offset != offset; i++) {
		file_release(&file);
		usleep(100000);
		ck_assert_int_eq(uploads_find(server.uploads, id, &file), 0);
	}
	ck_assert_uint_eq(file.offset, offset);
	file_release(&file);
}

static void stall(uint64_t length, size_t sent)
{
	SCOPED(scoped_free) char *body = calloc(1, sent), *fields = NULL;
	SCOPED(scoped_free) char *path = NULL;
	SCOPED(scoped_close) int fd = client_connect(server.port);

	ck_assert_int_gt(asprintf(&fields, "Upload-Length: %ju\r\n", (uintmax_t)length),
			 0);
	path = create_upload(fields);
	client_print(fd, PATCH_HEAD "Upload-Offset: 0\r\nContent-Length: %ju\r\n\r\n",
		     path, (uintmax_t)length);
	ck_assert(client_send(fd, body, sent));
	await_offset(path, sent);
}

START_TEST(what_a_client_has_sent_is_seen_while_it_stalls)
{
	stall(100000000, 300000);
	stall(100000000, 5);
	stall(100000, 500);
	stall(1000, 500);
}
END_TEST

START_TEST(a_chunked_body_that_breaks_off_anywhere_is_answered)
{
	static const char body[] = "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";

	for (size_t cut = 0; cut < sizeof(body) - 1; cut++) {
		SCOPED(scoped_free) char *path = create_upload("Upload-Length: 20\r\n");
		SCOPED(scoped_close) int fd = client_connect(server.port);
		size_t kept = 0;

		for (size_t at = 0; at < cut; at++)
			kept += (at >= 3 && at < 8) || (at >= 13 && at < 19);
		client_print(fd,
			     PATCH_HEAD
			     "Upload-Offset: 0\r\n"
			     "Transfer-Encoding: chunked\r\n\r\n",
			     path);
		client_send(fd, body, cut);
		shutdown(fd, SHUT_WR);
		assert_broken(fd, "PATCH", kept);
		ck_assert_uint_eq(head_offset(path), kept);
	}
}
END_TEST

START_TEST(nothing_of_a_checked_body_that_breaks_off_is_kept)
{
	SCOPED(scoped_free) char *path = create_upload("Upload-Length: 20\r\n");
	SCOPED(scoped_close) int fd = client_connect(server.port);

	client_print(fd,
		     "PATCH %s HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\n"
		     "Upload-Offset: 0\r\nContent-Length: 20\r\n" PATCH_TYPE
		     "Upload-Checksum: sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=\r\n\r\nhello",
		     path);
	shutdown(fd, SHUT_WR);
	assert_broken(fd, "PATCH", 0);
	ck_assert_uint_eq(head_offset(path), 0);
}
END_TEST

/* How much the server's socket has to have before its owner is woken. */
static int low_water(int server_fd)
{
	int bytes = 0;
	socklen_t size = sizeof(bytes);

	ck_assert_int_eq(getsockopt(server_fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, &size),
			 0);
	return bytes;
}

/* Sends pieces until the server waits for whole blocks; how many bytes that were. */
static size_t send_until_blocks(int fd, int server_fd)
{
	enum { PIECE = 1 << 20, PIECES_MAX = 90 };
	SCOPED(scoped_free) char *piece = calloc(1, PIECE);
	size_t sent = 0;

	ck_assert_ptr_nonnull(piece);
	while (low_water(server_fd) == 1) {
		ck_assert_uint_lt(sent, (size_t)PIECES_MAX * PIECE);
		ck_assert(client_send(fd, piece, PIECE));
		sent += PIECE;
	}
	return sent;
}

/* The server waits for whole blocks of a fast body, but not for ever: what came is read
 * before the reset, which drops what is not. */
START_TEST(a_fast_client_that_stalls_is_read_to_its_last_byte)
{
	static const char rest[300001];
	SCOPED(scoped_free)
	char *path = create_upload("Upload-Length: 100000000\r\n");
	int fd = client_connect(server.port), server_fd, unsent = 1, unread = 1;
	size_t sent;

	client_print(fd,
		     PATCH_HEAD "Upload-Offset: 0\r\nContent-Length: 100000000\r\n\r\n",
		     path);
	while ((server_fd = server_end(fd)) < 0)
		usleep(1000);
	sent = send_until_blocks(fd, server_fd);
	ck_assert(client_send(fd, rest, sizeof(rest)));
	while (unsent || unread || low_water(server_fd) > 1) {
		usleep(1000);
		ck_assert_int_eq(ioctl(fd, TIOCOUTQ, &unsent), 0);
		ck_assert_int_eq(ioctl(server_fd, FIONREAD, &unread), 0);
	}
	client_reset(fd);
	ck_assert_uint_eq(head_offset(path), sent + sizeof(rest));
}
END_TEST

/* A RST may overtake bytes; but what there is must be a beginning of the body, and the
 * upload must go on. */
START_TEST(a_rst_at_any_byte_harms_nothing)
{
	size_t head, total = 1;

	for (size_t cut = 0; cut <= total; cut++) {
		SCOPED(scoped_free) char *path = create_upload("Upload-Length: 20\r\n");
		SCOPED(scoped_free) char *request = patch_request(path, &head);
		int fd = client_connect(server.port);
		uint64_t offset, body = cut > head ? cut - head : 0;

		total = strlen(request);
		client_send(fd, request, cut);
		client_reset(fd);
		offset = head_offset(path);
		ck_assert_uint_le(offset, body);
		/* the reset request may still come to life after that HEAD, and lose */
		while (offset < 20) {
			ck_assert_int_eq(patch(path, offset, "", &BODY[offset]), 204);
			offset = head_offset(path);
		}
		assert_content(path, BODY);
	}
}
END_TEST

START_TEST(what_was_read_before_a_rst_is_kept)
{
	SCOPED(scoped_free) char *path = create_upload("Upload-Length: 1000000\r\n");
	int fd = client_connect(server.port);
	char interim[25];

	client_print(fd,
		     PATCH_HEAD
		     "Upload-Offset: 0\r\nContent-Length: 1000000\r\n"
		     "Expect: 100-continue\r\n\r\n",
		     path);
	ck_assert_int_eq(recv(fd, interim, 25, MSG_WAITALL), 25);
	client_print(fd, "hello");
	/* the first piece is in the engine once another one is awaited: GET shows none
	 * of it, so ask for something that takes a while */
	for (int i = 0; i < 50; i++)
		assert_alive();
	client_print(fd, " world");
	client_reset(fd);
	ck_assert_uint_ge(head_offset(path), 5);
}
END_TEST

static bool count_one(void *arg, const struct file *file)
{
	(void)file;
	++*(unsigned int *)arg;
	return true;
}

static unsigned int count_uploads(void)
{
	unsigned int count = 0;

	ck_assert_int_eq(
		uploads_list(server.uploads, VIEW_ALL, 0, 0, count_one, &count), 0);
	return count;
}

/* The answer to a POST whose body broke off, which made one upload. */
static void assert_created_broken(int fd, uint64_t kept)
{
	SCOPED(reply_release) struct reply reply = client_receive(fd, "POST");
	const char *offset;

	ck_assert_int_eq(reply.status, 400);
	offset = reply_field(&reply, "Upload-Offset");
	ck_assert_ptr_nonnull(offset);
	ck_assert_uint_eq(strtoull(offset, NULL, 10), kept);
	ck_assert(reply.closes);
	ck_assert_ptr_nonnull(reply_field(&reply, "Location"));
	ck_assert_uint_eq(head_offset(reply.found), kept);
	ck_assert(client_closed(fd));
}

/* Cuts a POST with a body of BODY at each byte. */
static void cut_creations(const char *fields)
{
	SCOPED(scoped_free) char *request = NULL;
	unsigned int created = 0;
	size_t head, total;

	ck_assert_int_ge(asprintf(&request,
				  POST_HEAD PATCH_TYPE
				  "Content-Length: 20\r\n%s\r\n" BODY,
				  fields),
			 0);
	total = strlen(request);
	head = total - strlen(BODY);
	for (size_t cut = 0; cut <= total; cut++) {
		SCOPED(scoped_close) int fd = client_connect(server.port);

		client_send(fd, request, cut);
		shutdown(fd, SHUT_WR);
		if (cut >= head && cut < total) {
			assert_created_broken(fd, cut - head);
		} else {
			SCOPED(reply_release)
			struct reply reply = client_receive(fd, "POST");

			ck_assert_int_eq(reply.status, cut == total ? 201 : 0);
		}
		created += cut >= head;
		ck_assert_uint_eq(count_uploads(), created);
	}
}

START_TEST(a_post_cut_at_any_byte_creates_nothing_or_tells_where)
{
	cut_creations("Upload-Length: 20\r\nUpload-Metadata: a YQ==\r\n");
}
END_TEST

START_TEST(a_post_of_a_larger_upload_cut_at_any_byte_does_so_too)
{
	cut_creations("Upload-Length: 3000000\r\n");
}
END_TEST

START_TEST(a_chunked_creation_that_breaks_off_tells_where)
{
	SCOPED(scoped_close) int fd = client_connect(server.port);

	client_print(fd, POST_HEAD
		     "Upload-Length: 20\r\nTransfer-Encoding: chunked\r\n" PATCH_TYPE
		     "\r\n14\r\nhello");
	shutdown(fd, SHUT_WR);
	assert_created_broken(fd, 5);
}
END_TEST

/* Nobody would learn its URL. */
START_TEST(a_small_creation_whose_client_is_gone_creates_nothing)
{
	int fd = client_connect(server.port);

	client_print(fd,
		     POST_HEAD "Upload-Length: 20\r\nContent-Length: 20\r\n" PATCH_TYPE
			       "\r\nhello");
	while (server_end(fd) < 0)
		usleep(1000);
	assert_alive();
	client_reset(fd);
	server_restart(); /* which waits for its thread */
	ck_assert_uint_eq(count_uploads(), 0);
}
END_TEST

/* In two writes: libmicrohttpd sees the head in two pieces. */
START_TEST(a_request_in_two_pieces_is_one)
{
	size_t head, total = 2;

	for (size_t cut = 1; cut < total; cut++) {
		SCOPED(scoped_free) char *path = create_upload("Upload-Length: 20\r\n");
		SCOPED(scoped_free) char *request = patch_request(path, &head);
		SCOPED(scoped_close) int fd = client_connect(server.port);
		SCOPED(reply_release) struct reply reply = {0};

		total = strlen(request);
		client_send(fd, request, cut);
		assert_alive();
		client_send(fd, request + cut, total - cut);
		reply = client_receive(fd, "PATCH");
		ck_assert_msg(reply.status == 204, "cut at %zu: %d", cut, reply.status);
	}
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		a_fin_at_any_byte_keeps_every_byte_of_the_body,
		a_request_whose_client_half_closes_is_answered,
		a_large_request_whose_client_half_closes_is_answered,
		a_large_body_that_breaks_off_is_kept_to_its_last_byte,
		what_a_client_has_sent_is_seen_while_it_stalls,
		a_chunked_body_that_breaks_off_anywhere_is_answered,
		nothing_of_a_checked_body_that_breaks_off_is_kept,
		a_fast_client_that_stalls_is_read_to_its_last_byte,
		a_rst_at_any_byte_harms_nothing,
		what_was_read_before_a_rst_is_kept,
		a_post_cut_at_any_byte_creates_nothing_or_tells_where,
		a_post_of_a_larger_upload_cut_at_any_byte_does_so_too,
		a_chunked_creation_that_breaks_off_tells_where,
		a_small_creation_whose_client_is_gone_creates_nothing,
		a_request_in_two_pieces_is_one,
	};

	return RUN_TESTS_FOR(tests, server_setup, server_teardown, 150);
}
