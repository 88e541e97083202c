#include "run.h"
#include "server.h"

#include "tusfs/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static struct reply get(const char *path, const char *fields)
{
	return ask("GET", path, fields, NULL);
}

/* The value of a field of GET; the caller frees it. */
static char *field_of(const char *path, const char *name)
{
	SCOPED(reply_release) struct reply reply = get(path, "");
	const char *value = reply_field(&reply, name);

	ck_assert_int_eq(reply.status, 200);
	return value ? strdup(value) : NULL;
}

/* An upload of 20,000 bytes, which is a blob, "0123456789" again and again. */
static char *create_digits(void)
{
	char text[20001];

	for (size_t i = 0; i < 20000; i++)
		text[i] = (char)('0' + i % 10);
	text[20000] = '\0';
	return create_complete("", text);
}

static void assert_range(const char *path, const char *range, const char *content_range,
			 const char *body)
{
	SCOPED(scoped_free) char *fields = NULL;
	SCOPED(reply_release) struct reply reply = {0};

	ck_assert_int_ge(asprintf(&fields, "Range: %s\r\n", range), 0);
	reply = get(path, fields);
	ck_assert_int_eq(reply.status, 206);
	ck_assert_str_eq(reply_field(&reply, "Content-Range"), content_range);
	ck_assert_str_eq(reply.body, body);
}

START_TEST(a_range_gives_a_part)
{
	SCOPED(scoped_free) char *small = create_complete("", "0123456789");
	SCOPED(scoped_free) char *large = create_digits();

	assert_range(small, "bytes=2-4", "bytes 2-4/10", "234");
	assert_range(small, "bytes=7-", "bytes 7-9/10", "789");
	assert_range(small, "bytes=-2", "bytes 8-9/10", "89");
	assert_range(small, "bytes=5-5000", "bytes 5-9/10", "56789");
	assert_range(large, "bytes=10002-10004", "bytes 10002-10004/20000", "234");
	assert_range(large, "bytes=-3", "bytes 19997-19999/20000", "789");
}
END_TEST

START_TEST(a_get_that_expects_100_continue_has_its_body_all_the_same)
{
	SCOPED(scoped_free) char *path = create_complete("", "0123456789");
	SCOPED(reply_release)
	struct reply reply = get(path, "Expect: 100-continue\r\n");

	ck_assert_int_eq(reply.status, 200);
	ck_assert_str_eq(reply.body, "0123456789");
}
END_TEST

START_TEST(several_or_odd_ranges_give_the_whole)
{
	static const char *const ranges[] = {"bytes=0-1,3-4", "lines=1-2", "bytes=x",
					     "bytes=4-2", ""};
	SCOPED(scoped_free) char *path = create_complete("", "0123456789");

	for (size_t i = 0; i < 5; i++) {
		SCOPED(scoped_free) char *fields = NULL;
		SCOPED(reply_release) struct reply reply = {0};

		ck_assert_int_ge(asprintf(&fields, "Range: %s\r\n", ranges[i]), 0);
		reply = get(path, fields);
		ck_assert_int_eq(reply.status, 200);
		ck_assert_str_eq(reply.body, "0123456789");
		ck_assert_str_eq(reply_field(&reply, "Accept-Ranges"), "bytes");
	}
}
END_TEST

START_TEST(a_range_past_the_end_is_416)
{
	SCOPED(scoped_free) char *path = create_complete("", "0123456789");
	SCOPED(reply_release) struct reply reply = get(path, "Range: bytes=10-\r\n");

	ck_assert_int_eq(reply.status, 416);
	ck_assert_str_eq(reply_field(&reply, "Content-Range"), "bytes */10");
}
END_TEST

