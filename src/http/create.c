/* The handler of POST (tus 1.0.0, Creation, Creation With Upload, Concatenation): reads
 * what the upload is to be, and has the engine make it. routes.c enters it with the
 * head. A small body is gathered and committed together with the upload; any other is
 * left to append.c, as if it came with a PATCH. */
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
	r = concat_parse(concat, request->site->config.base_path, &kind, parts,
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

/* From here on the answer tells where. */
static void set_created(struct request *request, const struct file *file)
{
	request->id = file->id;
	request->created = true;
}

void post_end(struct request *request, int r, const struct file *file)
{
	if (r) {
		answer_refusal(request, r);
		return;
	}
	set_created(request, file);
	answer(request, 201);
	if (request_has_body(request))
		answer_field_number(request, "Upload-Offset", file->offset);
	answer_expiry(request, file);
}

/* With all of the body, if there is any. */
static void create(struct request *request, const struct upload_request *creation)
{
	SCOPED(file_release) struct file file = {0};
	int r = uploads_create(request->site->uploads, creation, &file);

	post_end(request, r, &file);
}

static void small_take(struct request *request, const void *bytes, size_t size)
{
	assert(size <= request->expected - request->small_size);
	memcpy(request->small + request->small_size, bytes, size);
	request->small_size += size;
}

static void small_end(struct request *request)
{
	request->creation->body = request->small;
	request->creation->body_size = request->small_size;
	create(request, request->creation);
}

/* What came is kept if its client can be told where. */
static void small_break(struct request *request)
{
	SCOPED(file_release) struct file file = {0};
	int r;

	if (peer_is_gone(request->peer)) {
		request->over = true;
		return;
	}
	request->creation->body = request->small;
	request->creation->body_size = request->small_size;
	r = uploads_create(request->site->uploads, request->creation, &file);
	if (r) {
		answer_refusal(request, r);
		return;
	}
	set_created(request, &file);
	append_answer_broken(request);
}

/* A small body is committed together with its upload, in one transaction, after its
 * last byte. */
static void create_small(struct request *request, const struct upload_request *creation)
{
	static const struct sink sink = {small_take, small_end, small_break};

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
	int r = uploads_create(request->site->uploads, creation, &file);

	if (r) {
		answer_refusal(request, r);
		return;
	}
	set_created(request, &file);
	append_begin(request, &append);
}

/* Whether what the body brings can be committed together with the upload. */
static bool is_one_change(const struct request *request,
			  const struct upload_request *creation)
{
	return !request_has_body(request) ||
	       (creation->length_known && creation->length <= UPLOADS_SMALL_MAX &&
		!request->chunked && !request->promised);
}

static void create_at_once(struct request *request, struct upload_request *creation)
{
	int r;

	request->passed =
		creation->kind == FILE_FINAL || !is_one_change(request, creation);
	if (request->passed)
		return;
	creation->body = request->body;
	creation->body_size = request->expected;
	r = upload_change_create(request->site->uploads, creation, &request->change);
	if (r)
		answer_refusal(request, r);
}

void post_begin(struct request *request)
{
	struct upload_request creation = {.kind = FILE_PLAIN};
	SCOPED(scoped_free) struct upload_id *parts = NULL;
	int r;

	if (!read_concat(request, &creation, &parts) ||
	    !read_length(request, &creation) || !read_metadata(request, &creation) ||
	    !append_read_promise(request) || !accept_body(request, &creation))
		return;
	r = request_has_body(request) ? 0 : append_check_empty(request);
	if (r)
		answer_refusal(request, r);
	else if (request->at_once)
		create_at_once(request, &creation);
	else if (!request_has_body(request))
		create(request, &creation);
	else if (is_one_change(request, &creation))
		create_small(request, &creation);
	else
		create_and_append(request, &creation);
}
