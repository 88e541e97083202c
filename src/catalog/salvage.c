/* What can still be read of a damaged catalog, copied row by row into a new one. The
 * damaged file is read past its indexes: each table on its own. */
#include "tusfs/catalog_check.h"

#include "migrations.h"
#include "query.h"

#include <stdio.h>

/* Numbers that are tried one by one behind the last one that is known. */
#define GUESSES 1000000

struct table {
	const char *name;
	const char *values;
	/* the order of its key, from both ends; NULL: its rows have numbers */
	const char *forth, *back;
};

static const struct table tables[] = {
	{"file", "?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?", NULL, NULL},
	{"body", "?,?", NULL, NULL},
	{"trash", "?", NULL, NULL},
	{"outbox", "?,?,?,?", NULL, NULL},
	{"segment", "?,?,?,?,?", "ORDER BY file, position",
	 "ORDER BY file DESC, position DESC"},
	{"tombstone", "?,?", "ORDER BY id", "ORDER BY id DESC"},
	{"attribute", "?,?,?", "ORDER BY file, name", "ORDER BY file DESC, name DESC"},
};

struct salvage {
	struct conn *from;
	struct conn *to;
	const struct table *table;
	uint64_t last; /* the highest number that may be in use */
	uint64_t rows;
	sqlite3_stmt *insert;
};

static void finalize(sqlite3_stmt **stmt)
{
	sqlite3_finalize(*stmt);
}

/* Prepares "SELECT * FROM table REST" on the damaged one, or gives NULL. */
static sqlite3_stmt *select_from(struct salvage *salvage, const char *rest)
{
	char sql[256];
	sqlite3_stmt *stmt = NULL;

	snprintf(sql, sizeof(sql), "SELECT * FROM %s NOT INDEXED %s",
		 salvage->table->name, rest);
	sqlite3_prepare_v2(salvage->from->db, sql, -1, &stmt, NULL);
	return stmt;
}

/* Writes the row that `row` stands on. One that is there already, or that the schema
 * does not take, is left out. */
static int keep(struct salvage *salvage, sqlite3_stmt *row)
{
	int rc = SQLITE_OK, columns = sqlite3_bind_parameter_count(salvage->insert);

	if (sqlite3_column_count(row) != columns)
		return 0;
	for (int i = 0; i < columns && rc == SQLITE_OK; i++)
		rc = sqlite3_bind_value(salvage->insert, i + 1,
					sqlite3_column_value(row, i));
	if (rc == SQLITE_OK)
		rc = sqlite3_step(salvage->insert);
	sqlite3_reset(salvage->insert);
	if (rc != SQLITE_DONE)
		return conn_failure(salvage->to, rc, "keep a row");
	salvage->rows += (uint64_t)sqlite3_changes(salvage->to->db);
	return 0;
}

/* Keeps rows until the end, or until they cannot be read: *whole tells. `num`, if
 * given, is set to each row's number. */
static int keep_all(struct salvage *salvage, sqlite3_stmt *stmt, int64_t *num,
		    bool *whole)
{
	int rc, r = 0;

	while (!r && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		if (num)
			*num = sqlite3_column_int64(stmt, 0);
		r = keep(salvage, stmt);
	}
	*whole = !r && rc == SQLITE_DONE;
	sqlite3_reset(stmt);
	return r;
}

/* Past what cannot be read: tries one number after the other, up to the last, until a
 * row is read. *num is that row's, or past the last. */
static int probe(struct salvage *salvage, sqlite3_stmt *one, int64_t *num)
{
	uint64_t before = salvage->rows;
	bool whole;
	int r = 0;

	while (!r && salvage->rows == before && *num <= (int64_t)salvage->last) {
		sqlite3_bind_int64(one, 1, ++*num);
		r = keep_all(salvage, one, NULL, &whole);
	}
	return r;
}

