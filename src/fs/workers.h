/* The threads that serve the kernel's requests. */
#ifndef TUSFS_FS_WORKERS_H
#define TUSFS_FS_WORKERS_H

#include "tusfs/error.h"

#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* An rm may wait 5 s for an upload's writer to stop, and publishing needs a free
 * thread: so, more than processors. */
#define WORKERS_COUNT 16

struct worker {
	struct workers *workers;
	pthread_t thread;
	atomic_bool receiving; /* in read(2), or about to be */
};

struct workers {
	struct fuse_session *session;
	void (*ended)(void *arg);
	void *arg;
	struct worker each[WORKERS_COUNT];
	unsigned int count; /* started */
	atomic_uint running;
	atomic_bool stopping;
};

/* `ended`, which may be NULL, is called in the last thread when all end by themselves,
 * because the mount has ended. */
MUST_CHECK int workers_start(struct workers *workers, struct fuse_session *session,
			     void (*ended)(void *arg), void *arg);
/* Ends the threads, each after the request that it is serving. */
void workers_stop(struct workers *workers);

/* A buffer of the calling thread's own, for one reply; NULL when memory is short. */
char *workers_buffer(size_t size);

#endif
