/* Every system call of every operation fails in turn: the failure comes out, nothing
 * leaks, and what can be tried again then works. */
#include "blobs.h"
#include "descriptors.h"
#include "fault.h"
#include "run.h"
#include "temp_dir.h"
#include "tusfs/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

/* Bytes that pread and pwrite move at most; a limit makes them come up short. */
static size_t most_bytes = SIZE_MAX;
/* Calls of fsync: how often a folder was synced. */
static int fsyncs;

/* Large file support renames some calls on some machines: either name is wrapped. */
#define WRAP(name, parameters, arguments)                                              \
	int __real_##name parameters;                                                  \
	int __wrap_##name parameters;                                                  \
	int __wrap_##name parameters                                                   \
	{                                                                              \
		return fault_now() ? -1 : __real_##name arguments;                     \
	}

#define WRAP_MOVE(name, buffer)                                                        \
	ssize_t __real_##name(int fd, buffer, size_t size, off_t offset);              \
	ssize_t __wrap_##name(int fd, buffer, size_t size, off_t offset);              \
	ssize_t __wrap_##name(int fd, buffer, size_t size, off_t offset)               \
	{                                                                              \
		if (fault_now())                                                       \
			return -1;                                                     \
		return __real_##name(fd, bytes, size < most_bytes ? size : most_bytes, \
				     offset);                                          \
	}

WRAP(mkdir, (const char *path, mode_t mode), (path, mode))
WRAP(mkdirat, (int fd, const char *path, mode_t mode), (fd, path, mode))
WRAP(open, (const char *path, int flags, mode_t mode), (path, flags, mode))
WRAP(open64, (const char *path, int flags, mode_t mode), (path, flags, mode))
WRAP(openat, (int fd, const char *path, int flags, mode_t mode),
     (fd, path, flags, mode))
WRAP(openat64, (int fd, const char *path, int flags, mode_t mode),
     (fd, path, flags, mode))
WRAP(flock, (int fd, int operation), (fd, operation))
WRAP(fdatasync, (int fd), (fd))
WRAP(fstat, (int fd, struct stat *found), (fd, found))
WRAP(fstat64, (int fd, struct stat *found), (fd, found))
WRAP(fstatvfs, (int fd, struct statvfs *found), (fd, found))
WRAP(fstatvfs64, (int fd, struct statvfs *found), (fd, found))
WRAP(ftruncate, (int fd, off_t size), (fd, size))
WRAP(ftruncate64, (int fd, off_t size), (fd, size))
WRAP(fallocate, (int fd, int mode, off_t offset, off_t size), (fd, mode, offset, size))
WRAP(fallocate64, (int fd, int mode, off_t offset, off_t size),
     (fd, mode, offset, size))
WRAP(unlinkat, (int fd, const char *path, int flags), (fd, path, flags))
WRAP_MOVE(pread, void *bytes)
WRAP_MOVE(pread64, void *bytes)
WRAP_MOVE(pwrite, const void *bytes)
WRAP_MOVE(pwrite64, const void *bytes)

int __real_fsync(int fd);
int __wrap_fsync(int fd);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
char *__real_realpath(const char *path, char *resolved);
char *__wrap_realpath(const char *path, char *resolved);

int __wrap_fsync(int fd)
{
	fsyncs++;
	return fault_now() ? -1 : __real_fsync(fd);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fault_now() ? NULL : __real_calloc(count, size);
}

char *__wrap_realpath(const char *path, char *resolved)
{
	return fault_now() ? NULL : __real_realpath(path, resolved);
}

/* Most of the folders are there already, so that there are not too many rounds. */
static void remove_some_folders(void)
{
	static const char *const some[] = {"store/blobs/00", "store/blobs/ff"};

	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		SCOPED(scoped_free) char *path = temp_dir_join(some[i]);

		ck_assert_int_eq(rmdir(path), 0);
	}
}

START_TEST(opening_a_store_cleans_up_after_every_fault)
{
	SCOPED(scoped_free) char *path = temp_dir_join("store");
	struct store *store = NULL;
	int r, nth = 0, open_before = descriptors_open();
	bool fired;

	do {
		fault_arm(nth, ENOMEM);
		r = store_open(path, &store);
		fired = fault_fired();
		ck_assert_int_eq(r, fired ? -ENOMEM : 0);
		ck_assert((r == 0) == (store != NULL));
		store = store_close(store);
		ck_assert_int_eq(descriptors_open(), open_before);
		store_close(open_store()); /* what is half made is no obstacle */
		remove_some_folders();
		nth += fired;
	} while (fired);
	ck_assert_int_gt(nth, 256);
}
END_TEST

