/* The mount door's own state, shared by the files of this folder. */
#ifndef TUSFS_FS_MOUNT_H
#define TUSFS_FS_MOUNT_H

#include "generations.h"
#include "overlay.h"
#include "passthrough.h"
#include "workers.h"

#include "tusfs/fs.h"

#include <fuse_lowlevel.h>
#include <stdatomic.h>
#include <stdbool.h>

struct notifier;
struct open_files;
struct publisher;
struct warden;
struct watcher;

#define LISTING_KEEPERS 256

struct fs {
	struct fs_config config; /* a copy: its strings are owned. Fixed. */
	/* fixed from fs_start() on */
	struct uploads *uploads;
	struct fuse_session *session;
	bool by_helper;		     /* mounted by fusermount3 */
	dev_t device;		     /* of the mount */
	struct publisher *publisher; /* NULL: none */
	struct warden *warden;	     /* NULL: there is no mount */
	struct notifier *notifier;
	struct watcher *watcher;
	struct open_files *files;
	/* each thread-safe by itself */
	struct overlay overlay;
	struct generations generations;
	struct passthrough passthrough;
	struct workers workers;
	bool mounted;		    /* until fs_stop() */
	atomic_bool refusal_logged; /* that of the publisher */
	/* Whether anybody but the publisher has looked into complete/ or incoming/. As
	 * long as not, no name in them is in the kernel's caches and nobody can watch
	 * them, so that nothing is owed. */
	atomic_bool seen;
	/* The folders of which somebody fills the kernel's copy of the listing; see
	 * list.c. 0: none */
	_Atomic fuse_ino_t keepers[LISTING_KEEPERS];
};

/* How long the kernel may keep what it was told: whatever changes under complete/ is
 * notified; the rest is asked for each time. In seconds. */
#define KEEP_LONG (24 * 60 * 60.0)
#define KEEP_NOT  0.0

static inline struct fs *fs_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

#endif
