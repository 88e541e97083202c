/* A disk that is full at the end of a long PATCH: the answer is 507, and tells what is
 * kept. Which call the disk fails is chosen here. */
#include "run.h"
#include "server.h"

#include "tusfs/clock.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE  3000000
#define FIRST 1500000
#define LAST  1000 /* so few are gathered, and written at the end */

static atomic_bool written, last_write_fails, sync_fails;
static _Atomic int64_t now; /* so that an append is checkpointed when the test says */

ssize_t __real_pwrite64(int fd, const void *bytes, size_t size, off_t offset);
ssize_t __wrap_pwrite64(int fd, const void *bytes, size_t size, off_t offset);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int64_t __wrap_clock_monotonic(void);

ssize_t __wrap_pwrite64(int fd, const void *bytes, size_t size, off_t offset)
{
	atomic_store(&written, true);
	if (offset + (off_t)size != SIZE || !atomic_exchange(&last_write_fails, false))
		return __real_pwrite64(fd, bytes, size, offset);
	errno = ENOSPC;
	return -1;
}

int __wrap_fdatasync(int fd)
{
	if (!atomic_exchange(&sync_fails, false))
		return __real_fdatasync(fd);
	errno = ENOSPC;
	return -1;
}

int64_t __wrap_clock_monotonic(void)
{
	return atomic_load(&now);
}

static char *body;

static void setup(void)
{
	atomic_store(&now, CLOCK_SECOND);
	atomic_store(&written, false);
	server_setup();
	server.engine.sync = SYNC_ALWAYS;
	server_restart();
	body = malloc(SIZE + 1);
	for (size_t i = 0; i < SIZE; i++)
		body[i] = (char)('a' + (i * 2654435761 >> 13) % 26);
	body[SIZE] = '\0';
}

static void teardown(void)
{
	free(body);
	server_teardown();
}

/* Begins a PATCH of the whole, and sends all but the last bytes; a second passes in
 * between. Returns the connection. */
static int send_most(const char *path)
{
	int fd = client_connect(server.port);

	ck_assert(client_print(
		fd, PATCH_HEAD "Upload-Offset: 0\r\nContent-Length: %d\r\n\r\n", path,
		SIZE));
	ck_assert(client_send(fd, body, FIRST));
	while (!atomic_load(&written))
		;
	atomic_fetch_add(&now, 2 * CLOCK_SECOND);
	ck_assert(client_send(fd, body + FIRST, SIZE - LAST - FIRST));
	return fd;
}

/* What readers see, once the append was checkpointed. */
static uint64_t await_checkpoint(const char *path)
{
	uint64_t offset = 0;

	while (!offset) {
		struct upload_id id;
		SCOPED(file_release) struct file file = {0};

		ck_assert(
			upload_id_parse(strrchr(path, '/') + 1, UPLOAD_ID_DIGITS, &id));
		ck_assert_int_eq(uploads_find(server.uploads, id, &file), 0);
		offset = file.offset;
	}
	return offset;
}

/* Sends the last bytes, and expects 507 with the offset that HEAD tells. */
static uint64_t end_on_a_full_disk(int fd, const char *path)
{
	SCOPED(reply_release) struct reply reply = {0};
	uint64_t offset;

	ck_assert(client_send(fd, body + SIZE - LAST, LAST));
	reply = client_receive(fd, "PATCH");
	ck_assert_int_eq(reply.status, 507);
	offset = strtoull(reply_field(&reply, "Upload-Offset"), NULL, 10);
	ck_assert_uint_eq(head_offset(path), offset);
	return offset;
}

static void send_rest(const char *path, uint64_t offset)
{
	ck_assert_int_eq(patch(path, offset, "", body + offset), 204);
	assert_content(path, body);
}

START_TEST(a_last_write_that_finds_the_disk_full_keeps_all_that_was_written)
{
	SCOPED(scoped_free) char *path = create_upload("Upload-Length: 3000000\r\n");
	SCOPED(scoped_close) int fd = send_most(path);
	uint64_t durable = await_checkpoint(path), offset;

	atomic_store(&last_write_fails, true);
	offset = end_on_a_full_disk(fd, path);
	ck_assert_uint_ge(offset, durable);
	ck_assert_uint_lt(offset, SIZE);
	send_rest(path, offset);
}
END_TEST

START_TEST(a_last_sync_that_finds_the_disk_full_keeps_what_was_durable)
{
	SCOPED(scoped_free) char *path = create_upload("Upload-Length: 3000000\r\n");
	SCOPED(scoped_close) int fd = send_most(path);
	uint64_t durable = await_checkpoint(path);

	atomic_store(&sync_fails, true);
	ck_assert_uint_eq(end_on_a_full_disk(fd, path), durable);
	send_rest(path, durable);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		a_last_write_that_finds_the_disk_full_keeps_all_that_was_written,
		a_last_sync_that_finds_the_disk_full_keeps_what_was_durable,
	};

	return RUN_TESTS(tests, setup, teardown);
}
