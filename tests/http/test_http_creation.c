#include "run.h"
#include "server.h"

#include "tusfs/id.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

START_TEST(post_creates_an_empty_upload_and_tells_where)
{
	SCOPED(reply_release)
	struct reply reply = ask("POST", "/files/", "Upload-Length: 100\r\n", NULL);
	const char *location = reply_field(&reply, "Location");
	struct upload_id id;

	ck_assert_int_eq(reply.status, 201);
	ck_assert(location && strncmp(location, "/files/", 7) == 0);
	ck_assert(upload_id_parse(location + 7, strlen(location + 7), &id));
	ck_assert_uint_eq(head_offset(location), 0);
	ck_assert_str_eq(reply_field(&reply, "Tus-Resumable"), "1.0.0");
}
END_TEST

START_TEST(the_base_path_works_without_its_last_slash)
{
	ck_assert_int_eq(ask_status("POST", "/files", "Upload-Length: 1\r\n", NULL),
			 201);
	ck_assert_int_eq(ask_status("POST", "/file", "Upload-Length: 1\r\n", NULL),
			 404);
	ck_assert_int_eq(ask_status("POST", "/filesx", "Upload-Length: 1\r\n", NULL),
			 404);
	ck_assert_int_eq(ask_status("POST", "http://any.example/files/",
				    "Upload-Length: 1\r\n", NULL),
			 201);
}
END_TEST

START_TEST(an_upload_of_no_bytes_is_complete_at_once)
{
	SCOPED(scoped_free) char *path = create_upload("Upload-Length: 0\r\n");

	assert_content(path, "");
}
END_TEST

START_TEST(a_length_must_be_given_once_and_be_a_number)
{
	static const char *const fields[] = {
		"",
		"Upload-Length: \r\n",
		"Upload-Length: -1\r\n",
		"Upload-Length: +1\r\n",
		"Upload-Length: 1.5\r\n",
		"Upload-Length: 0x10\r\n",
		"Upload-Length: ten\r\n",
		"Upload-Length: 1 2\r\n",
		"Upload-Length: 9223372036854775808\r\n",
		"Upload-Length: 99999999999999999999999999\r\n",
		"Upload-Length: 1\r\nUpload-Length: 1\r\n",
		"Upload-Length: 1\r\nUpload-Defer-Length: 1\r\n",
		"Upload-Defer-Length: 0\r\n",
		"Upload-Defer-Length: 2\r\n",
		"Upload-Defer-Length: true\r\n",
		"Upload-Defer-Length: 1\r\nUpload-Defer-Length: 1\r\n",
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		SCOPED(reply_release)
		struct reply reply = ask("POST", "/files/", fields[i], NULL);

		ck_assert_msg(reply.status == 400, "%s gives %d", fields[i],
			      reply.status);
		ck_assert_ptr_null(reply_field(&reply, "Location"));
		ck_assert(strncmp(reply.body, "ERR_", 4) == 0);
		ck_assert_ptr_eq(strchr(reply.body, '\n'), reply.body + reply.size - 1);
	}
	assert_alive();
}
END_TEST

START_TEST(metadata_is_told_as_it_was_received)
{
	SCOPED(scoped_free)
	char *path = create_upload(
		"Upload-Length: 3\r\nUpload-Metadata: b Yg==,"
		"filename d29ybGQucGRm, empty,a YQ==\r\n");
	SCOPED(reply_release) struct reply reply = ask("HEAD", path, "", NULL);

	ck_assert_str_eq(reply_field(&reply, "Upload-Metadata"),
			 "b Yg==,filename d29ybGQucGRm, empty,a YQ==");
}
END_TEST

START_TEST(bad_metadata_is_refused_by_name)
{
	static const char *const bad[] = {
		"a !!!!", "a YQ==,a YQ==", ",",	      "a YQ==,,b Yg==", "a YQ= =",
		"a YQ",	  "a  YQ==",	   "a YQ==,", "a Y\xc3==",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		SCOPED(scoped_free) char *fields = NULL;
		SCOPED(reply_release) struct reply reply = {0};

		ck_assert_int_ge(asprintf(&fields,
					  "Upload-Length: 1\r\n"
					  "Upload-Metadata: %s\r\n",
					  bad[i]),
				 0);
		reply = ask("POST", "/files/", fields, NULL);
		ck_assert_msg(reply.status == 400, "%s gives %d", bad[i], reply.status);
		ck_assert_ptr_nonnull(strstr(reply.body, "Upload-Metadata"));
	}
}
END_TEST

static int status_with_metadata_of(size_t size)
{
	SCOPED(scoped_free) char *fields = malloc(size + 100);
	size_t n = sprintf(fields, "Upload-Length: 1\r\nUpload-Metadata: a ");
	size_t base64 = (size - 2) / 4 * 4;

	memset(fields + n, 'A', base64);
	strcpy(fields + n + base64, "\r\n");
	return ask_status("POST", "/files/", fields, NULL);
}

