#include "engine.h"
#include "fuse_client.h"
#include "run.h"

#include "tusfs/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int unlink_name(uint64_t parent, const char *name)
{
	return fuse_ask_names(FUSE_UNLINK, parent, NULL, 0, name, NULL, NULL, 0);
}

static int rename_name(uint64_t parent, const char *name, uint64_t new_parent,
		       const char *new_name, uint32_t flags)
{
	struct fuse_rename2_in in = {.newdir = new_parent, .flags = flags};

	return fuse_ask_names(FUSE_RENAME2, parent, &in, sizeof(in), name, new_name,
			      NULL, 0);
}

static int make_folder(uint64_t parent, const char *name, uint64_t *ino)
{
	struct fuse_mkdir_in in = {.mode = 0700};
	struct fuse_entry_out entry;
	int error = fuse_ask_names(FUSE_MKDIR, parent, &in, sizeof(in), name, NULL,
				   &entry, sizeof(entry));

	if (!error)
		*ino = entry.nodeid;
	return error;
}

static int remove_folder(uint64_t parent, const char *name)
{
	return fuse_ask_names(FUSE_RMDIR, parent, NULL, 0, name, NULL, NULL, 0);
}

START_TEST(rm_terminates_in_every_folder)
{
	SCOPED(file_release)
	struct file done = engine_upload(FILE_PLAIN, "done", "abc", 3);
	SCOPED(file_release)
	struct file coming = engine_create(FILE_PLAIN, "coming", 3);
	SCOPED(file_release)
	struct file part = engine_upload(FILE_PARTIAL, NULL, "abc", 3);

	ck_assert_int_eq(unlink_name(at_complete, "done"), 0);
	engine_expect_gone(done.id);
	ck_assert_int_eq(unlink_name(at_incoming, "coming"), 0);
	engine_expect_gone(coming.id);
	ck_assert_int_eq(unlink_name(at_partial, part.name.text), 0);
	engine_expect_gone(part.id);
	ck_assert_int_eq(unlink_name(at_complete, "done"), ENOENT);
}
END_TEST

START_TEST(rm_of_a_link_terminates_and_tells_of_the_name)
{
	SCOPED(file_release)
	struct file done = engine_upload(FILE_PLAIN, "done", "abc", 3);
	char id[UPLOAD_ID_DIGITS + 1];

	upload_id_format(done.id, id);
	ck_assert(fuse_has(at_complete, "done"));
	ck_assert_int_eq(unlink_name(at_by_id, id), 0);
	engine_expect_gone(done.id);
	ck_assert(fuse_was_told_of_name(at_complete, "done"));
	ck_assert_int_eq(unlink_name(at_by_id, id), ENOENT);
}
END_TEST

START_TEST(rm_of_a_link_removes_what_is_damaged_too)
{
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(100000, 1);
	SCOPED(file_release)
	struct file done = engine_upload(FILE_PLAIN, "done", bytes, 100000);
	SCOPED(scoped_free) char *path = engine_blob_path(done.num);
	char id[UPLOAD_ID_DIGITS + 1];
	struct fuse_open_out open;

	upload_id_format(done.id, id);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_ne(fuse_open(fuse_ino(at_complete, "done"), O_RDONLY, &open), 0);
	engine_expect_gone(done.id);
	ck_assert(fuse_has(at_by_id, id));
	ck_assert_int_eq(unlink_name(at_by_id, id), 0);
	ck_assert(!fuse_has(at_complete, "done"));
}
END_TEST

START_TEST(rm_removes_no_folder_and_nothing_of_the_other_view)
{
	SCOPED(file_release)
	struct file coming = engine_create(FILE_PLAIN, "coming", 3);
	uint64_t folder;

	ck_assert_int_eq(make_folder(at_complete, "d", &folder), 0);
	ck_assert_int_eq(unlink_name(at_complete, "d"), EISDIR);
	ck_assert_int_eq(unlink_name(AT_ROOT, "complete"), EISDIR);
	ck_assert_int_eq(unlink_name(at_complete, "coming"), ENOENT);
	ck_assert(fuse_has(at_incoming, "coming"));
}
END_TEST

