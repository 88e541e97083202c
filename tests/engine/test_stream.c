/* Bytes of long uploads that come fast leave the page cache. The machine has little
 * memory here, and time stands still unless a test says how long the disk takes, so
 * that every append is fast once it has brought FAST bytes. */
#include "engine.h"
#include "run.h"

#include "tusfs/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define DONTCACHE 0x80 /* RWF_DONTCACHE of linux/fs.h */
#define MEBIBYTE  (UINT64_C(1) << 20)
#define PIECE	  (MEBIBYTE / 4)
#define FAST	  (4 * MEBIBYTE) /* FAST_BYTES of stream.c */
#define KEEP	  (6 * MEBIBYTE) /* what may stay in the page cache */
#define LONG	  (8 * MEBIBYTE)

static long memory; /* of the machine, in bytes; -1: it does not tell */
static _Atomic int64_t now;

/* What was streamed: calls, and bytes. */
static atomic_int streams;
static _Atomic uint64_t streamed;
static atomic_int no_streams;	  /* the error of a kernel that cannot */
static _Atomic uint64_t disk_end; /* streams fail there; 0: nowhere */
static int disk_error;		  /* and how */
static int64_t stream_time;	  /* how long one takes */

long __real_sysconf(int name);
long __wrap_sysconf(int name);
int64_t __wrap_clock_monotonic(void);

long __wrap_sysconf(int name)
{
	if (name != _SC_PHYS_PAGES || memory < 0)
		return name == _SC_PHYS_PAGES ? -1 : __real_sysconf(name);
	return memory / __real_sysconf(_SC_PAGESIZE);
}

int64_t __wrap_clock_monotonic(void)
{
	return atomic_load(&now);
}

typedef ssize_t write_pieces(int fd, const struct iovec *pieces, int count,
			     off_t offset, int flags);

/* The kernel that runs the test need not have the flag. */
static ssize_t write_through(write_pieces *real, int fd, const struct iovec *piece,
			     off_t offset)
{
	ssize_t written = real(fd, piece, 1, offset, DONTCACHE);

	return written < 0 && errno == EOPNOTSUPP ? real(fd, piece, 1, offset, 0)
						  : written;
}

static ssize_t stream(write_pieces *real, int fd, const struct iovec *pieces, int count,
		      off_t offset, int flags)
{
	struct iovec piece = pieces[0];
	uint64_t end = atomic_load(&disk_end), from = (uint64_t)offset;
	ssize_t written;

	ck_assert_int_eq(count, 1);
	ck_assert_int_eq(flags, DONTCACHE);
	atomic_fetch_add(&streams, 1);
	if (atomic_load(&no_streams) || (end && from >= end)) {
		errno = atomic_load(&no_streams) ? atomic_load(&no_streams)
						 : disk_error;
		return -1;
	}
	if (end && from + piece.iov_len > end)
		piece.iov_len = end - from;
	written = write_through(real, fd, &piece, offset);
	atomic_fetch_add(&now, stream_time);
	if (written > 0)
		atomic_fetch_add(&streamed, (uint64_t)written);
	return written;
}

