/* Finals: segments that refer to the parts' bytes. */
#include "descriptors.h"
#include "engine.h"
#include "run.h"
#include "temp_dir.h"

#include "tusfs/clock.h"

#include <errno.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define PART 50000

static int64_t later; /* than it is, in microseconds */

int64_t __real_clock_now(void);
int64_t __wrap_clock_now(void);

int64_t __wrap_clock_now(void)
{
	return __real_clock_now() + later;
}

static struct upload_id part(const void *bytes, size_t size)
{
	struct file file = engine_upload(FILE_PARTIAL, NULL, bytes, size);
	struct upload_id id = file.id;

	file_release(&file);
	return id;
}

START_TEST(a_final_is_its_parts_in_order_one_of_them_twice)
{
	SCOPED(scoped_free)
	uint8_t *a = engine_noise(PART, 1), *whole = malloc(2 * PART + 3);
	struct upload_id ids[3] = {part(a, PART), part("bcd", 3)};
	struct file file;

	ids[2] = ids[0];
	memcpy(whole, a, PART);
	memcpy(whole + PART, "bcd", 3);
	memcpy(whole + PART + 3, a, PART);
	file = engine_concatenate("final", ids, 3);
	ck_assert(file_is_complete(&file));
	ck_assert_uint_eq(file.length, 2 * PART + 3);
	engine_expect(file.num, whole, 2 * PART + 3);
	file_release(&file);
}
END_TEST

START_TEST(a_final_stays_whole_when_its_parts_are_terminated)
{
	SCOPED(scoped_free) uint8_t *a = engine_noise(PART, 2);
	struct upload_id ids[2] = {part(a, PART), part("small", 5)};
	struct file one = engine_concatenate("one", ids, 1);
	struct file two = engine_concatenate("two", ids + 1, 1);

	ck_assert_int_eq(uploads_terminate(engine, ids[0]), 0);
	ck_assert_int_eq(uploads_terminate(engine, ids[1]), 0);
	engine_expect(one.num, a, PART);
	engine_expect(two.num, "small", 5);
	ck_assert_int_eq(uploads_terminate(engine, one.id), 0);
	ck_assert_int_eq(uploads_terminate(engine, two.id), 0);
	file_release(&one);
	file_release(&two);
}
END_TEST

START_TEST(a_part_stays_whole_when_its_final_is_terminated)
{
	SCOPED(scoped_free) uint8_t *a = engine_noise(PART, 3);
	struct upload_id id = part(a, PART);
	struct file file = engine_concatenate("final", &id, 1), there;

	ck_assert_int_eq(uploads_terminate(engine, file.id), 0);
	there = engine_find(id);
	engine_expect(there.num, a, PART);
	file_release(&there);
	file_release(&file);
}
END_TEST

START_TEST(a_final_can_be_asked_for_before_its_parts_are_there)
{
	struct file a = engine_create(FILE_PARTIAL, NULL, 3);
	struct file b = engine_create(FILE_PARTIAL, NULL, PART);
	struct upload_id ids[2] = {a.id, b.id};
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(PART, 4);
	SCOPED(scoped_free) uint8_t *whole = malloc(PART + 3);
	struct file file = engine_concatenate("later", ids, 2), now;

	memcpy(whole, "abc", 3);
	memcpy(whole + 3, bytes, PART);
	ck_assert(!file_is_complete(&file) && file.length_known);
	ck_assert_uint_eq(file.length, PART + 3);

	engine_append(b.id, 0, bytes, 1000);
	now = engine_find(file.id);
	ck_assert_uint_eq(now.offset, 0); /* behind the gap */
	file_release(&now);
	engine_append(a.id, 0, "abc", 3);
	engine_expect(file.num, whole, 1003);
	engine_expect_offset(file.id, 1003);
	engine_append(b.id, 1000, bytes + 1000, PART - 1000);
	now = engine_find(file.id);
	ck_assert(file_is_complete(&now) && now.shown && !now.arriving);
	ck_assert_uint_eq(now.offset, PART + 3);
	engine_expect(file.num, whole, PART + 3);
	file_release(&now);
	file_release(&file);
	file_release(&a);
	file_release(&b);
}
END_TEST

