#include "tusfs/text.h"

#include "tusfs/clock.h"

#include <string.h>
#include <unistr.h>

bool text_to_u64(const char *text, size_t length, uint64_t *value)
{
	uint64_t sum = 0;

	if (length == 0)
		return false;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		if (__builtin_mul_overflow(sum, 10, &sum) ||
		    __builtin_add_overflow(sum, (uint64_t)(text[i] - '0'), &sum) ||
		    sum > INT64_MAX)
			return false;
	}
	*value = sum;
	return true;
}

size_t text_of_u64(uint64_t number, char out[TEXT_NUMBER_SIZE])
{
	char digits[TEXT_NUMBER_SIZE], *first = digits + sizeof(digits) - 1;
	size_t length;

	*first = '\0';
	do
		*--first = (char)('0' + number % 10);
	while (number /= 10);
	length = (size_t)(digits + sizeof(digits) - 1 - first);
	memcpy(out, first, length + 1);
	return length;
}

static int value_of_base64(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

bool text_from_base64(const char *text, size_t length, uint8_t *out, size_t *size)
{
	size_t digits = length, written = 0;
	uint32_t bits = 0; /* the low 24 are the last four digits */
	int value;

	if (length % 4 != 0)
		return false;
	while (digits > 0 && length - digits < 2 && text[digits - 1] == '=')
		digits--;
	for (size_t i = 0; i < digits; i++) {
		value = value_of_base64(text[i]);
		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t)value;
		if (i % 4 == 0)
			continue; /* six bits are no byte yet */
		if (out)
			out[written] = (uint8_t)(bits >> (6 - i % 4 * 2));
		written++;
	}
	*size = written;
	return true;
}

void text_to_base64(const uint8_t *bytes, size_t size, char *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t bits;

	for (size_t i = 0; i < size; i += 3, out += 4) {
		bits = (uint32_t)bytes[i] << 16;
		if (i + 1 < size)
			bits |= (uint32_t)bytes[i + 1] << 8;
		if (i + 2 < size)
			bits |= bytes[i + 2];
		out[0] = digits[bits >> 18];
		out[1] = digits[bits >> 12 & 63];
		out[2] = i + 1 < size ? digits[bits >> 6 & 63] : '=';
		out[3] = i + 2 < size ? digits[bits & 63] : '=';
	}
	*out = '\0';
}

static int value_of_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool text_from_hex(const char *text, size_t length, uint8_t *out, size_t size)
{
	int high, low;

	if (length % 2 != 0 || length / 2 != size)
		return false;
	for (size_t i = 0; i < size; i++) {
		high = value_of_hex(text[2 * i]);
		low = value_of_hex(text[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

void text_to_hex(const uint8_t *bytes, size_t size, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < size; i++) {
		*out++ = digits[bytes[i] >> 4];
		*out++ = digits[bytes[i] & 15];
	}
	*out = '\0';
}

/* What a suffix multiplies by; 0 for one that is not known. */
static uint64_t bytes_in(char suffix)
{
	const char *const suffixes = "KMGTP";
	const char *at = strchr(suffixes, suffix);

	return at ? UINT64_C(1) << 10 * (at - suffixes + 1) : 0;
}

static uint64_t microseconds_in(char suffix)
{
	switch (suffix) {
	case 's':
		return CLOCK_SECOND;
	case 'm':
		return 60 * CLOCK_SECOND;
	case 'h':
		return 3600 * CLOCK_SECOND;
	case 'd':
		return 86400 * CLOCK_SECOND;
	}
	return 0;
}

/* Digits and at most one letter, as a product of at most INT64_MAX. */
static bool read_product(const char *text, uint64_t (*unit_of)(char),
			 uint64_t plain_unit, uint64_t *product)
{
	size_t length = strlen(text);
	uint64_t value, unit = plain_unit;

	if (length > 0 && (text[length - 1] < '0' || text[length - 1] > '9'))
		unit = unit_of(text[--length]);
	if (unit == 0 || !text_to_u64(text, length, &value) ||
	    __builtin_mul_overflow(value, unit, &value) || value > INT64_MAX)
		return false;
	*product = value;
	return true;
}

bool text_to_bytes(const char *text, uint64_t *bytes)
{
	return read_product(text, bytes_in, 1, bytes);
}

bool text_to_span(const char *text, int64_t *microseconds)
{
	uint64_t product;

	if (!read_product(text, microseconds_in, CLOCK_SECOND, &product))
		return false;
	*microseconds = (int64_t)product;
	return true;
}

bool text_is_utf8(const char *bytes, size_t size)
{
	return u8_check((const uint8_t *)bytes, size) == NULL;
}
