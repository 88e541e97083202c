/* The catalog's connections: one that writes, a pool that reads, one that checkpoints.
 */
#include "commit.h"
#include "frames.h"
#include "migrations.h"
#include "query.h"

#include "tusfs/log.h"

#include <errno.h>
#include <string.h>

#define READERS_MAX 8

#define STRING_OF(text) #text
#define STRING(macro)	STRING_OF(macro)

/* Pages of the log. So many are copied although others commit: a page that is written
 * often is copied once for all of them, and each copy costs three syncs. */
#define MANY_FRAMES (128 * 1024 * 1024 / PAGE_BYTES)
/* A log that is longer begins anew once it is copied, though others commit. */
#define LONG_FRAMES (64 * 1024 * 1024 / PAGE_BYTES)
/* What is left below this is copied in no time; so many passes are made to get there.
 */
#define LITTLE_FRAMES 512
#define CATCH_UPS     4

struct catalog {
	char *path;
	struct conn *writer;
	struct conn *checkpointer; /* the janitor's, as the next */
	int seen;		   /* pages in the log at the last catalog_tend_log() */
	struct committer committer;
	struct room room;
	pthread_mutex_t mutex; /* protects the rest */
	pthread_cond_t returned;
	struct conn *idle;
	unsigned int readers; /* open, in use or not */
};

/* Says so where SQLite cannot take the file, and how that is answered. */
static int refuse_damaged(struct conn *conn, const char *path, int r)
{
	if (conn_is_damaged(conn)) {
		log_error("the catalog %s is damaged: see fsck.tusfs(8)", path);
		return REFUSED_GONE;
	}
	if ((sqlite3_errcode(conn->db) & 0xff) == SQLITE_IOERR)
		log_error("the catalog %s cannot be read or written", path);
	return r;
}

/* Nothing goes into the log before the commit. A large transaction would write pages
 * there early, some twice; and when a savepoint takes back such pages, SQLite (3.40.1
 * does) can leave frames without a checksum behind. Nobody notices, until a crash: then
 * recovery ends at the first of them, and all that was committed after it is lost
 * (tests/engine/test_frames.c). */
static int keep_until_commit(struct conn *conn)
{
	return conn_exec(conn, "PRAGMA cache_spill = OFF; PRAGMA cache_size = -8192");
}

static int open_writer(struct catalog *catalog)
{
	int r = conn_open_as(catalog->path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
			     FRAMES_VFS, &catalog->writer);

	if (!r)
		r = conn_keep_log(catalog->writer);
	if (r)
		return r;
	r = conn_exec(catalog->writer,
		      "PRAGMA journal_mode = WAL;"
		      "PRAGMA synchronous = FULL;"
		      "PRAGMA wal_autocheckpoint = 0;"
		      "PRAGMA journal_size_limit = " STRING(ROOM_LOG_KEPT));
	if (!r)
		r = room_open_log(&catalog->room, catalog->path);
	if (!r)
		r = catalog_migrate(catalog->writer);
	if (!r)
		r = keep_until_commit(catalog->writer);
	if (!r)
		return conn_prepare(catalog->writer);
	return r < 0 ? refuse_damaged(catalog->writer, catalog->path, r) : r;
}

static int open_reader(struct catalog *catalog, struct conn **conn)
{
	struct conn *made = NULL;
	int r = conn_open(catalog->path, &made);

	if (!r)
		r = conn_exec(made, "PRAGMA query_only = ON");
	if (!r)
		r = conn_prepare(made);
	if (r) {
		conn_close(made);
		return r;
	}
	made->catalog = catalog;
	*conn = made;
	return 0;
}

/* A connection that has read nothing does not know of the log, and copies nothing of it
 * without saying so. */
static int open_checkpointer(struct catalog *catalog)
{
	int r = conn_open(catalog->path, &catalog->checkpointer);

	return r ? r
		 : conn_exec(catalog->checkpointer,
			     "SELECT count(*) FROM sqlite_schema");
}

int catalog_open(const char *path, struct catalog **catalog)
{
	SCOPED(scoped_catalog_close) struct catalog *made = calloc(1, sizeof(*made));
	int r;

	if (!made)
		return failure(-ENOMEM, "open catalog");
	room_init(&made->room);
	pthread_mutex_init(&made->mutex, NULL);
	pthread_cond_init(&made->returned, NULL);
	made->path = strdup(path);
	if (!made->path)
		return failure(-ENOMEM, "open catalog");
	r = room_open(&made->room, path);
	if (!r)
		r = open_writer(made);
	if (!r)
		r = open_checkpointer(made);
	if (!r)
		r = open_reader(made, &made->idle);
	if (!r)
		r = room_take(&made->room);
	if (r)
		return r;
	made->readers = 1;
	committer_init(&made->committer, made->writer, &made->room);
	made->committer.full = true;
	*catalog = STEAL(made);
	return 0;
}

struct catalog *catalog_close(struct catalog *catalog)
{
	struct conn *next;

