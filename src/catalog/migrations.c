/* The schema, as the steps that led to it. A step that was released is never edited;
 * its place in the array is the user_version that it leads to. */
#include "migrations.h"

#include "tusfs/log.h"

#include <stdio.h>

/* "tusf", in the header of the file, where file(1) and we can see whose it is. */
#define APPLICATION_ID 0x74757366

static const char *const migrations[] = {
	/* A row of `file` is an upload or a folder: whatever has a name in the mount.
	 * Its num is the inode, so AUTOINCREMENT: a num is never used twice. kind 0 is
	 * a folder, 1 a plain, 2 a partial, 3 a final upload. `finished` is 0 until
	 * complete. Rows 2 and 3 are complete/ (the root of all names) and partial/. */
	"CREATE TABLE file ("
	" num INTEGER PRIMARY KEY AUTOINCREMENT,"
	" parent INTEGER NOT NULL,"
	" name TEXT NOT NULL,"
	" kind INTEGER NOT NULL,"
	" arriving INTEGER NOT NULL,"
	" shown INTEGER NOT NULL,"
	" created INTEGER NOT NULL,"
	" modified INTEGER NOT NULL,"
	" changed INTEGER NOT NULL,"
	" finished INTEGER NOT NULL,"
	" expires INTEGER NOT NULL,"
	" id BLOB,"
	" offset INTEGER NOT NULL,"
	" length INTEGER,"
	" small INTEGER NOT NULL,"
	" broken INTEGER NOT NULL,"
	" metadata TEXT,"
	" concat TEXT,"
	" sha256 BLOB);"
	"CREATE UNIQUE INDEX file_name ON file (parent, name);"
	"CREATE UNIQUE INDEX file_id ON file (id) WHERE id IS NOT NULL;"
	"CREATE INDEX file_shown ON file (parent) WHERE shown = 1;"
	"CREATE INDEX file_arriving ON file (parent) WHERE arriving > 0;"
	/* for two of fsck.tusfs's rules, which walk the folders only */
	"CREATE INDEX file_folder ON file (parent) WHERE kind = 0;"
	"CREATE INDEX file_expires ON file (expires) WHERE expires > 0;"
	"CREATE INDEX file_receiving ON file (finished) WHERE finished = 0 AND kind > "
	"0;"
	"CREATE INDEX file_unhashed ON file (broken) WHERE sha256 IS NULL AND finished "
	"> 0"
	" AND kind IN (1, 3);"
	/* A final upload's bytes: parts in order. length is NULL while a part arrives.
	 */
	"CREATE TABLE segment ("
	" file INTEGER NOT NULL,"
	" position INTEGER NOT NULL,"
	" blob INTEGER NOT NULL,"
	" small INTEGER NOT NULL,"
	" length INTEGER,"
	" PRIMARY KEY (file, position)) WITHOUT ROWID;"
	"CREATE INDEX segment_blob ON segment (blob);"
	"CREATE INDEX segment_second ON segment (file) WHERE position = 1;"
	/* The bytes of small uploads, by the num that a blob would have. */
	"CREATE TABLE body (num INTEGER PRIMARY KEY, bytes BLOB NOT NULL);"
	/* Blobs that nothing refers to any more, until their files are removed. */
	"CREATE TABLE trash (blob INTEGER PRIMARY KEY);"
	"CREATE TABLE tombstone (id BLOB PRIMARY KEY, time INTEGER NOT NULL) WITHOUT "
	"ROWID;"
	"CREATE INDEX tombstone_time ON tombstone (time);"
	"CREATE TABLE attribute ("
	" file INTEGER NOT NULL,"
	" name TEXT NOT NULL,"
	" value BLOB NOT NULL,"
	" PRIMARY KEY (file, name)) WITHOUT ROWID;"
	/* For observers outside the process: events, written in the transaction that
	 * they tell of, so that none is lost. Nothing writes it yet; it is here from
	 * the first version so that the first hook needs no migration. */
	"CREATE TABLE outbox ("
	" seq INTEGER PRIMARY KEY AUTOINCREMENT,"
	" event TEXT NOT NULL,"
	" file INTEGER NOT NULL,"
	" time INTEGER NOT NULL);"
	"INSERT INTO file VALUES"
	" (2, 1, 'complete', 0, 0, 1, 0, 0, 0, 0, 0, NULL, 0, NULL, 0, 0, NULL, NULL, "
	"NULL),"
	" (3, 1, 'partial', 0, 0, 1, 0, 0, 0, 0, 0, NULL, 0, NULL, 0, 0, NULL, NULL, "
	"NULL);"
	"UPDATE file SET created = CAST(strftime('%s', 'now') AS INTEGER) * 1000000;"
	"UPDATE file SET modified = created, changed = created;"
	"UPDATE sqlite_sequence SET seq = 15 WHERE name = 'file';",
};

#define VERSION (int)(sizeof(migrations) / sizeof(migrations[0]))

static int pragma_get(struct conn *conn, const char *sql, int *value)
{
	sqlite3_stmt *stmt;
	int rc = sqlite3_prepare_v2(conn->db, sql, -1, &stmt, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*value = sqlite3_column_int(stmt, 0);
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW ? 0 : conn_failure(conn, rc, sql);
}

static int migrate_to(struct conn *conn, int version)
{
	char end[128];
	int r;

	snprintf(end, sizeof(end),
		 "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
		 APPLICATION_ID, version);
	r = conn_exec(conn, "BEGIN IMMEDIATE");
	if (!r)
		r = conn_exec(conn, migrations[version - 1]);
	if (!r)
		r = conn_exec(conn, end);
	if (r && !sqlite3_get_autocommit(conn->db))
		sqlite3_exec(conn->db, "ROLLBACK", NULL, NULL, NULL);
	return r;
}

static int read_version(struct conn *conn, int *version)
{
	int application, r;

	r = pragma_get(conn, "PRAGMA user_version", version);
	if (!r)
		r = pragma_get(conn, "PRAGMA application_id", &application);
	if (r)
		return r;
	if (*version && application != APPLICATION_ID) {
		log_error("the catalog is not one of tusfs: see fsck.tusfs(8)");
		return REFUSED_GONE;
	}
	if (*version > VERSION) {
		log_error(
			"the store was made by a newer version of tusfs "
			"(catalog version %d, this one knows %d)",
			*version, VERSION);
		return REFUSED_INVALID;
	}
	return 0;
}

int catalog_is_current(struct conn *conn)
{
	int version, r = read_version(conn, &version);

	if (r)
		return r;
	return version == VERSION ? 0 : REFUSED_GONE;
}

int catalog_migrate(struct conn *conn)
{
	int version, r = read_version(conn, &version);

	while (!r && version < VERSION)
		r = migrate_to(conn, ++version);
	return r;
}
