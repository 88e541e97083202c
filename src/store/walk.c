/* All that is in blobs/, whether it should be there or not. */
#include "layout.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Numbers that no upload can have: those of the catalog's own rows, and what SQLite
 * does not take. */
#define NUM_FIRST 16
#define NUM_LAST  INT64_MAX

static void scoped_closedir(DIR **folder)
{
	if (*folder)
		closedir(*folder);
}

static int open_folder(int at, const char *name, DIR **folder)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *made = fd < 0 ? NULL : fdopendir(fd);

	if (!made) {
		int r = failure(-errno, "open folder %s of the store", name);

		scoped_close(&fd);
		return r;
	}
	*folder = made;
	return 0;
}

/* The next name in a folder, or NULL at its end. */
static int next_name(DIR *folder, const char **name)
{
	struct dirent *entry;

	do {
		errno = 0;
		entry = readdir(folder);
	} while (entry &&
		 (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
	if (!entry && errno)
		return failure(-errno, "read a folder of the store");
	*name = entry ? entry->d_name : NULL;
	return 0;
}

/* Whether that is where the blob of a number lies. */
static bool is_place(const char *place, uint64_t *num)
{
	char right[LAYOUT_PLACE_SIZE];
	uint64_t value;

	if (strlen(place) != LAYOUT_PLACE_SIZE - 1)
		return false;
	value = strtoull(place + LAYOUT_FOLDER_SIZE, NULL, 16);
	layout_place(value, right);
	*num = value;
	return strcmp(place, right) == 0 && value >= NUM_FIRST && value <= NUM_LAST;
}

static int visit(struct store *store, const char *place,
		 const struct store_visitor *visitor)
{
	struct stat found;
	uint64_t num;

	if (fstatat(store->blobs_fd, place, &found, AT_SYMLINK_NOFOLLOW) < 0)
		return failure(-errno, "look at blobs/%s", place);
	if (is_place(place, &num) && S_ISREG(found.st_mode))
		return visitor->blob(visitor->arg, num, (uint64_t)found.st_size);
	return visitor->stranger(visitor->arg, place);
}

static int walk_folder(struct store *store, const char *name,
		       const struct store_visitor *visitor)
{
	SCOPED(scoped_closedir) DIR *folder = NULL;
	char place[LAYOUT_FOLDER_SIZE + NAME_MAX + 1];
	const char *file;
	int r = open_folder(store->blobs_fd, name, &folder);

	while (!r && !(r = next_name(folder, &file)) && file) {
		snprintf(place, sizeof(place), "%.2s/%s", name, file);
		r = visit(store, place, visitor);
	}
	return r;
}

static bool is_folder(struct store *store, const char *name)
{
	char right[LAYOUT_FOLDER_SIZE];
	struct stat found;

	layout_folder((unsigned int)strtoul(name, NULL, 16), right);
	return strcmp(name, right) == 0 &&
	       fstatat(store->blobs_fd, name, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISDIR(found.st_mode);
}

int store_walk(struct store *store, const struct store_visitor *visitor)
{
	SCOPED(scoped_closedir) DIR *blobs = NULL;
	const char *name;
	int r;

	if (store->blobs_fd < 0)
		return 0;
	r = open_folder(store->blobs_fd, ".", &blobs);
	while (!r && !(r = next_name(blobs, &name)) && name)
		r = is_folder(store, name) ? walk_folder(store, name, visitor)
					   : visitor->stranger(visitor->arg, name);
	return r;
}

/* ---- whether there are any ---- */

#define STOP 1 /* of a walk that has seen enough */

static int note_blob(void *arg, uint64_t num, uint64_t size)
{
	(void)num;
	(void)size;
	*(bool *)arg = true;
	return STOP;
}

static int pass_stranger(void *arg, const char *place)
{
	(void)arg;
	(void)place;
	return 0;
}

int store_has_blobs(struct store *store, bool *has)
{
	bool found = false;
	struct store_visitor visitor = {note_blob, pass_stranger, &found};
	int r = store_walk(store, &visitor);

	if (r < 0)
		return r;
	*has = found;
	return 0;
}

/* ---- put aside ---- */

/* Renames to the first of PLACE.1, PLACE.2 ... that is free. */
static int rename_aside(struct store *store, int to_fd, const char *place)
{
	char name[LAYOUT_FOLDER_SIZE + NAME_MAX + 1], numbered[sizeof(name)];

	snprintf(name, sizeof(name), "%s", place);
	for (char *slash; (slash = strchr(name, '/'));)
		*slash = '-';
	for (int n = 1; n < 10000; n++) {
		snprintf(numbered, sizeof(numbered), "%.240s.%d", name, n);
		if (renameat2(store->blobs_fd, place, to_fd, numbered,
			      RENAME_NOREPLACE) == 0)
			return 0;
		if (errno != EEXIST)
			break;
	}
	return failure(-errno, "move blobs/%s aside", place);
}

static int sync_parent(struct store *store, const char *place)
{
	SCOPED(scoped_close) int fd = -1;
	char folder[LAYOUT_FOLDER_SIZE] = ".";

	if (strchr(place, '/'))
		snprintf(folder, sizeof(folder), "%.2s", place);
	fd = openat(store->blobs_fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return failure(-errno, "sync folder blobs/%s", folder);
	return 0;
}

int store_set_aside(struct store *store, const char *place)
{
	SCOPED(scoped_close) int to_fd = -1;
	int r;

	if (mkdirat(store->fd, LAYOUT_NOT_BLOBS, 0700) < 0 && errno != EEXIST)
		return failure(-errno, "make not-blobs/");
	to_fd = openat(store->fd, LAYOUT_NOT_BLOBS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (to_fd < 0)
		return failure(-errno, "open not-blobs/");
	r = rename_aside(store, to_fd, place);
	if (r)
		return r;
	if (fsync(to_fd) < 0 || fsync(store->fd) < 0)
		return failure(-errno, "sync not-blobs/");
	return sync_parent(store, place);
}

int blob_set_aside(struct store *store, uint64_t num)
{
	char place[LAYOUT_PLACE_SIZE];

	layout_place(num, place);
	return store_set_aside(store, place);
}
