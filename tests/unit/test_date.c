#include "run.h"
#include "tusfs/clock.h"
#include "tusfs/text.h"

#include <string.h>
#include <time.h>

static int64_t now;

int64_t __wrap_clock_now(void);

int64_t __wrap_clock_now(void)
{
	return now;
}

static const struct {
	int64_t seconds;
	const char *http;
	const char *rfc3339;
} same_moments[] = {
	{0, "Thu, 01 Jan 1970 00:00:00 GMT", "1970-01-01T00:00:00.000000Z"},
	{784111777, "Sun, 06 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37.000000Z"},
	{951782400, "Tue, 29 Feb 2000 00:00:00 GMT", "2000-02-29T00:00:00.000000Z"},
	{951868800, "Wed, 01 Mar 2000 00:00:00 GMT", "2000-03-01T00:00:00.000000Z"},
	{1709251199, "Thu, 29 Feb 2024 23:59:59 GMT", "2024-02-29T23:59:59.000000Z"},
	{2147483648, "Tue, 19 Jan 2038 03:14:08 GMT", "2038-01-19T03:14:08.000000Z"},
	{4107542400, "Mon, 01 Mar 2100 00:00:00 GMT", "2100-03-01T00:00:00.000000Z"},
	{-1, "Wed, 31 Dec 1969 23:59:59 GMT", "1969-12-31T23:59:59.000000Z"},
	{253402300799, "Fri, 31 Dec 9999 23:59:59 GMT", "9999-12-31T23:59:59.000000Z"},
	{-62167219200, "Sat, 01 Jan 0000 00:00:00 GMT", "0000-01-01T00:00:00.000000Z"},
};

START_TEST(a_moment_goes_both_ways_in_both_forms)
{
	char text[TEXT_DATE_SIZE];
	int64_t read;

	for (size_t i = 0; i < sizeof(same_moments) / sizeof(same_moments[0]); i++) {
		int64_t moment = same_moments[i].seconds * CLOCK_SECOND;

		text_to_http_date(moment, text);
		ck_assert_str_eq(text, same_moments[i].http);
		ck_assert(text_from_http_date(text, &read));
		ck_assert_int_eq(read, moment);
		text_to_rfc3339(moment, text);
		ck_assert_str_eq(text, same_moments[i].rfc3339);
		ck_assert(text_from_rfc3339(text, strlen(text), &read));
		ck_assert_int_eq(read, moment);
	}
}
END_TEST

START_TEST(days_of_eight_centuries_agree_with_the_c_library)
{
	char text[TEXT_DATE_SIZE], expected[TEXT_DATE_SIZE];
	struct tm tm;

	for (time_t day = -150000; day < 150000; day++) {
		time_t seconds = day * 86400 + 43199;

		strftime(expected, sizeof(expected), "%a, %d %b %Y %H:%M:%S GMT",
			 gmtime_r(&seconds, &tm));
		text_to_http_date(seconds * CLOCK_SECOND, text);
		ck_assert_str_eq(text, expected);
	}
}
END_TEST

START_TEST(fractions_are_cut_off_towards_the_past)
{
	char text[TEXT_DATE_SIZE];

	text_to_http_date(784111777999999, text);
	ck_assert_str_eq(text, "Sun, 06 Nov 1994 08:49:37 GMT");
	text_to_http_date(-1, text);
	ck_assert_str_eq(text, "Wed, 31 Dec 1969 23:59:59 GMT");
	text_to_rfc3339(-1, text);
	ck_assert_str_eq(text, "1969-12-31T23:59:59.999999Z");
	text_to_rfc3339(784111777000042, text);
	ck_assert_str_eq(text, "1994-11-06T08:49:37.000042Z");
}
END_TEST

START_TEST(the_first_and_the_last_moment_have_room)
{
	char text[TEXT_DATE_SIZE];

	text_to_rfc3339(INT64_MAX, text);
	ck_assert_str_eq(text, "294247-01-10T04:00:54.775807Z");
	text_to_rfc3339(INT64_MIN, text);
	ck_assert_str_eq(text, "-290308-12-21T19:59:05.224192Z");
	/* its year has four digits */
	text_to_http_date(INT64_MAX, text);
	ck_assert_str_eq(text, "Fri, 31 Dec 9999 23:59:59 GMT");
	text_to_http_date(INT64_MIN, text);
	ck_assert_str_eq(text, "Sat, 01 Jan 0000 00:00:00 GMT");
}
END_TEST

static int64_t http_date(const char *text)
{
	int64_t microseconds;

	ck_assert_msg(text_from_http_date(text, &microseconds), "%s", text);
	ck_assert_int_eq(microseconds % CLOCK_SECOND, 0);
	return microseconds / CLOCK_SECOND;
}

