/* Every statement of the catalog is read as SQLite plans it: a scan that is not in the
 * list is an index that somebody forgot. */
#include "catalog/query.h"

#include "run.h"
#include "temp_dir.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* These scan on purpose: all of a table that is nearly always empty, or has one row. */
static const enum statement scans[] = {STMT_TRASH, STMT_LAST_NUM};

static bool may_scan(enum statement statement)
{
	for (size_t i = 0; i < sizeof(scans) / sizeof(scans[0]); i++)
		if (scans[i] == statement)
			return true;
	return false;
}

static void check_line(enum statement statement, const char *line)
{
	bool scan = strncmp(line, "SCAN", 4) == 0;
	bool sort = strstr(line, "TEMP B-TREE FOR ORDER BY") != NULL;

	if (statement == STMT_FINALS_FROM)
		sort = false; /* of the few finals that begin with one part */
	ck_assert_msg(!(scan && !may_scan(statement)) && !sort, "%s: %s",
		      statement_name(statement), line);
}

static void check_plan(sqlite3 *db, enum statement statement)
{
	SCOPED(scoped_free) char *sql = NULL;
	sqlite3_stmt *stmt;

	ck_assert_int_gt(
		asprintf(&sql, "EXPLAIN QUERY PLAN %s", statement_text(statement)), 0);
	ck_assert_msg(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK,
		      "%s: %s", statement_name(statement), sqlite3_errmsg(db));
	while (sqlite3_step(stmt) == SQLITE_ROW)
		check_line(statement, (const char *)sqlite3_column_text(stmt, 3));
	sqlite3_finalize(stmt);
}

START_TEST(no_statement_scans_a_table)
{
	SCOPED(scoped_free) char *path = temp_dir_join("catalog.db");
	struct catalog *catalog;
	sqlite3 *db;

	ck_assert_int_eq(catalog_open(path, &catalog), 0);
	ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
	for (int i = 0; i < STMT_COUNT; i++)
		check_plan(db, (enum statement)i);
	sqlite3_close(db);
	catalog_close(catalog);
}
END_TEST

