#include "engine.h"
#include "fuse_client.h"
#include "run.h"

#include "tusfs/text.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define DAY (24 * 60 * 60)

/* An upload with a relativePath, of one byte; complete if `complete`. */
static struct file upload_at(const char *path, bool complete)
{
	struct file file = engine_create_at(path);

	if (complete)
		engine_append(file.id, 0, "x", 1);
	return file;
}

static void expect_link(struct upload_id id, const char *target)
{
	char name[UPLOAD_ID_DIGITS + 1], found[PATH_MAX] = "";
	struct fuse_attr attr;
	size_t size;
	uint64_t ino;

	upload_id_format(id, name);
	ino = fuse_ino(at_by_id, name);
	ck_assert_int_eq(
		fuse_ask(FUSE_READLINK, ino, NULL, 0, found, sizeof(found) - 1, &size),
		0);
	ck_assert_str_eq(found, target);
	ck_assert_int_eq(fuse_stat(ino, &attr), 0);
	ck_assert_uint_eq(attr.size, strlen(target));
	ck_assert(S_ISLNK(attr.mode));
}

START_TEST(the_root_has_four_folders_and_no_other_name)
{
	SCOPED(scoped_free) char *names = fuse_names(AT_ROOT, 4096);

	ck_assert_str_eq(names, "complete\nincoming\npartial\nby-id\n");
	ck_assert(!fuse_has(AT_ROOT, "other"));
}
END_TEST

START_TEST(an_upload_moves_from_incoming_to_complete)
{
	SCOPED(file_release)
	struct file file = engine_create(FILE_PLAIN, "a.txt", 4);
	struct fuse_entry_out entry;

	ck_assert_int_eq(fuse_look(at_incoming, "a.txt", &entry), 0);
	ck_assert_uint_eq(entry.nodeid, file.num);
	ck_assert_uint_eq(entry.entry_valid, 0);
	ck_assert_uint_eq(entry.attr_valid, 0);
	ck_assert(!fuse_has(at_complete, "a.txt"));
	engine_append(file.id, 0, "abcd", 4);
	ck_assert(!fuse_has(at_incoming, "a.txt"));
	ck_assert_int_eq(fuse_look(at_complete, "a.txt", &entry), 0);
	ck_assert_uint_eq(entry.nodeid, file.num);
	ck_assert_uint_eq(entry.entry_valid, DAY);
	ck_assert_uint_eq(entry.attr_valid, DAY);
}
END_TEST

START_TEST(the_kernel_hears_of_a_name_that_it_may_take_for_absent)
{
	SCOPED(file_release)
	struct file file = engine_create(FILE_PLAIN, "a.txt", 4);
	struct fuse_entry_out entry;

	ck_assert_int_eq(fuse_look(at_complete, "a.txt", &entry), 0);
	ck_assert_uint_eq(entry.nodeid, 0);
	ck_assert_uint_eq(entry.entry_valid, DAY);
	engine_append(file.id, 0, "abcd", 4);
	ck_assert(fuse_was_told_of_name(at_complete, "a.txt"));
	ck_assert(fuse_has(at_complete, "a.txt"));
}
END_TEST

START_TEST(the_kernel_hears_of_a_name_that_went)
{
	SCOPED(file_release)
	struct file file = engine_upload(FILE_PLAIN, "a.txt", "abcd", 4);

	ck_assert(fuse_has(at_complete, "a.txt"));
	ck_assert_int_eq(uploads_terminate(engine, file.id), 0);
	ck_assert(fuse_was_told_of_name(at_complete, "a.txt"));
	ck_assert(!fuse_has(at_complete, "a.txt"));
}
END_TEST

START_TEST(the_kernel_hears_of_a_folder_that_appears)
{
	SCOPED(file_release) struct file file = upload_at("d/e/f", false);

	ck_assert(!fuse_has(at_complete, "d"));
	engine_append(file.id, 0, "x", 1);
	ck_assert(fuse_was_told_of_name(at_complete, "d"));
	ck_assert(fuse_has(at_complete, "d"));
}
END_TEST

static bool stat_fails;

int __real_uploads_stat(struct uploads *uploads, uint64_t num, struct file *file);
int __wrap_uploads_stat(struct uploads *uploads, uint64_t num, struct file *file);

int __wrap_uploads_stat(struct uploads *uploads, uint64_t num, struct file *file)
{
	return stat_fails ? -EMFILE : __real_uploads_stat(uploads, num, file);
}

