/* Answers those requests of the kernel that owe it a notification first.
 *
 * Workers must not wait for the kernel's locks, since requests that hold them wait for
 * workers. So a worker hands such a request to this one thread. Thread-safe. */
#ifndef TUSFS_FS_WATCHER_H
#define TUSFS_FS_WATCHER_H

#include "mount.h"

struct watcher;
struct watcher_task;

MUST_CHECK int watcher_start(struct fs *fs, struct watcher **watcher);
/* Answers what there is, and ends the thread: what comes later is answered at once.
 * Takes NULL. */
void watcher_stop(struct watcher *watcher);
/* Once no more requests can come. Takes and returns NULL. */
struct watcher *watcher_free(struct watcher *watcher);

/* Room for one request, taken before anything is changed. */
MUST_CHECK int watcher_task_new(struct watcher_task **task);
/* Publishes that the upload has gone, and then answers the request with success. With
 * `req` NULL, for a request that was answered already, only has the name in complete/
 * looked up again. Takes over the task, and the file's content: *file is left empty. */
void watcher_answer_gone(struct watcher *watcher, struct watcher_task *task,
			 fuse_req_t req, struct file *file);

#endif