/* Large file support renames some calls on some machines: either name is wrapped. */
#define WRAP_STREAM(name)                                                              \
	write_pieces __real_##name, __wrap_##name;                                     \
	ssize_t __wrap_##name(int fd, const struct iovec *pieces, int count,           \
			      off_t offset, int flags)                                 \
	{                                                                              \
		return stream(__real_##name, fd, pieces, count, offset, flags);        \
	}

WRAP_STREAM(pwritev2)
WRAP_STREAM(pwritev64v2)

static uint8_t *bytes; /* LONG of them, which repeat */

static void forget_calls(void)
{
	atomic_store(&streams, 0);
	atomic_store(&streamed, 0);
}

static void setup(void)
{
	memory = 16 * KEEP; /* a sixteenth may stay */
	atomic_store(&now, CLOCK_SECOND);
	atomic_store(&no_streams, 0);
	atomic_store(&disk_end, 0);
	stream_time = 0;
	forget_calls();
	engine_setup();
	bytes = engine_noise(LONG, 1);
}

static void teardown(void)
{
	free(bytes);
	engine_teardown();
}

static void reopen(void)
{
	engine_close();
	engine_open();
}

/* Puts the bytes from `from` up to `to`, in pieces. */
static int put(struct upload_writer *writer, uint64_t from, uint64_t to, size_t piece)
{
	int r = 0;

	for (size_t size; from < to && !r; from += size) {
		size = to - from < piece ? to - from : piece;
		r = upload_writer_put(writer, bytes + from % LONG, size);
	}
	return r;
}

/* One append of the whole, at most LONG; returns the upload. */
static struct file upload(uint64_t length, size_t piece)
{
	struct file file = engine_create(FILE_PLAIN, "x", length);
	struct upload_writer *writer = engine_begin(&file, 0);

	ck_assert_int_eq(put(writer, 0, length, piece), 0);
	engine_commit(writer, length);
	return file;
}

static void expect_upload(uint64_t length)
{
	struct file file = upload(length, PIECE);

	engine_expect(file.num, bytes, length);
	file_release(&file);
}

/* An upload of unknown length, with an append to it. */
static struct upload_writer *begin_endless(struct file *file)
{
	struct upload_request request = {.kind = FILE_PLAIN};

	ck_assert_int_eq(uploads_create(engine, &request, file), 0);
	return engine_begin(file, 0);
}

/* ---- past the page cache ---- */

START_TEST(a_long_fast_upload_leaves_the_page_cache)
{
	struct file file = upload(LONG, PIECE);

	/* but for what came before anybody could tell that it is fast */
	ck_assert_int_eq(streams, (LONG - FAST) / PIECE);
	ck_assert_uint_eq(streamed, LONG - FAST);
	engine_expect(file.num, bytes, LONG);
	file_release(&file);
}
END_TEST

START_TEST(a_long_upload_leaves_the_page_cache_in_pieces_of_any_size)
{
	static const size_t pieces[] = {10000, 70001, 300001};

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct file file = upload(LONG, pieces[i]);

		ck_assert_uint_le(streamed, LONG - FAST);
		ck_assert_uint_gt(streamed, LONG - FAST - PIECE);
		engine_expect(file.num, bytes, LONG);
		file_release(&file);
		forget_calls();
	}
}
END_TEST

START_TEST(a_streamed_upload_has_the_right_sha256)
{
	struct file file = upload(LONG, PIECE), found = {0};
	uint8_t sha256[DIGEST_MAX_BYTES];
	struct digest *digest;

	ck_assert_uint_gt(streamed, 0);
	ck_assert_int_eq(digest_new(DIGEST_SHA256, &digest), 0);
	digest_update(digest, bytes, LONG);
	digest_final(digest, sha256);
	digest_free(digest);
	ck_assert_int_eq(uploads_start_threads(engine), 0);
	for (int i = 0; i < 3000 && !found.has_sha256; i++) {
		file_release(&found);
		usleep(10000);
		found = engine_find(file.id);
	}
	ck_assert(file_is_complete(&found) && found.has_sha256);
	ck_assert(memcmp(found.sha256, sha256, 32) == 0);
	file_release(&found);
	file_release(&file);
}
END_TEST

START_TEST(a_short_upload_stays_in_the_page_cache)
{
	expect_upload(KEEP); /* the longest that is short */
	ck_assert_int_eq(streams, 0);
	expect_upload(KEEP + 1);
	ck_assert_int_gt(streams, 0);
}
END_TEST

START_TEST(a_slow_upload_stays_in_the_page_cache)
{
	struct file file = engine_create(FILE_PLAIN, "x", LONG);
	struct upload_writer *writer = engine_begin(&file, 0);

	atomic_fetch_add(&now, CLOCK_SECOND);
	ck_assert_int_eq(put(writer, 0, LONG, PIECE), 0);
	engine_commit(writer, LONG);
	ck_assert_int_eq(streams, 0);
	engine_expect(file.num, bytes, LONG);
	file_release(&file);
}
END_TEST

START_TEST(a_fast_upload_that_becomes_slow_stays_from_then_on)
{
	struct file file = engine_create(FILE_PLAIN, "x", LONG);
	struct upload_writer *writer = engine_begin(&file, 0);

	ck_assert_int_eq(put(writer, 0, FAST + MEBIBYTE, PIECE), 0);
	ck_assert_uint_eq(streamed, MEBIBYTE);
	atomic_fetch_add(&now, 10 * CLOCK_SECOND);
	ck_assert_int_eq(put(writer, FAST + MEBIBYTE, LONG, PIECE), 0);
	ck_assert_uint_eq(streamed, MEBIBYTE);
	engine_commit(writer, LONG);
	engine_expect(file.num, bytes, LONG);
	file_release(&file);
}
END_TEST

