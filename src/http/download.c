/* The handler of GET, which is HTTP's (RFC 9110) and not tus's: conditions, ranges,
 * what the answer says of the file, and where its bytes come from. routes.c enters it.
 * libmicrohttpd then sends the bytes, or by_hand.c what it would copy or could not
 * carry. */
#include "answer.h"

#include "tusfs/clock.h"
#include "tusfs/http_text.h"
#include "tusfs/metadata.h"
#include "tusfs/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Read at a time where sendfile(2) cannot be used. */
#define BLOCK (256 * 1024)
/* From here on an answer out of several blobs is worth its connection. */
#define BY_HAND_MIN (1024 * 1024)

/* One GET: what is there, and what of it was asked for. */
struct download {
	struct file file;
	struct upload_reader *reader;
	bool complete;
	uint64_t size; /* bytes there are */
	char etag[UPLOAD_ID_DIGITS + 3];
	uint64_t first; /* what is sent */
	uint64_t length;
	bool part;
	bool by_hand; /* complete; large and in several blobs, or a crowded head */
};

static void download_release(struct download *download)
{
	upload_reader_close(download->reader);
	file_release(&download->file);
}

/* ---- bodies ---- */

struct source {
	struct upload_reader *reader;
	uint64_t first;
};

static ssize_t source_read(void *arg, uint64_t position, char *bytes, size_t max)
{
	struct source *source = arg;
	size_t got;
	int r = upload_reader_read(source->reader, bytes, max, source->first + position,
				   &got);

	return r || !got ? MHD_CONTENT_READER_END_WITH_ERROR : (ssize_t)got;
}

static void source_free(void *arg)
{
	struct source *source = arg;

	upload_reader_close(source->reader);
	free(source);
}

/* Copies block by block: for bytes that several blobs hold, or that still grow. */
static struct MHD_Response *respond_by_reading(struct download *download)
{
	struct source *source = malloc(sizeof(*source));
	struct MHD_Response *response;

	if (!source)
		return NULL;
	source->reader = STEAL(download->reader);
	source->first = download->first;
	response = MHD_create_response_from_callback(download->length, BLOCK,
						     source_read, source, source_free);
	if (!response)
		source_free(source);
	return response;
}

/* The blob stays readable by the descriptor, whatever becomes of the upload. */
static struct MHD_Response *respond_from_fd(const struct download *download,
					    const struct upload_extent *extent)
{
	int fd = fcntl(extent->fd, F_DUPFD_CLOEXEC, 0);
	struct MHD_Response *response;

	if (fd < 0) {
		failure(-errno, "open a blob to send it");
		return NULL;
	}
	response = MHD_create_response_from_fd_at_offset64(download->length, fd,
							   extent->fd_offset);
	if (!response)
		close(fd);
	return response;
}

static struct MHD_Response *respond_without_body(void)
{
	return MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
}

static struct MHD_Response *respond(const struct request *request,
				    struct download *download)
{
	struct upload_extent extent;

	if (!download->length)
		return respond_without_body();
	if (!download->complete ||
	    upload_reader_extent(download->reader, download->first, &extent))
		return respond_by_reading(download);
	download->by_hand =
		answer_is_crowded(request) ||
		(extent.length < download->length && download->length >= BY_HAND_MIN);
	if (download->by_hand)
		return respond_without_body();
	if (extent.length < download->length)
		return respond_by_reading(download);
	if (extent.fd >= 0)
		return respond_from_fd(download, &extent);
	return MHD_create_response_from_buffer(download->length, (void *)extent.memory,
					       MHD_RESPMEM_MUST_COPY);
}

/* ---- conditions (RFC 9110, 13) ---- */

static bool date_is(const char *text, int64_t *seconds)
{
	int64_t microseconds;

	if (!text_from_http_date(text, &microseconds))
		return false;
	*seconds = microseconds / CLOCK_SECOND;
	return true;
}

/* Whether If-Match, or else If-Unmodified-Since, allows an answer at all. What is
 * unfinished has no entity tag and no date, but exists. */
static bool is_as_expected(const struct request *request,
			   const struct download *download)
{
	const char *etags = request_field(request, FIELD_IF_MATCH);
	const char *date = request_field(request, FIELD_IF_UNMODIFIED_SINCE);
	int64_t since;

	if (etags)
		return download->complete ? http_etag_matches(etags, download->etag)
					  : strcmp(etags, "*") == 0;
	return !download->complete || !date || !date_is(date, &since) ||
	       download->file.modified / CLOCK_SECOND <= since;
}

static bool not_modified(const struct request *request, const struct download *download)
{
	const char *etags = request_field(request, FIELD_IF_NONE_MATCH);
	const char *date = request_field(request, FIELD_IF_MODIFIED_SINCE);
	int64_t since;

	if (!download->complete)
		return false;
	if (etags)
		return http_etag_listed(etags, download->etag);
	return date && date_is(date, &since) &&
	       download->file.modified / CLOCK_SECOND <= since;
}

/* Whether If-Range, if there is one, allows a part: the exact entity tag or date. */
static bool part_allowed(const struct request *request, const struct download *download)
{
	const char *condition = request_field(request, FIELD_IF_RANGE);
	int64_t date;

	if (!condition)
		return true;
	if (!download->complete)
		return false;
	return strcmp(condition, download->etag) == 0 ||
	       (date_is(condition, &date) &&
		download->file.modified / CLOCK_SECOND == date);
}

