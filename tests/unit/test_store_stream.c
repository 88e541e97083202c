/* Which bytes of a stream go past the page cache, and which stay: every page goes past
 * it once at most. What a kernel makes of it that cannot, and how a stream fails. */
#include "blobs.h"
#include "descriptors.h"
#include "fault.h"
#include "run.h"
#include "temp_dir.h"
#include "tusfs/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#define DONTCACHE 0x80 /* RWF_DONTCACHE of linux/fs.h */
#define PAGE	  4096
#define PAST	  ((size_t)3 * PAGE)
#define SIZE	  (PAST + 10) /* of a piece that has a tail */
#define MOST	  ((size_t)5000)

/* What the two calls move at most; a limit makes them come up short. */
static size_t most_bytes;
/* Their number, and the error of a kernel that cannot stream. */
static int streams, writes, no_streams;
/* Where the last call of each kind began and ended. */
static uint64_t past_from, past_to, kept_from, kept_to;
/* The page behind the last that went past the cache; asserts that none goes twice. */
static bool goes_up;
static uint64_t page_behind;

static char *bytes; /* a million */
#define BYTES ((size_t)1000003)

static size_t limit(size_t size)
{
	return size < most_bytes ? size : most_bytes;
}

typedef ssize_t write_bytes(int fd, const void *bytes, size_t size, off_t offset);
typedef ssize_t write_pieces(int fd, const struct iovec *pieces, int count,
			     off_t offset, int flags);

static ssize_t keep(write_bytes *real, int fd, const void *from, size_t size,
		    off_t offset)
{
	writes++;
	kept_from = (uint64_t)offset;
	kept_to = kept_from + size;
	return fault_now() ? -1 : real(fd, from, limit(size), offset);
}

static ssize_t stream(write_pieces *real, int fd, const struct iovec *pieces, int count,
		      off_t offset, int flags)
{
	struct iovec piece = pieces[0];
	ssize_t written;

	streams++;
	ck_assert_int_eq(count, 1);
	ck_assert_int_eq(flags, DONTCACHE);
	past_from = (uint64_t)offset;
	past_to = past_from + piece.iov_len;
	if (goes_up)
		ck_assert_uint_ge(past_from / PAGE, page_behind);
	page_behind = (past_to + PAGE - 1) / PAGE;
	if (no_streams) {
		errno = no_streams;
		return -1;
	}
	if (fault_now())
		return -1;
	piece.iov_len = limit(piece.iov_len);
	written = real(fd, &piece, 1, offset, flags);
	/* the kernel that runs the test need not have the flag */
	return written < 0 && errno == EOPNOTSUPP ? real(fd, &piece, 1, offset, 0)
						  : written;
}

