/* A copy of a catalog that the daemon goes on writing: the pages of one snapshot, which
 * a reader sees beside the log. Nobody waits for it; only the log grows meanwhile. */
#include "tusfs/catalog_check.h"

#include "migrations.h"
#include "query.h"

#include <errno.h>
#include <fcntl.h>

static int copy_pages(struct conn *from, struct conn *to)
{
	sqlite3_backup *backup = sqlite3_backup_init(to->db, "main", from->db, "main");
	int rc;

	if (!backup)
		return conn_failure(to, sqlite3_errcode(to->db), "begin a copy");
	rc = sqlite3_backup_step(backup, -1);
	sqlite3_backup_finish(backup);
	return rc == SQLITE_DONE ? 0 : conn_failure(from, rc, "copy");
}

static void ignore(void *arg, const struct finding *finding)
{
	(void)arg;
	(void)finding;
}

/* The copy says, as the catalog does, that it has a log: it gets one of its own, which
 * is merged, so that it is one file. */
static int fill(struct conn *from, const char *path)
{
	SCOPED(scoped_conn_close) struct conn *to = NULL;
	int r = conn_open(path, &to);

	if (!r)
		r = conn_exec(to, "PRAGMA synchronous = OFF");
	if (!r)
		r = copy_pages(from, to);
	if (!r)
		r = conn_exec(to, "PRAGMA journal_mode = DELETE");
	return r ? r : catalog_check_pages(to, ignore, NULL);
}

static int sync_file(const char *path)
{
	SCOPED(scoped_close) int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return failure(-errno, "sync %s", path);
	return 0;
}

int catalog_copy(const char *path, const char *copy)
{
	SCOPED(scoped_conn_close) struct conn *from = NULL;
	int r = conn_open_as(path, SQLITE_OPEN_READONLY, NULL, &from);

	if (!r)
		r = catalog_is_current(from);
	if (!r)
		r = fill(from, copy);
	if (r < 0 && from && conn_is_damaged(from))
		return REFUSED_GONE;
	return r ? r : sync_file(copy);
}
