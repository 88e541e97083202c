#include "request.h"

#include "answer.h"

#include "tusfs/http_text.h"
#include "tusfs/log.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

/* A rest of a body that is worth reading to keep the connection. */
#define SWALLOW_MAX (64 * 1024)

/* The path of an absolute URL, which a server has to accept (RFC 9112, 3.2.2). */
static const char *path_of(const char *url)
{
	const char *authority = strstr(url, "://");
	const char *path;

	if (url[0] == '/' || !authority)
		return url;
	path = strchr(authority + 3, '/');
	return path ? path : "/";
}

static enum target find_target(const struct site *site, const char *path,
			       struct upload_id *id)
{
	size_t length = site->base_length;

	if (strncmp(path, site->base_path, length - 1) != 0)
		return TARGET_NONE;
	if (!path[length - 1] || strcmp(path + length - 1, "/") == 0)
		return TARGET_BASE;
	if (path[length - 1] == '/' &&
	    upload_id_parse(path + length, strlen(path + length), id))
		return TARGET_UPLOAD;
	return TARGET_NONE;
}

struct request *request_new(const struct site *site, struct MHD_Connection *mhd,
			    struct peer *peer, const char *url, const char *method)
{
	struct request *request = calloc(1, sizeof(*request));
	const char *override;

	if (!request) {
		failure(-ENOMEM, "take a request");
		return NULL;
	}
	request->site = site;
	request->mhd = mhd;
	request->peer = peer;
	if (fields_read(mhd, &request->fields)) {
		request_free(request);
		return NULL;
	}
	override = request_field(request, FIELD_METHOD_OVERRIDE);
	request->method = override ? override : method;
	request->wire_head = strcmp(method, "HEAD") == 0;
	request->target = find_target(site, path_of(url), &request->id);
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
	fields_release(&request->fields);
	free(request);
}

/* Whether the rest of the body is read to its end before the answer goes out. */
static bool can_swallow(const struct request *request)
{
	bool holds_back = !request->asked && request_field(request, FIELD_EXPECT);

	return !request->chunked && !request->must_close && !holds_back &&
	       request->expected - request->taken <= SWALLOW_MAX;
}

/* After the head and after each piece: goes on, unless an answer is due now. */
static enum MHD_Result settle(struct request *request)
{
	if (request->failed)
		return MHD_NO;
	if (!request->response || can_swallow(request))
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
	request->asked = true;
	if (result == MHD_YES && request_has_body(request))
		peer_enter(request->peer, PEER_RECEIVING);
	return result;
}

static void take(struct request *request, const void *bytes, size_t size)
{
	request->taken += size;
	peer_received(request->peer, size);
	if (!request->response && !request->failed)
		request->sink->take(request, bytes, size);
}

/* What the kernel still holds of the body. */
static void drain(struct request *request)
{
	char bytes[32 * 1024];

	while (request->taken < request->expected) {
		uint64_t left = request->expected - request->taken;
		ssize_t n =
			recv(peer_fd(request->peer), bytes,
			     left < sizeof(bytes) ? left : sizeof(bytes), MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		take(request, bytes, n);
	}
}

/* Waits for more of a body of known size. libmicrohttpd drops what it has just read,
 * and what the kernel still holds, when it finds that a connection was reset; so it
 * must not be the first to find out. */
static enum MHD_Result await_more(struct request *request)
{
	struct pollfd wait = {.fd = peer_fd(request->peer),
			      .events = POLLIN | POLLRDHUP};
	int r;

	peer_enter(request->peer, PEER_RECEIVING);
	do
		r = poll(&wait, 1, -1);
	while (r < 0 && errno == EINTR);
	if (r > 0 && !(wait.revents & (POLLRDHUP | POLLHUP | POLLERR)))
		return MHD_YES;
	peer_enter(request->peer, PEER_BUSY);
	drain(request);
	if (request->taken < request->expected || request->failed)
		return MHD_NO;
	/* It came whole: a client may close its side and yet read the answer. */
	if (!request->response)
		request->sink->end(request);
	answer_by_hand(request);
	return MHD_NO;
}

enum MHD_Result request_take(struct request *request, const void *bytes, size_t size)
{
	enum MHD_Result result;

	peer_enter(request->peer, PEER_BUSY);
	take(request, bytes, size);
	result = settle(request);
	if (result != MHD_YES)
		return result;
	if (!request->chunked && request->taken < request->expected)
		return await_more(request);
	peer_enter(request->peer, PEER_RECEIVING);
	return MHD_YES;
}

enum MHD_Result request_end(struct request *request)
{
	peer_enter(request->peer, PEER_BUSY);
	if (!request->response && !request->failed)
		request->sink->end(request);
	return answer_queue(request);
}
