/* The rules of rules.def, asked and mended. */
#include "tusfs/catalog_check.h"

#include "tusfs/clock.h"
#include "tusfs/file.h"

#include "query.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MENDS_MAX 4
/* One for each folder on the longest path, whose counts follow from one another. */
#define PASSES_MAX (NAME_DEPTH_MAX + 16)
#define LOST_NAMES 100

struct rule {
	const char *what;
	bool of_blob;
	const char *find;
	const char *mend[MENDS_MAX];
};

static const struct rule rules[] = {
#define RULE(what, of_blob, find, ...) {what, of_blob, find, {__VA_ARGS__}},
#include "rules.def"
#undef RULE
};

#define RULES (sizeof(rules) / sizeof(rules[0]))

struct mending {
	struct conn *conn;
	catalog_found *found;
	void *arg;
	int64_t now;
	uint64_t lost; /* the folder lost+found */
};

static void bind_if_there(sqlite3_stmt *stmt, const char *name, int64_t value)
{
	int index = sqlite3_bind_parameter_index(stmt, name);

	if (index)
		sqlite3_bind_int64(stmt, index, value);
}

/* Runs one statement of a rule. */
static int run(struct mending *mending, const char *sql)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(mending->conn->db, sql, -1, &stmt, NULL);

	if (rc == SQLITE_OK) {
		bind_if_there(stmt, ":now", mending->now);
		bind_if_there(stmt, ":lost", (int64_t)mending->lost);
		rc = sqlite3_step(stmt);
	}
	sqlite3_finalize(stmt);
	return rc == SQLITE_DONE ? 0 : conn_failure(mending->conn, rc, sql);
}

static int find(struct mending *mending, const struct rule *rule)
{
	SCOPED(scoped_free) char *sql = NULL;
	int r = conn_exec(mending->conn, "DELETE FROM temp.found");

	if (r)
		return r;
	if (asprintf(&sql, "INSERT INTO temp.found SELECT num FROM (%s)", rule->find) <
	    0) {
		sql = NULL;
		return failure(-ENOMEM, "check the catalog");
	}
	return run(mending, sql);
}

/* Tells what the rule found, with the names that go with the numbers. */
static int report(struct mending *mending, const struct rule *rule, uint64_t *count)
{
	struct finding finding = {.what = rule->what, .of_blob = rule->of_blob};
	sqlite3_stmt *stmt = NULL;
	int rc;

	rc = sqlite3_prepare_v2(mending->conn->db,
				"SELECT t.num, f.name, lower(hex(f.id)) "
				"FROM temp.found t LEFT JOIN file f ON f.num = t.num",
				-1, &stmt, NULL);
	while (rc == SQLITE_OK || rc == SQLITE_ROW) {
		rc = sqlite3_step(stmt);
		if (rc != SQLITE_ROW)
			break;
		finding.num = (uint64_t)sqlite3_column_int64(stmt, 0);
		finding.name = (const char *)sqlite3_column_text(stmt, 1);
		finding.id = (const char *)sqlite3_column_text(stmt, 2);
		if (finding.id && !finding.id[0])
			finding.id = NULL;
		mending->found(mending->arg, &finding);
		++*count;
	}
	sqlite3_finalize(stmt);
	return rc == SQLITE_DONE ? 0 : conn_failure(mending->conn, rc, "report");
}

static int ask(struct mending *mending, const struct rule *rule, uint64_t *count)
{
	int r = find(mending, rule);

	return r ? r : report(mending, rule, count);
}

int catalog_check_rows(struct conn *conn, catalog_found *found, void *arg)
{
	struct mending mending = {.conn = conn, .found = found, .arg = arg};
	uint64_t count = 0;
	int r = 0;

	for (size_t i = 0; i < RULES && !r; i++)
		r = ask(&mending, &rules[i], &count);
	return r;
}

/* ---- mending ---- */