	if (!catalog)
		return NULL;
	for (struct conn *c = catalog->idle; c; c = next) {
		next = c->next;
		conn_close(c);
	}
	conn_close(catalog->checkpointer);
	if (catalog->committer.conn)
		committer_release(&catalog->committer);
	conn_close(catalog->writer); /* the last to close copies the log and cuts it */
	room_close(&catalog->room);
	pthread_mutex_destroy(&catalog->mutex);
	pthread_cond_destroy(&catalog->returned);
	free(catalog->path);
	free(catalog);
	return NULL;
}

void scoped_catalog_close(struct catalog **catalog)
{
	catalog_close(*catalog);
}

/* One more connection, if there may be one and it can be opened; there is one at least.
 */
static struct conn *add_reader(struct catalog *catalog)
{
	struct conn *conn = NULL;

	if (open_reader(catalog, &conn) == 0)
		return conn;
	pthread_mutex_lock(&catalog->mutex);
	catalog->readers--;
	pthread_mutex_unlock(&catalog->mutex);
	return NULL;
}

struct conn *catalog_reader(struct catalog *catalog)
{
	struct conn *conn = NULL;
	bool add = false;

	pthread_mutex_lock(&catalog->mutex);
	if (!catalog->idle && catalog->readers < READERS_MAX) {
		catalog->readers++;
		add = true;
	}
	pthread_mutex_unlock(&catalog->mutex);
	if (add)
		conn = add_reader(catalog);
	if (conn)
		return conn;
	pthread_mutex_lock(&catalog->mutex);
	while (!catalog->idle)
		pthread_cond_wait(&catalog->returned, &catalog->mutex);
	conn = catalog->idle;
	catalog->idle = conn->next;
	pthread_mutex_unlock(&catalog->mutex);
	return conn;
}

void conn_release(struct conn **conn)
{
	struct catalog *catalog = (*conn)->catalog;

	pthread_mutex_lock(&catalog->mutex);
	(*conn)->next = catalog->idle;
	catalog->idle = *conn;
	pthread_cond_signal(&catalog->returned);
	pthread_mutex_unlock(&catalog->mutex);
}

int catalog_commit(struct catalog *catalog, bool durable, catalog_apply *apply,
		   void *arg)
{
	struct catalog_change change = {.apply = apply, .arg = arg, .durable = durable};

	committer_commit(&catalog->committer, &change, &change);
	return change.result;
}

void catalog_commit_all(struct catalog *catalog, struct catalog_change *first,
			struct catalog_change *last)
{
	committer_commit(&catalog->committer, first, last);
}

uint64_t catalog_version(struct catalog *catalog)
{
	return committer_version(&catalog->committer);
}

static int uncopied(const struct wal_progress *progress)
{
	int more = progress->frames - progress->copied;

	return more > 0 ? more : 0;
}

/* Copies what is in the log by now, and what comes meanwhile, but for a little. */
static int copy_log(struct catalog *catalog, struct wal_progress *progress)
{
	struct wal *wal = &catalog->committer.wal;
	int rc = SQLITE_OK;

	for (int i = 0; i < CATCH_UPS && rc == SQLITE_OK; i++) {
		rc = wal_copy(wal, catalog->checkpointer, SQLITE_CHECKPOINT_PASSIVE);
		*progress = wal_progress(wal);
		if (uncopied(progress) < LITTLE_FRAMES)
			break;
	}
	return rc;
}

int catalog_checkpoint(struct catalog *catalog)
{
	struct wal_progress progress = {0};
	int rc = copy_log(catalog, &progress), r;

	/* SQLite syncs the catalog only with the copy that comes to the log's end.
	 * Where commits never pause that is a leader's, and all others wait for it: so
	 * most is synced before. */
	if (rc == SQLITE_OK && progress.copied > LONG_FRAMES && uncopied(&progress)) {
		r = room_sync_catalog(&catalog->room);
		if (r)
			return r;
		rc = copy_log(catalog, &progress);
	}
	/* it begins anew with the next commit if it is copied to its end */
	if (rc == SQLITE_OK && progress.copied > LONG_FRAMES && uncopied(&progress) &&
	    uncopied(&progress) < LITTLE_FRAMES)
		committer_renew_log(&catalog->committer);
	if (rc == SQLITE_OK || rc == SQLITE_BUSY || rc == SQLITE_LOCKED)
		return 0; /* somebody reads the old log: the next time will do */
	return conn_failure(catalog->checkpointer, rc, "checkpoint");
}

int catalog_tend_log(struct catalog *catalog)
{
	struct wal_progress progress = wal_progress(&catalog->committer.wal);
	bool still = progress.frames == catalog->seen;
	bool overdue = progress.copied > LONG_FRAMES; /* it did not begin anew */

	catalog->seen = progress.frames;
	if (!uncopied(&progress) ||
	    !(still || overdue || uncopied(&progress) >= MANY_FRAMES))
		return 0;
	return catalog_checkpoint(catalog);
}

bool catalog_has_room(struct catalog *catalog)
{
	return room_is_whole(&catalog->room);
}
