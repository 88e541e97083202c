#include "engine.h"
#include "fuse_client.h"
#include "run.h"

#include "tusfs/store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static void expect_bytes(uint64_t ino, uint64_t handle, uint64_t offset,
			 const char *expected)
{
	char bytes[256];
	size_t got = fuse_read(ino, handle, offset, bytes, sizeof(bytes));

	ck_assert_uint_eq(got, strlen(expected));
	ck_assert_mem_eq(bytes, expected, got);
}

START_TEST(a_growing_file_is_read_as_far_as_it_is_committed)
{
	SCOPED(file_release) struct file file = engine_create(FILE_PLAIN, "a", 9);
	struct fuse_open_out open;

	ck_assert_int_eq(fuse_open(file.num, O_RDONLY, &open), 0);
	ck_assert(open.open_flags & FOPEN_DIRECT_IO);
	expect_bytes(file.num, open.fh, 0, "");
	engine_append(file.id, 0, "abc", 3);
	expect_bytes(file.num, open.fh, 0, "abc");
	expect_bytes(file.num, open.fh, 2, "c");
	engine_append(file.id, 3, "defghi", 6);
	expect_bytes(file.num, open.fh, 3, "defghi");
	expect_bytes(file.num, open.fh, 9, "");
	fuse_close(file.num, open.fh);
}
END_TEST

START_TEST(a_complete_file_is_cached_for_good)
{
	SCOPED(file_release)
	struct file file = engine_upload(FILE_PLAIN, "a", "content", 7);
	struct fuse_open_out open;

	ck_assert_int_eq(fuse_open(file.num, O_RDONLY, &open), 0);
	ck_assert(open.open_flags & FOPEN_KEEP_CACHE);
	ck_assert(!(open.open_flags & FOPEN_DIRECT_IO));
	expect_bytes(file.num, open.fh, 0, "content");
	fuse_close(file.num, open.fh);
}
END_TEST

START_TEST(nothing_can_be_opened_for_writing)
{
	static const int flags[] = {O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC};
	SCOPED(file_release)
	struct file file = engine_upload(FILE_PLAIN, "a", "content", 7);
	struct fuse_open_out open;

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		ck_assert_int_eq(fuse_open(file.num, flags[i], &open), EROFS);
}
END_TEST

START_TEST(folders_and_links_cannot_be_opened_as_files)
{
	SCOPED(file_release)
	struct file file = engine_upload(FILE_PLAIN, "a", "content", 7);
	char id[UPLOAD_ID_DIGITS + 1];
	struct fuse_open_out open;

	upload_id_format(file.id, id);
	ck_assert_int_eq(fuse_open(at_complete, O_RDONLY, &open), EISDIR);
	ck_assert_int_eq(fuse_open(at_incoming, O_RDONLY, &open), EISDIR);
	ck_assert_int_eq(fuse_open(fuse_ino(at_by_id, id), O_RDONLY, &open), EISDIR);
	ck_assert_int_eq(fuse_open(4711, O_RDONLY, &open), ENOENT);
}
END_TEST

START_TEST(a_removed_file_stays_for_those_who_have_it_open)
{
	SCOPED(file_release)
	struct file file = engine_upload(FILE_PLAIN, "a", "content", 7);
	struct fuse_open_out open, again;
	struct fuse_attr attr;

	ck_assert_int_eq(fuse_open(file.num, O_RDONLY, &open), 0);
	ck_assert_int_eq(uploads_terminate(engine, file.id), 0);
	expect_bytes(file.num, open.fh, 0, "content");
	ck_assert_int_eq(fuse_stat(file.num, &attr), 0);
	ck_assert_uint_eq(attr.nlink, 0);
	ck_assert_uint_eq(attr.size, 7);
	ck_assert_int_eq(fuse_open(file.num, O_RDONLY, &again), 0);
	fuse_close(file.num, open.fh);
	expect_bytes(file.num, again.fh, 0, "content");
	fuse_close(file.num, again.fh);
	ck_assert_int_eq(fuse_open(file.num, O_RDONLY, &again), ENOENT);
	ck_assert_int_eq(fuse_stat(file.num, &attr), ENOENT);
}
END_TEST

