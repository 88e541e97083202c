#include "tusfs/http_text.h"

#include "tusfs/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* tchar of RFC 9110, 5.6.2 */
static bool is_token_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static size_t token_length(const char *text, const char *end)
{
	size_t n = 0;

	while (text + n < end && is_token_char(text[n]))
		n++;
	return n;
}

bool http_is_token(const char *text, size_t length)
{
	return length && token_length(text, text + length) == length;
}

static const char *skip_space(const char *text, const char *end)
{
	while (text < end && (*text == ' ' || *text == '\t'))
		text++;
	return text;
}

/* A number that is too large for 64 bits is past every end: UINT64_MAX. */
static uint64_t range_number(const char *text, size_t digits)
{
	uint64_t value;

	return text_to_u64(text, digits, &value) ? value : UINT64_MAX;
}

static enum http_range_kind range_suffix(uint64_t wanted, uint64_t size,
					 struct http_range *range)
{
	if (!wanted || !size)
		return HTTP_RANGE_UNSATISFIABLE;
	range->length = wanted < size ? wanted : size;
	range->first = size - range->length;
	return HTTP_RANGE_PART;
}

enum http_range_kind http_range_parse(const char *text, uint64_t size,
				      struct http_range *range)
{
	size_t first_digits, last_digits;
	uint64_t first, last;

	if (strncasecmp(text, "bytes=", 6) != 0)
		return HTTP_RANGE_WHOLE;
	text += 6;
	first_digits = strspn(text, "0123456789");
	if (text[first_digits] != '-')
		return HTTP_RANGE_WHOLE;
	last_digits = strspn(text + first_digits + 1, "0123456789");
	if (text[first_digits + 1 + last_digits] || (!first_digits && !last_digits))
		return HTTP_RANGE_WHOLE;
	last = last_digits ? range_number(text + first_digits + 1, last_digits)
			   : UINT64_MAX;
	if (!first_digits)
		return range_suffix(last, size, range);
	first = range_number(text, first_digits);
	if (last < first)
		return HTTP_RANGE_WHOLE;
	if (first >= size)
		return HTTP_RANGE_UNSATISFIABLE;
	range->first = first;
	range->length = (last < size ? last + 1 : size) - first;
	return HTTP_RANGE_PART;
}

static bool has_etag(const char *list, const char *etag, bool weak)
{
	size_t length = strlen(etag);
	const char *end = list + strlen(list);

	list = skip_space(list, end);
	if (*list == '*')
		return true;
	while (*list) {
		list += strspn(list, ", \t");
		if (weak && strncmp(list, "W/", 2) == 0)
			list += 2;
		if (strncmp(list, etag, length) == 0)
			return true;
		if (strncmp(list, "W/", 2) == 0)
			list += 2;
		if (*list == '"')
			list += 1 + strcspn(list + 1, "\"");
		list += strcspn(list, ",");
	}
	return false;
}

bool http_etag_listed(const char *list, const char *etag)
{
	return has_etag(list, etag, true);
}

bool http_etag_matches(const char *list, const char *etag)
{
	return has_etag(list, etag, false);
}

bool http_list_has(const char *list, const char *token)
{
	size_t length = strlen(token);

	while (*list) {
		list += strspn(list, ", \t");
		if (strncasecmp(list, token, length) == 0 &&
		    strchr(", \t", list[length])) /* its NUL counts as well */
			return true;
		list += strcspn(list, ",");
	}
	return false;
}

bool http_is_token_list(const char *list)
{
	for (; *list; list++)
		if (!is_token_char(*list) && !strchr(", \t", *list))
			return false;
	return true;
}

/* A quoted string, from its first quote on: where it ends, or NULL. */
static const char *skip_quoted(const char *text, const char *end)
{
	for (text++; text < end && *text != '"'; text++) {
		if (*text == '\\')
			text++;
		if (text >= end || *text < ' ' || *text > '~')
			return NULL;
	}
	return text < end ? text + 1 : NULL;
}

