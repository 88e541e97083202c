#include "tusfs/http_text.h"

#include "run.h"

#include <stdlib.h>
#include <string.h>

static void assert_part(const char *text, uint64_t size, uint64_t first,
			uint64_t length)
{
	struct http_range range;

	ck_assert_msg(http_range_parse(text, size, &range) == HTTP_RANGE_PART,
		      "%s of %ju", text, (uintmax_t)size);
	ck_assert_uint_eq(range.first, first);
	ck_assert_uint_eq(range.length, length);
}

static void assert_range_kind(const char *text, uint64_t size,
			      enum http_range_kind kind)
{
	struct http_range range = {7, 8};

	ck_assert_msg(http_range_parse(text, size, &range) == kind, "%s", text);
	ck_assert_uint_eq(range.first, 7);
	ck_assert_uint_eq(range.length, 8);
}

START_TEST(one_range_is_cut_at_the_end)
{
	assert_part("bytes=0-0", 10, 0, 1);
	assert_part("bytes=2-5", 10, 2, 4);
	assert_part("Bytes=9-", 10, 9, 1);
	assert_part("bytes=0-99", 10, 0, 10);
	assert_part("bytes=3-18446744073709551615", 10, 3, 7);
	assert_part("bytes=3-99999999999999999999999", 10, 3, 7);
}
END_TEST

START_TEST(a_suffix_range_counts_from_the_end)
{
	assert_part("bytes=-3", 10, 7, 3);
	assert_part("bytes=-10", 10, 0, 10);
	assert_part("bytes=-99999999999999999999999", 10, 0, 10);
}
END_TEST

START_TEST(a_range_past_the_end_is_unsatisfiable)
{
	assert_range_kind("bytes=10-", 10, HTTP_RANGE_UNSATISFIABLE);
	assert_range_kind("bytes=99999999999999999999-", 10, HTTP_RANGE_UNSATISFIABLE);
	assert_range_kind("bytes=0-", 0, HTTP_RANGE_UNSATISFIABLE);
	assert_range_kind("bytes=-1", 0, HTTP_RANGE_UNSATISFIABLE);
	assert_range_kind("bytes=-0", 10, HTTP_RANGE_UNSATISFIABLE);
}
END_TEST

