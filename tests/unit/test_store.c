#include "tusfs/store.h"

#include "blobs.h"
#include "run.h"
#include "temp_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define MEBIBYTE (UINT64_C(1) << 20)
/* A file system may need some blocks for its own notes. */
#define SLACK (MEBIBYTE / 8)

static uint64_t size_of(struct blob *blob)
{
	uint64_t size = 4711;

	ck_assert_int_eq(blob_size(blob, &size), 0);
	return size;
}

static void assert_mode(const char *name, mode_t mode)
{
	SCOPED(scoped_free) char *path = temp_dir_join(name);
	struct stat found;

	ck_assert_msg(stat(path, &found) == 0, "%s", path);
	ck_assert_uint_eq(found.st_mode, mode);
}

START_TEST(a_new_store_has_every_folder_and_is_private)
{
	SCOPED(scoped_store_close) struct store *store = open_store();
	char name[32];

	ck_assert_ptr_nonnull(store);
	assert_mode("store", S_IFDIR | 0700);
	assert_mode("store/lock", S_IFREG | 0600);
	assert_mode("store/blobs", S_IFDIR | 0700);
	for (int i = 0; i < 256; i++) {
		snprintf(name, sizeof(name), "store/blobs/%02x", i);
		assert_mode(name, S_IFDIR | 0700);
	}
}
END_TEST

START_TEST(a_store_has_one_owner_at_a_time)
{
	SCOPED(scoped_free) char *path = temp_dir_join("store");
	struct store *store = open_store(), *second = NULL;

	ck_assert_int_eq(store_open(path, &second), REFUSED_BUSY);
	ck_assert_ptr_null(second);
	ck_assert_ptr_null(store_close(store));
	ck_assert_int_eq(store_open(path, &second), 0);
	ck_assert_ptr_null(store_close(second));
	ck_assert_ptr_null(store_close(NULL));
}
END_TEST

START_TEST(a_store_that_lost_its_lock_is_locked_while_it_is_mended)
{
	SCOPED(scoped_free) char *path = temp_dir_join("store");
	SCOPED(scoped_free) char *lock = temp_dir_join("store/lock");
	struct store *store = open_store(), *second = NULL;

	ck_assert_ptr_null(store_close(store));
	ck_assert_int_eq(unlink(lock), 0);
	ck_assert_int_eq(store_open_to_mend(path, &store), 0);
	ck_assert_int_eq(store_open(path, &second), REFUSED_BUSY);
	ck_assert_ptr_null(store_close(store));
}
END_TEST

/* As a daemon that is still stopping after its umount. */
START_TEST(a_lock_that_is_about_to_be_free_is_waited_for)
{
	SCOPED(scoped_free) char *path = temp_dir_join("store");
	struct store *store = NULL;
	int locked[2];
	char byte;
	pid_t child;

	ck_assert_int_eq(pipe(locked), 0);
	child = fork();
	if (child == 0) {
		store = open_store();
		ck_assert_int_eq(write(locked[1], "", 1), 1);
		poll(NULL, 0, 200);
		_exit(0);
	}
	ck_assert_int_eq(read(locked[0], &byte, 1), 1);
	ck_assert_int_eq(store_open(path, &store), 0);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	store_close(store);
	close(locked[0]);
	close(locked[1]);
}
END_TEST