static int keep_numbered(struct salvage *salvage)
{
	SCOPED(finalize)
	sqlite3_stmt *rest = select_from(salvage, "WHERE rowid > ?1 ORDER BY rowid");
	SCOPED(finalize) sqlite3_stmt *one = select_from(salvage, "WHERE rowid = ?1");
	int64_t num = 0;
	bool whole = false;
	int r = 0;

	while (rest && one && !r && !whole && num <= (int64_t)salvage->last) {
		sqlite3_bind_int64(rest, 1, num);
		r = keep_all(salvage, rest, &num, &whole);
		if ((uint64_t)num + GUESSES > salvage->last)
			salvage->last = (uint64_t)num + GUESSES;
		if (!r && !whole)
			r = probe(salvage, one, &num);
	}
	return r;
}

/* A table without numbers is read from both ends. */
static int keep_keyed(struct salvage *salvage)
{
	SCOPED(finalize)
	sqlite3_stmt *first = select_from(salvage, salvage->table->forth);
	SCOPED(finalize)
	sqlite3_stmt *last = select_from(salvage, salvage->table->back);
	bool whole;
	int r;

	if (!first || !last)
		return 0;
	r = keep_all(salvage, first, NULL, &whole);
	return r || whole ? r : keep_all(salvage, last, NULL, &whole);
}

static int keep_table(struct salvage *salvage)
{
	char sql[256];
	int rc, r;

	snprintf(sql, sizeof(sql), "INSERT OR IGNORE INTO %s VALUES (%s)",
		 salvage->table->name, salvage->table->values);
	rc = sqlite3_prepare_v2(salvage->to->db, sql, -1, &salvage->insert, NULL);
	if (rc != SQLITE_OK)
		return conn_failure(salvage->to, rc, sql);
	r = salvage->table->forth ? keep_keyed(salvage) : keep_numbered(salvage);
	sqlite3_finalize(salvage->insert);
	salvage->insert = NULL;
	return r;
}

/* The number that the catalog gave out last, if that can be read. */
static void read_last(struct salvage *salvage)
{
	static const char *const questions[] = {
		"SELECT seq FROM sqlite_sequence WHERE name = 'file'",
		"SELECT max(num) FROM file",
		"SELECT max(num) FROM body",
	};
	uint64_t most = salvage->last + GUESSES;

	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		SCOPED(finalize) sqlite3_stmt *stmt = NULL;
		int64_t last = 0;

		if (sqlite3_prepare_v2(salvage->from->db, questions[i], -1, &stmt,
				       NULL) == SQLITE_OK &&
		    sqlite3_step(stmt) == SQLITE_ROW)
			last = sqlite3_column_int64(stmt, 0);
		if (last > (int64_t)salvage->last)
			salvage->last = (uint64_t)last < most ? (uint64_t)last : most;
	}
}

static int keep_tables(struct salvage *salvage)
{
	int r = conn_exec(salvage->to, "DELETE FROM file");

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]) && !r; i++) {
		salvage->table = &tables[i];
		r = keep_table(salvage);
	}
	return r;
}

static int set_last(struct salvage *salvage)
{
	char sql[128];

	snprintf(sql, sizeof(sql),
		 "UPDATE sqlite_sequence SET seq = max(seq, %llu) WHERE name = 'file'",
		 (unsigned long long)salvage->last);
	return conn_exec(salvage->to, sql);
}

int catalog_salvage(const char *from, const char *to, uint64_t last, uint64_t *rows)
{
	SCOPED(scoped_conn_close) struct conn *damaged = NULL;
	SCOPED(scoped_conn_close) struct conn *made = NULL;
	struct salvage salvage = {.last = last};
	int r = conn_open(to, &made);

	if (!r)
		r = conn_exec(made, "PRAGMA synchronous = EXTRA");
	if (!r)
		r = catalog_migrate(made);
	if (!r)
		r = conn_exec(made, "BEGIN");
	salvage.to = made;
	if (!r && from && conn_open_aside(from, &damaged) == 0) {
		salvage.from = damaged;
		read_last(&salvage);
		r = keep_tables(&salvage);
	}
	if (!r)
		r = set_last(&salvage);
	if (!r)
		r = conn_exec(made, "COMMIT");
	if (!r)
		*rows = salvage.rows;
	return r;
}
