#include "connection.h"

#include "answer.h"
#include "head.h"

#include "tusfs/clock.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* How long the rest of a request may take: clients often send head and body one after
 * the other. */
#define PATIENCE (CLOCK_SECOND / 50)
/* As long is somebody listened to who was refused, and sends. */
#define LINGER (2 * CLOCK_SECOND)
/* A longer answer, which has much metadata, could fill a socket: a thread waits then.
 */
#define ANSWER_MAX 4096

/* The catalog is read from memory, mostly. A read that takes as long as this is a
 * disk's that is overloaded or dying: for some time, threads wait for it instead. */
#define SLOW	  (CLOCK_SECOND / 10)
#define SLOW_TIME CLOCK_SECOND
/* Each such request takes some 25 KiB. */
#define WITH_CLERK_MAX 1024
/* So many bytes of answered requests may stay in a socket. */
#define ANSWERED_MAX 2048

/* ---- what is in the socket ---- */

/* MSG_PEEK begins with the first byte in the socket, and from then on where the last
 * one ended (SO_PEEK_OFF, socket(7)): after `answered` + `looked` bytes. Older kernels
 * have this for Unix sockets only. */
static bool look_from_start(const struct connection *connection)
{
	static const int start = 0;

	return setsockopt(connection->fd, SOL_SOCKET, SO_PEEK_OFF, &start,
			  sizeof(start)) == 0;
}

static void note_answered(struct connection *connection, size_t size)
{
	connection->answered = size;
	peer_note_answered(connection->peer, size);
}

/* Takes all that was answered out of the socket, so that the next look begins with the
 * first byte that was not. False when the connection has failed, and only then: the
 * bytes were there. */
static bool take_out(struct connection *connection)
{
	char dropped[2 * ANSWERED_MAX];
	size_t left = connection->answered;

	if (left)
		note_answered(connection, 0);
	while (left) {
		size_t size = left < sizeof(dropped) ? left : sizeof(dropped);
		ssize_t n = recv(connection->fd, dropped, size, MSG_DONTWAIT);

		if (n <= 0)
			return false;
		left -= (size_t)n;
	}
	if (connection->looked && connection->peek_moves &&
	    !look_from_start(connection))
		return false;
	connection->looked = 0;
	return true;
}

/* The bytes of the first request that was not answered, and maybe of more; as recv().
 */
static ssize_t look(struct connection *connection, char bytes[JOB_BYTES])
{
	bool rewinds = connection->looked || !connection->peek_moves;
	ssize_t n;

	if ((rewinds || connection->answered > ANSWERED_MAX) && !take_out(connection))
		return 0;
	n = recv(connection->fd, bytes, JOB_BYTES, MSG_PEEK | MSG_DONTWAIT);
	connection->looked = n > 0 ? (size_t)n : 0;
	return n;
}

/* ---- begin and end ---- */

static void leave_list(struct connection *connection)
{
	if (connection->list)
		TAILQ_REMOVE(connection->list, connection, link);
	connection->list = NULL;
}

static void enter_list(struct connection *connection, struct connections *list)
{
	leave_list(connection);
	TAILQ_INSERT_TAIL(list, connection, link);
	connection->list = list;
}

/* The descriptor is the caller's then. Closing a descriptor does not take it out of
 * epoll while anybody else holds the socket (epoll(7), Q6), and whoever only asks
 * something about it does for a moment. So it is taken out first. */
static int release(struct front *front, struct connection *connection)
{
	int fd = connection->fd;

	epoll_ctl(front->epoll, EPOLL_CTL_DEL, fd, NULL);
	leave_list(connection);
	peer_close(connection->peer);
	free(connection);
	front->count--;
	return fd;
}

/* With bytes left in the socket, TCP would tell the client of an error (RFC
 * 2525, 2.17), and it might not see its last answer. */
static void finish(struct front *front, struct connection *connection)
{
	take_out(connection);
	close(release(front, connection));
}

