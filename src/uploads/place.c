/* Where an upload stands in the tree of names. There is one tree with two views: a row
 * is seen in incoming/ while `arriving` is not 0, in complete/ while `shown` is set; on
 * a folder, `arriving` counts the arriving uploads in it and below. A name is given
 * once, so an upload that finishes only changes the view it is seen in. */
#include "engine.h"

#include "tusfs/metadata.h"

#include <errno.h>
#include <string.h>

/* How many numbers of a folder are tried, where files have its name. */
#define FOLDER_TRIES 100

static int taken(struct conn *conn, uint64_t parent, const struct name *wanted,
		 uint64_t n, struct name *name, bool *is)
{
	name_number(wanted, n, name);
	return catalog_name_taken(conn, parent, name->text, is);
}

/* A free name like the one wanted. Numbers are mostly taken without gaps, so double
 * until one is free, and halve the rest: a thousand equal names cost ten look-ups each.
 */
static int free_name(struct conn *conn, uint64_t parent, const struct name *wanted,
		     struct name *name)
{
	uint64_t low = 1, high = 2, middle;
	bool is;
	int r = catalog_name_taken(conn, parent, wanted->text, &is);

	if (r)
		return r;
	if (!is) {
		*name = *wanted;
		return 0;
	}
	while (!(r = taken(conn, parent, wanted, high, name, &is)) && is) {
		low = high;
		high *= 2;
	}
	while (!r && high - low > 1) {
		middle = low + (high - low) / 2;
		r = taken(conn, parent, wanted, middle, name, &is);
		if (is)
			low = middle;
		else
			high = middle;
	}
	name_number(wanted, high, name);
	return r;
}

struct walk {
	struct conn *conn;
	uint64_t folder;
	int64_t now;
};

static int add_folder(struct walk *walk, const struct name *name)
{
	struct file folder = {
		.parent = walk->folder,
		.name = *name,
		.kind = FILE_FOLDER,
		.created = walk->now,
		.modified = walk->now,
		.changed = walk->now,
	};
	int r = catalog_add(walk->conn, &folder);

	if (!r)
		walk->folder = folder.num;
	return r;
}

/* Steps into the folder of that name, which is made where there is none. Refusals:
 * NOT_FOLDER. */
static int enter_named(struct walk *walk, const struct name *name)
{
	SCOPED(file_release) struct file there = {0};
	int r = catalog_file_named(walk->conn, walk->folder, name->text, &there);

	if (r == REFUSED_NOT_FOUND)
		return add_folder(walk, name);
	if (r)
		return r;
	if (!file_is_folder(&there))
		return REFUSED_NOT_FOLDER;
	walk->folder = there.num;
	return 0;
}

/* Where a file has the name, the folder gets a number, and keeps it for all that are to
 * be in it. */
static int enter(void *arg, const struct name *name)
{
	struct walk *walk = arg;
	struct name numbered;
	int r = enter_named(walk, name);

	for (uint64_t n = 2; r == REFUSED_NOT_FOLDER && n < FOLDER_TRIES; n++) {
		name_number(name, n, &numbered);
		r = enter_named(walk, &numbered);
	}
	if (r != REFUSED_NOT_FOLDER)
		return r;
	r = free_name(walk->conn, walk->folder, name, &numbered);
	return r ? r : add_folder(walk, &numbered);
}

/* Names are for good, so that a lack of memory must not decide about one. */
static int memory_was_short(void)
{
	return errno == ENOMEM ? failure(-ENOMEM, "name upload") : 0;
}

/* Refusals: NOT_FOUND. */
static int name_from(const char *metadata, const char *key, struct name *name)
{
	SCOPED(scoped_free) char *value = NULL;
	size_t size;
	int r;

	errno = 0;
	value = metadata_get(metadata, key, &size);
	if (value && name_make_safe(value, size, name))
		return 0;
	r = memory_was_short();
	return r ? r : REFUSED_NOT_FOUND;
}

static int wanted_name(const struct file *file, struct name *name)
{
	static const char *const keys[] = {"filename", "name", "relativePath"};
	int r;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		r = name_from(file->metadata, keys[i], name);
		if (r != REFUSED_NOT_FOUND)
			return r;
	}
	upload_id_format(file->id, name->text);
	return 0;
}

/* Enters the folders that the client's path names. */
static int walk_path(struct walk *walk, const char *metadata)
{
	SCOPED(scoped_free) char *path = NULL;
	size_t size;
	int r = 0;

	errno = 0;
	path = metadata_get(metadata, "relativePath", &size);
	if (path)
		r = name_folders(path, size, enter, walk);
	return r ? r : memory_was_short();
}

