#include "run.h"
#include "server.h"

#include "tusfs/digest.h"
#include "tusfs/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHA1_HELLO "sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00="

/* The value of Upload-Checksum for some bytes; the caller frees it. */
static char *checksum_of(const char *name, const void *bytes, size_t size)
{
	uint8_t digest[DIGEST_MAX_BYTES];
	char base64[text_base64_length(DIGEST_MAX_BYTES) + 1];
	enum digest_algorithm algorithm = digest_named(name, strlen(name));
	struct digest *state;
	char *text;

	ck_assert_int_eq(digest_new(algorithm, &state), 0);
	digest_update(state, bytes, size);
	digest_final(state, digest);
	digest_free(state);
	text_to_base64(digest, digest_size(algorithm), base64);
	ck_assert_int_ge(asprintf(&text, "%s %s", name, base64), 0);
	return text;
}

static int patch_with(const char *path, uint64_t offset, const char *checksum,
		      const char *body)
{
	SCOPED(scoped_free) char *fields = NULL;

	ck_assert_int_ge(asprintf(&fields, "Upload-Checksum: %s\r\n", checksum), 0);
	return patch(path, offset, fields, body);
}

START_TEST(a_matching_checksum_of_each_algorithm_is_accepted)
{
	static const char *const names[] = {"sha1", "md5", "crc32", "sha256", "sha512"};

	for (size_t i = 0; i < 5; i++) {
		SCOPED(scoped_free) char *path = create_upload("Upload-Length: 5\r\n");
		SCOPED(scoped_free) char *good = checksum_of(names[i], "hello", 5);
		SCOPED(scoped_free) char *bad = checksum_of(names[i], "jello", 5);

		ck_assert_int_eq(patch_with(path, 0, bad, "hello"), 460);
		ck_assert_uint_eq(head_offset(path), 0);
		ck_assert_int_eq(patch_with(path, 0, good, "hello"), 204);
		assert_content(path, "hello");
	}
}
END_TEST

START_TEST(a_mismatch_leaves_what_was_before)
{
	SCOPED(scoped_free) char *path = create_upload("Upload-Length: 11\r\n");
	SCOPED(reply_release) struct reply reply = {0};

	ck_assert_int_eq(patch_with(path, 0, SHA1_HELLO, "hello"), 204);
	reply = ask("PATCH", path,
		    PATCH_TYPE "Upload-Offset: 5\r\nUpload-Checksum: " SHA1_HELLO
			       "\r\n",
		    " world");
	ck_assert_int_eq(reply.status, 460);
	ck_assert_str_eq(reply_field(&reply, "Upload-Offset"), "5");
	ck_assert_uint_eq(head_offset(path), 5);
	ck_assert_int_eq(patch(path, 5, "", " world"), 204);
	assert_content(path, "hello world");
}
END_TEST

START_TEST(a_malformed_or_unknown_checksum_is_refused)
{
	static const char *const bad[] = {
		"",
		"sha1",
		"sha1 ",
		"sha1  qvTGHdzF6KLavt4PO0gs2a6pQ00=",
		"sha3 qvTGHdzF6KLavt4PO0gs2a6pQ00=",
		"SHA1 qvTGHdzF6KLavt4PO0gs2a6pQ00=",
		"sha1 qvTGHdzF6KLavt4PO0gs2a6pQ0",
		"sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00",
		"sha1 !",
		"sha256 qvTGHdzF6KLavt4PO0gs2a6pQ00=",
		SHA1_HELLO "\r\nUpload-Checksum: " SHA1_HELLO,
	};
	SCOPED(scoped_free) char *path = create_upload("Upload-Length: 5\r\n");

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int status = patch_with(path, 0, bad[i], "hello");

		ck_assert_msg(status == 400, "%s gives %d", bad[i], status);
	}
	ck_assert_uint_eq(head_offset(path), 0);
}
END_TEST

START_TEST(a_checked_body_that_breaks_off_leaves_nothing)
{
	SCOPED(scoped_free) char *path = create_upload("Upload-Length: 5\r\n");
	int fd = client_connect(server.port);

	client_print(fd,
		     PATCH_HEAD
		     "Upload-Offset: 0\r\nContent-Length: 5\r\n"
		     "Upload-Checksum: " SHA1_HELLO "\r\n\r\nhell",
		     path);
	close(fd);
	ck_assert_uint_eq(head_offset(path), 0);
}
END_TEST

START_TEST(a_large_checked_body_is_hashed_as_it_comes)
{
	size_t size = 5 << 20;
	SCOPED(scoped_free) char *body = malloc(size + 1);
	SCOPED(scoped_free) char *path = create_upload("Upload-Length: 5242880\r\n");
	SCOPED(scoped_free) char *good = NULL;

	memset(body, 'x', size);
	body[size] = '\0';
	good = checksum_of("sha256", body, size);
	body[size / 2] = 'y';
	ck_assert_int_eq(patch_with(path, 0, good, body), 460);
	ck_assert_uint_eq(head_offset(path), 0);
	body[size / 2] = 'x';
	ck_assert_int_eq(patch_with(path, 0, good, body), 204);
	assert_content(path, body);
}
END_TEST

