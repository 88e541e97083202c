#include "tusfs/name.h"

#include "tusfs/scoped.h"

#include <stdio.h>
#include <string.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

/* Longest extension that survives cutting, with its dot. */
#define EXTENSION_MAX 32
/* Most bytes that one byte can become: a stray one turns into U+FFFD. */
#define GROWTH 3

static bool is_separator(char c)
{
	return c == '/' || c == '\\'; /* Windows clients send whole paths */
}

/* Characters that break lines or make a name look like another one. */
static bool is_unsafe(ucs4_t c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x2028 || c == 0x2029 ||
	       (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

/* Copies well-formed and safe characters; the rest becomes U+FFFD, or nothing. */
static size_t copy_safe(const char *bytes, size_t size, uint8_t *out)
{
	const uint8_t *at = (const uint8_t *)bytes, *end = at + size;
	uint8_t *start = out;
	ucs4_t c;

	while (at < end) {
		at += u8_mbtouc(&c, at, (size_t)(end - at));
		if (!is_unsafe(c))
			out += u8_uctomb(out, c, GROWTH + 1);
	}
	return (size_t)(out - start);
}

/* The first character that is no white space; *size is what is left from there. */
static const uint8_t *trimmed_start(const uint8_t *text, size_t *size)
{
	ucs4_t c;
	int length;

	while (*size > 0) {
		length = u8_mbtouc(&c, text, *size);
		if (!uc_is_property_white_space(c))
			break;
		text += length;
		*size -= (size_t)length;
	}
	return text;
}

/* The size without the white space at the end. */
static size_t trimmed_end(const uint8_t *text, size_t size)
{
	const uint8_t *previous;
	ucs4_t c;

	while (size > 0) {
		previous = u8_prev(&c, text + size, text);
		if (!uc_is_property_white_space(c))
			break;
		size = (size_t)(previous - text);
	}
	return size;
}

/* Where the extension starts; `size` where there is none. A dot at the start is no
 * extension, nor is what has a space ("Mr. Smith at home"). */
static size_t extension_of(const char *text, size_t size)
{
	const char *dot = memrchr(text, '.', size);
	size_t at = dot ? (size_t)(dot - text) : 0;

	if (at == 0 || size - at > EXTENSION_MAX || size - at < 2 ||
	    memchr(dot, ' ', size - at))
		return size;
	if (at > 4 && memcmp(dot - 4, ".tar", 4) == 0)
		at -= 4;
	return at;
}

/* The largest size up to `size` and `most` that splits no character. */
static size_t cut(const char *text, size_t size, size_t most)
{
	if (size <= most)
		return size;
	while (most > 0 && ((uint8_t)text[most] & 0xc0) == 0x80)
		most--;
	return most;
}

/* Stem, `middle` and extension. The stem is cut so that all fits, and then does not end
 * with white space. */
static void assemble(const char *text, size_t size, const char *middle,
		     struct name *name)
{
	size_t start = extension_of(text, size), extension = size - start;
	size_t stem = cut(text, start, NAME_BYTES - strlen(middle) - extension);

	if (stem < start)
		stem = trimmed_end((const uint8_t *)text, stem);
	snprintf(name->text, sizeof(name->text), "%.*s%s%.*s", (int)stem, text, middle,
		 (int)extension, text + start);
}

static bool is_dots(const char *text, size_t size)
{
	return size <= 2 && memcmp(text, "..", size) == 0;
}

static bool is_ascii(const uint8_t *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (text[i] >= 0x80)
			return false;
	return true;
}

/* In NFC: `text` itself where that is the same, or *made, which the caller frees; NULL
 * without memory. */
static const uint8_t *compose(const uint8_t *text, size_t *size, uint8_t **made)
{
	if (is_ascii(text, *size))
		return text;
	*made = u8_normalize(UNINORM_NFC, text, *size, NULL, size);
	return *made;
}

static bool make_component(const char *bytes, size_t size, struct name *name)
{
	SCOPED(scoped_free) uint8_t *copy = NULL;
	SCOPED(scoped_free) uint8_t *composed = NULL;
	const uint8_t *text;
	struct name made;
	size_t length;

	copy = malloc(size * GROWTH + 1);
	if (!copy)
		return false;
	length = copy_safe(bytes, size, copy);
	text = compose(copy, &length, &composed);
	if (!text)
		return false;
	text = trimmed_start(text, &length);
	length = trimmed_end(text, length);
	assemble((const char *)text, length, "", &made);
	if (is_dots(made.text, strlen(made.text))) /* or empty */
		return false;
	*name = made;
	return true;
}

bool name_make_safe(const char *bytes, size_t size, struct name *name)
{
	size_t start = size;

	while (start > 0 && !is_separator(bytes[start - 1]))
		start--;
	return make_component(bytes + start, size - start, name);
}

void name_set(struct name *name, const char *text)
{
	size_t length = strnlen(text, NAME_BYTES);

	memcpy(name->text, text, length);
	name->text[length] = '\0';
}

void name_number(const struct name *name, uint64_t n, struct name *numbered)
{
	struct name original = *name; /* both may be one object */
	char middle[32];

	snprintf(middle, sizeof(middle), " (%llu)", (unsigned long long)n);
	assemble(original.text, strlen(original.text), middle, numbered);
}

int name_folders(const char *path, size_t size,
		 int (*folder)(void *arg, const struct name *name), void *arg)
{
	size_t start = 0, room = NAME_PATH_BYTES - NAME_BYTES, length;
	int told = 0, r;
	struct name name;

	for (size_t i = 0; i < size && told < NAME_DEPTH_MAX; i++) {
		if (!is_separator(path[i]))
			continue;
		if (make_component(path + start, i - start, &name)) {
			length = strlen(name.text) + 1;
			if (length > room)
				return 0;
			r = folder(arg, &name);
			if (r)
				return r;
			room -= length;
			told++;
		}
		start = i + 1;
	}
	return 0;
}
