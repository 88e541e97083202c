#include "publish.h"

#include "notify.h"
#include "open_files.h"
#include "publisher.h"
#include "stat.h"
#include "view.h"

#include "tusfs/log.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* How often a rename that failed is begun anew. */
#define MOVE_TRIES 30

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

/* *job is empty so far. Whether there is a path, and the kernel may be holding or
 * somebody be watching what it leads to. */
static bool job_init(struct fs *fs, struct publish_job *job, enum publish_what what,
		     enum place place, uint64_t folder, const struct name *name)
{
	job->subject.what = what;
	job->subject.parent = node_folder_ino(place, folder);
	job->subject.name = *name;
	job->path = path_of(fs, place, folder, name);
	return job->path != NULL;
}

static void job_release(struct publish_job *job)
{
	free(job->path);
	free(job->new_path);
}

/* The entries that the publisher's calls are answered with are not to be kept: others
 * ask for themselves. */
static bool job_describe(struct fs *fs, struct publish_job *job, enum place place,
			 const struct file *file)
{
	struct fuse_entry_param *entry = &job->subject.entry;

	job->subject.num = file->num;
	if (entry_of(fs, place, file, entry))
		return false;
	entry->entry_timeout = KEEP_NOT;
	entry->attr_timeout = KEEP_NOT;
	return true;
}

/* The publisher is an ordinary user of the mount: where it may not write, programs that
 * watch folders are not told, and somebody should know why. */
static void note_refusal(struct fs *fs, const struct publish_job *job)
{
	if (job->result == -EACCES && !atomic_exchange(&fs->refusal_logged, true))
		log_warning(
			"inotify tells of no change in %s: its files have another "
			"owner, or a mode that does not let %u write",
			fs->config.mountpoint, geteuid());
}

static bool run_one(struct fs *fs, struct publish_job *job)
{
	publisher_run(fs->publisher, job);
	note_refusal(fs, job);
	return job->result == 0;
}

static void publish_created(struct fs *fs, const struct file *file)
{
	SCOPED(job_release) struct publish_job job = {0};

	if (job_init(fs, &job, PUBLISH_CREATE, PLACE_INCOMING, file->parent,
		     &file->name) &&
	    job_describe(fs, &job, PLACE_INCOMING, file))
		run_one(fs, &job);
}

/* A folder that was not in complete/ before. */
static void publish_folder(struct fs *fs, const struct upload_event *event)
{
	SCOPED(job_release) struct publish_job job = {0};
	SCOPED(file_release) struct file folder = {0};
	bool done = false;

	if (!uploads_stat(fs->uploads, event->revealed, &folder) &&
	    job_init(fs, &job, PUBLISH_FOLDER, PLACE_COMPLETE, event->revealed_parent,
		     &event->revealed_name) &&
	    job_describe(fs, &job, PLACE_COMPLETE, &folder))
		done = run_one(fs, &job);
	if (!done)
		notify_entry(fs,
			     node_folder_ino(PLACE_COMPLETE, event->revealed_parent),
			     event->revealed_name.text);
	notify_folder(fs, event->revealed_parent);
}

/* 0, or a negative errno. */
static int publish_move(struct fs *fs, const struct file *file)
{
	SCOPED(job_release) struct publish_job job = {0};

	if (!job_init(fs, &job, PUBLISH_MOVE, PLACE_INCOMING, file->parent,
		      &file->name))
		return -ENAMETOOLONG;
	job.subject.num = file->num;
	job.new_path = path_of(fs, PLACE_COMPLETE, file->parent, &file->name);
	if (!job.new_path)
		return -ENAMETOOLONG;
	run_one(fs, &job);
	return job.result;
}

/* The times of a folder in complete/ and of those above it, which tell of
 * arriving uploads too (st_ctime). */
static void notify_folders(struct fs *fs, uint64_t num)
{
	do
		notify_folder(fs, num);
	while (view_go_up(fs, &num));
}

/* What the publisher's rename does to the kernel's caches. A listing may have been made
 * when the catalog had the file and the overlay hid it. */
static void show(struct fs *fs, const struct file *file)
{
	fuse_ino_t folder = node_folder_ino(PLACE_COMPLETE, file->parent);

	notify_entry(fs, folder, file->name.text);
	notify_listing(fs, folder);
}

/* A folder on the way may be renamed while the call is under way to it; and for a
 * moment after such a rename was answered, the kernel still has the names from before.
 */
static bool publish_move_at_last(struct fs *fs, const struct file *file)
{
	static const struct timespec pause = {.tv_nsec = 1000000};
	int r = -ENOENT;

	for (int tries = 0; r == -ENOENT && tries < MOVE_TRIES; tries++) {
		if (tries)
			nanosleep(&pause, NULL);
		r = publish_move(fs, file);
	}
	return r == 0;
}

static void publish_finished(struct fs *fs, const struct upload_event *event)
{
	const struct file *file = event->file;
	bool seen = atomic_load(&fs->seen);
	bool moved;

	if (seen && event->revealed)
		publish_folder(fs, event);
	moved = seen && publish_move_at_last(fs, file);
	overlay_remove(&fs->overlay, file->num);
	/* somebody may have looked for the first time while it was hidden */
	if (!atomic_load(&fs->seen))
		return;
	if (!moved)
		show(fs, file);
	notify_folders(fs, file->parent);
}

static bool publish_remove(struct fs *fs, enum place place, const struct file *file)
{
	SCOPED(job_release) struct publish_job job = {0};

	return job_init(fs, &job, PUBLISH_REMOVE, place, file->parent, &file->name) &&
	       job_describe(fs, &job, place, file) && run_one(fs, &job);
}

void publish_gone(struct fs *fs, const struct file *file)
{
	enum place place = publish_place(file);

	if (!atomic_load(&fs->seen))
		return;
	notify_attributes(fs, file->num);
	if (place == PLACE_PARTIAL || publish_remove(fs, place, file) ||
	    place == PLACE_INCOMING)
		return;
	notify_entry(fs, node_folder_ino(PLACE_COMPLETE, file->parent),
		     file->name.text);
}

/* A complete upload has changed its own folder only. */
static void notify_left(struct fs *fs, const struct upload_event *event)
{
	if (event->file->arriving)
		notify_folders(fs, event->left);
	else
		notify_folder(fs, event->left);
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
			publish_created(fs, file);
			notify_folders(fs, file->parent);
		}
		return;
	case UPLOAD_FINISHED:
		open_files_finished(fs->files, file->num);
		if (!partial)
			publish_finished(fs, event);
		return;
	case UPLOAD_GONE:
		publish_gone(fs, file);
		if (!partial && atomic_load(&fs->seen))
			notify_left(fs, event);
		return;
	}
}
