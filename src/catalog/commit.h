/* Group commit: whoever waits is served by one transaction. */
#ifndef TUSFS_CATALOG_COMMIT_H
#define TUSFS_CATALOG_COMMIT_H

#include "query.h"

#include <pthread.h>
#include <stdatomic.h>

struct change;

struct committer {
	struct conn *conn;     /* only the leader's */
	bool full;	       /* what synchronous is set to: only the leader's */
	atomic_bool lost;      /* a sync of the log failed: see mend() */
	pthread_mutex_t mutex; /* protects the rest */
	struct change *first, **last;
	bool led; /* a leader is at work, or chosen */
};

/* The connection stays the caller's. */
void committer_init(struct committer *committer, struct conn *conn);
void committer_release(struct committer *committer);
/* As catalog_commit(). */
MUST_CHECK int committer_commit(struct committer *committer, bool durable,
				catalog_apply *apply, void *arg);

#endif