START_TEST(mv_keeps_the_upload)
{
	SCOPED(file_release)
	struct file file = engine_upload(FILE_PLAIN, "a", "abc", 3);
	struct upload_id id = file.id;
	uint64_t folder;

	ck_assert_int_eq(make_folder(at_complete, "d", &folder), 0);
	ck_assert_int_eq(rename_name(at_complete, "a", folder, "b", 0), 0);
	ck_assert(!fuse_has(at_complete, "a"));
	ck_assert_uint_eq(fuse_ino(folder, "b"), file.num);
	ck_assert_int_eq(rename_name(at_complete, "a", folder, "c", 0), ENOENT);
	file_release(&file);
	file = engine_find(id);
	ck_assert_str_eq(file.name.text, "b");
}
END_TEST

START_TEST(mv_over_an_upload_terminates_it)
{
	SCOPED(file_release) struct file one = engine_upload(FILE_PLAIN, "a", "abc", 3);
	SCOPED(file_release) struct file two = engine_upload(FILE_PLAIN, "b", "abc", 3);

	ck_assert_int_eq(
		rename_name(at_complete, "a", at_complete, "b", RENAME_NOREPLACE),
		EEXIST);
	ck_assert_int_eq(
		rename_name(at_complete, "a", at_complete, "b", RENAME_EXCHANGE),
		EINVAL);
	ck_assert_int_eq(rename_name(at_complete, "a", at_complete, "b", 0), 0);
	engine_expect_gone(two.id);
	ck_assert_uint_eq(fuse_ino(at_complete, "b"), one.num);
}
END_TEST

START_TEST(mv_stays_in_complete)
{
	SCOPED(file_release)
	struct file done = engine_upload(FILE_PLAIN, "a", "abc", 3);
	SCOPED(file_release) struct file coming = engine_create(FILE_PLAIN, "b", 3);

	ck_assert_int_eq(rename_name(at_incoming, "b", at_complete, "c", 0), EPERM);
	ck_assert_int_eq(rename_name(at_complete, "a", at_incoming, "c", 0), EPERM);
	ck_assert_int_eq(rename_name(at_incoming, "b", at_incoming, "c", 0), EPERM);
	ck_assert_int_eq(rename_name(AT_ROOT, "complete", AT_ROOT, "c", 0), EPERM);
	/* its name is given, though complete/ does not show it yet */
	ck_assert_int_eq(rename_name(at_complete, "b", at_complete, "c", 0), ENOENT);
	ck_assert_int_eq(rename_name(at_complete, "a", at_complete, "b", 0), EEXIST);
}
END_TEST

START_TEST(folders_are_made_and_removed_in_complete)
{
	uint64_t folder, inner;

	ck_assert_int_eq(make_folder(at_complete, "d", &folder), 0);
	ck_assert_int_eq(make_folder(folder, "e", &inner), 0);
	ck_assert_int_eq(make_folder(at_complete, "d", &folder), EEXIST);
	ck_assert_int_eq(make_folder(at_incoming, "d", &folder), EPERM);
	ck_assert_int_eq(make_folder(AT_ROOT, "d", &folder), EPERM);
	ck_assert_int_eq(remove_folder(at_complete, "d"), ENOTEMPTY);
	ck_assert_int_eq(remove_folder(folder, "e"), 0);
	ck_assert_int_eq(remove_folder(at_complete, "d"), 0);
	ck_assert_int_eq(remove_folder(at_complete, "d"), ENOENT);
	ck_assert_int_eq(remove_folder(AT_ROOT, "complete"), EPERM);
}
END_TEST

START_TEST(a_change_tells_the_kernel_to_ask_for_the_folder_again)
{
	SCOPED(file_release)
	struct file file = engine_upload(FILE_PLAIN, "a", "abc", 3);

	ck_assert(fuse_was_told_of_inode(at_complete));
	ck_assert_int_eq(rename_name(at_complete, "a", at_complete, "b", 0), 0);
	ck_assert(fuse_was_told_of_inode(at_complete));
	ck_assert_int_eq(unlink_name(at_complete, "b"), 0);
	ck_assert(fuse_was_told_of_inode(at_complete));
}
END_TEST

/* Makes complete/outer, and inner/ in incoming/outer for one upload. */
static struct file create_in_two_folders(uint64_t *outer)
{
	struct file file = engine_create_at("outer/inner/x");

	ck_assert_int_eq(make_folder(at_complete, "outer", outer), 0);
	fuse_drain();
	return file;
}

