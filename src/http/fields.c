#include "fields.h"

#include "tusfs/http_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NAME(text) .name = (text), .length = sizeof(text) - 1

static const struct known {
	const char *name;
	size_t length;
	bool list; /* may come in several lines */
} known[FIELD_COUNT] = {
	[FIELD_HOST] = {NAME("Host")},
	[FIELD_CONNECTION] = {NAME("Connection"), .list = true},
	[FIELD_CONTENT_LENGTH] = {NAME("Content-Length")},
	[FIELD_TRANSFER_ENCODING] = {NAME("Transfer-Encoding")},
	[FIELD_EXPECT] = {NAME("Expect")},
	[FIELD_TRAILER] = {NAME("Trailer"), .list = true},
	[FIELD_CONTENT_TYPE] = {NAME("Content-Type")},
	[FIELD_METHOD_OVERRIDE] = {NAME("X-HTTP-Method-Override")},
	[FIELD_TUS_RESUMABLE] = {NAME("Tus-Resumable")},
	[FIELD_UPLOAD_OFFSET] = {NAME("Upload-Offset")},
	[FIELD_UPLOAD_LENGTH] = {NAME("Upload-Length")},
	[FIELD_UPLOAD_DEFER_LENGTH] = {NAME("Upload-Defer-Length")},
	[FIELD_UPLOAD_METADATA] = {NAME("Upload-Metadata")},
	[FIELD_UPLOAD_CONCAT] = {NAME("Upload-Concat")},
	[FIELD_UPLOAD_CHECKSUM] = {NAME("Upload-Checksum")},
	[FIELD_ORIGIN] = {NAME("Origin")},
	[FIELD_CORS_METHOD] = {NAME("Access-Control-Request-Method")},
	[FIELD_CORS_HEADERS] = {NAME("Access-Control-Request-Headers"), .list = true},
	[FIELD_RANGE] = {NAME("Range")},
	[FIELD_IF_RANGE] = {NAME("If-Range")},
	[FIELD_IF_MATCH] = {NAME("If-Match"), .list = true},
	[FIELD_IF_UNMODIFIED_SINCE] = {NAME("If-Unmodified-Since")},
	[FIELD_IF_NONE_MATCH] = {NAME("If-None-Match"), .list = true},
	[FIELD_IF_MODIFIED_SINCE] = {NAME("If-Modified-Since")},
	[FIELD_FORWARDED] = {NAME("Forwarded"), .list = true},
	[FIELD_X_FORWARDED_HOST] = {NAME("X-Forwarded-Host"), .list = true},
	[FIELD_X_FORWARDED_PROTO] = {NAME("X-Forwarded-Proto"), .list = true},
};

const char *field_name(enum field field)
{
	return known[field].name;
}

/* Most values have nothing to trim at their end, and are taken as they are. */
static int set_value(struct fields *fields, enum field field, const char *value)
{
	size_t length = strlen(value), trimmed = length;

	while (trimmed && strchr(" \t", value[trimmed - 1]))
		trimmed--;
	if (trimmed < length) {
		fields->copied[field] = strndup(value, trimmed);
		if (!fields->copied[field])
			return -ENOMEM;
		fields->copies = true;
		value = fields->copied[field];
	}
	fields->value[field] = value;
	return 0;
}

static int add_value(struct fields *fields, enum field field, const char *value)
{
	const char *had = fields->value[field];
	char *joined;

	value += strspn(value, " \t");
	if (!had)
		return set_value(fields, field, value);
	if (!known[field].list) {
		fields->repeated[field] = true;
		return 0;
	}
	if (asprintf(&joined, "%s, %s", had, value) < 0)
		return -ENOMEM;
	free(fields->copied[field]);
	fields->value[field] = fields->copied[field] = joined;
	fields->copies = true;
	return 0;
}

/* FIELD_COUNT for one that is not known. */
static enum field field_named(const char *name, size_t length)
{
	for (unsigned int i = 0; i < FIELD_COUNT; i++)
		if (length == known[i].length && strcasecmp(name, known[i].name) == 0)
			return i;
	return FIELD_COUNT;
}

/* field-vchar, space and tab (RFC 9110, 5.5). */
static bool is_value(const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

int fields_add(struct fields *fields, const char *name, const char *value)
{
	size_t length = strlen(name);
	enum field field = field_named(name, length);

	if (length && !http_is_token(name, length))
		fields->problem =
			"the name of a field has a blank or another "
			"character that names do not have";
	else if (!length)
		fields->problem = FIELDS_MALFORMED;
	else if (!is_value(value))
		fields->problem = "the value of a field has a control character";
	fields->size += length + strlen(value);
	return field == FIELD_COUNT ? 0 : add_value(fields, field, value);
}

struct reading {
	struct fields *fields;
	const char *next; /* where the next line has to begin; NULL: anywhere */
	int error;
};

/* libmicrohttpd 0.9 takes a head apart where it lies, and puts a NUL for each colon, CR
 * and LF. It joins a folded line to the name of its field, cuts a value at a NUL, and
 * takes a line without a name for the end of the head, so that what follows would be a
 * body, or another request. So no byte may be between the lines that it tells of, or
 * behind them. (Only a line that is just a colon and a bare LF looks like the end.)
 * Later versions refuse such lines. */
static bool head_lies_in_place(void)
{
	return strncmp(MHD_get_version(), "0.", 2) == 0;
}

static const char *behind_line(const char *end)
{
	return end + strlen(end) + 2;
}

static enum MHD_Result read_one(void *arg, enum MHD_ValueKind kind, const char *name,
				const char *value)
{
	struct reading *reading = arg;

	(void)kind;
	if (!value)
		value = name + strlen(name);
	if (reading->next) {
		if (name != reading->next)
			reading->fields->problem = FIELDS_MALFORMED;
		reading->next = behind_line(value);
	}
	reading->error = fields_add(reading->fields, name, value);
	return reading->error ? MHD_NO : MHD_YES;
}

/* Whether the empty line at `line` is the end of the head that begins at `head`. */
static bool ends_head(struct MHD_Connection *mhd, const char *head, const char *line)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

	return info && line + 2 == head + info->header_size &&
	       memcmp(line - 2, "\0\0\0", 4) == 0;
}

int fields_read(struct MHD_Connection *mhd, const char *head, const char *version,
		struct fields *fields)
{
	struct reading reading = {.fields = fields};

	*fields = (struct fields){
		.count = (unsigned int)MHD_get_connection_values(
			mhd, MHD_HEADER_KIND | MHD_COOKIE_KIND, NULL, NULL)};
	if (head_lies_in_place())
		reading.next = behind_line(version);
	MHD_get_connection_values(mhd, MHD_HEADER_KIND, read_one, &reading);
	if (reading.error)
		return failure(reading.error, "read the header of a request");
	if (reading.next && !ends_head(mhd, head, reading.next))
		fields->problem = FIELDS_MALFORMED;
	return 0;
}

void fields_release(struct fields *fields)
{
	for (unsigned int i = 0; i < FIELD_COUNT && fields->copies; i++)
		free(fields->copied[i]);
	*fields = (struct fields){0};
}
