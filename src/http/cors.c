#include "cors.h"

#include "answer.h"

#include "tusfs/http_text.h"

#include <stdio.h>

#define CORS_METHODS "POST, HEAD, PATCH, DELETE, OPTIONS, GET"
#define CORS_HEADERS                                                                   \
	"Authorization, Content-Type, Origin, Range, Tus-Resumable, Upload-Checksum, " \
	"Upload-Concat, Upload-Defer-Length, Upload-Length, Upload-Metadata, "         \
	"Upload-Offset, X-HTTP-Method-Override, X-Request-ID, X-Requested-With"
#define CORS_EXPOSED                                                                   \
	"Accept-Ranges, Content-Disposition, Content-Range, ETag, Location, "          \
	"Repr-Digest, Tus-Checksum-Algorithm, Tus-Extension, Tus-Max-Size, "           \
	"Tus-Resumable, Tus-Version, Upload-Checksum, Upload-Concat, "                 \
	"Upload-Defer-Length, Upload-Expires, Upload-Length, Upload-Metadata, "        \
	"Upload-Offset"
#define CORS_MAX_AGE 86400 /* seconds; the most that any browser honours */

void cors_add(struct request *request)
{
	const char *origin = request_field(request, FIELD_ORIGIN);

	if (!request->site->config.cors)
		return;
	answer_field(request, "Vary", "Origin");
	if (!origin)
		return;
	answer_field(request, "Access-Control-Allow-Origin", origin);
	answer_field(request, "Access-Control-Expose-Headers", CORS_EXPOSED);
}

/* An application may send fields of its own, so what it asks for is granted. */
static void add_allowed_headers(struct request *request)
{
	const char *asked = request_field(request, FIELD_CORS_HEADERS);
	SCOPED(scoped_free) char *all = NULL;

	if (asked && *asked && http_is_token_list(asked) &&
	    asprintf(&all, "%s, %s", CORS_HEADERS, asked) >= 0)
		answer_field(request, "Access-Control-Allow-Headers", all);
	else
		answer_field(request, "Access-Control-Allow-Headers", CORS_HEADERS);
}

void cors_add_preflight(struct request *request)
{
	if (!request->site->config.cors || !request_field(request, FIELD_ORIGIN) ||
	    !request_field(request, FIELD_CORS_METHOD))
		return;
	answer_field(request, "Access-Control-Allow-Methods", CORS_METHODS);
	add_allowed_headers(request);
	answer_field_number(request, "Access-Control-Max-Age", CORS_MAX_AGE);
}
