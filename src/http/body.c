#include "body.h"

#include "answer.h"
#include "append.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>

/* A rest of a body that is worth reading to keep the connection. */
#define SWALLOW_MAX (64 * 1024)
/* A rest of a body that is read past libmicrohttpd. Its pieces are at most half of a
 * connection's memory, which every idle connection pays for. The library cannot be
 * told, so the connection ends with the answer: at this size a client does not notice,
 * while one that sends chunks of some MiB keeps its connection. */
#define BY_HAND_MIN (32 * 1024 * 1024)
/* Such a body is read in blocks. Each gets, when it begins, its share of this between
 * all that run then, but no less than the smallest; more than the largest is slower
 * again. */
#define BLOCKS_BYTES (16 * 1024 * 1024)
#define BLOCK_MIN    (512 * 1024)
#define BLOCK_MAX    (2 * 1024 * 1024)
/* To be woken for each packet costs a fast client and us more than its bytes do. Who
 * sends this part of a block at a time is waited for until there is a whole one
 * (SO_RCVLOWAT, socket(7)), but no longer than this, in milliseconds. */
#define FAST_PART 8
#define PATIENCE  20

static atomic_uint readings; /* bodies that are read by hand now */

void body_take(struct request *request, const void *bytes, size_t size)
{
	request->taken += size;
	peer_received(request->peer, size);
	if (!request_answered(request) && !request->over)
		request->sink->take(request, bytes, size);
}

bool body_can_swallow(const struct request *request)
{
	bool holds_back = !request->invited && request_has_body(request) &&
			  request_field(request, FIELD_EXPECT);

	return !request->chunked && !request->must_close && !holds_back &&
	       request->expected - request->taken <= SWALLOW_MAX;
}

/* What has come is not to wait, unseen, for a client that sends no more. */
static bool use_the_pause(struct request *request)
{
	int r = upload_writer_idle(request->writer);

	if (r)
		append_refuse(request, r);
	return !r;
}

/* Waits for more of the body; what peer_await_input() found. */
static short await_more(struct request *request)
{
	short found;

	do
		found = peer_await_input(
			request->peer,
			request->writer ? upload_writer_patience(request->writer) : -1);
	while (!found && request->writer && !peer_is_stopped(request->peer) &&
	       use_the_pause(request));
	return found;
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
	body_take(request, block, (size_t)n);
	return CAME_SOME;
}

/* Not at the end of the body, nor when it is clear that the rest is not wanted. */
static bool wants_more(const struct request *request)
{
	return request->taken < request->expected && !request->over &&
	       (!request_answered(request) || body_can_swallow(request));
}

static void drain(struct request *request)
{
	char block[32 * 1024];

	while (wants_more(request) &&
	       take_waiting(request, block, sizeof(block)) == CAME_SOME)
		;
}

/* Who was told to stop leaves its upload to another request, and has no answer. */
void body_break(struct request *request)
{
	if (!request_answered(request) && !request->over) {
		if (peer_is_stopped(request->peer))
			return;
		request->sink->broke(request);
	}
	answer_by_hand(request);
}

/* After the last byte that this connection brings. */
static enum MHD_Result end_by_hand(struct request *request)
{
	if (request->taken < request->expected) {
		body_break(request);
		return MHD_NO;
	}
	if (!request_answered(request) && !request->over)
		request->sink->end(request);
	answer_by_hand(request);
	return MHD_NO;
}

/* A body that is read by hand. */
struct reading {
	struct request *request;
	void *block;
	size_t size;  /* of the block */
	bool patient; /* waits until the socket has as much */
};

/* The block is a mapping of its own, so that a slow body costs the pages that it fills,
 * and an ended one none. */
static bool begin_reading(struct reading *reading)
{
	unsigned int sharers = atomic_fetch_add(&readings, 1) + 1;

	reading->size = BLOCKS_BYTES / sharers;
	if (reading->size > BLOCK_MAX)
		reading->size = BLOCK_MAX;
	if (reading->size < BLOCK_MIN)
		reading->size = BLOCK_MIN;
	reading->block = mmap(NULL, reading->size, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (reading->block != MAP_FAILED) {
		madvise(reading->block, reading->size, MADV_NOHUGEPAGE);
		return true;
	}
	atomic_fetch_sub(&readings, 1);
	return false;
}

static void end_reading(struct reading *reading)
{
	munmap(reading->block, reading->size);
	atomic_fetch_sub(&readings, 1);
}

/* Where the socket cannot do it, a wait only ends sooner. */
static void be_patient(struct reading *reading, bool patient)
{
	int bytes = patient ? (int)reading->size : 1;

	if (reading->patient == patient)
		return;
	reading->patient = patient;
	setsockopt(peer_fd(reading->request->peer), SOL_SOCKET, SO_RCVLOWAT, &bytes,
		   sizeof(bytes));
}

/* Takes what is there before it waits: a client may have sent more by then. False when
 * nothing more comes. */
static bool take_or_wait(struct reading *reading)
{
	struct request *request = reading->request;
	uint64_t before = request->taken;
	enum came came;

	if (reading->patient && !peer_await_input(request->peer, PATIENCE))
		be_patient(reading, false);
	came = take_waiting(request, reading->block, reading->size);
	if (request->expected - request->taken < reading->size)
		be_patient(reading, false);
	else if (request->taken - before >= reading->size / FAST_PART)
		be_patient(reading, true);
	if (came == CAME_NOTHING && !reading->patient)
		return await_more(request);
	return came != CAME_END;
}

static enum MHD_Result receive_by_hand(struct request *request)
{
	struct reading reading = {.request = request};

	if (!begin_reading(&reading)) { /* the library goes on, more slowly */
		peer_enter(request->peer, PEER_RECEIVING);
		return MHD_YES;
	}
	while (wants_more(request) && take_or_wait(&reading))
		;
	end_reading(&reading);
	return end_by_hand(request);
}

/* libmicrohttpd drops what it has just read, and what the kernel still holds, when it
 * finds that a connection was reset; so it must not be the first to find out. */
enum MHD_Result body_await(struct request *request)
{
	short found;

	if (request->expected - request->taken >= BY_HAND_MIN &&
	    !request_answered(request))
		return receive_by_hand(request);
	found = await_more(request);
	if (found && !(found & (POLLRDHUP | POLLHUP | POLLERR)))
		return MHD_YES;
	drain(request);
	return end_by_hand(request);
}
