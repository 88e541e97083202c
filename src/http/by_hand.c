/* Answers that are written to the socket past libmicrohttpd, which then only closes it:
 * before the end of a body, with a head that is too large for it, or out of several
 * blobs. Entered in the connection's thread, when answer.c has begun the answer; that
 * it is one for here is decided by request.c, body.c, answer.c and download.c. */
#include "answer.h"

#include "tusfs/clock.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

/* How long a client may take to read an answer and to stop sending. */
#define LINGER (2 * CLOCK_SECOND)
/* A client that reads a file slowly holds nothing but its connection; the reaper ends
 * one that is too slow. */
#define NO_DEADLINE INT64_MAX

static enum MHD_Result add_field(void *text, enum MHD_ValueKind kind, const char *name,
				 const char *value)
{
	(void)kind;
	buffer_add_field(text, name, value);
	return MHD_YES;
}

/* All of the answer but a body that is not its line: that has `length` bytes, and is
 * sent behind it. False without memory. */
static bool write_down(struct request *request, uint64_t length)
{
	struct buffer *text = &request->text;

	answer_begin_text(request);
	buffer_add_field(text, "Connection", "close");
	MHD_get_response_headers(request->response, add_field, text);
	answer_end_text(request, length);
	return !text->failed;
}

/* False at the deadline, or when the socket has failed. */
static bool wait_for(int fd, short events, int64_t deadline)
{
	struct pollfd wait = {.fd = fd, .events = events};
	int64_t left;
	bool again;
	int r;

	do {
		left = deadline == NO_DEADLINE ? CLOCK_SECOND
					       : deadline - clock_monotonic();
		r = left > 0 ? poll(&wait, 1, (int)(left / 1000) + 1) : 0;
		again = r == 0 && deadline == NO_DEADLINE;
	} while (again || (r < 0 && errno == EINTR));
	return r > 0;
}

static bool send_all(int fd, const char *bytes, size_t size, int64_t deadline)
{
	while (size) {
		ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0) {
			bytes += n;
			size -= n;
		} else if (errno != EAGAIN && errno != EINTR) {
			return false;
		} else if (!wait_for(fd, POLLOUT, deadline)) {
			return false;
		}
	}
	return true;
}

/* Reads and drops until the client closes, or its time is over. */
static void drop_input(int fd, int64_t deadline)
{
	char dropped[16 * 1024];
	ssize_t n;

	while (wait_for(fd, POLLIN, deadline)) {
		n = recv(fd, dropped, sizeof(dropped), MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return;
	}
}

void answer_by_hand(struct request *request)
{
	int fd = peer_fd(request->peer);
	int64_t deadline = clock_monotonic() + LINGER;
	const struct buffer *text = &request->text;

	if (request->over || !write_down(request, strlen(request->line)) ||
	    !send_all(fd, text->bytes, text->size, deadline))
		return;
	shutdown(fd, SHUT_WR);
	drop_input(fd, deadline);
}

/* At most so much at a time, so that the end of the connection is noticed. */
#define SEND_BYTES (1024 * 1024)

static bool send_file(int fd, int from, uint64_t offset, uint64_t length)
{
	off_t at = (off_t)offset;

	while (length) {
		ssize_t n = sendfile(fd, from, &at,
				     length < SEND_BYTES ? length : SEND_BYTES);

		if (n > 0) {
			length -= (uint64_t)n;
		} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
			return false;
		} else if (!wait_for(fd, POLLOUT, NO_DEADLINE)) {
			return false;
		}
	}
	return true;
}

static bool send_upload(int fd, struct upload_reader *reader, uint64_t first,
			uint64_t length)
{
	while (length) {
		struct upload_extent extent;
		uint64_t size;
		bool sent;

		if (upload_reader_extent(reader, first, &extent))
			return false;
		size = extent.length < length ? extent.length : length;
		sent = extent.fd >= 0 ? send_file(fd, extent.fd, extent.fd_offset, size)
				      : send_all(fd, extent.memory, size, NO_DEADLINE);
		if (!sent)
			return false;
		first += size;
		length -= size;
	}
	return true;
}

/* sendfile(2) has no MSG_NOSIGNAL. The thread is the connection's, and ends with it. */
static void block_sigpipe(void)
{
	sigset_t pipe;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, NULL);
}

void answer_upload_by_hand(struct request *request, struct upload_reader *reader,
			   uint64_t first, uint64_t length)
{
	int fd = peer_fd(request->peer);
	const struct buffer *text = &request->text;

	if (request->over)
		return;
	request->over = true; /* nothing is left to answer */
	if (!write_down(request, length))
		return;
	block_sigpipe();
	peer_enter(request->peer, PEER_SENDING);
	if (!send_all(fd, text->bytes, text->size, NO_DEADLINE) ||
	    (!request->wire_head && !send_upload(fd, reader, first, length)))
		return;
	shutdown(fd, SHUT_WR);
	drop_input(fd, clock_monotonic() + LINGER);
}
