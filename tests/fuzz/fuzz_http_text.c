#include "input.h"
#include "tusfs/http_text.h"
#include "tusfs/scoped.h"
#include "tusfs/text.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Whether a header line may hold it. */
static bool is_printable(const char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			return false;
	return true;
}

static void try_range(const char *text, uint64_t size)
{
	struct http_range range;

	if (http_range_parse(text, size, &range) != HTTP_RANGE_PART)
		return;
	assert(range.length > 0 && range.first < size);
	assert(range.length <= size - range.first);
}

static void try_disposition(const char *text, size_t size)
{
	SCOPED(scoped_free) char *value = NULL;

	if (!text_is_utf8(text, size))
		return;
	value = http_disposition(size % 2, text);
	assert(value && is_printable(value));
}

static void try_proxy_fields(const char *text)
{
	char value[16] = "";

	if (http_forwarded(text, "host", value, sizeof(value)))
		assert(strnlen(value, sizeof(value)) < sizeof(value));
	if (http_list_first(text, value, sizeof(value)))
		assert(value[0] && strnlen(value, sizeof(value)) < sizeof(value));
	if (http_authority_valid(text))
		assert(*text && is_printable(text) && !strpbrk(text, " /?#@\\\"<>"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SCOPED(scoped_free) char *text = input_text(data, size);

	try_range(text, size % 16);
	try_range(text, UINT64_MAX);
	try_disposition(text, size);
	try_proxy_fields(text);
	if (http_etag_listed(text, "\"etag\""))
		assert(strchr(text, '*') || strstr(text, "\"etag\""));
	if (http_list_has(text, "trailers"))
		assert(strcasestr(text, "trailers"));
	if (http_is_token_list(text))
		assert(is_printable(text) || strchr(text, '\t'));
	if (http_media_type_valid(text, size)) {
		assert(strchr(text, '/'));
		(void)http_media_type_inert(text);
	}
	return 0;
}
