/* The thread that tells the kernel of names and listings.
 *
 * The kernel keeps whoever tells it of a name waiting while a program holds the folder,
 * and of a listing while one holds a page of it: which may be for ever, and is beyond
 * any signal. So it is this thread that waits (see errands.h). Thread-safe. */
#ifndef TUSFS_FS_NOTIFIER_H
#define TUSFS_FS_NOTIFIER_H

#include "mount.h"

struct notifier;

MUST_CHECK int notifier_start(struct fs *fs, struct notifier **notifier);
/* To have the name in the folder looked up again, or with `name` NULL the folder listed
 * again, and to wait for it; with `until` NULL not to wait. The result is as that of
 * errands_run(). */
int notifier_run(struct notifier *notifier, fuse_ino_t folder, const char *name,
		 const struct timespec *until);
/* Does what there is, takes no more, and ends the thread: false when it is still held
 * up after a second. May be called again then. Takes NULL. */
bool notifier_stop(struct notifier *notifier);
/* Once it has ended. Takes and returns NULL. */
struct notifier *notifier_free(struct notifier *notifier);

#endif
