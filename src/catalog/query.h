/* One connection and its prepared statements; the few calls on SQLite that the row
 * functions are made of. Bind errors stick to the query and come out when it is stepped
 * or run. */
#ifndef TUSFS_CATALOG_QUERY_H
#define TUSFS_CATALOG_QUERY_H

#include "tusfs/catalog.h"

#include <sqlite3.h>

enum statement {
#define STMT(name, text) STMT_##name,
#include "statements.def"
#undef STMT
	STMT_COUNT
};

struct conn {
	sqlite3 *db;
	sqlite3_stmt *statements[STMT_COUNT];
	struct catalog *catalog; /* whose pool it goes back to; NULL for the writer */
	struct conn *next;	 /* in the pool */
	/* The writer's, of its transaction: when it began, and the last row to which
	 * catalog_touch() gave new times. */
	int64_t began;
	uint64_t touched;
	bool touched_modified; /* not only `changed` */
};

/* The text of a statement, for the test that reads its plan. */
const char *statement_text(enum statement statement);
const char *statement_name(enum statement statement);

/* Opens a connection, without statements. */
MUST_CHECK int conn_open(const char *path, struct conn **conn);
/* The same, with other flags and another VFS of SQLite; NULL is the usual one. */
MUST_CHECK int conn_open_as(const char *path, int flags, const char *vfs,
			    struct conn **conn);
/* Opens to read, with the log if there is one, and changes neither, whatever a crash
 * left; nobody else may have it open. On failure *conn may be set all the same. */
MUST_CHECK int conn_open_aside(const char *path, struct conn **conn);
/* Prepares every statement, once, when the schema is there. */
MUST_CHECK int conn_prepare(struct conn *conn);
struct conn *conn_close(struct conn *conn);
void scoped_conn_close(struct conn **conn);
/* The log and its index stay when the catalog is closed, so that there is room for them
 * when it is opened again. */
MUST_CHECK int conn_keep_log(struct conn *conn);
/* Whether the last call failed since the file is not what it should be. */
bool conn_is_damaged(struct conn *conn);
/* The failure that SQLite's last error on this connection is, logged with `what`. */
int conn_failure(struct conn *conn, int rc, const char *what);
/* How long the connection waits for a lock of SQLite's, in milliseconds. */
#define CONN_PATIENCE	     10000
#define CONN_LITTLE_PATIENCE 100
void conn_set_patience(struct conn *conn, int milliseconds);
/* Runs one statement that is not worth a name, such as a PRAGMA. */
MUST_CHECK int conn_exec(struct conn *conn, const char *sql);

struct query {
	struct conn *conn;
	sqlite3_stmt *stmt;
	int rc; /* of the first bind that failed, or SQLITE_OK */
	enum statement statement;
};

/* Use as SCOPED(query_end) struct query q = query_begin(...): the statement is reset at
 * the end of the scope, and what its columns point to lives until then. */
struct query query_begin(struct conn *conn, enum statement statement);
void query_end(struct query *query);

void query_u64(struct query *query, int index, uint64_t value);
void query_i64(struct query *query, int index, int64_t value);
void query_text(struct query *query, int index, const char *text); /* NULL is NULL */
void query_blob(struct query *query, int index, const void *bytes, size_t size);
void query_null(struct query *query, int index);

/* Steps to a row: *row tells whether there is one. */
MUST_CHECK int query_step(struct query *query, bool *row);
/* Steps to the one row. Refusals: NOT_FOUND. */
MUST_CHECK int query_one(struct query *query);
/* Runs a statement that gives no rows. */
MUST_CHECK int query_run(struct query *query);
/* Rows that the last query_run() changed. */
int query_changes(const struct query *query);

uint64_t query_column_u64(struct query *query, int column);
int64_t query_column_i64(struct query *query, int column);
bool query_column_is_null(struct query *query, int column);
/* A column that SQLite has no memory to hand out looks like a NULL: asked after columns
 * were read, this fails if that happened. */
MUST_CHECK int query_columns(struct query *query);
/* A copy of a text or blob, with a NUL behind it; *copy is NULL where the column is. */
MUST_CHECK int query_column_copy(struct query *query, int column, char **copy,
				 size_t *size);
/* Reads every row's first column; the caller frees *nums. */
MUST_CHECK int query_all_nums(struct query *query, uint64_t **nums, size_t *count);
/* Reads at most `room` rows' first column. */
MUST_CHECK int query_nums(struct query *query, uint64_t *nums, size_t room,
			  size_t *count);

/* Two shapes that many statements have. */

/* Runs a statement that gives no rows, whose ?1 is the row or blob it is about. */
MUST_CHECK int query_run_on(struct conn *conn, enum statement statement, uint64_t num);
/* Reads the first column of a list that goes on after number ?1, and has at most ?2
 * rows. */
MUST_CHECK int query_nums_after(struct conn *conn, enum statement statement,
				uint64_t after, uint64_t *nums, size_t room,
				size_t *count);

#endif
