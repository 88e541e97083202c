#include "tusfs/id.h"

#include "run.h"

#include <string.h>

#define TEXT "0123456789abcdef00ff7f8010203040"

START_TEST(an_id_goes_both_ways)
{
	static const uint8_t bytes[] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
					0x00, 0xff, 0x7f, 0x80, 0x10, 0x20, 0x30, 0x40};
	char text[UPLOAD_ID_DIGITS + 1];
	struct upload_id id;

	ck_assert(upload_id_parse(TEXT, strlen(TEXT), &id));
	ck_assert_mem_eq(id.bytes, bytes, sizeof(bytes));
	upload_id_format(id, text);
	ck_assert_str_eq(text, TEXT);
}
END_TEST

START_TEST(what_is_not_thirty_two_lower_case_digits_is_refused)
{
	static const char *const bad[] = {
		"",
		"0123456789abcdef00ff7f801020304",
		TEXT "0",
		"0123456789ABCDEF00ff7f8010203040",
		"0123456789abcdef00ff7f801020304F",
		"0123456789abcdeg00ff7f8010203040",
		" 123456789abcdef00ff7f8010203040",
		"0123456789abcdef00ff7f801020304\n",
		"0x23456789abcdef00ff7f8010203040",
		"01234567-89ab-cdef-00ff-7f8010203",
	};
	struct upload_id id, before;

	memset(&id, 0x5a, sizeof(id));
	before = id;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!upload_id_parse(bad[i], strlen(bad[i]), &id), "%s",
			      bad[i]);
	ck_assert(
		!upload_id_parse("0123456789abcdef\0"
				 "0ff7f8010203040",
				 32, &id));
	ck_assert_mem_eq(&id, &before, sizeof(id));
}
END_TEST

START_TEST(new_ids_differ_in_every_byte_sooner_or_later)
{
	struct upload_id first, next;
	uint8_t differs[UPLOAD_ID_BYTES] = {0};

	ck_assert_int_eq(upload_id_make(&first), 0);
	for (int round = 0; round < 64; round++) {
		ck_assert_int_eq(upload_id_make(&next), 0);
		ck_assert_mem_ne(&first, &next, sizeof(first));
		for (int i = 0; i < UPLOAD_ID_BYTES; i++)
			differs[i] |= first.bytes[i] ^ next.bytes[i];
	}
	for (int i = 0; i < UPLOAD_ID_BYTES; i++)
		ck_assert_uint_ne(differs[i], 0);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		an_id_goes_both_ways,
		what_is_not_thirty_two_lower_case_digits_is_refused,
		new_ids_differ_in_every_byte_sooner_or_later,
	};

	return RUN_TESTS(tests, NULL, NULL);
}
