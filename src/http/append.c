#include "append.h"

#include "answer.h"

#include "tusfs/http_text.h"
#include "tusfs/text.h"

#include <string.h>
#include <strings.h>

bool append_accept_type(struct request *request)
{
	const char *type = request_field(request, FIELD_CONTENT_TYPE);

	if (type && strcasecmp(type, APPEND_TYPE) == 0)
		return true;
	answer_error(request, 415, "ERR_INVALID_CONTENT_TYPE",
		     "Content-Type must be " APPEND_TYPE);
	return false;
}

bool append_read_number(struct request *request, enum field field, bool needed,
			uint64_t *value)
{
	const char *text = request_field(request, field);
	const char *code = field == FIELD_UPLOAD_OFFSET ? "ERR_INVALID_OFFSET"
							: "ERR_INVALID_UPLOAD_LENGTH";

	if (text ? text_to_u64(text, strlen(text), value) : !needed)
		return true;
	answer_error(request, 400, code, "%s %s", field_name(field),
		     text ? "is not a number of bytes" : "is missing");
	return false;
}

#define MALFORMED_CHECKSUM "Upload-Checksum is malformed, or its algorithm unknown"

bool append_read_promise(struct request *request)
{
	const char *header = request_field(request, FIELD_UPLOAD_CHECKSUM);
	const char *trailer = request_field(request, FIELD_TRAILER);
	const char *problem = NULL;

	request->in_trailer = trailer && http_list_has(trailer, "Upload-Checksum");
	request->promised = header || request->in_trailer;
	if (header && request->in_trailer)
		problem = "Upload-Checksum is both header and trailer";
	else if (request->in_trailer && !request->chunked)
		problem = "a trailer needs a chunked body";
	else if (header && checksum_parse(header, &request->checksum))
		problem = MALFORMED_CHECKSUM;
	if (!problem)
		return true;
	answer_error(request, 400, "ERR_INVALID_CHECKSUM", "%s", problem);
	return false;
}

/* What every answer to an append tells (tus 1.0.0, Upload-Expires), if it still is. */
static void tell_state(struct request *request)
{
	SCOPED(file_release) struct file file = {0};

	if (uploads_find(request->site->uploads, request->id, &file))
		return;
	answer_field_number(request, "Upload-Offset", file.offset);
	answer_expiry(request, &file);
}

/* An append that was not ended is cut here, and so the offset is final. */
static void let_go(struct request *request)
{
	request->writer = upload_writer_free(request->writer);
	peer_go_on(request->peer);
}

void append_refuse(struct request *request, int r)
{
	let_go(request);
	answer_refusal(request, r);
	tell_state(request);
}

void append_answer_broken(struct request *request)
{
	answer_error(request, 400, "ERR_INCOMPLETE_BODY",
		     "the body broke off; Upload-Offset tells what was kept");
	tell_state(request);
}

static void append_take(struct request *request, const void *bytes, size_t size)
{
	int r = upload_writer_put(request->writer, bytes, size);

	if (r)
		append_refuse(request, r);
}

struct trailer {
	const char *value;
	unsigned int count;
};

static enum MHD_Result find_trailer(void *arg, enum MHD_ValueKind kind,
				    const char *name, const char *value)
{
	struct trailer *found = arg;

	(void)kind;
	if (value && strcasecmp(name, "Upload-Checksum") == 0) {
		found->value = value;
		found->count++;
	}
	return MHD_YES;
}

/* Blanks behind a value are not its own (RFC 9110, 5.5). */
static const char *parse_trailer(const char *value, struct checksum *checksum)
{
	SCOPED(scoped_free) char *trimmed = NULL;
	size_t length = strlen(value);

	while (length && strchr(" \t", value[length - 1]))
		length--;
	trimmed = strndup(value, length);
	return !trimmed || checksum_parse(trimmed, checksum) ? MALFORMED_CHECKSUM
							     : NULL;
}

/* A checksum behind the body, also one that no Trailer field announced; returns what is
 * wrong with it, or NULL. When the header has brought one, what looks like a trailer
 * may be its echo: libmicrohttpd shows the last field of the header as a trailer before
 * the first one when that comes in two pieces. */