START_TEST(the_lock_of_a_process_that_died_is_free)
{
	pid_t child = fork();
	struct store *store;

	if (child == 0) {
		open_store();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	store = open_store();
	store_close(store);
}
END_TEST

START_TEST(a_half_made_store_is_completed)
{
	SCOPED(scoped_free) char *folder = temp_dir_join("store/blobs/7f");
	struct store *store = open_store();

	store_close(store);
	ck_assert_int_eq(rmdir(folder), 0);
	store = open_store();
	assert_mode("store/blobs/7f", S_IFDIR | 0700);
	store_close(store);
}
END_TEST

START_TEST(a_place_that_cannot_be_a_store_fails)
{
	SCOPED(scoped_free) char *orphan = temp_dir_join("no/such/parent");
	SCOPED(scoped_free) char *plain = temp_dir_join("plain");
	struct store *store = NULL;

	close(open(plain, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	ck_assert_int_eq(store_open(orphan, &store), -ENOENT);
	ck_assert_int_eq(store_open(plain, &store), -ENOTDIR);
	ck_assert_int_eq(store_open("", &store), -ENOENT);
	ck_assert_ptr_null(store);
}
END_TEST

START_TEST(paths_of_the_store_are_absolute)
{
	SCOPED(scoped_free) char *before = get_current_dir_name();
	SCOPED(scoped_free) char *expected = NULL;
	SCOPED(scoped_free) char *path = NULL;
	struct store *store;

	ck_assert_int_eq(chdir(temp_dir_path()), 0);
	ck_assert_int_eq(store_open("relative", &store), 0);
	path = store_path(store, "catalog.db");
	expected = temp_dir_join("relative/catalog.db");
	ck_assert_str_eq(path, expected);
	store_close(store);
	ck_assert_int_eq(chdir(before), 0);
}
END_TEST

START_TEST(the_space_of_the_store_is_that_of_its_file_system)
{
	SCOPED(scoped_store_close) struct store *store = open_store();
	struct statvfs space, expected;

	ck_assert_int_eq(store_space(store, &space), 0);
	ck_assert_int_eq(statvfs(temp_dir_path(), &expected), 0);
	ck_assert_uint_eq(space.f_blocks, expected.f_blocks);
	ck_assert_uint_eq(space.f_fsid, expected.f_fsid);
}
END_TEST

START_TEST(a_blob_is_where_its_number_says)
{
	SCOPED(scoped_store_close) struct store *store = open_store();

	blob_unref(create_blob(store, 0x2a));
	assert_mode("store/blobs/2a/000000000000002a", S_IFREG | 0600);
	blob_unref(create_blob(store, 0x100));
	assert_mode("store/blobs/00/0000000000000100", S_IFREG | 0600);
	blob_unref(create_blob(store, UINT64_MAX));
	assert_mode("store/blobs/ff/ffffffffffffffff", S_IFREG | 0600);
}
END_TEST

START_TEST(what_was_written_is_read)
{
	SCOPED(scoped_store_close) struct store *store = open_store();
	SCOPED(scoped_blob_unref) struct blob *blob = create_blob(store, 16);
	char read[32];
	size_t got;

	ck_assert_uint_eq(size_of(blob), 0);
	ck_assert_int_eq(blob_write(blob, "hello ", 6, 0), 0);
	ck_assert_int_eq(blob_write(blob, "world", 5, 6), 0);
	ck_assert_int_eq(blob_write(blob, NULL, 0, 3), 0);
	ck_assert_uint_eq(size_of(blob), 11);
	ck_assert_int_eq(blob_read(blob, read, sizeof(read), 0, &got), 0);
	ck_assert_uint_eq(got, 11);
	ck_assert_mem_eq(read, "hello world", 11);
	ck_assert_int_eq(blob_read(blob, read, 3, 4, &got), 0);
	ck_assert_uint_eq(got, 3);
	ck_assert_mem_eq(read, "o w", 3);
	ck_assert_int_eq(blob_read(blob, read, sizeof(read), 11, &got), 0);
	ck_assert_uint_eq(got, 0);
	ck_assert_int_eq(blob_read(blob, read, sizeof(read), 1000, &got), 0);
	ck_assert_uint_eq(got, 0);
}
END_TEST

START_TEST(offsets_past_four_gibibytes_hold)
{
	SCOPED(scoped_store_close) struct store *store = open_store();
	SCOPED(scoped_blob_unref) struct blob *blob = create_blob(store, 16);
	uint64_t far = (UINT64_C(1) << 33) + 5;
	char read[8];
	size_t got;

	ck_assert_int_eq(blob_write(blob, "far", 3, far), 0);
	ck_assert_uint_eq(size_of(blob), far + 3);
	ck_assert_int_eq(blob_read(blob, read, sizeof(read), far, &got), 0);
	ck_assert_uint_eq(got, 3);
	ck_assert_mem_eq(read, "far", 3);
	ck_assert_int_eq(blob_write(blob, "x", 1, UINT64_MAX), -EINVAL);
	ck_assert_uint_eq(size_of(blob), far + 3);
}
END_TEST

START_TEST(bytes_outlive_the_store_that_wrote_them)
{
	struct store *store = open_store();
	struct blob *blob = create_blob(store, 16);
	char read[8];
	size_t got;

	ck_assert_int_eq(blob_write(blob, "stay", 4, 0), 0);
	ck_assert_int_eq(blob_sync(blob), 0);
	blob_unref(blob);
	store_close(store);
	store = open_store();
	ck_assert_int_eq(blob_open(store, 16, &blob), 0);
	ck_assert_int_eq(blob_read(blob, read, sizeof(read), 0, &got), 0);
	ck_assert_uint_eq(got, 4);
	ck_assert_mem_eq(read, "stay", 4);
	ck_assert_int_eq(blob_write(blob, "ed", 2, 4), 0); /* open for writing too */
	blob_unref(blob);
	store_close(store);
}
END_TEST

START_TEST(an_absent_blob_is_not_found)
{
	SCOPED(scoped_store_close) struct store *store = open_store();
	struct blob *blob = NULL;

	ck_assert_int_eq(blob_open(store, 16, &blob), REFUSED_NOT_FOUND);
	ck_assert_ptr_null(blob);
	ck_assert_int_eq(blob_remove(store, 16), 0);
}
END_TEST

START_TEST(creating_again_empties_what_was_left)
{
	SCOPED(scoped_store_close) struct store *store = open_store();
	struct blob *blob = create_blob(store, 16);

	ck_assert_int_eq(blob_write(blob, "left", 4, 0), 0);
	blob_unref(blob);
	blob = create_blob(store, 16);
	ck_assert_uint_eq(size_of(blob), 0);
	blob_unref(blob);
}
END_TEST

START_TEST(a_symbolic_link_is_not_followed)
{
	SCOPED(scoped_store_close) struct store *store = open_store();
	SCOPED(scoped_free)
	char *place = temp_dir_join("store/blobs/10/0000000000000010");
	SCOPED(scoped_free) char *target = temp_dir_join("target");
	struct blob *blob = NULL;

	ck_assert_int_eq(symlink(target, place), 0);
	ck_assert_int_eq(blob_create(store, 16, &blob), -ELOOP);
	ck_assert_int_eq(blob_open(store, 16, &blob), -ELOOP);
	ck_assert_ptr_null(blob);
	ck_assert_int_eq(access(target, F_OK), -1);
}
END_TEST

START_TEST(a_removed_blob_is_readable_until_the_last_reference_goes)
{
	SCOPED(scoped_store_close) struct store *store = open_store();
	struct blob *blob = create_blob(store, 16), *again = blob_ref(blob);
	struct blob *other = NULL;
	char read[8];
	size_t got;

	ck_assert_ptr_eq(again, blob);
	ck_assert_int_eq(blob_write(blob, "still", 5, 0), 0);
	ck_assert_int_eq(blob_remove(store, 16), 0);
	ck_assert_int_eq(blob_open(store, 16, &other), REFUSED_NOT_FOUND);
	ck_assert_ptr_null(blob_unref(blob));
	ck_assert_int_eq(blob_read(again, read, sizeof(read), 0, &got), 0);
	ck_assert_uint_eq(got, 5);
	ck_assert_int_ge(fcntl(blob_fd(again), F_GETFD), 0);
	ck_assert_ptr_null(blob_unref(again));
	ck_assert_ptr_null(blob_unref(NULL));
}
END_TEST

START_TEST(cutting_makes_a_blob_shorter_and_never_longer)
{
	SCOPED(scoped_store_close) struct store *store = open_store();
	SCOPED(scoped_blob_unref) struct blob *blob = create_blob(store, 16);

	ck_assert_int_eq(blob_write(blob, "0123456789", 10, 0), 0);
	ck_assert_int_eq(blob_cut(blob, 20), 0);
	ck_assert_uint_eq(size_of(blob), 10);
	ck_assert_int_eq(blob_cut(blob, UINT64_MAX), 0);
	ck_assert_uint_eq(size_of(blob), 10);
	ck_assert_int_eq(blob_cut(blob, 4), 0);
	ck_assert_uint_eq(size_of(blob), 4);
	ck_assert_int_eq(blob_cut(blob, 0), 0);
	ck_assert_uint_eq(size_of(blob), 0);
}
END_TEST

START_TEST(reserving_leaves_the_size_and_refuses_what_has_no_room)
{
	SCOPED(scoped_store_close) struct store *store = open_store();
	SCOPED(scoped_blob_unref) struct blob *blob = create_blob(store, 16);

	ck_assert_int_eq(blob_reserve(blob, 0, 0), 0);
	ck_assert_int_eq(blob_reserve(blob, 0, 1 << 20), 0);
	ck_assert_uint_eq(size_of(blob), 0);
	ck_assert_int_eq(blob_reserve(blob, 0, INT64_MAX), REFUSED_NO_SPACE);
	ck_assert_int_eq(blob_reserve(blob, 0, UINT64_MAX), REFUSED_NO_SPACE);
	ck_assert_uint_eq(size_of(blob), 0);
}
END_TEST

static uint64_t room_of(struct blob *blob)
{
	struct stat found;

	ck_assert_int_eq(fstat(blob_fd(blob), &found), 0);
	return (uint64_t)found.st_blocks * 512;
}

START_TEST(reserving_from_an_offset_sets_aside_room_only_there)
{
	SCOPED(scoped_store_close) struct store *store = open_store();
	SCOPED(scoped_blob_unref) struct blob *blob = create_blob(store, 16);
	SCOPED(scoped_free) char *bytes = calloc(1, MEBIBYTE);

	ck_assert_int_eq(blob_write(blob, "front", 5, 0), 0);
	ck_assert_int_eq(blob_reserve(blob, 4 * MEBIBYTE, 5 * MEBIBYTE), 0);
	ck_assert_uint_eq(size_of(blob), 5);
	ck_assert_uint_ge(room_of(blob), MEBIBYTE);
	ck_assert_uint_le(room_of(blob), MEBIBYTE + SLACK);
	/* what is written there needs no other room; what is written elsewhere does */
	ck_assert_int_eq(blob_write(blob, bytes, MEBIBYTE, 4 * MEBIBYTE), 0);
	ck_assert_uint_le(room_of(blob), MEBIBYTE + SLACK);
	ck_assert_int_eq(blob_write(blob, bytes, MEBIBYTE, 2 * MEBIBYTE), 0);
	ck_assert_uint_ge(room_of(blob), 2 * MEBIBYTE);
	expect_bytes(blob, bytes, MEBIBYTE, 4 * MEBIBYTE);
}
END_TEST

START_TEST(reserving_nothing_does_nothing)
{
	SCOPED(scoped_store_close) struct store *store = open_store();
	SCOPED(scoped_blob_unref) struct blob *blob = create_blob(store, 16);

	ck_assert_int_eq(blob_reserve(blob, MEBIBYTE, MEBIBYTE), 0);
	ck_assert_int_eq(blob_reserve(blob, MEBIBYTE, 0), 0);
	ck_assert_int_eq(blob_reserve(blob, UINT64_MAX, MEBIBYTE), 0);
	ck_assert_uint_eq(room_of(blob), 0);
	ck_assert_int_eq(blob_reserve(blob, MEBIBYTE, INT64_MAX), REFUSED_NO_SPACE);
	ck_assert_int_eq(blob_reserve(blob, MEBIBYTE, UINT64_MAX), REFUSED_NO_SPACE);
	ck_assert_uint_eq(room_of(blob), 0);
}
END_TEST

START_TEST(cutting_at_the_end_gives_back_the_room_behind_it)
{
	SCOPED(scoped_store_close) struct store *store = open_store();
	SCOPED(scoped_blob_unref) struct blob *blob = create_blob(store, 16);

	ck_assert_int_eq(blob_write(blob, "0123456789", 10, 0), 0);
	ck_assert_int_eq(blob_reserve(blob, 10, MEBIBYTE), 0);
	ck_assert_uint_ge(room_of(blob), MEBIBYTE);
	ck_assert_int_eq(blob_cut(blob, 10), 0);
	ck_assert_uint_le(room_of(blob), SLACK);
	expect_bytes(blob, "0123456789", 10, 0);
}
END_TEST

START_TEST(pushing_changes_nothing_that_can_be_seen)
{
	SCOPED(scoped_store_close) struct store *store = open_store();
	SCOPED(scoped_blob_unref) struct blob *blob = create_blob(store, 16);

	ck_assert_int_eq(blob_write(blob, "0123456789", 10, 0), 0);
	blob_push(blob, 0, 10);
	blob_push(blob, UINT64_MAX, UINT64_MAX);
	ck_assert_uint_eq(size_of(blob), 10);
}
END_TEST

START_TEST(descriptors_do_not_outlive_an_exec)
{
	SCOPED(scoped_store_close) struct store *store = open_store();
	SCOPED(scoped_blob_unref) struct blob *blob = create_blob(store, 16);
	DIR *dir = opendir("/proc/self/fd");

	ck_assert_int_eq(blob_sync(blob), 0);
	ck_assert_ptr_nonnull(dir);
	for (struct dirent *entry; (entry = readdir(dir));) {
		int fd = (int)strtol(entry->d_name, NULL, 10);
		char target[4096];
		ssize_t length =
			readlinkat(dirfd(dir), entry->d_name, target, sizeof(target));

		if (length > (ssize_t)strlen(temp_dir_path()) &&
		    memcmp(target, temp_dir_path(), strlen(temp_dir_path())) == 0)
			ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	}
	closedir(dir);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		a_new_store_has_every_folder_and_is_private,
		a_store_has_one_owner_at_a_time,
		a_store_that_lost_its_lock_is_locked_while_it_is_mended,
		a_lock_that_is_about_to_be_free_is_waited_for,
		the_lock_of_a_process_that_died_is_free,
		a_half_made_store_is_completed,
		a_place_that_cannot_be_a_store_fails,
		paths_of_the_store_are_absolute,
		the_space_of_the_store_is_that_of_its_file_system,
		a_blob_is_where_its_number_says,
		what_was_written_is_read,
		offsets_past_four_gibibytes_hold,
		bytes_outlive_the_store_that_wrote_them,
		an_absent_blob_is_not_found,
		creating_again_empties_what_was_left,
		a_symbolic_link_is_not_followed,
		a_removed_blob_is_readable_until_the_last_reference_goes,
		cutting_makes_a_blob_shorter_and_never_longer,
		reserving_leaves_the_size_and_refuses_what_has_no_room,
		reserving_from_an_offset_sets_aside_room_only_there,
		reserving_nothing_does_nothing,
		cutting_at_the_end_gives_back_the_room_behind_it,
		pushing_changes_nothing_that_can_be_seen,
		descriptors_do_not_outlive_an_exec,
	};

	return RUN_TESTS(tests, temp_dir_setup, temp_dir_teardown);
}
