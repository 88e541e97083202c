#include "head.h"

#include "tusfs/http_text.h"

#include <string.h>

/* `line` to `end`, where its CR is. False without memory. */
static bool read_field(char *line, char *end, struct fields *fields)
{
	char *colon = memchr(line, ':', (size_t)(end - line));

	if (!colon || *line == ' ' || *line == '\t' ||
	    memchr(line, '\0', (size_t)(end - line))) {
		fields->problem = FIELDS_MALFORMED;
		return true;
	}
	*colon = '\0';
	*end = '\0';
	return fields_add(fields, line, colon + 1) == 0;
}

/* Up to the next space, which becomes its end; NULL if there is none. */
static char *cut_word(char *word, char *end)
{
	char *space = memchr(word, ' ', (size_t)(end - word));

	if (!space)
		return NULL;
	*space = '\0';
	return space + 1;
}

static bool is_plain_path(const char *path)
{
	if (*path != '/')
		return false;
	for (; *path; path++)
		if (*path <= ' ' || *path >= 0x7f || *path == '?' || *path == '#')
			return false;
	return true;
}

static bool read_first_line(char *line, char *end, struct head *head)
{
	char *path = cut_word(line, end);
	char *version = path ? cut_word(path, end) : NULL;

	if (!version || end - version != 8 || memcmp(version, "HTTP/1.1", 8) != 0)
		return false;
	head->method = line;
	head->path = path;
	return http_is_token(line, (size_t)(path - 1 - line)) && is_plain_path(path);
}

/* The CR of the CRLF that ends the line; that of the last one is `last`. */
static char *line_end(char *line, char *last)
{
	return memmem(line, (size_t)(last + 2 - line), "\r\n", 2);
}

enum head_came head_read(char *bytes, size_t size, struct head *head,
			 struct fields *fields)
{
	char *last = memmem(bytes, size, "\r\n\r\n", 4), *end;

	if (!last)
		return HEAD_PART;
	head->size = (size_t)(last - bytes) + 4;
	end = line_end(bytes, last);
	if (memchr(bytes, '\0', (size_t)(end - bytes)) ||
	    !read_first_line(bytes, end, head))
		return HEAD_STRANGE;
	while (end != last) {
		char *line = end + 2;

		end = line_end(line, last);
		if (!read_field(line, end, fields))
			return HEAD_STRANGE;
	}
	return HEAD_WHOLE;
}
