#include "fields.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NAME(text) .name = (text), .length = sizeof(text) - 1

static const struct known {
	const char *name;
	size_t length;
	bool list;   /* may come in several lines */
	bool prefix; /* no other field's name begins like this */
} known[FIELD_COUNT] = {
	[FIELD_HOST] = {NAME("Host")},
	[FIELD_CONNECTION] = {NAME("Connection"), .list = true},
	[FIELD_CONTENT_LENGTH] = {NAME("Content-Length"), .prefix = true},
	[FIELD_TRANSFER_ENCODING] = {NAME("Transfer-Encoding"), .prefix = true},
	[FIELD_EXPECT] = {NAME("Expect")},
	[FIELD_TRAILER] = {NAME("Trailer"), .list = true},
	[FIELD_CONTENT_TYPE] = {NAME("Content-Type"), .prefix = true},
	[FIELD_METHOD_OVERRIDE] = {NAME("X-HTTP-Method-Override"), .prefix = true},
	[FIELD_TUS_RESUMABLE] = {NAME("Tus-Resumable"), .prefix = true},
	[FIELD_UPLOAD_OFFSET] = {NAME("Upload-Offset"), .prefix = true},
	[FIELD_UPLOAD_LENGTH] = {NAME("Upload-Length"), .prefix = true},
	[FIELD_UPLOAD_DEFER_LENGTH] = {NAME("Upload-Defer-Length"), .prefix = true},
	[FIELD_UPLOAD_METADATA] = {NAME("Upload-Metadata"), .prefix = true},
	[FIELD_UPLOAD_CONCAT] = {NAME("Upload-Concat"), .prefix = true},
	[FIELD_UPLOAD_CHECKSUM] = {NAME("Upload-Checksum"), .prefix = true},
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
static enum field field_named(const char *name, size_t length, bool *folded)
{
	for (unsigned int i = 0; i < FIELD_COUNT; i++) {
		const struct known *is = &known[i];

		if (length < is->length || (length > is->length && !is->prefix) ||
		    strncasecmp(name, is->name, is->length) != 0)
			continue;
		if (length == is->length)
			return i;
		*folded = true;
	}
	return FIELD_COUNT;
}

int fields_add(struct fields *fields, const char *name, const char *value)
{
	size_t length = strlen(name);
	enum field field = field_named(name, length, &fields->folded);

	fields->size += length + strlen(value);
	return field == FIELD_COUNT ? 0 : add_value(fields, field, value);
}

struct reading {
	struct fields *fields;
	int error;
};

static enum MHD_Result read_one(void *arg, enum MHD_ValueKind kind, const char *name,
				const char *value)
{
	struct reading *reading = arg;

	(void)kind;
	reading->error = fields_add(reading->fields, name, value ? value : "");
	return reading->error ? MHD_NO : MHD_YES;
}

int fields_read(struct MHD_Connection *mhd, struct fields *fields)
{
	struct reading reading = {.fields = fields};

	*fields = (struct fields){
		.count = (unsigned int)MHD_get_connection_values(
			mhd, MHD_HEADER_KIND | MHD_COOKIE_KIND, NULL, NULL)};
	MHD_get_connection_values(mhd, MHD_HEADER_KIND, read_one, &reading);
	if (reading.error)
		return failure(reading.error, "read the header of a request");
	return 0;
}

void fields_release(struct fields *fields)
{
	for (unsigned int i = 0; i < FIELD_COUNT && fields->copies; i++)
		free(fields->copied[i]);
	*fields = (struct fields){0};
}
