#include "tusfs/digest.h"

#include "run.h"
#include "tusfs/text.h"

#include <stdio.h>
#include <string.h>

/* "", "abc" and "123456789", from RFC 1321, FIPS 180-4 and the usual check value */
static const struct {
	enum digest_algorithm algorithm;
	const char *text;
	const char *hex;
} vectors[] = {
	{DIGEST_MD5, "", "d41d8cd98f00b204e9800998ecf8427e"},
	{DIGEST_MD5, "abc", "900150983cd24fb0d6963f7d28e17f72"},
	{DIGEST_SHA1, "", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
	{DIGEST_SHA1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
	{DIGEST_CRC32, "", "00000000"},
	{DIGEST_CRC32, "abc", "352441c2"},
	{DIGEST_CRC32, "123456789", "cbf43926"},
	{DIGEST_SHA256, "",
	 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
	{DIGEST_SHA256, "abc",
	 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
	{DIGEST_SHA512, "abc",
	 "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
	 "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
};

static void hex_of(struct digest *digest, enum digest_algorithm algorithm,
		   char hex[2 * DIGEST_MAX_BYTES + 1])
{
	uint8_t bytes[DIGEST_MAX_BYTES];

	digest_final(digest, bytes);
	text_to_hex(bytes, digest_size(algorithm), hex);
}

START_TEST(known_digests_come_out)
{
	char hex[2 * DIGEST_MAX_BYTES + 1];

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		SCOPED(scoped_digest_free) struct digest *digest = NULL;

		ck_assert_int_eq(digest_new(vectors[i].algorithm, &digest), 0);
		digest_update(digest, vectors[i].text, strlen(vectors[i].text));
		hex_of(digest, vectors[i].algorithm, hex);
		ck_assert_str_eq(hex, vectors[i].hex);
	}
}
END_TEST

START_TEST(pieces_of_any_size_make_the_same_digest)
{
	char hex[2 * DIGEST_MAX_BYTES + 1];

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		SCOPED(scoped_digest_free) struct digest *digest = NULL;

		ck_assert_int_eq(digest_new(vectors[i].algorithm, &digest), 0);
		digest_update(digest, NULL, 0);
		for (const char *c = vectors[i].text; *c; c++) {
			digest_update(digest, c, 1);
			digest_update(digest, NULL, 0);
		}
		hex_of(digest, vectors[i].algorithm, hex);
		ck_assert_str_eq(hex, vectors[i].hex);
	}
}
END_TEST

START_TEST(names_and_sizes_are_those_of_the_list)
{
	static const char list[] = DIGEST_NAMES;
	static const size_t sizes[] = {20, 16, 4, 32, 64};
	const char *name = list;

	for (int i = 0; i < 5; i++) {
		size_t length = strcspn(name, ",");
		enum digest_algorithm algorithm = digest_named(name, length);

		ck_assert_int_ne(algorithm, DIGEST_NONE);
		ck_assert_uint_eq(digest_size(algorithm), sizes[i]);
		name += length + 1;
	}
	ck_assert_ptr_eq(name, list + sizeof(list));
	ck_assert_uint_eq(digest_size(DIGEST_NONE), 0);
}
END_TEST

START_TEST(other_names_are_none)
{
	static const char *const bad[] = {"",	   "SHA1",  "Md5",    "sha",
					  "sha11", "sha-1", "sha384", "crc32c",
					  " sha1", "sha1 "};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(digest_named(bad[i], strlen(bad[i])), DIGEST_NONE);
	ck_assert_int_eq(digest_named("sha1\0", 5), DIGEST_NONE);
	ck_assert_int_eq(digest_named("sha256", 4), DIGEST_NONE);
}
END_TEST

START_TEST(a_checksum_header_is_read)
{
	struct checksum checksum;
	char hex[2 * DIGEST_MAX_BYTES + 1];

	/* the example of tus 1.0.0, Checksum: "hello world" */
	ck_assert_int_eq(checksum_parse("sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=", &checksum),
			 0);
	ck_assert_int_eq(checksum.algorithm, DIGEST_SHA1);
	text_to_hex(checksum.bytes, 20, hex);
	ck_assert_str_eq(hex, "2aae6c35c94fcfb415dbe95f408b9ce91ee846ed");
	ck_assert_int_eq(checksum_parse("crc32 DUoRhQ==", &checksum), 0);
	ck_assert_int_eq(checksum.algorithm, DIGEST_CRC32);
	ck_assert_mem_eq(checksum.bytes, "\x0d\x4a\x11\x85", 4);
}
END_TEST

START_TEST(every_algorithm_has_a_checksum_of_its_length_and_no_other)
{
	static const uint8_t zeros[DIGEST_MAX_BYTES + 3];
	char base64[text_base64_length(sizeof(zeros)) + 1], text[128];
	const char *names[] = {"sha1", "md5", "crc32", "sha256", "sha512"};

	for (int i = 0; i < 5; i++) {
		size_t right = digest_size(digest_named(names[i], strlen(names[i])));

		for (size_t size = 0; size <= sizeof(zeros); size++) {
			struct checksum checksum;

			text_to_base64(zeros, size, base64);
			snprintf(text, sizeof(text), "%s %s", names[i], base64);
			ck_assert_int_eq(checksum_parse(text, &checksum),
					 size == right ? 0 : REFUSED_INVALID);
		}
	}
}
END_TEST

START_TEST(malformed_checksums_are_refused_and_touch_nothing)
{
	static const char *const bad[] = {
		"",
		" ",
		"sha1",
		"sha1 ",
		"sha1Kq5sNclPz7QV2+lfQIuc6R7oRu0=",
		"SHA1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=",
		"sha3 Kq5sNclPz7QV2+lfQIuc6R7oRu0=",
		" Kq5sNclPz7QV2+lfQIuc6R7oRu0=",
		"sha1  Kq5sNclPz7QV2+lfQIuc6R7oRu0=",
		"sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0= ",
		"sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0",
		"sha1 Kq5sNclPz7QV2-lfQIuc6R7oRu0=",
		"sha1 2aae6c35c94fcfb415dbe95f408b9ce91ee846ed",
		"sha1,Kq5sNclPz7QV2+lfQIuc6R7oRu0=",
	};
	struct checksum checksum, before;

	memset(&checksum, 0x5a, sizeof(checksum));
	before = checksum;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(checksum_parse(bad[i], &checksum) == REFUSED_INVALID,
			      "%s", bad[i]);
	ck_assert_mem_eq(&checksum, &before, sizeof(checksum));
}
END_TEST

START_TEST(free_takes_and_returns_null)
{
	struct digest *digest = NULL;

	ck_assert_ptr_null(digest_free(digest));
	ck_assert_int_eq(digest_new(DIGEST_CRC32, &digest), 0);
	ck_assert_ptr_null(digest_free(digest));
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		known_digests_come_out,
		pieces_of_any_size_make_the_same_digest,
		names_and_sizes_are_those_of_the_list,
		other_names_are_none,
		a_checksum_header_is_read,
		every_algorithm_has_a_checksum_of_its_length_and_no_other,
		malformed_checksums_are_refused_and_touch_nothing,
		free_takes_and_returns_null,
	};

	return RUN_TESTS(tests, NULL, NULL);
}
