/* Clients that die, hang, come back, or come twice. */
#include "run.h"
#include "server.h"

#include "tusfs/clock.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Well below the 5 s after which a writer that does not stop is reported. */
#define SOON (4 * CLOCK_SECOND)

static _Atomic useconds_t write_time;
static atomic_int writes;

ssize_t __real_pwrite64(int fd, const void *bytes, size_t size, off_t offset);
ssize_t __wrap_pwrite64(int fd, const void *bytes, size_t size, off_t offset);

ssize_t __wrap_pwrite64(int fd, const void *bytes, size_t size, off_t offset)
{
	atomic_fetch_add(&writes, 1);
	usleep(atomic_load(&write_time));
	return __real_pwrite64(fd, bytes, size, offset);
}

/* A PATCH of `size` bytes that sends `body` and then hangs; its connection. */
static int hang(const char *path, uint64_t offset, size_t size, const char *body)
{
	int fd = client_connect(server.port);

	client_print(fd,
		     PATCH_HEAD "Upload-Offset: %ju\r\nContent-Length: %zu\r\n\r\n%s",
		     path, (uintmax_t)offset, size, body);
	return fd;
}

static char *long_text(size_t size)
{
	char *text = malloc(size + 1);

	for (size_t i = 0; i < size; i++)
		text[i] = (char)('a' + i % 26);
	text[size] = '\0';
	return text;
}

/* Waits until the server has read what was sent. What it does with that may still take
 * a moment. */
static void await_read(int fd)
{
	int other, unread;

	do
		other = server_end(fd);
	while (other < 0); /* until it is accepted */
	do
		ck_assert_int_eq(ioctl(other, FIONREAD, &unread), 0);
	while (unread);
	for (int i = 0; i < 20; i++)
		assert_alive();
}

/* Sends a part and hangs, again and again; each time `interrupt` comes in between. How
 * often all of the part was kept; an interruption may come before the engine has seen
 * it. */
static int interrupt_often(void (*interrupt)(const char *path))
{
	SCOPED(scoped_free) char *path = create_upload("Upload-Length: 1000000\r\n");
	SCOPED(scoped_free) char *text = long_text(1000000);
	uint64_t offset = 0;
	int kept = 0;

	for (int i = 0; i < 10; i++) {
		SCOPED(scoped_free) char *piece = strndup(text + offset, 50000);
		SCOPED(scoped_close)
		int fd = hang(path, offset, 1000000 - offset, piece);
		int64_t before;
		uint64_t now;

		await_read(fd);
		before = clock_monotonic();
		interrupt(path);
		ck_assert_int_lt(clock_monotonic() - before, SOON);
		now = head_offset(path);
		ck_assert(now >= offset && now <= offset + 50000);
		kept += now == offset + 50000;
		offset = now;
	}
	while (offset < 1000000) {
		patch(path, offset, "", text + offset);
		offset = head_offset(path);
	}
	assert_content(path, text);
	return kept;
}

static void interrupt_by_head(const char *path)
{
	head_offset(path);
}

/* It begins at 0, and is told the right offset. */
static void interrupt_by_patch(const char *path)
{
	SCOPED(reply_release)
	struct reply reply = ask("PATCH", path, PATCH_TYPE "Upload-Offset: 0\r\n", "a");

	ck_assert(reply.status == 409 || reply.status == 204 || reply.status == 0);
}

static void interrupt_by_stop(const char *path)
{
	server_restart();
}

START_TEST(head_takes_over_from_a_hanging_patch_and_loses_nothing)
{
	ck_assert_int_ge(interrupt_often(interrupt_by_head), 5);
}
END_TEST

START_TEST(patch_takes_over_from_a_hanging_patch_and_loses_nothing)
{
	ck_assert_int_ge(interrupt_often(interrupt_by_patch), 5);
}
END_TEST

START_TEST(an_orderly_stop_keeps_what_had_come)
{
	ck_assert_int_ge(interrupt_often(interrupt_by_stop), 5);
}
END_TEST

/* What the client has sent is in the kernel still when it is interrupted. */
static void hang_up_and_interrupt(void (*interrupt)(const char *path))
{
	SCOPED(scoped_free) char *path = create_upload("Upload-Length: 3000000\r\n");
	SCOPED(scoped_free) char *text = long_text(1000000);

	atomic_store(&write_time, 10000);
	close(hang(path, 0, 3000000, text));
	while (!atomic_load(&writes))
		usleep(1000);
	interrupt(path);
	ck_assert_uint_eq(head_offset(path), 1000000);
	atomic_store(&write_time, 0);
}

START_TEST(head_waits_for_what_a_client_sent_before_it_hung_up)
{
	hang_up_and_interrupt(interrupt_by_head);
}
END_TEST

START_TEST(an_orderly_stop_waits_for_it_too)
{
	hang_up_and_interrupt(interrupt_by_stop);
}
END_TEST