static int concatenate(const struct upload_id *ids, size_t count)
{
	struct upload_request request = {
		.kind = FILE_FINAL,
		.parts = ids,
		.parts_count = count,
	};
	struct file file = {0};
	int r = uploads_create(engine, &request, &file);

	file_release(&file);
	return r;
}

START_TEST(only_partial_uploads_can_be_concatenated)
{
	struct file plain = engine_upload(FILE_PLAIN, "plain", "x", 1);
	struct upload_id id = part("y", 1), ids[2] = {id, {{9}}};
	struct file final = engine_concatenate("final", &id, 1);

	ck_assert_int_eq(concatenate(&plain.id, 1), REFUSED_PART);
	ck_assert_int_eq(concatenate(&final.id, 1), REFUSED_PART);
	ck_assert_int_eq(concatenate(ids, 2), REFUSED_PART);
	ck_assert_int_eq(uploads_terminate(engine, id), 0);
	ck_assert_int_eq(concatenate(&id, 1), REFUSED_PART);
	file_release(&plain);
	file_release(&final);
}
END_TEST

START_TEST(a_final_takes_no_bytes)
{
	struct upload_id id = part("y", 1);
	struct file final = engine_concatenate("final", &id, 1);
	struct upload_append append = {.offset = 1};
	struct upload_writer *writer;

	ck_assert_int_eq(upload_writer_open(engine, final.id, &append, &writer),
			 REFUSED_FINAL);
	file_release(&final);
}
END_TEST

START_TEST(a_repeated_final_is_the_one_made_before)
{
	struct upload_id ids[2] = {part("y", 1), part("z", 1)};
	struct upload_id other[2] = {ids[1], ids[0]};
	struct file a = engine_concatenate("f", ids, 2);
	struct file b = engine_concatenate("f", ids, 2);
	struct file c = engine_concatenate("f", other, 2);
	struct file d = engine_concatenate("g", ids, 2), e;
	struct upload_request absolute = {
		.kind = FILE_FINAL,
		.metadata = engine_metadata("f"),
		.concat = "final;http://...", /* HEAD gives it back as it came */
		.parts = ids,
		.parts_count = 2,
	};

	ck_assert_uint_eq(a.num, b.num);
	ck_assert_uint_ne(a.num, c.num);
	ck_assert_uint_ne(a.num, d.num);
	ck_assert_int_eq(uploads_create(engine, &absolute, &e), 0);
	ck_assert_uint_ne(a.num, e.num);
	file_release(&a);
	file_release(&b);
	file_release(&c);
	file_release(&d);
	file_release(&e);
}
END_TEST

START_TEST(a_thousand_parts_in_one_final)
{
	struct upload_id ids[1000];
	uint8_t whole[1000];
	struct file file;

	for (int i = 0; i < 1000; i++) {
		whole[i] = (uint8_t)i;
		ids[i] = part(&whole[i], 1);
	}
	file = engine_concatenate("many", ids, 1000);
	engine_expect(file.num, whole, 1000);
	file_release(&file);
}
END_TEST

/* Waits until the final can be read as one descriptor. */
static bool becomes_whole(uint64_t num)
{
	for (int i = 0; i < 3000; i++) {
		SCOPED(scoped_upload_reader_close) struct upload_reader *reader = NULL;
		int fd;

		ck_assert_int_eq(upload_reader_open(engine, num, &reader), 0);
		ck_assert_int_eq(upload_reader_whole_fd(reader, &fd), 0);
		if (fd >= 0)
			return true;
		usleep(10000);
	}
	return false;
}

