#include "input.h"
#include "tusfs/metadata.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Each pair lies within the text, and its value can be had by its key. */
static void walk(const char *text)
{
	const char *cursor = text, *end = text + strlen(text);
	struct metadata_pair pair;
	size_t size;

	while (metadata_next(&cursor, &pair)) {
		SCOPED(scoped_free) char *key = NULL;
		SCOPED(scoped_free) char *value = NULL;

		assert(pair.key >= text && pair.key + pair.key_length <= end);
		assert(pair.value >= text && pair.value + pair.value_length <= end);
		assert(pair.key_length > 0);
		key = strndup(pair.key, pair.key_length);
		assert(key);
		value = metadata_get(text, key, &size);
		assert(value && value[size] == '\0');
		assert(size <= pair.value_length / 4 * 3);
	}
	assert(cursor <= end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SCOPED(scoped_free) char *text = input_text(data, size);
	struct checksum checksum;
	const char *problem = NULL, *cursor = text;
	struct metadata_pair pair;

	if (metadata_valid(text, &problem)) {
		assert(!problem);
		walk(text);
	} else {
		assert(problem);
		while (metadata_next(&cursor, &pair)) /* ends, on any text */
			;
	}
	if (metadata_checksum(text, &checksum))
		assert(digest_size(checksum.algorithm) >= 16);
	return 0;
}