START_TEST(a_creation_with_a_body_is_checked_too)
{
	SCOPED(reply_release)
	struct reply reply = ask("POST", "/files/",
				 "Upload-Length: 5\r\n" PATCH_TYPE
				 "Upload-Checksum: " SHA1_HELLO "\r\n",
				 "hello");

	ck_assert_int_eq(reply.status, 201);
	assert_content(reply_field(&reply, "Location"), "hello");
	reply_release(&reply);
	reply = ask("POST", "/files/",
		    "Upload-Length: 5\r\n" PATCH_TYPE "Upload-Checksum: " SHA1_HELLO
		    "\r\n",
		    "jello");
	ck_assert_int_eq(reply.status, 460);
	ck_assert_str_eq(reply_field(&reply, "Upload-Offset"), "0");
	ck_assert_uint_eq(head_offset(reply_field(&reply, "Location")), 0);
}
END_TEST

/* ---- trailers ---- */

static struct reply patch_trailer(const char *path, const char *fields,
				  const char *trailers)
{
	SCOPED(scoped_close) int fd = client_connect(server.port);

	client_print(fd,
		     PATCH_HEAD
		     "Upload-Offset: 0\r\nTransfer-Encoding: chunked\r\n%s\r\n"
		     "2\r\nhe\r\n3\r\nllo\r\n0\r\n%s\r\n",
		     path, fields, trailers);
	return client_receive(fd, "PATCH");
}

static int trailer_status(const char *path, const char *fields, const char *trailers)
{
	SCOPED(reply_release)
	struct reply reply = patch_trailer(path, fields, trailers);

	return reply.status;
}

#define ANNOUNCED "Trailer: Upload-Checksum\r\n"

START_TEST(a_checksum_comes_as_a_trailer)
{
	SCOPED(scoped_free) char *path = create_upload("Upload-Length: 5\r\n");

	ck_assert_int_eq(
		trailer_status(
			path, ANNOUNCED,
			"Upload-Checksum: sha1 qvTGHdzF6KLavt4PO0gs2a6pQ0A=\r\n"),
		460);
	ck_assert_uint_eq(head_offset(path), 0);
	ck_assert_int_eq(trailer_status(path, "Trailer: X, upload-checksum\r\n",
					"X: y\r\nupload-checksum: " SHA1_HELLO
					" \t\r\n"),
			 204);
	assert_content(path, "hello");
}
END_TEST

static void assert_bad_trailer(const char *path, const char *fields,
			       const char *trailers, const char *problem)
{
	SCOPED(reply_release)
	struct reply reply = patch_trailer(path, fields, trailers);

	ck_assert_int_eq(reply.status, 400);
	ck_assert(strncmp(reply.body, "ERR_INVALID_CHECKSUM: ", 22) == 0);
	ck_assert_ptr_nonnull(strstr(reply.body, problem));
	ck_assert_str_eq(reply_field(&reply, "Upload-Offset"), "0");
	ck_assert_uint_eq(head_offset(path), 0);
}

START_TEST(a_trailer_comes_once)
{
	SCOPED(scoped_free) char *path = create_upload("Upload-Length: 5\r\n");
	static const char twice[] =
		"Upload-Checksum: sha1 qvTGHdzF6KLavt4PO0gs2a6pQ0A=\r\n"
		"Upload-Checksum: " SHA1_HELLO "\r\n";

	assert_bad_trailer(path, ANNOUNCED, twice, "more than once");
	assert_bad_trailer(path, "", twice, "more than once");
}
END_TEST

START_TEST(an_announced_trailer_must_come_and_be_well_formed)
{
	SCOPED(scoped_free) char *path = create_upload("Upload-Length: 5\r\n");

	assert_bad_trailer(path, ANNOUNCED, "", "did not come");
	assert_bad_trailer(path, ANNOUNCED, "X: y\r\n", "did not come");
	assert_bad_trailer(path, ANNOUNCED, "Upload-Checksum: sha9 x\r\n", "malformed");
	assert_bad_trailer(path, ANNOUNCED, "Upload-Checksum: sha1\r\n", "malformed");
}
END_TEST

START_TEST(a_trailer_counts_even_if_nothing_announced_it)
{
	SCOPED(scoped_free) char *path = create_upload("Upload-Length: 5\r\n");

	ck_assert_int_eq(
		trailer_status(
			path, "",
			"Upload-Checksum: sha1 AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n"),
		460);
	ck_assert_uint_eq(head_offset(path), 0);
	assert_bad_trailer(path, "", "Upload-Checksum: sha9 x\r\n", "malformed");
	ck_assert_int_eq(
		trailer_status(path, "", "Upload-Checksum: " SHA1_HELLO "\r\n"), 204);
	assert_content(path, "hello");
}
END_TEST

