#include "buffer.h"

#include "tusfs/error.h"
#include "tusfs/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 1024

static bool make_room(struct buffer *buffer, size_t size)
{
	size_t room = buffer->room ? buffer->room : FIRST_ROOM;
	char *bytes;

	while (room - buffer->size < size)
		room *= 2;
	if (room == buffer->room)
		return true;
	bytes = realloc(buffer->bytes, room);
	if (!bytes) {
		buffer->failed = true;
		failure(-ENOMEM, "write an answer");
		return false;
	}
	buffer->bytes = bytes;
	buffer->room = room;
	return true;
}

static void add(struct buffer *buffer, const char *more, size_t size)
{
	if (buffer->failed || !make_room(buffer, size))
		return;
	memcpy(buffer->bytes + buffer->size, more, size);
	buffer->size += size;
}

void buffer_add(struct buffer *buffer, const char *more)
{
	add(buffer, more, strlen(more));
}

void buffer_add_number(struct buffer *buffer, uint64_t number)
{
	char digits[TEXT_NUMBER_SIZE];

	add(buffer, digits, text_of_u64(number, digits));
}

void buffer_add_field(struct buffer *buffer, const char *name, const char *value)
{
	buffer_add(buffer, name);
	add(buffer, ": ", 2);
	buffer_add(buffer, value);
	add(buffer, "\r\n", 2);
}

void buffer_clear(struct buffer *buffer)
{
	buffer->size = 0;
	buffer->failed = false;
}

void buffer_release(struct buffer *buffer)
{
	free(buffer->bytes);
	*buffer = (struct buffer){0};
}
