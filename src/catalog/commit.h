/* Group commit: whoever waits is served by one transaction. */
#ifndef TUSFS_CATALOG_COMMIT_H
#define TUSFS_CATALOG_COMMIT_H

#include "query.h"
#include "room.h"

#include <pthread.h>
#include <stdatomic.h>

struct change;

struct committer {
	struct conn *conn; /* only the leader's, as the next three */
	bool full;	   /* what synchronous is set to */
	atomic_int frames; /* pages in the log after the last commit, for anybody */
	int followed;	   /* pages in it when `room` was told last */
	struct room *room; /* borrowed */
	atomic_bool lost;  /* a sync of the log failed: see mend() */
	atomic_bool renew; /* see committer_renew_log() */
	/* Held by whoever copies the log: SQLite turns a second one away at once. */
	pthread_mutex_t copying;
	pthread_mutex_t mutex; /* protects the rest */
	struct change *first, **last;
	bool led; /* a leader is at work, or chosen */
};

/* The connection and the room stay the caller's. */
void committer_init(struct committer *committer, struct conn *conn, struct room *room);
void committer_release(struct committer *committer);
/* Copies the log on a connection, as sqlite3_wal_checkpoint_v2() does with `mode`;
 * *frames and *copied may be NULL. Returns SQLite's result. Thread-safe. */
MUST_CHECK int committer_copy_log(struct committer *committer, struct conn *conn,
				  int mode, int *frames, int *copied);
/* Pages in the log. Thread-safe. */
int committer_frames(const struct committer *committer);
/* All but a little of the log is copied: the next to commit copies the rest after that,
 * while nobody else can, so that the log begins anew. Thread-safe. */
void committer_renew_log(struct committer *committer);
/* As catalog_commit(). */
MUST_CHECK int committer_commit(struct committer *committer, bool durable,
				catalog_apply *apply, void *arg);

#endif
