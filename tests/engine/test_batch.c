/* Changes that are committed together: what one leaves for the next, and what a refusal
 * takes back. */
#include "run.h"
#include "temp_dir.h"

#include "tusfs/catalog.h"

#include <string.h>

static struct catalog *catalog;
static int64_t now; /* when every transaction begins */

int64_t __wrap_clock_now(void);

int64_t __wrap_clock_now(void)
{
	return now;
}

static void setup(void)
{
	SCOPED(scoped_free) char *path = NULL;

	now = 50;
	temp_dir_setup();
	path = temp_dir_join("catalog.db");
	ck_assert_int_eq(catalog_open(path, &catalog), 0);
}

static void teardown(void)
{
	catalog_close(catalog);
	temp_dir_teardown();
}

/* Gives complete/ new times, and then ends with a result. */
struct touching {
	int64_t when;
	bool modified;
	int result;
};

static int touch(struct conn *conn, void *arg)
{
	const struct touching *touching = arg;
	int r = catalog_touch(conn, FILE_NUM_TREE, touching->when, touching->modified);

	return r ? r : touching->result;
}

#define BATCH_MAX 4

/* Commits them in one batch. */
static void commit(struct touching *touchings, size_t count)
{
	struct catalog_change changes[BATCH_MAX] = {0};

	ck_assert_uint_le(count, BATCH_MAX);
	for (size_t i = 0; i < count; i++) {
		changes[i].apply = touch;
		changes[i].arg = &touchings[i];
		changes[i].next = i + 1 < count ? &changes[i + 1] : NULL;
	}
	catalog_commit_all(catalog, &changes[0], &changes[count - 1]);
	for (size_t i = 0; i < count; i++)
		ck_assert_int_eq(changes[i].result, touchings[i].result);
}

static void expect_times(int64_t changed, int64_t modified)
{
	SCOPED(conn_release) struct conn *conn = catalog_reader(catalog);
	SCOPED(file_release) struct file file = {0};

	ck_assert_int_eq(catalog_file(conn, FILE_NUM_TREE, &file), 0);
	ck_assert_int_eq(file.changed, changed);
	ck_assert_int_eq(file.modified, modified);
}

START_TEST(a_batch_gives_a_folder_its_times_once)
{
	struct touching touchings[] = {{100, true, 0}, {200, true, 0}, {300, false, 0}};

	commit(touchings, 3);
	expect_times(100, 100);
}
END_TEST

START_TEST(a_folder_that_only_changed_can_still_be_modified)
{
	struct touching touchings[] = {{100, false, 0}, {200, true, 0}, {300, true, 0}};

	commit(touchings, 3);
	expect_times(200, 200);
}
END_TEST

/* One who waited for long must not date back what others of its batch do. */
START_TEST(times_are_not_before_their_batch)
{
	struct touching touchings[] = {{100, true, 0}, {260, true, 0}};

	now = 250;
	commit(touchings, 2);
	expect_times(250, 250);
}
END_TEST

START_TEST(the_next_batch_gives_new_times)
{
	struct touching first = {100, true, 0}, second = {200, false, 0};

	commit(&first, 1);
	commit(&second, 1);
	expect_times(200, 100);
}
END_TEST

START_TEST(times_that_a_refusal_took_back_are_given_by_the_next)
{
	struct touching touchings[] = {
		{100, true, REFUSED_EXISTS}, {200, true, 0}, {300, true, REFUSED_GONE}};

	commit(touchings, 3);
	expect_times(200, 200);
}
END_TEST

START_TEST(a_refusal_in_between_leaves_the_times_of_the_others)
{
	struct touching touchings[] = {
		{100, true, 0}, {200, true, REFUSED_EXISTS}, {300, true, 0}};

	commit(touchings, 3);
	expect_times(300, 300);
}
END_TEST

struct adding {
	struct file file;
	int first, second;
};

static int add_twice(struct conn *conn, void *arg)
{
	struct adding *adding = arg;

	adding->first = catalog_add(conn, &adding->file);
	adding->second = catalog_add(conn, &adding->file);
	return 0;
}

START_TEST(a_name_that_is_taken_is_refused_and_its_batch_goes_on)
{
	struct adding adding = {.file = {.parent = FILE_NUM_TREE, .shown = true}};
	uint64_t num;

	name_set(&adding.file.name, "folder");
	ck_assert_int_eq(catalog_commit(catalog, false, add_twice, &adding), 0);
	ck_assert_int_eq(adding.first, 0);
	ck_assert_int_eq(adding.second, REFUSED_EXISTS);
	num = adding.file.num;
	SCOPED(conn_release) struct conn *conn = catalog_reader(catalog);
	SCOPED(file_release) struct file found = {0};

	ck_assert_int_eq(catalog_file_named(conn, FILE_NUM_TREE, "folder", &found), 0);
	ck_assert_uint_eq(found.num, num);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		a_batch_gives_a_folder_its_times_once,
		a_folder_that_only_changed_can_still_be_modified,
		times_are_not_before_their_batch,
		the_next_batch_gives_new_times,
		times_that_a_refusal_took_back_are_given_by_the_next,
		a_refusal_in_between_leaves_the_times_of_the_others,
		a_name_that_is_taken_is_refused_and_its_batch_goes_on,
	};

	return RUN_TESTS(tests, setup, teardown);
}