START_TEST(a_checksum_is_header_or_trailer_not_both)
{
	SCOPED(scoped_free) char *path = create_upload("Upload-Length: 5\r\n");

	ck_assert_int_eq(trailer_status(path,
					ANNOUNCED "Upload-Checksum: " SHA1_HELLO "\r\n",
					"Upload-Checksum: " SHA1_HELLO "\r\n"),
			 400);
	ck_assert_int_eq(patch(path, 0, ANNOUNCED, "hello"), 400);
	ck_assert_uint_eq(head_offset(path), 0);
}
END_TEST

/* Where the trailer's first line comes in two pieces, libmicrohttpd shows the last
 * field of the header as a trailer before it. */
START_TEST(a_trailer_counts_wherever_it_is_cut)
{
	const char *trailer = "Upload-Checksum: " SHA1_HELLO "\r\n\r\n";

	for (size_t cut = 0; cut <= strlen(trailer); cut++) {
		SCOPED(scoped_free) char *path = create_upload("Upload-Length: 5\r\n");
		SCOPED(scoped_close) int fd = client_connect(server.port);
		SCOPED(reply_release) struct reply reply = {0};

		client_print(fd,
			     PATCH_HEAD
			     "Upload-Offset: 0\r\n"
			     "Transfer-Encoding: chunked\r\n" ANNOUNCED
			     "\r\n5\r\nhello\r\n0\r\n%.*s",
			     path, (int)cut, trailer);
		/* an answer to another request shows that the first piece was read */
		assert_alive();
		client_print(fd, "%s", trailer + cut);
		reply = client_receive(fd, "PATCH");
		ck_assert_msg(reply.status == 204, "cut at %zu: %d", cut, reply.status);
	}
}
END_TEST

START_TEST(a_body_of_no_bytes_is_checked_in_any_state)
{
	static const char wrong[] = "Upload-Checksum: " SHA1_HELLO "\r\n";
	static const char right[] =
		"Upload-Checksum: sha1 2jmj7l5rSw0yVb/vlWAYkK/YBwk=\r\n";
	SCOPED(scoped_free) char *half = create_upload("Upload-Length: 9\r\n");
	SCOPED(scoped_free) char *complete = create_complete("", "hello");
	SCOPED(scoped_free) char *fields = NULL;
	SCOPED(reply_release) struct reply reply = {0};

	ck_assert_int_eq(patch(half, 0, wrong, ""), 460);
	ck_assert_int_eq(patch(half, 0, right, ""), 204);
	ck_assert_int_eq(patch(complete, 5, right, ""), 204);
	ck_assert_int_eq(patch(complete, 5, wrong, ""), 460);
	ck_assert_int_eq(patch(complete, 4, wrong, ""), 409);
	assert_content(complete, "hello");
	ck_assert_int_ge(asprintf(&fields, "Upload-Length: 5\r\n%s", wrong), 0);
	reply = ask("POST", "/files/", fields, NULL);
	ck_assert_int_eq(reply.status, 460);
	ck_assert_ptr_null(reply_field(&reply, "Location"));
	free(fields);
	ck_assert_int_ge(asprintf(&fields, "Upload-Length: 5\r\n%s", right), 0);
	ck_assert_int_eq(ask_status("POST", "/files/", fields, NULL), 201);
}
END_TEST

/* ---- of the whole file ---- */

START_TEST(a_whole_file_checksum_is_verified_at_the_end)
{
	/* checksum sha1:aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d */
	SCOPED(scoped_free)
	char *path = create_upload(
		"Upload-Length: 5\r\nUpload-Metadata: checksum "
		"c2hhMTphYWY0YzYxZGRjYzVlOGEyZGFiZWRlMGYzYjQ4MmNkOWFlYTk0MzRk\r\n");

	ck_assert_int_eq(patch(path, 0, "", "he"), 204);
	ck_assert_int_eq(patch(path, 2, "", "LLO"), 460);
	ck_assert_uint_eq(head_offset(path), 2);
	ck_assert_int_eq(patch(path, 2, "", "llo"), 204);
	assert_content(path, "hello");
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		a_matching_checksum_of_each_algorithm_is_accepted,
		a_mismatch_leaves_what_was_before,
		a_malformed_or_unknown_checksum_is_refused,
		a_checked_body_that_breaks_off_leaves_nothing,
		a_large_checked_body_is_hashed_as_it_comes,
		a_creation_with_a_body_is_checked_too,
		a_body_of_no_bytes_is_checked_in_any_state,
		a_checksum_comes_as_a_trailer,
		a_trailer_comes_once,
		an_announced_trailer_must_come_and_be_well_formed,
		a_trailer_counts_even_if_nothing_announced_it,
		a_checksum_is_header_or_trailer_not_both,
		a_trailer_counts_wherever_it_is_cut,
		a_whole_file_checksum_is_verified_at_the_end,
	};

	return RUN_TESTS_FOR(tests, server_setup, server_teardown, 150);
}
