#include "answer.h"

#include "tusfs/clock.h"
#include "tusfs/text.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* How long a client may take to read an answer and to stop sending. */
#define LINGER (2 * CLOCK_SECOND)

static enum MHD_Result print_field(void *out, enum MHD_ValueKind kind, const char *name,
				   const char *value)
{
	(void)kind;
	fprintf(out, "%s: %s\r\n", name, value);
	return MHD_YES;
}

/* The answer as it goes over the wire; the caller frees it. NULL without memory. */
static char *print_answer(const struct request *request, size_t *size)
{
	char *text = NULL, date[TEXT_DATE_SIZE];
	FILE *out = open_memstream(&text, size);

	if (!out)
		return NULL;
	text_to_http_date(clock_now(), date);
	fprintf(out, "HTTP/1.1 %u %s\r\nDate: %s\r\nConnection: close\r\n",
		request->status, MHD_get_reason_phrase_for(request->status), date);
	MHD_get_response_headers(request->response, print_field, out);
	if (request->status != 204)
		fprintf(out, "Content-Length: %zu\r\n", strlen(request->line));
	fprintf(out, "\r\n%s", request->wire_head ? "" : request->line);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

/* False at the deadline, or when the socket has failed. */
static bool wait_for(int fd, short events, int64_t deadline)
{
	struct pollfd wait = {.fd = fd, .events = events};
	int64_t left;
	int r;

	do {
		left = deadline - clock_monotonic();
		r = left > 0 ? poll(&wait, 1, (int)(left / 1000) + 1) : 0;
	} while (r < 0 && errno == EINTR);
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
	SCOPED(scoped_free) char *text = NULL;
	size_t size;

	if (request->failed)
		return;
	answer_log(request);
	text = print_answer(request, &size);
	if (!text || !send_all(fd, text, size, deadline))
		return;
	shutdown(fd, SHUT_WR);
	drop_input(fd, deadline);
}
