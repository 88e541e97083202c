/* HEAD, DELETE, OPTIONS, versions, expiry, CORS, Location. */
#include "run.h"
#include "server.h"

#include "tusfs/clock.h"
#include "tusfs/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

START_TEST(head_tells_offset_and_length_and_is_not_cached)
{
	SCOPED(scoped_free) char *path = create_upload("Upload-Length: 11\r\n");
	SCOPED(reply_release) struct reply reply = {0};

	ck_assert_int_eq(patch(path, 0, "", "hello"), 204);
	reply = ask("HEAD", path, "", NULL);
	ck_assert_int_eq(reply.status, 200);
	ck_assert_str_eq(reply_field(&reply, "Upload-Offset"), "5");
	ck_assert_str_eq(reply_field(&reply, "Upload-Length"), "11");
	ck_assert_str_eq(reply_field(&reply, "Cache-Control"), "no-store");
	ck_assert_str_eq(reply_field(&reply, "Tus-Resumable"), "1.0.0");
	ck_assert_ptr_null(reply_field(&reply, "Upload-Metadata"));
	ck_assert_ptr_null(reply_field(&reply, "Upload-Concat"));
	ck_assert_ptr_null(reply_field(&reply, "Upload-Expires"));
}
END_TEST

/* RFC 9110, 8.6. By the front, and by libmicrohttpd, which gets what overrides its
 * method. */
START_TEST(head_tells_no_content_length_that_get_would_not)
{
	SCOPED(scoped_free) char *half = create_upload("Upload-Length: 11\r\n");
	SCOPED(scoped_free) char *complete = create_complete("", "hello");
	const char *const paths[] = {half, complete};
	static const char *const fields[] = {"", "X-HTTP-Method-Override: HEAD\r\n"};

	for (size_t i = 0; i < 4; i++) {
		SCOPED(reply_release)
		struct reply reply = ask("HEAD", paths[i / 2], fields[i % 2], NULL);

		ck_assert_int_eq(reply.status, 200);
		ck_assert_ptr_nonnull(reply_field(&reply, "Upload-Offset"));
		ck_assert_ptr_null(reply_field(&reply, "Transfer-Encoding"));
		if (reply_field(&reply, "Content-Length")) {
			ck_assert_str_eq(reply.found, "5");
			ck_assert_ptr_eq(paths[i / 2], complete);
		}
	}
	{
		SCOPED(reply_release)
		struct reply reply = ask("POST", half, fields[1], NULL);

		ck_assert_int_eq(reply.status, 200);
		ck_assert_str_eq(reply_field(&reply, "Content-Length"), "0");
	}
}
END_TEST

START_TEST(head_of_an_unknown_upload_has_no_offset)
{
	SCOPED(reply_release)
	struct reply reply =
		ask("HEAD", "/files/0123456789abcdef0123456789abcdef", "", NULL);

	ck_assert_int_eq(reply.status, 404);
	ck_assert_ptr_null(reply_field(&reply, "Upload-Offset"));
	ck_assert_str_eq(reply_field(&reply, "Tus-Resumable"), "1.0.0");
}
END_TEST

START_TEST(delete_ends_an_upload_in_any_state)
{
	SCOPED(scoped_free) char *finished = create_complete("", "hello");
	SCOPED(scoped_free) char *half = create_upload("Upload-Length: 5\r\n");

	ck_assert_int_eq(patch(half, 0, "", "hel"), 204);
	ck_assert_int_eq(ask_status("DELETE", finished, "", NULL), 204);
	ck_assert_int_eq(ask_status("DELETE", half, "", NULL), 204);
	ck_assert_int_eq(ask_status("GET", finished, "", NULL), 410);
	ck_assert_int_eq(ask_status("HEAD", half, "", NULL), 410);
	ck_assert_int_eq(patch(half, 3, "", "lo"), 410);
	ck_assert_int_eq(ask_status("DELETE", half, "", NULL), 410);
	ck_assert_int_eq(ask_status("DELETE", "/files/0123456789abcdef0123456789abcdef",
				    "", NULL),
			 404);
}
END_TEST

