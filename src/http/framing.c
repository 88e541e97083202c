/* Whether the header of a request can be believed: its lines, its length, its size. It
 * is asked for each request, by request.c or connection.c, before any handler sees it;
 * the fields of tus are left to the handlers. */
#include "answer.h"

#include "tusfs/text.h"

#include <string.h>
#include <strings.h>

/* Of all fields, names and values: some 1,400 parts of a final upload, by path. It
 * leaves room in a connection's memory for an answer that says so; libmicrohttpd turns
 * away what does not fit at all. */
#define FIELDS_MAX (62 * 1024)

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
	/* libmicrohttpd before 0.9.77 does not trim it, and reads to the end then */
	if (strcasecmp(encoding, "chunked") != 0 ||
	    request->fields.copied[FIELD_TRANSFER_ENCODING]) {
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
	if (!*length || length[strspn(length, "0123456789")]) {
		refuse(request, "Content-Length is not a number of bytes");
		return false;
	}
	request->must_close = true;
	answer_error(request, 413, "ERR_MAX_SIZE_EXCEEDED",
		     "Content-Length is beyond any upload");
	return false;
}

static bool accept_lines(struct request *request)
{
	const struct fields *fields = &request->fields;

	if (fields->problem) {
		refuse(request, fields->problem);
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

static bool accept_size(struct request *request)
{
	if (request->fields.size <= FIELDS_MAX)
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

/* libmicrohttpd looks itself; the front takes HTTP/1.1 only, which needs it. */
static bool accept_host(struct request *request)
{
	if (!request->at_once || request_field(request, FIELD_HOST))
		return true;
	refuse(request, "Host is missing");
	return false;
}

bool framing_accept(struct request *request)
{
	return accept_lines(request) && accept_host(request) &&
	       accept_encoding(request) && accept_length(request) &&
	       accept_size(request) && accept_expectation(request);
}
