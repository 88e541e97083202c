/* The life of a plain upload: create, append, read, terminate. */
#include "engine.h"
#include "run.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

START_TEST(a_small_upload_can_be_created_with_its_bytes_at_once)
{
	struct upload_request request = {
		.kind = FILE_PLAIN,
		.length_known = true,
		.length = 5,
		.body = "hello",
		.body_size = 5,
	};
	struct file file;

	ck_assert_int_eq(uploads_create(engine, &request, &file), 0);
	ck_assert(file_is_complete(&file));
	ck_assert(file.shown);
	ck_assert_uint_eq(file.arriving, 0);
	ck_assert(file.has_sha256);
	engine_expect(file.num, "hello", 5);
	file_release(&file);
}
END_TEST

START_TEST(an_empty_upload_is_complete_when_it_is_created)
{
	struct file file = engine_create(FILE_PLAIN, "empty", 0);

	ck_assert(file_is_complete(&file));
	engine_expect(file.num, "", 0);
	file_release(&file);
}
END_TEST

static void upload_in_steps(uint64_t size, size_t step)
{
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(size, 1);
	struct file file = engine_create(FILE_PLAIN, "steps", size);
	uint64_t offset = 0;

	while (offset < size) {
		size_t n = size - offset < step ? size - offset : step;

		engine_append(file.id, offset, bytes + offset, n);
		offset += n;
		engine_expect(file.num, bytes, offset);
	}
	ck_assert_uint_eq(file.arriving, 1);
	file_release(&file);
	ck_assert_int_eq(uploads_lookup(engine, FILE_NUM_TREE, "steps", &file), 0);
	ck_assert(file_is_complete(&file) && file.shown && !file.arriving);
	file_release(&file);
}

START_TEST(bytes_appended_in_steps_read_back_as_far_as_they_have_come)
{
	upload_in_steps(100, 7);
	engine_close();
	engine_open();
}
END_TEST

START_TEST(a_large_upload_in_odd_steps_is_whole)
{
	upload_in_steps(3 * 1000 * 1000, 700001);
}
END_TEST

START_TEST(pieces_of_every_size_are_gathered_in_order)
{
	size_t size = 2000000, at = 0, piece = 1;
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(size, 2);
	struct file file = engine_create(FILE_PLAIN, "pieces", size), done;
	struct upload_append append = {.size_known = true, .size = size};
	struct upload_writer *writer;

	ck_assert_int_eq(upload_writer_open(engine, file.id, &append, &writer), 0);
	while (at < size) {
		size_t n = size - at < piece ? size - at : piece;

		ck_assert_int_eq(upload_writer_put(writer, bytes + at, n), 0);
		at += n;
		piece = piece * 7 % 300007;
	}
	ck_assert_int_eq(upload_writer_commit(writer, NULL, &done), 0);
	ck_assert(file_is_complete(&done));
	upload_writer_free(writer);
	engine_expect(file.num, bytes, size);
	file_release(&file);
	file_release(&done);
}
END_TEST

static int try_open(struct upload_id id, struct upload_append append)
{
	struct upload_writer *writer = NULL;
	int r = upload_writer_open(engine, id, &append, &writer);

	upload_writer_free(writer);
	return r;
}

START_TEST(append_refuses_a_stale_offset_and_what_does_not_fit)
{
	struct file file = engine_create(FILE_PLAIN, "x", 100000);
	struct upload_id nobody = {{1}};

	engine_append(file.id, 0, "0123456789", 10);
	ck_assert_int_eq(try_open(file.id, (struct upload_append){.offset = 9}),
			 REFUSED_OFFSET);
	ck_assert_int_eq(try_open(file.id, (struct upload_append){.offset = 10,
								  .size_known = true,
								  .size = 99991}),
			 REFUSED_TOO_LARGE);
	ck_assert_int_eq(try_open(file.id, (struct upload_append){.offset = 10,
								  .size_known = true,
								  .size = INT64_MAX}),
			 REFUSED_TOO_LARGE);
	ck_assert_int_eq(
		try_open(file.id, (struct upload_append){.offset = 10,
							 .declares_length = true,
							 .length = 5}),
		REFUSED_LENGTH);
	ck_assert_int_eq(try_open(nobody, (struct upload_append){0}),
			 REFUSED_NOT_FOUND);
	file_release(&file);
	file = engine_create(FILE_PLAIN, NULL, 10);
	ck_assert_int_eq(try_open(file.id, (struct upload_append){.size_known = true,
								  .size = 11}),
			 REFUSED_TOO_LARGE);
	file_release(&file);
}
END_TEST

