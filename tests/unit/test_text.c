#include "tusfs/text.h"

#include "run.h"
#include "tusfs/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define UNTOUCHED 4711

static bool to_u64(const char *text, uint64_t *value)
{
	return text_to_u64(text, strlen(text), value);
}

START_TEST(a_number_is_digits_up_to_the_largest_signed)
{
	uint64_t value = UNTOUCHED;

	ck_assert(to_u64("0", &value));
	ck_assert_uint_eq(value, 0);
	ck_assert(to_u64("0000000000000000000000000000042", &value));
	ck_assert_uint_eq(value, 42);
	ck_assert(to_u64("9223372036854775807", &value));
	ck_assert_uint_eq(value, INT64_MAX);
	ck_assert(text_to_u64("12345", 3, &value));
	ck_assert_uint_eq(value, 123);
}
END_TEST

START_TEST(a_number_is_written_as_printf_writes_it)
{
	char text[TEXT_NUMBER_SIZE], expected[TEXT_NUMBER_SIZE];

	for (uint64_t number = 1; number < UINT64_MAX / 7; number *= 7)
		for (int i = -1; i <= 1; i++) {
			int size = snprintf(expected, sizeof(expected), "%" PRIu64,
					    number + (uint64_t)i);

			ck_assert_uint_eq(text_of_u64(number + (uint64_t)i, text),
					  (size_t)size);
			ck_assert_str_eq(text, expected);
		}
	ck_assert_uint_eq(text_of_u64(UINT64_MAX, text), 20);
	ck_assert_str_eq(text, "18446744073709551615");
}
END_TEST

START_TEST(what_is_not_a_number_is_refused_and_touches_nothing)
{
	static const char *const bad[] = {
		"",
		"-1",
		"+1",
		" 1",
		"1 ",
		"1a",
		"0x10",
		"1.0",
		"1e3",
		"１",
		"1\n",
		"9223372036854775808",
		"18446744073709551615",
		"18446744073709551616",
		"99999999999999999999999999999999",
	};
	uint64_t value = UNTOUCHED;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!to_u64(bad[i], &value), "%s", bad[i]);
	ck_assert(!text_to_u64("1\0", 2, &value));
	ck_assert_uint_eq(value, UNTOUCHED);
}
END_TEST

static const struct {
	const char *bytes;
	const char *base64;
} rfc4648[] = {
	{"", ""},
	{"f", "Zg=="},
	{"fo", "Zm8="},
	{"foo", "Zm9v"},
	{"foob", "Zm9vYg=="},
	{"fooba", "Zm9vYmE="},
	{"foobar", "Zm9vYmFy"},
	{"\xfb\xff\xbf\xfe", "+/+//g=="},
};

START_TEST(base64_goes_both_ways_as_rfc_4648_has_it)
{
	uint8_t bytes[16];
	char text[16];
	size_t size;

	for (size_t i = 0; i < sizeof(rfc4648) / sizeof(rfc4648[0]); i++) {
		const char *expected = rfc4648[i].bytes, *base64 = rfc4648[i].base64;

		text_to_base64((const uint8_t *)expected, strlen(expected), text);
		ck_assert_str_eq(text, base64);
		ck_assert_uint_eq(strlen(text), text_base64_length(strlen(expected)));
		ck_assert(text_from_base64(base64, strlen(base64), bytes, &size));
		ck_assert_uint_eq(size, strlen(expected));
		ck_assert_mem_eq(bytes, expected, size);
		size = UNTOUCHED;
		ck_assert(text_from_base64(base64, strlen(base64), NULL, &size));
		ck_assert_uint_eq(size, strlen(expected));
	}
}
END_TEST

START_TEST(every_byte_survives_base64)
{
	uint8_t bytes[256], back[258];
	char text[text_base64_length(sizeof(bytes)) + 1];
	size_t size;

	for (int i = 0; i < 256; i++)
		bytes[i] = (uint8_t)i;
	for (size_t length = 0; length <= sizeof(bytes); length++) {
		text_to_base64(bytes, length, text);
		ck_assert(text_from_base64(text, strlen(text), back, &size));
		ck_assert_uint_eq(size, length);
		ck_assert_mem_eq(back, bytes, length);
	}
}
END_TEST

START_TEST(base64_that_is_not_strict_is_refused)
{
	static const char *const bad[] = {
		"Z",	"Zg",	    "Zg=",     "=",	  "==",	       "====",
		"Z===", "Zg==Zg==", "Zm=v",    "Zm9v\n",  "Zm9 v===",  " Zm9v===",
		"Zm-_", "Zm9v====", "Zm9vZg=", "\x80m9v", "Zm9v Zm9v", "Z=g=",
	};
	uint8_t bytes[16];
	size_t size = UNTOUCHED;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!text_from_base64(bad[i], strlen(bad[i]), bytes, &size),
			      "%s", bad[i]);
	ck_assert(!text_from_base64("Zm\0v", 4, bytes, &size));
	ck_assert_uint_eq(size, UNTOUCHED);
}
END_TEST