START_TEST(what_is_not_one_range_is_ignored)
{
	static const char *const texts[] = {
		"",	      "bytes",	      "bytes=",	   "bytes=-",	  "bytes=1",
		"bytes=5-2",  "bytes=0-1,3-", "lines=0-1", "bytes= 0-1",  "bytes=0-1 ",
		"bytes=+1-2", "bytes=a-b",    "bytes=--1", "bytes=1-2-3",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_range_kind(texts[i], 10, HTTP_RANGE_WHOLE);
}
END_TEST

START_TEST(an_entity_tag_is_found_in_a_list)
{
	ck_assert(http_etag_listed("\"a\"", "\"a\""));
	ck_assert(http_etag_listed("W/\"a\"", "\"a\""));
	ck_assert(http_etag_listed("\"b\" , \"a\"", "\"a\""));
	ck_assert(http_etag_listed("*", "\"a\""));
	ck_assert(http_etag_listed("\"x,y\", \"a\"", "\"a\""));
	ck_assert(!http_etag_listed("\"x, \"a\"\"", "\"b\""));
	ck_assert(!http_etag_listed("\"ab\"", "\"a\""));
	ck_assert(!http_etag_listed("a", "\"a\""));
	ck_assert(!http_etag_listed("\"a", "\"a\""));
	ck_assert(!http_etag_listed("", "\"a\""));
	ck_assert(!http_etag_listed(",,,", "\"a\""));
}
END_TEST

START_TEST(a_weak_entity_tag_is_no_strong_one)
{
	ck_assert(http_etag_matches("\"a\"", "\"a\""));
	ck_assert(http_etag_matches("W/\"a\", \"a\"", "\"a\""));
	ck_assert(http_etag_matches("*", "\"a\""));
	ck_assert(!http_etag_matches("W/\"a\"", "\"a\""));
	ck_assert(!http_etag_matches("W/\"x,\"a\"", "\"a\""));
	ck_assert(!http_etag_matches("", "\"a\""));
}
END_TEST

START_TEST(a_token_is_found_whole_in_a_list)
{
	ck_assert(http_list_has("upload-checksum", "Upload-Checksum"));
	ck_assert(http_list_has("a, Upload-Checksum ,b", "Upload-Checksum"));
	ck_assert(!http_list_has("Upload-Checksums", "Upload-Checksum"));
	ck_assert(!http_list_has("X-Upload-Checksum", "Upload-Checksum"));
	ck_assert(!http_list_has("", "Upload-Checksum"));
}
END_TEST

START_TEST(only_tokens_make_a_token_list)
{
	ck_assert(http_is_token_list("content-type, x-y"));
	ck_assert(http_is_token_list(""));
	ck_assert(!http_is_token_list("a: b"));
	ck_assert(!http_is_token_list("a\"b"));
	ck_assert(!http_is_token_list("a\x01"));
	ck_assert(!http_is_token_list("\xc3\xa4"));
}
END_TEST

static bool valid_type(const char *text)
{
	return http_media_type_valid(text, strlen(text));
}

START_TEST(media_types_are_checked_to_their_end)
{
	ck_assert(valid_type("text/plain"));
	ck_assert(valid_type("text/plain; charset=utf-8"));
	ck_assert(valid_type("text/plain;charset=\"utf-8\" ; x=y"));
	ck_assert(valid_type("application/vnd.a+json"));
	ck_assert(valid_type("a/b;c=\"d\\\"e\""));
	ck_assert(!valid_type(""));
	ck_assert(!valid_type("text"));
	ck_assert(!valid_type("text/"));
	ck_assert(!valid_type("/plain"));
	ck_assert(!valid_type("text/plain;"));
	ck_assert(!valid_type("text/plain; charset"));
	ck_assert(!valid_type("text/plain; charset="));
	ck_assert(!valid_type("text/plain; charset=\"utf-8"));
	ck_assert(!valid_type("text/plain; charset=\"a\\"));
	ck_assert(!valid_type("text/plain charset=utf-8"));
	ck_assert(!valid_type("text/plain\r\nSet-Cookie: a=b"));
	ck_assert(!valid_type("text/plain; a=\"\r\nb: c\""));
	ck_assert(!valid_type("text/pl\xc3\xa4in"));
}
END_TEST

START_TEST(no_type_with_script_is_inert)
{
	ck_assert(http_media_type_inert("image/png"));
	ck_assert(http_media_type_inert("Text/Plain;charset=utf-8"));
	ck_assert(http_media_type_inert("video/mp4 ; codecs=x"));
	ck_assert(!http_media_type_inert("text/html"));
	ck_assert(!http_media_type_inert("image/svg+xml"));
	ck_assert(!http_media_type_inert("text/xml"));
	ck_assert(!http_media_type_inert("application/pdf"));
	ck_assert(!http_media_type_inert("application/javascript"));
	ck_assert(!http_media_type_inert("text/plainer"));
	ck_assert(!http_media_type_inert("image/pn"));
}
END_TEST

static void assert_disposition(bool in_place, const char *name, const char *expected)
{
	char *text = http_disposition(in_place, name);

	ck_assert_str_eq(text, expected);
	free(text);
}

START_TEST(a_disposition_carries_any_name)
{
	assert_disposition(true, "a.txt",
			   "inline; filename=\"a.txt\"; filename*=UTF-8''a.txt");
	assert_disposition(
		false, "a b.txt",
		"attachment; filename=\"a b.txt\"; filename*=UTF-8''a%20b.txt");
	assert_disposition(false, "\xc3\xa4\xe2\x82\xac.txt",
			   "attachment; filename=\"__.txt\"; "
			   "filename*=UTF-8''%C3%A4%E2%82%AC.txt");
	assert_disposition(false, "a\"b\\c%41;'*",
			   "attachment; filename=\"a_b_c_41;'*\"; "
			   "filename*=UTF-8''a%22b%5Cc%2541%3B%27%2A");
}
END_TEST

START_TEST(an_authority_cannot_end_its_line)
{
	ck_assert(http_authority_valid("example.org"));
	ck_assert(http_authority_valid("example.org:8080"));
	ck_assert(http_authority_valid("[::1]:80"));
	ck_assert(!http_authority_valid(""));
	ck_assert(!http_authority_valid("a/b"));
	ck_assert(!http_authority_valid("a@b"));
	ck_assert(!http_authority_valid("a b"));
	ck_assert(!http_authority_valid("a\r\nb"));
	ck_assert(!http_authority_valid("\xc3\xa4"));
}
END_TEST

START_TEST(forwarded_tells_what_the_first_proxy_was_asked)
{
	char value[16];

	ck_assert(http_forwarded("host=a.b", "host", value, sizeof(value)));
	ck_assert_str_eq(value, "a.b");
	ck_assert(http_forwarded("for=1.2.3.4;Proto=https; HOST=\"a:1\", host=c",
				 "host", value, sizeof(value)));
	ck_assert_str_eq(value, "a:1");
	ck_assert(http_forwarded("for=\"[::1]\";proto=https", "proto", value,
				 sizeof(value)));
	ck_assert_str_eq(value, "https");
	ck_assert(!http_forwarded("for=1.2.3.4, host=b", "host", value, sizeof(value)));
	ck_assert(!http_forwarded("", "host", value, sizeof(value)));
	ck_assert(!http_forwarded("host=", "host", value, sizeof(value)));
	ck_assert(!http_forwarded("host=\"", "host", value, sizeof(value)));
	ck_assert(!http_forwarded(";;;", "host", value, sizeof(value)));
	ck_assert(
		!http_forwarded("host=0123456789abcdef", "host", value, sizeof(value)));
}
END_TEST

START_TEST(the_first_of_a_list_is_trimmed)
{
	char value[8];

	ck_assert(http_list_first(" a , b", value, sizeof(value)));
	ck_assert_str_eq(value, "a");
	ck_assert(http_list_first("abcdefg", value, sizeof(value)));
	ck_assert(!http_list_first("abcdefgh", value, sizeof(value)));
	ck_assert(!http_list_first(" , b", value, sizeof(value)));
	ck_assert(!http_list_first("", value, sizeof(value)));
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		one_range_is_cut_at_the_end,
		a_suffix_range_counts_from_the_end,
		a_range_past_the_end_is_unsatisfiable,
		what_is_not_one_range_is_ignored,
		an_entity_tag_is_found_in_a_list,
		a_weak_entity_tag_is_no_strong_one,
		a_token_is_found_whole_in_a_list,
		only_tokens_make_a_token_list,
		media_types_are_checked_to_their_end,
		no_type_with_script_is_inert,
		a_disposition_carries_any_name,
		an_authority_cannot_end_its_line,
		forwarded_tells_what_the_first_proxy_was_asked,
		the_first_of_a_list_is_trimmed,
	};

	return RUN_TESTS(tests, NULL, NULL);
}
