/* What the HTTP door reads from and writes into header fields. Pure, fuzzed: these take
 * any text, and say no by returning false. */
#ifndef TUSFS_HTTP_TEXT_H
#define TUSFS_HTTP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_range {
	uint64_t first;
	uint64_t length; /* at least 1 */
};

enum http_range_kind {
	HTTP_RANGE_WHOLE,	  /* not one range of bytes: the field is ignored */
	HTTP_RANGE_PART,	  /* *range is inside `size` */
	HTTP_RANGE_UNSATISFIABLE, /* one well-formed range that begins past the end */
};

/* Reads a Range field (RFC 9110, 14.2) for a representation of `size` bytes. Several
 * ranges are answered as a whole. *range is set only for HTTP_RANGE_PART. */
enum http_range_kind http_range_parse(const char *text, uint64_t size,
				      struct http_range *range);

/* Whether `etag`, a strong one with its quotes, is in a list of entity tags by weak
 * comparison, or the list is "*" (RFC 9110, 13.1.2). */
bool http_etag_listed(const char *list, const char *etag);
/* The same by strong comparison (RFC 9110, 13.1.1). */
bool http_etag_matches(const char *list, const char *etag);

/* Whether all of `text` is one token (RFC 9110, 5.6.2). */
bool http_is_token(const char *text, size_t length);
/* Whether a comma-separated list has `token`, in either case. */
bool http_list_has(const char *list, const char *token);
/* Whether a list has nothing but tokens, commas and blanks in it. */
bool http_is_token_list(const char *list);

/* Whether `text` is a media type with well-formed parameters (RFC 9110, 8.3.1). */
bool http_media_type_valid(const char *text, size_t length);
/* Whether a browser may show a valid media type in place: a short list of types that
 * carry no script. */
bool http_media_type_inert(const char *text);

/* The value of Content-Disposition for a file of that UTF-8 name (RFC 6266): an ASCII
 * form, and the exact one as filename*. The caller frees it; NULL when memory is
 * short. */
char *http_disposition(bool in_place, const char *name);

/* Whether `text` looks like host or host:port, with nothing that could end a URL's
 * authority or a header line. */
bool http_authority_valid(const char *text);

/* A parameter of the first element of Forwarded (RFC 7239), such as "host", without
 * quotes. False when it is absent, or longer than `size` - 1. */
bool http_forwarded(const char *text, const char *name, char *value, size_t size);
/* The first element of a comma-separated list, trimmed. False when it is empty, or
 * longer than `size` - 1. */
bool http_list_first(const char *text, char *value, size_t size);

#endif