START_TEST(a_signal_does_not_keep_the_store_from_its_lock)
{
	SCOPED(scoped_free) char *path = temp_dir_join("store");
	struct store *store = NULL;
	int r, nth = 0, interrupted = 0;
	bool fired;

	store_close(open_store());
	do {
		fault_arm(nth++, EINTR);
		r = store_open(path, &store);
		fired = fault_fired();
		interrupted += fired && r == 0;
		if (r == 0)
			store = store_close(store);
	} while (fired);
	ck_assert_int_eq(interrupted, 1); /* flock(2) */
}
END_TEST

/* Fails each call of `operation` in turn with `error`. Returns how many could fail. */
static int fail_each(int (*operation)(struct store *store, struct blob *blob),
		     int error)
{
	SCOPED(scoped_store_close) struct store *store = open_store();
	SCOPED(scoped_blob_unref) struct blob *blob = create_blob(store, 16);
	int r, nth = 0, open_before = descriptors_open();
	bool fired;

	ck_assert_int_eq(blob_write(blob, "0123456789", 10, 0), 0);
	do {
		fault_arm(nth, error);
		r = operation(store, blob);
		fired = fault_fired();
		ck_assert_int_eq(r, fired ? -error : 0);
		ck_assert_int_eq(descriptors_open(), open_before);
		nth += fired;
	} while (fired);
	return nth;
}

static int create_one(struct store *store, struct blob *blob)
{
	struct blob *made = NULL;
	int r = blob_create(store, 17, &made);

	ck_assert((r == 0) == (made != NULL));
	blob_unref(made);
	return r;
}

static int open_one(struct store *store, struct blob *blob)
{
	struct blob *opened = NULL;
	int r = blob_open(store, 16, &opened);

	ck_assert((r == 0) == (opened != NULL));
	blob_unref(opened);
	return r;
}

static int write_some(struct store *store, struct blob *blob)
{
	return blob_write(blob, "abcdefghij", 10, 5);
}

static int read_some(struct store *store, struct blob *blob)
{
	char bytes[20];
	size_t got = 4711;
	int r = blob_read(blob, bytes, sizeof(bytes), 0, &got);

	ck_assert_uint_eq(got, r ? 4711 : 10);
	return r;
}

static int cut_one(struct store *store, struct blob *blob)
{
	return blob_cut(blob, 3);
}

static int reserve_one(struct store *store, struct blob *blob)
{
	return blob_reserve(blob, 0, 4096);
}

static int reserve_behind(struct store *store, struct blob *blob)
{
	return blob_reserve(blob, 4096, 8192);
}

static int measure_one(struct store *store, struct blob *blob)
{
	uint64_t size = 4711;
	int r = blob_size(blob, &size);

	ck_assert_uint_eq(size, r ? 4711 : 10);
	return r;
}

static int measure_space(struct store *store, struct blob *blob)
{
	struct statvfs space;

	return store_space(store, &space);
}

static int remove_one(struct store *store, struct blob *blob)
{
	return blob_remove(store, 16);
}

START_TEST(every_call_that_fails_comes_out_and_leaks_nothing)
{
	ck_assert_int_eq(fail_each(create_one, ENOMEM), 2);
	ck_assert_int_eq(fail_each(open_one, ENOMEM), 2);
	ck_assert_int_eq(fail_each(write_some, EIO), 1);
	ck_assert_int_eq(fail_each(read_some, EIO), 2); /* the second sees the end */
	ck_assert_int_eq(fail_each(cut_one, EIO), 2);
	ck_assert_int_eq(fail_each(reserve_one, EIO), 3);
	ck_assert_int_eq(fail_each(reserve_behind, EIO), 3);
	ck_assert_int_eq(fail_each(measure_one, EIO), 1);
	ck_assert_int_eq(fail_each(measure_space, EIO), 1);
	ck_assert_int_eq(fail_each(remove_one, EIO), 1);
}
END_TEST

START_TEST(a_full_disk_or_quota_passes_through)
{
	most_bytes = 3;
	ck_assert_int_eq(fail_each(write_some, ENOSPC), 4);
	ck_assert_int_eq(fail_each(write_some, EDQUOT), 4);
}
END_TEST

START_TEST(every_part_of_a_sync_must_succeed)
{
	SCOPED(scoped_store_close) struct store *store = open_store();
	bool fired = true;

	/* fdatasync, openat, fsync; a failure is not forgotten by the next call */
	for (int nth = 0; fired; nth++) {
		SCOPED(scoped_blob_unref) struct blob *blob = create_blob(store, 16);

		fault_arm(nth, EIO);
		ck_assert_int_eq(blob_sync(blob), nth < 3 ? -EIO : 0);
		fired = fault_fired();
		ck_assert_int_eq(fired, nth < 3);
		ck_assert_int_eq(blob_sync(blob), nth < 3 ? -EIO : 0);
	}
}
END_TEST