START_TEST(the_kernel_hears_of_a_folder_that_cannot_be_read)
{
	SCOPED(file_release) struct file file = upload_at("d/e/f", false);

	ck_assert(!fuse_has(at_complete, "d"));
	stat_fails = true;
	engine_append(file.id, 0, "x", 1);
	stat_fails = false;
	ck_assert(fuse_was_told_of_name(at_complete, "d"));
	ck_assert(fuse_has(at_complete, "d"));
}
END_TEST

START_TEST(attributes_are_those_of_the_upload_and_the_options)
{
	SCOPED(file_release)
	struct file file = engine_create(FILE_PLAIN, "a.txt", 2000);
	struct upload_id id = file.id;
	char bytes[1000] = "";
	struct fuse_attr attr;

	engine_append(file.id, 0, bytes, sizeof(bytes));
	ck_assert_int_eq(fuse_stat(fuse_ino(at_incoming, "a.txt"), &attr), 0);
	ck_assert_uint_eq(attr.size, 1000);
	ck_assert_uint_eq(attr.blocks, 2);
	ck_assert_uint_eq(attr.mode, S_IFREG | 0440);
	ck_assert_uint_eq(attr.uid, 1234);
	ck_assert_uint_eq(attr.gid, 5678);
	ck_assert_uint_eq(attr.nlink, 1);
	file_release(&file);
	file = engine_find(id);
	ck_assert_uint_eq(attr.mtime, (uint64_t)file.modified / 1000000);
	ck_assert_uint_eq(attr.mtimensec, (uint64_t)file.modified % 1000000 * 1000);
	ck_assert_int_eq(fuse_stat(at_complete, &attr), 0);
	ck_assert_uint_eq(attr.mode, S_IFDIR | 0750);
}
END_TEST

START_TEST(a_folder_is_another_one_in_each_view)
{
	SCOPED(file_release) struct file done = upload_at("d/done", true);
	SCOPED(file_release) struct file coming = upload_at("d/sub/coming", false);
	uint64_t shown = fuse_ino(at_complete, "d");
	uint64_t arriving = fuse_ino(at_incoming, "d");
	SCOPED(scoped_free) char *in_shown = fuse_names(shown, 4096);
	SCOPED(scoped_free) char *in_arriving = fuse_names(arriving, 4096);
	struct fuse_attr attr;

	ck_assert_uint_ne(shown, arriving);
	ck_assert_str_eq(in_shown, "done\n");
	ck_assert_str_eq(in_arriving, "sub\n");
	ck_assert_int_eq(fuse_stat(shown, &attr), 0);
	ck_assert_uint_eq(attr.nlink, 1);
	ck_assert_int_eq(fuse_stat(arriving, &attr), 0);
	ck_assert_uint_eq(attr.nlink, 1);
	ck_assert_uint_eq(attr.ino, arriving);
}
END_TEST

START_TEST(links_lead_to_where_the_upload_is)
{
	SCOPED(file_release) struct file coming = upload_at("d/e/f", false);
	SCOPED(file_release)
	struct file part = engine_upload(FILE_PARTIAL, NULL, "abc", 3);
	char target[64];

	expect_link(coming.id, "../incoming/d/e/f");
	engine_append(coming.id, 0, "x", 1);
	expect_link(coming.id, "../complete/d/e/f");
	strcpy(target, "../partial/");
	upload_id_format(part.id, target + strlen(target));
	expect_link(part.id, target);
}
END_TEST

/* `count` names of 255 bytes, each with a slash behind it, then "x". */
static void long_path(char *path, int count)
{
	for (int i = 0; i < count; i++, path += NAME_BYTES + 1) {
		memset(path, 'a' + i % 26, NAME_BYTES);
		path[NAME_BYTES] = '/';
	}
	strcpy(path, "x");
}

START_TEST(links_can_be_read_however_long_a_path_the_client_sent)
{
	char path[30 * (NAME_BYTES + 1) + 2], kept[PATH_MAX], target[PATH_MAX + 16];
	int fitting = (NAME_PATH_BYTES - NAME_BYTES) / (NAME_BYTES + 1);

	long_path(path, 30);
	SCOPED(file_release) struct file file = upload_at(path, true);
	long_path(kept, fitting);
	snprintf(target, sizeof(target), "../complete/%s", kept);
	expect_link(file.id, target);
}
END_TEST