START_TEST(a_client_whose_body_has_come_keeps_its_connection)
{
	enum { SIZE = 256 * 1024 }; /* written before the body has ended */
	SCOPED(scoped_free) char *path = create_upload("Upload-Length: 262144\r\n");
	SCOPED(scoped_free) char *text = long_text(SIZE);
	SCOPED(scoped_close) int fd = -1;
	SCOPED(reply_release) struct reply reply = {0}, next = {0};

	atomic_store(&write_time, 300000);
	fd = hang(path, 0, SIZE, text);
	while (!atomic_load(&writes))
		usleep(1000);
	ck_assert_uint_eq(head_offset(path), SIZE);
	reply = client_receive(fd, "PATCH");
	ck_assert_int_eq(reply.status, 204);
	next = client_ask_on(fd, "HEAD", path, "", NULL);
	ck_assert_int_eq(next.status, 200);
	atomic_store(&write_time, 0);
}
END_TEST

START_TEST(delete_stops_a_hanging_patch)
{
	SCOPED(scoped_free) char *path = create_upload("Upload-Length: 200000\r\n");
	SCOPED(scoped_close) int fd = hang(path, 0, 200000, "hello");
	SCOPED(reply_release) struct reply reply = {0};
	int64_t before;

	await_read(fd);
	before = clock_monotonic();
	ck_assert_int_eq(ask_status("DELETE", path, "", NULL), 204);
	ck_assert_int_lt(clock_monotonic() - before, SOON);
	reply = client_receive(fd, "PATCH");
	ck_assert(reply.status == 0 || reply.status == 410);
	ck_assert_int_eq(ask_status("HEAD", path, "", NULL), 410);
}
END_TEST

START_TEST(a_get_disturbs_no_patch)
{
	SCOPED(scoped_free) char *path = create_upload("Upload-Length: 10\r\n");
	SCOPED(reply_release) struct reply reply = {0};
	SCOPED(scoped_close) int fd = hang(path, 0, 10, "hello");

	ck_assert_int_eq(ask_status("GET", path, "", NULL), 404);
	client_print(fd, "world");
	reply = client_receive(fd, "PATCH");
	ck_assert_int_eq(reply.status, 204);
	assert_content(path, "helloworld");
}
END_TEST

START_TEST(a_hanging_creation_is_taken_over_too)
{
	SCOPED(scoped_close) int fd = client_connect(server.port);

	/* its client never learned the URL: it harms nobody, and the stop ends it */
	client_print(fd, POST_HEAD
		     "Upload-Length: 100000\r\nContent-Length: 100000\r\n" PATCH_TYPE
		     "\r\nhello");
	assert_alive();
}
END_TEST

struct contender {
	const char *path;
	char letter;
	int won;
};

/* Sends its letter in small pieces, from wherever the upload is. */
static void *contend(void *arg)
{
	struct contender *contender = arg;
	char body[1001];

	memset(body, contender->letter, 1000);
	body[1000] = '\0';
	for (int i = 0; i < 50; i++) {
		uint64_t offset = head_offset(contender->path);
		int status = patch(contender->path, offset, "", body);

		ck_assert(status == 204 || status == 409 || status == 423 ||
			  status == 0 || status == 413);
		contender->won += status == 204;
	}
	return NULL;
}

/* Each body of one letter has to come out as one run of at most its size, and what was
 * acknowledged has to be there whole. */
START_TEST(two_clients_never_mix_their_bytes)
{
	SCOPED(scoped_free) char *path = create_upload("Upload-Defer-Length: 1\r\n");
	struct contender a = {path, 'a', 0}, b = {path, 'b', 0};
	SCOPED(reply_release) struct reply reply = {0};
	pthread_t thread;
	uint64_t offset;

	ck_assert_int_eq(pthread_create(&thread, NULL, contend, &a), 0);
	contend(&b);
	pthread_join(thread, NULL);
	offset = head_offset(path);
	ck_assert_uint_ge(offset, 1000 * (a.won + b.won));
	{
		SCOPED(scoped_free) char *length = NULL;

		ck_assert_int_ge(
			asprintf(&length, "Upload-Length: %ju\r\n", (uintmax_t)offset),
			0);
		ck_assert_int_eq(patch(path, offset, length, ""), 204);
	}
	reply = ask("GET", path, "", NULL);
	ck_assert_uint_eq(reply.size, offset);
	ck_assert_uint_eq(strspn(reply.body, "ab"), offset);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		head_takes_over_from_a_hanging_patch_and_loses_nothing,
		patch_takes_over_from_a_hanging_patch_and_loses_nothing,
		an_orderly_stop_keeps_what_had_come,
		head_waits_for_what_a_client_sent_before_it_hung_up,
		an_orderly_stop_waits_for_it_too,
		a_client_whose_body_has_come_keeps_its_connection,
		delete_stops_a_hanging_patch,
		a_get_disturbs_no_patch,
		a_hanging_creation_is_taken_over_too,
		two_clients_never_mix_their_bytes,
	};

	return RUN_TESTS_FOR(tests, server_setup, server_teardown, 150);
}
