/* The log's frames are written together, and nobody can tell: a connection of the usual
 * VFS, and a copy of the files as a killed process would leave them, have all that was
 * committed after each commit, whatever came before it. */
#include "catalog/query.h"

#include "catalog/frames.h"

#include "run.h"
#include "temp_dir.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define ROUNDS 300
#define KEYS   400

static uint32_t state = 1;
static int committed[KEYS]; /* the version of each row; 0: none */
static bool takes_back;	    /* some of a transaction */

static uint32_t next(uint32_t below)
{
	state = state * 1664525 + 1013904223;
	return (state >> 8) % below;
}

static sqlite3 *open_with(const char *path, const char *vfs)
{
	sqlite3 *db;

	ck_assert_int_eq(sqlite3_open_v2(path, &db,
					 SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
					 vfs),
			 SQLITE_OK);
	return db;
}

static void run_sql(sqlite3 *db, const char *format, ...)
{
	SCOPED(scoped_free) char *sql = NULL;
	va_list arguments;

	va_start(arguments, format);
	ck_assert_int_gt(vasprintf(&sql, format, arguments), 0);
	va_end(arguments);
	ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s: %s",
		      sql, sqlite3_errmsg(db));
}

static void put(sqlite3 *db, int *versions, int round)
{
	int key = (int)next(KEYS);

	run_sql(db, "INSERT OR REPLACE INTO t VALUES(%d, %d, randomblob(%u))", key,
		round, 10 + next(6000));
	versions[key] = round;
}

static void put_some(sqlite3 *db, int *versions, int round)
{
	for (uint32_t i = next(60); i > 0; i--)
		put(db, versions, round);
}

/* A transaction that may take back some of what it did, or all of it. */
static void change(sqlite3 *db, int round)
{
	int versions[KEYS], before[KEYS];

	memcpy(versions, committed, sizeof(versions));
	run_sql(db, "BEGIN");
	put_some(db, versions, round);
	memcpy(before, versions, sizeof(before));
	run_sql(db, "SAVEPOINT s");
	put_some(db, versions, round);
	if (takes_back && next(3) == 0) {
		run_sql(db, "ROLLBACK TO s");
		memcpy(versions, before, sizeof(versions));
	}
	put_some(db, versions, round);
	if (next(4) == 0) {
		run_sql(db, "ROLLBACK");
		return;
	}
	run_sql(db, "COMMIT");
	memcpy(committed, versions, sizeof(committed));
}

static int compare_row(void *arg, int columns, char **values, char **names)
{
	int *found = arg;

	(void)columns;
	(void)names;
	found[strtol(values[0], NULL, 10)] = (int)strtol(values[1], NULL, 10);
	return 0;
}

static int is_ok(void *arg, int columns, char **values, char **names)
{
	(void)columns;
	(void)names;
	*(bool *)arg = strcmp(values[0], "ok") == 0;
	return 0;
}

static void check_rows(sqlite3 *db)
{
	int found[KEYS] = {0};
	bool ok = false;

	ck_assert_int_eq(sqlite3_exec(db, "PRAGMA integrity_check", is_ok, &ok, NULL),
			 SQLITE_OK);
	ck_assert(ok);
	ck_assert_int_eq(sqlite3_exec(db, "SELECT key, version FROM t", compare_row,
				      found, NULL),
			 SQLITE_OK);
	ck_assert_int_eq(memcmp(found, committed, sizeof(found)), 0);
}

static void copy_file(const char *from, const char *to)
{
	SCOPED(scoped_close) int in = open(from, O_RDONLY | O_CLOEXEC);
	SCOPED(scoped_close)
	int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct stat st;

	ck_assert_int_eq(fstat(in, &st), 0);
	while (st.st_size > 0) {
		ssize_t n = copy_file_range(in, NULL, out, NULL, st.st_size, 0);

		ck_assert_int_gt(n, 0);
		st.st_size -= n;
	}
}