/* Large file support renames some calls on some machines: either name is wrapped. */
#define WRAP_KEEP(name)                                                                \
	write_bytes __real_##name, __wrap_##name;                                      \
	ssize_t __wrap_##name(int fd, const void *from, size_t size, off_t offset)     \
	{                                                                              \
		return keep(__real_##name, fd, from, size, offset);                    \
	}

#define WRAP_STREAM(name)                                                              \
	write_pieces __real_##name, __wrap_##name;                                     \
	ssize_t __wrap_##name(int fd, const struct iovec *pieces, int count,           \
			      off_t offset, int flags)                                 \
	{                                                                              \
		return stream(__real_##name, fd, pieces, count, offset, flags);        \
	}

WRAP_KEEP(pwrite)
WRAP_KEEP(pwrite64)
WRAP_STREAM(pwritev2)
WRAP_STREAM(pwritev64v2)

static void forget_calls(void)
{
	streams = writes = 0;
	past_from = past_to = kept_from = kept_to = 0;
}

static void setup(void)
{
	most_bytes = SIZE_MAX;
	no_streams = 0;
	goes_up = false;
	forget_calls();
	temp_dir_setup();
	bytes = malloc(BYTES);
	ck_assert_ptr_nonnull(bytes);
	for (size_t i = 0; i < BYTES; i++)
		bytes[i] = (char)(i * 2654435761 >> 13);
}

static void teardown(void)
{
	free(bytes);
	temp_dir_teardown();
}

/* ---- what goes past the cache ---- */

START_TEST(all_up_to_the_last_page_boundary_goes_past_the_cache)
{
	static const struct {
		uint64_t offset;
		size_t size, past;
	} pieces[] = {
		{0, PAGE, PAGE},    {0, SIZE, PAST},
		{PAGE, PAST, PAST}, {100, 10000, 8092},
		{PAGE - 6, 10, 6},  {PAGE - 10, 10, 10},
		{PAGE - 1, 2, 1},   {(UINT64_C(1) << 33) + 5, 100000, 98299},
	};
	SCOPED(scoped_store_close) struct store *store = open_store();
	SCOPED(scoped_blob_unref) struct blob *blob = create_blob(store, 16);

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		uint64_t from = pieces[i].offset, middle = from + pieces[i].past;
		uint64_t end = from + pieces[i].size;

		forget_calls();
		ck_assert_int_eq(blob_cut(blob, 0), 0);
		ck_assert_int_eq(blob_stream(blob, bytes, pieces[i].size, from), 0);
		ck_assert_int_eq(streams, 1);
		ck_assert_uint_eq(past_from, from);
		ck_assert_uint_eq(past_to, middle);
		ck_assert_int_eq(writes, middle < end);
		ck_assert_uint_eq(kept_from, middle < end ? middle : 0);
		ck_assert_uint_eq(kept_to, middle < end ? end : 0);
		expect_bytes(blob, bytes, pieces[i].size, from);
	}
}
END_TEST

START_TEST(what_lies_within_one_page_stays)
{
	SCOPED(scoped_store_close) struct store *store = open_store();
	SCOPED(scoped_blob_unref) struct blob *blob = create_blob(store, 16);

	ck_assert_int_eq(blob_stream(blob, NULL, 0, 3), 0);
	ck_assert_int_eq(blob_stream(blob, NULL, 0, PAGE), 0);
	ck_assert_int_eq(blob_stream(blob, NULL, 0, INT64_MAX), 0);
	ck_assert_int_eq(writes, 0);
	ck_assert_int_eq(blob_stream(blob, "0123456789", 10, 0), 0);
	ck_assert_int_eq(blob_stream(blob, "abcdef", 6, 10), 0); /* behind */
	ck_assert_int_eq(blob_stream(blob, "XY", 2, 9), 0);	 /* across */
	ck_assert_int_eq(blob_stream(blob, "Z", 1, 0), 0);	 /* inside */
	expect_bytes(blob, "Z12345678XYbcdef", 16, 0);
	ck_assert_int_eq(blob_stream(blob, "end", 3, 20), 0); /* a hole in front */
	expect_bytes(blob, "Z12345678XYbcdef\0\0\0\0end", 23, 0);
	ck_assert_int_eq(blob_stream(blob, bytes, PAGE - 1, 2 * PAGE), 0);
	expect_bytes(blob, bytes, PAGE - 1, 2 * PAGE);
	ck_assert_int_eq(writes, 6);
	ck_assert_int_eq(streams, 0);
}
END_TEST

/* More than pages, blocks, and pieces of the page cache, at offsets that fit none. */
START_TEST(no_page_of_a_stream_of_odd_pieces_goes_past_the_cache_twice)
{
	static const size_t pieces[] = {100001, 10000, 4095, 70};
	SCOPED(scoped_store_close) struct store *store = open_store();
	uint64_t far = (UINT64_C(1) << 33) + 5;

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		SCOPED(scoped_blob_unref) struct blob *blob = create_blob(store, 16);

		goes_up = true;
		page_behind = 0;
		for (size_t at = 0, size; at < BYTES; at += size) {
			size = BYTES - at < pieces[i] ? BYTES - at : pieces[i];
			ck_assert_int_eq(blob_stream(blob, bytes + at, size, far + at),
					 0);
		}
		ck_assert_uint_eq(past_to % PAGE, 0);
		ck_assert_uint_gt(past_to, far + BYTES - PAGE);
		expect_bytes(blob, bytes, BYTES, far);
		ck_assert_int_eq(blob_sync(blob), 0);
		/* what has left memory by then */
		expect_bytes(blob, bytes, BYTES, far);
	}
}
END_TEST

