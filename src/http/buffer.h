/* A text that grows, such as the head of an answer. When memory is short it is marked
 * as failed, and nothing is added any more. One thread at a time. */
#ifndef TUSFS_HTTP_BUFFER_H
#define TUSFS_HTTP_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer {
	char *bytes; /* not terminated */
	size_t size, room;
	bool failed;
};

void buffer_add(struct buffer *buffer, const char *more);
void buffer_add_number(struct buffer *buffer, uint64_t number);
/* A line of a header. */
void buffer_add_field(struct buffer *buffer, const char *name, const char *value);
/* Empties it, and keeps its memory for the next. */
void buffer_clear(struct buffer *buffer);
void buffer_release(struct buffer *buffer);

#endif
