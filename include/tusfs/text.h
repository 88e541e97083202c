/* Text in and out: numbers, base64, hex, dates, UTF-8. Small, pure and fuzzed: they
 * take any bytes, and say no by returning false. Thread-safe. */
#ifndef TUSFS_TEXT_H
#define TUSFS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The non-negative decimal integer that `text` is, up to INT64_MAX; digits and nothing
 * else, so no sign and no space (RFC 9110, 8.6, and tus 1.0.0, Upload-Offset). */
bool text_to_u64(const char *text, size_t length, uint64_t *value);

#define TEXT_NUMBER_SIZE 21
/* The decimal digits of `number` and a NUL; returns how many digits there are. Written
 * by hand since each answer has several: snprintf() takes a twentieth of a HEAD for
 * them. */
size_t text_of_u64(uint64_t number, char out[TEXT_NUMBER_SIZE]);

/* Decodes strict base64 with padding (RFC 4648, 4). `out` has room for 3 bytes for each
 * 4 characters, or is NULL, to check only; *size is what was, or would be, written. */
bool text_from_base64(const char *text, size_t length, uint8_t *out, size_t *size);
/* Encodes with padding; `out` has room for text_base64_length(size) + 1. */
void text_to_base64(const uint8_t *bytes, size_t size, char *out);
#define text_base64_length(size) (((size) + 2) / 3 * 4)

/* Hex digits of either case; `length` must be twice `size`. */
bool text_from_hex(const char *text, size_t length, uint8_t *out, size_t size);
/* Lower-case digits and a NUL. */
void text_to_hex(const uint8_t *bytes, size_t size, char *out);

#define TEXT_DATE_SIZE 40
/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7) of a time in microseconds;
 * the first or the last moment of years with four digits for one that is beyond. */
void text_to_http_date(int64_t microseconds, char out[TEXT_DATE_SIZE]);
/* Any of the three forms of RFC 9110, 5.6.7, in whole seconds, given in microseconds.
 */
bool text_from_http_date(const char *text, int64_t *microseconds);
/* "1994-11-06T08:49:37.000000Z" (RFC 3339). */
void text_to_rfc3339(int64_t microseconds, char out[TEXT_DATE_SIZE]);
/* RFC 3339 with an optional fraction and Z or a numeric offset. */
bool text_from_rfc3339(const char *text, size_t length, int64_t *microseconds);

/* A count of bytes with an optional suffix K, M, G, T or P (powers of 1024). */
bool text_to_bytes(const char *text, uint64_t *bytes);
/* A time span with an optional suffix s, m, h or d; seconds without one. */
bool text_to_span(const char *text, int64_t *microseconds);

/* Whether `bytes` are well-formed UTF-8 (Unicode 15, table 3-7). */
bool text_is_utf8(const char *bytes, size_t size);

#endif