START_TEST(an_unchanged_file_is_not_sent_again)
{
	SCOPED(scoped_free) char *path = create_complete("", "hello");
	SCOPED(scoped_free) char *etag = field_of(path, "ETag");
	SCOPED(scoped_free) char *modified = field_of(path, "Last-Modified");
	SCOPED(scoped_free) char *fields = NULL;
	SCOPED(scoped_free) char *since = NULL;
	SCOPED(scoped_free) char *both = NULL;
	SCOPED(reply_release) struct reply reply = {0};

	ck_assert_int_eq(etag[0], '"');
	ck_assert_int_ge(asprintf(&fields,
				  "If-None-Match: \"x\"\r\n"
				  "If-None-Match: W/%s\r\n",
				  etag),
			 0);
	ck_assert_int_ge(asprintf(&since, "If-Modified-Since: %s\r\n", modified), 0);
	ck_assert_int_ge(asprintf(&both, "If-None-Match: \"x\"\r\n%s", since), 0);
	reply = get(path, fields);
	ck_assert_int_eq(reply.status, 304);
	ck_assert_str_eq(reply_field(&reply, "ETag"), etag);
	ck_assert(!reply_field(&reply, "Content-Length") ||
		  strcmp(reply_field(&reply, "Content-Length"), "5") == 0);
	ck_assert(!reply.closes);
	ck_assert_int_eq(ask_status("GET", path, since, NULL), 304);
	ck_assert_int_eq(ask_status("GET", path, both, NULL), 200);
	ck_assert_int_eq(ask_status("GET", path, "If-None-Match: *\r\n", NULL), 304);
	ck_assert_int_eq(
		ask_status("GET", path,
			   "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
			   NULL),
		200);
	ck_assert_int_eq(
		ask_status("GET", path, "If-Modified-Since: yesterday\r\n", NULL), 200);
}
END_TEST

/* A GET with two such lines, or one. */
static int status_if(const char *path, const char *first, const char *second)
{
	SCOPED(scoped_free) char *fields = NULL;

	ck_assert_int_ge(
		asprintf(&fields, "%s\r\n%s%s", first, second, *second ? "\r\n" : ""),
		0);
	return ask_status("GET", path, fields, NULL);
}

START_TEST(another_file_than_expected_is_not_sent)
{
	static const char before[] =
		"If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT";
	SCOPED(scoped_free) char *path = create_complete("", "hello");
	SCOPED(scoped_free) char *etag = field_of(path, "ETag");
	SCOPED(scoped_free) char *modified = field_of(path, "Last-Modified");
	SCOPED(scoped_free) char *is = NULL, *weak = NULL, *since = NULL, *none = NULL;

	ck_assert_int_ge(asprintf(&is, "If-Match: \"x\", %s", etag), 0);
	ck_assert_int_ge(asprintf(&weak, "If-Match: W/%s", etag), 0);
	ck_assert_int_ge(asprintf(&since, "If-Unmodified-Since: %s", modified), 0);
	ck_assert_int_ge(asprintf(&none, "If-None-Match: %s", etag), 0);
	ck_assert_int_eq(status_if(path, is, ""), 200);
	ck_assert_int_eq(status_if(path, "If-Match: *", ""), 200);
	ck_assert_int_eq(status_if(path, "If-Match: \"x\"", ""), 412);
	ck_assert_int_eq(status_if(path, weak, ""), 412);
	ck_assert_int_eq(status_if(path, since, ""), 200);
	ck_assert_int_eq(status_if(path, before, ""), 412);
	ck_assert_int_eq(status_if(path, "If-Unmodified-Since: yesterday", ""), 200);
	/* the tag wins over the date; a failed condition over "not modified" */
	ck_assert_int_eq(status_if(path, is, before), 200);
	ck_assert_int_eq(status_if(path, is, none), 304);
	ck_assert_int_eq(status_if(path, "If-Match: \"x\"", none), 412);
	ck_assert_int_eq(status_if(path, before, none), 412);
	ck_assert_int_eq(status_if(path, "If-Match: \"x\"", "Range: bytes=9-"), 412);
}
END_TEST

