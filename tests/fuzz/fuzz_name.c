#include "input.h"
#include "tusfs/name.h"
#include "tusfs/scoped.h"
#include "tusfs/text.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void assert_safe(const struct name *name)
{
	size_t length = strnlen(name->text, sizeof(name->text));

	assert(length > 0 && length <= NAME_BYTES);
	assert(text_is_utf8(name->text, length));
	assert(strcmp(name->text, ".") != 0 && strcmp(name->text, "..") != 0);
	assert(!strpbrk(name->text, "/\\"));
	for (size_t i = 0; i < length; i++)
		assert((uint8_t)name->text[i] >= ' ' && name->text[i] != 0x7f);
}

static int check_folder(void *arg, const struct name *name)
{
	int *told = arg;

	assert_safe(name);
	return ++*told > NAME_DEPTH_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SCOPED(scoped_free) char *text = input_text(data, size);
	struct name name, again;
	int told = 0, r;

	if (name_make_safe(text, size, &name)) {
		assert_safe(&name);
		/* What is safe stays as it is. */
		assert(name_make_safe(name.text, strlen(name.text), &again));
		assert(strcmp(name.text, again.text) == 0);
		name_number(&name, size + 2, &again);
		assert_safe(&again);
		assert(strchr(again.text, ')'));
	}
	r = name_folders(text, size, check_folder, &told);
	assert(r == 0);
	return 0;
}
