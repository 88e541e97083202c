#include "view.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

bool view_holds(struct fs *fs, const struct file *file)
{
	return !file_is_folder(file) && overlay_has(&fs->overlay, file->num);
}

bool view_go_up(struct fs *fs, uint64_t *num)
{
	SCOPED(file_release) struct file file = {0};

	if (*num < FILE_NUM_FIRST || uploads_stat(fs->uploads, *num, &file))
		return false;
	*num = file.parent;
	return true;
}

/* Whether `folder` is `num`, or on the way to it from the root of the tree. */
static bool is_above(struct fs *fs, uint64_t folder, uint64_t num)
{
	for (int depth = 0; depth < NAME_DEPTH_MAX; depth++) {
		if (num == folder)
			return true;
		if (!view_go_up(fs, &num))
			return false;
	}
	return false;
}

/* Whether an upload that the overlay holds is in or below the folder. */
static bool holds_below(struct fs *fs, const struct file *folder)
{
	size_t count;
	SCOPED(scoped_free)
	struct overlay_entry *entries = overlay_copy(&fs->overlay, &count);

	for (size_t i = 0; i < count; i++)
		if (is_above(fs, folder->num, entries[i].parent))
			return true;
	return false;
}

bool view_shows(struct fs *fs, enum place place, const struct file *file)
{
	if (place == PLACE_COMPLETE)
		return file->shown && !view_holds(fs, file);
	if (place != PLACE_INCOMING || file->arriving > 0)
		return true;
	return file_is_folder(file) ? holds_below(fs, file) : view_holds(fs, file);
}

static int find_by_id(struct fs *fs, const char *name, struct file *file)
{
	struct upload_id id;

	if (!upload_id_parse(name, strlen(name), &id))
		return REFUSED_NOT_FOUND;
	return uploads_stat_id(fs->uploads, id, file);
}

int view_find(struct fs *fs, struct node folder, const char *name, struct file *file,
	      bool *hidden)
{
	struct file found;
	int r;

	*hidden = false;
	if (strlen(name) > NAME_BYTES)
		return REFUSED_NAME;
	if (folder.place == PLACE_BY_ID)
		return find_by_id(fs, name, file);
	if (folder.place == PLACE_ROOT || folder.place == PLACE_LINK)
		return REFUSED_NOT_FOLDER;
	r = uploads_lookup(fs->uploads, folder.num, name, &found);
	if (r)
		return r;
	if (!view_shows(fs, folder.place, &found)) {
		*hidden = view_holds(fs, &found);
		file_release(&found);
		return REFUSED_NOT_FOUND;
	}
	*file = found;
	return 0;
}

/* A listing of incoming/: what the catalog has there, and between, in the order of num,
 * what the overlay holds there. */
struct listing {
	struct fs *fs;
	enum place place;
	bool (*entry)(void *arg, const struct file *file);
	void *arg;
	bool ended;
	struct file *held;
	size_t held_count;
	size_t next;
};

/* Lists what is held before `num`, and passes over it if it is `num`. */
static bool list_held_before(struct listing *listing, uint64_t num)
{
	while (listing->next < listing->held_count) {
		const struct file *file = &listing->held[listing->next];

		if (file->num > num)
			break;
		listing->next++;
		if (file->num < num && !listing->entry(listing->arg, file))
			return false;
	}
	return true;
}

static bool list_one(void *arg, const struct file *file)
{
	struct listing *listing = arg;
	bool more = list_held_before(listing, file->num);

	if (more && view_shows(listing->fs, listing->place, file))
		more = listing->entry(listing->arg, file);
	listing->ended = !more;
	return more;
}

/* Looks up what the overlay holds in the folder after `after`. */
static int collect_held(struct listing *listing, uint64_t folder, uint64_t after)
{
	struct fs *fs = listing->fs;
	size_t count;
	SCOPED(scoped_free)
	struct overlay_entry *entries = overlay_copy(&fs->overlay, &count);

	if (count == 0)
		return 0;
	listing->held = calloc(count, sizeof(listing->held[0]));
	if (!listing->held)
		return failure(-ENOMEM, "list a folder");
	for (size_t i = 0; i < count; i++)
		if (entries[i].parent == folder && entries[i].num > after &&
		    !uploads_stat(fs->uploads, entries[i].num,
				  &listing->held[listing->held_count]))
			listing->held_count++;
	return 0;
}

static void listing_release(struct listing *listing)
{
	for (size_t i = 0; i < listing->held_count; i++)
		file_release(&listing->held[i]);
	free(listing->held);
}

int view_list(struct fs *fs, struct node folder, uint64_t after,
	      bool (*entry)(void *arg, const struct file *file), void *arg)
{
	SCOPED(listing_release)
	struct listing listing = {
		.fs = fs,
		.place = folder.place,
		.entry = entry,
		.arg = arg,
	};
	int r = 0;

	if (folder.place == PLACE_INCOMING)
		r = collect_held(&listing, folder.num, after);
	if (!r)
		r = uploads_list(fs->uploads, node_view(folder.place), folder.num,
				 after, list_one, &listing);
	if (!r && !listing.ended)
		list_held_before(&listing, UINT64_MAX);
	return r;
}

static int join(const char *folder, const char *path, char **joined)
{
	if (asprintf(joined, "../%s/%s", folder, path) < 0)
		return failure(-ENOMEM, "make a link's target");
	return 0;
}

int view_link_target(struct fs *fs, const struct file *file, char **target)
{
	SCOPED(scoped_free) char *path = NULL;
	bool complete = file_is_complete(file) && !view_holds(fs, file);
	int r;

	if (file->kind == FILE_PARTIAL)
		return join("partial", file->name.text, target);
	r = uploads_tree_path(fs->uploads, file->num, &path);
	return r ? r : join(complete ? "complete" : "incoming", path, target);
}