START_TEST(metadata_may_have_60_kibibytes_and_not_much_more)
{
	ck_assert_int_eq(status_with_metadata_of(60 * 1024), 201);
	ck_assert_int_eq(status_with_metadata_of(63 * 1024), 431);
	ck_assert_int_eq(status_with_metadata_of(120 * 1024), 431);
	assert_alive();
}
END_TEST

START_TEST(an_upload_over_the_maximum_is_refused_before_its_body)
{
	server.config.max_size = server.engine.max_size = 1000;
	server_restart();
	ck_assert_int_eq(ask_status("POST", "/files/", "Upload-Length: 1000\r\n", NULL),
			 201);
	ck_assert_int_eq(ask_status("POST", "/files/", "Upload-Length: 1001\r\n", NULL),
			 413);
	ck_assert_int_eq(ask_status("POST", "/files/",
				    "Upload-Defer-Length: 1\r\nContent-Length: 1001\r\n"
				    "Expect: 100-continue\r\n" PATCH_TYPE,
				    NULL),
			 413);
}
END_TEST

START_TEST(an_upload_that_no_disk_holds_is_refused)
{
	ck_assert_int_eq(ask_status("POST", "/files/",
				    "Upload-Length: 9223372036854775807\r\n", NULL),
			 507);
}
END_TEST

START_TEST(a_length_that_no_disk_holds_is_not_declared_later_either)
{
	static const char fields[] = PATCH_TYPE
		"Upload-Offset: 0\r\nUpload-Length: 9223372036854775807\r\n"
		"Content-Length: 1\r\nExpect: 100-continue\r\n";
	SCOPED(scoped_free) char *path = create_upload("Upload-Defer-Length: 1\r\n");
	SCOPED(reply_release) struct reply reply = ask("PATCH", path, fields, NULL);

	ck_assert_int_eq(reply.status, 507);
	ck_assert_str_eq(reply_field(&reply, "Upload-Offset"), "0");
	ck_assert_int_eq(patch(path, 0, "Upload-Length: 9223372036854775807\r\n", ""),
			 507);
	ck_assert_int_eq(patch(path, 0, "Upload-Length: 5\r\n", "hello"), 204);
	assert_content(path, "hello");
}
END_TEST

START_TEST(a_small_body_comes_with_its_creation)
{
	SCOPED(reply_release)
	struct reply reply =
		ask("POST", "/files/", "Upload-Length: 5\r\n" PATCH_TYPE, "hello");

	ck_assert_int_eq(reply.status, 201);
	ck_assert_str_eq(reply_field(&reply, "Upload-Offset"), "5");
	assert_content(reply_field(&reply, "Location"), "hello");
}
END_TEST

START_TEST(a_first_chunk_comes_with_its_creation)
{
	SCOPED(reply_release)
	struct reply reply =
		ask("POST", "/files/", "Upload-Length: 11\r\n" PATCH_TYPE, "hello");
	SCOPED(scoped_free) char *path = strdup(reply_field(&reply, "Location"));

	ck_assert_str_eq(reply_field(&reply, "Upload-Offset"), "5");
	ck_assert_uint_eq(head_offset(path), 5);
	ck_assert_int_eq(patch(path, 5, "", " world"), 204);
	assert_content(path, "hello world");
}
END_TEST

START_TEST(a_large_body_comes_with_its_creation)
{
	size_t size = 3 << 20;
	SCOPED(scoped_free) char *body = malloc(size + 1);
	SCOPED(reply_release) struct reply reply = {0};

	for (size_t i = 0; i < size; i++)
		body[i] = (char)('a' + i % 23);
	body[size] = '\0';
	reply = ask("POST", "/files/", "Upload-Length: 3145728\r\n" PATCH_TYPE, body);
	ck_assert_int_eq(reply.status, 201);
	ck_assert_str_eq(reply_field(&reply, "Upload-Offset"), "3145728");
	assert_content(reply_field(&reply, "Location"), body);
}
END_TEST

