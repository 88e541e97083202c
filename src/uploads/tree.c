/* Names and folders, as the mount sees and changes them. */
#include "engine.h"

#include "tusfs/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- look ---- */

/* Completes what a look-up found, if it found anything. */
static int found(struct conn *conn, int r, struct file *file)
{
	if (r)
		return r;
	r = final_reach(conn, file);
	if (r)
		file_release(file);
	return r;
}

int uploads_lookup(struct uploads *uploads, uint64_t folder, const char *name,
		   struct file *file)
{
	SCOPED(conn_release) struct conn *conn = catalog_reader(uploads->catalog);

	return found(conn, catalog_file_named(conn, folder, name, file), file);
}

int uploads_stat(struct uploads *uploads, uint64_t num, struct file *file)
{
	SCOPED(conn_release) struct conn *conn = catalog_reader(uploads->catalog);

	return found(conn, catalog_file(conn, num, file), file);
}

int uploads_stat_id(struct uploads *uploads, struct upload_id id, struct file *file)
{
	SCOPED(conn_release) struct conn *conn = catalog_reader(uploads->catalog);

	return found(conn, catalog_file_with_id(conn, id, file), file);
}

struct listing {
	struct conn *conn;
	bool (*entry)(void *arg, const struct file *file);
	void *arg;
	int result;
};

static bool list_row(void *arg, const struct file *row)
{
	struct listing *listing = arg;
	struct file file = *row; /* its strings are borrowed */

	listing->result = final_reach(listing->conn, &file);
	return !listing->result && listing->entry(listing->arg, &file);
}

static enum catalog_view catalog_view_of(enum uploads_view view)
{
	switch (view) {
	case VIEW_COMPLETE:
		return CATALOG_SHOWN;
	case VIEW_INCOMING:
		return CATALOG_ARRIVING;
	case VIEW_ALL:
		return CATALOG_UPLOADS;
	}
	return CATALOG_SHOWN;
}

int uploads_list(struct uploads *uploads, enum uploads_view view, uint64_t folder,
		 uint64_t after, bool (*entry)(void *arg, const struct file *file),
		 void *arg)
{
	SCOPED(conn_release) struct conn *conn = catalog_reader(uploads->catalog);
	struct listing listing = {conn, entry, arg, 0};
	int r = catalog_list(conn, catalog_view_of(view), folder, after, list_row,
			     &listing);

	return r ? r : listing.result;
}

/* Puts "name/" before a path. */
static int prepend(char **path, const char *name)
{
	char *longer;

	if (asprintf(&longer, *path ? "%s/%s" : "%s", name, *path) < 0)
		return failure(-ENOMEM, "path of upload");
	free(*path);
	*path = longer;
	return 0;
}

int uploads_tree_path(struct uploads *uploads, uint64_t num, char **path)
{
	SCOPED(conn_release) struct conn *conn = catalog_reader(uploads->catalog);
	SCOPED(scoped_free) char *made = NULL;
	int r;

	do {
		SCOPED(file_release) struct file file = {0};

		r = catalog_file(conn, num, &file);
		if (!r)
			r = prepend(&made, file.name.text);
		num = file.parent;
	} while (!r && num != FILE_NUM_TREE && num != FILE_NUM_PARTIAL);
	if (!r)
		*path = STEAL(made);
	return r;
}

/* ---- change ---- */

static int check_name(const char *name)
{
	return strlen(name) > NAME_BYTES ? REFUSED_NAME : 0;
}

/* A folder that complete/ shows. */
static int shown_folder(struct conn *conn, uint64_t num)
{
	SCOPED(file_release) struct file folder = {0};
	int r = catalog_file(conn, num, &folder);

	if (r)
		return r;
	if (!file_is_folder(&folder))
		return REFUSED_NOT_FOLDER;
	return folder.shown && num != FILE_NUM_PARTIAL ? 0 : REFUSED_NOT_FOUND;
}

/* What complete/ shows under a name. */
static int shown_named(struct conn *conn, uint64_t folder, const char *name,
		       struct file *file)
{
	int r = catalog_file_named(conn, folder, name, file);

	if (!r && !file->shown) {
		file_release(file);
		return REFUSED_NOT_FOUND;
	}
	return r;
}

struct folder_change {
	uint64_t folder;
	const char *name;
	struct file file;
};

static int add_folder(struct conn *conn, struct folder_change *change, int64_t now)
{
	struct file folder = {
		.parent = change->folder,
		.kind = FILE_FOLDER,
		.shown = true,
		.created = now,
		.modified = now,
		.changed = now,
	};
	int r;

	name_set(&folder.name, change->name);
	r = catalog_add(conn, &folder);
	if (!r)
		change->file = folder;
	return r;
}

static int apply_make_folder(struct conn *conn, void *arg)
{
	struct folder_change *change = arg;
	int64_t now = clock_now();
	int r = shown_folder(conn, change->folder);

	if (r)
		return r;
	file_release(&change->file);
	r = catalog_file_named(conn, change->folder, change->name, &change->file);
	if (r == REFUSED_NOT_FOUND) {
		r = add_folder(conn, change, now);
	} else if (!r) {
		/* a folder that only incoming/ shows is shown from now on */
		if (!file_is_folder(&change->file) || change->file.shown)
			return REFUSED_EXISTS;
		change->file.shown = true;
		change->file.modified = change->file.changed = now;
		r = catalog_place(conn, &change->file);
	}
	return r ? r : catalog_touch(conn, change->folder, now, true);
}