void connection_pass(struct front *front, struct connection *connection)
{
	struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
	socklen_t size = sizeof(address);
	bool whole = take_out(connection);
	int fd = release(front, connection);

	getpeername(fd, (struct sockaddr *)&address, &size);
	if (!whole || atomic_load(&front->stopping))
		close(fd);
	else if (MHD_add_connection(front->config.daemon, fd,
				    (struct sockaddr *)&address, size) == MHD_YES)
		front->passed++; /* otherwise it was closed */
}

void connection_open(struct front *front, int fd)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET};
	struct connection *connection;
	int on = 1;

	connection = calloc(1, sizeof(*connection));
	if (!connection) {
		close(fd);
		return;
	}
	connection->fd = fd;
	connection->peek_moves = look_from_start(connection);
	connection->peer = peer_open(front->config.peers, fd, PEER_LIGHT);
	front->count++;
	event.data.ptr = connection;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* if it is TCP */
	/* one who comes after all sockets were shut down is not to stay */
	if (!connection->peer || atomic_load(&front->quiesced) ||
	    epoll_ctl(front->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		finish(front, connection);
}

/* ---- answers ---- */

/* Closing with unread bytes would send an RST that overtakes the answer. So the client
 * closes first; or it is done here when it goes on to send, and by the reaper when it
 * does nothing at all. */
static void drop_input(struct front *front, struct connection *connection)
{
	char dropped[4 * ANSWERED_MAX];
	ssize_t n = recv(connection->fd, dropped, sizeof(dropped), MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN) ||
	    clock_monotonic() > connection->deadline)
		finish(front, connection);
	else if (n > 0 || errno == EINTR)
		enter_list(connection, &front->ready);
}

static void refuse_rest(struct front *front, struct connection *connection)
{
	note_answered(connection, 0);
	connection->looked = 0;
	connection->refused = true;
	connection->deadline = clock_monotonic() + LINGER;
	shutdown(connection->fd, SHUT_WR);
	drop_input(front, connection);
}

/* An answer is smaller than what an empty socket takes: if this one does not take it,
 * the client has sent many requests and reads no answers. */
static bool send_text(const struct connection *connection, const struct buffer *text)
{
	return !text->failed &&
	       send(connection->fd, text->bytes, text->size,
		    MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)text->size;
}

/* What is to be looked at again comes after all others. */
static void answer_one(struct front *front, struct job *job)
{
	struct connection *connection = job->connection;

	connection->job = NULL;
	connection->looked -= job->size;
	/* in this order: it must not seem to have been idle for long */
	peer_enter(connection->peer, PEER_WAITING);
	note_answered(connection, connection->answered + job->size);
	if (!send_text(connection, &job->request.text))
		finish(front, connection);
	else if (job->request.must_close)
		refuse_rest(front, connection);
	else if (connection->more)
		enter_list(connection, &front->ready);
	job_free(&front->spare, job);
}

void connections_answer(struct front *front)
{
	struct job *job;

	while ((job = jobs_take(&front->answered)))
		answer_one(front, job);
}

/* Answers go out together at the end of a round: a client that is woken by the first
 * finds work until the last, and need not be woken by each. */
static void answer_later(struct front *front, struct job *job)
{
	answer_end_text(&job->request, strlen(job->request.line));
	jobs_add(&front->answered, job);
}

/* ---- one request ---- */

/* What the front has no opinion about is for libmicrohttpd. */
static bool is_plain(const struct request *request)
{
	const char *connection = request_field(request, FIELD_CONNECTION);

	return !request_field(request, FIELD_TRANSFER_ENCODING) &&
	       !request_field(request, FIELD_TRAILER) &&
	       !request_field(request, FIELD_EXPECT) &&
	       !request_field(request, FIELD_METHOD_OVERRIDE) &&
	       (!connection || strcasecmp(connection, "keep-alive") == 0);
}

/* What the rest of a connection cannot be believed after is refused here: libmicrohttpd
 * 0.9.75 would send some such answers with two heads. Any other refusal is left to it.
 */
static enum head_came refuse_head(struct job *job, const struct head *head)
{
	if (!job->request.must_close)
		return HEAD_STRANGE;
	answer_field(&job->request, "Connection", "close");
	job->size = head->size;
	return HEAD_WHOLE;
}