START_TEST(hex_is_read_in_either_case_and_written_in_lower)
{
	uint8_t bytes[4] = {0};
	char text[9];

	ck_assert(text_from_hex("00fFA9De", 8, bytes, 4));
	ck_assert_mem_eq(bytes, "\x00\xff\xa9\xde", 4);
	text_to_hex(bytes, 4, text);
	ck_assert_str_eq(text, "00ffa9de");
	ck_assert(text_from_hex("", 0, bytes, 0));
	text_to_hex(bytes, 0, text);
	ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(hex_of_another_length_or_alphabet_is_refused)
{
	uint8_t bytes[4];

	ck_assert(!text_from_hex("00ff", 4, bytes, 1));
	ck_assert(!text_from_hex("00ff", 4, bytes, 4));
	ck_assert(!text_from_hex("00f", 3, bytes, 1));
	ck_assert(!text_from_hex("0g", 2, bytes, 1));
	ck_assert(!text_from_hex("g0", 2, bytes, 1));
	ck_assert(!text_from_hex("0:", 2, bytes, 1));
	ck_assert(
		!text_from_hex("\0"
			       "0",
			       2, bytes, 1));
}
END_TEST

START_TEST(byte_counts_take_a_suffix)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{"0", 0},
		{"7", 7},
		{"1K", 1024},
		{"3M", 3 << 20},
		{"2G", UINT64_C(2) << 30},
		{"5T", UINT64_C(5) << 40},
		{"8191P", UINT64_C(8191) << 50},
		{"9223372036854775807", INT64_MAX},
	};
	static const char *const bad[] = {"",
					  "K",
					  "1KB",
					  "1k",
					  "1 K",
					  "-1K",
					  "1E",
					  "8192P",
					  "18446744073709551615P",
					  "1.5G",
					  "9223372036854775808"};
	uint64_t bytes = UNTOUCHED;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		ck_assert_msg(text_to_bytes(good[i].text, &bytes), "%s", good[i].text);
		ck_assert_uint_eq(bytes, good[i].bytes);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!text_to_bytes(bad[i], &bytes), "%s", bad[i]);
}
END_TEST

START_TEST(spans_take_a_unit_and_are_seconds_without)
{
	static const struct {
		const char *text;
		int64_t seconds;
	} good[] = {{"0", 0},
		    {"90", 90},
		    {"90s", 90},
		    {"2m", 120},
		    {"3h", 10800},
		    {"7d", 604800},
		    {"106751991d", 106751991 * INT64_C(86400)}};
	static const char *const bad[] = {"",
					  "s",
					  "1w",
					  "1S",
					  "1 s",
					  "-1s",
					  "1.5h",
					  "106751992d",
					  "9223372036855",
					  "9223372036854775807d"};
	int64_t span = UNTOUCHED;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		ck_assert_msg(text_to_span(good[i].text, &span), "%s", good[i].text);
		ck_assert_int_eq(span, good[i].seconds * CLOCK_SECOND);
	}
	span = UNTOUCHED;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!text_to_span(bad[i], &span), "%s", bad[i]);
	ck_assert_int_eq(span, UNTOUCHED);
}
END_TEST

START_TEST(well_formed_utf8_is_told_from_other_bytes)
{
	static const char *const good[] = {"",
					   "a",
					   "\xc3\xa9",
					   "\xe2\x82\xac",
					   "\xf0\x9f\x98\x80",
					   "\xf4\x8f\xbf\xbf",
					   "\xed\x9f\xbf",
					   "\xef\xbf\xbf"};
	static const char *const bad[] = {
		"\x80",
		"\xc3",
		"\xc0\xaf",
		"\xc1\xbf",
		"\xe2\x82",
		"\xe0\x9f\xbf",
		"\xed\xa0\x80",
		"\xf0\x8f\xbf\xbf",
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\xff",
		"a\xfe",
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ck_assert(text_is_utf8(good[i], strlen(good[i])));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!text_is_utf8(bad[i], strlen(bad[i])), "%zu", i);
	ck_assert(text_is_utf8("a\0b", 3));
	ck_assert(!text_is_utf8("\xe2\x82\xac", 2));
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		a_number_is_digits_up_to_the_largest_signed,
		a_number_is_written_as_printf_writes_it,
		what_is_not_a_number_is_refused_and_touches_nothing,
		base64_goes_both_ways_as_rfc_4648_has_it,
		every_byte_survives_base64,
		base64_that_is_not_strict_is_refused,
		hex_is_read_in_either_case_and_written_in_lower,
		hex_of_another_length_or_alphabet_is_refused,
		byte_counts_take_a_suffix,
		spans_take_a_unit_and_are_seconds_without,
		well_formed_utf8_is_told_from_other_bytes,
	};

	return RUN_TESTS(tests, NULL, NULL);
}