START_TEST(a_missing_or_other_version_is_not_processed)
{
	static const char *const versions[] = {"-", "Tus-Resumable: 0.2.2\r\n",
					       "Tus-Resumable: 1.0\r\n",
					       "Tus-Resumable: \r\n"};
	static const char *const methods[] = {"POST", "HEAD", "PATCH", "DELETE"};
	SCOPED(scoped_free) char *path = create_complete("", "hello");

	for (size_t i = 0; i < 4; i++)
		for (size_t j = 0; j < 4; j++) {
			const char *target = j ? path : "/files/";
			SCOPED(reply_release)
			struct reply reply = ask(methods[j], target, versions[i], NULL);

			ck_assert_int_eq(reply.status, 412);
			ck_assert_str_eq(reply_field(&reply, "Tus-Version"), "1.0.0");
			ck_assert_str_eq(reply_field(&reply, "Tus-Resumable"), "1.0.0");
		}
	assert_content(path, "hello");
}
END_TEST

START_TEST(options_and_get_ignore_the_version)
{
	SCOPED(scoped_free) char *path = create_complete("", "hello");

	ck_assert_int_eq(ask_status("GET", path, "-", NULL), 200);
	ck_assert_int_eq(ask_status("GET", path, "Tus-Resumable: 9\r\n", NULL), 200);
	ck_assert_int_eq(ask_status("OPTIONS", path, "-", NULL), 204);
	ck_assert_int_eq(ask_status("OPTIONS", "/files", "Tus-Resumable: 9\r\n", NULL),
			 204);
}
END_TEST

START_TEST(options_tells_all_that_works)
{
	SCOPED(reply_release) struct reply reply = ask("OPTIONS", "/files/", "-", NULL);

	ck_assert_int_eq(reply.status, 204);
	ck_assert_str_eq(reply_field(&reply, "Tus-Version"), "1.0.0");
	ck_assert_str_eq(reply_field(&reply, "Tus-Checksum-Algorithm"),
			 "sha1,md5,crc32,sha256,sha512");
	ck_assert_str_eq(
		reply_field(&reply, "Tus-Extension"),
		"creation,creation-with-upload,creation-defer-length,expiration,"
		"checksum,checksum-trailer,termination,concatenation,"
		"concatenation-unfinished");
	ck_assert_ptr_null(reply_field(&reply, "Tus-Max-Size"));
}
END_TEST

START_TEST(options_tells_the_maximum_size)
{
	SCOPED(reply_release) struct reply reply = {0};

	server.config.max_size = server.engine.max_size = 5000;
	server_restart();
	reply = ask("OPTIONS", "/files/", "-", NULL);
	ck_assert_str_eq(reply_field(&reply, "Tus-Max-Size"), "5000");
}
END_TEST

START_TEST(other_methods_are_told_which_there_are)
{
	SCOPED(scoped_free) char *path = create_complete("", "hello");
	SCOPED(reply_release) struct reply reply = ask("PUT", path, "", "x");

	ck_assert_int_eq(reply.status, 405);
	ck_assert_str_eq(reply_field(&reply, "Allow"),
			 "OPTIONS, HEAD, PATCH, DELETE, GET");
	reply_release(&reply);
	reply = ask("GET", "/files/", "", NULL);
	ck_assert_int_eq(reply.status, 405);
	ck_assert_str_eq(reply_field(&reply, "Allow"), "OPTIONS, POST");
	ck_assert_int_eq(ask_status("POST", path, "Upload-Length: 1\r\n", NULL), 405);
	ck_assert_int_eq(ask_status("get", path, "", NULL), 405);
}
END_TEST

/* ---- expiry ---- */

static int64_t expires_of(struct reply *reply)
{
	const char *text = reply_field(reply, "Upload-Expires");
	int64_t when;

	ck_assert_ptr_nonnull(text);
	ck_assert(text_from_http_date(text, &when));
	return when;
}

