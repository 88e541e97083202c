#include "watcher.h"

#include "node.h"
#include "notify.h"
#include "publish.h"

#include "tusfs/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A rm in by-id/ holds that folder until it is answered. Somebody who renames from
 * there to complete/ waits for it with complete/ held, for which the publisher waits:
 * then only this ends the wait of all three. It is a thousand times what is usual. */
#define PATIENCE (CLOCK_SECOND / 4)

struct watcher_task {
	struct watcher_task *next;
	fuse_req_t req; /* NULL: answered */
	struct file file;
};

struct watcher {
	struct fs *fs;
	pthread_t thread;
	pthread_mutex_t mutex; /* protects all below; not held while a task is done */
	pthread_cond_t wanted;
	struct watcher_task *first;
	struct watcher_task **end;
	bool stopping;
};

/* NULL when there are no more. */
static struct watcher_task *take(struct watcher *watcher)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&watcher->mutex);
	struct watcher_task *task;

	while (!watcher->first && !watcher->stopping)
		pthread_cond_wait(&watcher->wanted, &watcher->mutex);
	task = watcher->first;
	if (!task)
		return NULL;
	watcher->first = task->next;
	if (!watcher->first)
		watcher->end = &watcher->first;
	return task;
}

static void work(struct fs *fs, const struct watcher_task *task)
{
	struct timespec until = clock_deadline(PATIENCE);

	if (!task->req) {
		notify_entry(fs, node_folder_ino(PLACE_COMPLETE, task->file.parent),
			     task->file.name.text, &until);
		return;
	}
	publish_gone(fs, &task->file, &until);
	fuse_reply_err(task->req, 0);
}

static void *watcher_main(void *arg)
{
	struct watcher *watcher = arg;
	struct watcher_task *task;

	while ((task = take(watcher))) {
		work(watcher->fs, task);
		file_release(&task->file);
		free(task);
	}
	return NULL;
}

int watcher_start(struct fs *fs, struct watcher **watcher)
{
	struct watcher *made = calloc(1, sizeof(*made));
	int r;

	if (!made)
		return failure(-ENOMEM, "make the watcher");
	made->fs = fs;
	made->end = &made->first;
	pthread_mutex_init(&made->mutex, NULL);
	pthread_cond_init(&made->wanted, NULL);
	r = pthread_create(&made->thread, NULL, watcher_main, made);
	if (r) {
		free(made);
		return failure(-r, "start the watcher's thread");
	}
	*watcher = made;
	return 0;
}

void watcher_stop(struct watcher *watcher)
{
	if (!watcher)
		return;
	pthread_mutex_lock(&watcher->mutex);
	watcher->stopping = true;
	pthread_cond_signal(&watcher->wanted);
	pthread_mutex_unlock(&watcher->mutex);
	pthread_join(watcher->thread, NULL);
}

struct watcher *watcher_free(struct watcher *watcher)
{
	if (!watcher)
		return NULL;
	pthread_cond_destroy(&watcher->wanted);
	pthread_mutex_destroy(&watcher->mutex);
	free(watcher);
	return NULL;
}

int watcher_task_new(struct watcher_task **task)
{
	struct watcher_task *made = calloc(1, sizeof(*made));

	if (!made)
		return failure(-ENOMEM, "remove a file");
	*task = made;
	return 0;
}

/* False when the thread is to end. */
static bool add(struct watcher *watcher, struct watcher_task *task)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&watcher->mutex);

	if (watcher->stopping)
		return false;
	*watcher->end = task;
	watcher->end = &task->next;
	pthread_cond_signal(&watcher->wanted);
	return true;
}

void watcher_answer_gone(struct watcher *watcher, struct watcher_task *task,
			 fuse_req_t req, struct file *file)
{
	task->req = req;
	task->file = *file;
	memset(file, 0, sizeof(*file));
	if (add(watcher, task))
		return;
	/* the mount is about to go, with all that the kernel knows of it */
	if (req)
		fuse_reply_err(req, 0);
	file_release(&task->file);
	free(task);
}
