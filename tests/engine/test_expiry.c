/* Expiry, on a clock that the test owns. */
#include "engine.h"
#include "run.h"

#include "tusfs/clock.h"

#include <pthread.h>
#include <string.h>

static int64_t now = INT64_C(1700000000) * CLOCK_SECOND;

int64_t __wrap_clock_now(void);
int64_t __wrap_clock_now(void)
{
	return now;
}

static struct upload_id gone[16];
static size_t gone_count;

static void happened(void *arg, const struct upload_event *event)
{
	if (event->type == UPLOAD_GONE)
		gone[gone_count++] = event->file->id;
}

static void setup(void)
{
	struct uploads_observer observer = {.happened = happened};

	engine_setup();
	engine_close();
	engine_config.expire_after = 100 * CLOCK_SECOND;
	engine_config.tombstone_time = 1000 * CLOCK_SECOND;
	engine_open();
	uploads_observe(engine, &observer);
	gone_count = 0;
}

static void pass(int64_t seconds)
{
	now += seconds * CLOCK_SECOND;
	ck_assert_int_eq(uploads_expire(engine), 0);
}

static void expect_expiry(struct upload_id id, int64_t seconds)
{
	struct file found = engine_find(id);

	ck_assert_int_eq(found.expires, now + seconds * CLOCK_SECOND);
	file_release(&found);
}

START_TEST(an_idle_upload_expires_is_remembered_and_then_forgotten)
{
	struct file file = engine_create(FILE_PLAIN, "x", 100), found;

	ck_assert_int_eq(file.expires, now + 100 * CLOCK_SECOND);
	pass(99);
	found = engine_find(file.id);
	file_release(&found);
	pass(1);
	engine_expect_gone(file.id);
	ck_assert_uint_eq(gone_count, 1);
	ck_assert(memcmp(&gone[0], &file.id, sizeof(file.id)) == 0);
	pass(999);
	engine_expect_gone(file.id);
	pass(2);
	ck_assert_int_eq(uploads_find(engine, file.id, &found), REFUSED_NOT_FOUND);
	file_release(&file);
}
END_TEST

START_TEST(activity_pushes_the_expiry_forward)
{
	struct file file = engine_create(FILE_PLAIN, "x", 100);

	pass(60);
	engine_append(file.id, 0, "a", 1);
	pass(60);
	expect_expiry(file.id, 40);
	file_release(&file);
}
END_TEST

START_TEST(a_finished_upload_does_not_expire_but_a_finished_part_does)
{
	struct file file = engine_upload(FILE_PLAIN, "x", "abc", 3), found;
	struct file part = engine_upload(FILE_PARTIAL, NULL, "abc", 3);
	struct file final = engine_concatenate("final", &part.id, 1);

	pass(100000);
	found = engine_find(file.id);
	ck_assert_int_eq(found.expires, 0);
	file_release(&found);
	ck_assert_uint_eq(gone_count, 1);
	ck_assert(memcmp(&gone[0], &part.id, sizeof(part.id)) == 0);
	engine_expect(final.num, "abc", 3);
	file_release(&file);
	file_release(&part);
	file_release(&final);
}
END_TEST

START_TEST(a_final_lives_as_long_as_its_parts_are_active)
{
	struct file part = engine_create(FILE_PARTIAL, NULL, 3);
	struct file final = engine_concatenate("final", &part.id, 1);

	pass(60);
	engine_append(part.id, 0, "a", 1);
	pass(60);
	expect_expiry(final.id, 40);
	engine_append(part.id, 1, "bc", 2);
	engine_expect(final.num, "abc", 3);
	file_release(&part);
	file_release(&final);

	part = engine_create(FILE_PARTIAL, NULL, 3);
	final = engine_concatenate("never", &part.id, 1);
	gone_count = 0;
	pass(200);
	engine_expect_gone(final.id);
	engine_expect_gone(part.id);
	file_release(&part);
	file_release(&final);
}
END_TEST

