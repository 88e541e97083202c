#include "request.h"

#include "answer.h"
#include "body.h"

#include <errno.h>
#include <string.h>

/* The path of an absolute URL, which a server has to accept (RFC 9112, 3.2.2). */
static const char *path_of(const char *url)
{
	const char *authority, *path;

	if (url[0] == '/')
		return url;
	authority = strstr(url, "://");
	if (!authority)
		return url;
	path = strchr(authority + 3, '/');
	return path ? path : "/";
}

static enum target find_target(const struct site *site, const char *path,
			       struct upload_id *id)
{
	const char *base = site->config.base_path;
	size_t length = strlen(base);

	if (strncmp(path, base, length - 1) != 0)
		return TARGET_NONE;
	if (!path[length - 1] || strcmp(path + length - 1, "/") == 0)
		return TARGET_BASE;
	if (path[length - 1] == '/' &&
	    upload_id_parse(path + length, strlen(path + length), id))
		return TARGET_UPLOAD;
	return TARGET_NONE;
}

void request_init(struct request *request, const char *url, const char *method)
{
	const char *override = request_field(request, FIELD_METHOD_OVERRIDE);

	request->method = override ? override : method;
	request->wire_head = strcmp(method, "HEAD") == 0;
	request->target = find_target(request->site, path_of(url), &request->id);
}

struct request *request_new(const struct site *site, struct MHD_Connection *mhd,
			    struct peer *peer, const char *url, const char *method,
			    const char *version)
{
	struct request *request = calloc(1, sizeof(*request));

	if (!request) {
		failure(-ENOMEM, "take a request");
		return NULL;
	}
	request->site = site;
	request->mhd = mhd;
	request->peer = peer;
	if (fields_read(mhd, method, version, &request->fields)) {
		request_free(request);
		return NULL;
	}
	request_init(request, url, method);
	return request;
}

void request_free(struct request *request)
{
	if (!request)
		return;
	upload_writer_free(request->writer);
	free(request->creation);
	free(request->small);
	if (request->response)
		MHD_destroy_response(request->response);
	buffer_release(&request->text);
	fields_release(&request->fields);
	free(request);
}

/* After the head and after each piece: goes on, unless an answer is due now. */
static enum MHD_Result settle(struct request *request)
{
	if (request->over)
		return MHD_NO;
	if (!request_answered(request) || body_can_swallow(request))
		return MHD_YES;
	answer_by_hand(request);
	return MHD_NO;
}

enum MHD_Result request_begin(struct request *request)
{
	enum MHD_Result result;

	if (framing_accept(request))
		routes_begin(request);
	result = settle(request);
	request->invited = true;
	if (result == MHD_YES && request_has_body(request))
		peer_enter(request->peer, PEER_RECEIVING);
	return result;
}

enum MHD_Result request_take(struct request *request, const void *bytes, size_t size)
{
	enum MHD_Result result;

	peer_enter(request->peer, PEER_BUSY);
	body_take(request, bytes, size);
	result = settle(request);
	if (result != MHD_YES)
		return result;
	if (request->chunked)
		peer_enter(request->peer, PEER_RECEIVING);
	else if (request->taken < request->expected)
		return body_await(request);
	return MHD_YES;
}

enum MHD_Result request_end(struct request *request)
{
	peer_enter(request->peer, PEER_BUSY);
	if (!request_answered(request) && !request->over)
		request->sink->end(request);
	return answer_queue(request);
}