START_TEST(an_end_that_no_file_has_is_refused_and_leaves_all_as_it_was)
{
	SCOPED(scoped_store_close) struct store *store = open_store();
	SCOPED(scoped_blob_unref) struct blob *blob = create_blob(store, 16);

	ck_assert_int_eq(blob_write(blob, "0123456789", 10, 0), 0);
	ck_assert_int_eq(blob_stream(blob, "x", 1, UINT64_MAX), -EINVAL);
	ck_assert_int_eq(blob_stream(blob, bytes, SIZE, UINT64_MAX - PAGE), -EINVAL);
	ck_assert_int_eq(blob_stream(blob, bytes, SIZE, UINT64_MAX - 2 * SIZE),
			 -EINVAL);
	ck_assert_int_lt(blob_stream(blob, bytes, SIZE, INT64_MAX - PAGE), 0);
	ck_assert_int_eq(streams, 0);
	expect_bytes(blob, "0123456789", 10, 0);
	/* nor does it tell anything about the kernel */
	ck_assert_int_eq(blob_stream(blob, bytes, PAST, 0), 0);
	ck_assert_int_eq(streams, 1);
	expect_bytes(blob, bytes, PAST, 0);
}
END_TEST

/* ---- short, interrupted, failing ---- */

/* Three go past the cache, the fourth keeps the tail. */
START_TEST(short_and_interrupted_streams_go_on_where_they_were)
{
	SCOPED(scoped_store_close) struct store *store = open_store();
	SCOPED(scoped_blob_unref) struct blob *blob = create_blob(store, 16);

	most_bytes = MOST;
	for (int nth = 0; nth < 4; nth++) {
		ck_assert_int_eq(blob_cut(blob, 0), 0);
		forget_calls();
		fault_arm(nth, EINTR);
		ck_assert_int_eq(blob_stream(blob, bytes, SIZE, 0), 0);
		ck_assert(fault_fired());
		ck_assert_int_eq(streams, nth < 3 ? 4 : 3);
		ck_assert_int_eq(writes, nth < 3 ? 1 : 2);
		expect_bytes(blob, bytes, SIZE, 0);
	}
}
END_TEST

START_TEST(a_stream_that_fails_has_written_what_came_before)
{
	static const size_t sizes[] = {0, MOST, 2 * MOST, PAST};
	static const int reasons[] = {EIO, ENOSPC, EDQUOT};
	SCOPED(scoped_store_close) struct store *store = open_store();
	SCOPED(scoped_blob_unref) struct blob *blob = create_blob(store, 16);
	int open_before = descriptors_open();

	most_bytes = MOST;
	for (int nth = 0; nth < 4; nth++)
		for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
			ck_assert_int_eq(blob_cut(blob, 0), 0);
			fault_arm(nth, reasons[i]);
			ck_assert_int_eq(blob_stream(blob, bytes, SIZE, 0),
					 -reasons[i]);
			ck_assert(fault_fired());
			expect_bytes(blob, bytes, sizes[nth], 0);
		}
	ck_assert_int_eq(descriptors_open(), open_before);
}
END_TEST

START_TEST(a_stream_that_failed_for_another_reason_is_tried_again)
{
	static const int reasons[] = {EIO, ENOSPC, EDQUOT, ENOMEM, EFBIG};
	SCOPED(scoped_store_close) struct store *store = open_store();
	SCOPED(scoped_blob_unref) struct blob *blob = create_blob(store, 16);

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		forget_calls();
		fault_arm(0, reasons[i]);
		ck_assert_int_eq(blob_stream(blob, bytes, PAST, 0), -reasons[i]);
		ck_assert(fault_fired());
		ck_assert_int_eq(blob_stream(blob, bytes, PAST, 0), 0);
		ck_assert_int_eq(streams, 2);
		ck_assert_int_eq(writes, 0);
		expect_bytes(blob, bytes, PAST, 0);
	}
}
END_TEST