/* One parameter, from its name on: where it ends, or NULL. */
static const char *skip_parameter(const char *text, const char *end)
{
	size_t name = token_length(text, end), value;

	if (!name || text + name >= end || text[name] != '=')
		return NULL;
	text += name + 1;
	if (text < end && *text == '"')
		return skip_quoted(text, end);
	value = token_length(text, end);
	return value ? text + value : NULL;
}

bool http_media_type_valid(const char *text, size_t length)
{
	const char *end = text + length;
	size_t type = token_length(text, end), subtype;

	if (!type || text + type >= end || text[type] != '/')
		return false;
	text += type + 1;
	subtype = token_length(text, end);
	if (!subtype)
		return false;
	for (text += subtype; text && text < end;) {
		text = skip_space(text, end);
		if (text == end || *text != ';')
			return false;
		text = skip_parameter(skip_space(text + 1, end), end);
	}
	return text != NULL;
}

bool http_media_type_inert(const char *text)
{
	static const char *const inert[] = {
		"text/plain",  "image/png", "image/jpeg", "image/gif",	"image/webp",
		"image/avif",  "image/bmp", "audio/aac",  "audio/flac", "audio/mp4",
		"audio/mpeg",  "audio/ogg", "audio/wav",  "audio/wave", "audio/webm",
		"audio/x-wav", "video/mp4", "video/ogg",  "video/webm",
	};
	size_t length = strcspn(text, "; \t");

	for (size_t i = 0; i < sizeof(inert) / sizeof(inert[0]); i++)
		if (strlen(inert[i]) == length &&
		    strncasecmp(text, inert[i], length) == 0)
			return true;
	return false;
}

/* attr-char of RFC 8187, 3.2.1 */
static bool is_attr_char(char c)
{
	return is_token_char(c) && !strchr("*'%", c);
}

/* The name in ASCII: what a quoted string cannot carry everywhere becomes '_'. */
static void write_plain_name(FILE *out, const char *name)
{
	for (; *name; name++) {
		bool plain = *name >= ' ' && *name <= '~' && !strchr("\"\\%", *name);

		if ((*name & 0xc0) != 0x80) /* one for each character of UTF-8 */
			fputc(plain ? *name : '_', out);
	}
}

static void write_encoded_name(FILE *out, const char *name)
{
	for (; *name; name++)
		if (is_attr_char(*name))
			fputc(*name, out);
		else
			fprintf(out, "%%%02X", (unsigned char)*name);
}

char *http_disposition(bool in_place, const char *name)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	fprintf(out, "%s; filename=\"", in_place ? "inline" : "attachment");
	write_plain_name(out, name);
	fputs("\"; filename*=UTF-8''", out);
	write_encoded_name(out, name);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

bool http_authority_valid(const char *text)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyz"
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:[]";
	size_t length = strlen(text);

	return length > 0 && length < 256 && strspn(text, allowed) == length;
}

/* Copies without the quotes and their escapes. */
static bool copy_value(const char *text, const char *end, char *value, size_t size)
{
	bool quoted = text < end && *text == '"';
	size_t n = 0;

	for (text += quoted; text < end && !(quoted && *text == '"'); text++) {
		if (quoted && *text == '\\' && text + 1 < end)
			text++;
		if (n + 1 >= size)
			return false;
		value[n++] = *text;
	}
	value[n] = '\0';
	return n > 0;
}

bool http_forwarded(const char *text, const char *name, char *value, size_t size)
{
	const char *end = text + strlen(text);

	while (text < end) {
		const char *parameter = skip_space(text, end);
		size_t length = token_length(parameter, end);

		text = skip_parameter(parameter, end);
		if (!text)
			return false;
		if (length == strlen(name) && strncasecmp(parameter, name, length) == 0)
			return copy_value(parameter + length + 1, text, value, size);
		text = skip_space(text, end);
		if (text == end || *text++ != ';') /* a comma ends the first element */
			return false;
	}
	return false;
}

bool http_list_first(const char *text, char *value, size_t size)
{
	const char *end = text + strcspn(text, ",");

	text = skip_space(text, end);
	while (end > text && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	if (text == end || (size_t)(end - text) >= size)
		return false;
	memcpy(value, text, end - text);
	value[end - text] = '\0';
	return true;
}
