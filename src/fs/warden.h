/* The warden: a child process that sees to it that a killed daemon can end.
 *
 * A thread that notifies the kernel of a change waits, and cannot be killed, while a
 * request of some program holds the folder. When the daemon is killed in that moment,
 * nobody answers the request; so the thread waits forever, and with it stays what keeps
 * the mount alive: its descriptor of /dev/fuse. The mount would hang, and the dead
 * daemon hold the lock of its store. Aborting the connection frees all of them
 * (Documentation/filesystems/fuse.rst, "Aborting a filesystem connection").
 *
 * It is forked before there is a thread or the device is open, by the main thread. That
 * thread's end is what it sees (PR_SET_PDEATHSIG): so the main thread itself must never
 * call into the mount. */
#ifndef TUSFS_FS_WARDEN_H
#define TUSFS_FS_WARDEN_H

#include "tusfs/error.h"

#include <sys/types.h>

struct warden;

/* Forks the child. The caller owns *warden; `mountpoint` is borrowed. */
MUST_CHECK int warden_fork(const char *mountpoint, struct warden **warden);
/* Tells it which mount there is now: its st_dev; 0: none, or no longer. */
void warden_watch(struct warden *warden, dev_t mount);
/* Aborts the connection of that mount: whoever waits for an answer is freed. May be
 * called by anybody. */
void warden_abort(const char *mountpoint, dev_t mount);
/* Ends the child. Call when the mount is gone. Takes and returns NULL. */
struct warden *warden_free(struct warden *warden);

#endif
