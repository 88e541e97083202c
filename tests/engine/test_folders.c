/* mv, mkdir, rmdir and rm in complete/, attributes, and listings. */
#include "engine.h"
#include "run.h"

#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

static uint64_t make(uint64_t folder, const char *name)
{
	struct file file;
	uint64_t num;

	ck_assert_int_eq(uploads_make_folder(engine, folder, name, &file), 0);
	num = file.num;
	file_release(&file);
	return num;
}

static int move(uint64_t from, const char *name, uint64_t to, const char *new_name)
{
	struct upload_rename request = {from, to, name, new_name, .num = 0};
	struct file there = {0};
	uint64_t replaced;

	if (!uploads_lookup(engine, from, name, &there))
		request.num = there.num;
	file_release(&there);
	if (!uploads_lookup(engine, to, new_name, &there))
		request.seen = there.num;
	file_release(&there);
	return uploads_rename(engine, &request, &replaced);
}

static int look(uint64_t folder, const char *name)
{
	struct file file = {0};
	int r = uploads_lookup(engine, folder, name, &file);

	file_release(&file);
	return r;
}

START_TEST(a_move_keeps_number_id_and_bytes)
{
	struct file file = engine_upload(FILE_PLAIN, "a", "abc", 3), now;
	uint64_t folder = make(FILE_NUM_TREE, "f");

	ck_assert_int_eq(move(FILE_NUM_TREE, "a", folder, "b"), 0);
	ck_assert_int_eq(look(FILE_NUM_TREE, "a"), REFUSED_NOT_FOUND);
	ck_assert_int_eq(uploads_lookup(engine, folder, "b", &now), 0);
	ck_assert_uint_eq(now.num, file.num);
	file_release(&now);
	now = engine_find(file.id);
	ck_assert_str_eq(now.name.text, "b");
	engine_expect(file.num, "abc", 3);
	file_release(&now);
	file_release(&file);
}
END_TEST

START_TEST(a_move_over_a_file_terminates_it_if_it_was_seen)
{
	struct file a = engine_upload(FILE_PLAIN, "a", "a", 1);
	struct file b = engine_upload(FILE_PLAIN, "b", "b", 1);
	struct upload_rename request = {FILE_NUM_TREE, FILE_NUM_TREE, "a", "b",
					.num = a.num};
	uint64_t replaced;

	ck_assert_int_eq(uploads_rename(engine, &request, &replaced), REFUSED_EXISTS);
	request.seen = b.num;
	request.num = b.num; /* something else than was seen is not moved */
	ck_assert_int_eq(uploads_rename(engine, &request, &replaced),
			 REFUSED_NOT_FOUND);
	request.num = a.num;
	ck_assert_int_eq(uploads_rename(engine, &request, &replaced), 0);
	ck_assert_uint_eq(replaced, b.num);
	engine_expect_gone(b.id);
	file_release(&a);
	file_release(&b);
}
END_TEST

START_TEST(a_name_that_an_arriving_upload_will_take_cannot_be_taken)
{
	struct file a = engine_upload(FILE_PLAIN, "a", "a", 1);
	struct file b = engine_create(FILE_PLAIN, "b", 1), made;

	ck_assert_int_eq(move(FILE_NUM_TREE, "a", FILE_NUM_TREE, "b"), REFUSED_EXISTS);
	ck_assert_int_eq(uploads_make_folder(engine, FILE_NUM_TREE, "b", &made),
			 REFUSED_EXISTS);
	ck_assert_int_eq(move(FILE_NUM_TREE, "b", FILE_NUM_TREE, "c"),
			 REFUSED_NOT_FOUND);
	file_release(&a);
	file_release(&b);
}
END_TEST

