#include "input.h"
#include "tusfs/concat.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Each part's id stands in the text, in the same order. */
static void assert_parts(const char *text, const struct upload_id *parts, size_t count)
{
	char id[UPLOAD_ID_DIGITS + 1];

	for (size_t i = 0; i < count; i++) {
		upload_id_format(parts[i], id);
		text = strstr(text, id);
		assert(text);
		text += UPLOAD_ID_DIGITS;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SCOPED(scoped_free) char *text = input_text(data, size);
	SCOPED(scoped_free) struct upload_id *parts = NULL;
	enum concat_kind kind;
	size_t count;
	int r;

	r = concat_parse(text, size % 2 ? "/files/" : "/", &kind, &parts, &count);
	if (r) {
		assert(r == REFUSED_INVALID || r == REFUSED_PART);
		assert(!parts);
	} else if (kind == CONCAT_PARTIAL) {
		assert(strcmp(text, "partial") == 0 && !parts && count == 0);
	} else {
		assert(parts && count >= 1 && count <= CONCAT_PARTS_MAX);
		assert_parts(text, parts, count);
	}
	return 0;
}
