#include "published.h"

#include "look.h"
#include "publisher.h"
#include "stat.h"

#include <string.h>

/* A folder of incoming/ in which nothing arrives any more. */
static int look_for_folder(struct fs *fs, struct node folder, const char *name,
			   struct fuse_entry_param *entry)
{
	SCOPED(file_release) struct file file = {0};
	int r = uploads_lookup(fs->uploads, folder.num, name, &file);

	if (r)
		return r;
	return file_is_folder(&file) ? entry_of(fs, PLACE_INCOMING, &file, entry)
				     : REFUSED_NOT_FOUND;
}

int published_lookup(struct fs *fs, fuse_ino_t parent, const char *name,
		     struct fuse_entry_param *entry)
{
	struct node folder = node_of(parent);
	struct publish_subject subject = {.what = PUBLISH_NOTHING};
	int r;

	if (publisher_claims(fs->publisher, parent, name, &subject) &&
	    (subject.what == PUBLISH_CREATE || subject.what == PUBLISH_FOLDER))
		return REFUSED_NOT_FOUND;
	r = look_in_folder(fs, folder, name, entry);
	if (!r && entry->ino == 0)
		r = REFUSED_NOT_FOUND;
	if (r != REFUSED_NOT_FOUND)
		return r;
	if (subject.what == PUBLISH_REMOVE) {
		*entry = subject.entry;
		return 0;
	}
	return folder.place == PLACE_INCOMING ? look_for_folder(fs, folder, name, entry)
					      : r;
}

int published_create(struct fs *fs, fuse_ino_t parent, const char *name,
		     struct fuse_entry_param *entry)
{
	struct publish_subject subject;

	if (!publisher_claims(fs->publisher, parent, name, &subject) ||
	    (subject.what != PUBLISH_CREATE && subject.what != PUBLISH_FOLDER))
		return REFUSED_PERMISSION;
	*entry = subject.entry;
	/* an rmdir may have been answered since the job was made */
	if (subject.what == PUBLISH_FOLDER)
		entry->generation = generations_of(&fs->generations, subject.num);
	return 0;
}

/* Whether a name in the folder is the one that the upload has in complete/. */
static bool is_place_of(const struct file *file, fuse_ino_t folder, const char *name)
{
	return folder == node_folder_ino(PLACE_COMPLETE, file->parent) &&
	       strcmp(name, file->name.text) == 0;
}

/* Folders may have changed names since the kernel looked for the source: then the
 * target's path leads to another one. */
int published_rename(struct fs *fs, fuse_ino_t parent, const char *name,
		     fuse_ino_t new_parent, const char *new_name)
{
	SCOPED(file_release) struct file file = {0};
	struct publish_subject subject;
	int r;

	if (!publisher_claims(fs->publisher, parent, name, &subject) ||
	    subject.what != PUBLISH_MOVE)
		return REFUSED_PERMISSION;
	r = uploads_stat(fs->uploads, subject.num, &file);
	if (r)
		return r;
	if (!is_place_of(&file, new_parent, new_name))
		return REFUSED_NOT_FOUND;
	overlay_remove(&fs->overlay, subject.num);
	return 0;
}

/* The name may have been given to another upload in the meantime. */
int published_unlink(struct fs *fs, fuse_ino_t parent, const char *name)
{
	struct publish_subject subject;
	struct fuse_entry_param entry;
	int r;

	if (!publisher_claims(fs->publisher, parent, name, &subject) ||
	    subject.what != PUBLISH_REMOVE)
		return REFUSED_PERMISSION;
	r = look_in_folder(fs, node_of(parent), name, &entry);
	if (!r && entry.ino != 0)
		return REFUSED_NOT_FOUND;
	return r == REFUSED_NOT_FOUND ? 0 : r;
}