START_TEST(folders_move_with_what_is_in_them_but_not_into_themselves)
{
	struct file file = engine_upload(FILE_PLAIN, "x", "x", 1);
	uint64_t a = make(FILE_NUM_TREE, "a"), b = make(a, "b");
	SCOPED(scoped_free) char *path = NULL;

	ck_assert_int_eq(move(FILE_NUM_TREE, "x", b, "x"), 0);
	ck_assert_int_eq(move(FILE_NUM_TREE, "a", b, "c"), REFUSED_INVALID);
	ck_assert_int_eq(move(FILE_NUM_TREE, "a", a, "c"), REFUSED_INVALID);
	ck_assert_int_eq(move(a, "b", FILE_NUM_TREE, "c"), 0);
	ck_assert_int_eq(uploads_tree_path(engine, file.num, &path), 0);
	ck_assert_str_eq(path, "c/x");
	ck_assert_int_eq(uploads_remove_folder(engine, FILE_NUM_TREE, "c"),
			 REFUSED_NOT_EMPTY);
	ck_assert_int_eq(uploads_remove_folder(engine, FILE_NUM_TREE, "a"), 0);
	ck_assert_int_eq(look(FILE_NUM_TREE, "a"), REFUSED_NOT_FOUND);
	file_release(&file);
}
END_TEST

START_TEST(who_reads_what_a_rename_replaces_reads_on)
{
	SCOPED(scoped_free) uint8_t *noise = engine_noise(40000, 1);
	SCOPED(scoped_upload_reader_close) struct upload_reader *reader = NULL;
	struct file x = engine_create(FILE_PLAIN, "x", 40000);
	struct file y = engine_upload(FILE_PLAIN, "y", "yyy", 3);
	struct upload_rename request = {FILE_NUM_TREE, FILE_NUM_TREE, "y",
					"x",	       y.num,	      x.num};
	uint8_t got[40000];
	uint64_t replaced;
	size_t count;

	engine_append(x.id, 0, noise, 20000);
	ck_assert_int_eq(upload_reader_open(engine, x.num, &reader), 0);
	engine_append(x.id, 20000, noise + 20000, 20000);
	ck_assert_int_eq(uploads_rename(engine, &request, &replaced), 0);
	ck_assert_int_eq(upload_reader_read(reader, got, sizeof(got), 0, &count), 0);
	ck_assert(count == sizeof(got) && memcmp(got, noise, count) == 0);
	file_release(&x);
	file_release(&y);
}
END_TEST

START_TEST(renames_between_files_and_folders_follow_rename_2)
{
	struct file file = engine_upload(FILE_PLAIN, "file", "x", 1);
	uint64_t full = make(FILE_NUM_TREE, "full");

	make(full, "in");
	make(FILE_NUM_TREE, "empty");
	ck_assert_int_eq(move(FILE_NUM_TREE, "file", FILE_NUM_TREE, "empty"),
			 REFUSED_IS_FOLDER);
	ck_assert_int_eq(move(FILE_NUM_TREE, "empty", FILE_NUM_TREE, "file"),
			 REFUSED_NOT_FOLDER);
	ck_assert_int_eq(move(FILE_NUM_TREE, "empty", FILE_NUM_TREE, "full"),
			 REFUSED_NOT_EMPTY);
	ck_assert_int_eq(move(FILE_NUM_TREE, "full", FILE_NUM_TREE, "empty"), 0);
	ck_assert_int_eq(move(FILE_NUM_TREE, "file", FILE_NUM_TREE, "file"), 0);
	ck_assert_int_eq(uploads_remove_folder(engine, FILE_NUM_TREE, "file"),
			 REFUSED_NOT_FOLDER);
	file_release(&file);
}
END_TEST

static bool collect(void *arg, const struct file *file)
{
	char *text = arg;

	strcat(strcat(text, file->name.text), " ");
	return true;
}

static void expect_list(enum uploads_view view, uint64_t folder, uint64_t after,
			const char *expected)
{
	char text[1000] = "";

	ck_assert_int_eq(uploads_list(engine, view, folder, after, collect, text), 0);
	ck_assert_str_eq(text, expected);
}

START_TEST(each_view_lists_its_own_in_the_order_of_numbers)
{
	struct file a = engine_upload(FILE_PLAIN, "zz", "x", 1);
	struct file b = engine_create(FILE_PLAIN, "yy", 1);
	struct file c = engine_upload(FILE_PLAIN, "xx", "x", 1);

	make(FILE_NUM_TREE, "folder");
	expect_list(VIEW_COMPLETE, FILE_NUM_TREE, 0, "zz xx folder ");
	expect_list(VIEW_COMPLETE, FILE_NUM_TREE, a.num, "xx folder ");
	expect_list(VIEW_INCOMING, FILE_NUM_TREE, 0, "yy ");
	expect_list(VIEW_ALL, 0, 0, "zz yy xx ");
	file_release(&a);
	file_release(&b);
	file_release(&c);
}
END_TEST

