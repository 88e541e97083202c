#include "body.h"

#include "answer.h"

#include <errno.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>

/* A rest of a body that is worth reading to keep the connection. */
#define SWALLOW_MAX (64 * 1024)
/* A rest of a body that is read past libmicrohttpd. Its pieces are at most half of a
 * connection's memory, which every idle connection pays for; 16 streams that come in
 * blocks of this size are a quarter faster. The library cannot be told, so the
 * connection ends with the answer: at this size a client does not notice, while one
 * that sends chunks of some MiB keeps its connection. */
#define BY_HAND_MIN (32 * 1024 * 1024)
#define BLOCK_BYTES (512 * 1024)

void body_take(struct request *request, const void *bytes, size_t size)
{
	request->taken += size;
	peer_received(request->peer, size);
	if (!request_answered(request) && !request->failed)
		request->sink->take(request, bytes, size);
}

bool body_can_swallow(const struct request *request)
{
	bool holds_back = !request->asked && request_has_body(request) &&
			  request_field(request, FIELD_EXPECT);

	return !request->chunked && !request->must_close && !holds_back &&
	       request->expected - request->taken <= SWALLOW_MAX;
}

/* Waits until there is something to read; what poll() says of the socket, or 0. */
static short wait_for_input(struct request *request)
{
	struct pollfd wait = {.fd = peer_fd(request->peer),
			      .events = POLLIN | POLLRDHUP};
	int r;

	do
		r = poll(&wait, 1, -1);
	while (r < 0 && errno == EINTR);
	return r > 0 ? wait.revents : 0;
}

enum came { CAME_SOME, CAME_NOTHING, CAME_END };

/* Takes what the kernel holds of the body, up to `room`. */
static enum came take_waiting(struct request *request, void *block, size_t room)
{
	uint64_t left = request->expected - request->taken;
	ssize_t n = recv(peer_fd(request->peer), block, left < room ? left : room,
			 MSG_DONTWAIT);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return CAME_NOTHING;
	if (n <= 0)
		return CAME_END;
	peer_enter(request->peer, PEER_BUSY);
	body_take(request, block, (size_t)n);
	peer_enter(request->peer, PEER_RECEIVING);
	return CAME_SOME;
}

static void drain(struct request *request)
{
	char block[32 * 1024];

	while (request->taken < request->expected &&
	       take_waiting(request, block, sizeof(block)) == CAME_SOME)
		;
}

/* After the last byte that this connection brings. */
static enum MHD_Result end_by_hand(struct request *request)
{
	peer_enter(request->peer, PEER_BUSY);
	if (request->taken < request->expected && !request_answered(request))
		return MHD_NO;
	if (!request_answered(request) && !request->failed)
		request->sink->end(request);
	answer_by_hand(request);
	return MHD_NO;
}

/* Takes what is there before it waits: a fast client has sent more by then. False when
 * nothing more comes. */
static bool take_or_wait(struct request *request, void *block)
{
	enum came came = take_waiting(request, block, BLOCK_BYTES);

	return came == CAME_SOME || (came == CAME_NOTHING && wait_for_input(request));
}

/* Reads to the end of the body, or until it is clear that the rest is not wanted. */
static void receive_all(struct request *request, void *block)
{
	while (request->taken < request->expected && !request->failed) {
		if (request_answered(request) && !body_can_swallow(request))
			return;
		if (!take_or_wait(request, block))
			return;
	}
}

/* Its own mapping, so that a slow body costs the pages that it fills, and an ended one
 * none. */
static enum MHD_Result receive_by_hand(struct request *request)
{
	void *block = mmap(NULL, BLOCK_BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (block == MAP_FAILED)
		return MHD_YES; /* the library goes on, more slowly */
	receive_all(request, block);
	munmap(block, BLOCK_BYTES);
	return end_by_hand(request);
}

/* libmicrohttpd drops what it has just read, and what the kernel still holds, when it
 * finds that a connection was reset; so it must not be the first to find out. */
enum MHD_Result body_await(struct request *request)
{
	short found;

	peer_enter(request->peer, PEER_RECEIVING);
	if (request->expected - request->taken >= BY_HAND_MIN &&
	    !request_answered(request))
		return receive_by_hand(request);
	found = wait_for_input(request);
	if (found && !(found & (POLLRDHUP | POLLHUP | POLLERR)))
		return MHD_YES;
	drain(request);
	return end_by_hand(request);
}
