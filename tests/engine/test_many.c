/* A catalog of many uploads: the janitor's pass goes on between requests, and does not
 * hold them up, and the log does not grow with them. */
#include "engine.h"
#include "run.h"
#include "temp_dir.h"

#include "tusfs/clock.h"

#include <sqlite3.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROWS	1000000
#define EXPIRED 1000 /* of these */
/* The log begins anew when it is longer. */
#define LONG_LOG (70 * 1024 * 1024)

static void fill(void)
{
	SCOPED(scoped_free) char *path = temp_dir_join("catalog.db");
	SCOPED(scoped_free) char *sql = NULL;
	long long now = (long long)clock_now();
	sqlite3 *db;

	ck_assert_int_gt(
		asprintf(&sql,
			 "PRAGMA synchronous = OFF; PRAGMA cache_size = -200000;"
			 "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL "
			 "SELECT i + 1 FROM n WHERE i < %d) "
			 "INSERT INTO file (parent, name, kind, arriving, shown, "
			 "created, "
			 "modified, changed, finished, expires, id, offset, length, "
			 "small, "
			 "broken) SELECT 3, printf('%%032x', i), 2, 0, 1, %lld, %lld, "
			 "%lld, "
			 "0, CASE WHEN i %% %d = 0 THEN 1 ELSE %lld END, "
			 "randomblob(16), 0, "
			 "100, 1, 0 FROM n",
			 ROWS, now, now, now, ROWS / EXPIRED,
			 now + 3600 * CLOCK_SECOND),
		0);
	ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static atomic_bool passing;

static void *pass(void *arg)
{
	*(int *)arg = uploads_expire(engine);
	atomic_store(&passing, false);
	return NULL;
}

START_TEST(requests_are_served_while_a_thousand_of_a_million_expire)
{
	struct file file, found;
	uint64_t served = 0;
	pthread_t thread;
	int r = -1;

	engine_close();
	fill();
	engine_config.expire_after = 3600 * CLOCK_SECOND;
	engine_open();
	atomic_store(&passing, true);
	ck_assert_int_eq(pthread_create(&thread, NULL, pass, &r), 0);
	do {
		file = engine_create(FILE_PLAIN, "x", 10);
		found = engine_find(file.id);
		file_release(&found);
		ck_assert_int_eq(uploads_terminate(engine, file.id), 0);
		file_release(&file);
		served++;
	} while (atomic_load(&passing));
	pthread_join(thread, NULL);
	ck_assert_int_eq(r, 0);
	/* they take turns: a creation waits for a batch of 16 at most, and so does a
	 * removal */
	ck_assert_uint_ge(served, EXPIRED / (2 * 16));
	ck_assert_int_eq(
		uploads_stat(engine, FILE_NUM_FIRST + ROWS / EXPIRED - 1, &found),
		REFUSED_NOT_FOUND);
	ck_assert_int_eq(uploads_stat(engine, FILE_NUM_FIRST, &found), 0);
	file_release(&found);
}
END_TEST

static off_t size_of(const char *name)
{
	SCOPED(scoped_free) char *path = temp_dir_join(name);
	struct stat found;

	ck_assert_int_eq(stat(path, &found), 0);
	return found.st_size;
}

START_TEST(the_log_is_copied_into_the_catalog_and_begins_anew)
{
	char bytes[4000] = "some";
	off_t log = 0;

	for (int i = 0; i < 2000; i++) {
		struct file file = engine_upload(FILE_PLAIN, "x", bytes, sizeof(bytes));

		file_release(&file);
		if (i % 100 != 99)
			continue;
		ck_assert_int_eq(uploads_clean(engine), 0);
		ck_assert_int_ge(size_of("catalog.db"), i * (off_t)sizeof(bytes));
		if (i == 99)
			log = size_of("catalog.db-wal");
	}
	ck_assert_int_le(size_of("catalog.db-wal"), log * 2);
}
END_TEST

/* How often the log has begun anew, by its header (fileformat2.html, "The WAL File
 * Format"). */
static uint32_t count_logs(void)
{
	SCOPED(scoped_free) char *path = temp_dir_join("catalog.db-wal");
	SCOPED(scoped_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t header[16] = {0};

	ck_assert_int_ge(read(fd, header, sizeof(header)), 0); /* it can be empty */
	return (uint32_t)header[12] << 24 | (uint32_t)header[13] << 16 |
	       (uint32_t)header[14] << 8 | header[15];
}

static void *upload_without_pause(void *arg)
{
	char bytes[4000] = "some";

	while (atomic_load(&passing)) {
		struct file file = engine_upload(FILE_PLAIN, arg, bytes, sizeof(bytes));

		file_release(&file);
	}
	return NULL;
}

static void *look_without_pause(void *arg)
{
	while (atomic_load(&passing)) {
		struct file file = engine_find(*(struct upload_id *)arg);

		file_release(&file);
	}
	return NULL;
}

START_TEST(a_long_log_begins_anew_while_others_commit_and_read)
{
	char names[2][2] = {"a", "b"};
	int64_t deadline = clock_monotonic() + 60 * CLOCK_SECOND;
	struct file first = engine_create(FILE_PLAIN, "first", 10);
	uint32_t before = count_logs();
	pthread_t threads[4];

	atomic_store(&passing, true);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(pthread_create(&threads[i], NULL, upload_without_pause,
						names[i]),
				 0);
		ck_assert_int_eq(pthread_create(&threads[2 + i], NULL,
						look_without_pause, &first.id),
				 0);
	}
	while (count_logs() <= before && clock_monotonic() < deadline)
		if (size_of("catalog.db-wal") > LONG_LOG)
			ck_assert_int_eq(uploads_clean(engine), 0);
	atomic_store(&passing, false);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_gt(count_logs(), before);
	file_release(&first);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		a_long_log_begins_anew_while_others_commit_and_read,
		the_log_is_copied_into_the_catalog_and_begins_anew,
		requests_are_served_while_a_thousand_of_a_million_expire,
	};

	return RUN_TESTS_FOR(tests, engine_setup, engine_teardown, 240);
}
