/* lookup, stat(2), readlink(2) and statfs(2). */
#include "look.h"

#include "operations.h"
#include "published.h"
#include "publisher.h"
#include "reply.h"
#include "stat.h"
#include "view.h"

#include <limits.h>
#include <string.h>

static fuse_ino_t root_ino(const char *name)
{
	for (int i = 0; i < ROOT_FOLDERS; i++)
		if (strcmp(name, root_folders[i].name) == 0)
			return root_folders[i].ino;
	return 0;
}

static int look_in_root(struct fs *fs, const char *name, struct fuse_entry_param *entry)
{
	memset(entry, 0, sizeof(*entry));
	entry->entry_timeout = KEEP_LONG;
	entry->ino = root_ino(name);
	if (entry->ino == 0)
		return 0;
	return stat_of_node(fs, node_of(entry->ino), &entry->attr,
			    &entry->attr_timeout);
}

int look_in_folder(struct fs *fs, struct node folder, const char *name,
		   struct fuse_entry_param *entry)
{
	SCOPED(file_release) struct file file = {0};
	bool hidden;
	int r = view_find(fs, folder, name, &file, &hidden);

	if (r == REFUSED_NOT_FOUND && folder.place == PLACE_COMPLETE && !hidden) {
		memset(entry, 0, sizeof(*entry));
		entry->entry_timeout = KEEP_LONG;
		return 0;
	}
	if (r)
		return r;
	return entry_of(fs, folder.place, &file, entry);
}

/* Replies: entry, err. */
void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fs *fs = fs_of(req);
	struct node folder = node_of(parent);
	struct fuse_entry_param entry;
	int r;

	if (folder.place == PLACE_ROOT) {
		if (!publisher_is(fs->publisher, req))
			atomic_store(&fs->seen, true);
		r = look_in_root(fs, name, &entry);
	} else if (publisher_is(fs->publisher, req)) {
		r = published_lookup(fs, parent, name, &entry);
	} else {
		r = look_in_folder(fs, folder, name, &entry);
	}
	if (r)
		reply_result(req, r);
	else
		fuse_reply_entry(req, &entry);
}

/* Replies: attr, err. */
void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
	struct stat stat;
	double keep;
	int r = stat_of_node(fs_of(req), node_of(ino), &stat, &keep);

	if (r)
		reply_result(req, r);
	else
		fuse_reply_attr(req, &stat, keep);
}

/* Replies: readlink, err. */
void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct fs *fs = fs_of(req);
	SCOPED(scoped_free) char *target = NULL;
	SCOPED(file_release) struct file file = {0};
	int r = uploads_stat(fs->uploads, node_of(ino).num, &file);

	if (!r)
		r = view_link_target(fs, &file, &target);
	/* The kernel takes no longer one. Uploads are never created at such paths, but
	 * can be moved there. */
	if (!r && strlen(target) >= PATH_MAX)
		r = REFUSED_NAME;
	if (r)
		reply_result(req, r);
	else
		fuse_reply_readlink(req, target);
}

/* Replies: statfs, err. */
void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct statvfs space;
	int r = uploads_space(fs_of(req)->uploads, &space);

	if (r) {
		reply_result(req, r);
		return;
	}
	space.f_namemax = NAME_BYTES;
	fuse_reply_statfs(req, &space);
}