START_TEST(appends_at_the_same_time_share_what_may_stay)
{
	struct file other = engine_create(FILE_PLAIN, "other", LONG);
	struct upload_writer *writer = engine_begin(&other, 0);

	expect_upload(KEEP); /* which would be short if it were alone */
	ck_assert_uint_eq(streamed, KEEP - FAST);
	engine_cut(writer, 0);
	forget_calls();
	expect_upload(KEEP);
	ck_assert_int_eq(streams, 0);
	file_release(&other);
}
END_TEST

START_TEST(an_upload_of_unknown_length_is_long_when_so_much_has_come)
{
	struct file file;
	struct upload_writer *writer = begin_endless(&file);

	ck_assert_int_eq(put(writer, 0, KEEP + PIECE, PIECE), 0);
	ck_assert_int_eq(streams, 0);
	ck_assert_int_eq(put(writer, KEEP + PIECE, LONG, PIECE), 0);
	ck_assert_uint_eq(streamed, LONG - KEEP - PIECE);
	engine_commit(writer, LONG);
	engine_expect(file.num, bytes, LONG);
	file_release(&file);
}
END_TEST

START_TEST(an_append_is_judged_by_its_own_bytes)
{
	struct file file = engine_create(FILE_PLAIN, "x", LONG);
	struct upload_writer *writer = engine_begin(&file, 0);

	ck_assert_int_eq(put(writer, 0, FAST, PIECE), 0);
	engine_cut(writer, FAST);
	writer = engine_begin(&file, FAST);
	ck_assert_int_eq(put(writer, FAST, LONG, PIECE), 0);
	engine_commit(writer, LONG);
	ck_assert_int_eq(streams, 0); /* neither was seen to be fast */
	engine_expect(file.num, bytes, LONG);
	file_release(&file);
}
END_TEST

/* What is kept between two offsets, of an append in progress. */
static uint64_t put_and_count_kept(struct upload_writer *writer, uint64_t from,
				   uint64_t to)
{
	uint64_t before = atomic_load(&streamed);

	ck_assert_int_eq(put(writer, from, to, PIECE), 0);
	return to - from - (atomic_load(&streamed) - before);
}

/* Half of the upload may stay. FAST bytes do in any case; the rest is spread. */
START_TEST(where_nobody_waits_for_the_disk_a_share_stays_in_the_page_cache)
{
	uint64_t length = 2 * KEEP, kept;
	struct upload_writer *writer;
	struct file file;

	engine_config.sync = SYNC_NEVER;
	reopen();
	file = engine_create(FILE_PLAIN, "x", length);
	writer = engine_begin(&file, 0);
	kept = put_and_count_kept(writer, 0, 2 * FAST);
	ck_assert_uint_ge(kept, FAST);
	ck_assert_uint_le(kept, FAST + PIECE);
	for (uint64_t at = 2 * FAST; at < length; at += 4 * PIECE) {
		uint64_t more = put_and_count_kept(writer, at, at + 4 * PIECE);

		ck_assert_uint_ge(more, PIECE);
		ck_assert_uint_le(more, 3 * PIECE);
		kept += more;
	}
	ck_assert_uint_ge(kept, KEEP - PIECE);
	ck_assert_uint_le(kept, KEEP + PIECE);
	engine_commit(writer, length);
	file_release(&file);
}
END_TEST

/* How much of an upload of twice KEEP is streamed after FAST bytes, if each stream
 * takes one millisecond, and each piece is followed by a pause. */
static uint64_t streamed_with(int64_t pause)
{
	struct file file = engine_create(FILE_PLAIN, "x", 2 * KEEP);
	struct upload_writer *writer = engine_begin(&file, 0);

	forget_calls();
	stream_time = CLOCK_SECOND / 1000;
	for (uint64_t at = 0; at < 2 * KEEP; at += PIECE) {
		ck_assert_int_eq(put(writer, at, at + PIECE, PIECE), 0);
		if (at >= FAST)
			atomic_fetch_add(&now, pause);
	}
	engine_commit(writer, 2 * KEEP);
	file_release(&file);
	return streamed;
}

/* An eighth of the time may be spent in waiting for it. */
START_TEST(where_nobody_waits_for_the_disk_a_slow_one_is_not_waited_for_either)
{
	engine_config.sync = SYNC_NEVER;
	reopen();
	ck_assert_uint_eq(streamed_with(0), PIECE);
	ck_assert_uint_eq(streamed_with(CLOCK_SECOND / 1000), 5 * PIECE);
}
END_TEST

START_TEST(who_waits_for_the_disk_at_the_end_waits_for_a_slow_one_meanwhile)
{
	ck_assert_uint_eq(streamed_with(0), 2 * KEEP - FAST);
}
END_TEST

