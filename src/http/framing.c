#include "answer.h"

#include "tusfs/http_text.h"
#include "tusfs/metadata.h"
#include "tusfs/text.h"

#include <string.h>
#include <strings.h>

/* Of all fields but the two below, names and values. */
#define FIELDS_MAX (64 * 1024)
/* Some 3,000 parts of a final upload, by path. */
#define CONCAT_MAX (128 * 1024)

static void refuse(struct request *request, const char *what)
{
	request->must_close = true;
	answer_error(request, 400, "ERR_INVALID_REQUEST", "%s", what);
}

/* What another server in front may read differently is refused (RFC 9112, 6.1). */
static bool accept_encoding(struct request *request)
{
	const char *encoding = request_field(request, FIELD_TRANSFER_ENCODING);

	if (!encoding)
		return true;
	if (strcasecmp(encoding, "chunked") != 0) {
		refuse(request, "Transfer-Encoding can only be chunked");
		return false;
	}
	if (request_field(request, FIELD_CONTENT_LENGTH)) {
		refuse(request, "Transfer-Encoding together with Content-Length");
		return false;
	}
	request->chunked = true;
	return true;
}

static bool accept_length(struct request *request)
{
	const char *length = request_field(request, FIELD_CONTENT_LENGTH);

	if (!length || text_to_u64(length, strlen(length), &request->expected))
		return true;
	request->must_close = true;
	answer_error(request, 413, "ERR_MAX_SIZE_EXCEEDED",
		     "Content-Length is beyond any upload");
	return false;
}

static bool accept_lines(struct request *request)
{
	const struct fields *fields = &request->fields;

	if (fields->folded) {
		refuse(request, "a field of the header is folded");
		return false;
	}
	for (unsigned int i = 0; i < FIELD_COUNT; i++)
		if (fields->repeated[i]) {
			request->must_close = true;
			answer_error(request, 400, "ERR_INVALID_REQUEST",
				     "%s was sent more than once", field_name(i));
			return false;
		}
	return true;
}

static bool too_long(struct request *request, enum field field, size_t max)
{
	const char *value = request_field(request, field);

	if (!value || strlen(value) <= max)
		return false;
	answer_error(request, 431, "ERR_HEADER_TOO_LARGE", "%s is over %zu bytes",
		     field_name(field), max);
	return true;
}

static bool accept_sizes(struct request *request)
{
	if (too_long(request, FIELD_UPLOAD_METADATA, METADATA_MAX) ||
	    too_long(request, FIELD_UPLOAD_CONCAT, CONCAT_MAX))
		return false;
	if (request->fields.other_size <= FIELDS_MAX)
		return true;
	answer_error(request, 431, "ERR_HEADER_TOO_LARGE",
		     "the header is over %d bytes", FIELDS_MAX);
	return false;
}

static bool accept_expectation(struct request *request)
{
	const char *expect = request_field(request, FIELD_EXPECT);

	if (!expect || strcasecmp(expect, "100-continue") == 0)
		return true;
	answer_error(request, 417, "ERR_INVALID_REQUEST",
		     "only 100-continue can be expected");
	return false;
}

bool framing_accept(struct request *request)
{
	return accept_lines(request) && accept_encoding(request) &&
	       accept_length(request) && accept_sizes(request) &&
	       accept_expectation(request);
}
