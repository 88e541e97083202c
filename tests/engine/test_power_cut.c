/* What a start makes of a store whose machine stopped. The boot id in the journal is
 * another one then; the disk of these tests has lost nothing: see tests/crash for those
 * that have. */
#include "engine.h"
#include "run.h"
#include "temp_dir.h"

#include "tusfs/store.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SIZE 3000000

int __real_fsync(int fd);
int __wrap_fsync(int fd);

int __real_syncfs(int fd);
int __wrap_syncfs(int fd);

static unsigned int fsyncs, syncfses;
static atomic_uint log_syncs;
static unsigned int log_syncs_at_unlink;

int __wrap_fsync(int fd)
{
	fsyncs++;
	return __real_fsync(fd);
}

int __wrap_syncfs(int fd)
{
	syncfses++;
	return __real_syncfs(fd);
}

int __real_unlinkat(int folder, const char *path, int flags);
int __wrap_unlinkat(int folder, const char *path, int flags);

int __wrap_unlinkat(int folder, const char *path, int flags)
{
	log_syncs_at_unlink = atomic_load(&log_syncs);
	return __real_unlinkat(folder, path, flags);
}

/* In the place of the C library's, also for SQLite. */
__attribute__((visibility("default"))) int fdatasync(int fd)
{
	char link[64], path[512] = "";

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (readlink(link, path, sizeof(path) - 1) > 0 &&
	    strstr(path, "catalog.db-wal"))
		atomic_fetch_add(&log_syncs, 1);
	return (int)syscall(SYS_fdatasync, fd);
}

/* Appends in a child that ends without any order. Leaves the engine closed. */
static void die_appending(struct upload_id id, uint64_t offset, const uint8_t *bytes,
			  size_t size)
{
	struct upload_append append = {.offset = offset};

	engine_die_appending(id, &append, bytes, size);
}

/* The same, and its machine with it. The next start is at the level `sync`. */
static void lose_power_appending(struct upload_id id, uint64_t offset,
				 const uint8_t *bytes, size_t size,
				 enum sync_level sync)
{
	die_appending(id, offset, bytes, size);
	engine_lose_power(temp_dir_path());
	engine_config.sync = sync;
	engine_open();
}

static void reopen_at(enum sync_level sync)
{
	engine_close();
	engine_config.sync = sync;
	engine_open();
}

START_TEST(bytes_behind_the_offset_are_cut_off)
{
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(SIZE, 1);
	struct file file = engine_create(FILE_PLAIN, "x", SIZE), now;
	SCOPED(scoped_free) char *path = engine_blob_path(file.num);
	struct stat found;

	engine_append(file.id, 0, bytes, 1000);
	lose_power_appending(file.id, 1000, bytes + 1000, 1000000, SYNC_ALWAYS);
	now = engine_find(file.id);
	ck_assert_uint_eq(now.offset, 1000);
	ck_assert_int_eq(stat(path, &found), 0);
	ck_assert_int_eq(found.st_size, 1000);
	engine_append(file.id, 1000, bytes + 1000, SIZE - 1000);
	engine_expect(file.num, bytes, SIZE);
	file_release(&now);
	file_release(&file);
}
END_TEST

START_TEST(with_sync_finish_an_unfinished_upload_starts_over)
{
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(SIZE, 2);
	struct file done, file, now;

	reopen_at(SYNC_FINISH);
	done = engine_upload(FILE_PLAIN, "done", bytes, SIZE);
	file = engine_create(FILE_PLAIN, "x", SIZE);
	engine_append(file.id, 0, bytes, 1000000);
	lose_power_appending(file.id, 1000000, bytes + 1000000, 1000000, SYNC_FINISH);
	now = engine_find(file.id);
	ck_assert_uint_eq(now.offset, 0);
	engine_expect(done.num, bytes, SIZE);
	engine_append(file.id, 0, bytes, SIZE);
	engine_expect(file.num, bytes, SIZE);
	file_release(&now);
	file_release(&file);
	file_release(&done);
}
END_TEST

START_TEST(an_offset_is_trusted_by_the_level_of_the_run_that_was_cut)
{
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(SIZE, 3);
	struct file file = engine_create(FILE_PLAIN, "x", SIZE);

	reopen_at(SYNC_FINISH);
	engine_append(file.id, 0, bytes, 1000000);
	lose_power_appending(file.id, 1000000, bytes + 1000000, 1000, SYNC_ALWAYS);
	engine_expect_offset(file.id, 0);
	engine_append(file.id, 0, bytes, 500000);
	lose_power_appending(file.id, 500000, bytes + 500000, 1000, SYNC_NEVER);
	engine_expect_offset(file.id, 500000);
	file_release(&file);
}
END_TEST