START_TEST(expiry_is_told_by_post_patch_and_head_while_it_is_coming)
{
	SCOPED(reply_release) struct reply reply = {0};
	SCOPED(scoped_free) char *path = NULL;
	int64_t soonest;

	server.engine.expire_after = 3600 * CLOCK_SECOND;
	server_restart();
	soonest = clock_now() + 3599 * CLOCK_SECOND;
	reply = ask("POST", "/files/", "Upload-Length: 5\r\n", NULL);
	ck_assert_int_ge(expires_of(&reply), soonest);
	path = strdup(reply_field(&reply, "Location"));
	reply_release(&reply);
	reply = ask("PATCH", path, PATCH_TYPE "Upload-Offset: 0\r\n", "hel");
	ck_assert_int_ge(expires_of(&reply), soonest);
	reply_release(&reply);
	reply = ask("HEAD", path, "", NULL);
	ck_assert_int_ge(expires_of(&reply), soonest);
	reply_release(&reply);
	reply = ask("PATCH", path, PATCH_TYPE "Upload-Offset: 3\r\n", "lo");
	ck_assert_ptr_null(reply_field(&reply, "Upload-Expires"));
	reply_release(&reply);
	reply = ask("HEAD", path, "", NULL);
	ck_assert_ptr_null(reply_field(&reply, "Upload-Expires"));
}
END_TEST

START_TEST(an_expired_upload_is_gone)
{
	SCOPED(scoped_free) char *half = NULL;
	SCOPED(scoped_free) char *finished = NULL;

	server.engine.expire_after = 1; /* microsecond */
	server_restart();
	half = create_upload("Upload-Length: 5\r\n");
	finished = create_complete("", "");
	ck_assert_int_eq(uploads_expire(server.uploads), 0);
	ck_assert_int_eq(ask_status("HEAD", half, "", NULL), 410);
	ck_assert_int_eq(patch(half, 0, "", "hello"), 410);
	assert_content(finished, "");
}
END_TEST

/* ---- browsers ---- */

START_TEST(a_preflight_allows_what_tus_clients_send)
{
	SCOPED(reply_release)
	struct reply reply =
		ask("OPTIONS", "/files/",
		    "-Origin: https://app.example\r\n"
		    "Access-Control-Request-Method: PATCH\r\n"
		    "Access-Control-Request-Headers: x-own, tus-resumable\r\n",
		    NULL);
	const char *value;

	ck_assert_int_eq(reply.status, 204);
	ck_assert_str_eq(reply_field(&reply, "Access-Control-Allow-Origin"),
			 "https://app.example");
	ck_assert_str_eq(reply_field(&reply, "Vary"), "Origin");
	value = reply_field(&reply, "Access-Control-Allow-Methods");
	ck_assert(strstr(value, "PATCH") && strstr(value, "DELETE") &&
		  strstr(value, "HEAD"));
	value = reply_field(&reply, "Access-Control-Allow-Headers");
	ck_assert(strstr(value, "Upload-Offset") && strstr(value, "Upload-Metadata") &&
		  strstr(value, "x-own"));
	ck_assert_ptr_nonnull(reply_field(&reply, "Access-Control-Max-Age"));
}
END_TEST

START_TEST(a_preflight_for_odd_headers_gets_the_usual_ones)
{
	SCOPED(reply_release)
	struct reply reply =
		ask("OPTIONS", "/files/",
		    "Origin: null\r\nAccess-Control-Request-Method: POST\r\n"
		    "Access-Control-Request-Headers: a: b\r\n",
		    NULL);

	ck_assert_int_eq(reply.status, 204);
	ck_assert_ptr_null(
		strstr(reply_field(&reply, "Access-Control-Allow-Headers"), "a: b"));
}
END_TEST

