#include "fields.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct known {
	const char *name;
	bool list;   /* may come in several lines */
	bool prefix; /* no other field's name begins like this */
} known[FIELD_COUNT] = {
	[FIELD_HOST] = {.name = "Host"},
	[FIELD_CONTENT_LENGTH] = {.name = "Content-Length", .prefix = true},
	[FIELD_TRANSFER_ENCODING] = {.name = "Transfer-Encoding", .prefix = true},
	[FIELD_EXPECT] = {.name = "Expect"},
	[FIELD_TRAILER] = {.name = "Trailer", .list = true},
	[FIELD_CONTENT_TYPE] = {.name = "Content-Type", .prefix = true},
	[FIELD_METHOD_OVERRIDE] = {.name = "X-HTTP-Method-Override", .prefix = true},
	[FIELD_TUS_RESUMABLE] = {.name = "Tus-Resumable", .prefix = true},
	[FIELD_UPLOAD_OFFSET] = {.name = "Upload-Offset", .prefix = true},
	[FIELD_UPLOAD_LENGTH] = {.name = "Upload-Length", .prefix = true},
	[FIELD_UPLOAD_DEFER_LENGTH] = {.name = "Upload-Defer-Length", .prefix = true},
	[FIELD_UPLOAD_METADATA] = {.name = "Upload-Metadata", .prefix = true},
	[FIELD_UPLOAD_CONCAT] = {.name = "Upload-Concat", .prefix = true},
	[FIELD_UPLOAD_CHECKSUM] = {.name = "Upload-Checksum", .prefix = true},
	[FIELD_ORIGIN] = {.name = "Origin"},
	[FIELD_CORS_METHOD] = {.name = "Access-Control-Request-Method"},
	[FIELD_CORS_HEADERS] = {.name = "Access-Control-Request-Headers", .list = true},
	[FIELD_RANGE] = {.name = "Range"},
	[FIELD_IF_RANGE] = {.name = "If-Range"},
	[FIELD_IF_NONE_MATCH] = {.name = "If-None-Match", .list = true},
	[FIELD_IF_MODIFIED_SINCE] = {.name = "If-Modified-Since"},
	[FIELD_FORWARDED] = {.name = "Forwarded", .list = true},
	[FIELD_X_FORWARDED_HOST] = {.name = "X-Forwarded-Host", .list = true},
	[FIELD_X_FORWARDED_PROTO] = {.name = "X-Forwarded-Proto", .list = true},
};

const char *field_name(enum field field)
{
	return known[field].name;
}

static char *copy_trimmed(const char *value)
{
	size_t length;

	value += strspn(value, " \t");
	length = strlen(value);
	while (length && strchr(" \t", value[length - 1]))
		length--;
	return strndup(value, length);
}

static int add_value(struct fields *fields, enum field field, const char *value)
{
	char *had = fields->value[field];
	char *joined;

	if (!had) {
		fields->value[field] = copy_trimmed(value);
		return fields->value[field] ? 0 : -ENOMEM;
	}
	if (!known[field].list) {
		fields->repeated[field] = true;
		return 0;
	}
	if (asprintf(&joined, "%s, %s", had, value) < 0)
		return -ENOMEM;
	free(had);
	fields->value[field] = joined;
	return 0;
}

/* FIELD_COUNT for one that is not known. */
static enum field field_named(const char *name, bool *folded)
{
	for (unsigned int i = 0; i < FIELD_COUNT; i++) {
		size_t length = strlen(known[i].name);

		if (strncasecmp(name, known[i].name, length) != 0)
			continue;
		if (!name[length])
			return i;
		*folded = *folded || known[i].prefix;
	}
	return FIELD_COUNT;
}

struct reading {
	struct fields *fields;
	int error;
};

static enum MHD_Result read_one(void *arg, enum MHD_ValueKind kind, const char *name,
				const char *value)
{
	struct reading *reading = arg;
	struct fields *fields = reading->fields;
	enum field field = field_named(name, &fields->folded);

	(void)kind;
	if (!value)
		value = "";
	fields->size += strlen(name) + strlen(value);
	if (field != FIELD_COUNT)
		reading->error = add_value(fields, field, value);
	return reading->error ? MHD_NO : MHD_YES;
}

int fields_read(struct MHD_Connection *mhd, struct fields *fields)
{
	struct reading reading = {.fields = fields};

	*fields = (struct fields){0};
	MHD_get_connection_values(mhd, MHD_HEADER_KIND, read_one, &reading);
	if (reading.error)
		return failure(reading.error, "read the header of a request");
	return 0;
}

void fields_release(struct fields *fields)
{
	for (unsigned int i = 0; i < FIELD_COUNT; i++)
		free(fields->value[i]);
	*fields = (struct fields){0};
}