START_TEST(a_stream_that_moves_nothing_fails_and_does_not_spin)
{
	SCOPED(scoped_store_close) struct store *store = open_store();
	SCOPED(scoped_blob_unref) struct blob *blob = create_blob(store, 16);

	most_bytes = 0;
	ck_assert_int_eq(blob_stream(blob, bytes, PAST, 0), -EIO);
	ck_assert_int_eq(blob_stream(blob, "a", 1, 0), -EIO);
	ck_assert_int_eq(streams, 1);
	ck_assert_int_eq(writes, 1);
}
END_TEST

/* ---- a kernel that cannot ---- */

static void expect_fallback(int error)
{
	SCOPED(scoped_store_close) struct store *store = open_store();
	SCOPED(scoped_blob_unref) struct blob *blob = create_blob(store, 16);
	SCOPED(scoped_blob_unref) struct blob *other = create_blob(store, 17);

	forget_calls();
	no_streams = error;
	ck_assert_int_eq(blob_stream(blob, bytes, PAST, 0), 0);
	ck_assert_int_eq(streams, 1);
	ck_assert_int_eq(writes, 1);
	ck_assert_int_eq(blob_stream(blob, bytes + PAST, PAST, PAST), 0);
	ck_assert_int_eq(blob_stream(other, bytes, SIZE, 0), 0);
	no_streams = 0; /* too late: once and for all */
	ck_assert_int_eq(blob_stream(blob, bytes + 2 * PAST, PAST, 2 * PAST), 0);
	ck_assert_int_eq(streams, 1);
	ck_assert_int_eq(writes, 5);
	expect_bytes(blob, bytes, 3 * PAST, 0);
	expect_bytes(other, bytes, SIZE, 0);
}

START_TEST(where_the_kernel_cannot_stream_it_is_asked_once_and_bytes_are_written)
{
	expect_fallback(EOPNOTSUPP);
	expect_fallback(ENOSYS);
	expect_fallback(EINVAL);
	expect_fallback(EPERM);
}
END_TEST

START_TEST(a_stream_that_turns_into_writes_goes_on_where_it_was)
{
	SCOPED(scoped_store_close) struct store *store = open_store();
	SCOPED(scoped_blob_unref) struct blob *blob = create_blob(store, 16);

	most_bytes = MOST;
	fault_arm(1, EOPNOTSUPP);
	ck_assert_int_eq(blob_stream(blob, bytes, SIZE, 0), 0);
	ck_assert(fault_fired());
	ck_assert_int_eq(streams, 2);
	ck_assert_int_eq(writes, 3);
	expect_bytes(blob, bytes, SIZE, 0);
}
END_TEST

START_TEST(a_write_in_the_stead_of_a_stream_fails_as_any_other)
{
	static const size_t sizes[] = {0, MOST, 2 * MOST, PAST};
	SCOPED(scoped_store_close) struct store *store = open_store();
	SCOPED(scoped_blob_unref) struct blob *blob = create_blob(store, 16);

	no_streams = EOPNOTSUPP;
	most_bytes = MOST;
	for (int nth = 0; nth < 4; nth++) {
		ck_assert_int_eq(blob_cut(blob, 0), 0);
		fault_arm(nth, ENOSPC);
		ck_assert_int_eq(blob_stream(blob, bytes, SIZE, 0), -ENOSPC);
		ck_assert(fault_fired());
		expect_bytes(blob, bytes, sizes[nth], 0);
	}
	ck_assert_int_eq(streams, 1);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		all_up_to_the_last_page_boundary_goes_past_the_cache,
		what_lies_within_one_page_stays,
		no_page_of_a_stream_of_odd_pieces_goes_past_the_cache_twice,
		an_end_that_no_file_has_is_refused_and_leaves_all_as_it_was,
		short_and_interrupted_streams_go_on_where_they_were,
		a_stream_that_fails_has_written_what_came_before,
		a_stream_that_failed_for_another_reason_is_tried_again,
		a_stream_that_moves_nothing_fails_and_does_not_spin,
		where_the_kernel_cannot_stream_it_is_asked_once_and_bytes_are_written,
		a_stream_that_turns_into_writes_goes_on_where_it_was,
		a_write_in_the_stead_of_a_stream_fails_as_any_other,
	};

	return RUN_TESTS(tests, setup, teardown);
}
