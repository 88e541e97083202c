/* Group commit: whoever waits is served by one transaction. */
#ifndef TUSFS_CATALOG_COMMIT_H
#define TUSFS_CATALOG_COMMIT_H

#include "query.h"
#include "room.h"
#include "wal.h"

#include <pthread.h>
#include <stdatomic.h>

struct committer {
	struct conn *conn; /* only the leader's, as the next three */
	bool full;	   /* what synchronous is set to */
	bool unmended;	   /* mend() failed: the next transaction tries again */
	int followed;	   /* pages in the log when `room` was told last */
	struct room *room; /* borrowed */
	struct wal wal;
	_Atomic uint64_t commits; /* begun and ended: odd while one is under way */
	atomic_bool renew;	  /* see committer_renew_log() */
	atomic_uint happened;  /* a futex: changes when a batch ends, or nobody leads */
	pthread_mutex_t mutex; /* protects the rest */
	struct catalog_change *first, **last;
	unsigned int gathering; /* the number of the batch that they are */
	bool led;		/* a leader is at work */
};

/* The connection and the room stay the caller's. */
void committer_init(struct committer *committer, struct conn *conn, struct room *room);
void committer_release(struct committer *committer);
/* Asks the next who commits to copy the rest of the log after that, while nobody can
 * add to it, so that it begins anew. Thread-safe. */
void committer_renew_log(struct committer *committer);
/* As catalog_version(). */
uint64_t committer_version(struct committer *committer);
/* As catalog_commit_all(). */
void committer_commit(struct committer *committer, struct catalog_change *first,
		      struct catalog_change *last);

#endif
