/* With SYNC_FINISH, what the kernel fails to write out between two appends is not
 * forgotten. It is told, as of Linux, by the next sync of who had the file open then,
 * and by no other: a kernel that has forgotten the file knows of no error. */
#include "descriptors.h"
#include "engine.h"
#include "run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define LONG	(1024 * 1024) /* not small: it has a blob */
#define HALF	(LONG / 2)
#define PLACES	2    /* so many blobs may stay open: an eighth of the descriptors */
#define FDS_MAX 1024 /* of this process */

static uint8_t *bytes;	   /* LONG of them */
static bool lost[FDS_MAX]; /* what was opened as this descriptor lost bytes */
static bool file_system_lost;
static int syncs; /* of blobs */

typedef int get_limit(__rlimit_resource_t resource, struct rlimit *limit);

/* Large file support renames it on some machines: either name is wrapped. */
#define WRAP_LIMIT(name)                                                               \
	get_limit __real_##name, __wrap_##name;                                        \
	int __wrap_##name(__rlimit_resource_t resource, struct rlimit *limit)          \
	{                                                                              \
		int r = __real_##name(resource, limit);                                \
                                                                                       \
		if (resource == RLIMIT_NOFILE)                                         \
			limit->rlim_cur = PLACES * 8;                                  \
		return r;                                                              \
	}

WRAP_LIMIT(getrlimit)
WRAP_LIMIT(getrlimit64)

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_syncfs(int fd);
int __wrap_syncfs(int fd);
int __real_close(int fd);
int __wrap_close(int fd);

int __wrap_fdatasync(int fd)
{
	if (descriptor_is_blob(fd))
		syncs++;
	if (!lost[fd])
		return __real_fdatasync(fd);
	lost[fd] = false; /* told once */
	errno = EIO;
	return -1;
}

/* It fails for what any file has lost, even when that was told already. */
int __wrap_syncfs(int fd)
{
	if (!file_system_lost)
		return __real_syncfs(fd);
	file_system_lost = false;
	errno = EIO;
	return -1;
}

int __wrap_close(int fd)
{
	if (fd >= 0)
		lost[fd] = false;
	return __real_close(fd);
}

/* The disk takes none of what was written to blobs up to now. */
static void lose_what_is_not_synced(void)
{
	for (int fd = 0; fd < FDS_MAX; fd++)
		lost[fd] = descriptor_is_blob(fd);
	file_system_lost = true;
}

static void reopen_at(enum sync_level sync)
{
	engine_config.sync = sync;
	engine_close();
	engine_open();
}

static void setup(void)
{
	engine_setup();
	reopen_at(SYNC_FINISH);
	memset(lost, 0, sizeof(lost));
	file_system_lost = false;
	syncs = 0;
	bytes = engine_noise(LONG, 1);
}

static void teardown(void)
{
	free(bytes);
	engine_teardown();
}

/* An upload with its first half. */
static struct file half_of_one(void)
{
	struct file file = engine_create(FILE_PLAIN, "x", LONG);

	engine_append(file.id, 0, bytes, HALF);
	return file;
}

static int finish(const struct file *file)
{
	return engine_try_append(file->id, HALF, bytes + HALF, HALF);
}

static void expect_broken(struct file *file)
{
	engine_expect_gone(file->id);
	file_release(file);
}

static void expect_whole(struct file *file)
{
	engine_expect(file->num, bytes, LONG);
	file_release(file);
}

START_TEST(what_was_lost_between_two_appends_breaks_the_upload)
{
	struct file file = half_of_one();

	ck_assert_int_eq(syncs, 0);
	lose_what_is_not_synced();
	ck_assert_int_lt(finish(&file), 0);
	expect_broken(&file);
}
END_TEST

START_TEST(an_upload_in_two_appends_is_synced_once_and_leaves_nothing_open)
{
	struct file file = half_of_one();

	ck_assert_int_eq(descriptors_of_blobs(), 1);
	ck_assert_int_eq(finish(&file), 0);
	ck_assert_int_eq(syncs, 1);
	ck_assert_int_eq(descriptors_of_blobs(), 0);
	expect_whole(&file);
}
END_TEST