static void append_too_much(uint64_t length)
{
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(length + 10, 3);
	struct file file = engine_create(FILE_PLAIN, "over", length), cut;
	struct upload_append append = {0};
	struct upload_writer *writer;

	ck_assert_int_eq(upload_writer_open(engine, file.id, &append, &writer), 0);
	ck_assert_int_eq(upload_writer_put(writer, bytes, length - 1), 0);
	ck_assert_int_eq(upload_writer_put(writer, bytes + length - 1, 11),
			 REFUSED_TOO_LARGE);
	ck_assert_int_eq(upload_writer_cut(writer, &cut), 0);
	ck_assert_uint_eq(cut.offset, length);
	ck_assert(file_is_complete(&cut));
	upload_writer_free(writer);
	engine_expect(file.num, bytes, length);
	file_release(&file);
	file_release(&cut);
}

START_TEST(nothing_is_stored_past_the_end)
{
	append_too_much(100);
	append_too_much(100000);
}
END_TEST

START_TEST(a_forgotten_writer_keeps_what_came)
{
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(50000, 4);
	struct file file = engine_create(FILE_PLAIN, "cut", 100000), now;
	struct upload_append append = {0};
	struct upload_writer *writer;

	ck_assert_int_eq(upload_writer_open(engine, file.id, &append, &writer), 0);
	ck_assert_int_eq(upload_writer_put(writer, bytes, 50000), 0);
	upload_writer_free(writer);
	now = engine_find(file.id);
	ck_assert_uint_eq(now.offset, 50000);
	engine_expect(file.num, bytes, 50000);
	file_release(&now);
	file_release(&file);
}
END_TEST

START_TEST(a_length_can_come_late_but_not_change)
{
	struct upload_request request = {.kind = FILE_PLAIN};
	struct upload_append append = {0};
	struct upload_writer *writer;
	struct file file, now;

	ck_assert_int_eq(uploads_create(engine, &request, &file), 0);
	ck_assert(!file.length_known);
	engine_append(file.id, 0, "abc", 3);
	append = (struct upload_append){
		.offset = 3, .declares_length = true, .length = 2};
	ck_assert_int_eq(try_open(file.id, append), REFUSED_LENGTH);
	append.length = 4;
	ck_assert_int_eq(upload_writer_open(engine, file.id, &append, &writer), 0);
	ck_assert_int_eq(upload_writer_commit(writer, NULL, &now), 0);
	upload_writer_free(writer);
	ck_assert(now.length_known && now.length == 4 && !file_is_complete(&now));
	file_release(&now);
	append.length = 5;
	ck_assert_int_eq(try_open(file.id, append), REFUSED_LENGTH);
	engine_append(file.id, 3, "d", 1);
	now = engine_find(file.id);
	ck_assert(file_is_complete(&now));
	engine_expect(file.num, "abcd", 4);
	file_release(&now);
	file_release(&file);
}
END_TEST

START_TEST(a_complete_upload_takes_an_empty_append_and_no_byte)
{
	struct file file = engine_upload(FILE_PLAIN, "done", "hello", 5), now;
	struct upload_append append = {.offset = 5};
	struct upload_writer *writer;

	ck_assert_int_eq(upload_writer_open(engine, file.id, &append, &writer), 0);
	ck_assert_int_eq(upload_writer_commit(writer, NULL, &now), 0);
	upload_writer_free(writer);
	ck_assert_uint_eq(now.offset, 5);
	file_release(&now);
	ck_assert_int_eq(upload_writer_open(engine, file.id, &append, &writer), 0);
	ck_assert_int_eq(upload_writer_put(writer, "!", 1), REFUSED_TOO_LARGE);
	upload_writer_free(writer);
	engine_expect(file.num, "hello", 5);
	file_release(&file);
}
END_TEST

/* Also when it comes so late that an append would be committed on its way. */
START_TEST(a_complete_large_upload_takes_no_late_byte)
{
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(100000, 6);
	struct file file = engine_upload(FILE_PLAIN, "done", bytes, 100000);
	struct upload_append append = {.offset = 100000};
	struct upload_writer *writer;

	ck_assert_int_eq(upload_writer_open(engine, file.id, &append, &writer), 0);
	usleep(1100000);
	ck_assert_int_eq(upload_writer_put(writer, "!", 1), REFUSED_TOO_LARGE);
	upload_writer_free(writer);
	engine_expect(file.num, bytes, 100000);
	file_release(&file);
}
END_TEST