START_TEST(an_unfinished_file_is_only_expected_by_a_star)
{
	SCOPED(scoped_free) char *path = NULL;

	server.config.serve_unfinished = true;
	server_restart();
	path = create_upload("Upload-Length: 10\r\n");
	ck_assert_int_eq(patch(path, 0, "", "hello"), 204);
	ck_assert_int_eq(status_if(path, "If-Match: *", ""), 200);
	ck_assert_int_eq(status_if(path, "If-Match: \"\"", ""), 412);
	ck_assert_int_eq(status_if(path,
				   "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
				   ""),
			 200);
}
END_TEST

static int ranged_if(const char *path, const char *condition)
{
	SCOPED(scoped_free) char *fields = NULL;

	ck_assert_int_ge(
		asprintf(&fields, "Range: bytes=1-2\r\nIf-Range: %s\r\n", condition),
		0);
	return ask_status("GET", path, fields, NULL);
}

START_TEST(a_part_is_given_only_of_the_same_file)
{
	SCOPED(scoped_free) char *path = create_complete("", "hello");
	SCOPED(scoped_free) char *etag = field_of(path, "ETag");
	SCOPED(scoped_free) char *modified = field_of(path, "Last-Modified");
	SCOPED(scoped_free) char *weak = NULL;

	ck_assert_int_ge(asprintf(&weak, "W/%s", etag), 0);
	ck_assert_int_eq(ranged_if(path, etag), 206);
	ck_assert_int_eq(ranged_if(path, modified), 206);
	ck_assert_int_eq(ranged_if(path, weak), 200);
	ck_assert_int_eq(ranged_if(path, "\"other\""), 200);
	ck_assert_int_eq(ranged_if(path, "Sun, 06 Nov 1994 08:49:37 GMT"), 200);
}
END_TEST

static void assert_type(const char *metadata, const char *type, const char *disposition)
{
	SCOPED(scoped_free) char *fields = NULL;
	SCOPED(scoped_free) char *path = NULL;
	SCOPED(reply_release) struct reply reply = {0};
	const char *value;

	ck_assert_int_ge(asprintf(&fields, "Upload-Metadata: %s\r\n", metadata), 0);
	path = create_complete(fields, "hello");
	reply = get(path, "");
	ck_assert_str_eq(reply_field(&reply, "Content-Type"), type);
	ck_assert_str_eq(reply_field(&reply, "X-Content-Type-Options"), "nosniff");
	value = reply_field(&reply, "Content-Disposition");
	ck_assert_msg(strncmp(value, disposition, strlen(disposition)) == 0, "%s",
		      value);
}

START_TEST(only_inert_types_are_shown_in_place)
{
	assert_type("filetype aW1hZ2UvcG5n", "image/png", "inline;");
	assert_type("type dGV4dC9wbGFpbjsgY2hhcnNldD11dGYtOA==",
		    "text/plain; charset=utf-8", "inline;");
	assert_type("filetype dGV4dC9odG1s", "text/html", "attachment;");
	assert_type("filetype aW1hZ2Uvc3ZnK3htbA==", "image/svg+xml", "attachment;");
	assert_type("a YQ==", "application/octet-stream", "attachment;");
}
END_TEST

START_TEST(metadata_cannot_inject_into_the_header)
{
	/* text/plain CR LF X-Injected: 1 */
	assert_type("filetype dGV4dC9wbGFpbg0KWC1JbmplY3RlZDogMQ==",
		    "application/octet-stream", "attachment;");
	/* text/plain NUL x */
	assert_type("filetype dGV4dC9wbGFpbgB4", "application/octet-stream",
		    "attachment;");
	/* a" CR LF X-Injected: 1 .txt */
	{
		SCOPED(scoped_free)
		char *path = create_complete(
			"Upload-Metadata: filename "
			"YSINClgtSW5qZWN0ZWQ6IDEudHh0\r\n",
			"hello");
		SCOPED(reply_release) struct reply reply = get(path, "");

		ck_assert_int_eq(reply.status, 200);
		ck_assert_ptr_null(reply_field(&reply, "X-Injected"));
		ck_assert_ptr_nonnull(strstr(reply_field(&reply, "Content-Disposition"),
					     "filename=\"a_"));
	}
}
END_TEST