START_TEST(a_compacted_final_is_one_blob_and_its_readers_notice_nothing)
{
	SCOPED(scoped_free) uint8_t *a = engine_noise(3 * PART, 5);
	SCOPED(scoped_free) uint8_t *found = malloc(3 * PART + 2);
	SCOPED(scoped_upload_reader_close) struct upload_reader *reader = NULL;
	struct upload_id ids[3] = {part(a, PART), part(a + PART, PART),
				   part(a + 2 * PART, PART)};
	struct file file = engine_concatenate("final", ids, 3), first;
	size_t got;

	ck_assert_int_eq(uploads_terminate(engine, ids[1]), 0);
	engine_close();
	engine_config.compact = COMPACT_ALWAYS;
	later = 120 * CLOCK_SECOND; /* nobody asks for it again */
	engine_open();
	ck_assert_int_eq(upload_reader_open(engine, file.num, &reader), 0);
	ck_assert_int_eq(uploads_start_threads(engine), 0);
	ck_assert(becomes_whole(file.num));
	engine_expect(file.num, a, 3 * PART);
	ck_assert_int_eq(upload_reader_read(reader, found, 3 * PART + 1, 0, &got), 0);
	ck_assert_uint_eq(got, 3 * PART);
	ck_assert(memcmp(found, a, 3 * PART) == 0);
	first = engine_find(ids[0]);
	engine_expect(first.num, a, PART);
	file_release(&first);
	ck_assert_int_eq(uploads_terminate(engine, file.id), 0);
	file_release(&file);
}
END_TEST

#define MANY 60

/* A final of so many parts that each have a blob. */
static struct file concatenate_many(const uint8_t *bytes)
{
	struct upload_id ids[MANY];

	for (size_t i = 0; i < MANY; i++)
		ids[i] = part(bytes + i, PART);
	return engine_concatenate("many", ids, MANY);
}

static struct upload_reader *read_of(const struct file *file)
{
	struct upload_reader *reader;

	ck_assert_int_eq(upload_reader_open(engine, file->num, &reader), 0);
	return reader;
}

START_TEST(who_reads_a_final_of_many_parts_shares_their_descriptors)
{
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(PART + MANY, 6);
	struct file file = concatenate_many(bytes);
	struct upload_reader *a = read_of(&file), *b = read_of(&file);
	uint8_t byte;
	size_t got;

	ck_assert_int_eq(descriptors_of_blobs(), MANY);
	upload_reader_close(a);
	ck_assert_int_eq(descriptors_of_blobs(), MANY);
	ck_assert_int_eq(uploads_terminate(engine, file.id), 0);
	ck_assert_int_eq(upload_reader_read(b, &byte, 1, 3 * PART, &got), 0);
	ck_assert_int_eq(byte, bytes[3]);
	upload_reader_close(b);
	ck_assert_int_eq(descriptors_of_blobs(), 0);
	file_release(&file);
}
END_TEST

START_TEST(finals_of_many_parts_do_not_take_all_descriptors)
{
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(PART + MANY, 6);
	struct upload_reader *reader, *refused = NULL;
	struct rlimit limit;
	struct file a, b;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = 4 * MANY - 2;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	engine_close();
	engine_open();
	a = concatenate_many(bytes);
	later = 120 * CLOCK_SECOND; /* another one */
	b = concatenate_many(bytes);
	reader = read_of(&a);
	ck_assert_int_eq(upload_reader_open(engine, b.num, &refused), -EMFILE);
	upload_reader_close(reader);
	upload_reader_close(read_of(&b));
	file_release(&a);
	file_release(&b);
}
END_TEST

/* Its answer may have been lost. */
START_TEST(a_final_is_not_compacted_while_it_may_be_asked_for_again)
{
	SCOPED(scoped_free) uint8_t *a = engine_noise(2 * PART, 5);
	struct upload_id ids[2] = {part(a, PART), part(a + PART, PART)};
	struct file file = engine_concatenate("f", ids, 2), again;

	engine_close();
	engine_config.compact = COMPACT_ALWAYS;
	engine_open();
	ck_assert_int_eq(uploads_start_threads(engine), 0);
	usleep(500000);
	again = engine_concatenate("f", ids, 2);
	ck_assert_uint_eq(file.num, again.num);
	file_release(&again);
	file_release(&file);
}
END_TEST