/* The inner folder goes with the upload, and both that are left have other times. */
START_TEST(what_is_above_a_folder_that_goes_with_its_last_upload_is_told)
{
	uint64_t outer, inner;
	SCOPED(file_release) struct file one = create_in_two_folders(&outer);
	SCOPED(file_release) struct file other = {0};

	inner = fuse_ino(fuse_ino(at_incoming, "outer"), "inner");
	ck_assert_int_eq(unlink_name(inner, "x"), 0);
	ck_assert(fuse_was_told_of_inode_too(outer));
	ck_assert(fuse_was_told_of_inode(at_complete));
	other = engine_create_at("outer/inner/y");
	fuse_drain();
	ck_assert_int_eq(uploads_terminate(engine, other.id), 0);
	ck_assert(fuse_was_told_of_inode_too(outer));
	ck_assert(fuse_was_told_of_inode(at_complete));
}
END_TEST

START_TEST(what_is_above_a_folder_that_moves_with_what_arrives_is_told)
{
	uint64_t outer, target, deep;
	SCOPED(file_release) struct file file = create_in_two_folders(&outer);

	ck_assert_int_eq(make_folder(at_complete, "target", &target), 0);
	ck_assert_int_eq(make_folder(target, "deep", &deep), 0);
	fuse_drain();
	ck_assert_int_eq(rename_name(at_complete, "outer", deep, "outer", 0), 0);
	ck_assert(fuse_was_told_of_inode_too(target));
	ck_assert(fuse_was_told_of_inode_too(deep));
	ck_assert(fuse_was_told_of_inode(at_complete));
	ck_assert_int_eq(rename_name(deep, "outer", at_complete, "outer", 0), 0);
	ck_assert(fuse_was_told_of_inode(target));
}
END_TEST

START_TEST(rm_of_what_is_complete_tells_of_its_folder_only)
{
	uint64_t folder;
	SCOPED(file_release) struct file file = engine_create_at("folder/x");

	engine_append(file.id, 0, "x", 1);
	folder = fuse_ino(at_complete, "folder");
	fuse_drain();
	ck_assert_int_eq(unlink_name(folder, "x"), 0);
	ck_assert(!fuse_was_told_of_inode_too(at_complete));
	ck_assert(fuse_was_told_of_inode(folder));
}
END_TEST

static int set(uint64_t ino, uint32_t what)
{
	struct fuse_setattr_in in = {.valid = what};

	return fuse_ask(FUSE_SETATTR, ino, &in, sizeof(in), NULL, 0, NULL);
}

START_TEST(all_other_changes_are_refused)
{
	SCOPED(file_release)
	struct file file = engine_upload(FILE_PLAIN, "a", "abc", 3);
	struct fuse_mknod_in mknod_in = {.mode = S_IFREG | 0600};
	struct fuse_create_in create_in = {.mode = 0600};
	struct fuse_link_in link_in = {.oldnodeid = file.num};

	ck_assert_int_eq(set(file.num, FATTR_SIZE), EROFS);
	ck_assert_int_eq(set(file.num, FATTR_MODE), EPERM);
	ck_assert_int_eq(set(file.num, FATTR_UID | FATTR_GID), EPERM);
	ck_assert_int_eq(set(file.num, FATTR_MTIME), EPERM);
	ck_assert_int_eq(set(at_complete, FATTR_MODE), EPERM);
	ck_assert_int_eq(fuse_ask_names(FUSE_MKNOD, at_complete, &mknod_in,
					sizeof(mknod_in), "new", NULL, NULL, 0),
			 EROFS);
	ck_assert_int_eq(fuse_ask_names(FUSE_CREATE, at_complete, &create_in,
					sizeof(create_in), "new", NULL, NULL, 0),
			 EROFS);
	ck_assert_int_eq(fuse_ask_names(FUSE_LINK, at_complete, &link_in,
					sizeof(link_in), "new", NULL, NULL, 0),
			 EPERM);
	ck_assert_int_eq(fuse_ask_names(FUSE_SYMLINK, at_complete, NULL, 0, "new",
					"target", NULL, 0),
			 EPERM);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		rm_terminates_in_every_folder,
		rm_of_a_link_terminates_and_tells_of_the_name,
		rm_of_a_link_removes_what_is_damaged_too,
		rm_removes_no_folder_and_nothing_of_the_other_view,
		mv_keeps_the_upload,
		mv_over_an_upload_terminates_it,
		mv_stays_in_complete,
		folders_are_made_and_removed_in_complete,
		a_change_tells_the_kernel_to_ask_for_the_folder_again,
		what_is_above_a_folder_that_goes_with_its_last_upload_is_told,
		what_is_above_a_folder_that_moves_with_what_arrives_is_told,
		rm_of_what_is_complete_tells_of_its_folder_only,
		all_other_changes_are_refused,
	};

	return RUN_TESTS(tests, fuse_client_setup, fuse_client_teardown);
}