START_TEST(a_blob_that_cannot_be_removed_does_not_keep_the_others)
{
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(100000, 6);
	struct file first = engine_upload(FILE_PLAIN, "first", bytes, 100000);
	struct file second = engine_upload(FILE_PLAIN, "second", bytes, 100000);
	SCOPED(scoped_free) char *kept = engine_blob_path(first.num);
	SCOPED(scoped_free) char *removed = engine_blob_path(second.num);

	ck_assert_int_eq(unlink(kept), 0);
	ck_assert_int_eq(mkdir(kept, 0755), 0); /* which unlink() does not remove */
	ck_assert_int_eq(uploads_terminate(engine, first.id), 0);
	ck_assert_int_eq(uploads_terminate(engine, second.id), 0);
	ck_assert_int_lt(uploads_clean(engine), 0);
	ck_assert_int_lt(access(removed, F_OK), 0);
	ck_assert_int_eq(rmdir(kept), 0);
	ck_assert_int_eq(uploads_clean(engine), 0);
	file_release(&first);
	file_release(&second);
}
END_TEST

static void terminate_under_a_reader(size_t size)
{
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(size, 5);
	SCOPED(scoped_free) uint8_t *found = malloc(size);
	SCOPED(scoped_upload_reader_close) struct upload_reader *reader = NULL;
	struct file file = engine_upload(FILE_PLAIN, "gone", bytes, size), now;
	size_t got;

	ck_assert_int_eq(upload_reader_open(engine, file.num, &reader), 0);
	ck_assert_int_eq(uploads_terminate(engine, file.id), 0);
	ck_assert_int_eq(uploads_terminate(engine, file.id), REFUSED_GONE);
	engine_expect_gone(file.id);
	ck_assert_int_eq(uploads_stat(engine, file.num, &now), REFUSED_NOT_FOUND);
	ck_assert_int_eq(uploads_lookup(engine, FILE_NUM_TREE, "gone", &now),
			 REFUSED_NOT_FOUND);
	ck_assert_int_eq(upload_reader_read(reader, found, size, 0, &got), 0);
	ck_assert_uint_eq(got, size);
	ck_assert(memcmp(found, bytes, size) == 0);
	file_release(&file);
}

START_TEST(a_terminated_upload_is_gone_but_not_under_a_reader)
{
	terminate_under_a_reader(10);
	terminate_under_a_reader(100000);
}
END_TEST

/* The first append takes what is known of the creation; what came in between counts. */
START_TEST(a_first_append_sees_what_happened_since_the_creation)
{
	struct file gone = engine_create(FILE_PLAIN, "gone", 100000);
	struct file other = engine_create(FILE_PLAIN, "other", 100000);

	ck_assert_int_eq(uploads_terminate(engine, gone.id), 0);
	ck_assert_int_eq(try_open(gone.id, (struct upload_append){0}), REFUSED_GONE);
	engine_append(other.id, 0, "some", 4);
	ck_assert_int_eq(try_open(other.id, (struct upload_append){0}), REFUSED_OFFSET);
	file_release(&gone);
	file_release(&other);
}
END_TEST

START_TEST(sizes_over_the_maximum_are_refused)
{
	struct upload_request request = {
		.kind = FILE_PLAIN,
		.length_known = true,
		.length = 1001,
	};
	struct file file;

	engine_close();
	engine_config.max_size = 1000;
	engine_open();
	ck_assert_int_eq(uploads_create(engine, &request, &file), REFUSED_TOO_LARGE);
	request.length_known = false;
	ck_assert_int_eq(uploads_create(engine, &request, &file), 0);
	ck_assert_int_eq(try_open(file.id, (struct upload_append){.size_known = true,
								  .size = 1001}),
			 REFUSED_TOO_LARGE);
	ck_assert_int_eq(
		try_open(file.id, (struct upload_append){.declares_length = true,
							 .length = 1001}),
		REFUSED_TOO_LARGE);
	file_release(&file);
	request = (struct upload_request){
		.kind = FILE_PLAIN, .length_known = true, .length = INT64_MAX};
	engine_close();
	engine_config.max_size = 0;
	engine_open();
	ck_assert_int_eq(uploads_create(engine, &request, &file), REFUSED_NO_SPACE);
}
END_TEST

