#include "run.h"
#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *create_part(const char *content)
{
	return create_complete("Upload-Concat: partial\r\n", content);
}

/* "Upload-Concat: final;A B", with more fields behind; the caller frees it. */
static char *final_of(const char *a, const char *b, const char *more)
{
	char *fields;

	ck_assert_int_ge(
		asprintf(&fields, "Upload-Concat: final;%s %s\r\n%s", a, b, more), 0);
	return fields;
}

static int final_status(const char *a, const char *b)
{
	SCOPED(scoped_free) char *fields = final_of(a, b, "");

	return ask_status("POST", "/files/", fields, NULL);
}

START_TEST(a_final_is_its_parts_in_order)
{
	SCOPED(scoped_free) char *a = create_part("hello");
	SCOPED(scoped_free) char *b = create_part(" world");
	SCOPED(scoped_free) char *fields = final_of(a, b, "");
	SCOPED(scoped_free) char *path = create_upload(fields);
	SCOPED(reply_release) struct reply reply = ask("HEAD", path, "", NULL);

	assert_content(path, "hello world");
	ck_assert_int_eq(reply.status, 200);
	ck_assert_str_eq(reply_field(&reply, "Upload-Length"), "11");
	ck_assert_str_eq(reply_field(&reply, "Upload-Offset"), "11");
	fields[strlen(fields) - 2] = '\0';
	ck_assert_str_eq(reply_field(&reply, "Upload-Concat"), fields + 15);
}
END_TEST

START_TEST(a_part_says_that_it_is_one)
{
	SCOPED(scoped_free) char *a = create_part("hello");
	SCOPED(reply_release) struct reply reply = ask("HEAD", a, "", NULL);

	ck_assert_str_eq(reply_field(&reply, "Upload-Concat"), "partial");
	ck_assert_str_eq(reply_field(&reply, "Upload-Offset"), "5");
	assert_content(a, "hello");
}
END_TEST

START_TEST(a_part_can_be_used_twice_and_in_several_finals)
{
	SCOPED(scoped_free) char *a = create_part("ab");
	SCOPED(scoped_free) char *b = create_part("cd");
	SCOPED(scoped_free) char *twice = final_of(a, a, "");
	SCOPED(scoped_free) char *other = final_of(b, a, "");
	SCOPED(scoped_free) char *first = create_upload(twice);
	SCOPED(scoped_free) char *second = create_upload(other);

	assert_content(first, "abab");
	assert_content(second, "cdab");
}
END_TEST

START_TEST(parts_are_named_by_absolute_urls_too)
{
	SCOPED(scoped_free) char *a = create_part("ab");
	SCOPED(scoped_free) char *b = create_part("cd");
	SCOPED(scoped_free) char *url = NULL;
	SCOPED(scoped_free) char *fields = NULL;
	SCOPED(scoped_free) char *path = NULL;

	ck_assert_int_ge(asprintf(&url, "https://tus.example:8443/behind%s", a), 0);
	fields = final_of(url, b, "");
	path = create_upload(fields);
	assert_content(path, "abcd");
}
END_TEST

START_TEST(a_final_takes_no_bytes_and_no_length)
{
	SCOPED(scoped_free) char *a = create_part("ab");
	SCOPED(scoped_free) char *fields = final_of(a, a, "");
	SCOPED(scoped_free) char *with_length = final_of(a, a, "Upload-Length: 4\r\n");
	SCOPED(scoped_free)
	char *deferred = final_of(a, a, "Upload-Defer-Length: 1\r\n");
	SCOPED(scoped_free) char *with_body = final_of(a, a, PATCH_TYPE);
	SCOPED(scoped_free) char *path = create_upload(fields);

	ck_assert_int_eq(patch(path, 4, "", "x"), 403);
	ck_assert_int_eq(patch(path, 0, "", ""), 403);
	assert_content(path, "abab");
	ck_assert_int_eq(ask_status("POST", "/files/", with_length, NULL), 400);
	ck_assert_int_eq(ask_status("POST", "/files/", deferred, NULL), 400);
	ck_assert_int_eq(ask_status("POST", "/files/", with_body, "x"), 400);
}
END_TEST

