#include "tusfs/metadata.h"

#include "tusfs/text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of the longest checksum that is understood: "sha512:" and hex digits. */
#define CHECKSUM_MAX 144

/* RFC 9110, 5.6.3 */
static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

static const char *skip_space(const char *text)
{
	while (is_space(*text))
		text++;
	return text;
}

bool metadata_next(const char **cursor, struct metadata_pair *pair)
{
	const char *begin = skip_space(*cursor), *end, *space;

	if (*begin == '\0')
		return false;
	end = begin + strcspn(begin, ",");
	*cursor = *end == ',' ? end + 1 : end;
	while (end > begin && is_space(end[-1]))
		end--;
	space = memchr(begin, ' ', (size_t)(end - begin));
	pair->key = begin;
	pair->key_length = (size_t)((space ? space : end) - begin);
	pair->value = space ? space + 1 : end;
	pair->value_length = (size_t)(end - pair->value);
	return true;
}

static bool key_is(const struct metadata_pair *pair, const char *key)
{
	return pair->key_length == strlen(key) &&
	       memcmp(pair->key, key, pair->key_length) == 0;
}

static const char *problem_of_pair(const struct metadata_pair *pair)
{
	size_t size;

	if (pair->key_length == 0)
		return "a key is empty";
	for (size_t i = 0; i < pair->key_length; i++)
		if (pair->key[i] <= ' ' || pair->key[i] > '~')
			return "a key is not ASCII";
	if (!text_from_base64(pair->value, pair->value_length, NULL, &size))
		return "a value is not base64";
	return NULL;
}

static int compare_keys(const void *a, const void *b)
{
	const struct metadata_pair *left = a, *right = b;
	size_t shorter = left->key_length < right->key_length ? left->key_length
							      : right->key_length;
	int order = memcmp(left->key, right->key, shorter);

	if (order)
		return order;
	return (left->key_length > right->key_length) -
	       (left->key_length < right->key_length);
}

/* Sorted, since a header has room for some thirty thousand keys. */
static const char *problem_of_keys(struct metadata_pair *pairs, size_t count)
{
	if (count > 1)
		qsort(pairs, count, sizeof(*pairs), compare_keys);
	for (size_t i = 1; i < count; i++)
		if (compare_keys(&pairs[i - 1], &pairs[i]) == 0)
			return "a key occurs twice";
	return NULL;
}

static size_t count_commas(const char *text)
{
	size_t count = 0;

	for (; *text; text++)
		count += *text == ',';
	return count;
}

static const char *problem_of(const char *text)
{
	SCOPED(scoped_free) struct metadata_pair *pairs = NULL;
	size_t count = 0, commas = count_commas(text);
	const char *problem;

	if (strlen(text) > METADATA_MAX)
		return "it is longer than 64 KiB";
	if (*skip_space(text) == '\0')
		return NULL;
	pairs = calloc(commas + 1, sizeof(*pairs));
	if (!pairs)
		return "memory is short";
	while (metadata_next(&text, &pairs[count])) {
		problem = problem_of_pair(&pairs[count++]);
		if (problem)
			return problem;
	}
	/* Nothing is read behind a comma at the end. */
	if (count != commas + 1)
		return "a key is empty";
	return problem_of_keys(pairs, count);
}

bool metadata_valid(const char *text, const char **problem)
{
	const char *found = problem_of(text);

	if (!found)
		return true;
	*problem = found;
	return false;
}

/* Decodes a value, with a NUL behind it. */
static char *decode(const struct metadata_pair *pair, size_t *size)
{
	SCOPED(scoped_free) char *decoded = malloc(pair->value_length / 4 * 3 + 1);
	size_t length;

	if (!decoded || !text_from_base64(pair->value, pair->value_length,
					  (uint8_t *)decoded, &length))
		return NULL;
	decoded[length] = '\0';
	*size = length;
	return STEAL(decoded);
}

static bool find_pair(const char *text, const char *key, struct metadata_pair *pair)
{
	while (text && metadata_next(&text, pair))
		if (key_is(pair, key))
			return true;
	return false;
}

char *metadata_get(const char *text, const char *key, size_t *size)
{
	struct metadata_pair pair;

	return find_pair(text, key, &pair) ? decode(&pair, size) : NULL;
}

static bool digest_from_text(const char *text, size_t length, size_t size,
			     uint8_t bytes[DIGEST_MAX_BYTES])
{
	uint8_t decoded[text_base64_length(DIGEST_MAX_BYTES) / 4 * 3];
	size_t written;

	if (length == 2 * size)
		return text_from_hex(text, length, bytes, size);
	if (length != text_base64_length(size) ||
	    !text_from_base64(text, length, decoded, &written) || written != size)
		return false;
	memcpy(bytes, decoded, size);
	return true;
}

/* "sha256:DIGEST", or "sha256 DIGEST" as in Upload-Checksum; the name in any case. */
static bool checksum_from_text(char *text, size_t length, struct checksum *checksum)
{
	size_t name = 0;

	while (name < length && text[name] != ':' && text[name] != ' ') {
		text[name] = (char)tolower((unsigned char)text[name]);
		name++;
	}
	if (name == length)
		return false;
	checksum->algorithm = digest_named(text, name);
	/* 32 bits say nothing about who made a file. */
	return checksum->algorithm != DIGEST_NONE &&
	       checksum->algorithm != DIGEST_CRC32 &&
	       digest_from_text(text + name + 1, length - name - 1,
				digest_size(checksum->algorithm), checksum->bytes);
}

bool metadata_checksum(const char *text, struct checksum *checksum)
{
	char value[CHECKSUM_MAX + 3];
	struct checksum read = {.algorithm = DIGEST_NONE};
	struct metadata_pair pair;
	size_t size;

	if (!find_pair(text, "checksum", &pair) ||
	    pair.value_length > text_base64_length(CHECKSUM_MAX) ||
	    !text_from_base64(pair.value, pair.value_length, NULL, &size) ||
	    size > CHECKSUM_MAX)
		return false;
	text_from_base64(pair.value, pair.value_length, (uint8_t *)value, &size);
	if (!checksum_from_text(value, size, &read))
		return false;
	*checksum = read;
	return true;
}