START_TEST(a_final_waits_for_parts_that_do_not_expire_any_more)
{
	struct file part = engine_create(FILE_PARTIAL, NULL, 3);
	struct file final = engine_concatenate("final", &part.id, 1), found;

	engine_close();
	engine_config.expire_after = 0;
	engine_open();
	pass(60);
	engine_append(part.id, 0, "a", 1);
	pass(60);
	found = engine_find(final.id);
	ck_assert_int_eq(found.expires, 0);
	file_release(&found);
	engine_append(part.id, 1, "bc", 2);
	engine_expect(final.num, "abc", 3);
	file_release(&part);
	file_release(&final);
}
END_TEST

START_TEST(a_final_ends_with_a_part_that_it_waits_for)
{
	SCOPED(scoped_upload_reader_close) struct upload_reader *reader = NULL;
	struct file a = engine_create(FILE_PARTIAL, NULL, 3), b, found;
	struct upload_id parts[2] = {a.id};
	struct file final;
	char got[8];
	size_t count;

	b = engine_create(FILE_PARTIAL, NULL, 3);
	parts[1] = b.id;
	final = engine_concatenate("final", parts, 2);
	engine_append(a.id, 0, "ab", 2);
	ck_assert_int_eq(upload_reader_open(engine, final.num, &reader), 0);
	engine_append(a.id, 2, "c", 1);
	engine_append(b.id, 0, "d", 1);
	ck_assert_int_eq(uploads_terminate(engine, b.id), 0);
	pass(0);
	ck_assert_int_eq(uploads_find(engine, final.id, &found), REFUSED_GONE);
	ck_assert_uint_eq(gone_count, 2);
	ck_assert_int_eq(upload_reader_read(reader, got, sizeof(got), 0, &count), 0);
	ck_assert(count == 4 && memcmp(got, "abcd", 4) == 0);
	found = engine_find(a.id);
	ck_assert(file_is_complete(&found));
	file_release(&found);
	file_release(&a);
	file_release(&b);
	file_release(&final);
}
END_TEST

START_TEST(an_upload_that_is_being_written_does_not_expire)
{
	struct file file = engine_create(FILE_PLAIN, "x", 100), found;
	struct upload_append append = {0};
	struct upload_writer *writer;

	ck_assert_int_eq(upload_writer_open(engine, file.id, &append, &writer), 0);
	pass(1000);
	ck_assert_int_eq(upload_writer_put(writer, "a", 1), 0);
	upload_writer_free(writer);
	found = engine_find(file.id);
	ck_assert_uint_eq(found.offset, 1);
	ck_assert_int_eq(found.expires, now + 100 * CLOCK_SECOND);
	file_release(&found);
	file_release(&file);
}
END_TEST

START_TEST(uploads_in_use_do_not_keep_others)
{
	struct upload_append append = {.checked = true};
	struct upload_writer *writers[16];
	struct file file, found;

	for (int i = 0; i < 16; i++) {
		file = engine_create(FILE_PLAIN, "x", 100);
		ck_assert_int_eq(
			upload_writer_open(engine, file.id, &append, &writers[i]), 0);
		file_release(&file);
	}
	pass(1);
	file = engine_create(FILE_PLAIN, "y", 100);
	pass(200);
	ck_assert_int_eq(uploads_find(engine, file.id, &found), REFUSED_GONE);
	file_release(&file);
	for (int i = 0; i < 16; i++)
		upload_writer_free(writers[i]);
	pass(1); /* no byte of them was kept, but they were active */
	ck_assert_uint_eq(gone_count, 1);
}
END_TEST

/* And the pass ends. */
START_TEST(whoever_has_a_finished_upload_does_not_keep_it)
{
	struct file file = engine_upload(FILE_PLAIN, "x", "abc", 3);
	struct upload_append append = {.offset = 3};
	struct upload_writer *writer;

	ck_assert_int_eq(uploads_set_expiry(engine, file.num, now + 1), 0);
	ck_assert_int_eq(upload_writer_open(engine, file.id, &append, &writer), 0);
	pass(1);
	engine_expect_gone(file.id);
	upload_writer_free(writer);
	file_release(&file);
}
END_TEST

