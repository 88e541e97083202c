/* Room set aside in the files of SQLite, so that what frees space can be committed when
 * the disk is full: behind the end of the log, of the catalog, and of the index that
 * the log is shared by (fallocate, KEEP_SIZE). A commit then writes into room that the
 * log has, a checkpoint into room that the catalog has, and the log begins anew.
 *
 * Closing any descriptor of a file drops all locks that the process has on it
 * (fcntl(2)), SQLite's too: these are closed after the last connection.
 * Thread-safe. */
#ifndef TUSFS_CATALOG_ROOM_H
#define TUSFS_CATALOG_ROOM_H

#include "tusfs/scoped.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Of the log, which is begun anew before it is used up: the changes of some hundred
 * removals, so that they share a checkpoint. */
#define ROOM_LOG_BYTES (4 * 1024 * 1024)
/* Of the catalog, beyond what the log can make it grow by. */
#define ROOM_CATALOG_BYTES (2 * 1024 * 1024)
/* So much of the log's file, 320 MiB, is kept when it begins anew: a sync of blocks
 * that were written before takes two thirds of the time that new ones take, whether
 * room was set aside for those or not. */
#define ROOM_LOG_KEPT 335544320

struct room {
	pthread_mutex_t mutex; /* protects the rest */
	int catalog_fd, log_fd, index_fd;
	uint64_t catalog, log;		 /* bytes from the start that have room */
	uint64_t catalog_used, log_used; /* as last told */
	bool index;			 /* it has all its room */
	atomic_bool whole; /* all is set aside that should be; read without the mutex */
};

void room_init(struct room *room);
/* Opens the catalog `path` and the log's index, or makes them, to be written in place:
 * before the first connection does, since that must be asked for while they are empty.
 */
MUST_CHECK int room_open(struct room *room, const char *path);
/* The same for the log, once SQLite knows that there is to be one: before that it would
 * remove it. */
MUST_CHECK int room_open_log(struct room *room, const char *path);
/* Sets room aside. That there is none is no failure. */
MUST_CHECK int room_take(struct room *room);
/* Sets aside again what closing the last connection gave back, and closes. */
void room_close(struct room *room);
/* Tells how long the log is, and how long the catalog will be once the log is copied to
 * it; sets more aside if need be. Whether enough is left behind the log. */
bool room_follow(struct room *room, uint64_t log_used, uint64_t catalog_used);
/* The log was cut, and its room with it. */
void room_lost(struct room *room);
/* Syncs the catalog's file. Should that fail, SQLite's own sync, by another descriptor,
 * fails as well (fsync(2), NOTES). */
MUST_CHECK int room_sync_catalog(const struct room *room);
/* Whether all is set aside, after another try if it was not. Does not wait for others
 * who try. */
bool room_is_whole(struct room *room);

#endif
