/* The publisher: a child process that makes system calls through the mount.
 *
 * The kernel tells inotify of what programs do with a file system, and not of what the
 * file system does by itself. So a completion is a rename(2), a new upload a mknod(2),
 * a termination an unlink(2) that the publisher makes; the session recognises them by
 * its pid and grants them (published.h) without doing anything.
 *
 * It is a process and not a thread because a thread in a call on its own mount would
 * keep a killed daemon from ending, and its mount from going away. It is forked before
 * there is a thread or the device is open, and dies with the daemon.
 *
 * Requests go to it in order, a few ahead of the answers; it notes in memory shared
 * with us which one it is at. It may be held up in the kernel by whoever holds a
 * folder, beyond any signal: so nobody waits for it longer than he wants to (see
 * errands.h). Thread-safe. */
#ifndef TUSFS_FS_PUBLISHER_H
#define TUSFS_FS_PUBLISHER_H

#include "errands.h"

#include "tusfs/name.h"

#include <fuse_lowlevel.h>
#include <stdbool.h>
#include <stdint.h>

struct publisher;

enum publish_what {
	PUBLISH_NOTHING,
	PUBLISH_CREATE, /* mknod(path) */
	PUBLISH_FOLDER, /* mkdir(path) */
	PUBLISH_MOVE,	/* rename(path, new_path) */
	PUBLISH_REMOVE, /* unlink(path) */
	PUBLISH_LOOK,	/* to go to path, so that the kernel knows it */
};

/* What is to be done, and what the session's answers need to know of it. */
struct publish_subject {
	enum publish_what what;
	fuse_ino_t parent; /* the folder that the file is in, or moves from */
	struct name name;
	uint64_t num;
	struct fuse_entry_param entry;
};

struct publish_job {
	struct errand errand; /* first */
	struct publish_subject subject;
	/* the publisher's own */
	char *path;	/* relative to the mount's root */
	char *new_path; /* of PUBLISH_MOVE */
	uint64_t number;
	unsigned int tries;
};

/* How the publisher asks about its jobs, in its own thread. */
struct publisher_calls {
	/* Gives a job its path or paths, which the publisher frees; `again` tells that
	 * the job may have become obsolete. False when there is nothing to be done. */
	bool (*paths)(void *arg, struct publish_job *job, bool again);
	/* A job for which nobody waited has been done. */
	void (*late)(void *arg, const struct publish_job *job);
	void *arg;
};

/* Forks the child, which keeps `mountpoint`. The caller owns *publisher. */
MUST_CHECK int publisher_fork(const char *mountpoint, struct publisher **publisher);
/* Which device the mount has: while another is seen on the mountpoint, no call is made,
 * and each job's result is -ENODEV. */
void publisher_mounted(struct publisher *publisher, dev_t device);
/* Begins to take requests; starts a thread. */
MUST_CHECK int publisher_start(struct publisher *publisher,
			       const struct publisher_calls *calls);
/* Takes no more requests, and waits for those that there are; kills the child if it
 * does not get done with them. Takes NULL. */
void publisher_stop(struct publisher *publisher);
/* Ends and reaps the child, or leaves it to init if it cannot end yet. Takes and
 * returns NULL. */
struct publisher *publisher_free(struct publisher *publisher);

/* Has the job done, after those that others wait for; the job, which malloc made, is
 * the publisher's from then on. The result is 0 or the negative errno of the call,
 * -ETIMEDOUT when it will be done late, -EPIPE when the child is gone, -ECANCELED when
 * it is stopped. Jobs whose way was lost because folders were renamed are tried again.
 * Never call it from a worker, nor with a lock held that a worker takes. Takes NULL for
 * a publisher that never was, and for a job for which there was no memory. */
int publisher_run(struct publisher *publisher, struct publish_job *job,
		  const struct timespec *until);
/* Whether it is held up: what it is asked now is done late. Takes NULL. */
bool publisher_stuck(struct publisher *publisher);

/* Whether a request of the kernel comes from the child. */
bool publisher_is(struct publisher *publisher, fuse_req_t req);
/* Whether the child is at a job; then *subject is a copy. */
bool publisher_at(struct publisher *publisher, struct publish_subject *subject);

#endif
