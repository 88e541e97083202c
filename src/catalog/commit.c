/* There is no committer thread. The first who waits leads: it takes all who wait by
 * then into one transaction, commits, wakes them, and hands the lead to one of those
 * who came meanwhile. So batches form by themselves, and one alone pays no hop to
 * another thread. */
#include "commit.h"

#include "tusfs/clock.h"
#include "tusfs/fault_point.h"
#include "tusfs/log.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FRAME_BYTES (PAGE_BYTES + 24) /* what a page takes in the log */
/* The room is told of every so many pages of the log: a quarter of what it sets aside.
 */
#define FOLLOW_FRAMES (ROOM_LOG_BYTES / FRAME_BYTES / 4)

void committer_init(struct committer *committer, struct conn *conn, struct room *room)
{
	*committer = (struct committer){.conn = conn, .room = room};
	wal_init(&committer->wal, conn);
	atomic_init(&committer->commits, 2);
	atomic_init(&committer->renew, false);
	atomic_init(&committer->happened, 0);
	committer->last = &committer->first;
	pthread_mutex_init(&committer->mutex, NULL);
}

void committer_release(struct committer *committer)
{
	wal_release(&committer->wal);
	pthread_mutex_destroy(&committer->mutex);
}

void committer_renew_log(struct committer *committer)
{
	atomic_store(&committer->renew, true);
}

uint64_t committer_version(struct committer *committer)
{
	uint64_t commits = atomic_load(&committer->commits);

	return commits % 2 ? CATALOG_CHANGING : commits;
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
 * committed; and before the failure of a commit is told, for it can be in the log
 * still, and would count after a crash. */
static int mend(struct committer *committer)
{
	struct conn *conn = committer->conn;
	int rc;

	if (!atomic_load(&committer->wal.lost))
		return 0;
	rc = wal_copy(&committer->wal, conn, SQLITE_CHECKPOINT_TRUNCATE);
	committer->unmended = rc != SQLITE_OK;
	if (rc != SQLITE_OK)
		return conn_failure(conn, rc, "checkpoint after a failed sync");
	atomic_store(&committer->wal.lost, false);
	room_lost(committer->room);
	return 0;
}

static int begin(struct committer *committer, bool durable)
{
	int r = mend(committer);

	if (!r)
		r = set_durable(committer, durable);
	committer->conn->began = clock_now();
	committer->conn->touched = 0;
	return r ? r : run(committer->conn, STMT_BEGIN);
}

/* Whether a commit that failed with `code` may be in the log all the same, whole: it
 * was not synced, or what is left to do after that has failed, such as to make the
 * log's index longer. */
static bool may_count(int code)
{
	return code != SQLITE_BUSY && code != SQLITE_FULL;
}

static int commit(struct committer *committer)
{
	struct conn *conn = committer->conn;
	int r;

	fault_point("before the commit");
	atomic_fetch_add(&committer->commits, 1);
	r = run(conn, STMT_COMMIT);
	atomic_fetch_add(&committer->commits, 1);
	fault_point("committed");
	if (r && may_count(sqlite3_errcode(conn->db))) {
		atomic_store(&committer->wal.lost, true);
		committer->unmended = false; /* not tried yet */
	}
	return r;
}

/* One change in a transaction of its own: it fails alone. */
static int try_one(struct committer *committer, struct catalog_change *change)
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
	int rc = wal_copy(&committer->wal, conn, SQLITE_CHECKPOINT_RESTART);

	return rc == SQLITE_OK ? 0
			       : conn_failure(conn, rc, "checkpoint on a full disk");
}

/* On a full disk a change is tried once more, in the room that the log has from its
 * beginning. */
static int commit_one(struct committer *committer, struct catalog_change *change)
{
	int r = try_one(committer, change);

	if (r != -ENOSPC && r != -EDQUOT)
		return r;
	return restart_log(committer) ? r : try_one(committer, change);
}

/* One way to run a change of a batch. Returns what ends the batch. */
typedef int apply_one(struct conn *conn, struct catalog_change *change);

static int apply_bare(struct conn *conn, struct catalog_change *change)
{
	change->result = change->apply(conn, change->arg);
	return change->result;
}

/* A refusal takes back just this change. */
static int apply_within(struct conn *conn, struct catalog_change *change)
{
	int r = run(conn, STMT_SAVEPOINT);

	if (r)
		return r;
	change->result = change->apply(conn, change->arg);
	if (change->result < 0)
		return change->result;
	if (change->result > 0) {
		conn->touched = 0;
		r = run(conn, STMT_UNDO);
	}
	return r ? r : run(conn, STMT_RELEASE);
}

static int commit_with(struct committer *committer, struct catalog_change *first,
		       apply_one *apply)
{
	struct conn *conn = committer->conn;
	bool durable = false;
	int r;

	for (struct catalog_change *c = first; c; c = c->next)
		durable |= c->durable;
	r = begin(committer, durable);
	for (struct catalog_change *c = first; c && !r; c = c->next)
		r = apply(conn, c);
	if (!r)
		r = commit(committer);
	if (r)
		roll_back(conn);
	return r;
}

/* Few changes are refused, and a savepoint for each costs a tenth of the batch: so they
 * are tried without first. */