START_TEST(answers_and_errors_are_readable_on_other_origins)
{
	static const char *const exposed[] = {
		"Location",	 "Upload-Offset",	"Upload-Length",
		"Tus-Version",	 "Tus-Resumable",	"Tus-Extension",
		"Tus-Max-Size",	 "Upload-Metadata",	"Upload-Expires",
		"Upload-Concat", "Upload-Defer-Length",
	};
	SCOPED(reply_release)
	struct reply reply =
		ask("HEAD", "/files/nothing", "Origin: http://a\r\n", NULL);

	ck_assert_int_eq(reply.status, 404);
	ck_assert_str_eq(reply_field(&reply, "Access-Control-Allow-Origin"),
			 "http://a");
	for (size_t i = 0; i < sizeof(exposed) / sizeof(exposed[0]); i++)
		ck_assert_ptr_nonnull(
			strstr(reply_field(&reply, "Access-Control-Expose-Headers"),
			       exposed[i]));
}
END_TEST

START_TEST(without_cors_no_origin_is_allowed)
{
	SCOPED(reply_release) struct reply reply = {0};

	server.config.cors = false;
	server_restart();
	reply = ask("OPTIONS", "/files/",
		    "Origin: http://a\r\nAccess-Control-Request-Method: POST\r\n",
		    NULL);
	ck_assert_int_eq(reply.status, 204);
	ck_assert_ptr_null(reply_field(&reply, "Access-Control-Allow-Origin"));
	ck_assert_ptr_null(reply_field(&reply, "Access-Control-Allow-Methods"));
}
END_TEST

/* ---- Location ---- */

static void assert_location(const char *fields, const char *prefix)
{
	SCOPED(scoped_free) char *all = NULL;
	SCOPED(reply_release) struct reply reply = {0};
	const char *location;

	ck_assert_int_ge(asprintf(&all, "Upload-Length: 1\r\n%s", fields), 0);
	reply = ask("POST", "/files/", all, NULL);
	location = reply_field(&reply, "Location");
	ck_assert_int_eq(reply.status, 201);
	ck_assert_msg(strncmp(location, prefix, strlen(prefix)) == 0, "%s", location);
	ck_assert_uint_eq(strlen(location), strlen(prefix) + 32);
}

#define FORWARDED "Forwarded: for=1.2.3.4;host=\"up.example:8443\";proto=https\r\n"
#define X_FORWARDED                                                                    \
	"X-Forwarded-Host: old.example, other\r\nX-Forwarded-Proto: https\r\n"

START_TEST(a_location_is_a_path_by_default)
{
	assert_location("", "/files/");
	assert_location(FORWARDED X_FORWARDED, "/files/");
}
END_TEST

START_TEST(an_absolute_location_believes_only_a_trusted_proxy)
{
	server.config.absolute_location = true;
	server_restart();
	assert_location("", "http://tus.example/files/");
	assert_location(FORWARDED X_FORWARDED, "http://tus.example/files/");
	server.config.trust_proxy = true;
	server_restart();
	assert_location("", "http://tus.example/files/");
	assert_location(X_FORWARDED, "https://old.example/files/");
	assert_location(FORWARDED X_FORWARDED, "https://up.example:8443/files/");
	assert_location("X-Forwarded-Host: a/../b\r\n", "http://tus.example/files/");
	assert_location("Forwarded: host=\"a b\"\r\n", "http://tus.example/files/");
	assert_location("X-Forwarded-Proto: javascript\r\n",
			"http://tus.example/files/");
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		head_tells_offset_and_length_and_is_not_cached,
		head_tells_no_content_length_that_get_would_not,
		head_of_an_unknown_upload_has_no_offset,
		delete_ends_an_upload_in_any_state,
		a_missing_or_other_version_is_not_processed,
		options_and_get_ignore_the_version,
		options_tells_all_that_works,
		options_tells_the_maximum_size,
		other_methods_are_told_which_there_are,
		expiry_is_told_by_post_patch_and_head_while_it_is_coming,
		an_expired_upload_is_gone,
		a_preflight_allows_what_tus_clients_send,
		a_preflight_for_odd_headers_gets_the_usual_ones,
		answers_and_errors_are_readable_on_other_origins,
		without_cors_no_origin_is_allowed,
		a_location_is_a_path_by_default,
		an_absolute_location_believes_only_a_trusted_proxy,
	};

	return RUN_TESTS_FOR(tests, server_setup, server_teardown, 150);
}
