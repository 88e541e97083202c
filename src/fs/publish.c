#include "publish.h"

#include "notify.h"
#include "open_files.h"
#include "publisher.h"
#include "stat.h"
#include "view.h"

#include "tusfs/clock.h"
#include "tusfs/log.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A door answers after that, whatever the kernel does: a publication takes a fifth of a
 * millisecond, a thousand at once a fifth of a second, and clients give up after ten
 * seconds or more. */
#define PATIENCE CLOCK_SECOND

enum place publish_place(const struct file *file)
{
	if (file->kind == FILE_PARTIAL)
		return PLACE_PARTIAL;
	return file_is_complete(file) ? PLACE_COMPLETE : PLACE_INCOMING;
}

/* The path, in the mount, of a name in a folder of the tree; NULL when it has none, or
 * is longer than a call can take. */
static char *path_of(struct fs *fs, enum place place, uint64_t folder,
		     const struct name *name)
{
	SCOPED(scoped_free) char *folders = NULL;
	char *path;

	if (folder != FILE_NUM_TREE && uploads_tree_path(fs->uploads, folder, &folders))
		return NULL;
	if (asprintf(&path, "%s/%s%s%s",
		     place == PLACE_INCOMING ? "incoming" : "complete",
		     folders ? folders : "", folders ? "/" : "", name->text) < 0)
		return NULL;
	if (strlen(path) < PATH_MAX)
		return path;
	free(path);
	return NULL;
}

/* Whether the job's file or folder still is where the job wants it. */
static bool is_current(struct fs *fs, const struct publish_subject *subject)
{
	SCOPED(file_release) struct file file = {0};

	return !uploads_stat(fs->uploads, subject->num, &file) &&
	       file.parent == node_of(subject->parent).num &&
	       strcmp(file.name.text, subject->name.text) == 0;
}

bool publish_paths(void *arg, struct publish_job *job, bool again)
{
	struct fs *fs = arg;
	const struct publish_subject *subject = &job->subject;
	struct node folder = node_of(subject->parent);

	if (again && subject->what != PUBLISH_REMOVE && !is_current(fs, subject))
		return false;
	job->path = path_of(fs, folder.place, folder.num, &subject->name);
	if (subject->what != PUBLISH_MOVE)
		return job->path != NULL;
	job->new_path = path_of(fs, PLACE_COMPLETE, folder.num, &subject->name);
	return job->path && job->new_path;
}

/* The entry that the publisher's calls are answered with is not to be kept: others ask
 * for themselves. NULL when memory is short. */
static struct publish_job *job_new(struct fs *fs, enum publish_what what,
				   enum place place, const struct file *file)
{
	struct publish_job *job = calloc(1, sizeof(*job));
	struct fuse_entry_param *entry;

	if (!job)
		return NULL;
	entry = &job->subject.entry;
	if (entry_of(fs, place, file, entry)) {
		free(job);
		return NULL;
	}
	entry->entry_timeout = KEEP_NOT;
	entry->attr_timeout = KEEP_NOT;
	job->subject.what = what;
	job->subject.num = file->num;
	job->subject.parent = node_folder_ino(place, file->parent);
	job->subject.name = file->name;
	return job;
}

/* The publisher is an ordinary user of the mount: where it may not write, programs that
 * watch folders are not told, and somebody should know why. */
static void note_refusal(struct fs *fs, int result)
{
	if (result == -EACCES && !atomic_exchange(&fs->refusal_logged, true))
		log_warning(
			"inotify tells of no change in %s: its files have another "
			"owner, or a mode that does not let %u write",
			fs->config.mountpoint, geteuid());
}

void publish_late(void *arg, const struct publish_job *job)
{
	struct fs *fs = arg;
	const struct publish_subject *subject = &job->subject;
	fuse_ino_t folder =
		node_folder_ino(PLACE_COMPLETE, node_of(subject->parent).num);

	if (job->errand.result == -ECANCELED)
		return; /* the mount is about to go */
	note_refusal(fs, job->errand.result);
	if (job->errand.result) {
		notify_entry(fs, folder, subject->name.text, NULL);
		notify_listing(fs, folder, NULL);
	} else if (subject->what == PUBLISH_LOOK) {
		notify_attributes(fs, subject->num);
	}
}

/* As publisher_run(). */
static int run(struct fs *fs, enum publish_what what, enum place place,
	       const struct file *file, const struct timespec *until)
{
	int r = publisher_run(fs->publisher, job_new(fs, what, place, file), until);

	note_refusal(fs, r);
	return r;
}

/* After what should have changed a name in complete/. When the publisher is held up, so
 * would the notifier be. */
static void show_name(struct fs *fs, int result, uint64_t folder,
		      const struct name *name, const struct timespec *until)
{
	if (result == -ETIMEDOUT)
		notify_names(fs);
	else if (result)
		notify_entry(fs, node_folder_ino(PLACE_COMPLETE, folder), name->text,
			     until);
}