START_TEST(a_final_expires_with_the_part_that_is_left)
{
	struct file done = engine_upload(FILE_PARTIAL, NULL, "abc", 3);
	struct file part = engine_create(FILE_PARTIAL, NULL, 3);
	struct upload_id parts[2] = {done.id, part.id};
	struct file final = engine_concatenate("final", parts, 2), found;

	pass(60);
	engine_append(part.id, 0, "a", 1);
	pass(60); /* the complete part expires */
	engine_expect_gone(done.id);
	pass(1);
	found = engine_find(final.id);
	ck_assert_int_ne(found.expires, 0);
	file_release(&found);
	file_release(&done);
	file_release(&part);
	file_release(&final);
}
END_TEST

START_TEST(a_user_can_give_a_finished_upload_a_time_and_take_it_back)
{
	struct file file = engine_upload(FILE_PLAIN, "x", "abc", 3);
	struct file arriving = engine_create(FILE_PLAIN, "y", 3);

	ck_assert_int_eq(uploads_set_expiry(engine, arriving.num, now + 1),
			 REFUSED_PERMISSION);
	ck_assert_int_eq(uploads_set_expiry(engine, file.num, now + 5 * CLOCK_SECOND),
			 0);
	ck_assert_int_eq(uploads_set_expiry(engine, file.num, 0), 0);
	pass(6);
	ck_assert_int_eq(uploads_set_expiry(engine, file.num, now + 5 * CLOCK_SECOND),
			 0);
	pass(6);
	engine_expect_gone(file.id);
	file_release(&file);
	file_release(&arriving);
}
END_TEST

START_TEST(hundreds_expire_in_one_pass)
{
	struct file file, found;

	for (int i = 0; i < 350; i++) {
		file = engine_create(FILE_PARTIAL, NULL, 10);
		file_release(&file);
	}
	uploads_observe(engine, NULL);
	pass(101);
	ck_assert_int_eq(uploads_stat(engine, FILE_NUM_FIRST, &found),
			 REFUSED_NOT_FOUND);
	ck_assert_int_eq(uploads_stat(engine, FILE_NUM_FIRST + 349, &found),
			 REFUSED_NOT_FOUND);
}
END_TEST

static struct upload_id together[2];

static void *terminate(void *arg)
{
	int *r = arg;

	*r = uploads_terminate(engine, together[1]);
	return NULL;
}

/* Told of the first, waits for somebody who removes the second, as an rm in the mount
 * makes it wait. */
static void wait_for_other(void *arg, const struct upload_event *event)
{
	pthread_t thread;

	if (event->type != UPLOAD_GONE ||
	    memcmp(&event->file->id, &together[0], sizeof(together[0])) != 0)
		return;
	ck_assert_int_eq(pthread_create(&thread, NULL, terminate, arg), 0);
	pthread_join(thread, NULL);
}

START_TEST(whoever_is_told_of_one_that_expires_may_wait_for_another)
{
	int r = 0;
	struct uploads_observer observer = {.happened = wait_for_other, .arg = &r};

	for (int i = 0; i < 2; i++) {
		struct file file = engine_create(FILE_PLAIN, "x", 100);

		together[i] = file.id;
		file_release(&file);
	}
	uploads_observe(engine, &observer);
	pass(101);
	ck_assert_int_eq(r, REFUSED_GONE);
	uploads_observe(engine, NULL);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		an_idle_upload_expires_is_remembered_and_then_forgotten,
		whoever_is_told_of_one_that_expires_may_wait_for_another,
		activity_pushes_the_expiry_forward,
		a_finished_upload_does_not_expire_but_a_finished_part_does,
		a_final_lives_as_long_as_its_parts_are_active,
		a_final_waits_for_parts_that_do_not_expire_any_more,
		a_final_ends_with_a_part_that_it_waits_for,
		an_upload_that_is_being_written_does_not_expire,
		uploads_in_use_do_not_keep_others,
		whoever_has_a_finished_upload_does_not_keep_it,
		a_final_expires_with_the_part_that_is_left,
		a_user_can_give_a_finished_upload_a_time_and_take_it_back,
		hundreds_expire_in_one_pass,
	};

	return RUN_TESTS(tests, setup, engine_teardown);
}