/* What another process would find if this one were killed now. */
static void check_after_kill(const char *path)
{
	SCOPED(scoped_free) char *log = NULL;
	SCOPED(scoped_free) char *copy = temp_dir_join("copy");
	SCOPED(scoped_free) char *copied_log = temp_dir_join("copy-wal");
	SCOPED(scoped_free) char *index = temp_dir_join("copy-shm");
	sqlite3 *db;

	ck_assert_int_gt(asprintf(&log, "%s-wal", path), 0);
	unlink(index);
	copy_file(path, copy);
	copy_file(log, copied_log);
	db = open_with(copy, NULL);
	check_rows(db);
	sqlite3_close(db);
}

static void check_log(const char *settings)
{
	SCOPED(scoped_free) char *path = temp_dir_join("db");
	SCOPED(scoped_conn_close) struct conn *conn = NULL;
	sqlite3 *writer, *reader;

	ck_assert_int_eq(conn_open(path, &conn), 0); /* makes the VFS known */
	writer = open_with(path, FRAMES_VFS);
	run_sql(writer,
		"PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; %s;"
		"CREATE TABLE t(key INTEGER PRIMARY KEY, version, bytes)",
		settings);
	reader = open_with(path, NULL);
	for (int round = 1; round <= ROUNDS; round++) {
		change(writer, round);
		check_rows(reader);
		if (round % 10 == 0)
			check_after_kill(path);
		if (next(20) == 0)
			run_sql(writer, "PRAGMA wal_checkpoint(%s)",
				next(2) ? "RESTART" : "TRUNCATE");
	}
	sqlite3_close(reader);
	sqlite3_close(writer);
	reader = open_with(path, NULL);
	check_rows(reader);
	sqlite3_close(reader);
}

START_TEST(whatever_is_committed_is_in_the_log)
{
	takes_back = true;
	check_log("PRAGMA synchronous = NORMAL");
}
END_TEST

START_TEST(whatever_is_committed_and_synced_is_in_the_log)
{
	takes_back = true;
	check_log("PRAGMA synchronous = FULL");
}
END_TEST

/* With so few pages in the cache, transactions are written before their end, and some
 * pages twice. */
START_TEST(a_transaction_that_is_written_in_pieces_is_in_the_log)
{
	takes_back = false; /* see catalog.c, on cache_spill */
	check_log("PRAGMA cache_size = 10");
}
END_TEST

START_TEST(a_transaction_that_takes_back_some_of_it_is_in_the_log)
{
	takes_back = true;
	check_log("PRAGMA cache_size = 10; PRAGMA cache_spill = OFF");
}
END_TEST

/* ---- the catalog's own connection ---- */

struct much {
	const char *log;
	int64_t before, after; /* bytes of the log */
};

static int64_t size_of(const char *path)
{
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	return st.st_size;
}

/* More pages than SQLite keeps by default. */
static int write_much(struct conn *conn, void *arg)
{
	struct much *much = arg;

	much->before = size_of(much->log);
	ck_assert_int_eq(
		conn_exec(
			conn,
			"CREATE TABLE much AS WITH RECURSIVE n(i) AS (VALUES(1) UNION "
			"ALL SELECT i + 1 FROM n WHERE i < 3000) "
			"SELECT i, randomblob(3000) FROM n"),
		0);
	much->after = size_of(much->log);
	return 0;
}

START_TEST(the_catalog_writes_nothing_before_the_commit)
{
	SCOPED(scoped_free) char *path = temp_dir_join("catalog.db");
	SCOPED(scoped_free) char *log = temp_dir_join("catalog.db-wal");
	struct much much = {.log = log};
	struct catalog *catalog;

	ck_assert_int_eq(catalog_open(path, &catalog), 0);
	ck_assert_int_eq(catalog_commit(catalog, true, write_much, &much), 0);
	ck_assert_int_eq(much.before, much.after);
	ck_assert_int_gt(size_of(log), much.after + 3000 * 3000);
	catalog_close(catalog);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		whatever_is_committed_is_in_the_log,
		whatever_is_committed_and_synced_is_in_the_log,
		a_transaction_that_is_written_in_pieces_is_in_the_log,
		a_transaction_that_takes_back_some_of_it_is_in_the_log,
		the_catalog_writes_nothing_before_the_commit,
	};

	return RUN_TESTS_FOR(tests, temp_dir_setup, temp_dir_teardown, 120);
}