START_TEST(what_is_no_part_is_refused)
{
	SCOPED(scoped_free) char *a = create_part("ab");
	SCOPED(scoped_free) char *plain = create_complete("", "cd");
	SCOPED(scoped_free) char *fields = final_of(a, a, "");
	SCOPED(scoped_free) char *final = create_upload(fields);

	ck_assert_int_eq(final_status(a, plain), 400);
	ck_assert_int_eq(final_status(a, final), 400);
	ck_assert_int_eq(final_status(a, "/files/0123456789abcdef0123456789abcdef"),
			 400);
	ck_assert_int_eq(final_status(a, "/files/../etc/passwd"), 400);
	ck_assert_int_eq(final_status(a, "/other/0123456789abcdef0123456789abcdef"),
			 400);
	ck_assert_int_eq(final_status(a, "x"), 400);
	ck_assert_int_eq(ask_status("DELETE", a, "", NULL), 204);
	ck_assert_int_eq(final_status(a, a), 400);
}
END_TEST

START_TEST(a_malformed_concat_is_refused)
{
	static const char *const bad[] = {"",	     "Partial",	  "final",
					  "final;",  "final; ",	  "partial;/files/x",
					  "final;;", "something", "final:/files/x"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		SCOPED(scoped_free) char *fields = NULL;
		int status;

		ck_assert_int_ge(asprintf(&fields, "Upload-Concat: %s\r\n", bad[i]), 0);
		status = ask_status("POST", "/files/", fields, NULL);
		ck_assert_msg(status == 400, "%s gives %d", bad[i], status);
	}
}
END_TEST

START_TEST(a_final_can_come_before_its_parts_are_whole)
{
	SCOPED(scoped_free)
	char *a = create_upload("Upload-Concat: partial\r\nUpload-Length: 2\r\n");
	SCOPED(scoped_free)
	char *b = create_upload("Upload-Concat: partial\r\nUpload-Length: 2\r\n");
	SCOPED(scoped_free) char *fields = final_of(a, b, "");
	SCOPED(scoped_free) char *path = create_upload(fields);
	SCOPED(reply_release) struct reply reply = ask("HEAD", path, "", NULL);

	ck_assert_int_eq(reply.status, 200);
	ck_assert_ptr_null(reply_field(&reply, "Upload-Offset"));
	ck_assert_str_eq(reply_field(&reply, "Upload-Length"), "4");
	ck_assert_int_eq(ask_status("GET", path, "", NULL), 404);
	ck_assert_int_eq(patch(b, 0, "", "cd"), 204);
	ck_assert_int_eq(ask_status("GET", path, "", NULL), 404);
	ck_assert_int_eq(patch(a, 0, "", "ab"), 204);
	assert_content(path, "abcd");
}
END_TEST

START_TEST(a_final_stays_whole_without_its_parts)
{
	SCOPED(scoped_free) char *a = create_part("ab");
	SCOPED(scoped_free) char *b = create_part("cd");
	SCOPED(scoped_free) char *fields = final_of(a, b, "");
	SCOPED(scoped_free) char *path = create_upload(fields);

	ck_assert_int_eq(ask_status("DELETE", a, "", NULL), 204);
	ck_assert_int_eq(ask_status("DELETE", b, "", NULL), 204);
	assert_content(path, "abcd");
}
END_TEST

START_TEST(only_the_finals_own_metadata_counts)
{
	SCOPED(scoped_free)
	char *a = create_complete(
		"Upload-Concat: partial\r\n"
		"Upload-Metadata: filename YQ==\r\n",
		"ab");
	SCOPED(scoped_free)
	char *fields = final_of(a, a, "Upload-Metadata: filename Yg==\r\n");
	SCOPED(scoped_free) char *bare_fields = final_of(a, a, "");
	SCOPED(scoped_free) char *path = create_upload(fields);
	SCOPED(scoped_free) char *bare = create_upload(bare_fields);
	SCOPED(reply_release) struct reply reply = ask("HEAD", path, "", NULL);

	ck_assert_str_eq(reply_field(&reply, "Upload-Metadata"), "filename Yg==");
	reply_release(&reply);
	reply = ask("HEAD", bare, "", NULL);
	ck_assert_ptr_null(reply_field(&reply, "Upload-Metadata"));
}
END_TEST