START_TEST(a_chunked_body_comes_with_its_creation)
{
	SCOPED(scoped_close) int fd = client_connect(server.port);
	SCOPED(reply_release) struct reply reply = {0};

	client_print(fd, POST_HEAD
		     "Upload-Defer-Length: 1\r\n" PATCH_TYPE
		     "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
	reply = client_receive(fd, "POST");
	ck_assert_int_eq(reply.status, 201);
	ck_assert_str_eq(reply_field(&reply, "Upload-Offset"), "5");
}
END_TEST

START_TEST(a_body_of_another_type_is_refused)
{
	ck_assert_int_eq(ask_status("POST", "/files/", "Upload-Length: 5\r\n", "hello"),
			 415);
	ck_assert_int_eq(ask_status("POST", "/files/",
				    "Upload-Length: 5\r\nContent-Type: text/plain\r\n",
				    "hello"),
			 415);
	ck_assert_int_eq(ask_status("POST", "/files/",
				    "Upload-Length: 5\r\nContent-Type: text/plain\r\n",
				    ""),
			 201);
}
END_TEST

START_TEST(a_body_longer_than_its_upload_is_refused)
{
	SCOPED(reply_release)
	struct reply reply =
		ask("POST", "/files/", "Upload-Length: 4\r\n" PATCH_TYPE, "hello");

	ck_assert_int_eq(reply.status, 413);
	ck_assert_ptr_null(reply_field(&reply, "Location"));
}
END_TEST

START_TEST(a_creation_whose_body_is_too_long_still_tells_where)
{
	SCOPED(scoped_close) int fd = client_connect(server.port);
	SCOPED(reply_release) struct reply reply = {0};

	client_print(fd, POST_HEAD
		     "Upload-Length: 4\r\n" PATCH_TYPE
		     "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
	reply = client_receive(fd, "POST");
	ck_assert_int_eq(reply.status, 413);
	ck_assert_ptr_nonnull(reply_field(&reply, "Location"));
	ck_assert_ptr_nonnull(reply_field(&reply, "Upload-Offset"));
}
END_TEST

START_TEST(a_deferred_length_is_declared_later)
{
	SCOPED(scoped_free) char *path = create_upload("Upload-Defer-Length: 1\r\n");
	SCOPED(reply_release) struct reply reply = ask("HEAD", path, "", NULL);

	ck_assert_str_eq(reply_field(&reply, "Upload-Defer-Length"), "1");
	ck_assert_ptr_null(reply_field(&reply, "Upload-Length"));
	ck_assert_int_eq(patch(path, 0, "", "hello"), 204);
	ck_assert_int_eq(patch(path, 5, "Upload-Length: 11\r\n", " world"), 204);
	reply_release(&reply);
	reply = ask("HEAD", path, "", NULL);
	ck_assert_ptr_null(reply_field(&reply, "Upload-Defer-Length"));
	ck_assert_str_eq(reply_field(&reply, "Upload-Length"), "11");
	assert_content(path, "hello world");
}
END_TEST

START_TEST(a_length_is_declared_with_no_bytes)
{
	SCOPED(scoped_free) char *path = create_upload("Upload-Defer-Length: 1\r\n");

	ck_assert_int_eq(patch(path, 0, "", "hello"), 204);
	ck_assert_int_eq(patch(path, 5, "Upload-Length: 5\r\n", ""), 204);
	assert_content(path, "hello");
}
END_TEST

START_TEST(a_length_can_be_repeated_but_not_changed)
{
	SCOPED(scoped_free) char *path = create_upload("Upload-Defer-Length: 1\r\n");

	ck_assert_int_eq(patch(path, 0, "Upload-Length: 10\r\n", "hello"), 204);
	ck_assert_int_eq(patch(path, 5, "Upload-Length: 9\r\n", "x"), 400);
	ck_assert_int_eq(patch(path, 5, "Upload-Length: 11\r\n", "x"), 400);
	ck_assert_int_eq(patch(path, 5, "Upload-Length: ten\r\n", "x"), 400);
	ck_assert_int_eq(patch(path, 5, "Upload-Length: 10\r\n", "world"), 204);
	assert_content(path, "helloworld");
}
END_TEST

START_TEST(a_length_below_the_offset_is_refused)
{
	SCOPED(scoped_free) char *path = create_upload("Upload-Defer-Length: 1\r\n");

	ck_assert_int_eq(patch(path, 0, "", "hello"), 204);
	ck_assert_int_eq(patch(path, 5, "Upload-Length: 4\r\n", ""), 400);
	ck_assert_uint_eq(head_offset(path), 5);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		post_creates_an_empty_upload_and_tells_where,
		the_base_path_works_without_its_last_slash,
		an_upload_of_no_bytes_is_complete_at_once,
		a_length_must_be_given_once_and_be_a_number,
		metadata_is_told_as_it_was_received,
		bad_metadata_is_refused_by_name,
		metadata_may_have_60_kibibytes_and_not_much_more,
		an_upload_over_the_maximum_is_refused_before_its_body,
		an_upload_that_no_disk_holds_is_refused,
		a_length_that_no_disk_holds_is_not_declared_later_either,
		a_small_body_comes_with_its_creation,
		a_first_chunk_comes_with_its_creation,
		a_large_body_comes_with_its_creation,
		a_chunked_body_comes_with_its_creation,
		a_body_of_another_type_is_refused,
		a_body_longer_than_its_upload_is_refused,
		a_creation_whose_body_is_too_long_still_tells_where,
		a_deferred_length_is_declared_later,
		a_length_is_declared_with_no_bytes,
		a_length_can_be_repeated_but_not_changed,
		a_length_below_the_offset_is_refused,
	};

	return RUN_TESTS_FOR(tests, server_setup, server_teardown, 150);
}
