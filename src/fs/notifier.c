#include "notifier.h"

#include "errands.h"

#include "tusfs/clock.h"
#include "tusfs/name.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STOP_PATIENCE CLOCK_SECOND

struct notification {
	struct errand errand;
	fuse_ino_t folder;
	struct name name; /* empty: the listing */
};

struct notifier {
	struct fs *fs;
	pthread_t thread;
	bool started;
	struct errands errands;
};

static void notification_free(struct errand *errand)
{
	free(errand);
}

static const struct errands_kind kind = {
	.begins =
		"some program holds a folder of the mount: "
		"what changes in it may be seen late",
	.ends = "the folder that some program held is free again",
	.free = notification_free,
};

/* All results are as good as done: ENOENT says that the kernel had nothing, others that
 * the session has ended. */
static void notify(struct fs *fs, const struct notification *notification)
{
	const char *name = notification->name.text;

	if (*name)
		fuse_lowlevel_notify_inval_entry(fs->session, notification->folder,
						 name, strlen(name));
	else
		fuse_lowlevel_notify_inval_inode(fs->session, notification->folder, 0,
						 0);
}

static void *notifier_main(void *arg)
{
	struct notifier *notifier = arg;
	struct errands *errands = &notifier->errands;
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&errands->mutex);

	while (errands_wait(errands)) {
		const struct errand *errand = errands_take(errands);

		pthread_mutex_unlock(&errands->mutex);
		notify(notifier->fs, (const struct notification *)errand);
		pthread_mutex_lock(&errands->mutex);
		errands_finish(errands, 0);
	}
	return NULL;
}

int notifier_start(struct fs *fs, struct notifier **notifier)
{
	struct notifier *made = calloc(1, sizeof(*made));
	int r;

	if (!made)
		return failure(-ENOMEM, "make the notifier");
	made->fs = fs;
	errands_init(&made->errands, &kind, NULL);
	r = pthread_create(&made->thread, NULL, notifier_main, made);
	made->started = r == 0;
	if (r) {
		notifier_free(made);
		return failure(-r, "start the notifier's thread");
	}
	*notifier = made;
	return 0;
}

int notifier_run(struct notifier *notifier, fuse_ino_t folder, const char *name,
		 const struct timespec *until)
{
	struct notification *made = calloc(1, sizeof(*made));

	if (!made)
		return failure(-ENOMEM, "notify the kernel");
	made->folder = folder;
	if (name)
		snprintf(made->name.text, sizeof(made->name.text), "%s", name);
	if (until)
		return errands_run(&notifier->errands, &made->errand, until);
	errands_post(&notifier->errands, &made->errand);
	return 0;
}

bool notifier_stop(struct notifier *notifier)
{
	struct timespec until = clock_deadline(STOP_PATIENCE);

	if (!notifier || !notifier->started)
		return true;
	if (!errands_close(&notifier->errands, &until))
		return false;
	pthread_join(notifier->thread, NULL);
	notifier->started = false;
	return true;
}

struct notifier *notifier_free(struct notifier *notifier)
{
	if (!notifier)
		return NULL;
	errands_deinit(&notifier->errands);
	free(notifier);
	return NULL;
}