/* False when the range that was asked for cannot be had. */
static bool choose_range(const struct request *request, struct download *download)
{
	const char *range = request_field(request, FIELD_RANGE);
	struct http_range chosen = {0, download->size};
	enum http_range_kind kind = HTTP_RANGE_WHOLE;

	if (range && part_allowed(request, download))
		kind = http_range_parse(range, download->size, &chosen);
	download->first = chosen.first;
	download->length = chosen.length;
	download->part = kind == HTTP_RANGE_PART;
	return kind != HTTP_RANGE_UNSATISFIABLE;
}

static void refuse_range(struct request *request, const struct download *download)
{
	char text[48];

	snprintf(text, sizeof(text), "bytes */%" PRIu64, download->size);
	answer_error(request, 416, "ERR_INVALID_RANGE",
		     "the range begins past the end");
	answer_field(request, "Content-Range", text);
}

/* ---- what the answer says of the file ---- */

/* A type only if it is one, since it goes into the header. */
static char *type_of(const struct file *file)
{
	static const char *const keys[] = {"filetype", "type"};

	for (size_t i = 0; i < 2; i++) {
		size_t size;
		char *type = metadata_get(file->metadata, keys[i], &size);

		if (type && size < 256 && strlen(type) == size &&
		    http_media_type_valid(type, size))
			return type;
		free(type);
	}
	return strdup("application/octet-stream");
}

static void add_type(struct request *request, const struct file *file)
{
	SCOPED(scoped_free) char *type = type_of(file);
	SCOPED(scoped_free) char *disposition = NULL;

	if (!type)
		return;
	disposition = http_disposition(http_media_type_inert(type), file->name.text);
	answer_field(request, "Content-Type", type);
	if (disposition)
		answer_field(request, "Content-Disposition", disposition);
}

/* What a cache may keep, and how it asks again (RFC 9110, 8.8). */
static void add_validators(struct request *request, const struct download *download)
{
	if (!download->complete) {
		answer_field(request, "Cache-Control", "no-store");
		return;
	}
	answer_field(request, "ETag", download->etag);
	answer_field_date(request, "Last-Modified", download->file.modified);
	answer_field(request, "Cache-Control", "no-cache"); /* DELETE is at once */
}

static void add_digest(struct request *request, const struct download *download)
{
	char base64[text_base64_length(32) + 1], text[80];

	if (!download->complete || !download->file.has_sha256)
		return;
	text_to_base64(download->file.sha256, 32, base64);
	snprintf(text, sizeof(text), "sha-256=:%s:", base64);
	answer_field(request, "Repr-Digest", text);
}

static void add_range(struct request *request, const struct download *download)
{
	char text[80], size[24] = "*"; /* not known before it is complete */

	answer_field(request, "Accept-Ranges", "bytes");
	if (!download->part)
		return;
	if (download->complete)
		snprintf(size, sizeof(size), "%" PRIu64, download->size);
	snprintf(text, sizeof(text), "bytes %" PRIu64 "-%" PRIu64 "/%s",
		 download->first, download->first + download->length - 1, size);
	answer_field(request, "Content-Range", text);
}

static void answer_not_modified(struct request *request,
				const struct download *download)
{
	answer_head_only(request, 304, download->size);
	add_validators(request, download);
}

/* What choose_range() has chosen. */
static void answer_bytes(struct request *request, struct download *download)
{
	answer_with(request, download->part ? 206 : 200, respond(request, download));
	add_validators(request, download);
	add_type(request, &download->file);
	add_range(request, download);
	add_digest(request, download);
	if (download->by_hand)
		answer_upload_by_hand(request, download->reader, download->first,
				      download->length);
}

/* In the order of RFC 9110, 13.2.2. */
static void answer_download(struct request *request, struct download *download)
{
	if (!is_as_expected(request, download))
		answer_error(request, 412, "ERR_PRECONDITION_FAILED",
			     "the upload is not the one that was expected");
	else if (not_modified(request, download))
		answer_not_modified(request, download);
	else if (!choose_range(request, download))
		refuse_range(request, download);
	else
		answer_bytes(request, download);
}

/* Refusals: NOT_FOUND (also while it is not to be seen yet), GONE. */
static int open_download(const struct request *request, struct download *download)
{
	struct uploads *uploads = request->site->uploads;
	char id[UPLOAD_ID_DIGITS + 1];
	int r = uploads_find(uploads, request->id, &download->file);

	if (r)
		return r;
	if (!file_is_complete(&download->file) &&
	    !request->site->config.serve_unfinished)
		return REFUSED_NOT_FOUND;
	r = upload_reader_open(uploads, download->file.num, &download->reader);
	if (r)
		return r;
	download->size = upload_reader_size(download->reader, &download->complete);
	upload_id_format(request->id, id);
	snprintf(download->etag, sizeof(download->etag), "\"%s\"", id);
	return 0;
}

void get_begin(struct request *request)
{
	SCOPED(download_release) struct download download = {0};
	int r;

	if (request_has_body(request)) {
		answer_error(request, 400, "ERR_INVALID_REQUEST", "GET has no body");
		return;
	}
	r = open_download(request, &download);
	if (r)
		answer_refusal(request, r);
	else
		answer_download(request, &download);
}