START_TEST(a_removed_file_is_as_long_as_it_was_last_seen)
{
	SCOPED(file_release) struct file file = engine_create(FILE_PLAIN, "a", 9);
	struct fuse_open_out open;
	struct fuse_attr attr;

	ck_assert_int_eq(fuse_open(file.num, O_RDONLY, &open), 0);
	engine_append(file.id, 0, "abc", 3);
	ck_assert_int_eq(fuse_stat(file.num, &attr), 0);
	ck_assert_uint_eq(attr.size, 3);
	ck_assert_int_eq(uploads_terminate(engine, file.id), 0);
	ck_assert_int_eq(fuse_stat(file.num, &attr), 0);
	ck_assert_uint_eq(attr.size, 3);
	fuse_close(file.num, open.fh);
}
END_TEST

START_TEST(a_removed_file_is_as_long_as_what_was_read_of_it)
{
	SCOPED(file_release) struct file file = engine_create(FILE_PLAIN, "a", 9);
	struct fuse_open_out open;
	struct fuse_attr attr;

	ck_assert_int_eq(fuse_open(file.num, O_RDONLY, &open), 0);
	engine_append(file.id, 0, "abc", 3);
	expect_bytes(file.num, open.fh, 0, "abc");
	ck_assert_int_eq(uploads_terminate(engine, file.id), 0);
	ck_assert_int_eq(fuse_stat(file.num, &attr), 0);
	ck_assert_uint_eq(attr.size, 3);
	fuse_close(file.num, open.fh);
}
END_TEST

START_TEST(a_file_that_finished_while_open_and_unread_outlives_its_name)
{
	SCOPED(file_release) struct file file = engine_create(FILE_PLAIN, "a", 9);
	struct fuse_open_out open;
	struct fuse_attr attr;

	ck_assert_int_eq(fuse_open(file.num, O_RDONLY, &open), 0);
	engine_append(file.id, 0, "abcdefghi", 9);
	ck_assert_int_eq(uploads_terminate(engine, file.id), 0);
	ck_assert_int_eq(fuse_stat(file.num, &attr), 0);
	ck_assert_uint_eq(attr.size, 9);
	expect_bytes(file.num, open.fh, 0, "abcdefghi");
	fuse_close(file.num, open.fh);
}
END_TEST

START_TEST(a_final_is_read_across_its_parts)
{
	SCOPED(file_release)
	struct file one = engine_upload(FILE_PARTIAL, NULL, "abc", 3);
	SCOPED(file_release)
	struct file two = engine_upload(FILE_PARTIAL, NULL, "defg", 4);
	struct upload_id parts[] = {two.id, one.id, two.id};
	SCOPED(file_release) struct file whole = engine_concatenate("whole", parts, 3);
	struct fuse_open_out open;

	ck_assert_uint_eq(fuse_ino(at_complete, "whole"), whole.num);
	ck_assert_int_eq(fuse_open(whole.num, O_RDONLY, &open), 0);
	expect_bytes(whole.num, open.fh, 0, "defgabcdefg");
	expect_bytes(whole.num, open.fh, 5, "bcdefg");
	fuse_close(whole.num, open.fh);
}
END_TEST

static int open_error; /* what blob_open() fails with; 0: it does not */

int __real_blob_open(struct store *store, uint64_t num, struct blob **blob);
int __wrap_blob_open(struct store *store, uint64_t num, struct blob **blob);

int __wrap_blob_open(struct store *store, uint64_t num, struct blob **blob)
{
	return open_error ? open_error : __real_blob_open(store, num, blob);
}

/* EMFILE would be about the program that opens it. */
START_TEST(that_the_daemon_has_too_many_files_open_is_told_as_such)
{
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(100000, 1);
	SCOPED(file_release)
	struct file file = engine_upload(FILE_PLAIN, "a", bytes, 100000);
	struct fuse_open_out open;

	open_error = -EMFILE;
	ck_assert_int_eq(fuse_open(file.num, O_RDONLY, &open), ENFILE);
	open_error = 0;
	ck_assert_int_eq(fuse_open(file.num, O_RDONLY, &open), 0);
	fuse_close(file.num, open.fh);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		a_growing_file_is_read_as_far_as_it_is_committed,
		a_complete_file_is_cached_for_good,
		nothing_can_be_opened_for_writing,
		folders_and_links_cannot_be_opened_as_files,
		a_removed_file_stays_for_those_who_have_it_open,
		a_removed_file_is_as_long_as_it_was_last_seen,
		a_removed_file_is_as_long_as_what_was_read_of_it,
		a_file_that_finished_while_open_and_unread_outlives_its_name,
		a_final_is_read_across_its_parts,
		that_the_daemon_has_too_many_files_open_is_told_as_such,
	};

	return RUN_TESTS(tests, fuse_client_setup, fuse_client_teardown);
}