static int make_lost(struct mending *mending, const struct name *name)
{
	struct file folder = {
		.parent = FILE_NUM_TREE,
		.name = *name,
		.kind = FILE_FOLDER,
		.shown = true,
		.created = mending->now,
		.modified = mending->now,
		.changed = mending->now,
	};
	int r = catalog_add(mending->conn, &folder);

	if (!r)
		mending->lost = folder.num;
	return r;
}

/* Where an upload has the name, the folder gets a number. Refusals: EXISTS. */
static int enter_lost(struct mending *mending, const struct name *name)
{
	SCOPED(file_release) struct file there = {0};
	int r = catalog_file_named(mending->conn, FILE_NUM_TREE, name->text, &there);

	if (r == REFUSED_NOT_FOUND)
		return make_lost(mending, name);
	if (r)
		return r;
	if (!file_is_folder(&there) || !there.shown)
		return REFUSED_EXISTS;
	mending->lost = there.num;
	return 0;
}

static int find_lost(struct mending *mending)
{
	struct name name, numbered;
	int r;

	name_set(&name, "lost+found");
	r = enter_lost(mending, &name);
	for (uint64_t n = 2; r == REFUSED_EXISTS && n < LOST_NAMES; n++) {
		name_number(&name, n, &numbered);
		r = enter_lost(mending, &numbered);
	}
	return r == REFUSED_EXISTS ? failure(-EEXIST, "make lost+found") : r;
}

static int mend(struct mending *mending, const struct rule *rule)
{
	int r = 0;

	if (!mending->lost)
		for (size_t i = 0; i < MENDS_MAX && rule->mend[i]; i++)
			if (!r && strstr(rule->mend[i], ":lost"))
				r = find_lost(mending);
	for (size_t i = 0; i < MENDS_MAX && rule->mend[i] && !r; i++)
		r = run(mending, rule->mend[i]);
	return r;
}

static int mend_pass(struct mending *mending, uint64_t *count)
{
	uint64_t before;
	int r = 0;

	mending->lost = 0;
	for (size_t i = 0; i < RULES && !r; i++) {
		before = *count;
		r = ask(mending, &rules[i], count);
		if (!r && *count > before)
			r = mend(mending, &rules[i]);
	}
	return r;
}

static int mend_all(struct mending *mending)
{
	uint64_t count;
	int r;

	for (int pass = 0; pass < PASSES_MAX; pass++) {
		count = 0;
		r = mend_pass(mending, &count);
		if (r || !count)
			return r;
	}
	return 0; /* what is left is found by the check afterwards */
}

static int cut_all(struct conn *conn,
		   int (*cut)(void *arg, uint64_t num, uint64_t size), void *arg)
{
	sqlite3_stmt *stmt = NULL;
	int rc, r = 0;

	rc = sqlite3_prepare_v2(conn->db, "SELECT num, size FROM temp.cut", -1, &stmt,
				NULL);
	if (rc == SQLITE_OK)
		while (!r && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
			r = cut(arg, (uint64_t)sqlite3_column_int64(stmt, 0),
				(uint64_t)sqlite3_column_int64(stmt, 1));
	sqlite3_finalize(stmt);
	if (r)
		return r;
	return rc == SQLITE_DONE ? 0 : conn_failure(conn, rc, "list long blobs");
}

int catalog_mend_rows(struct conn *conn, catalog_found *found,
		      int (*cut)(void *arg, uint64_t num, uint64_t size), void *arg)
{
	struct mending mending = {
		.conn = conn, .found = found, .arg = arg, .now = clock_now()};
	int r = conn_exec(conn, "BEGIN IMMEDIATE");

	if (!r)
		r = mend_all(&mending);
	if (!r)
		r = conn_exec(conn, "COMMIT");
	if (r && !sqlite3_get_autocommit(conn->db))
		sqlite3_exec(conn->db, "ROLLBACK", NULL, NULL, NULL);
	return r ? r : cut_all(conn, cut, arg);
}