/* As while it is being removed, or in a store that is damaged. */
START_TEST(an_empty_final_that_has_lost_its_parts_is_not_read)
{
	SCOPED(scoped_free) char *path = temp_dir_join("catalog.db");
	struct upload_id id = part("", 0);
	struct file final = engine_concatenate("empty", &id, 1);
	struct upload_reader *reader;
	sqlite3 *db;

	engine_expect(final.num, "", 0);
	ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, "DELETE FROM segment", NULL, NULL, NULL),
			 SQLITE_OK);
	ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
	ck_assert_int_eq(upload_reader_open(engine, final.num, &reader), REFUSED_GONE);
	file_release(&final);
}
END_TEST

START_TEST(max_size_bounds_a_final_whose_parts_get_their_length_late)
{
	struct upload_request late = {.kind = FILE_PARTIAL};
	struct file a = engine_upload(FILE_PARTIAL, NULL, "abcdefgh", 8), b, final;
	struct upload_append append = {.declares_length = true, .length = 5};
	struct upload_writer *writer;
	struct upload_id parts[2] = {a.id};

	engine_close();
	engine_config.max_size = 12;
	engine_open();
	ck_assert_int_eq(uploads_create(engine, &late, &b), 0);
	parts[1] = b.id;
	final = engine_concatenate("final", parts, 2);
	ck_assert_int_eq(upload_writer_open(engine, b.id, &append, &writer),
			 REFUSED_TOO_LARGE);
	append.length = 4;
	ck_assert_int_eq(upload_writer_open(engine, b.id, &append, &writer), 0);
	ck_assert_int_eq(upload_writer_put(writer, "ijkl", 4), 0);
	engine_commit(writer, 4);
	engine_expect(final.num, "abcdefghijkl", 12);
	file_release(&a);
	file_release(&b);
	file_release(&final);
}
END_TEST

START_TEST(max_size_bounds_a_final_whose_parts_get_their_lengths_at_once)
{
	struct upload_request late = {.kind = FILE_PARTIAL};
	struct upload_append append = {.declares_length = true, .length = 7};
	struct upload_writer *writers[2];
	struct file files[2], final, file = {0};
	struct upload_id parts[2];

	engine_close();
	engine_config.max_size = 12;
	engine_open();
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(uploads_create(engine, &late, &files[i]), 0);
		parts[i] = files[i].id;
	}
	final = engine_concatenate("final", parts, 2);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(
			upload_writer_open(engine, parts[i], &append, &writers[i]), 0);
		ck_assert_int_eq(upload_writer_put(writers[i], "abcdefg", 7), 0);
	}
	engine_commit(writers[0], 7);
	ck_assert_int_eq(upload_writer_commit(writers[1], NULL, &file),
			 REFUSED_TOO_LARGE);
	upload_writer_free(writers[1]);
	for (int i = 0; i < 2; i++)
		file_release(&files[i]);
	file_release(&final);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		an_empty_final_that_has_lost_its_parts_is_not_read,
		max_size_bounds_a_final_whose_parts_get_their_length_late,
		max_size_bounds_a_final_whose_parts_get_their_lengths_at_once,
		a_final_is_its_parts_in_order_one_of_them_twice,
		a_final_stays_whole_when_its_parts_are_terminated,
		a_part_stays_whole_when_its_final_is_terminated,
		a_final_can_be_asked_for_before_its_parts_are_there,
		only_partial_uploads_can_be_concatenated,
		a_final_takes_no_bytes,
		a_repeated_final_is_the_one_made_before,
		a_thousand_parts_in_one_final,
		a_compacted_final_is_one_blob_and_its_readers_notice_nothing,
		who_reads_a_final_of_many_parts_shares_their_descriptors,
		finals_of_many_parts_do_not_take_all_descriptors,
		a_final_is_not_compacted_while_it_may_be_asked_for_again,
	};

	return RUN_TESTS(tests, engine_setup, engine_teardown);
}
