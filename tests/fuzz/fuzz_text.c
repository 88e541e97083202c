#include "input.h"
#include "tusfs/scoped.h"
#include "tusfs/text.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND INT64_C(1000000)
/* The years that the readers know, 0000 to 9999, in seconds */
#define YEAR_0	   INT64_C(-62167219200)
#define YEAR_10000 INT64_C(253402300800)

static void try_number(const char *text, size_t size)
{
	char again[32];
	uint64_t value, read;

	if (!text_to_u64(text, size, &value))
		return;
	assert(value <= INT64_MAX);
	snprintf(again, sizeof(again), "%" PRIu64, value);
	assert(text_to_u64(again, strlen(again), &read));
	assert(read == value);
}

static void try_base64(const char *text, size_t size)
{
	SCOPED(scoped_free) uint8_t *bytes = malloc(size / 4 * 3 + 1);
	SCOPED(scoped_free) uint8_t *back = malloc(size / 4 * 3 + 1);
	SCOPED(scoped_free) char *again = malloc(size + 1);
	size_t length, checked, back_length;

	assert(bytes && back && again);
	if (!text_from_base64(text, size, bytes, &length))
		return;
	assert(text_from_base64(text, size, NULL, &checked) && checked == length);
	assert(text_base64_length(length) == size);
	text_to_base64(bytes, length, again);
	assert(text_from_base64(again, strlen(again), back, &back_length));
	assert(back_length == length && memcmp(back, bytes, length) == 0);
}

static void try_hex(const char *text, size_t size)
{
	SCOPED(scoped_free) uint8_t *bytes = malloc(size / 2 + 1);
	SCOPED(scoped_free) char *again = malloc(size + 1);

	assert(bytes && again);
	if (!text_from_hex(text, size, bytes, size / 2))
		return;
	text_to_hex(bytes, size / 2, again);
	assert(strcasecmp(again, text) == 0);
}

static void assert_dates_return(int64_t moment)
{
	char text[TEXT_DATE_SIZE];
	int64_t read;

	text_to_rfc3339(moment, text);
	assert(text_from_rfc3339(text, strlen(text), &read) && read == moment);
	text_to_http_date(moment, text);
	assert(text_from_http_date(text, &read));
	assert(read <= moment && moment - read < SECOND);
}

static void try_dates(const char *text, size_t size)
{
	int64_t moment;

	/* An offset or a leap second may lead out of the years that can be read. */
	if ((text_from_http_date(text, &moment) ||
	     text_from_rfc3339(text, size, &moment)) &&
	    moment >= YEAR_0 * SECOND && moment < YEAR_10000 * SECOND)
		assert_dates_return(moment);
}

/* Any 64 bits are a moment that has a date. */
static void try_moment(const uint8_t *data, size_t size)
{
	char text[TEXT_DATE_SIZE];
	int64_t moment;

	if (size < sizeof(moment))
		return;
	memcpy(&moment, data, sizeof(moment));
	text_to_http_date(moment, text);
	assert(strlen(text) < TEXT_DATE_SIZE - 1);
	text_to_rfc3339(moment, text);
	assert(strlen(text) < TEXT_DATE_SIZE - 1);
	if (moment >= YEAR_0 * SECOND && moment < YEAR_10000 * SECOND)
		assert_dates_return(moment);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SCOPED(scoped_free) char *text = input_text(data, size);
	uint64_t bytes;
	int64_t span;

	try_number(text, size);
	try_base64(text, size);
	try_hex(text, size);
	try_dates(text, size);
	try_moment(data, size);
	if (text_to_bytes(text, &bytes))
		assert(bytes <= INT64_MAX);
	if (text_to_span(text, &span))
		assert(span >= 0);
	if (text_is_utf8(text, size))
		assert(size < 1 || (data[size - 1] & 0xc0) != 0xc0);
	return 0;
}
