/* rm, mv, mkdir and rmdir. */
#include "operations.h"

#include "notify.h"
#include "publish.h"
#include "published.h"
#include "publisher.h"
#include "reply.h"
#include "stat.h"
#include "view.h"
#include "watcher.h"

#include <errno.h>
#include <stdio.h>

/* What rm may remove from a folder: any upload that it shows. */
static int find_upload(struct fs *fs, struct node folder, const char *name,
		       uint64_t *num)
{
	SCOPED(file_release) struct file file = {0};
	bool hidden;
	int r;

	if (folder.place == PLACE_ROOT)
		return REFUSED_IS_FOLDER;
	r = view_find(fs, folder, name, &file, &hidden);
	if (r)
		return r;
	*num = file.num;
	return file_is_folder(&file) ? REFUSED_IS_FOLDER : 0;
}

/* The times of a folder in complete/ and of those above it, which tell of arriving
 * uploads too (st_ctime). */
static void notify_above(struct fs *fs, uint64_t num)
{
	do
		notify_attributes(fs, num);
	while (view_go_up(fs, &num));
}

/* The kernel takes the name away where rm was called. When the upload is also seen
 * elsewhere, it must hear of that before rm returns. But an upload that finished while
 * rm looked for it in incoming/ is not to be seen elsewhere: the publisher's rename
 * waits for the folder that rm has locked, so that to wait for the publisher here would
 * be for ever. */
static void answer_removed(fuse_req_t req, struct node folder, struct file *file,
			   uint64_t left, struct watcher_task **task)
{
	struct fs *fs = fs_of(req);
	enum place place = publish_place(file);

	notify_attributes(fs, file->num);
	if (file->arriving)
		notify_above(fs, left);
	else if (place != PLACE_PARTIAL)
		notify_attributes(fs, left);
	if (folder.place != place && folder.place != PLACE_INCOMING) {
		watcher_answer_gone(fs->watcher, STEAL(*task), req, file);
		return;
	}
	fuse_reply_err(req, 0);
	if (folder.place != place)
		watcher_answer_gone(fs->watcher, STEAL(*task), NULL, file);
}

/* Replies: err. */
void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fs *fs = fs_of(req);
	struct node folder = node_of(parent);
	SCOPED(scoped_free) struct watcher_task *task = NULL;
	SCOPED(file_release) struct file file = {0};
	uint64_t num, left;
	int r;

	if (publisher_is(fs->publisher, req)) {
		reply_result(req, published_unlink(fs, parent, name));
		return;
	}
	r = watcher_task_new(&task);
	if (!r)
		r = find_upload(fs, folder, name, &num);
	if (!r)
		r = uploads_unlink(fs->uploads, num, &file, &left);
	if (r) {
		reply_result(req, r);
		return;
	}
	answer_removed(req, folder, &file, left, &task);
}

/* What complete/ shows under a name: what is still arriving can neither be moved nor
 * replaced. */
static int find_shown(struct fs *fs, struct node folder, const char *name,
		      uint64_t *num)
{
	SCOPED(file_release) struct file file = {0};
	bool hidden;
	int r = view_find(fs, folder, name, &file, &hidden);

	if (!r)
		*num = file.num;
	return r;
}

static int rename_in_complete(struct fs *fs, fuse_ino_t parent, const char *name,
			      fuse_ino_t new_parent, const char *new_name,
			      unsigned int flags)
{
	struct node from = node_of(parent);
	struct node to = node_of(new_parent);
	struct upload_rename request = {
		.from = from.num, .to = to.num, .name = name, .new_name = new_name};
	uint64_t replaced = 0;
	int r;

	if (from.place != PLACE_COMPLETE || to.place != PLACE_COMPLETE)
		return REFUSED_PERMISSION;
	if (flags & ~(unsigned int)RENAME_NOREPLACE)
		return REFUSED_INVALID;
	r = find_shown(fs, from, name, &request.num);
	if (r)
		return r;
	r = flags ? 0 : find_shown(fs, to, new_name, &request.seen);
	if (!r || r == REFUSED_NOT_FOUND)
		r = uploads_rename(fs->uploads, &request, &replaced);
	if (r)
		return r;
	notify_attributes(fs, request.num);
	notify_above(fs, from.num);
	notify_above(fs, to.num);
	if (replaced)
		notify_attributes(fs, replaced);
	return 0;
}

/* Replies: err. */
void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
	       fuse_ino_t new_parent, const char *new_name, unsigned int flags)
{
	struct fs *fs = fs_of(req);
	int r;

	if (publisher_is(fs->publisher, req))
		r = published_rename(fs, parent, name, new_parent, new_name);
	else
		r = rename_in_complete(fs, parent, name, new_parent, new_name, flags);
	reply_result(req, r);
}

static int make_folder(struct fs *fs, fuse_ino_t parent, const char *name,
		       struct fuse_entry_param *entry)
{
	struct node folder = node_of(parent);
	SCOPED(file_release) struct file file = {0};
	int r;

	if (folder.place != PLACE_COMPLETE)
		return REFUSED_PERMISSION;
	r = uploads_make_folder(fs->uploads, folder.num, name, &file);
	if (r)
		return r;
	notify_attributes(fs, parent);
	return entry_of(fs, PLACE_COMPLETE, &file, entry);
}

/* Replies: entry, err. */
void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct fs *fs = fs_of(req);
	struct fuse_entry_param entry;
	int r;

	if (publisher_is(fs->publisher, req))
		r = published_create(fs, parent, name, &entry);
	else
		r = make_folder(fs, parent, name, &entry);
	if (r)
		reply_result(req, r);
	else
		fuse_reply_entry(req, &entry);
}

/* Uploads that still arrive in a removed folder bring it back. Nobody is told of it
 * before rmdir is answered, since the kernel has locked the folder above. */
static int remove_folder(struct fs *fs, struct node parent, const char *name)
{
	SCOPED(file_release) struct file folder = {0};
	uint64_t num;
	int r = find_shown(fs, parent, name, &num);

	if (!r)
		r = uploads_remove_folder(fs->uploads, parent.num, name);
	if (r || uploads_stat(fs->uploads, num, &folder))
		return r;
	generations_next(&fs->generations, num);
	return 0;
}

/* Replies: err. */
void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fs *fs = fs_of(req);
	struct node folder = node_of(parent);
	int r = REFUSED_PERMISSION;

	if (folder.place == PLACE_COMPLETE)
		r = remove_folder(fs, folder, name);
	if (!r)
		notify_attributes(fs, parent);
	reply_result(req, r);
}

/* Replies: entry, err. */
void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	      dev_t device)
{
	struct fs *fs = fs_of(req);
	struct fuse_entry_param entry;
	int r;

	if (!publisher_is(fs->publisher, req)) {
		fuse_reply_err(req, EROFS);
		return;
	}
	r = published_create(fs, parent, name, &entry);
	if (r)
		reply_result(req, r);
	else
		fuse_reply_entry(req, &entry);
}
