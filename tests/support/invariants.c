#include "invariants.h"

#include "tusfs/scoped.h"

#include <check.h>
#include <dirent.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Each question gives the rows that must not be. */
static const struct {
	const char *broken;
	const char *sql;
} rules[] = {
	{"the catalog is damaged",
	 "SELECT integrity_check FROM pragma_integrity_check "
	 "WHERE integrity_check <> 'ok'"},
	{"a folder counts other arriving uploads than it has",
	 "SELECT num FROM file f WHERE kind = 0 AND num >= 16 AND arriving <> "
	 "(SELECT coalesce(sum(arriving), 0) FROM file WHERE parent = f.num)"},
	{"a folder is there that nobody sees",
	 "SELECT num FROM file WHERE kind = 0 AND arriving = 0 AND shown = 0"},
	{"something is shown in a folder that is not",
	 "SELECT f.num FROM file f JOIN file p ON p.num = f.parent "
	 "WHERE f.shown = 1 AND p.shown = 0"},
	{"something is in no folder",
	 "SELECT num FROM file WHERE num >= 16 AND parent NOT IN "
	 "(SELECT num FROM file WHERE kind = 0)"},
	{"an upload is not where its state says",
	 "SELECT num FROM file WHERE kind IN (1, 3) AND "
	 "(arriving <> (finished = 0) OR shown <> (finished > 0))"},
	{"a part is not in partial/",
	 "SELECT num FROM file WHERE kind = 2 AND "
	 "(parent <> 3 OR arriving <> 0 OR shown <> 1)"},
	{"an upload is past its length, or complete before it",
	 "SELECT num FROM file WHERE kind > 0 AND "
	 "(offset > length OR (finished > 0 AND offset IS NOT length))"},
	{"an upload has come whole and is not complete",
	 "SELECT num FROM file WHERE kind IN (1, 2) AND offset = length AND offset > 0 "
	 "AND finished = 0"},
	{"a small upload's bytes are not in the catalog",
	 "SELECT num FROM file f WHERE small = 1 AND offset > 0 AND offset IS NOT "
	 "(SELECT length(bytes) FROM body WHERE num = f.num)"},
	{"bytes in the catalog belong to nothing",
	 "SELECT num FROM body WHERE num NOT IN (SELECT num FROM file WHERE small = 1) "
	 "AND num NOT IN (SELECT blob FROM segment WHERE small = 1)"},
	{"a segment belongs to no final upload",
	 "SELECT file FROM segment WHERE file NOT IN "
	 "(SELECT num FROM file WHERE kind = 3)"},
	{"a final upload's segments are not numbered from 0 on",
	 "SELECT file FROM segment GROUP BY file "
	 "HAVING min(position) <> 0 OR max(position) <> count(*) - 1"},
	{"a final upload is not as long as its segments",
	 "SELECT num FROM file f WHERE kind = 3 AND finished > 0 AND (offset <> "
	 "(SELECT coalesce(sum(length), 0) FROM segment WHERE file = f.num) OR EXISTS "
	 "(SELECT 1 FROM segment WHERE file = f.num AND length IS NULL))"},
	{"a final upload waits for nothing",
	 "SELECT num FROM file f WHERE kind = 3 AND finished = 0 AND NOT EXISTS "
	 "(SELECT 1 FROM segment WHERE file = f.num AND length IS NULL)"},
	{"a segment contradicts its part",
	 "SELECT s.file FROM segment s JOIN file p ON p.num = s.blob "
	 "WHERE (p.finished > 0) <> (s.length IS NOT NULL) OR s.length <> p.length"},
	{"an attribute belongs to nothing",
	 "SELECT file FROM attribute WHERE file NOT IN (SELECT num FROM file)"},
	{"a living upload has a tombstone",
	 "SELECT num FROM file WHERE id IN (SELECT id FROM tombstone)"},
	{"a blob in use is to be removed",
	 "SELECT blob FROM trash WHERE blob IN "
	 "(SELECT num FROM file WHERE kind IN (1, 2) AND small = 0) OR blob IN "
	 "(SELECT blob FROM segment WHERE small = 0)"},
};