START_TEST(a_link_that_programs_of_this_machine_made_too_long_says_so)
{
	SCOPED(file_release)
	struct file file = engine_upload(FILE_PLAIN, "x", "abc", 3);
	char id[UPLOAD_ID_DIGITS + 1], name[NAME_BYTES + 1] = "", target[PATH_MAX];
	struct upload_rename request = {
		.from = FILE_NUM_TREE,
		.name = "x",
		.num = file.num,
		.to = FILE_NUM_TREE,
		.new_name = "x",
	};
	struct fuse_attr attr;
	uint64_t ino, replaced;

	memset(name, 'n', NAME_BYTES);
	for (int i = 0; i < PATH_MAX / NAME_BYTES; i++) {
		struct file folder;

		ck_assert_int_eq(uploads_make_folder(engine, request.to, name, &folder),
				 0);
		request.to = folder.num;
		file_release(&folder);
	}
	ck_assert_int_eq(uploads_rename(engine, &request, &replaced), 0);
	upload_id_format(file.id, id);
	ino = fuse_ino(at_by_id, id);
	ck_assert_int_eq(
		fuse_ask(FUSE_READLINK, ino, NULL, 0, target, sizeof(target), NULL),
		ENAMETOOLONG);
	ck_assert_int_eq(fuse_stat(ino, &attr), 0);
	ck_assert(S_ISLNK(attr.mode));
}
END_TEST

START_TEST(parts_are_in_partial_under_their_ids)
{
	SCOPED(file_release)
	struct file part = engine_upload(FILE_PARTIAL, "a.txt", "abc", 3);
	char expected[UPLOAD_ID_DIGITS + 2];
	SCOPED(scoped_free) char *names = fuse_names(at_partial, 4096);

	upload_id_format(part.id, expected);
	ck_assert_uint_eq(fuse_ino(at_partial, expected), part.num);
	strcat(expected, "\n");
	ck_assert_str_eq(names, expected);
	ck_assert(!fuse_has(at_complete, "a.txt"));
}
END_TEST

START_TEST(by_id_has_no_other_names_than_ids)
{
	ck_assert(!fuse_has(at_by_id, "a.txt"));
	ck_assert(!fuse_has(at_by_id, "00000000000000000000000000000000"));
}
END_TEST

START_TEST(a_listing_in_small_pages_has_each_name_once)
{
	char *expected, name[32];
	size_t size;
	FILE *out = open_memstream(&expected, &size);
	SCOPED(scoped_free) char *names = NULL;

	for (int i = 0; i < 100; i++) {
		struct file file;

		snprintf(name, sizeof(name), "name %d", i);
		file = engine_upload(FILE_PLAIN, name, "x", 1);
		file_release(&file);
		fprintf(out, "%s\n", name);
		fuse_drain();
	}
	fclose(out);
	names = fuse_names(at_complete, 700);
	ck_assert_str_eq(names, expected);
	free(expected);
}
END_TEST

START_TEST(too_long_a_name_is_told)
{
	struct fuse_entry_out entry;
	char name[258];

	memset(name, 'n', sizeof(name));
	name[256] = '\0';
	ck_assert_int_eq(fuse_look(at_complete, name, &entry), ENAMETOOLONG);
	name[255] = '\0';
	ck_assert(!fuse_has(at_complete, name));
}
END_TEST

START_TEST(statfs_is_that_of_the_store)
{
	struct fuse_statfs_out out;
	struct statvfs space;

	ck_assert_int_eq(
		fuse_ask(FUSE_STATFS, AT_ROOT, NULL, 0, &out, sizeof(out), NULL), 0);
	ck_assert_int_eq(uploads_space(engine, &space), 0);
	ck_assert_uint_eq(out.st.blocks, space.f_blocks);
	ck_assert_uint_eq(out.st.namelen, 255);
}
END_TEST

START_TEST(what_is_not_there_has_no_attributes)
{
	struct fuse_attr attr;

	ck_assert_int_eq(fuse_stat(4711, &attr), ENOENT);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		the_root_has_four_folders_and_no_other_name,
		an_upload_moves_from_incoming_to_complete,
		the_kernel_hears_of_a_name_that_it_may_take_for_absent,
		the_kernel_hears_of_a_name_that_went,
		the_kernel_hears_of_a_folder_that_appears,
		the_kernel_hears_of_a_folder_that_cannot_be_read,
		attributes_are_those_of_the_upload_and_the_options,
		a_folder_is_another_one_in_each_view,
		links_lead_to_where_the_upload_is,
		links_can_be_read_however_long_a_path_the_client_sent,
		a_link_that_programs_of_this_machine_made_too_long_says_so,
		parts_are_in_partial_under_their_ids,
		by_id_has_no_other_names_than_ids,
		a_listing_in_small_pages_has_each_name_once,
		too_long_a_name_is_told,
		statfs_is_that_of_the_store,
		what_is_not_there_has_no_attributes,
	};

	return RUN_TESTS(tests, fuse_client_setup, fuse_client_teardown);
}
