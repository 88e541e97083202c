/* Looking at a catalog that may be damaged, and whose files must stay as they are. */
#include "tusfs/catalog_check.h"

#include "migrations.h"
#include "query.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What is known besides: the blobs, what a rule found, blobs to be cut. */
#define TABLES                                                                         \
	"PRAGMA temp_store = MEMORY;"                                                  \
	"CREATE TEMP TABLE blob (num INTEGER PRIMARY KEY, size INTEGER NOT NULL);"     \
	"CREATE TEMP TABLE found (num INTEGER PRIMARY KEY);"                           \
	"CREATE TEMP TABLE cut (num INTEGER PRIMARY KEY, size INTEGER NOT NULL);"

/* "file:PATH?immutable=1", with what means something in a URI escaped. */
static char *uri_of(const char *path)
{
	char *uri = NULL;
	size_t size;
	FILE *out = open_memstream(&uri, &size);

	if (!out)
		return NULL;
	fputs("file:", out);
	for (; *path; path++)
		if (strchr("?#%", *path))
			fprintf(out, "%%%02x", (unsigned int)*path);
		else
			fputc(*path, out);
	fputs("?immutable=1", out);
	if (fclose(out) == EOF) {
		free(uri);
		return NULL;
	}
	return uri;
}

/* SQLite has to read the log's index, which it keeps in memory where no lock is shared
 * with anybody ("unix-none" and locking_mode EXCLUSIVE). Closing would remove a log
 * that has nothing in it. */
int conn_open_aside(const char *path, struct conn **conn)
{
	int r = conn_open_as(path, SQLITE_OPEN_READONLY, "unix-none", conn);

	if (r)
		return r;
	sqlite3_db_config((*conn)->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	return conn_exec(*conn, "PRAGMA locking_mode = EXCLUSIVE");
}

/* Without a log, which SQLite would make, the file is one that nobody changes. */
static int open_unchanged(const char *path, struct conn **conn)
{
	SCOPED(scoped_free) char *log = NULL;
	SCOPED(scoped_free) char *uri = uri_of(path);

	if (!uri || asprintf(&log, "%s-wal", path) < 0) {
		log = NULL;
		return failure(-ENOMEM, "open catalog");
	}
	if (access(log, F_OK) == 0)
		return conn_open_aside(path, conn);
	return conn_open_as(uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL, conn);
}

/* A schema that lacks a table is damage as well. */
static int prepare(struct conn *conn)
{
	int r = catalog_is_current(conn);

	if (!r)
		r = conn_exec(conn, TABLES);
	if (!r)
		r = conn_prepare(conn);
	if (r < 0 && (conn_is_damaged(conn) ||
		      (sqlite3_errcode(conn->db) & 0xff) == SQLITE_ERROR))
		return REFUSED_GONE;
	return r;
}

int catalog_look(const char *path, struct conn **conn)
{
	SCOPED(scoped_conn_close) struct conn *made = NULL;
	int r = open_unchanged(path, &made);

	if (!r)
		r = prepare(made);
	if (!r)
		*conn = STEAL(made);
	return r;
}

int catalog_look_to_mend(const char *path, struct conn **conn)
{
	SCOPED(scoped_conn_close) struct conn *made = NULL;
	int r = conn_open(path, &made);

	if (!r)
		r = conn_keep_log(made);
	if (!r)
		r = conn_exec(made,
			      "PRAGMA journal_mode = WAL;"
			      "PRAGMA synchronous = FULL;"
			      "PRAGMA journal_size_limit = 67108864");
	if (r < 0 && made && conn_is_damaged(made))
		return REFUSED_GONE;
	if (!r)
		r = prepare(made);
	if (!r)
		*conn = STEAL(made);
	return r;
}

struct conn *catalog_look_close(struct conn *conn)
{
	return conn_close(conn);
}

void scoped_catalog_look_close(struct conn **conn)
{
	conn_close(*conn);
}

/* What integrity_check says, a line a row; "ok" is the only line of a whole file. */
static int read_complaints(struct conn *conn, sqlite3_stmt *stmt, catalog_found *found,
			   void *arg, bool *whole)
{
	struct finding finding = {0};
	int rc;

	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		finding.what = (const char *)sqlite3_column_text(stmt, 0);
		if (finding.what && strcmp(finding.what, "ok") == 0)
			continue;
		*whole = false;
		if (finding.what)
			found(arg, &finding);
	}
	if (rc == SQLITE_DONE)
		return 0;
	*whole = false;
	return (rc & 0xff) == SQLITE_CORRUPT
		       ? 0
		       : conn_failure(conn, rc, "check the pages");
}

int catalog_check_pages(struct conn *conn, catalog_found *found, void *arg)
{
	sqlite3_stmt *stmt = NULL;
	bool whole = true;
	int rc, r;

	rc = sqlite3_prepare_v2(conn->db, "PRAGMA main.integrity_check(20)", -1, &stmt,
				NULL);
	r = rc == SQLITE_OK ? read_complaints(conn, stmt, found, arg, &whole)
			    : conn_failure(conn, rc, "check the pages");
	sqlite3_finalize(stmt);
	if (r)
		return r;
	return whole ? 0 : REFUSED_GONE;
}

static int note_all(struct conn *conn, sqlite3_stmt *stmt,
		    const struct blob_fact *blobs, size_t count)
{
	int rc = SQLITE_DONE;

	for (size_t i = 0; i < count && rc == SQLITE_DONE; i++) {
		sqlite3_bind_int64(stmt, 1, (int64_t)blobs[i].num);
		sqlite3_bind_int64(stmt, 2, (int64_t)blobs[i].size);
		rc = sqlite3_step(stmt);
		sqlite3_reset(stmt);
	}
	return rc == SQLITE_DONE ? 0 : conn_failure(conn, rc, "note the blobs");
}

int catalog_count_blobs(struct conn *conn, uint64_t *count)
{
	sqlite3_stmt *stmt = NULL;
	int rc =
		sqlite3_prepare_v2(conn->db,
				   "SELECT count(*) FROM file WHERE kind IN (1, 2) AND "
				   "small = 0 AND offset > 0",
				   -1, &stmt, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*count = (uint64_t)sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW ? 0 : conn_failure(conn, rc, "count the blobs");
}

int catalog_note_blobs(struct conn *conn, const struct blob_fact *blobs, size_t count)
{
	sqlite3_stmt *stmt = NULL;
	int rc, r = conn_exec(conn, "DELETE FROM temp.blob; BEGIN");

	if (r)
		return r;
	rc = sqlite3_prepare_v2(conn->db, "INSERT INTO temp.blob VALUES (?1, ?2)", -1,
				&stmt, NULL);
	r = rc == SQLITE_OK ? note_all(conn, stmt, blobs, count)
			    : conn_failure(conn, rc, "note the blobs");
	sqlite3_finalize(stmt);
	return r ? r : conn_exec(conn, "COMMIT");
}
