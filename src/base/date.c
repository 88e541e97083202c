/* Dates in text. Days are counted here and not by gmtime_r() and timegm(), so that no
 * locale and no 32-bit time_t has a say. */
#include "tusfs/clock.h"
#include "tusfs/text.h"

#include <stdio.h>
#include <string.h>

#define DAY_SECONDS 86400
/* Of the years 0000 and 9999: HTTP's dates have four digits for it. */
#define FIRST_SECOND INT64_C(-62167219200)
#define LAST_SECOND  INT64_C(253402300799)
/* How far ahead a two-digit year may be (RFC 9110, 5.6.7). */
#define TWO_DIGIT_YEARS_AHEAD 50

struct date {
	int64_t year;
	int month; /* 1 to 12 */
	int day;   /* 1 to 31 */
	int hour;
	int minute;
	int second;
};

static const char *const month_names[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
					  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char *const day_names[] = {"Sun", "Mon", "Tue", "Wed",
					"Thu", "Fri", "Sat"};
static const char *const long_day_names[] = {
	"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* Days since the epoch. A year counts from March here, so that the leap day is its
 * last; 400 years have 146097 days. */
static int64_t days_of(int64_t year, int month, int day)
{
	int64_t y = year - (month <= 2);
	int64_t era = floor_div(y, 400), of_era = y - era * 400;
	int month_from_march = (month + 9) % 12;
	int64_t of_year = (153 * month_from_march + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year -
	       719468;
}

static struct date date_of(int64_t seconds)
{
	int64_t days = floor_div(seconds, DAY_SECONDS);
	int rest = (int)(seconds - days * DAY_SECONDS);
	int64_t from_march = days + 719468;
	int64_t era = floor_div(from_march, 146097);
	int64_t of_era = from_march - era * 146097;
	int64_t year =
		(of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int of_year = (int)(of_era - (365 * year + year / 4 - year / 100));
	int month_from_march = (5 * of_year + 2) / 153;
	struct date date;

	date.month =
		month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
	date.day = of_year - (153 * month_from_march + 2) / 5 + 1;
	date.year = year + era * 400 + (date.month <= 2);
	date.hour = rest / 3600;
	date.minute = rest / 60 % 60;
	date.second = rest % 60;
	return date;
}

static bool is_leap(int64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static bool date_valid(const struct date *date)
{
	static const int month_days[] = {31, 28, 31, 30, 31, 30,
					 31, 31, 30, 31, 30, 31};

	/* 60 is a leap second: it counts as the first of the next minute. */
	return date->month >= 1 && date->month <= 12 && date->day >= 1 &&
	       date->day <= month_days[date->month - 1] +
				    (date->month == 2 && is_leap(date->year)) &&
	       date->hour <= 23 && date->minute <= 59 && date->second <= 60;
}

static int64_t seconds_of(const struct date *date)
{
	return days_of(date->year, date->month, date->day) * DAY_SECONDS +
	       date->hour * 3600 + date->minute * 60 + date->second;
}

static void put_digits(char *out, int64_t number, int digits)
{
	while (digits--) {
		out[digits] = (char)('0' + number % 10);
		number /= 10;
	}
}

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
	if (value < low)
		return low;
	return value < high ? value : high;
}

/* Each answer has one or two, and printf takes longer than the rest of it. */
void text_to_http_date(int64_t microseconds, char out[TEXT_DATE_SIZE])
{
	static const char pattern[] = "Ddd, 00 Mmm 0000 00:00:00 GMT";
	int64_t seconds =
		clamp(floor_div(microseconds, CLOCK_SECOND), FIRST_SECOND, LAST_SECOND);
	struct date date = date_of(seconds);
	int64_t days = floor_div(seconds, DAY_SECONDS);
	int64_t weekday = days + 4 - floor_div(days + 4, 7) * 7; /* 1970: a Thursday */

	memcpy(out, pattern, sizeof(pattern));
	memcpy(out, day_names[weekday], 3);
	put_digits(out + 5, date.day, 2);
	memcpy(out + 8, month_names[date.month - 1], 3);
	put_digits(out + 12, date.year, 4);
	put_digits(out + 17, date.hour, 2);
	put_digits(out + 20, date.minute, 2);
	put_digits(out + 23, date.second, 2);
}

void text_to_rfc3339(int64_t microseconds, char out[TEXT_DATE_SIZE])
{
	int64_t seconds = floor_div(microseconds, CLOCK_SECOND);
	int64_t fraction = microseconds % CLOCK_SECOND;
	struct date date = date_of(seconds);

	if (fraction < 0)
		fraction += CLOCK_SECOND;
	snprintf(out, TEXT_DATE_SIZE, "%04lld-%02d-%02dT%02d:%02d:%02d.%06lldZ",
		 (long long)date.year, date.month, date.day, date.hour, date.minute,
		 date.second, (long long)fraction);
}

/* ---- reading: a cursor that steps over what it was asked for, or says no ---- */

struct cursor {
	const char *at;
	const char *end;
};

static bool take(struct cursor *cursor, const char *literal)
{
	size_t length = strlen(literal);

	if ((size_t)(cursor->end - cursor->at) < length ||
	    memcmp(cursor->at, literal, length) != 0)
		return false;
	cursor->at += length;
	return true;
}

static bool take_any_of(struct cursor *cursor, const char *characters)
{
	if (cursor->at == cursor->end || *cursor->at == '\0' ||
	    !strchr(characters, *cursor->at))
		return false;
	cursor->at++;
	return true;
}

static bool take_digits(struct cursor *cursor, int count, int *number)
{
	int sum = 0;

	if (cursor->end - cursor->at < count)
		return false;
	for (int i = 0; i < count; i++) {
		if (cursor->at[i] < '0' || cursor->at[i] > '9')
			return false;
		sum = sum * 10 + (cursor->at[i] - '0');
	}
	cursor->at += count;
	*number = sum;
	return true;
}

/* The index of the name that comes next. */
static bool take_name(struct cursor *cursor, const char *const names[], int count,
		      int *index)
{
	for (*index = 0; *index < count; ++*index)
		if (take(cursor, names[*index]))
			return true;
	return false;
}

static bool take_month(struct cursor *cursor, struct date *date)
{
	int index;

	if (!take_name(cursor, month_names, 12, &index))
		return false;
	date->month = index + 1;
	return true;
}

static bool take_year(struct cursor *cursor, struct date *date)
{
	int year;

	if (!take_digits(cursor, 4, &year))
		return false;
	date->year = year;
	return true;
}

static bool take_time(struct cursor *cursor, struct date *date)
{
	return take_digits(cursor, 2, &date->hour) && take(cursor, ":") &&
	       take_digits(cursor, 2, &date->minute) && take(cursor, ":") &&
	       take_digits(cursor, 2, &date->second);
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" */
static bool read_imf(struct cursor cursor, struct date *date)
{
	int weekday;

	return take_name(&cursor, day_names, 7, &weekday) && take(&cursor, ", ") &&
	       take_digits(&cursor, 2, &date->day) && take(&cursor, " ") &&
	       take_month(&cursor, date) && take(&cursor, " ") &&
	       take_year(&cursor, date) && take(&cursor, " ") &&
	       take_time(&cursor, date) && take(&cursor, " GMT") &&
	       cursor.at == cursor.end;
}

/* The year with these last two digits that is at most 50 years ahead. */
static int64_t whole_year(int digits)
{
	int64_t now = date_of(floor_div(clock_now(), CLOCK_SECOND)).year;
	int64_t year = now - now % 100 + 100 + digits;

	while (year > now + TWO_DIGIT_YEARS_AHEAD)
		year -= 100;
	return year;
}

/* "Sunday, 06-Nov-94 08:49:37 GMT" */
static bool read_rfc850(struct cursor cursor, struct date *date)
{
	int weekday, year;

	if (!take_name(&cursor, long_day_names, 7, &weekday) || !take(&cursor, ", ") ||
	    !take_digits(&cursor, 2, &date->day) || !take(&cursor, "-") ||
	    !take_month(&cursor, date) || !take(&cursor, "-") ||
	    !take_digits(&cursor, 2, &year))
		return false;
	date->year = whole_year(year);
	return take(&cursor, " ") && take_time(&cursor, date) &&
	       take(&cursor, " GMT") && cursor.at == cursor.end;
}

/* "Sun Nov  6 08:49:37 1994" */
static bool read_asctime(struct cursor cursor, struct date *date)
{
	int weekday;

	return take_name(&cursor, day_names, 7, &weekday) && take(&cursor, " ") &&
	       take_month(&cursor, date) && take(&cursor, " ") &&
	       take_digits(&cursor, take(&cursor, " ") ? 1 : 2, &date->day) &&
	       take(&cursor, " ") && take_time(&cursor, date) && take(&cursor, " ") &&
	       take_year(&cursor, date) && cursor.at == cursor.end;
}

bool text_from_http_date(const char *text, int64_t *microseconds)
{
	struct cursor cursor = {text, text + strlen(text)};
	struct date date;

	if (!read_imf(cursor, &date) && !read_rfc850(cursor, &date) &&
	    !read_asctime(cursor, &date))
		return false;
	if (!date_valid(&date))
		return false;
	*microseconds = seconds_of(&date) * CLOCK_SECOND;
	return true;
}

/* ".5", any number of digits, of which six count; nothing at all is 0. */
static bool take_fraction(struct cursor *cursor, int64_t *microseconds)
{
	int64_t unit = CLOCK_SECOND / 10, sum = 0;
	int digit;

	*microseconds = 0;
	if (!take(cursor, "."))
		return true;
	if (!take_digits(cursor, 1, &digit))
		return false;
	do {
		sum += digit * unit;
		unit /= 10;
	} while (take_digits(cursor, 1, &digit));
	*microseconds = sum;
	return true;
}

/* "Z", or "+01:00", in seconds east of Greenwich. */
static bool take_zone(struct cursor *cursor, int64_t *east)
{
	int sign, hours, minutes;

	*east = 0;
	if (take_any_of(cursor, "Zz"))
		return true;
	if (take(cursor, "+"))
		sign = 1;
	else if (take(cursor, "-"))
		sign = -1;
	else
		return false;
	if (!take_digits(cursor, 2, &hours) || !take(cursor, ":") ||
	    !take_digits(cursor, 2, &minutes) || hours > 23 || minutes > 59)
		return false;
	*east = sign * (hours * 3600 + minutes * 60);
	return true;
}

bool text_from_rfc3339(const char *text, size_t length, int64_t *microseconds)
{
	struct cursor cursor = {text, text + length};
	int64_t fraction, east;
	struct date date;

	if (!take_year(&cursor, &date) || !take(&cursor, "-") ||
	    !take_digits(&cursor, 2, &date.month) || !take(&cursor, "-") ||
	    !take_digits(&cursor, 2, &date.day) || !take_any_of(&cursor, "Tt ") ||
	    !take_time(&cursor, &date) || !take_fraction(&cursor, &fraction) ||
	    !take_zone(&cursor, &east))
		return false;
	if (cursor.at != cursor.end || !date_valid(&date))
		return false;
	*microseconds = (seconds_of(&date) - east) * CLOCK_SECOND + fraction;
	return true;
}
