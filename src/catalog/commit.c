/* There is no committer thread. The first who waits leads: it takes all who wait by
 * then into one transaction, commits, wakes them, and hands the lead to the first of
 * those who came meanwhile. So batches form by themselves, and one alone pays no hop to
 * another thread. */
#include "commit.h"

#include "tusfs/fault_point.h"
#include "tusfs/log.h"

#include <errno.h>
#include <semaphore.h>

/* SQLite's default, and what a page takes in the log. */
#define PAGE_BYTES  4096
#define FRAME_BYTES (PAGE_BYTES + 24)
/* The room is told of every so many pages of the log: a quarter of what it sets aside.
 */
#define FOLLOW_FRAMES (ROOM_LOG_BYTES / FRAME_BYTES / 4)

struct change { /* on the stack of the thread that waits */
	catalog_apply *apply;
	void *arg;
	bool durable;
	int result;
	bool leads; /* when its turn has come; otherwise it is done */
	sem_t turn; /* posted without the mutex, so that nobody wakes to wait for it */
	struct change *next;
};

static int note_frames(void *arg, sqlite3 *db, const char *name, int frames)
{
	struct committer *committer = arg;

	(void)db;
	(void)name;
	atomic_store(&committer->frames, frames);
	return SQLITE_OK;
}

void committer_init(struct committer *committer, struct conn *conn, struct room *room)
{
	*committer = (struct committer){.conn = conn, .room = room};
	sqlite3_wal_hook(conn->db, note_frames, committer);
	atomic_init(&committer->frames, 0);
	atomic_init(&committer->lost, false);
	atomic_init(&committer->renew, false);
	committer->last = &committer->first;
	pthread_mutex_init(&committer->mutex, NULL);
	pthread_mutex_init(&committer->copying, NULL);
}

void committer_release(struct committer *committer)
{
	pthread_mutex_destroy(&committer->mutex);
	pthread_mutex_destroy(&committer->copying);
}

/* The pages of a log whose sync failed count as written from then on, to SQLite and to
 * the kernel. */
int committer_copy_log(struct committer *committer, struct conn *conn, int mode,
		       int *frames, int *copied)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&committer->copying);
	int rc = sqlite3_wal_checkpoint_v2(conn->db, NULL, mode, frames, copied);

	if (rc == SQLITE_IOERR_FSYNC)
		atomic_store(&committer->lost, true);
	if (rc == SQLITE_OK && mode == SQLITE_CHECKPOINT_TRUNCATE)
		atomic_store(&committer->frames, 0);
	return rc;
}

int committer_frames(const struct committer *committer)
{
	return atomic_load(&committer->frames);
}

void committer_renew_log(struct committer *committer)
{
	atomic_store(&committer->renew, true);
}

static int run(struct conn *conn, enum statement statement)
{
	SCOPED(query_end) struct query q = query_begin(conn, statement);

	return query_run(&q);
}

/* SQLite has rolled back by itself after some failures. */
static void roll_back(struct conn *conn)
{
	if (!sqlite3_get_autocommit(conn->db) && run(conn, STMT_ROLLBACK))
		log_error("the catalog's transaction cannot be rolled back");
}

/* Sets how a commit is synced, if it is not set so already: FULL syncs the log with
 * each. */
static int set_durable(struct committer *committer, bool durable)
{
	int r;

	if (committer->full == durable)
		return 0;
	r = conn_exec(committer->conn, durable ? "PRAGMA synchronous = FULL"
					       : "PRAGMA synchronous = NORMAL");
	if (!r)
		committer->full = durable;
	return r;
}

/* After a sync of the log that failed, parts of it may be missing on disk, and a later
 * sync would not tell: a power cut would then take what is committed behind them. So
 * all of it goes into the catalog's file, which is synced, before anything else is
 * committed. */
static int mend(struct committer *committer)
{
	struct conn *conn = committer->conn;
	int rc;

	if (!atomic_load(&committer->lost))
		return 0;
	rc = committer_copy_log(committer, conn, SQLITE_CHECKPOINT_TRUNCATE, NULL,
				NULL);
	if (rc != SQLITE_OK)
		return conn_failure(conn, rc, "checkpoint after a failed sync");
	atomic_store(&committer->lost, false);
	room_lost(committer->room);
	return 0;
}

static int begin(struct committer *committer, bool durable)
{
	int r = mend(committer);

	if (!r)
		r = set_durable(committer, durable);
	return r ? r : run(committer->conn, STMT_BEGIN);
}

static int commit(struct committer *committer)
{
	struct conn *conn = committer->conn;
	int r;

	fault_point("before the commit");
	r = run(conn, STMT_COMMIT);
	fault_point("committed");
	if (r && sqlite3_extended_errcode(conn->db) == SQLITE_IOERR_FSYNC)
		atomic_store(&committer->lost, true);
	return r;
}

/* One change in a transaction of its own: it fails alone. */
static int try_one(struct committer *committer, struct change *change)
{
	struct conn *conn = committer->conn;
	int r = begin(committer, change->durable);

	if (r)
		return r;
	r = change->apply(conn, change->arg);
	if (!r)
		r = commit(committer);
	if (r)
		roll_back(conn);
	return r;
}

/* Copies all of the log to where the catalog has room for it, and begins it anew, once
 * nobody reads it. */
