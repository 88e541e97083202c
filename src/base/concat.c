#include "tusfs/concat.h"

#include <errno.h>
#include <string.h>

static const char *skip_spaces(const char *text)
{
	return text + strspn(text, " ");
}

static bool ends_with(const char *text, size_t length, const char *end)
{
	size_t end_length = strlen(end);

	return length >= end_length &&
	       memcmp(text + length - end_length, end, end_length) == 0;
}

/* Whether a character may be in a URL of ours. An id and a base path need no escapes,
 * queries or fragments; a comma or semicolon comes of a list that is joined wrongly, of
 * which only the last part would be taken. */
static bool is_plain(char c)
{
	return c > ' ' && c <= '~' && !strchr("%?#,;\"<>\\^`{|}", c);
}

/* The id that a URL ends with. Nothing is unescaped or resolved. */
static bool read_url(const char *url, size_t length, const char *base_path,
		     struct upload_id *id)
{
	size_t before;

	if (length < UPLOAD_ID_DIGITS)
		return false;
	for (size_t i = 0; i < length; i++)
		if (!is_plain(url[i]))
			return false;
	before = length - UPLOAD_ID_DIGITS;
	if (before > 0 && !ends_with(url, before, base_path))
		return false;
	return upload_id_parse(url + before, UPLOAD_ID_DIGITS, id);
}

static size_t count_urls(const char *list)
{
	size_t count = 0;

	for (list = skip_spaces(list); *list; list = skip_spaces(list)) {
		list += strcspn(list, " ");
		count++;
	}
	return count;
}

static int read_urls(const char *list, const char *base_path, struct upload_id **parts,
		     size_t *count)
{
	SCOPED(scoped_free) struct upload_id *read = NULL;
	size_t urls = count_urls(list), length;

	if (urls == 0 || urls > CONCAT_PARTS_MAX)
		return REFUSED_INVALID;
	read = calloc(urls, sizeof(*read));
	if (!read)
		return failure(-ENOMEM, "list of %zu parts", urls);
	for (size_t i = 0; i < urls; i++) {
		list = skip_spaces(list);
		length = strcspn(list, " ");
		if (!read_url(list, length, base_path, &read[i]))
			return REFUSED_PART;
		list += length;
	}
	*parts = STEAL(read);
	*count = urls;
	return 0;
}

int concat_parse(const char *text, const char *base_path, enum concat_kind *kind,
		 struct upload_id **parts, size_t *count)
{
	int r;

	if (strcmp(text, "partial") == 0) {
		*kind = CONCAT_PARTIAL;
		*parts = NULL;
		*count = 0;
		return 0;
	}
	if (strncmp(text, "final;", strlen("final;")) != 0)
		return REFUSED_INVALID;
	r = read_urls(text + strlen("final;"), base_path, parts, count);
	if (r == 0)
		*kind = CONCAT_FINAL;
	return r;
}