/* The blob comes with the first append, and its name may be lost. */
START_TEST(an_upload_without_a_blob_is_fine_at_offset_0)
{
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(SIZE, 5);
	struct file files[2];
	SCOPED(scoped_free) char *path = NULL;

	reopen_at(SYNC_FINISH);
	for (int i = 0; i < 2; i++)
		files[i] = engine_create(FILE_PLAIN, "x", SIZE);
	path = engine_blob_path(files[0].num);
	die_appending(files[0].id, 0, bytes, 1000000);
	ck_assert_int_eq(unlink(path), 0);
	engine_lose_power(temp_dir_path());
	engine_open();
	for (int i = 0; i < 2; i++) {
		engine_expect_offset(files[i].id, 0);
		engine_append(files[i].id, 0, bytes, SIZE);
		engine_expect(files[i].num, bytes, SIZE);
		file_release(&files[i]);
	}
}
END_TEST

START_TEST(a_run_that_promised_less_leaves_nothing_unsynced_to_one_that_promises_more)
{
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(SIZE, 4);
	struct file file = engine_create(FILE_PLAIN, "x", SIZE), now;

	syncfses = 0;
	reopen_at(SYNC_FINISH);
	ck_assert_uint_eq(syncfses, 0);
	engine_append(file.id, 0, bytes, 1000000);
	reopen_at(SYNC_FINISH); /* in order */
	ck_assert_uint_eq(syncfses, 1);
	die_appending(file.id, 1000000, bytes + 1000000, 1000000);
	ck_assert_uint_eq(syncfses, 2); /* the end before the child's run */
	engine_open();
	ck_assert_uint_eq(syncfses, 2);
	die_appending(file.id, 2000000, bytes + 2000000, 500000);
	ck_assert_uint_eq(syncfses, 3);
	engine_config.sync = SYNC_ALWAYS;
	engine_open();
	ck_assert_uint_eq(syncfses, 4);
	now = engine_find(file.id);
	ck_assert_uint_eq(now.offset, 2500000);
	engine_expect(file.num, bytes, 2500000);
	engine_close();
	ck_assert_uint_eq(syncfses, 4);
	engine_open();
	file_release(&now);
	file_release(&file);
}
END_TEST

START_TEST(the_removal_of_a_blob_is_synced_with_its_folder)
{
	SCOPED(scoped_store_close) struct store *store = NULL;
	SCOPED(scoped_free) char *path = temp_dir_join("other");
	struct blob *blob;

	ck_assert_int_eq(store_open(path, &store), 0);
	ck_assert_int_eq(blob_create(store, 16, &blob), 0);
	ck_assert_int_eq(blob_sync(blob), 0);
	blob_unref(blob);
	fsyncs = 0;
	ck_assert_int_eq(blob_remove(store, 16), 0);
	ck_assert_int_eq(blob_sync_removal(store, 16), 0);
	ck_assert_uint_eq(fsyncs, 1);
	ck_assert_int_eq(blob_sync_removal(store, 16), 0);
	ck_assert_uint_eq(fsyncs, 1);
}
END_TEST

/* Or a power cut could bring back an upload without its bytes. */
START_TEST(with_sync_finish_a_removal_is_synced_before_its_blob_goes)
{
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(SIZE, 4);
	SCOPED(file_release) struct file file = {0};
	unsigned int before;

	reopen_at(SYNC_FINISH);
	file = engine_create(FILE_PLAIN, "x", SIZE);
	engine_append(file.id, 0, bytes, SIZE);
	before = atomic_load(&log_syncs);
	log_syncs_at_unlink = 0;
	ck_assert_int_eq(uploads_terminate(engine, file.id), 0);
	ck_assert_int_eq(uploads_clean(engine), 0);
	ck_assert_uint_gt(log_syncs_at_unlink, before);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		bytes_behind_the_offset_are_cut_off,
		with_sync_finish_an_unfinished_upload_starts_over,
		an_offset_is_trusted_by_the_level_of_the_run_that_was_cut,
		an_upload_without_a_blob_is_fine_at_offset_0,
		a_run_that_promised_less_leaves_nothing_unsynced_to_one_that_promises_more,
		the_removal_of_a_blob_is_synced_with_its_folder,
		with_sync_finish_a_removal_is_synced_before_its_blob_goes,
	};

	return RUN_TESTS(tests, engine_setup, engine_teardown);
}