START_TEST(a_complete_large_upload_is_one_descriptor_of_just_its_size)
{
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(100000, 6);
	SCOPED(scoped_upload_reader_close) struct upload_reader *reader = NULL;
	struct file file = engine_upload(FILE_PLAIN, "whole", bytes, 100000);
	struct upload_extent extent;
	int fd;

	ck_assert_int_eq(upload_reader_open(engine, file.num, &reader), 0);
	ck_assert_int_eq(upload_reader_whole_fd(reader, &fd), 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(upload_reader_extent(reader, 10, &extent), 0);
	ck_assert_uint_eq(extent.length, 99990);
	ck_assert_uint_eq(extent.fd_offset, 10);
	ck_assert_int_eq(upload_reader_extent(reader, 100000, &extent),
			 REFUSED_NOT_FOUND);
	file_release(&file);
}
END_TEST

/* Bytes that were committed behind what a reader last looked at. */
START_TEST(whoever_has_a_removed_upload_open_reads_to_where_it_had_come)
{
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(100000, 7);
	SCOPED(scoped_free) uint8_t *found = malloc(100000);
	const size_t sizes[] = {20, 100000}; /* in the catalog, and in a blob */

	for (size_t i = 0; i < 2; i++) {
		SCOPED(scoped_upload_reader_close) struct upload_reader *reader = NULL;
		struct file file = engine_create(FILE_PLAIN, "x", sizes[i]);
		size_t came = sizes[i] / 2, got;

		engine_append(file.id, 0, bytes, came / 2);
		ck_assert_int_eq(upload_reader_open(engine, file.num, &reader), 0);
		engine_append(file.id, came / 2, bytes + came / 2, came - came / 2);
		ck_assert_int_eq(uploads_terminate(engine, file.id), 0);
		ck_assert_int_eq(upload_reader_read(reader, found, sizes[i], 0, &got),
				 0);
		ck_assert_uint_eq(got, came);
		ck_assert(memcmp(found, bytes, came) == 0);
		file_release(&file);
	}
}
END_TEST

static void expect_after_a_pause(uint64_t length, bool checked, uint64_t offset)
{
	struct upload_append append = {.checked = checked, .algorithm = DIGEST_SHA1};
	struct file file = engine_create(FILE_PLAIN, "x", length);
	struct upload_writer *writer;
	int patience;

	ck_assert_int_eq(upload_writer_open(engine, file.id, &append, &writer), 0);
	ck_assert_int_lt(upload_writer_patience(writer), 0); /* there is nothing */
	ck_assert_int_eq(upload_writer_put(writer, "0123456789", 10), 0);
	patience = upload_writer_patience(writer);
	ck_assert_int_le(patience, 1001);
	ck_assert_int_eq(patience < 0, checked);
	if (patience > 0)
		usleep((useconds_t)patience * 1000);
	ck_assert_int_eq(upload_writer_idle(writer), 0);
	ck_assert_int_lt(upload_writer_patience(writer), 0);
	engine_expect_offset(file.id, offset);
	upload_writer_free(writer);
	file_release(&file);
}

START_TEST(what_came_before_a_pause_is_committed_unless_a_checksum_decides)
{
	expect_after_a_pause(100, false, 10);
	expect_after_a_pause(100000, false, 10);
	expect_after_a_pause(100000, true, 0);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		a_small_upload_can_be_created_with_its_bytes_at_once,
		an_empty_upload_is_complete_when_it_is_created,
		bytes_appended_in_steps_read_back_as_far_as_they_have_come,
		a_large_upload_in_odd_steps_is_whole,
		pieces_of_every_size_are_gathered_in_order,
		append_refuses_a_stale_offset_and_what_does_not_fit,
		nothing_is_stored_past_the_end,
		a_forgotten_writer_keeps_what_came,
		a_length_can_come_late_but_not_change,
		a_complete_upload_takes_an_empty_append_and_no_byte,
		a_complete_large_upload_takes_no_late_byte,
		a_blob_that_cannot_be_removed_does_not_keep_the_others,
		a_terminated_upload_is_gone_but_not_under_a_reader,
		whoever_has_a_removed_upload_open_reads_to_where_it_had_come,
		what_came_before_a_pause_is_committed_unless_a_checksum_decides,
		a_first_append_sees_what_happened_since_the_creation,
		sizes_over_the_maximum_are_refused,
		a_complete_large_upload_is_one_descriptor_of_just_its_size,
	};

	return RUN_TESTS(tests, engine_setup, engine_teardown);
}
