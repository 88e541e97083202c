#include "input.h"
#include "tusfs/digest.h"
#include "tusfs/text.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* What was read, written again, is read as the same. */
static void assert_same(const char *text, const struct checksum *checksum)
{
	char again[128];
	size_t name = (size_t)(strchr(text, ' ') - text) + 1;
	struct checksum read;
	int r;

	assert(name + text_base64_length(DIGEST_MAX_BYTES) < sizeof(again));
	memcpy(again, text, name);
	text_to_base64(checksum->bytes, digest_size(checksum->algorithm), again + name);
	r = checksum_parse(again, &read);
	assert(r == 0);
	assert(read.algorithm == checksum->algorithm);
	assert(memcmp(read.bytes, checksum->bytes, DIGEST_MAX_BYTES) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SCOPED(scoped_free) char *text = input_text(data, size);
	struct checksum checksum;
	int r = checksum_parse(text, &checksum);

	assert(r == 0 || r == REFUSED_INVALID);
	if (r == 0)
		assert_same(text, &checksum);
	return 0;
}
