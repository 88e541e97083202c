/* There is no committer thread. The first who waits leads: it takes all who wait by
 * then into one transaction, commits, wakes them, and hands the lead to the first of
 * those who came meanwhile. So batches form by themselves, and one alone pays no hop to
 * another thread. */
#include "commit.h"

#include "tusfs/log.h"

enum change_state { CHANGE_WAITS, CHANGE_LEADS, CHANGE_DONE };

struct change { /* on the stack of the thread that waits */
	catalog_apply *apply;
	void *arg;
	bool durable;
	int result;
	enum change_state state;
	pthread_cond_t turn;
	struct change *next;
};

void committer_init(struct committer *committer, struct conn *conn)
{
	*committer = (struct committer){.conn = conn};
	committer->last = &committer->first;
	pthread_mutex_init(&committer->mutex, NULL);
}

void committer_release(struct committer *committer)
{
	pthread_mutex_destroy(&committer->mutex);
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

/* One change in a transaction of its own: it fails alone. */
static int commit_one(struct committer *committer, struct change *change)
{
	struct conn *conn = committer->conn;
	int r = set_durable(committer, change->durable);

	if (!r)
		r = run(conn, STMT_BEGIN);
	if (r)
		return r;
	r = change->apply(conn, change->arg);
	if (!r)
		r = run(conn, STMT_COMMIT);
	if (r)
		roll_back(conn);
	return r;
}

/* A change among others: a refusal takes back just this one. */
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

static int commit_all(struct committer *committer, struct change *first)
{
	struct conn *conn = committer->conn;
	bool durable = false;
	int r;

	for (struct change *c = first; c; c = c->next)
		durable |= c->durable;
	r = set_durable(committer, durable);
	if (!r)
		r = run(conn, STMT_BEGIN);
	for (struct change *c = first; c && !r; c = c->next)
		r = apply_within(conn, c);
	if (!r)
		r = run(conn, STMT_COMMIT);
	if (r)
		roll_back(conn);
	return r;
}

static void commit_batch(struct committer *committer, struct change *first)
{
	if (first->next && !commit_all(committer, first))
		return;
	/* alone, or the machine failed one of them: find out which */
	for (struct change *c = first; c; c = c->next)
		c->result = commit_one(committer, c);
}

/* Leads one batch. The mutex is held on entry and return. */
static void lead(struct committer *committer)
{
	struct change *batch = committer->first, *next;

	committer->first = NULL;
	committer->last = &committer->first;
	pthread_mutex_unlock(&committer->mutex);
	commit_batch(committer, batch);
	pthread_mutex_lock(&committer->mutex);
	for (struct change *c = batch; c; c = next) {
		next = c->next; /* c may be gone once its thread can run */
		c->state = CHANGE_DONE;
		pthread_cond_signal(&c->turn);
	}
	if (committer->first) {
		committer->first->state = CHANGE_LEADS;
		pthread_cond_signal(&committer->first->turn);
	} else {
		committer->led = false;
	}
}

int committer_commit(struct committer *committer, bool durable, catalog_apply *apply,
		     void *arg)
{
	struct change change = {.apply = apply, .arg = arg, .durable = durable};

	pthread_cond_init(&change.turn, NULL);
	pthread_mutex_lock(&committer->mutex);
	*committer->last = &change;
	committer->last = &change.next;
	if (!committer->led) {
		committer->led = true;
		change.state = CHANGE_LEADS;
	}
	while (change.state == CHANGE_WAITS)
		pthread_cond_wait(&change.turn, &committer->mutex);
	if (change.state == CHANGE_LEADS)
		lead(committer);
	pthread_mutex_unlock(&committer->mutex);
	pthread_cond_destroy(&change.turn);
	return change.result;
}