START_TEST(the_name_is_given_in_utf_8)
{
	SCOPED(scoped_free)
	char *path = create_complete("Upload-Metadata: filename w6TigqwudHh0\r\n", "x");
	SCOPED(scoped_free) char *value = field_of(path, "Content-Disposition");

	ck_assert_str_eq(value,
			 "attachment; filename=\"__.txt\"; "
			 "filename*=UTF-8''%C3%A4%E2%82%AC.txt");
}
END_TEST

/* It is computed in the background: asks until it is there. The caller frees it. */
static char *digest_of(const char *path)
{
	int64_t patience = clock_monotonic() + 30 * CLOCK_SECOND;
	char *digest;

	do
		digest = field_of(path, "Repr-Digest");
	while (!digest && clock_monotonic() < patience);
	ck_assert_ptr_nonnull(digest);
	return digest;
}

START_TEST(the_digest_of_the_whole_is_told)
{
	SCOPED(scoped_free) char *small = create_complete("", "hello");
	SCOPED(scoped_free) char *large = create_digits();
	SCOPED(scoped_free) char *of_small = digest_of(small);
	SCOPED(scoped_free) char *of_large = digest_of(large);

	ck_assert_str_eq(of_small,
			 "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:");
	ck_assert_str_eq(of_large,
			 "sha-256=:Nw5xVBA2uGLuTnuYXikjZiUMWGsAvA8uuY+IBne6/Dw=:");
}
END_TEST

/* A text of `size` digits; the caller frees it. */
static char *digits(size_t size, size_t seed)
{
	char *text = malloc(size + 1);

	ck_assert_ptr_nonnull(text);
	for (size_t i = 0; i < size; i++)
		text[i] = (char)('0' + (i * i / 7 + seed) % 10);
	text[size] = '\0';
	return text;
}

START_TEST(a_large_final_is_sent_out_of_the_blobs_of_its_parts)
{
	enum { A = 1500000, B = 7, C = 900000 };
	SCOPED(scoped_free) char *a = digits(A, 1);
	SCOPED(scoped_free) char *b = digits(B, 2);
	SCOPED(scoped_free) char *c = digits(C, 3);
	SCOPED(scoped_free) char *whole = NULL;
	SCOPED(scoped_free)
	char *first = create_complete("Upload-Concat: partial\r\n", a);
	SCOPED(scoped_free)
	char *second = create_complete("Upload-Concat: partial\r\n", b);
	SCOPED(scoped_free)
	char *third = create_complete("Upload-Concat: partial\r\n", c);
	SCOPED(scoped_free) char *fields = NULL;
	SCOPED(scoped_free) char *path = NULL;
	SCOPED(reply_release) struct reply all = {0}, middle = {0}, small = {0};
	SCOPED(reply_release) struct reply head = {0};
	SCOPED(scoped_close) int fd = client_connect(server.port);

	ck_assert_int_ge(asprintf(&whole, "%s%s%s", a, b, c), 0);
	ck_assert_int_ge(asprintf(&fields, "Upload-Concat: final;%s %s %s\r\n", first,
				  second, third),
			 0);
	path = create_upload(fields);
	all = get(path, "");
	ck_assert_int_eq(all.status, 200);
	ck_assert_uint_eq(all.size, A + B + C);
	ck_assert_mem_eq(all.body, whole, A + B + C);
	ck_assert(all.closes);
	middle = get(path, "Range: bytes=400000-2300000\r\n");
	ck_assert_int_eq(middle.status, 206);
	ck_assert_uint_eq(middle.size, 1900001);
	ck_assert_mem_eq(middle.body, whole + 400000, 1900001);
	small = get(path, "Range: bytes=1499990-1500020\r\n");
	ck_assert_int_eq(small.status, 206);
	ck_assert_mem_eq(small.body, whole + 1499990, 31);
	ck_assert(!small.closes);
	head = client_ask_on(fd, "HEAD", path, "X-HTTP-Method-Override: GET\r\n", NULL);
	ck_assert_int_eq(head.status, 200);
	ck_assert(client_closed(fd)); /* and no byte came before */
}
END_TEST