START_TEST(rm_terminates_in_any_state_but_no_folder)
{
	struct file a = engine_upload(FILE_PLAIN, "a", "x", 1), gone;
	struct file b = engine_create(FILE_PLAIN, "b", 1);
	uint64_t folder = make(FILE_NUM_TREE, "f"), left;

	ck_assert_int_eq(uploads_unlink(engine, a.num, &gone, &left), 0);
	ck_assert_str_eq(gone.name.text, "a");
	file_release(&gone);
	ck_assert_int_eq(uploads_unlink(engine, b.num, &gone, &left), 0);
	file_release(&gone);
	ck_assert_int_eq(uploads_unlink(engine, b.num, &gone, &left),
			 REFUSED_NOT_FOUND);
	ck_assert_int_eq(uploads_unlink(engine, folder, &gone, &left),
			 REFUSED_IS_FOLDER);
	engine_expect_gone(a.id);
	file_release(&a);
	file_release(&b);
}
END_TEST

START_TEST(attributes_are_kept_listed_and_go_with_the_file)
{
	struct file file = engine_upload(FILE_PLAIN, "a", "x", 1), gone;
	SCOPED(scoped_free) char *big = calloc(1, UPLOADS_ATTRIBUTES_MAX);
	SCOPED(scoped_free) char *value = NULL;
	SCOPED(scoped_free) char *names = NULL;
	uint64_t left;
	size_t size;

	ck_assert_int_eq(uploads_set_attribute(engine, file.num, "user.b", "two", 3, 0),
			 0);
	ck_assert_int_eq(uploads_set_attribute(engine, file.num, "user.a", "", 0, 0),
			 0);
	ck_assert_int_eq(
		uploads_set_attribute(engine, file.num, "user.a", "1", 1, XATTR_CREATE),
		REFUSED_EXISTS);
	ck_assert_int_eq(uploads_set_attribute(engine, file.num, "user.c", "1", 1,
					       XATTR_REPLACE),
			 REFUSED_NOT_FOUND);
	ck_assert_int_eq(uploads_set_attribute(engine, file.num, "user.c", big,
					       UPLOADS_ATTRIBUTES_MAX, 0),
			 REFUSED_TOO_LARGE);
	for (int i = 0; i < 2; i++) /* the second takes the place of the first */
		ck_assert_int_eq(uploads_set_attribute(engine, file.num, "user.c", big,
						       UPLOADS_ATTRIBUTES_MAX - 100, 0),
				 0);
	ck_assert_int_eq(uploads_remove_attribute(engine, file.num, "user.c"), 0);
	ck_assert_int_eq(
		uploads_get_attribute(engine, file.num, "user.b", &value, &size), 0);
	ck_assert_uint_eq(size, 3);
	ck_assert(memcmp(value, "two", 3) == 0);
	ck_assert_int_eq(uploads_list_attributes(engine, file.num, &names, &size), 0);
	ck_assert_uint_eq(size, 14);
	ck_assert(memcmp(names, "user.a\0user.b\0", 14) == 0);
	ck_assert_int_eq(uploads_remove_attribute(engine, file.num, "user.a"), 0);
	ck_assert_int_eq(uploads_remove_attribute(engine, file.num, "user.a"),
			 REFUSED_NOT_FOUND);
	ck_assert_int_eq(uploads_unlink(engine, file.num, &gone, &left), 0);
	file_release(&gone);
	free(value);
	value = NULL;
	ck_assert_int_eq(
		uploads_get_attribute(engine, file.num, "user.b", &value, &size),
		REFUSED_NOT_FOUND);
	file_release(&file);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		a_move_keeps_number_id_and_bytes,
		a_move_over_a_file_terminates_it_if_it_was_seen,
		a_name_that_an_arriving_upload_will_take_cannot_be_taken,
		folders_move_with_what_is_in_them_but_not_into_themselves,
		renames_between_files_and_folders_follow_rename_2,
		who_reads_what_a_rename_replaces_reads_on,
		each_view_lists_its_own_in_the_order_of_numbers,
		rm_terminates_in_any_state_but_no_folder,
		attributes_are_kept_listed_and_go_with_the_file,
	};

	return RUN_TESTS(tests, engine_setup, engine_teardown);
}
