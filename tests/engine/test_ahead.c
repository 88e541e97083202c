/* Room on the disk is set aside ahead of an append that is fast alone: far ahead where
 * there is plenty, or else no more than it has brought. It comes back when its bytes do
 * not come. Time stands still here, so that every append is fast once it has brought
 * FAST bytes. */
#include "ahead.h"
#include "descriptors.h"

#include "tusfs/clock.h"
#include "tusfs/store.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define GIBIBYTE  (1024 * MEBIBYTE)
#define FAR_AHEAD (4 * GIBIBYTE)  /* FAR_BYTES of stream.c */
#define FAR_PART  16		  /* and of the room that much */
#define NEAR	  (64 * MEBIBYTE) /* NEAR_BYTES of stream.c */
#define ENOUGH	  GIBIBYTE	  /* NEAR_ROOM of stream.c */
/* Where an upload of a GiB is not little beside the room. */
#define SCARCE	  (ENOUGH + 16 * MEBIBYTE)
#define ROOM_TIME (CLOCK_SECOND / 50) /* more than that of uploads.c */

/* What room was set aside for blobs: calls, and the last one's. */
static atomic_int reservations;
static _Atomic uint64_t reserved_from, reserved_to;
static int no_room;		   /* the error of a disk that sets nothing aside */
static _Atomic uint64_t disk_room; /* what the disk says it has */
static uint64_t disk_end;	   /* blobs get no byte behind it; 0: all of them */
static int disk_error;		   /* but this */
static bool pretends;		   /* to write and to set aside, which takes no time */

long __real_sysconf(int name);
long __wrap_sysconf(int name);

/* A machine with so much memory that no upload has to leave it. */
long __wrap_sysconf(int name)
{
	return name == _SC_PHYS_PAGES ? 1L << 30 : __real_sysconf(name);
}

typedef int set_aside(int fd, int mode, off_t from, off_t size);

static int reserve(set_aside *real, int fd, int mode, off_t from, off_t size)
{
	if (!descriptor_is_blob(fd)) /* the catalog's own */
		return real(fd, mode, from, size);
	atomic_fetch_add(&reservations, 1);
	atomic_store(&reserved_from, (uint64_t)from);
	atomic_store(&reserved_to, (uint64_t)(from + size));
	errno = no_room;
	if (errno)
		return -1;
	return pretends ? 0 : real(fd, mode, from, size);
}

typedef ssize_t write_bytes(int fd, const void *from, size_t size, off_t offset);

static ssize_t write_blob(write_bytes *real, int fd, const void *from, size_t size,
			  off_t offset)
{
	if (!descriptor_is_blob(fd))
		return real(fd, from, size, offset);
	if (disk_end && (uint64_t)offset >= disk_end) {
		errno = disk_error;
		return -1;
	}
	if (disk_end && (uint64_t)offset + size > disk_end)
		size = disk_end - (uint64_t)offset;
	if (!pretends)
		return real(fd, from, size, offset);
	return real(fd, "", 1, offset + (off_t)size - 1) < 0 ? -1 : (ssize_t)size;
}

typedef int measure(int fd, struct statvfs *space);

static int measure_disk(measure *real, int fd, struct statvfs *space)
{
	int r = real(fd, space);

	if (r == 0)
		space->f_bavail = atomic_load(&disk_room) / space->f_frsize;
	return r;
}