START_TEST(an_unfinished_upload_is_not_there)
{
	SCOPED(scoped_free) char *path = create_upload("Upload-Length: 10\r\n");

	ck_assert_int_eq(patch(path, 0, "", "hello"), 204);
	ck_assert_int_eq(ask_status("GET", path, "", NULL), 404);
}
END_TEST

START_TEST(an_unfinished_upload_is_served_on_request)
{
	SCOPED(scoped_free) char *path = create_upload("Upload-Length: 10\r\n");
	SCOPED(reply_release) struct reply reply = {0};

	server.config.serve_unfinished = true;
	server_restart();
	ck_assert_int_eq(patch(path, 0, "", "hello"), 204);
	reply = get(path, "");
	ck_assert_int_eq(reply.status, 200);
	ck_assert_str_eq(reply.body, "hello");
	ck_assert_str_eq(reply_field(&reply, "Cache-Control"), "no-store");
	ck_assert_ptr_null(reply_field(&reply, "ETag"));
	assert_range(path, "bytes=1-2", "bytes 1-2/*", "el");
	ck_assert_int_eq(patch(path, 5, "", "world"), 204);
	assert_content(path, "helloworld");
}
END_TEST

START_TEST(a_get_with_a_body_is_refused)
{
	SCOPED(scoped_free) char *path = create_complete("", "hello");

	ck_assert_int_eq(ask_status("GET", path, "", "x"), 400);
	assert_content(path, "hello");
}
END_TEST

/* Far more than the socket buffers hold is still to be sent when the upload goes. */
START_TEST(a_download_survives_the_end_of_its_upload)
{
	size_t size = 48 << 20;
	SCOPED(scoped_free) char *body = malloc(size + 1);
	SCOPED(scoped_free) char *path = NULL;
	SCOPED(scoped_close) int fd = client_connect(server.port);
	SCOPED(reply_release) struct reply reply = {0};

	memset(body, 'x', size);
	body[size] = '\0';
	path = create_complete("", body);
	client_print(fd, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
	ck_assert_int_eq(recv(fd, body, 9, MSG_PEEK | MSG_WAITALL), 9);
	ck_assert_int_eq(ask_status("DELETE", path, "", NULL), 204);
	ck_assert_int_eq(ask_status("GET", path, "", NULL), 410);
	reply = client_receive(fd, "GET");
	ck_assert_uint_eq(reply.size, size);
	ck_assert_uint_eq(strspn(reply.body, "x"), size);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		a_get_that_expects_100_continue_has_its_body_all_the_same,
		a_range_gives_a_part,
		several_or_odd_ranges_give_the_whole,
		a_range_past_the_end_is_416,
		an_unchanged_file_is_not_sent_again,
		another_file_than_expected_is_not_sent,
		an_unfinished_file_is_only_expected_by_a_star,
		a_part_is_given_only_of_the_same_file,
		only_inert_types_are_shown_in_place,
		metadata_cannot_inject_into_the_header,
		the_name_is_given_in_utf_8,
		the_digest_of_the_whole_is_told,
		a_large_final_is_sent_out_of_the_blobs_of_its_parts,
		an_unfinished_upload_is_not_there,
		an_unfinished_upload_is_served_on_request,
		a_get_with_a_body_is_refused,
		a_download_survives_the_end_of_its_upload,
	};

	return RUN_TESTS_FOR(tests, server_setup, server_teardown, 150);
}
