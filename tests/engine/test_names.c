/* Names: safe, unique over both views, given once. */
#include "engine.h"
#include "run.h"

#include "tusfs/text.h"

#include <stdio.h>
#include <string.h>

static void expect_name(const char *filename, const char *name)
{
	struct file file = engine_create(FILE_PLAIN, filename, 10);

	ck_assert_str_eq(file.name.text, name);
	ck_assert_uint_eq(file.parent, FILE_NUM_TREE);
	file_release(&file);
}

START_TEST(a_taken_name_gets_a_number_before_its_extension)
{
	expect_name("holiday.mp4", "holiday.mp4");
	expect_name("holiday.mp4", "holiday (2).mp4");
	expect_name("holiday.mp4", "holiday (3).mp4");
	expect_name("holiday (2).mp4", "holiday (2) (2).mp4");
}
END_TEST

START_TEST(a_name_is_taken_by_finished_and_arriving_uploads_alike)
{
	struct file file = engine_upload(FILE_PLAIN, "a", "x", 1);

	file_release(&file);
	expect_name("a", "a (2)");
}
END_TEST

START_TEST(an_upload_without_a_usable_name_is_named_by_its_id)
{
	char id[UPLOAD_ID_DIGITS + 1];
	struct file file = engine_create(FILE_PLAIN, NULL, 10);

	upload_id_format(file.id, id);
	ck_assert_str_eq(file.name.text, id);
	file_release(&file);
	file = engine_create(FILE_PLAIN, "..", 10);
	upload_id_format(file.id, id);
	ck_assert_str_eq(file.name.text, id);
	file_release(&file);
}
END_TEST

START_TEST(paths_in_a_name_lead_nowhere)
{
	expect_name("../../etc/passwd", "passwd");
	expect_name("C:\\Users\\me\\photo.jpg", "photo.jpg");
}
END_TEST

START_TEST(thousands_of_equal_names_are_all_different)
{
	char name[64];

	for (int i = 1; i <= 3000; i++) {
		struct file file = engine_create(FILE_PLAIN, "same.txt", 10);

		snprintf(name, sizeof(name), i == 1 ? "same.txt" : "same (%d).txt", i);
		ck_assert_str_eq(file.name.text, name);
		file_release(&file);
	}
}
END_TEST

START_TEST(a_partial_upload_is_named_by_its_id_in_a_folder_of_its_own)
{
	char id[UPLOAD_ID_DIGITS + 1];
	struct file file = engine_create(FILE_PARTIAL, "part", 10);

	upload_id_format(file.id, id);
	ck_assert_str_eq(file.name.text, id);
	ck_assert_uint_eq(file.parent, FILE_NUM_PARTIAL);
	ck_assert(file.shown);
	file_release(&file);
}
END_TEST

static struct file create_at(const char *path, uint64_t length)
{
	char text[4096];
	int n = snprintf(text, sizeof(text), "relativePath ");
	struct upload_request request = {
		.kind = FILE_PLAIN,
		.length_known = true,
		.length = length,
		.metadata = text,
	};
	struct file file;

	text_to_base64((const uint8_t *)path, strlen(path), text + n);
	ck_assert_int_eq(uploads_create(engine, &request, &file), 0);
	return file;
}

static struct file look(uint64_t folder, const char *name)
{
	struct file file;

	ck_assert_int_eq(uploads_lookup(engine, folder, name, &file), 0);
	return file;
}

START_TEST(folders_come_from_the_relative_path)
{
	SCOPED(scoped_free) char *path = NULL;
	struct file file = create_at("project/a/b.txt", 3);
	struct file project = look(FILE_NUM_TREE, "project"), a;

	ck_assert(file_is_folder(&project) && !project.shown);
	ck_assert_uint_eq(project.arriving, 1);
	a = look(project.num, "a");
	ck_assert_uint_eq(a.arriving, 1);
	ck_assert_uint_eq(file.parent, a.num);
	ck_assert_str_eq(file.name.text, "b.txt");
	ck_assert_int_eq(uploads_tree_path(engine, file.num, &path), 0);
	ck_assert_str_eq(path, "project/a/b.txt");

	engine_append(file.id, 0, "abc", 3);
	project = look(FILE_NUM_TREE, "project");
	ck_assert(project.shown && !project.arriving);
	a = look(project.num, "a");
	ck_assert(a.shown && !a.arriving);
	file_release(&file);
}
END_TEST

START_TEST(an_upload_completes_in_its_folder_wherever_that_has_moved)
{
	struct file first = create_at("d/a", 1), file = create_at("d/b", 3), folder;
	struct upload_writer *writer;
	SCOPED(scoped_free) char *path = NULL;
	struct upload_rename request = {FILE_NUM_TREE, FILE_NUM_TREE, "d", "e",
					.num = first.parent};
	uint64_t replaced;

	engine_append(first.id, 0, "a", 1);
	writer = engine_begin(&file, 0);
	ck_assert_int_eq(upload_writer_put(writer, "abc", 3), 0);
	ck_assert_int_eq(uploads_rename(engine, &request, &replaced), 0);
	engine_commit(writer, 3);
	ck_assert_int_eq(uploads_tree_path(engine, file.num, &path), 0);
	ck_assert_str_eq(path, "e/b");
	folder = look(FILE_NUM_TREE, "e");
	ck_assert(folder.shown && !folder.arriving);
	file_release(&folder);
	file_release(&first);
	file_release(&file);
}
END_TEST

START_TEST(folders_that_nobody_sees_go_with_their_last_upload)
{
	struct file one = create_at("p/q/one", 3), two = create_at("p/two", 3), p;

	ck_assert_int_eq(uploads_terminate(engine, one.id), 0);
	p = look(FILE_NUM_TREE, "p");
	ck_assert_uint_eq(p.arriving, 1);
	ck_assert_int_eq(uploads_lookup(engine, p.num, "q", &p), REFUSED_NOT_FOUND);
	ck_assert_int_eq(uploads_terminate(engine, two.id), 0);
	ck_assert_int_eq(uploads_lookup(engine, FILE_NUM_TREE, "p", &p),
			 REFUSED_NOT_FOUND);
	file_release(&one);
	file_release(&two);
}
END_TEST

START_TEST(a_folder_makes_way_for_a_file_that_has_its_name)
{
	struct file file = engine_create(FILE_PLAIN, "p", 3), in = create_at("p/x", 3);
	struct file beside = create_at("p/y", 3);
	SCOPED(scoped_free) char *path = NULL;
	SCOPED(scoped_free) char *path_beside = NULL;

	ck_assert_int_eq(uploads_tree_path(engine, in.num, &path), 0);
	ck_assert_str_eq(path, "p (2)/x");
	ck_assert_int_eq(uploads_tree_path(engine, beside.num, &path_beside), 0);
	ck_assert_str_eq(path_beside, "p (2)/y");
	file_release(&beside);
	file_release(&file);
	file_release(&in);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		a_taken_name_gets_a_number_before_its_extension,
		a_name_is_taken_by_finished_and_arriving_uploads_alike,
		an_upload_without_a_usable_name_is_named_by_its_id,
		paths_in_a_name_lead_nowhere,
		thousands_of_equal_names_are_all_different,
		a_partial_upload_is_named_by_its_id_in_a_folder_of_its_own,
		folders_come_from_the_relative_path,
		an_upload_completes_in_its_folder_wherever_that_has_moved,
		folders_that_nobody_sees_go_with_their_last_upload,
		a_folder_makes_way_for_a_file_that_has_its_name,
	};

	return RUN_TESTS(tests, engine_setup, engine_teardown);
}