/* Blobs that must be there, with the bytes that must be in them at least, and whether
 * there may be more. */
#define NEEDED                                                                         \
	"SELECT num, offset, finished > 0 FROM file "                                  \
	"WHERE kind IN (1, 2) AND small = 0 AND offset > 0 AND broken = 0 UNION ALL "  \
	"SELECT blob, length, 1 FROM segment WHERE small = 0 AND length > 0"
#define OWNED                                                                          \
	"SELECT 1 FROM file WHERE num = ?1 AND kind IN (1, 2) AND small = 0 "          \
	"UNION SELECT 1 FROM segment WHERE blob = ?1 AND small = 0 "                   \
	"UNION SELECT 1 FROM trash WHERE blob = ?1"

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *stmt;

	ck_assert_msg(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK,
		      "%s: %s", sql, sqlite3_errmsg(db));
	return stmt;
}

static void check_rules(sqlite3 *db)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		sqlite3_stmt *stmt = prepare(db, rules[i].sql);
		int rc = sqlite3_step(stmt);

		ck_assert_msg(rc == SQLITE_DONE, "%s: %s", rules[i].broken,
			      rc == SQLITE_ROW
				      ? (const char *)sqlite3_column_text(stmt, 0)
				      : sqlite3_errmsg(db));
		sqlite3_finalize(stmt);
	}
}

static void check_needed_blobs(sqlite3 *db, const char *path)
{
	sqlite3_stmt *stmt = prepare(db, NEEDED);

	while (sqlite3_step(stmt) == SQLITE_ROW) {
		int64_t num = sqlite3_column_int64(stmt, 0);
		int64_t size = sqlite3_column_int64(stmt, 1);
		SCOPED(scoped_free) char *name = NULL;
		struct stat found;

		ck_assert_int_ge(asprintf(&name, "%s/blobs/%02x/%016" PRIx64, path,
					  (unsigned int)(num & 0xff), (uint64_t)num),
				 0);
		ck_assert_msg(stat(name, &found) == 0, "%s is missing", name);
		ck_assert_msg(found.st_size >= size, "%s is too short", name);
		ck_assert_msg(found.st_size == size || !sqlite3_column_int(stmt, 2),
			      "%s is too long", name);
	}
	sqlite3_finalize(stmt);
}

/* Each file of one of the folders of blobs must have a reason to be there. */
static void check_folder(sqlite3_stmt *owned, const char *path)
{
	DIR *folder = opendir(path);

	ck_assert_ptr_nonnull(folder);
	for (struct dirent *entry; (entry = readdir(folder));) {
		if (entry->d_name[0] == '.')
			continue;
		sqlite3_reset(owned);
		sqlite3_bind_int64(owned, 1,
				   (int64_t)strtoull(entry->d_name, NULL, 16));
		ck_assert_msg(sqlite3_step(owned) == SQLITE_ROW,
			      "%s/%s belongs to nothing", path, entry->d_name);
	}
	closedir(folder);
}

static void check_owned_blobs(sqlite3 *db, const char *path)
{
	sqlite3_stmt *owned = prepare(db, OWNED);

	for (unsigned int i = 0; i < 256; i++) {
		SCOPED(scoped_free) char *folder = NULL;

		ck_assert_int_ge(asprintf(&folder, "%s/blobs/%02x", path, i), 0);
		check_folder(owned, folder);
	}
	sqlite3_finalize(owned);
}

void invariants_hold(const char *path)
{
	SCOPED(scoped_free) char *name = NULL;
	sqlite3 *db;

	ck_assert_int_ge(asprintf(&name, "%s/catalog.db", path), 0);
	ck_assert_int_eq(sqlite3_open_v2(name, &db, SQLITE_OPEN_READWRITE, NULL),
			 SQLITE_OK);
	check_rules(db);
	check_needed_blobs(db, path);
	check_owned_blobs(db, path);
	ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}