START_TEST(what_syncs_at_the_end_keeps_no_share)
{
	engine_config.sync = SYNC_FINISH;
	reopen();
	expect_upload(LONG);
	ck_assert_uint_eq(streamed, LONG - FAST);
}
END_TEST

START_TEST(where_the_memory_is_not_known_no_fast_upload_may_stay)
{
	memory = -1;
	reopen();
	expect_upload(KEEP);
	ck_assert_uint_eq(streamed, KEEP - FAST);
	forget_calls();
	engine_config.sync = SYNC_NEVER; /* and no share of nothing either */
	reopen();
	expect_upload(KEEP);
	ck_assert_uint_eq(streamed, KEEP - FAST);
}
END_TEST

/* ---- a kernel that cannot, a disk that will not ---- */

START_TEST(where_the_kernel_cannot_stream_the_upload_is_written_all_the_same)
{
	static const int reasons[] = {EOPNOTSUPP, ENOSYS, EINVAL, EPERM};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		reopen();
		forget_calls();
		atomic_store(&no_streams, reasons[i]);
		expect_upload(LONG);
		expect_upload(LONG);
		ck_assert_int_eq(streams, 1); /* asked once and for all */
	}
}
END_TEST

static void *upload_in_thread(void *arg)
{
	struct file *file = arg;
	struct upload_writer *writer = engine_begin(file, 0);

	ck_assert_int_eq(put(writer, 0, LONG, PIECE), 0);
	engine_commit(writer, LONG);
	return NULL;
}

START_TEST(appends_at_the_same_time_may_all_find_that_the_kernel_cannot)
{
	struct file files[4];
	pthread_t threads[4];

	atomic_store(&no_streams, EOPNOTSUPP);
	for (int i = 0; i < 4; i++)
		files[i] = engine_create(FILE_PLAIN, "x", LONG);
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, upload_in_thread, &files[i]);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_ge(streams, 1);
	ck_assert_int_le(streams, 4);
	for (int i = 0; i < 4; i++) {
		engine_expect(files[i].num, bytes, LONG);
		file_release(&files[i]);
	}
}
END_TEST

/* The disk takes no byte behind `end`, in the middle of a piece. */
static void expect_what_fits(int error, uint64_t end)
{
	struct file file = engine_create(FILE_PLAIN, "x", LONG);
	struct upload_writer *writer = engine_begin(&file, 0);

	disk_error = error;
	atomic_store(&disk_end, end);
	ck_assert_int_eq(put(writer, 0, LONG, PIECE), -error);
	engine_cut(writer, end);
	engine_expect(file.num, bytes, end);
	atomic_store(&disk_end, 0);
	engine_append(file.id, end, bytes + end, LONG - end);
	engine_expect(file.num, bytes, LONG);
	file_release(&file);
}

START_TEST(a_disk_that_fails_in_the_middle_keeps_what_it_took_and_the_rest_comes_later)
{
	expect_what_fits(ENOSPC, FAST + MEBIBYTE + 1234);
	expect_what_fits(EDQUOT, FAST + MEBIBYTE);
	expect_what_fits(EIO, FAST + MEBIBYTE + 1234);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		a_long_fast_upload_leaves_the_page_cache,
		a_long_upload_leaves_the_page_cache_in_pieces_of_any_size,
		a_streamed_upload_has_the_right_sha256,
		a_short_upload_stays_in_the_page_cache,
		a_slow_upload_stays_in_the_page_cache,
		a_fast_upload_that_becomes_slow_stays_from_then_on,
		appends_at_the_same_time_share_what_may_stay,
		an_upload_of_unknown_length_is_long_when_so_much_has_come,
		an_append_is_judged_by_its_own_bytes,
		where_nobody_waits_for_the_disk_a_share_stays_in_the_page_cache,
		where_nobody_waits_for_the_disk_a_slow_one_is_not_waited_for_either,
		who_waits_for_the_disk_at_the_end_waits_for_a_slow_one_meanwhile,
		what_syncs_at_the_end_keeps_no_share,
		where_the_memory_is_not_known_no_fast_upload_may_stay,
		where_the_kernel_cannot_stream_the_upload_is_written_all_the_same,
		appends_at_the_same_time_may_all_find_that_the_kernel_cannot,
		a_disk_that_fails_in_the_middle_keeps_what_it_took_and_the_rest_comes_later,
	};

	return RUN_TESTS(tests, setup, teardown);
}
