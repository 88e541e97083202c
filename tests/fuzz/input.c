#include "input.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

char *input_text(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	assert(text);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	return text;
}
