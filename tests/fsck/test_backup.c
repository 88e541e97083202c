/* A store that is copied while it is written to, and restored. */
#include "tusfs/check.h"

#include "engine.h"
#include "run.h"
#include "temp_dir.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define BEFORE 40 /* uploads that are complete before the copy begins */
#define SIZE   50000
#define SMALL  100

static struct file before[BEFORE];
static atomic_bool ended;
static atomic_uint rounds; /* of the load */

static size_t size_of(size_t i)
{
	return i % 2 ? SMALL : SIZE;
}

static void upload_before(const uint8_t *bytes)
{
	char name[32];

	for (size_t i = 0; i < BEFORE; i++) {
		snprintf(name, sizeof(name), "before-%zu", i);
		before[i] = engine_upload(FILE_PLAIN, name, bytes + i, size_of(i));
	}
}

/* Uploads that are made, that grow, and that go. */
static void *load(void *arg)
{
	const uint8_t *bytes = arg;

	while (!atomic_load(&ended)) {
		struct file kept = engine_create(FILE_PLAIN, "kept", SIZE);
		struct file gone = engine_upload(FILE_PLAIN, "gone", bytes, SIZE);
		struct file small = engine_upload(FILE_PLAIN, "small", bytes, SMALL);

		engine_append(kept.id, 0, bytes, SIZE / 2);
		ck_assert_int_eq(uploads_terminate(engine, gone.id), 0);
		ck_assert_int_eq(uploads_clean(engine), 0);
		engine_append(kept.id, SIZE / 2, bytes, SIZE - SIZE / 2);
		file_release(&kept);
		file_release(&gone);
		file_release(&small);
		atomic_fetch_add(&rounds, 1);
	}
	return NULL;
}

static void wait_for_rounds(unsigned int more)
{
	unsigned int enough = atomic_load(&rounds) + more;

	while (atomic_load(&rounds) < enough)
		sched_yield();
}

/* cp may find a blob gone that was in the folder a moment before. */
static void copy_blobs(const char *to)
{
	SCOPED(scoped_free) char *command = NULL;

	ck_assert_int_ge(asprintf(&command, "cp -a %s/blobs %s/ 2>/dev/null || true",
				  temp_dir_path(), to),
			 0);
	ck_assert_int_eq(system(command), 0);
}

static void back_up(const char *to)
{
	SCOPED(scoped_free) char *catalog = NULL;

	ck_assert_int_eq(mkdir(to, 0700), 0);
	ck_assert_int_ge(asprintf(&catalog, "%s/catalog.db", to), 0);
	ck_assert_int_eq(check_backup(temp_dir_path(), catalog), 0);
	wait_for_rounds(3);
	copy_blobs(to);
}

static void compare(const uint8_t *bytes)
{
	for (size_t i = 0; i < BEFORE; i++) {
		struct file now = engine_find(before[i].id);

		ck_assert_str_eq(now.name.text, before[i].name.text);
		engine_expect(now.num, bytes + i, size_of(i));
		file_release(&now);
		file_release(&before[i]);
	}
}

START_TEST(a_copy_made_under_load_has_all_that_was_complete_before)
{
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(SIZE + BEFORE, 3);
	SCOPED(scoped_free) char *to = temp_dir_join("restored");
	struct check_result result;
	pthread_t thread;

	upload_before(bytes);
	ck_assert_int_eq(pthread_create(&thread, NULL, load, bytes), 0);
	wait_for_rounds(3);
	back_up(to);
	atomic_store(&ended, true);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	engine_close();
	ck_assert_int_eq(check_store(to, true, stdout, &result), 0);
	ck_assert_uint_gt(result.found, 0); /* of the load */
	ck_assert_uint_eq(result.left, 0);
	ck_assert_int_eq(check_store(to, false, stdout, &result), 0);
	ck_assert_uint_eq(result.found, 0);
	ck_assert_int_eq(uploads_open(to, &engine_config, &engine), 0);
	compare(bytes);
}
END_TEST

START_TEST(a_damaged_catalog_and_none_are_not_copied)
{
	SCOPED(scoped_free) char *catalog = temp_dir_join("catalog.db");
	SCOPED(scoped_free) char *to = temp_dir_join("copy");
	FILE *file;

	engine_close();
	file = fopen(catalog, "we");
	fputs("this is no database, and long enough to be taken for one: "
	      "SQLite reads the first hundred bytes of a file, and compares them.\n",
	      file);
	fclose(file);
	ck_assert_int_ne(check_backup(temp_dir_path(), to), 0);
	ck_assert_int_ne(access(to, F_OK), 0);
	ck_assert_int_eq(unlink(catalog), 0);
	ck_assert_int_lt(check_backup(temp_dir_path(), to), 0);
	ck_assert_int_ne(access(to, F_OK), 0);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		a_copy_made_under_load_has_all_that_was_complete_before,
		a_damaged_catalog_and_none_are_not_copied,
	};

	return RUN_TESTS(tests, engine_setup, engine_teardown);
}
