#include "facts.h"

#include "tusfs/concat.h"
#include "tusfs/metadata.h"
#include "tusfs/text.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define RESERVED	     "user.tus."
#define MIME_TYPE	     "user.mime_type"
#define METADATA	     "user.tus.metadata."
#define ATTRIBUTE_NAME_BYTES 255 /* bytes in the name of an attribute */

/* A fact writes its value to `out`, or nothing at all when there is none. */
struct subject {
	const struct file *file;
	const char *base_path;
};

static void tell_id(const struct subject *subject, FILE *out)
{
	char id[UPLOAD_ID_DIGITS + 1];

	upload_id_format(subject->file->id, id);
	fputs(id, out);
}

static void tell_url(const struct subject *subject, FILE *out)
{
	fputs(subject->base_path, out);
	tell_id(subject, out);
}

static void tell_state(const struct subject *subject, FILE *out)
{
	fputs(file_is_complete(subject->file) ? "complete" : "receiving", out);
}

static void tell_offset(const struct subject *subject, FILE *out)
{
	fprintf(out, "%" PRIu64, subject->file->offset);
}

static void tell_length(const struct subject *subject, FILE *out)
{
	if (subject->file->length_known)
		fprintf(out, "%" PRIu64, subject->file->length);
}

static void tell_concat(const struct subject *subject, FILE *out)
{
	if (subject->file->kind == FILE_PARTIAL)
		fputs("partial", out);
	if (subject->file->kind == FILE_FINAL)
		fputs("final", out);
}

static void tell_parts(const struct subject *subject, FILE *out)
{
	SCOPED(scoped_free) struct upload_id *parts = NULL;
	char id[UPLOAD_ID_DIGITS + 1];
	enum concat_kind kind;
	size_t count;

	if (subject->file->kind != FILE_FINAL || !subject->file->concat ||
	    concat_parse(subject->file->concat, subject->base_path, &kind, &parts,
			 &count))
		return;
	for (size_t i = 0; i < count; i++) {
		upload_id_format(parts[i], id);
		fprintf(out, "%s%s", i > 0 ? "\n" : "", id);
	}
}

static void tell_time(int64_t when, FILE *out)
{
	char text[TEXT_DATE_SIZE];

	if (when == 0)
		return;
	text_to_rfc3339(when, text);
	fputs(text, out);
}

static void tell_created(const struct subject *subject, FILE *out)
{
	tell_time(subject->file->created, out);
}

static void tell_finished(const struct subject *subject, FILE *out)
{
	tell_time(subject->file->finished, out);
}

static void tell_expires(const struct subject *subject, FILE *out)
{
	tell_time(subject->file->expires, out);
}

static void tell_sha256(const struct subject *subject, FILE *out)
{
	char hex[2 * sizeof(subject->file->sha256) + 1];

	if (!subject->file->has_sha256)
		return;
	text_to_hex(subject->file->sha256, sizeof(subject->file->sha256), hex);
	fputs(hex, out);
}

static void tell_mime_type(const struct subject *subject, FILE *out)
{
	size_t size = 0;
	SCOPED(scoped_free)
	char *type = metadata_get(subject->file->metadata, "filetype", &size);

	if (!type)
		type = metadata_get(subject->file->metadata, "type", &size);
	if (type)
		fwrite(type, 1, size, out);
}

static const struct fact {
	const char *name;
	void (*tell)(const struct subject *subject, FILE *out);
} facts[] = {
	{"user.tus.id", tell_id},
	{"user.tus.url", tell_url},
	{"user.tus.state", tell_state},
	{"user.tus.offset", tell_offset},
	{"user.tus.length", tell_length},
	{"user.tus.concat", tell_concat},
	{"user.tus.parts", tell_parts},
	{"user.tus.created", tell_created},
	{"user.tus.finished", tell_finished},
	{"user.tus.expires", tell_expires},
	{"user.tus.sha256", tell_sha256},
	{MIME_TYPE, tell_mime_type},
};
#define FACTS (sizeof(facts) / sizeof(facts[0]))

bool fact_is_reserved(const char *name)
{
	return strncmp(name, RESERVED, strlen(RESERVED)) == 0 ||
	       strcmp(name, MIME_TYPE) == 0;
}

/* NOT_FOUND when the fact tells nothing. */
static int value_of(const struct fact *fact, const struct subject *subject,
		    char **value, size_t *size)
{
	SCOPED(scoped_free) char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		return failure(-errno, "read the attribute %s", fact->name);
	fact->tell(subject, out);
	if (fclose(out) != 0)
		return failure(-ENOMEM, "read the attribute %s", fact->name);
	if (length == 0)
		return REFUSED_NOT_FOUND;
	*value = STEAL(text);
	*size = length;
	return 0;
}

int fact_get(const struct file *file, const char *base_path, const char *name,
	     char **value, size_t *size)
{
	struct subject subject = {file, base_path};

	if (file_is_folder(file))
		return REFUSED_NOT_FOUND;
	if (strncmp(name, METADATA, strlen(METADATA)) == 0) {
		*value = metadata_get(file->metadata, name + strlen(METADATA), size);
		return *value ? 0 : REFUSED_NOT_FOUND;
	}
	for (size_t i = 0; i < FACTS; i++)
		if (strcmp(name, facts[i].name) == 0)
			return value_of(&facts[i], &subject, value, size);
	return REFUSED_NOT_FOUND;
}

/* A key that makes too long a name has no attribute. */
void fact_list_metadata(const struct file *file, FILE *out)
{
	const char *metadata = file->metadata;
	struct metadata_pair pair;

	while (metadata && metadata_next(&metadata, &pair))
		if (strlen(METADATA) + pair.key_length <= ATTRIBUTE_NAME_BYTES)
			fprintf(out, METADATA "%.*s%c", (int)pair.key_length, pair.key,
				'\0');
}

int fact_list(const struct file *file, const char *base_path, FILE *out)
{
	struct subject subject = {file, base_path};

	if (file_is_folder(file))
		return 0;
	for (size_t i = 0; i < FACTS; i++) {
		SCOPED(scoped_free) char *value = NULL;
		size_t size;
		int r = value_of(&facts[i], &subject, &value, &size);

		if (r < 0)
			return r;
		if (!r)
			fwrite(facts[i].name, 1, strlen(facts[i].name) + 1, out);
	}
	return 0;
}
