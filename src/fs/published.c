#include "published.h"

#include "look.h"
#include "publisher.h"
#include "stat.h"

#include <string.h>

/* Whether the publisher is asked to do `what` with this name. Refusals: NOT_FOUND: it
 * has come to another folder, since one was renamed; PERMISSION. */
static int claim(struct fs *fs, enum publish_what what, fuse_ino_t parent,
		 const char *name, struct publish_subject *subject)
{
	if (!publisher_at(fs->publisher, subject) || subject->what != what)
		return REFUSED_PERMISSION;
	if (subject->parent != parent || strcmp(subject->name.text, name) != 0)
		return REFUSED_NOT_FOUND;
	return 0;
}

static bool is_made(const struct publish_subject *subject, fuse_ino_t parent,
		    const char *name)
{
	return (subject->what == PUBLISH_CREATE || subject->what == PUBLISH_FOLDER) &&
	       subject->parent == parent && strcmp(subject->name.text, name) == 0;
}

/* Whether it is the name that a file moves from, or that it moves to. */
static bool is_moved(const struct publish_subject *subject, struct node folder,
		     const char *name)
{
	return subject->what == PUBLISH_MOVE &&
	       node_of(subject->parent).num == folder.num &&
	       (folder.place == PLACE_INCOMING || folder.place == PLACE_COMPLETE) &&
	       strcmp(subject->name.text, name) == 0;
}

/* What is made or moved late may have grown since the job was made. The entry is not to
 * be kept: others ask for themselves. */
static int entry_now(struct fs *fs, enum place place, const struct file *file,
		     struct fuse_entry_param *entry)
{
	int r = entry_of(fs, place, file, entry);

	entry->entry_timeout = entry->attr_timeout = KEEP_NOT;
	return r;
}

/* What moves late is seen by all where it is to be, and by the publisher still where it
 * was. */
static int look_for_moved(struct fs *fs, struct node folder,
			  const struct publish_subject *subject,
			  struct fuse_entry_param *entry)
{
	SCOPED(file_release) struct file file = {0};
	int r = uploads_stat(fs->uploads, subject->num, &file);

	if (r)
		return r;
	if (folder.place == PLACE_COMPLETE || file.parent != folder.num ||
	    strcmp(file.name.text, subject->name.text) != 0)
		return REFUSED_NOT_FOUND;
	return entry_now(fs, PLACE_INCOMING, &file, entry);
}

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

	if (publisher_at(fs->publisher, &subject) && is_made(&subject, parent, name))
		return REFUSED_NOT_FOUND;
	r = look_in_folder(fs, folder, name, entry);
	if (!r && entry->ino == 0)
		r = REFUSED_NOT_FOUND;
	if (is_moved(&subject, folder, name) &&
	    (r == REFUSED_NOT_FOUND || (!r && entry->ino == subject.num)))
		return look_for_moved(fs, folder, &subject, entry);
	if (r != REFUSED_NOT_FOUND)
		return r;
	if (!claim(fs, PUBLISH_REMOVE, parent, name, &subject)) {
		*entry = subject.entry;
		return 0;
	}
	return folder.place == PLACE_INCOMING ? look_for_folder(fs, folder, name, entry)
					      : r;
}

static int create(struct fs *fs, enum publish_what what, fuse_ino_t parent,
		  const char *name, struct fuse_entry_param *entry)
{
	SCOPED(file_release) struct file file = {0};
	struct publish_subject subject;
	int r = claim(fs, what, parent, name, &subject);

	if (r)
		return r;
	*entry = subject.entry; /* it counts if the upload is gone by now */
	r = uploads_stat(fs->uploads, subject.num, &file);
	if (!r)
		r = entry_now(fs, node_of(parent).place, &file, entry);
	if (r && r != REFUSED_NOT_FOUND)
		return r;
	/* an rmdir may have been answered since the job was made */
	if (subject.what == PUBLISH_FOLDER)
		entry->generation = generations_of(&fs->generations, subject.num);
	return 0;
}

int published_create(struct fs *fs, fuse_ino_t parent, const char *name,
		     struct fuse_entry_param *entry)
{
	enum place place = node_of(parent).place;

	return create(fs, place == PLACE_COMPLETE ? PUBLISH_FOLDER : PUBLISH_CREATE,
		      parent, name, entry);
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
	int r = claim(fs, PUBLISH_MOVE, parent, name, &subject);

	if (r)
		return r;
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
	int r = claim(fs, PUBLISH_REMOVE, parent, name, &subject);

	if (r)
		return r;
	r = look_in_folder(fs, node_of(parent), name, &entry);
	if (!r && entry.ino != 0)
		return REFUSED_EXISTS;
	return r == REFUSED_NOT_FOUND ? 0 : r;
}