START_TEST(all_three_http_forms_name_the_same_moment)
{
	now = 1700000000 * CLOCK_SECOND; /* 2023 */
	ck_assert_int_eq(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
	ck_assert_int_eq(http_date("Sunday, 06-Nov-94 08:49:37 GMT"), 784111777);
	ck_assert_int_eq(http_date("Sun Nov  6 08:49:37 1994"), 784111777);
	ck_assert_int_eq(http_date("Wed Nov 16 08:49:37 1994"), 784975777);
}
END_TEST

START_TEST(a_year_of_two_digits_is_at_most_fifty_years_ahead)
{
	char text[TEXT_DATE_SIZE];

	now = 1700000000 * CLOCK_SECOND; /* 2023 */
	text_to_http_date(http_date("Sunday, 01-Jan-73 00:00:00 GMT") * CLOCK_SECOND,
			  text);
	ck_assert_str_eq(text, "Sun, 01 Jan 2073 00:00:00 GMT");
	text_to_http_date(http_date("Tuesday, 01-Jan-74 00:00:00 GMT") * CLOCK_SECOND,
			  text);
	ck_assert_str_eq(text, "Tue, 01 Jan 1974 00:00:00 GMT");
	now = INT64_C(3124224000) * CLOCK_SECOND; /* 2069 */
	text_to_http_date(http_date("Thursday, 01-Jan-15 00:00:00 GMT") * CLOCK_SECOND,
			  text);
	ck_assert_str_eq(text, "Tue, 01 Jan 2115 00:00:00 GMT");
}
END_TEST

START_TEST(a_leap_second_is_the_start_of_the_next_minute)
{
	int64_t microseconds;

	ck_assert_int_eq(http_date("Sat, 31 Dec 2016 23:59:60 GMT"), 1483228800);
	ck_assert(text_from_rfc3339("2016-12-31T23:59:60Z", 20, &microseconds));
	ck_assert_int_eq(microseconds, 1483228800 * CLOCK_SECOND);
}
END_TEST

START_TEST(what_is_no_http_date_is_refused)
{
	static const char *const bad[] = {
		"",
		"0",
		"Sun, 06 Nov 1994 08:49:37",
		"Sun, 06 Nov 1994 08:49:37 UTC",
		"Sun, 06 Nov 1994 08:49:37 GMT ",
		" Sun, 06 Nov 1994 08:49:37 GMT",
		"Sun, 6 Nov 1994 08:49:37 GMT",
		"sun, 06 Nov 1994 08:49:37 GMT",
		"Sun, 06 nov 1994 08:49:37 GMT",
		"Sun, 00 Nov 1994 08:49:37 GMT",
		"Thu, 31 Nov 1994 08:49:37 GMT",
		"Wed, 29 Feb 2023 08:49:37 GMT",
		"Mon, 29 Feb 2100 08:49:37 GMT",
		"Sun, 06 Nov 1994 24:00:00 GMT",
		"Sun, 06 Nov 1994 08:60:37 GMT",
		"Sun, 06 Nov 1994 08:49:61 GMT",
		"Sun, 06 Nov 94 08:49:37 GMT",
		"Sun, 06 Nov 11994 08:49:37 GMT",
		"Sunday, 06-Nov-1994 08:49:37 GMT",
		"Sun, 06-Nov-94 08:49:37 GMT",
		"Sun Nov 6 08:49:37 1994",
		"Sun Nov  6 08:49:37 1994 GMT",
		"Sun Nov   6 08:49:37 1994",
		"1994-11-06T08:49:37Z",
	};
	int64_t microseconds = 1;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!text_from_http_date(bad[i], &microseconds), "%s",
			      bad[i]);
	ck_assert_int_eq(microseconds, 1);
}
END_TEST

START_TEST(rfc_3339_takes_fractions_and_offsets)
{
	static const struct {
		const char *text;
		int64_t microseconds;
	} good[] = {
		{"1994-11-06T08:49:37Z", 784111777000000},
		{"1994-11-06t08:49:37z", 784111777000000},
		{"1994-11-06 08:49:37Z", 784111777000000},
		{"1994-11-06T08:49:37.5Z", 784111777500000},
		{"1994-11-06T08:49:37.1234569Z", 784111777123456},
		{"1994-11-06T08:49:37.0000000000000000001Z", 784111777000000},
		{"1994-11-06T10:19:37+01:30", 784111777000000},
		{"1994-11-05T23:49:37-09:00", 784111777000000},
		{"1994-11-06T08:49:37-00:00", 784111777000000},
		{"1969-12-31T23:59:59.5Z", -500000},
	};
	int64_t microseconds;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		ck_assert_msg(text_from_rfc3339(good[i].text, strlen(good[i].text),
						&microseconds),
			      "%s", good[i].text);
		ck_assert_int_eq(microseconds, good[i].microseconds);
	}
}
END_TEST

START_TEST(what_is_no_rfc_3339_date_is_refused)
{
	static const char *const bad[] = {
		"",
		"1994-11-06",
		"1994-11-06T08:49:37",
		"1994-11-06T08:49Z",
		"1994-11-06T08:49:37.Z",
		"1994-11-06T08:49:37+0100",
		"1994-11-06T08:49:37+24:00",
		"1994-11-06T08:49:37+01:60",
		"1994-11-06T08:49:37Z ",
		"1994-11-06T08:49:37ZZ",
		"1994-13-06T08:49:37Z",
		"1994-00-06T08:49:37Z",
		"1994-02-29T08:49:37Z",
		"1900-02-29T08:49:37Z",
		"+1994-11-06T08:49:37Z",
		"94-11-06T08:49:37Z",
		"12994-11-06T08:49:37Z",
		"1994-11-06x08:49:37Z",
	};
	int64_t microseconds = 1;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!text_from_rfc3339(bad[i], strlen(bad[i]), &microseconds),
			      "%s", bad[i]);
	ck_assert(
		!text_from_rfc3339("1994-11-06\0"
				   "08:49:37Z",
				   20, &microseconds));
	ck_assert(!text_from_rfc3339("1994-11-06T08:49:37Z", 19, &microseconds));
	ck_assert_int_eq(microseconds, 1);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		a_moment_goes_both_ways_in_both_forms,
		days_of_eight_centuries_agree_with_the_c_library,
		fractions_are_cut_off_towards_the_past,
		the_first_and_the_last_moment_have_room,
		all_three_http_forms_name_the_same_moment,
		a_year_of_two_digits_is_at_most_fifty_years_ahead,
		a_leap_second_is_the_start_of_the_next_minute,
		what_is_no_http_date_is_refused,
		rfc_3339_takes_fractions_and_offsets,
		what_is_no_rfc_3339_date_is_refused,
	};

	return RUN_TESTS(tests, NULL, NULL);
}
