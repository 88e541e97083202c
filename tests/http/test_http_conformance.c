/* Sentences of tus 1.0.0 that no other test holds: see docs/CONFORMANCE.md. */
#include "run.h"
#include "server.h"

#include "tusfs/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNKNOWN "/files/0123456789abcdef0123456789abcdef"

struct question {
	const char *method;
	const char *path; /* NULL: of an upload */
	const char *fields;
	const char *body;
	int status;
};

START_TEST(every_answer_tells_the_version)
{
	static const struct question questions[] = {
		{"OPTIONS", "/files/", "-", NULL, 204},
		{"POST", "/files/", "Upload-Length: 1\r\n", NULL, 201},
		{"POST", "/files/", "", NULL, 400},
		{"POST", "/files/", "-", NULL, 412},
		{"HEAD", NULL, "", NULL, 200},
		{"HEAD", UNKNOWN, "", NULL, 404},
		{"GET", UNKNOWN, "-", NULL, 404},
		{"PUT", NULL, "", NULL, 405},
		{"PATCH", NULL, "Upload-Offset: 0\r\n", "a", 415},
		{"PATCH", NULL, PATCH_TYPE, "a", 400},
		{"PATCH", NULL, PATCH_TYPE "Upload-Offset: 7\r\n", "a", 409},
		{"PATCH", NULL, PATCH_TYPE "Upload-Offset: 0\r\n", "too long", 413},
		{"PATCH", NULL, PATCH_TYPE "Upload-Offset: 0\r\n", "abc", 204},
		{"GET", NULL, "", NULL, 200},
		{"DELETE", NULL, "", NULL, 204},
		{"DELETE", NULL, "", NULL, 410},
	};
	SCOPED(scoped_free) char *path = create_upload("Upload-Length: 3\r\n");

	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		const struct question *q = &questions[i];
		SCOPED(reply_release)
		struct reply reply =
			ask(q->method, q->path ? q->path : path, q->fields, q->body);
		const char *version = reply_field(&reply, "Tus-Resumable");

		ck_assert_msg(reply.status == q->status, "%zu: %d", i, reply.status);
		ck_assert_msg(version && strcmp(version, "1.0.0") == 0, "%zu", i);
	}
}
END_TEST

START_TEST(an_unknown_upload_is_not_found_by_any_method)
{
	ck_assert_int_eq(patch(UNKNOWN, 0, "", "a"), 404);
	ck_assert_int_eq(ask_status("HEAD", UNKNOWN, "", NULL), 404);
	ck_assert_int_eq(ask_status("GET", UNKNOWN, "", NULL), 404);
	ck_assert_int_eq(ask_status("DELETE", UNKNOWN, "", NULL), 404);
}
END_TEST

START_TEST(head_always_tells_the_offset)
{
	SCOPED(scoped_free) char *new = create_upload("Upload-Length: 3\r\n");
	SCOPED(scoped_free) char *complete = create_complete("", "abc");

	ck_assert_uint_eq(head_offset(new), 0);
	ck_assert_uint_eq(head_offset(complete), 3);
}
END_TEST

START_TEST(every_answer_to_patch_tells_when_the_upload_expires)
{
	static const struct question questions[] = {
		{.fields = "Upload-Offset: 0\r\n", .status = 415},
		{.fields = PATCH_TYPE, .status = 400},
		{.fields = PATCH_TYPE "Upload-Offset: 1\r\n", .status = 409},
		{.fields = PATCH_TYPE "Upload-Offset: 0\r\nContent-Length: 9\r\n"
				      "Expect: 100-continue\r\n",
		 .status = 413},
		{.fields = PATCH_TYPE "Upload-Offset: 0\r\nUpload-Checksum: sha1 "
				      "qvTGHdzF6KLavt4PO0gs2a6pQ00=\r\n",
		 .status = 460},
		{.fields = PATCH_TYPE "Upload-Offset: 0\r\n", .status = 204},
	};
	SCOPED(scoped_free) char *path = NULL;

	server.engine.expire_after = 3600 * CLOCK_SECOND;
	server_restart();
	path = create_upload("Upload-Length: 3\r\n");
	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		const struct question *q = &questions[i];
		bool sized = strstr(q->fields, "Content-Length");
		SCOPED(reply_release)
		struct reply reply = ask("PATCH", path, q->fields, sized ? NULL : "a");

		ck_assert_msg(reply.status == q->status, "%zu: %d", i, reply.status);
		ck_assert_ptr_nonnull(reply_field(&reply, "Upload-Expires"));
	}
}
END_TEST

START_TEST(a_patch_of_a_final_changes_neither_it_nor_its_parts)
{
	SCOPED(scoped_free)
	char *a = create_complete("Upload-Concat: partial\r\n", "ab");
	SCOPED(scoped_free)
	char *b = create_upload("Upload-Concat: partial\r\nUpload-Length: 2\r\n");
	SCOPED(scoped_free) char *fields = NULL;
	SCOPED(scoped_free) char *final = NULL;

	ck_assert_int_ge(asprintf(&fields, "Upload-Concat: final;%s %s\r\n", a, b), 0);
	final = create_upload(fields);
	ck_assert_int_eq(patch(final, 2, "", "xy"), 403);
	ck_assert_uint_eq(head_offset(b), 0);
	ck_assert_int_eq(patch(b, 0, "", "cd"), 204);
	ck_assert_int_eq(patch(final, 4, "", "xy"), 403);
	assert_content(a, "ab");
	assert_content(b, "cd");
	assert_content(final, "abcd");
}
END_TEST

START_TEST(a_length_once_declared_is_not_declared_again)
{
	SCOPED(scoped_free) char *path = create_upload("Upload-Defer-Length: 1\r\n");

	ck_assert_int_eq(patch(path, 0, "Upload-Length: 3\r\n", "a"), 204);
	ck_assert_int_eq(patch(path, 1, "Upload-Length: 4\r\n", "b"), 400);
	ck_assert_int_eq(patch(path, 1, "", "bc"), 204);
	assert_content(path, "abc");
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		every_answer_tells_the_version,
		an_unknown_upload_is_not_found_by_any_method,
		head_always_tells_the_offset,
		every_answer_to_patch_tells_when_the_upload_expires,
		a_patch_of_a_final_changes_neither_it_nor_its_parts,
		a_length_once_declared_is_not_declared_again,
	};

	return RUN_TESTS(tests, server_setup, server_teardown);
}
