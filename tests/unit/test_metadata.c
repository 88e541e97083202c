#include "tusfs/metadata.h"

#include "run.h"
#include "tusfs/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *problem_with(const char *text)
{
	const char *problem = NULL;

	return metadata_valid(text, &problem) ? NULL : problem;
}

START_TEST(pairs_as_clients_send_them_are_valid)
{
	static const char *const good[] = {
		"filename d29ybGRfZG9taW5hdGlvbl9wbGFuLnBkZg==,is_confidential",
		"a",
		"a ",
		"a YQ==",
		"a YQ==,b Yg==",
		"a YQ== , b Yg==",
		"a YQ==\t,\tb ,c",
		" a YQ== ",
		"A YQ==,a YQ==",
		"a!#$%&'()*+-./:;<=>?@[]^_`{|}~\" YQ==",
		"",
		"  ",
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ck_assert_msg(!problem_with(good[i]), "%s: %s", good[i],
			      problem_with(good[i]));
}
END_TEST

START_TEST(malformed_pairs_are_refused_with_the_reason)
{
	static const struct {
		const char *text;
		const char *problem;
	} bad[] = {
		{",", "a key is empty"},
		{",a YQ==", "a key is empty"},
		{"a YQ==,", "a key is empty"},
		{"a YQ==, ", "a key is empty"},
		{"a YQ==,,b Yg==", "a key is empty"},
		{"a YQ==, ,b Yg==", "a key is empty"},
		{"\xc3\xa9 YQ==", "a key is not ASCII"},
		{"a\tYQ==", "a key is not ASCII"},
		{"a\x01 YQ==", "a key is not ASCII"},
		{"a\x7f YQ==", "a key is not ASCII"},
		{"a\nb YQ==", "a key is not ASCII"},
		{"a YQ", "a value is not base64"},
		{"a YQ=", "a value is not base64"},
		{"a  YQ==", "a value is not base64"},
		{"a YQ== YQ==", "a value is not base64"},
		{"a Y-_=", "a value is not base64"},
		{"a hello.txt", "a value is not base64"},
		{"a YQ==,a", "a key occurs twice"},
		{"a,b,c,d,b", "a key occurs twice"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_ptr_nonnull(problem_with(bad[i].text));
		ck_assert_str_eq(problem_with(bad[i].text), bad[i].problem);
	}
}
END_TEST

START_TEST(a_problem_is_told_only_where_there_is_one)
{
	const char *problem = "untouched";

	ck_assert(metadata_valid("a YQ==", &problem));
	ck_assert_str_eq(problem, "untouched");
}
END_TEST

/* "k0,k1,..." until the text has no room for more. */
static size_t many_keys(char *text, size_t room)
{
	size_t length = 0;

	for (int i = 0; length + 8 < room; i++)
		length += (size_t)sprintf(text + length, "%sk%x", i ? "," : "", i);
	return length;
}

START_TEST(the_largest_header_is_checked_for_twins_in_no_time)
{
	static char text[METADATA_MAX + 64];
	size_t length = many_keys(text, METADATA_MAX - 8);

	ck_assert_ptr_null(problem_with(text));
	strcpy(text + length, ",k0");
	ck_assert_str_eq(problem_with(text), "a key occurs twice");
}
END_TEST

START_TEST(a_header_may_be_as_long_as_the_limit_and_no_longer)
{
	static char text[METADATA_MAX + 2];

	memset(text, 'k', METADATA_MAX);
	ck_assert_ptr_null(problem_with(text));
	text[METADATA_MAX] = 'k';
	ck_assert_str_eq(problem_with(text), "it is longer than 64 KiB");
}
END_TEST

START_TEST(stepping_gives_each_pair_in_order)
{
	const char *cursor = " a YQ== ,bc,\td Zg== ";
	struct metadata_pair pair;

	ck_assert(metadata_next(&cursor, &pair));
	ck_assert_uint_eq(pair.key_length, 1);
	ck_assert_mem_eq(pair.key, "a", 1);
	ck_assert_uint_eq(pair.value_length, 4);
	ck_assert_mem_eq(pair.value, "YQ==", 4);
	ck_assert(metadata_next(&cursor, &pair));
	ck_assert_uint_eq(pair.key_length, 2);
	ck_assert_mem_eq(pair.key, "bc", 2);
	ck_assert_uint_eq(pair.value_length, 0);
	ck_assert(metadata_next(&cursor, &pair));
	ck_assert_mem_eq(pair.key, "d", 1);
	ck_assert_uint_eq(pair.value_length, 4);
	ck_assert(!metadata_next(&cursor, &pair));
	ck_assert(!metadata_next(&cursor, &pair));
}
END_TEST

START_TEST(a_value_is_decoded_and_terminated)
{
	SCOPED(scoped_free) char *value = NULL;
	SCOPED(scoped_free) char *empty = NULL;
	SCOPED(scoped_free) char *binary = NULL;
	size_t size;

	value = metadata_get("x,filename aG9saWRheS5tcDQ=,y", "filename", &size);
	ck_assert_str_eq(value, "holiday.mp4");
	ck_assert_uint_eq(size, strlen("holiday.mp4"));
	empty = metadata_get("x,filename aG9saWRheS5tcDQ=,y", "x", &size);
	ck_assert_str_eq(empty, "");
	ck_assert_uint_eq(size, 0);
	binary = metadata_get("b AAEA", "b", &size);
	ck_assert_uint_eq(size, 3);
	ck_assert_mem_eq(binary, "\0\1\0", 4);
}
END_TEST

START_TEST(an_absent_key_has_no_value)
{
	size_t size = 4711;

	ck_assert_ptr_null(metadata_get(NULL, "a", &size));
	ck_assert_ptr_null(metadata_get("", "a", &size));
	ck_assert_ptr_null(metadata_get("ab YQ==,A YQ==", "a", &size));
	ck_assert_ptr_null(metadata_get("a YQ", "a", &size));
	ck_assert_uint_eq(size, 4711);
}
END_TEST

/* Metadata whose checksum is `value`. */
static bool promises(const char *value, struct checksum *checksum)
{
	char text[512] = "filename YQ==,checksum ";

	ck_assert_uint_lt(text_base64_length(strlen(value)), 400);
	text_to_base64((const uint8_t *)value, strlen(value), text + strlen(text));
	return metadata_checksum(text, checksum);
}

#define SHA256_HEX    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define SHA256_BASE64 "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="

START_TEST(a_whole_file_checksum_is_read_in_hex_and_base64)
{
	struct checksum hex, base64;

	ck_assert(promises("sha256:" SHA256_HEX, &hex));
	ck_assert(promises("sha256:" SHA256_BASE64, &base64));
	ck_assert_int_eq(hex.algorithm, DIGEST_SHA256);
	ck_assert_int_eq(base64.algorithm, DIGEST_SHA256);
	ck_assert_mem_eq(hex.bytes, base64.bytes, 32);
	ck_assert_mem_eq(hex.bytes, "\xba\x78\x16\xbf", 4);
	ck_assert(promises("md5:900150983CD24FB0D6963F7D28E17F72", &hex));
	ck_assert_int_eq(hex.algorithm, DIGEST_MD5);
	ck_assert_mem_eq(hex.bytes, "\x90\x01\x50\x98", 4);
	ck_assert(promises("sha1:qZk+NkcGgWq6PiVxeFDCbJzQ2J0=", &hex));
	ck_assert_int_eq(hex.algorithm, DIGEST_SHA1);
	ck_assert(promises("sha512:" SHA256_HEX SHA256_HEX, &hex));
	ck_assert_int_eq(hex.algorithm, DIGEST_SHA512);
	ck_assert_mem_eq(hex.bytes + 32, base64.bytes, 32);
}
END_TEST

START_TEST(a_whole_file_checksum_may_be_written_in_other_ways)
{
	static const char *const same[] = {
		"sha256 " SHA256_HEX,	 "sha256 " SHA256_BASE64, "SHA256:" SHA256_HEX,
		"Sha256:" SHA256_BASE64, "SHA256 " SHA256_BASE64,
	};
	struct checksum checksum, expected;

	ck_assert(promises("sha256:" SHA256_HEX, &expected));
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		ck_assert_msg(promises(same[i], &checksum), "%s", same[i]);
		ck_assert_int_eq(checksum.algorithm, expected.algorithm);
		ck_assert_mem_eq(checksum.bytes, expected.bytes, 32);
	}
}
END_TEST

START_TEST(any_other_checksum_is_only_metadata)
{
	static const char *const others[] = {
		"",
		":",
		"sha256",
		"sha256:",
		SHA256_HEX,
		"sha256  " SHA256_HEX,
		" sha256:" SHA256_HEX,
		"sha256 :" SHA256_HEX,
		"sha256=" SHA256_HEX,
		"sha-256:" SHA256_HEX,
		"sha1:" SHA256_HEX,
		"sha256:" SHA256_HEX "00",
		"sha256:" SHA256_BASE64 " ",
		"sha256: " SHA256_BASE64,
		"sha256:"
		"zz7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		"sha256:!ngWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=",
		"crc32:352441c2",
		"none:",
	};
	struct checksum checksum = {.algorithm = DIGEST_SHA512};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		ck_assert_msg(!promises(others[i], &checksum), "%s", others[i]);
	ck_assert(!metadata_checksum(NULL, &checksum));
	ck_assert(!metadata_checksum("checksum", &checksum));
	ck_assert(!metadata_checksum("checksums YQ==", &checksum));
	ck_assert_int_eq(checksum.algorithm, DIGEST_SHA512);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		pairs_as_clients_send_them_are_valid,
		malformed_pairs_are_refused_with_the_reason,
		a_problem_is_told_only_where_there_is_one,
		the_largest_header_is_checked_for_twins_in_no_time,
		a_header_may_be_as_long_as_the_limit_and_no_longer,
		stepping_gives_each_pair_in_order,
		a_value_is_decoded_and_terminated,
		an_absent_key_has_no_value,
		a_whole_file_checksum_is_read_in_hex_and_base64,
		a_whole_file_checksum_may_be_written_in_other_ways,
		any_other_checksum_is_only_metadata,
	};

	return RUN_TESTS_FOR(tests, NULL, NULL, 10);
}