static const char *read_trailer(struct request *request)
{
	struct trailer found = {0};

	if (!request->chunked || (request->promised && !request->in_trailer))
		return NULL;
	MHD_get_connection_values(request->mhd, MHD_FOOTER_KIND, find_trailer, &found);
	if (!found.count && !request->in_trailer)
		return NULL;
	request->promised = true;
	if (!found.count)
		return "Trailer announced Upload-Checksum, which did not come";
	if (found.count > 1)
		return "Upload-Checksum was sent more than once";
	return parse_trailer(found.value, &request->checksum);
}

/* No algorithm matches nothing: the engine drops the bytes. */
static void refuse_trailer(struct request *request, const char *problem)
{
	SCOPED(file_release) struct file file = {0};
	int r;

	request->checksum.algorithm = DIGEST_NONE;
	r = upload_writer_commit(request->writer, &request->checksum, &file);
	if (r < 0 || r == REFUSED_GONE) {
		append_refuse(request, r);
		return;
	}
	let_go(request);
	answer_error(request, 400, "ERR_INVALID_CHECKSUM", "%s", problem);
	tell_state(request);
}

static void answer_end(struct request *request, const struct file *file)
{
	answer(request, request->created ? 201 : 204);
	answer_field_number(request, "Upload-Offset", file->offset);
	answer_expiry(request, file);
}

int append_check_empty(const struct request *request)
{
	enum digest_algorithm algorithm = request->checksum.algorithm;
	uint8_t digest[DIGEST_MAX_BYTES];
	int r;

	if (!request->promised)
		return 0;
	r = digest_once(algorithm, "", 0, digest);
	if (r)
		return r;
	return memcmp(digest, request->checksum.bytes, digest_size(algorithm)) == 0
		       ? 0
		       : REFUSED_CHECKSUM;
}

static void append_end(struct request *request)
{
	SCOPED(file_release) struct file file = {0};
	const char *problem = read_trailer(request);
	int r;

	if (problem) {
		refuse_trailer(request, problem);
		return;
	}
	/* of a complete upload the engine verifies nothing any more */
	r = request->taken ? 0 : append_check_empty(request);
	if (r) {
		append_refuse(request, r);
		return;
	}
	r = upload_writer_commit(request->writer,
				 request->promised ? &request->checksum : NULL, &file);
	if (r) {
		append_refuse(request, r);
		return;
	}
	request->writer = upload_writer_free(request->writer);
	answer_end(request, &file);
}

static void append_break(struct request *request)
{
	SCOPED(file_release) struct file file = {0};
	int r = upload_writer_cut(request->writer, &file);

	request->writer = upload_writer_free(request->writer);
	if (r)
		append_refuse(request, r);
	else
		append_answer_broken(request);
}

static void stop(void *arg)
{
	peer_stop_receiving(arg);
}

void append_begin(struct request *request, struct upload_append *append)
{
	static const struct sink sink = {append_take, append_end, append_break};
	int r;

	append->size_known = !request->chunked;
	append->size = request->expected;
	append->checked = request->promised;
	append->algorithm = request->checksum.algorithm;
	append->stop = stop;
	append->arg = request->peer;
	r = upload_writer_open(request->site->uploads, request->id, append,
			       &request->writer);
	if (r)
		append_refuse(request, r);
	else
		request->sink = &sink;
}

static void append_at_once(struct request *request, struct upload_append *append)
{
	int r;

	append->at_once = append->size_known = true;
	append->size = request->expected;
	r = request->promised
		    ? REFUSED_BUSY
		    : upload_change_append(request->site->uploads, request->id, append,
					   request->body, &request->change);
	request->passed = r == REFUSED_BUSY;
	if (r && !request->passed)
		append_refuse(request, r);
}

void patch_begin(struct request *request)
{
	struct upload_append append = {0};

	append.declares_length = request_field(request, FIELD_UPLOAD_LENGTH);
	if (!append_accept_type(request) ||
	    !append_read_number(request, FIELD_UPLOAD_OFFSET, true, &append.offset) ||
	    !append_read_number(request, FIELD_UPLOAD_LENGTH, false, &append.length) ||
	    !append_read_promise(request))
		tell_state(request);
	else if (request->at_once)
		append_at_once(request, &append);
	else
		append_begin(request, &append);
}

void patch_end(struct request *request, int r, const struct file *file)
{
	request->passed = r == REFUSED_BUSY;
	if (request->passed)
		return;
	if (r)
		append_refuse(request, r);
	else
		answer_end(request, file);
}
