/* Room that an append had ahead of it is given back by the start after a crash, and
 * after a power cut. */
#include "ahead.h"
#include "temp_dir.h"

#include "tusfs/clock.h"

#include <stdlib.h>
#include <sys/statvfs.h>

#define BOOT_ID_AT 16 /* in STORE/writers: see journal.c */

typedef int measure(int fd, struct statvfs *space);

/* A disk that has plenty. */
#define WRAP_MEASURE(name)                                                             \
	measure __real_##name, __wrap_##name;                                          \
	int __wrap_##name(int fd, struct statvfs *space)                               \
	{                                                                              \
		int r = __real_##name(fd, space);                                      \
                                                                                       \
		if (r == 0)                                                            \
			space->f_bavail = 1024 * 1024 * MEBIBYTE / space->f_frsize;    \
		return r;                                                              \
	}

WRAP_MEASURE(fstatvfs)
WRAP_MEASURE(fstatvfs64)

static void setup(void)
{
	atomic_store(&now, CLOCK_SECOND);
	engine_setup();
	bytes = engine_noise(2 * FAST, 1);
}

static void teardown(void)
{
	free(bytes);
	engine_teardown();
}

/* And its machine with it. */
static void lose_power(void)
{
	engine_lose_power(temp_dir_path());
	engine_open();
}

static void bring(void *file)
{
	begin_far(file);
}

/* With a checkpoint behind the last byte. */
static void bring_and_commit(void *file)
{
	struct upload_writer *writer = begin_far(file);

	atomic_fetch_add(&now, 2 * CLOCK_SECOND);
	ck_assert_int_eq(put(writer, END, END + PIECE), 0);
	expect_room(file, FAR);
}

static void bring_with_room_for_the_whole(void *file)
{
	ck_assert_int_eq(put(engine_begin(file, 0), 0, END), 0);
	expect_room(file, FAR);
}

START_TEST(bytes_that_are_kept_after_a_crash_have_no_room_ahead)
{
	struct file file = engine_create(FILE_PLAIN, "x", FAR);

	engine_die(bring, &file);
	expect_room(&file, FAR);
	engine_open();
	expect_room_back(&file, END);
}
END_TEST

START_TEST(bytes_that_were_committed_before_a_crash_have_no_room_ahead)
{
	struct file file = engine_create(FILE_PLAIN, "x", FAR);

	engine_die(bring_and_commit, &file);
	expect_room(&file, FAR);
	engine_open();
	expect_room_back(&file, END + PIECE);
}
END_TEST

START_TEST(after_a_power_cut_no_room_is_ahead_of_the_offset)
{
	struct file file = engine_create(FILE_PLAIN, "x", FAR);
	struct file other = engine_create(FILE_PLAIN, "other", FAR);

	engine_die(bring_and_commit, &file);
	lose_power();
	expect_room_back(&file, END + PIECE);
	engine_die(bring, &other);
	lose_power();
	expect_room_back(&other, 0);
}
END_TEST

START_TEST(room_for_the_whole_outlives_a_crash_and_a_power_cut)
{
	struct file file, other;

	engine_config.reserve = true;
	engine_close();
	engine_open();
	file = engine_create(FILE_PLAIN, "x", FAR);
	other = engine_create(FILE_PLAIN, "other", FAR);
	engine_die(bring_with_room_for_the_whole, &file);
	engine_open();
	expect_room(&file, FAR);
	engine_expect(file.num, bytes, END);
	engine_die(bring_with_room_for_the_whole, &other);
	lose_power();
	expect_room(&file, FAR);
	expect_room(&other, FAR);
	engine_expect(file.num, bytes, END);
	file_release(&file);
	file_release(&other);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		bytes_that_are_kept_after_a_crash_have_no_room_ahead,
		bytes_that_were_committed_before_a_crash_have_no_room_ahead,
		after_a_power_cut_no_room_is_ahead_of_the_offset,
		room_for_the_whole_outlives_a_crash_and_a_power_cut,
	};

	return RUN_TESTS(tests, setup, teardown);
}