/* An inode that the kernel has takes no attributes older than the notification. One
 * that it has not may just be coming with a lookup that read the old ones: so the
 * publisher looks it up too, which waits for the end of that lookup. */
static void notify_folder(struct fs *fs, uint64_t num, const struct timespec *until)
{
	SCOPED(file_release) struct file folder = {0};
	int r;

	if (notify_attributes(fs, num) != -ENOENT || num < FILE_NUM_FIRST ||
	    uploads_stat(fs->uploads, num, &folder) || !folder.shown)
		return;
	r = run(fs, PUBLISH_LOOK, PLACE_COMPLETE, &folder, until);
	show_name(fs, r, folder.parent, &folder.name, until);
	if (!r)
		notify_attributes(fs, num);
}

/* A folder that was not in complete/ before. */
static void publish_folder(struct fs *fs, const struct upload_event *event,
			   const struct timespec *until)
{
	SCOPED(file_release) struct file folder = {0};
	int r = -ENOENT;

	if (!uploads_stat(fs->uploads, event->revealed, &folder)) {
		folder.parent = event->revealed_parent;
		folder.name = event->revealed_name;
		r = run(fs, PUBLISH_FOLDER, PLACE_COMPLETE, &folder, until);
	}
	show_name(fs, r, event->revealed_parent, &event->revealed_name, until);
	notify_folder(fs, event->revealed_parent, until);
}

/* The times of a folder in complete/ and of those above it, which tell of
 * arriving uploads too (st_ctime). */
static void notify_folders(struct fs *fs, uint64_t num, const struct timespec *until)
{
	do
		notify_folder(fs, num, until);
	while (view_go_up(fs, &num));
}

/* What the publisher's rename does to the kernel's caches. A listing may have been made
 * when the catalog had the file and the overlay hid it. While the publisher is held up,
 * that of the folder which is held must not be asked for, since that waits for whoever
 * holds a page of it; which folder that is is not known here. */
static void show(struct fs *fs, int result, const struct file *file,
		 const struct timespec *until)
{
	show_name(fs, result, file->parent, &file->name, until);
	if (result && result != -ETIMEDOUT)
		notify_listing(fs, node_folder_ino(PLACE_COMPLETE, file->parent),
			       until);
}

static void publish_finished(struct fs *fs, const struct upload_event *event,
			     const struct timespec *until)
{
	const struct file *file = event->file;
	bool seen = atomic_load(&fs->seen);
	int r = -ENOENT;

	if (seen && event->revealed)
		publish_folder(fs, event, until);
	if (seen)
		r = run(fs, PUBLISH_MOVE, PLACE_INCOMING, file, until);
	overlay_remove(&fs->overlay, file->num);
	/* somebody may have looked for the first time while it was hidden */
	if (!atomic_load(&fs->seen))
		return;
	show(fs, r, file, until);
	notify_folders(fs, file->parent, until);
}

void publish_gone(struct fs *fs, const struct file *file, const struct timespec *until)
{
	enum place place = publish_place(file);
	int r;

	if (!atomic_load(&fs->seen))
		return;
	notify_attributes(fs, file->num);
	if (place == PLACE_PARTIAL)
		return;
	r = run(fs, PUBLISH_REMOVE, place, file, until);
	if (place == PLACE_COMPLETE)
		show_name(fs, r, file->parent, &file->name, until);
}

/* A complete upload has changed its own folder only. */
static void notify_left(struct fs *fs, const struct upload_event *event,
			const struct timespec *until)
{
	if (event->file->arriving)
		notify_folders(fs, event->left, until);
	else
		notify_folder(fs, event->left, until);
}

bool publish_waits(void *arg)
{
	struct fs *fs = arg;

	return atomic_load(&fs->seen);
}

void publish_event(void *arg, const struct upload_event *event)
{
	struct fs *fs = arg;
	const struct file *file = event->file;
	bool partial = file->parent == FILE_NUM_PARTIAL;
	struct timespec until = clock_deadline(PATIENCE);

	switch (event->type) {
	case UPLOAD_FINISHING:
		if (!partial)
			overlay_add(&fs->overlay, file->num, file->parent);
		return;
	case UPLOAD_NOT_FINISHED:
		overlay_remove(&fs->overlay, file->num);
		return;
	case UPLOAD_CREATED:
		if (!partial && atomic_load(&fs->seen)) {
			run(fs, PUBLISH_CREATE, PLACE_INCOMING, file, &until);
			notify_folders(fs, file->parent, &until);
		}
		return;
	case UPLOAD_FINISHED:
		open_files_finished(fs->files, file->num);
		if (!partial)
			publish_finished(fs, event, &until);
		return;
	case UPLOAD_GONE:
		publish_gone(fs, file, &until);
		if (!partial && atomic_load(&fs->seen))
			notify_left(fs, event, &until);
		return;
	}
}