START_TEST(for_whom_there_is_no_place_is_synced)
{
	struct file files[PLACES + 2];

	for (int i = 0; i < PLACES + 2; i++)
		files[i] = half_of_one();
	ck_assert_int_eq(syncs, 2);
	ck_assert_int_eq(descriptors_of_blobs(), PLACES);
	lose_what_is_not_synced();
	for (int i = 0; i < PLACES; i++) {
		ck_assert_int_lt(finish(&files[i]), 0);
		expect_broken(&files[i]);
	}
	for (int i = PLACES; i < PLACES + 2; i++) {
		ck_assert_int_eq(finish(&files[i]), 0);
		expect_whole(&files[i]);
	}
}
END_TEST

START_TEST(for_whom_there_is_no_place_and_who_cannot_be_synced_is_broken)
{
	struct file files[PLACES], file;
	struct upload_writer *writer;

	for (int i = 0; i < PLACES; i++)
		files[i] = half_of_one();
	file = engine_create(FILE_PLAIN, "x", LONG);
	writer = engine_begin(&file, 0);
	ck_assert_int_eq(upload_writer_put(writer, bytes, HALF), 0);
	lose_what_is_not_synced();
	engine_cut(writer, HALF);
	expect_broken(&file);
	for (int i = 0; i < PLACES; i++)
		file_release(&files[i]);
}
END_TEST

/* Nothing of it was acknowledged. */
START_TEST(an_upload_that_could_not_be_synced_at_once_may_be_sent_anew)
{
	struct file file = engine_create(FILE_PLAIN, "x", LONG), after;
	struct upload_writer *writer = engine_begin(&file, 0);

	ck_assert_int_eq(upload_writer_put(writer, bytes, LONG), 0);
	lose_what_is_not_synced();
	ck_assert_int_lt(upload_writer_commit(writer, NULL, &after), 0);
	upload_writer_free(writer);
	engine_append(file.id, 0, bytes, LONG);
	expect_whole(&file);
}
END_TEST

/* The blob's sync opens its folder. */
START_TEST(an_upload_that_no_descriptor_could_be_had_for_is_not_broken)
{
	struct file file = half_of_one();
	struct rlimit usual, none;
	int next = dup(0);

	ck_assert_int_eq(__real_getrlimit(RLIMIT_NOFILE, &usual), 0);
	none = usual;
	none.rlim_cur = (rlim_t)next;
	__real_close(next);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	ck_assert_int_eq(finish(&file), -EMFILE);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &usual), 0);
	ck_assert_int_eq(finish(&file), 0);
	expect_whole(&file);
}
END_TEST

START_TEST(what_was_lost_is_found_out_by_an_orderly_stop)
{
	struct file file = half_of_one(), other = half_of_one();

	ck_assert_int_eq(finish(&other), 0);
	lose_what_is_not_synced();
	reopen_at(SYNC_FINISH);
	expect_broken(&file);
	expect_whole(&other);
}
END_TEST

START_TEST(an_upload_that_is_terminated_leaves_nothing_open)
{
	struct file file = half_of_one();

	ck_assert_int_eq(uploads_terminate(engine, file.id), 0);
	ck_assert_int_eq(uploads_clean(engine), 0);
	ck_assert_int_eq(descriptors_of_blobs(), 0);
	file_release(&file);
}
END_TEST

START_TEST(other_levels_leave_nothing_open)
{
	static const enum sync_level levels[] = {SYNC_ALWAYS, SYNC_NEVER};

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		struct file file;

		reopen_at(levels[i]);
		file = half_of_one();
		ck_assert_int_eq(descriptors_of_blobs(), 0);
		file_release(&file);
	}
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		what_was_lost_between_two_appends_breaks_the_upload,
		an_upload_in_two_appends_is_synced_once_and_leaves_nothing_open,
		for_whom_there_is_no_place_is_synced,
		for_whom_there_is_no_place_and_who_cannot_be_synced_is_broken,
		an_upload_that_could_not_be_synced_at_once_may_be_sent_anew,
		an_upload_that_no_descriptor_could_be_had_for_is_not_broken,
		what_was_lost_is_found_out_by_an_orderly_stop,
		an_upload_that_is_terminated_leaves_nothing_open,
		other_levels_leave_nothing_open,
	};

	return RUN_TESTS(tests, setup, teardown);
}
