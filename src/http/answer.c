#include "answer.h"

#include "cors.h"
#include "location.h"

#include "tusfs/clock.h"
#include "tusfs/fault_point.h"
#include "tusfs/log.h"
#include "tusfs/text.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The heads of a request and of its answer share a connection's memory (64 KiB). When
 * they do not fit, libmicrohttpd closes without an answer. This leaves room for the
 * fields that it adds, and for the rest of the first line. */
#define HEADS_MAX (56 * 1024)
/* What it needs for each field of a request besides name and value, and for each
 * cookie; it keeps a copy of all cookies. */
#define FIELD_MEMORY 64

/* What every answer carries. */
static void add_common_fields(struct request *request)
{
	answer_field(request, "Tus-Resumable", TUS_VERSION);
	answer_field(request, "X-Content-Type-Options", "nosniff");
	cors_add(request);
	if (request->created)
		location_add(request);
}

static void begin(struct request *request, unsigned int status)
{
	assert(!request_answered(request));
	fault_point("before the answer");
	request->status = status;
}

void answer_with(struct request *request, unsigned int status,
		 struct MHD_Response *response)
{
	begin(request, status);
	request->response = response;
	if (response)
		add_common_fields(request);
	else
		request->over = true;
}

/* It changes each second, and is asked for with each answer. */
static const char *date_now(void)
{
	static _Thread_local char date[TEXT_DATE_SIZE];
	static _Thread_local int64_t second;
	int64_t now = clock_now();

	if (now / CLOCK_SECOND != second)
		text_to_http_date(now, date);
	second = now / CLOCK_SECOND;
	return date;
}

static void log_answer(const struct request *request)
{
	log_debug("%s: %u %.*s", request->method, request->status,
		  (int)strcspn(request->line, "\n"), request->line);
}

void answer_begin_text(struct request *request)
{
	struct buffer *text = &request->text;

	buffer_add(text, "HTTP/1.1 ");
	buffer_add_number(text, request->status);
	buffer_add(text, " ");
	buffer_add(text, MHD_get_reason_phrase_for(request->status));
	buffer_add(text, "\r\n");
	buffer_add_field(text, "Date", date_now());
}

void answer_end_text(struct request *request, uint64_t length)
{
	struct buffer *text = &request->text;
	char digits[TEXT_NUMBER_SIZE];

	log_answer(request);
	if (request->status != 204 && !request->no_length) {
		text_of_u64(length, digits);
		buffer_add_field(text, "Content-Length", digits);
	}
	buffer_add(text, "\r\n");
	if (!request->wire_head)
		buffer_add(text, request->line);
}

static void answer_line(struct request *request, unsigned int status)
{
	if (request->at_once) {
		begin(request, status);
		answer_begin_text(request);
		add_common_fields(request);
		return;
	}
	request->is_short = true;
	answer_with(request, status,
		    MHD_create_response_from_buffer(strlen(request->line),
						    request->line,
						    MHD_RESPMEM_MUST_COPY));
}

void answer(struct request *request, unsigned int status)
{
	request->line[0] = '\0';
	answer_line(request, status);
}

static ssize_t read_nothing(void *arg, uint64_t position, char *bytes, size_t max)
{
	(void)arg;
	(void)position;
	(void)bytes;
	(void)max;
	return MHD_CONTENT_READER_END_WITH_ERROR;
}

/* libmicrohttpd says no length only where the end of a body is the end of the
 * connection. (Chunked, 0.9.75 would send a body to HEAD, and 1.0.1 says that it is
 * chunked.) */
static struct MHD_Response *respond_without_length(void)
{
	struct MHD_Response *response = MHD_create_response_from_callback(
		MHD_SIZE_UNKNOWN, 1, read_nothing, NULL, NULL);

	if (response)
		MHD_set_response_options(response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT,
					 MHD_RO_END);
	return response;
}

void answer_head_only(struct request *request, unsigned int status, uint64_t length)
{
	request->no_length = true;
	if (request->at_once) {
		answer(request, status);
		return;
	}
	request->is_short = true;
	answer_with(request, status,
		    length == ANSWER_NO_LENGTH
			    ? respond_without_length()
			    : MHD_create_response_from_callback(length, 1, read_nothing,
								NULL, NULL));
}

void answer_error(struct request *request, unsigned int status, const char *code,
		  const char *format, ...)
{
	size_t room = sizeof(request->line) - 1; /* for the line's end */
	size_t used = snprintf(request->line, room, "%s: ", code);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(request->line + used, room - used, format, arguments);
	va_end(arguments);
	memcpy(request->line + strlen(request->line), "\n", 2);
	answer_line(request, status);
	answer_field(request, "Content-Type", "text/plain; charset=utf-8");
	answer_field(request, "Cache-Control", "no-store");
}

void answer_field(struct request *request, const char *name, const char *value)
{
	if (!*value)
		return;
	if (request->at_once)
		buffer_add_field(&request->text, name, value);
	else if (request->response)
		MHD_add_response_header(request->response, name, value);
	request->fields_size += strlen(name) + strlen(value);
}

void answer_field_number(struct request *request, const char *name, uint64_t value)
{
	char text[TEXT_NUMBER_SIZE];

	text_of_u64(value, text);
	answer_field(request, name, text);
}

void answer_field_date(struct request *request, const char *name, int64_t microseconds)
{
	char text[TEXT_DATE_SIZE];

	text_to_http_date(microseconds, text);
	answer_field(request, name, text);
}

void answer_expiry(struct request *request, const struct file *file)
{
	/* a finished upload has no expiry in the sense of tus, except as a part */
	if (file->expires && (!file_is_complete(file) || file->kind == FILE_PARTIAL))
		answer_field_date(request, "Upload-Expires", file->expires);
}

bool answer_is_crowded(const struct request *request)
{
	const struct fields *fields = &request->fields;

	return 2 * fields->size + fields->count * FIELD_MEMORY + request->fields_size >
	       HEADS_MAX;
}

/* Nothing comes over it any more; or what does may still belong to the trailers, of
 * which libmicrohttpd 0.9 takes a line without a name for the end (fields.c). */
static bool must_close(const struct request *request)
{
	return peer_is_shut(request->peer) ||
	       (request->chunked &&
		MHD_get_connection_values(request->mhd, MHD_FOOTER_KIND, NULL, NULL));
}

enum MHD_Result answer_queue(struct request *request)
{
	if (request->over)
		return MHD_NO;
	assert(request->response);
	if (request->is_short && answer_is_crowded(request)) {
		answer_by_hand(request);
		return MHD_NO;
	}
	log_answer(request);
	if (must_close(request))
		MHD_add_response_header(request->response, "Connection", "close");
	peer_enter(request->peer, PEER_SENDING);
	return MHD_queue_response(request->mhd, request->status, request->response);
}
