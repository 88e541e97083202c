#include "append.h"

#include "answer.h"

#include "tusfs/concat.h"
#include "tusfs/metadata.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static bool read_length(struct request *request, struct upload_request *creation)
{
	const char *length = request_field(request, FIELD_UPLOAD_LENGTH);
	const char *deferred = request_field(request, FIELD_UPLOAD_DEFER_LENGTH);
	const char *problem = NULL;

	if (creation->kind == FILE_FINAL) {
		if (length || deferred)
			problem = "a final upload has the length of its parts";
	} else if (!length == !deferred) {
		problem = "one of Upload-Length and Upload-Defer-Length is needed";
	} else if (deferred && strcmp(deferred, "1") != 0) {
		problem = "Upload-Defer-Length can only be 1";
	}
	if (problem) {
		answer_error(request, 400, "ERR_INVALID_UPLOAD_LENGTH", "%s", problem);
		return false;
	}
	creation->length_known = length;
	return append_read_number(request, FIELD_UPLOAD_LENGTH, false,
				  &creation->length);
}

static bool read_metadata(struct request *request, struct upload_request *creation)
{
	const char *metadata = request_field(request, FIELD_UPLOAD_METADATA);
	const char *problem;

	if (!metadata || !*metadata)
		return true;
	if (!metadata_valid(metadata, &problem)) {
		answer_error(request, 400, "ERR_INVALID_METADATA",
			     "Upload-Metadata: %s", problem);
		return false;
	}
	creation->metadata = metadata;
	return true;
}

/* `parts` is the caller's to free. */
static bool read_concat(struct request *request, struct upload_request *creation,
			struct upload_id **parts)
{
	const char *concat = request_field(request, FIELD_UPLOAD_CONCAT);
	enum concat_kind kind;
	int r;

	if (!concat)
		return true;
	r = concat_parse(concat, request->site->base_path, &kind, parts,
			 &creation->parts_count);
	if (r == REFUSED_INVALID) {
		answer_error(request, 400, "ERR_INVALID_CONCAT",
			     "Upload-Concat is neither partial nor final;URL URL ...");
		return false;
	}
	if (r) {
		answer_refusal(request, r);
		return false;
	}
	creation->concat = concat;
	creation->kind = kind == CONCAT_FINAL ? FILE_FINAL : FILE_PARTIAL;
	creation->parts = *parts;
	return true;
}

/* What the body is said to be must fit before any of it is read. */
static bool accept_body(struct request *request, const struct upload_request *creation)
{
	uint64_t max_size = request->site->config.max_size;

	if (!request_has_body(request))
		return true;
	if (creation->kind == FILE_FINAL) {
		answer_error(request, 400, "ERR_INVALID_CONCAT",
			     "a final upload takes no bytes");
		return false;
	}
	if (!append_accept_type(request))
		return false;
	if ((creation->length_known && request->expected > creation->length) ||
	    (max_size && request->expected > max_size)) {
		answer_refusal(request, REFUSED_TOO_LARGE);
		return false;
	}
	return true;
}

/* Creates, and from then on the answer tells where. False when answered. */
static bool create(struct request *request, const struct upload_request *creation,
		   struct file *file)
{
	int r = uploads_create(request->site->uploads, creation, file);

	if (r) {
		answer_refusal(request, r);
		return false;
	}
	request->id = file->id;
	request->created = true;
	return true;
}

static void create_empty(struct request *request, const struct upload_request *creation)
{
	SCOPED(file_release) struct file file = {0};

	if (!create(request, creation, &file))
		return;
	answer(request, 201);
	answer_expiry(request, &file);
}

static void small_take(struct request *request, const void *bytes, size_t size)
{
	assert(size <= request->expected - request->small_size);
	memcpy(request->small + request->small_size, bytes, size);
	request->small_size += size;
}

static void small_end(struct request *request)
{
	SCOPED(file_release) struct file file = {0};

	request->creation->body = request->small;
	request->creation->body_size = request->small_size;
	if (!create(request, request->creation, &file))
		return;
	answer(request, 201);
	answer_field_number(request, "Upload-Offset", file.offset);
	answer_expiry(request, &file);
}

/* A small body is committed together with its upload, in one transaction; should it
 * break off, then no client learned the URL, and nothing was created. */
static void create_small(struct request *request, const struct upload_request *creation)
{
	static const struct sink sink = {small_take, small_end};

	request->creation = malloc(sizeof(*creation));
	request->small = malloc(request->expected);
	if (!request->creation || !request->small) {
		answer_refusal(request, failure(-ENOMEM, "take a small body"));
		return;
	}
	*request->creation = *creation;
	request->sink = &sink;
}

static void create_and_append(struct request *request,
			      const struct upload_request *creation)
{
	SCOPED(file_release) struct file file = {0};
	struct upload_append append = {.offset = 0};

	if (create(request, creation, &file))
		append_begin(request, &append);
}

void post_begin(struct request *request)
{
	struct upload_request creation = {.kind = FILE_PLAIN};
	SCOPED(scoped_free) struct upload_id *parts = NULL;

	if (!read_concat(request, &creation, &parts) ||
	    !read_length(request, &creation) || !read_metadata(request, &creation) ||
	    !append_read_promise(request) || !accept_body(request, &creation))
		return;
	if (!request_has_body(request))
		create_empty(request, &creation);
	else if (creation.length_known && creation.length <= UPLOADS_SMALL_MAX &&
		 !request->chunked && !request->promised)
		create_small(request, &creation);
	else
		create_and_append(request, &creation);
}
