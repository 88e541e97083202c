/* What happened in the engine, told to the kernel and to who watches with inotify.
 *
 * A door answers only after this has returned, so that the mount then shows what the
 * door said, as far as no program holds a folder in the kernel for long: then it
 * returns before it is done. Thread-safe. */
#ifndef TUSFS_FS_PUBLISH_H
#define TUSFS_FS_PUBLISH_H

#include "mount.h"
#include "node.h"

#include <time.h>

struct publish_job;

/* The engine's observer; `arg` is the struct fs. */
void publish_event(void *arg, const struct upload_event *event);
/* Whether it has to wait for the publisher, and so for whoever holds a folder: as soon
 * as somebody has looked into the mount. */
bool publish_waits(void *arg);

/* In which part of the mount an upload is seen. */
enum place publish_place(const struct file *file);
/* An upload has gone; *file is as it was. Waits for the kernel's locks, no longer than
 * `until`: not for workers (see notify.h). */
void publish_gone(struct fs *fs, const struct file *file, const struct timespec *until);

/* What the publisher asks of us: see publisher_calls; `arg` is the struct fs. */
bool publish_paths(void *arg, struct publish_job *job, bool again);
void publish_late(void *arg, const struct publish_job *job);

#endif