/* Reads the request at the start of job->bytes, of which `size` bytes are there. It may
 * be answered then. */
static enum head_came read_request(struct front *front, struct job *job, size_t size)
{
	struct request *request = &job->request;
	struct head head;
	enum head_came came = head_read(job->bytes, size, &head, &request->fields);

	if (came != HEAD_WHOLE)
		return came;
	request->site = front->config.site;
	request->peer = job->connection->peer;
	request->at_once = true;
	request_init(request, head.path, head.method);
	if (!framing_accept(request))
		return refuse_head(job, &head);
	if (!is_plain(request) || request->expected > UPLOADS_SMALL_MAX ||
	    !routes_at_once(request))
		return HEAD_STRANGE;
	request->body = job->bytes + head.size;
	job->size = head.size + request->expected;
	return job->size <= size ? HEAD_WHOLE : HEAD_PART;
}

static void pass_job(struct front *front, struct job *job)
{
	connection_pass(front, job->connection);
	job_free(&front->spare, job);
}

/* Whether a thread should wait for the disk, instead of the front and the clerk. */
static bool is_for_thread(const struct front *front, const struct request *request,
			  int64_t now)
{
	if (now < front->slow_until)
		return true;
	return routes_commits(request) &&
	       (front->with_clerk >= WITH_CLERK_MAX || clerk_is_held_up(front->clerk));
}

/* It is begun here, and not by the clerk, so that the upload is claimed from now on: a
 * HEAD that comes next waits for the bytes that this one brought. */
static void begin(struct front *front, struct request *request)
{
	int64_t began = clock_monotonic(), ended;

	if (request_answered(request))
		return;
	request->passed = is_for_thread(front, request, began);
	if (request->passed)
		return;
	routes_begin(request);
	ended = clock_monotonic();
	if (ended - began > SLOW)
		front->slow_until = ended + SLOW_TIME;
}

static void serve(struct front *front, struct job *job)
{
	struct request *request = &job->request;

	begin(front, request);
	if (request->passed || (!request->change && request->text.size > ANSWER_MAX)) {
		pass_job(front, job);
		return;
	}
	job->connection->job = job;
	if (!request->change) {
		answer_later(front, job);
		return;
	}
	peer_enter(request->peer, PEER_BUSY);
	clerk_give(front->clerk, job); /* which wakes up while others are read */
	front->with_clerk++;
}

void connection_take_back(struct front *front, struct job *job)
{
	front->with_clerk--;
	if (job->request.passed)
		pass_job(front, job);
	else
		answer_later(front, job);
}

static void wait_for_rest(struct front *front, struct connection *connection)
{
	if (connection->list == &front->partial)
		return; /* its time runs already */
	connection->deadline = clock_monotonic() + PATIENCE;
	enter_list(connection, &front->partial);
}

/* There are `size` bytes, which may be a request. */
static void take_request(struct front *front, struct connection *connection,
			 struct job *job, size_t size)
{
	enum head_came came;

	job->connection = connection;
	came = read_request(front, job, size);
	if (came == HEAD_WHOLE) {
		connection->more =
			connection->ended || size > job->size || size == JOB_BYTES;
		leave_list(connection);
		serve(front, job);
		return;
	}
	job_free(&front->spare, job);
	if (came == HEAD_PART && size < JOB_BYTES && !connection->ended)
		wait_for_rest(front, connection);
	else
		connection_pass(front, connection);
}

void connection_look(struct front *front, struct connection *connection)
{
	struct job *job;
	ssize_t n;

	if (connection->refused) {
		drop_input(front, connection);
		return;
	}
	job = job_new(&front->spare);
	if (!job) {
		connection_pass(front, connection);
		return;
	}
	n = look(connection, job->bytes);
	if (n > 0) {
		take_request(front, connection, job, (size_t)n);
		return;
	}
	job_free(&front->spare, job);
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		finish(front, connection);
	else if (errno == EINTR || connection->ended)
		enter_list(connection, &front->ready);
}