START_TEST(a_repeated_final_is_the_one_that_was_made)
{
	SCOPED(scoped_free) char *a = create_part("ab");
	SCOPED(scoped_free) char *b = create_part("cd");
	SCOPED(scoped_free) char *fields = final_of(a, b, "");
	SCOPED(scoped_free) char *swapped = final_of(b, a, "");
	SCOPED(scoped_free) char *first = create_upload(fields);
	SCOPED(scoped_free) char *again = create_upload(fields);
	SCOPED(scoped_free) char *other = create_upload(swapped);

	ck_assert_str_eq(first, again);
	ck_assert_str_ne(first, other);
}
END_TEST

/* Large parts, so that the bytes come from several blobs. */
START_TEST(a_final_of_several_blobs_is_sent_whole_and_in_part)
{
	size_t half = 100000;
	SCOPED(scoped_free) char *text = malloc(2 * half + 1);
	SCOPED(scoped_free) char *a = NULL;
	SCOPED(scoped_free) char *b = NULL;
	SCOPED(scoped_free) char *fields = NULL;
	SCOPED(scoped_free) char *path = NULL;
	SCOPED(reply_release) struct reply reply = {0};

	memset(text, 'b', 2 * half);
	text[2 * half] = '\0';
	b = create_part(text + half);
	memset(text, 'a', half);
	text[half] = '\0';
	a = create_part(text);
	text[half] = 'b';
	fields = final_of(a, b, "");
	path = create_upload(fields);
	assert_content(path, text);
	reply = ask("GET", path, "Range: bytes=99998-100001\r\n", NULL);
	ck_assert_int_eq(reply.status, 206);
	ck_assert_str_eq(reply.body, "aabb");
	reply_release(&reply);
	reply = ask("GET", path, "Range: bytes=100001-100003\r\n", NULL);
	ck_assert_str_eq(reply.body, "bbb");
}
END_TEST

START_TEST(a_thousand_parts_go_into_one_request)
{
	SCOPED(scoped_free) char *fields = malloc(100000);
	SCOPED(scoped_free) char *parts[3] = {NULL};
	SCOPED(scoped_free) char *path = NULL;
	SCOPED(reply_release) struct reply reply = {0};
	size_t n = snprintf(fields, 100, "Upload-Concat: final;");

	for (int i = 0; i < 3; i++)
		parts[i] = create_part(i == 0 ? "a" : i == 1 ? "b" : "c");
	for (int i = 0; i < 1000; i++)
		n += snprintf(fields + n, 100, "%s%s", i ? " " : "", parts[i % 3]);
	snprintf(fields + n, 100, "\r\n");
	path = create_upload(fields);
	reply = ask("GET", path, "", NULL);
	ck_assert_uint_eq(reply.size, 1000);
	for (size_t i = 0; i < 1000; i++)
		ck_assert_int_eq(reply.body[i], "abc"[i % 3]);
	reply_release(&reply);
	reply = ask("HEAD", path, "", NULL);
	fields[n] = '\0';
	ck_assert_str_eq(reply_field(&reply, "Upload-Concat"), fields + 15);
	free(parts[1]);
	free(parts[2]);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		a_final_is_its_parts_in_order,
		a_part_says_that_it_is_one,
		a_part_can_be_used_twice_and_in_several_finals,
		parts_are_named_by_absolute_urls_too,
		a_final_takes_no_bytes_and_no_length,
		what_is_no_part_is_refused,
		a_malformed_concat_is_refused,
		a_final_can_come_before_its_parts_are_whole,
		a_final_stays_whole_without_its_parts,
		only_the_finals_own_metadata_counts,
		a_repeated_final_is_the_one_that_was_made,
		a_final_of_several_blobs_is_sent_whole_and_in_part,
		a_thousand_parts_go_into_one_request,
	};

	return RUN_TESTS_FOR(tests, server_setup, server_teardown, 150);
}