static int commit_all(struct committer *committer, struct catalog_change *first)
{
	int r = commit_with(committer, first, apply_bare);

	return r > 0 ? commit_with(committer, first, apply_within) : r;
}

static void commit_batch(struct committer *committer, struct catalog_change *first)
{
	if (first->next && !commit_all(committer, first))
		return;
	/* alone, or the machine failed one of them: find out which */
	for (struct catalog_change *c = first; c; c = c->next)
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

/* Tells the room how far the log has come. When it comes to its end, since the disk is
 * full, the log is copied, so that it begins anew with one of the next commits. */
static void follow(struct committer *committer)
{
	int frames = wal_progress(&committer->wal).frames;
	int more = frames - committer->followed;
	uint64_t pages;

	if (more >= 0 && more < FOLLOW_FRAMES)
		return;
	if (count_pages(committer->conn, &pages))
		return; /* it was logged, and the next commit comes here again */
	committer->followed = frames;
	if (!room_follow(committer->room, (uint64_t)frames * FRAME_BYTES,
			 pages * PAGE_BYTES) &&
	    wal_copy(&committer->wal, committer->conn, SQLITE_CHECKPOINT_PASSIVE))
		log_debug("the log will be copied later");
}

/* Copies the rest of the log, and waits a little for those who read it, so that the
 * next commit begins it anew. */
static void renew(struct committer *committer)
{
	struct conn *conn = committer->conn;

	if (!atomic_exchange(&committer->renew, false))
		return;
	conn_set_patience(conn, CONN_LITTLE_PATIENCE);
	if (wal_copy(&committer->wal, conn, SQLITE_CHECKPOINT_RESTART))
		log_debug("the log will begin anew later");
	conn_set_patience(conn, CONN_PATIENCE);
}

/* ---- who leads, and who waits ---- */

/* The bit by which those who wait for a batch are woken without the others. */
static unsigned int bit_of(unsigned int batch)
{
	return 1U << batch % 32;
}

/* Sleeps unless something has happened since `seen` was read. */
static void sleep_on(struct committer *committer, unsigned int seen, unsigned int batch)
{
	syscall(SYS_futex, &committer->happened, FUTEX_WAIT_BITSET_PRIVATE, seen, NULL,
		NULL, bit_of(batch));
}

static void wake(struct committer *committer, unsigned int batch, int count)
{
	atomic_fetch_add(&committer->happened, 1);
	syscall(SYS_futex, &committer->happened, FUTEX_WAKE_BITSET_PRIVATE, count, NULL,
		NULL, bit_of(batch));
}

/* Takes all who wait by now. */
static struct catalog_change *take_batch(struct committer *committer)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&committer->mutex);
	struct catalog_change *batch = committer->first;

	committer->first = NULL;
	committer->last = &committer->first;
	committer->gathering++;
	return batch;
}

/* Takes the lead, if nobody has it and the change still needs one. */
static bool take_lead(struct committer *committer, const struct catalog_change *change)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&committer->mutex);
	bool leads = !committer->led && !atomic_load(&change->done);

	committer->led |= leads;
	return leads;
}

/* Lets go of the lead. Whether somebody has come meanwhile. */
static bool hand_over(struct committer *committer)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&committer->mutex);

	committer->led = false;
	return committer->first != NULL;
}

/* All of the batch at once, by one call: waking each by itself would give the processor
 * away as often, before the next can lead. */
static void end_batch(struct committer *committer, struct catalog_change *batch)
{
	unsigned int number = batch->batch;
	struct catalog_change *next;

	for (struct catalog_change *c = batch; c; c = next) {
		next = c->next; /* c is gone once it is done */
		atomic_store(&c->done, true);
	}
	wake(committer, number, INT_MAX);
}

static void lead(struct committer *committer)
{
	struct catalog_change *batch = take_batch(committer);
	unsigned int next = batch->batch + 1;

	commit_batch(committer, batch);
	if (!committer->unmended && mend(committer))
		log_debug("the log will be mended before the next commit");
	end_batch(committer, batch);
	follow(committer);
	renew(committer);
	if (hand_over(committer))
		wake(committer, next, 1);
}

/* Whether the changes lead at once. */
static bool enqueue(struct committer *committer, struct catalog_change *first,
		    struct catalog_change *last)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&committer->mutex);
	bool leads = !committer->led;

	last->next = NULL;
	for (struct catalog_change *c = first; c; c = c->next) {
		c->batch = committer->gathering;
		atomic_init(&c->done, false);
	}
	*committer->last = first;
	committer->last = &last->next;
	committer->led = true;
	return leads;
}

/* Waits for the end of the change's batch, or takes the lead that was let go of before:
 * then false. */
static bool await(struct committer *committer, struct catalog_change *change)
{
	for (;;) {
		unsigned int seen = atomic_load(&committer->happened);

		if (atomic_load(&change->done))
			return true;
		if (take_lead(committer, change))
			return false;
		sleep_on(committer, seen, change->batch);
	}
}

void committer_commit(struct committer *committer, struct catalog_change *first,
		      struct catalog_change *last)
{
	/* they are in one batch, and the last is done last */
	if (enqueue(committer, first, last) || !await(committer, last))
		lead(committer);
}
