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
 * with us which one it is at. Thread-safe. */
#ifndef TUSFS_FS_PUBLISHER_H
#define TUSFS_FS_PUBLISHER_H

#include "tusfs/error.h"
#include "tusfs/name.h"

#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct publisher;

enum publish_what {
	PUBLISH_NOTHING,
	PUBLISH_CREATE, /* mknod(path) */
	PUBLISH_FOLDER, /* mkdir(path) */
	PUBLISH_MOVE,	/* rename(path, new_path) */
	PUBLISH_REMOVE, /* unlink(path) */
};

/* What the session's answers need to know of a request. */
struct publish_subject {
	enum publish_what what;
	fuse_ino_t parent; /* the folder that `path` is in */
	struct name name;
	uint64_t num;
	struct fuse_entry_param entry; /* not of PUBLISH_MOVE */
};

struct publish_job {
	struct publish_subject subject;
	char *path;	/* absolute; owned by the caller */
	char *new_path; /* of PUBLISH_MOVE */
	int result;	/* 0, or the negative errno of the call */
	/* the publisher's own */
	uint64_t number;
	bool done;
	pthread_cond_t finished;
	struct publish_job *next;
};

/* Forks the child, which keeps `mountpoint`. The caller owns *publisher. */
MUST_CHECK int publisher_fork(const char *mountpoint, struct publisher **publisher);
/* Which device the mount has: while another is seen on the mountpoint, no call is made,
 * and each job's result is -ENODEV. */
void publisher_mounted(struct publisher *publisher, dev_t device);
/* Begins to take requests; starts a thread. */
MUST_CHECK int publisher_start(struct publisher *publisher);
/* Waits for the requests that there are, then takes no more. Takes NULL. */
void publisher_stop(struct publisher *publisher);
/* Ends and reaps the child. Takes and returns NULL. */
struct publisher *publisher_free(struct publisher *publisher);

/* Has the job done, after those that others wait for, and waits; its result is then
 * there. When the child is gone, that is -EPIPE. Never call it from a worker, nor with
 * a lock held that a worker takes. Takes NULL for a publisher that never was. */
void publisher_run(struct publisher *publisher, struct publish_job *job);

/* Whether a request of the kernel comes from the child. */
bool publisher_is(struct publisher *publisher, fuse_req_t req);
/* Whether the job that the child is at is about this name; then *subject is a copy. */
bool publisher_claims(struct publisher *publisher, fuse_ino_t parent, const char *name,
		      struct publish_subject *subject);

#endif