static int restart_log(struct committer *committer)
{
	struct conn *conn = committer->conn;
	int rc = committer_copy_log(committer, conn, SQLITE_CHECKPOINT_RESTART, NULL,
				    NULL);

	return rc == SQLITE_OK ? 0
			       : conn_failure(conn, rc, "checkpoint on a full disk");
}

/* On a full disk a change is tried once more, in the room that the log has from its
 * beginning. */
static int commit_one(struct committer *committer, struct change *change)
{
	int r = try_one(committer, change);

	if (r != -ENOSPC && r != -EDQUOT)
		return r;
	return restart_log(committer) ? r : try_one(committer, change);
}

/* One way to run a change of a batch. Returns what ends the batch. */
typedef int apply_one(struct conn *conn, struct change *change);

static int apply_bare(struct conn *conn, struct change *change)
{
	change->result = change->apply(conn, change->arg);
	return change->result;
}

/* A refusal takes back just this change. */
static int apply_within(struct conn *conn, struct change *change)
{
	int r = run(conn, STMT_SAVEPOINT);

	if (r)
		return r;
	change->result = change->apply(conn, change->arg);
	if (change->result < 0)
		return change->result;
	if (change->result > 0)
		r = run(conn, STMT_UNDO);
	return r ? r : run(conn, STMT_RELEASE);
}

static int commit_with(struct committer *committer, struct change *first,
		       apply_one *apply)
{
	struct conn *conn = committer->conn;
	bool durable = false;
	int r;

	for (struct change *c = first; c; c = c->next)
		durable |= c->durable;
	r = begin(committer, durable);
	for (struct change *c = first; c && !r; c = c->next)
		r = apply(conn, c);
	if (!r)
		r = commit(committer);
	if (r)
		roll_back(conn);
	return r;
}

/* Few changes are refused, and a savepoint for each costs a tenth of the batch: so they
 * are tried without first. */
static int commit_all(struct committer *committer, struct change *first)
{
	int r = commit_with(committer, first, apply_bare);

	return r > 0 ? commit_with(committer, first, apply_within) : r;
}

static void commit_batch(struct committer *committer, struct change *first)
{
	if (first->next && !commit_all(committer, first))
		return;
	/* alone, or the machine failed one of them: find out which */
	for (struct change *c = first; c; c = c->next)
		c->result = commit_one(committer, c);
}

static int count_pages(struct conn *conn, uint64_t *pages)
{
	SCOPED(query_end) struct query q = query_begin(conn, STMT_PAGES);
	int r = query_one(&q);

	if (!r)
		*pages = query_column_u64(&q, 0);
	return r;
}

static void copy_log(struct committer *committer)
{
	if (committer_copy_log(committer, committer->conn, SQLITE_CHECKPOINT_PASSIVE,
			       NULL, NULL))
		log_debug("the log will be copied later");
}

/* Tells the room how far the log has come. When it comes to its end, since the disk is
 * full, the log is copied, so that it begins anew with one of the next commits. */
static void follow(struct committer *committer)
{
	int frames = atomic_load(&committer->frames);
	int more = frames - committer->followed;
	uint64_t pages;

	if (more >= 0 && more < FOLLOW_FRAMES)
		return;
	if (count_pages(committer->conn, &pages))
		return; /* it was logged, and the next commit comes here again */
	committer->followed = frames;
	if (!room_follow(committer->room, (uint64_t)frames * FRAME_BYTES,
			 pages * PAGE_BYTES))
		copy_log(committer);
}

/* Takes all who wait by now. */
static struct change *take_batch(struct committer *committer)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&committer->mutex);
	struct change *batch = committer->first;

	committer->first = NULL;
	committer->last = &committer->first;
	return batch;
}

/* Who leads the next batch: the first of those who came meanwhile, or whoever comes. */
static struct change *choose_leader(struct committer *committer)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&committer->mutex);
	struct change *next = committer->first;

	if (next)
		next->leads = true;
	else
		committer->led = false;
	return next;
}

static void lead(struct committer *committer, const struct change *own)
{
	struct change *batch = take_batch(committer), *leader, *next;

	commit_batch(committer, batch);
	for (struct change *c = batch; c; c = next) {
		next = c->next; /* c is gone once its thread can run */
		if (c != own)
			sem_post(&c->turn);
	}
	follow(committer);
	if (atomic_exchange(&committer->renew, false))
		copy_log(committer);
	leader = choose_leader(committer);
	if (leader)
		sem_post(&leader->turn);
}

/* Whether the change leads at once. */
static bool enqueue(struct committer *committer, struct change *change)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&committer->mutex);
	bool leads = !committer->led;

	*committer->last = change;
	committer->last = &change->next;
	committer->led = true;
	return leads;
}

static void await_turn(struct change *change)
{
	while (sem_wait(&change->turn) < 0 && errno == EINTR)
		;
}

int committer_commit(struct committer *committer, bool durable, catalog_apply *apply,
		     void *arg)
{
	struct change change = {.apply = apply, .arg = arg, .durable = durable};

	sem_init(&change.turn, 0, 0);
	if (enqueue(committer, &change))
		change.leads = true;
	else
		await_turn(&change);
	if (change.leads)
		lead(committer, &change);
	sem_destroy(&change.turn);
	return change.result;
}