int uploads_make_folder(struct uploads *uploads, uint64_t folder, const char *name,
			struct file *file)
{
	struct folder_change change = {.folder = folder, .name = name};
	int r = check_name(name);

	if (!r)
		r = catalog_commit(uploads->catalog, durable_always(uploads),
				   apply_make_folder, &change);
	if (r)
		file_release(&change.file);
	else
		*file = change.file;
	return r;
}

static bool seen_one(void *arg, const struct file *file)
{
	*(bool *)arg = true;
	return false;
}

/* Refuses a folder that complete/ shows something in. */
static int must_be_empty(struct conn *conn, uint64_t num)
{
	bool any = false;
	int r = catalog_list(conn, CATALOG_SHOWN, num, 0, seen_one, &any);

	if (r)
		return r;
	return any ? REFUSED_NOT_EMPTY : 0;
}

/* Takes a folder out of complete/; it goes with the last upload that arrives in it. */
static int hide_folder(struct conn *conn, struct file *folder, int64_t now)
{
	int r;

	folder->shown = false;
	r = folder->arriving ? catalog_place(conn, folder)
			     : catalog_remove(conn, folder->num);
	return r ? r : catalog_touch(conn, folder->parent, now, true);
}

static int apply_remove_folder(struct conn *conn, void *arg)
{
	struct folder_change *change = arg;
	SCOPED(file_release) struct file folder = {0};
	int r = shown_named(conn, change->folder, change->name, &folder);

	if (r)
		return r;
	if (!file_is_folder(&folder))
		return REFUSED_NOT_FOLDER;
	r = must_be_empty(conn, folder.num);
	return r ? r : hide_folder(conn, &folder, clock_now());
}

int uploads_remove_folder(struct uploads *uploads, uint64_t folder, const char *name)
{
	struct folder_change change = {.folder = folder, .name = name};

	return catalog_commit(uploads->catalog, durable_always(uploads),
			      apply_remove_folder, &change);
}

struct renaming {
	const struct upload_rename *request;
	uint64_t replaced;
};

/* Whether a folder is `num` or lies below it. */
static int is_below(struct conn *conn, uint64_t folder, uint64_t num, bool *is)
{
	int r = 0;

	*is = folder == num;
	while (!r && !*is && folder != FILE_NUM_TREE) {
		SCOPED(file_release) struct file file = {0};

		r = catalog_file(conn, folder, &file);
		folder = file.parent;
		*is = folder == num;
	}
	return r;
}

static int replace_file(struct conn *conn, struct renaming *renaming,
			const struct file *moved, const struct file *there, int64_t now)
{
	if (file_is_folder(moved))
		return REFUSED_NOT_FOLDER;
	renaming->replaced = there->num;
	return remove_upload(conn, there, now);
}

static int replace_folder(struct conn *conn, const struct file *moved,
			  struct file *there, int64_t now)
{
	int r;

	if (!file_is_folder(moved))
		return REFUSED_IS_FOLDER;
	r = must_be_empty(conn, there->num);
	if (r)
		return r;
	return there->arriving ? REFUSED_NOT_EMPTY : hide_folder(conn, there, now);
}

/* Makes the new name free, as rename(2) says. */
static int make_way(struct conn *conn, struct renaming *renaming,
		    const struct file *moved, int64_t now)
{
	SCOPED(file_release) struct file there = {0};
	int r = catalog_file_named(conn, renaming->request->to,
				   renaming->request->new_name, &there);

	if (r == REFUSED_NOT_FOUND)
		return 0;
	if (r)
		return r;
	if (!there.shown || there.num != renaming->request->seen)
		return REFUSED_EXISTS;
	return file_is_folder(&there)
		       ? replace_folder(conn, moved, &there, now)
		       : replace_file(conn, renaming, moved, &there, now);
}

static int move(struct conn *conn, const struct upload_rename *request,
		struct file *file, int64_t now)
{
	int64_t arriving = (int64_t)file->arriving;
	int r;

	file->parent = request->to;
	name_set(&file->name, request->new_name);
	file->changed = now;
	r = catalog_place(conn, file);
	if (!r)
		r = place_count(conn, request->from, -arriving, now);
	return r ? r : place_count(conn, request->to, arriving, now);
}

static int apply_rename(struct conn *conn, void *arg)
{
	struct renaming *renaming = arg;
	const struct upload_rename *request = renaming->request;
	SCOPED(file_release) struct file file = {0};
	int64_t now = clock_now();
	bool below = false;
	int r;

	renaming->replaced = 0;
	r = shown_named(conn, request->from, request->name, &file);
	if (!r && file.num != request->num)
		r = REFUSED_NOT_FOUND;
	if (!r)
		r = shown_folder(conn, request->to);
	if (!r && file_is_folder(&file))
		r = is_below(conn, request->to, file.num, &below);
	if (r)
		return r;
	if (below)
		return REFUSED_INVALID;
	if (request->from == request->to &&
	    strcmp(request->name, request->new_name) == 0)
		return 0;
	r = make_way(conn, renaming, &file, now);
	return r ? r : move(conn, request, &file, now);
}

int uploads_rename(struct uploads *uploads, const struct upload_rename *request,
		   uint64_t *replaced)
{
	struct renaming renaming = {.request = request};
	int r = check_name(request->new_name);

	if (!r && request->seen)
		readers_catch_up(uploads, request->seen);
	if (!r)
		r = catalog_commit(uploads->catalog, durable_always(uploads),
				   apply_rename, &renaming);
	if (r)
		return r;
	if (renaming.replaced)
		janitor_wake(uploads->janitor);
	*replaced = renaming.replaced;
	return 0;
}