/* Under the name that it wants, or one that is like it and free. */
static int add_named(struct conn *conn, struct file *file)
{
	struct name wanted;
	int r = wanted_name(file, &file->name);

	if (!r)
		r = catalog_add(conn, file); /* mostly it is free */
	if (r != REFUSED_EXISTS)
		return r;
	wanted = file->name;
	r = free_name(conn, file->parent, &wanted, &file->name);
	return r ? r : catalog_add(conn, file);
}

/* One folder's part of a change below it. `*above` tells whether its own folder
 * changes. */
static int change_folder(struct conn *conn, struct file *folder, int64_t delta,
			 bool show, bool *above)
{
	bool was_arriving = folder->arriving != 0, was_shown = folder->shown;

	folder->arriving += (uint64_t)delta;
	folder->shown |= show;
	*above = was_arriving != (folder->arriving != 0) || was_shown != folder->shown;
	if (!folder->arriving && !folder->shown)
		return catalog_remove(conn, folder->num);
	return catalog_place(conn, folder);
}

/* Walks from a folder up to the root: adds `delta` to what arrives, and shows the
 * folders in complete/ if `show`. Only folders whose own entries changed get new times.
 */
static int change_above(struct conn *conn, uint64_t num, int64_t delta, bool show,
			bool modified, int64_t now, struct revealed *revealed)
{
	bool touched = true, above;
	int r = 0;

	while (!r && num != FILE_NUM_TREE && num != FILE_NUM_PARTIAL) {
		SCOPED(file_release) struct file folder = {0};
		bool was_shown;

		r = catalog_file(conn, num, &folder);
		if (r)
			return r;
		was_shown = folder.shown;
		if (show && !was_shown && revealed)
			*revealed = (struct revealed){num, folder.parent, folder.name};
		if (touched)
			folder.changed = now;
		if (touched && modified)
			folder.modified = now;
		r = change_folder(conn, &folder, delta, show, &above);
		if (r || (!above && !delta && !show))
			return r; /* nothing further up can change */
		touched = above;
		modified = modified && folder.shown != was_shown;
		num = folder.parent;
	}
	if (!r && touched)
		r = catalog_touch(conn, num, now, modified);
	return r;
}

static int add_partial(struct conn *conn, struct file *file)
{
	int r;

	file->parent = FILE_NUM_PARTIAL;
	upload_id_format(file->id, file->name.text);
	file->shown = true;
	r = catalog_add(conn, file);
	return r ? r : catalog_touch(conn, file->parent, file->created, true);
}

int place_new(struct conn *conn, struct file *file, struct revealed *revealed)
{
	struct walk walk = {conn, FILE_NUM_TREE, file->created};
	bool complete = file_is_complete(file);
	int r;

	if (file->kind == FILE_PARTIAL)
		return add_partial(conn, file);
	file->arriving = !complete;
	file->shown = complete;
	r = walk_path(&walk, file->metadata);
	file->parent = walk.folder;
	if (!r)
		r = add_named(conn, file);
	if (r)
		return r;
	return change_above(conn, file->parent, (int64_t)file->arriving, file->shown,
			    complete, file->created, revealed);
}

int place_finished(struct conn *conn, uint64_t from, struct file *file,
		   struct revealed *revealed)
{
	int r;

	file->arriving = 0;
	file->shown = true;
	r = catalog_finish(conn, from, file);
	if (r)
		return r;
	return change_above(conn, file->parent, -1, true, true, file->finished,
			    revealed);
}

int place_gone(struct conn *conn, const struct file *file, int64_t now)
{
	return change_above(conn, file->parent, -(int64_t)file->arriving, false,
			    file->shown, now, NULL);
}

int place_left(struct conn *conn, const struct file *file, uint64_t *left)
{
	uint64_t num = file->parent;
	int r = 0;

	while (file->arriving && num != FILE_NUM_TREE) {
		SCOPED(file_release) struct file folder = {0};

		r = catalog_file(conn, num, &folder);
		if (r || folder.shown || folder.arriving > file->arriving)
			break;
		num = folder.parent;
	}
	*left = num;
	return r;
}

int place_count(struct conn *conn, uint64_t folder, int64_t delta, int64_t now)
{
	return change_above(conn, folder, delta, false, true, now, NULL);
}