static void exec(const char *path, const char *sql)
{
	sqlite3 *db;

	ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

START_TEST(a_catalog_of_a_newer_version_is_refused)
{
	SCOPED(scoped_free) char *path = temp_dir_join("catalog.db");
	struct catalog *catalog;

	ck_assert_int_eq(catalog_open(path, &catalog), 0);
	catalog_close(catalog);
	exec(path, "PRAGMA user_version = 1000");
	ck_assert_int_eq(catalog_open(path, &catalog), REFUSED_INVALID);
}
END_TEST

START_TEST(a_file_that_is_no_catalog_is_refused)
{
	SCOPED(scoped_free) char *path = temp_dir_join("catalog.db");
	struct catalog *catalog;
	FILE *f = fopen(path, "w");

	for (int i = 0; i < 1000; i++)
		fputs("this is not a database\n", f);
	fclose(f);
	ck_assert_int_eq(catalog_open(path, &catalog), REFUSED_GONE);
}
END_TEST

START_TEST(the_catalog_of_another_program_is_refused)
{
	SCOPED(scoped_free) char *path = temp_dir_join("catalog.db");
	struct catalog *catalog;

	exec(path, "CREATE TABLE t (x); PRAGMA user_version = 1");
	ck_assert_int_eq(catalog_open(path, &catalog), REFUSED_GONE);
}
END_TEST

static int refuse_after_writing(struct conn *conn, void *arg)
{
	struct upload_id id = {{7}};
	int r = catalog_add_tombstone(conn, id, 1);

	(*(int *)arg)++;
	return r ? r : REFUSED_INVALID;
}

static int write_only(struct conn *conn, void *arg)
{
	struct upload_id id = {{8}};

	return catalog_add_tombstone(conn, id, 1);
}

static int find(struct catalog *catalog, uint8_t first)
{
	SCOPED(conn_release) struct conn *conn = catalog_reader(catalog);
	struct upload_id id = {{first}};
	struct file file;

	return catalog_file_with_id(conn, id, &file);
}

START_TEST(a_refused_change_leaves_no_trace)
{
	SCOPED(scoped_free) char *path = temp_dir_join("catalog.db");
	struct catalog *catalog;
	int runs = 0;

	ck_assert_int_eq(catalog_open(path, &catalog), 0);
	ck_assert_int_eq(catalog_commit(catalog, true, refuse_after_writing, &runs),
			 REFUSED_INVALID);
	ck_assert_int_eq(runs, 1);
	ck_assert_int_eq(find(catalog, 7), REFUSED_NOT_FOUND);
	ck_assert_int_eq(catalog_commit(catalog, false, write_only, NULL), 0);
	ck_assert_int_eq(find(catalog, 8), REFUSED_GONE);
	ck_assert_int_eq(catalog_checkpoint(catalog), 0);
	catalog_close(catalog);
}
END_TEST

struct committing {
	struct catalog *catalog;
	bool refuse;
	int wrong;
};

static void *commit_many(void *arg)
{
	struct committing *c = arg;
	int runs = 0, r;

	for (int i = 0; i < 200; i++) {
		r = c->refuse ? catalog_commit(c->catalog, i % 2, refuse_after_writing,
					       &runs)
			      : catalog_commit(c->catalog, i % 2, write_only, NULL);
		c->wrong += r != (c->refuse ? REFUSED_INVALID : 0);
	}
	return NULL;
}

START_TEST(refusals_among_commits_of_many_threads_hit_only_their_own)
{
	SCOPED(scoped_free) char *path = temp_dir_join("catalog.db");
	struct committing c[8] = {0};
	struct catalog *catalog;
	pthread_t threads[8];

	ck_assert_int_eq(catalog_open(path, &catalog), 0);
	for (int i = 0; i < 8; i++) {
		c[i] = (struct committing){catalog, i % 2, 0};
		pthread_create(&threads[i], NULL, commit_many, &c[i]);
	}
	for (int i = 0; i < 8; i++) {
		pthread_join(threads[i], NULL);
		ck_assert_int_eq(c[i].wrong, 0);
	}
	ck_assert_int_eq(find(catalog, 7), REFUSED_NOT_FOUND);
	ck_assert_int_eq(find(catalog, 8), REFUSED_GONE);
	catalog_close(catalog);
}
END_TEST

/* The checks and repairs of fsck.tusfs, most of which only run on a damaged store. */
START_TEST(all_rules_are_made_of_statements)
{
	static const struct {
		const char *what;
		bool of_blob;
		const char *sql[8];
	} rules[] = {
#define RULE(what, of_blob, ...) {what, of_blob, {__VA_ARGS__}},
#include "catalog/rules.def"
#undef RULE
	};
	SCOPED(scoped_free) char *path = temp_dir_join("catalog.db");
	struct catalog *catalog;
	sqlite3_stmt *stmt;
	sqlite3 *db;

	ck_assert_int_eq(catalog_open(path, &catalog), 0);
	ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db,
				      "CREATE TEMP TABLE blob (num, size);"
				      "CREATE TEMP TABLE found (num);"
				      "CREATE TEMP TABLE cut (num, size);",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		for (size_t j = 0; rules[i].sql[j]; j++) {
			ck_assert_msg(sqlite3_prepare_v2(db, rules[i].sql[j], -1, &stmt,
							 NULL) == SQLITE_OK,
				      "%s: %s", rules[i].what, sqlite3_errmsg(db));
			sqlite3_finalize(stmt);
		}
	sqlite3_close(db);
	catalog_close(catalog);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		no_statement_scans_a_table,
		all_rules_are_made_of_statements,
		a_catalog_of_a_newer_version_is_refused,
		a_file_that_is_no_catalog_is_refused,
		the_catalog_of_another_program_is_refused,
		a_refused_change_leaves_no_trace,
		refusals_among_commits_of_many_threads_hit_only_their_own,
	};

	return RUN_TESTS(tests, temp_dir_setup, temp_dir_teardown);
}