START_TEST(a_folder_is_synced_once_after_a_creation_in_it)
{
	SCOPED(scoped_store_close) struct store *store = open_store();
	SCOPED(scoped_blob_unref) struct blob *blob = create_blob(store, 16);
	SCOPED(scoped_blob_unref) struct blob *elsewhere = create_blob(store, 17);
	SCOPED(scoped_blob_unref) struct blob *neighbour = NULL;

	fsyncs = 0;
	ck_assert_int_eq(blob_sync(blob), 0);
	ck_assert_int_eq(fsyncs, 1);
	ck_assert_int_eq(blob_sync(blob), 0);
	ck_assert_int_eq(fsyncs, 1);
	ck_assert_int_eq(blob_sync(elsewhere), 0);
	ck_assert_int_eq(fsyncs, 2);
	neighbour = create_blob(store, 16 + 256);
	ck_assert_int_eq(blob_sync(neighbour), 0);
	ck_assert_int_eq(fsyncs, 3);
	ck_assert_int_eq(blob_sync(blob), 0);
	ck_assert_int_eq(fsyncs, 3);
}
END_TEST

START_TEST(a_name_that_a_crash_left_is_synced_with_the_next_bytes)
{
	SCOPED(scoped_store_close) struct store *store = open_store();
	SCOPED(scoped_blob_unref) struct blob *blob = NULL;

	blob_unref(create_blob(store, 16)); /* and never synced */
	store_close(store);
	store = open_store();
	ck_assert_int_eq(blob_open(store, 16, &blob), 0);
	fsyncs = 0;
	ck_assert_int_eq(blob_sync(blob), 0);
	ck_assert_int_eq(fsyncs, 1);
}
END_TEST

START_TEST(short_and_interrupted_moves_go_on_where_they_were)
{
	SCOPED(scoped_store_close) struct store *store = open_store();
	SCOPED(scoped_blob_unref) struct blob *blob = create_blob(store, 16);
	char read[16];
	size_t got;

	most_bytes = 3;
	for (int nth = 0; nth < 4; nth++) {
		ck_assert_int_eq(blob_cut(blob, 0), 0);
		fault_arm(nth, EINTR);
		ck_assert_int_eq(blob_write(blob, "0123456789", 10, 0), 0);
		ck_assert(fault_fired());
		fault_arm(nth, EINTR);
		ck_assert_int_eq(blob_read(blob, read, sizeof(read), 0, &got), 0);
		ck_assert(fault_fired());
		ck_assert_uint_eq(got, 10);
		ck_assert_mem_eq(read, "0123456789", 10);
	}
}
END_TEST

START_TEST(a_write_that_moves_nothing_fails_and_does_not_spin)
{
	SCOPED(scoped_store_close) struct store *store = open_store();
	SCOPED(scoped_blob_unref) struct blob *blob = create_blob(store, 16);

	most_bytes = 0;
	ck_assert_int_eq(blob_write(blob, "a", 1, 0), -EIO);
}
END_TEST

START_TEST(a_reservation_that_fails_is_judged_by_its_reason)
{
	static const struct {
		int error;
		int r;
	} reasons[] = {
		{ENOSPC, REFUSED_NO_SPACE},
		{EDQUOT, REFUSED_NO_SPACE},
		{EFBIG, REFUSED_NO_SPACE},
		{EOPNOTSUPP, 0},
		{ENOSYS, 0},
		{EINTR, 0},
		{EIO, -EIO},
	};
	SCOPED(scoped_store_close) struct store *store = open_store();
	SCOPED(scoped_blob_unref) struct blob *blob = create_blob(store, 16);

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		fault_arm(2, reasons[i].error); /* behind fstat and fstatvfs */
		ck_assert_int_eq(blob_reserve(blob, 0, 4096), reasons[i].r);
		ck_assert(fault_fired());
	}
}
END_TEST

static void forget_limits(void)
{
	most_bytes = SIZE_MAX;
	temp_dir_setup();
}

int main(void)
{
	const TTest *tests[] = {
		opening_a_store_cleans_up_after_every_fault,
		a_signal_does_not_keep_the_store_from_its_lock,
		every_call_that_fails_comes_out_and_leaks_nothing,
		a_full_disk_or_quota_passes_through,
		every_part_of_a_sync_must_succeed,
		a_folder_is_synced_once_after_a_creation_in_it,
		a_name_that_a_crash_left_is_synced_with_the_next_bytes,
		short_and_interrupted_moves_go_on_where_they_were,
		a_write_that_moves_nothing_fails_and_does_not_spin,
		a_reservation_that_fails_is_judged_by_its_reason,
	};

	return RUN_TESTS(tests, forget_limits, temp_dir_teardown);
}