/* Large file support renames some calls on some machines: either name is wrapped. */
#define WRAP_RESERVE(name)                                                             \
	set_aside __real_##name, __wrap_##name;                                        \
	int __wrap_##name(int fd, int mode, off_t from, off_t size)                    \
	{                                                                              \
		return reserve(__real_##name, fd, mode, from, size);                   \
	}
#define WRAP_WRITE(name)                                                               \
	write_bytes __real_##name, __wrap_##name;                                      \
	ssize_t __wrap_##name(int fd, const void *from, size_t size, off_t offset)     \
	{                                                                              \
		return write_blob(__real_##name, fd, from, size, offset);              \
	}
#define WRAP_MEASURE(name)                                                             \
	measure __real_##name, __wrap_##name;                                          \
	int __wrap_##name(int fd, struct statvfs *space)                               \
	{                                                                              \
		return measure_disk(__real_##name, fd, space);                         \
	}

WRAP_RESERVE(fallocate)
WRAP_RESERVE(fallocate64)
WRAP_WRITE(pwrite)
WRAP_WRITE(pwrite64)
WRAP_MEASURE(fstatvfs)
WRAP_MEASURE(fstatvfs64)

static void setup(void)
{
	atomic_store(&now, CLOCK_SECOND);
	atomic_store(&reservations, 0);
	atomic_store(&disk_room, 1024 * GIBIBYTE);
	no_room = 0;
	disk_end = 0;
	pretends = false;
	engine_setup();
	bytes = engine_noise(2 * FAST, 1);
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

/* One append of a whole upload of 2 * FAST bytes. */
static void upload(void)
{
	struct file file = engine_create(FILE_PLAIN, "x", 2 * FAST);
	struct upload_writer *writer = engine_begin(&file, 0);

	ck_assert_int_eq(put(writer, 0, 2 * FAST), 0);
	engine_commit(writer, 2 * FAST);
	engine_expect(file.num, bytes, 2 * FAST);
	file_release(&file);
}

/* ---- how much ---- */

/* Nothing of it is stored. */
static struct upload_writer *begin_pretended(struct file *file, uint64_t length)
{
	struct upload_writer *writer;

	pretends = true;
	*file = engine_create(FILE_PLAIN, "x", length);
	writer = engine_begin(file, 0);
	ck_assert_int_eq(put(writer, 0, FAST), 0);
	return writer;
}

START_TEST(where_there_is_plenty_room_is_set_aside_far_ahead)
{
	struct upload_writer *writer;
	struct file file;
	uint64_t at = FAST, need;

	/* enough for one at a time: what is used up does not count */
	atomic_store(&disk_room, FAR_PART * FAR_AHEAD * 3 / 2);
	reopen();
	writer = begin_pretended(&file, 10 * GIBIBYTE);
	ck_assert_int_eq(reservations, 0); /* nobody can tell yet */
	for (int times = 1; times <= 2; times++) {
		need = at + PIECE;
		ck_assert_int_eq(put(writer, at, need), 0);
		ck_assert_int_eq(reservations, times);
		ck_assert_uint_eq(reserved_from, at); /* what is in front is there */
		ck_assert_uint_eq(reserved_to, need + FAR_AHEAD);
		at = reserved_to;
		ck_assert_int_eq(put(writer, need, at), 0);
		ck_assert_int_eq(reservations, times); /* it was there already */
	}
	engine_cut(writer, at);
	file_release(&file);
}
END_TEST

/* Begins an upload of a GiB, and says whether the first room ahead of it was for all
 * of it, or no more than it had brought. */
static bool is_far_ahead(struct file *file, struct upload_writer **writer)
{
	*writer = begin_pretended(file, GIBIBYTE);
	ck_assert_int_eq(put(*writer, FAST, FAST + PIECE), 0);
	if (reserved_to == GIBIBYTE)
		return true;
	ck_assert_uint_eq(reserved_to, 2 * (FAST + PIECE));
	return false;
}

START_TEST(all_appends_together_have_a_part_of_the_room_far_ahead)
{
	struct upload_writer *writers[4];
	struct file files[4];

	/* enough for one, and again once that one has ended */
	atomic_store(&disk_room, 3 * FAR_PART * GIBIBYTE / 2);
	reopen();
	ck_assert(is_far_ahead(&files[0], &writers[0]));
	ck_assert(!is_far_ahead(&files[1], &writers[1]));
	engine_cut(writers[0], FAST + PIECE);
	ck_assert(is_far_ahead(&files[2], &writers[2]));
	ck_assert(!is_far_ahead(&files[3], &writers[3]));
	for (int i = 1; i < 4; i++)
		engine_cut(writers[i], FAST + PIECE);
	for (int i = 0; i < 4; i++)
		file_release(&files[i]);
}
END_TEST

START_TEST(what_the_append_has_brought_is_set_aside_again_where_the_last_room_ends)
{
	struct upload_writer *writer;
	struct file file;
	uint64_t at = FAST, need;

	atomic_store(&disk_room, SCARCE);
	reopen();
	writer = begin_pretended(&file, GIBIBYTE);
	ck_assert_int_eq(reservations, 0);
	for (int times = 1; times <= 6; times++) {
		need = at + PIECE;
		ck_assert_int_eq(put(writer, at, need), 0);
		ck_assert_int_eq(reservations, times);
		ck_assert_uint_eq(reserved_from, at); /* what is in front is there */
		ck_assert_uint_eq(reserved_to, need + (need < NEAR ? need : NEAR));
		at = reserved_to;
		ck_assert_int_eq(put(writer, need, at), 0);
		ck_assert_int_eq(reservations, times); /* it was there already */
	}
	ck_assert_uint_gt(at, 3 * NEAR); /* and the limit was seen */
	engine_cut(writer, at);
	file_release(&file);
}
END_TEST

START_TEST(what_earlier_appends_brought_does_not_count)
{
	struct upload_writer *writer;
	struct file file;

	atomic_store(&disk_room, SCARCE);
	reopen();
	writer = begin_pretended(&file, GIBIBYTE);
	engine_cut(writer, FAST);
	writer = engine_begin(&file, FAST);
	ck_assert_int_eq(put(writer, FAST, 2 * FAST), 0);
	ck_assert_int_eq(reservations, 0); /* neither was seen to be fast */
	ck_assert_int_eq(put(writer, 2 * FAST, 2 * FAST + PIECE), 0);
	ck_assert_int_eq(reservations, 1);
	ck_assert_uint_eq(reserved_from, 2 * FAST);
	ck_assert_uint_eq(reserved_to, 3 * FAST + 2 * PIECE);
	engine_cut(writer, 2 * FAST + PIECE);
	file_release(&file);
}
END_TEST

START_TEST(nothing_is_set_aside_beyond_the_length)
{
	struct file file = engine_create(FILE_PLAIN, "x", END + PIECE);
	struct upload_writer *writer = engine_begin(&file, 0);

	ck_assert_int_eq(put(writer, 0, FAST + PIECE), 0);
	ck_assert_uint_eq(reserved_from, FAST);
	ck_assert_uint_eq(reserved_to, END + PIECE);
	expect_room(&file, END + PIECE);
	ck_assert_int_eq(put(writer, FAST + PIECE, END + PIECE), 0);
	engine_commit(writer, END + PIECE);
	ck_assert_int_eq(reservations, 1);
	expect_room(&file, END + PIECE);
	engine_expect(file.num, bytes, END + PIECE);
	file_release(&file);
}
END_TEST

START_TEST(room_for_the_whole_is_set_aside_once_and_never_given_back)
{
	struct upload_writer *writer;
	struct file file;

	engine_config.reserve = true;
	reopen();
	file = engine_create(FILE_PLAIN, "x", FAR);
	writer = engine_begin(&file, 0);
	ck_assert_int_eq(put(writer, 0, END), 0);
	ck_assert_int_eq(reservations, 1);
	ck_assert_uint_eq(reserved_from, 0);
	ck_assert_uint_eq(reserved_to, FAR);
	engine_cut(writer, END);
	expect_room(&file, FAR);
	engine_expect(file.num, bytes, END);
	file_release(&file);
}
END_TEST

/* ---- for whom ---- */

/* How often room is set aside once an append has brought FAST bytes in so much time,
 * and goes on. */
static int reservations_after(int64_t time)
{
	struct file file = engine_create(FILE_PLAIN, "x", FAR);
	struct upload_writer *writer = engine_begin(&file, 0);

	atomic_store(&reservations, 0);
	ck_assert_int_eq(put(writer, 0, FAST), 0);
	atomic_fetch_add(&now, time);
	ck_assert_int_eq(put(writer, FAST, FAST + PIECE), 0);
	engine_cut(writer, FAST + PIECE);
	file_release(&file);
	return reservations;
}

/* At 128 bytes a microsecond: FAST_RATE of stream.c. */
START_TEST(a_slow_append_gets_no_room_ahead)
{
	ck_assert_int_eq(reservations_after(CLOCK_SECOND / 1000 * 32), 1);
	ck_assert_int_eq(reservations_after(CLOCK_SECOND / 1000 * 33), 0);
}
END_TEST

/* Together they are fast, and what they set aside would be missing to all. */
START_TEST(a_crowd_of_slow_appends_gets_no_room_ahead)
{
	enum { CROWD = 200, BUSY = 4 };
	struct upload_writer *writers[CROWD];
	struct file files[CROWD];

	for (int i = 0; i < CROWD; i++) {
		files[i] = engine_create(FILE_PLAIN, "x", FAR);
		writers[i] = engine_begin(&files[i], 0);
	}
	atomic_fetch_add(&now, 4 * CLOCK_SECOND);
	for (int i = 0; i < BUSY; i++) {
		ck_assert_int_eq(put(writers[i], 0, END), 0);
		expect_room(&files[i], END);
	}
	ck_assert_int_eq(reservations, 0);
	for (int i = 0; i < CROWD; i++) {
		engine_cut(writers[i], i < BUSY ? END : 0);
		if (i < BUSY)
			engine_expect(files[i].num, bytes, END);
		file_release(&files[i]);
	}
}
END_TEST

START_TEST(an_upload_of_unknown_length_gets_no_room_ahead)
{
	struct upload_request request = {.kind = FILE_PLAIN};
	struct upload_writer *writer;
	struct file file;

	ck_assert_int_eq(uploads_create(engine, &request, &file), 0);
	writer = engine_begin(&file, 0);
	ck_assert_int_eq(put(writer, 0, 2 * FAST), 0);
	ck_assert_int_eq(reservations, 0); /* nobody knows for what */
	engine_commit(writer, 2 * FAST);
	file_release(&file);
}
END_TEST

/* ---- a disk that has little room ---- */

/* Of a fast append to an upload that is long beside the room there is. */
static int reservations_with(uint64_t room)
{
	struct upload_writer *writer;
	struct file file;

	atomic_store(&disk_room, room);
	atomic_store(&reservations, 0);
	reopen();
	file = engine_create(FILE_PLAIN, "x", GIBIBYTE / 2);
	writer = engine_begin(&file, 0);
	ck_assert_int_eq(put(writer, 0, END), 0);
	engine_cut(writer, END);
	engine_expect(file.num, bytes, END);
	file_release(&file);
	return reservations;
}

START_TEST(where_the_disk_has_little_room_nothing_is_set_aside_and_all_is_stored)
{
	ck_assert_int_eq(reservations_with(ENOUGH), 0);
	ck_assert_int_eq(reservations_with(SCARCE), 1);
}
END_TEST

START_TEST(a_disk_that_fills_up_meanwhile_has_no_more_set_aside)
{
	struct upload_writer *writer;
	struct file file;

	atomic_store(&disk_room, SCARCE);
	reopen();
	file = engine_create(FILE_PLAIN, "x", GIBIBYTE);
	writer = engine_begin(&file, 0);
	ck_assert_int_eq(put(writer, 0, END), 0);
	expect_room(&file, 2 * (FAST + PIECE));
	atomic_store(&disk_room, ENOUGH);
	atomic_fetch_add(&now, ROOM_TIME);
	ck_assert_int_eq(put(writer, END, FAR), 0);
	ck_assert_int_eq(reservations, 1);
	expect_room(&file, FAR);
	engine_cut(writer, FAR);
	file_release(&file);
}
END_TEST

START_TEST(where_no_room_can_be_set_aside_all_bytes_are_stored)
{
	static const int reasons[] = {ENOSPC, EDQUOT, EFBIG, EIO};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		no_room = reasons[i];
		atomic_store(&reservations, 0);
		upload();
		ck_assert_int_eq(reservations, 2); /* far, near, and never again */
	}
	no_room = EOPNOTSUPP;
	upload();
}
END_TEST

START_TEST(a_disk_that_fails_in_the_middle_gets_the_room_back)
{
	static const int reasons[] = {ENOSPC, EDQUOT, EIO};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		struct file file = engine_create(FILE_PLAIN, "x", FAR);
		struct upload_writer *writer = begin_far(&file);

		disk_error = reasons[i];
		disk_end = END + MEBIBYTE + 1234;
		ck_assert_int_eq(put(writer, END, FAR), -reasons[i]);
		engine_cut(writer, disk_end);
		disk_end = 0;
		expect_room_back(&file, END + MEBIBYTE + 1234);
	}
}
END_TEST

/* ---- bytes that do not come ---- */

START_TEST(an_append_that_breaks_off_gives_back_the_room_ahead_of_it)
{
	struct file file = engine_create(FILE_PLAIN, "x", FAR);

	engine_cut(begin_far(&file), END);
	expect_room_back(&file, END);
}
END_TEST

START_TEST(an_append_that_ends_before_the_length_gives_back_the_room_too)
{
	struct file file = engine_create(FILE_PLAIN, "x", FAR);

	engine_commit(begin_far(&file), END);
	expect_room_back(&file, END);
}
END_TEST

START_TEST(an_append_that_nobody_ended_gives_back_the_room_too)
{
	struct file file = engine_create(FILE_PLAIN, "x", FAR);

	upload_writer_free(begin_far(&file));
	expect_room_back(&file, END);
}
END_TEST

START_TEST(a_body_that_is_dropped_gives_back_the_room_too)
{
	struct upload_append append = {.checked = true, .algorithm = DIGEST_SHA1};
	struct checksum wrong = {.algorithm = DIGEST_SHA1};
	struct file file = engine_create(FILE_PLAIN, "x", FAR), after;
	struct upload_writer *writer;

	ck_assert_int_eq(upload_writer_open(engine, file.id, &append, &writer), 0);
	ck_assert_int_eq(put(writer, 0, END), 0);
	expect_room(&file, FAR);
	ck_assert_int_eq(upload_writer_commit(writer, &wrong, &after),
			 REFUSED_CHECKSUM);
	upload_writer_free(writer);
	expect_room_back(&file, 0);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		where_there_is_plenty_room_is_set_aside_far_ahead,
		all_appends_together_have_a_part_of_the_room_far_ahead,
		what_the_append_has_brought_is_set_aside_again_where_the_last_room_ends,
		what_earlier_appends_brought_does_not_count,
		nothing_is_set_aside_beyond_the_length,
		room_for_the_whole_is_set_aside_once_and_never_given_back,
		a_slow_append_gets_no_room_ahead,
		a_crowd_of_slow_appends_gets_no_room_ahead,
		an_upload_of_unknown_length_gets_no_room_ahead,
		where_the_disk_has_little_room_nothing_is_set_aside_and_all_is_stored,
		a_disk_that_fills_up_meanwhile_has_no_more_set_aside,
		where_no_room_can_be_set_aside_all_bytes_are_stored,
		a_disk_that_fails_in_the_middle_gets_the_room_back,
		an_append_that_breaks_off_gives_back_the_room_ahead_of_it,
		an_append_that_ends_before_the_length_gives_back_the_room_too,
		an_append_that_nobody_ended_gives_back_the_room_too,
		a_body_that_is_dropped_gives_back_the_room_too,
	};

	return RUN_TESTS(tests, setup, teardown);
}
