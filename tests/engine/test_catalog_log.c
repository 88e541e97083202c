/* The catalog's log after a failed commit, and after a crash. */
#include "engine.h"
#include "run.h"
#include "temp_dir.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SIZE 200000
#define STEP 20

/* What the child tells: how far it came before the index failed, and what that gave. */
static struct told {
	uint64_t offset;
	int result;
} * told;

static bool index_fails;

static bool is_index(int fd)
{
	char link[64], path[512] = "";

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	return readlink(link, path, sizeof(path) - 1) > 0 &&
	       strstr(path, "catalog.db-shm");
}

/* In the place of the C library's, for SQLite. */
__attribute__((visibility("default"))) void *
mmap64(void *where, size_t size, int access, int how, int fd, off64_t at)
{
	if (fd >= 0 && index_fails && is_index(fd)) {
		index_fails = false;
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return (void *)syscall(SYS_mmap, where, size, access, how, fd, at);
}

static void setup(void)
{
	engine_setup();
	told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(told, MAP_FAILED);
}

static void teardown(void)
{
	munmap(told, sizeof(*told));
	engine_teardown();
}

struct appending {
	struct upload_id id;
	const uint8_t *bytes;
};

/* Appends until the index of the log gets no more memory. The next append cuts off what
 * was refused then. */
static void append_until_it_fails(void *arg)
{
	const struct appending *appending = arg;
	struct upload_append append = {0};
	struct upload_writer *writer;

	index_fails = true;
	do {
		told->result = engine_try_append(appending->id, told->offset,
						 appending->bytes + told->offset, STEP);
		if (!told->result)
			told->offset += STEP;
	} while (index_fails);
	append.offset = told->offset;
	if (upload_writer_open(engine, appending->id, &append, &writer))
		_exit(1);
}

START_TEST(a_commit_that_has_no_room_in_the_index_does_not_count_after_a_kill)
{
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(SIZE, 1);
	struct file file = engine_create(FILE_PLAIN, "x", SIZE), found;
	struct appending appending = {file.id, bytes};

	engine_die(append_until_it_fails, &appending);
	ck_assert_int_lt(told->result, 0);
	engine_open();
	found = engine_find(file.id);
	ck_assert_uint_eq(found.offset, told->offset);
	engine_append(file.id, found.offset, bytes + found.offset, SIZE - found.offset);
	engine_expect(file.num, bytes, SIZE);
	file_release(&found);
	file_release(&file);
}
END_TEST

static void create_many(void *arg)
{
	for (int i = 0; i < 200; i++) {
		struct file file = engine_create(FILE_PLAIN, "x", 10);

		file_release(&file);
	}
}

/* How many uploads are in the catalog's file, without its log. */
static int count_in_file(void)
{
	SCOPED(scoped_free) char *path = temp_dir_join("catalog.db");
	SCOPED(scoped_free) char *uri = NULL;
	sqlite3_stmt *count;
	sqlite3 *db;
	int found;

	ck_assert_int_gt(asprintf(&uri, "file:%s?immutable=1", path), 0);
	ck_assert_int_eq(
		sqlite3_open_v2(uri, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL),
		SQLITE_OK);
	ck_assert_int_eq(sqlite3_prepare_v2(db,
					    "SELECT count(*) FROM file WHERE kind > 0",
					    -1, &count, NULL),
			 SQLITE_OK);
	ck_assert_int_eq(sqlite3_step(count), SQLITE_ROW);
	found = sqlite3_column_int(count, 0);
	sqlite3_finalize(count);
	sqlite3_close(db);
	return found;
}

START_TEST(a_log_that_begins_anew_behind_that_of_a_crash_is_copied_too)
{
	struct file file;

	engine_die(create_many, NULL);
	engine_open();
	ck_assert_int_eq(uploads_clean(engine), 0);
	ck_assert_int_eq(count_in_file(), 200);
	file = engine_create(FILE_PLAIN, "y", 10);
	ck_assert_int_eq(uploads_clean(engine), 0);
	ck_assert_int_eq(count_in_file(), 201);
	file_release(&file);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		a_commit_that_has_no_room_in_the_index_does_not_count_after_a_kill,
		a_log_that_begins_anew_behind_that_of_a_crash_is_copied_too,
	};

	return RUN_TESTS_FOR(tests, setup, teardown, 120);
}
