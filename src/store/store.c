/* A store's folder: made with its folders of blobs, or found as it is, and locked. */
#include "tusfs/store.h"

#include "layout.h"

#include "tusfs/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC)
/* umount(8) returns before the daemon has ended, and a start or a check may follow at
 * once. */
#define LOCK_PATIENCE (3 * CLOCK_SECOND)

static int make_folder(const char *path)
{
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return failure(-errno, "store %s", path);
	return 0;
}

static int open_folder(struct store *store, const char *path)
{
	store->fd = open(path, FOLDER_FLAGS);
	if (store->fd < 0)
		return failure(-errno, "store %s", path);
	store->path = realpath(path, NULL);
	if (!store->path)
		return failure(-errno, "store %s", path);
	return 0;
}

/* The lock belongs to the open file: it lives on in a child, and ends with the last
 * process that has it, however that ends. */
static int lock(struct store *store)
{
	static const struct timespec pause = {.tv_nsec = 10000000};
	int64_t deadline = clock_monotonic() + LOCK_PATIENCE;

	while (flock(store->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return failure(-errno, "store %s: lock", store->path);
		if (clock_monotonic() >= deadline)
			return REFUSED_BUSY;
		nanosleep(&pause, NULL);
	}
	return 0;
}

static int take_lock(struct store *store)
{
	store->lock_fd =
		openat(store->fd, LAYOUT_LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (store->lock_fd < 0)
		return failure(-errno, "store %s: lock", store->path);
	return lock(store);
}

static int make_blobs(struct store *store, bool *made)
{
	if (mkdirat(store->fd, LAYOUT_BLOBS, 0700) == 0)
		*made = true;
	else if (errno != EEXIST)
		return failure(-errno, "store %s: blobs", store->path);
	store->blobs_fd = openat(store->fd, LAYOUT_BLOBS, FOLDER_FLAGS);
	if (store->blobs_fd < 0)
		return failure(-errno, "store %s: blobs", store->path);
	return 0;
}

/* All folders at every start: a crash may have left a store half made. */
static int make_folders(struct store *store, bool *made)
{
	char name[LAYOUT_FOLDER_SIZE];

	for (unsigned int i = 0; i < LAYOUT_FOLDERS; i++) {
		layout_folder(i, name);
		if (mkdirat(store->blobs_fd, name, 0700) == 0)
			*made = true;
		else if (errno != EEXIST)
			return failure(-errno, "store %s: blobs/%s", store->path, name);
		atomic_init(&store->folders[i].changes, 1);
		atomic_init(&store->folders[i].synced, 0);
	}
	return 0;
}

/* Syncs the folders that hold names made above: blobs/, the store, what it is in. */
static int sync_folders(struct store *store)
{
	SCOPED(scoped_close) int parent_fd = openat(store->fd, "..", FOLDER_FLAGS);

	if (parent_fd < 0)
		return failure(-errno, "store %s: parent folder", store->path);
	if (fsync(store->blobs_fd) < 0 || fsync(store->fd) < 0 || fsync(parent_fd) < 0)
		return failure(-errno, "store %s: sync", store->path);
	return 0;
}

int store_open(const char *path, struct store **store)
{
	SCOPED(scoped_store_close) struct store *made = calloc(1, sizeof(*made));
	bool changed = false;
	int r;

	if (!made)
		return failure(-ENOMEM, "store %s", path);
	made->fd = made->lock_fd = made->blobs_fd = -1;
	r = make_folder(path);
	if (r == 0)
		r = open_folder(made, path);
	if (r == 0)
		r = take_lock(made);
	if (r == 0)
		r = make_blobs(made, &changed);
	if (r == 0)
		r = make_folders(made, &changed);
	if (r == 0 && changed)
		r = sync_folders(made);
	if (r == 0)
		*store = STEAL(made);
	return r;
}

/* Without a lock there has been no daemon yet. */
static int look_for_lock(struct store *store)
{
	store->lock_fd = openat(store->fd, LAYOUT_LOCK, O_RDONLY | O_CLOEXEC);
	if (store->lock_fd < 0 && errno == ENOENT)
		return 0;
	if (store->lock_fd < 0)
		return failure(-errno, "store %s: lock", store->path);
	return lock(store);
}

static int look_for_blobs(struct store *store)
{
	store->blobs_fd = openat(store->fd, LAYOUT_BLOBS, FOLDER_FLAGS);
	if (store->blobs_fd < 0 && errno != ENOENT)
		return failure(-errno, "store %s: blobs", store->path);
	if (store->blobs_fd < 0 && store->lock_fd < 0 &&
	    !store_has(store, STORE_CATALOG))
		return REFUSED_NOT_FOUND;
	return 0;
}

/* A store whose lock got lost, as in a copy of it, must not be mended while a daemon
 * starts on it. */
static int lock_to_mend(struct store *store)
{
	return store->lock_fd < 0 ? take_lock(store) : 0;
}

static int open_found(const char *path, bool mend, struct store **store)
{
	SCOPED(scoped_store_close) struct store *made = calloc(1, sizeof(*made));
	int r;

	if (!made)
		return failure(-ENOMEM, "store %s", path);
	made->fd = made->lock_fd = made->blobs_fd = -1;
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return REFUSED_NOT_FOUND;
	r = open_folder(made, path);
	if (!r)
		r = look_for_lock(made);
	if (!r)
		r = look_for_blobs(made);
	if (!r && mend)
		r = lock_to_mend(made);
	if (!r)
		*store = STEAL(made);
	return r;
}

int store_open_to_look(const char *path, struct store **store)
{
	return open_found(path, false, store);
}

int store_open_to_mend(const char *path, struct store **store)
{
	return open_found(path, true, store);
}

struct store *store_close(struct store *store)
{
	if (store) {
		scoped_close(&store->blobs_fd);
		scoped_close(&store->fd);
		scoped_close(&store->lock_fd);
		free(store->path);
		free(store);
	}
	return NULL;
}

char *store_path(const struct store *store, const char *name)
{
	char *path;

	if (asprintf(&path, "%s/%s", store->path, name) < 0) {
		failure(-ENOMEM, "path of %s", name);
		return NULL;
	}
	return path;
}

bool store_has(const struct store *store, const char *name)
{
	return faccessat(store->fd, name, F_OK, 0) == 0 || errno != ENOENT;
}

bool store_has_bytes(const struct store *store, const char *name)
{
	struct stat found;

	return fstatat(store->fd, name, &found, 0) == 0 ? found.st_size > 0
							: errno != ENOENT;
}

int store_sync(const struct store *store)
{
	if (syncfs(store->fd) < 0)
		return failure(-errno, "sync store %s", store->path);
	return 0;
}

int store_space(const struct store *store, struct statvfs *space)
{
	struct statvfs found;

	if (fstatvfs(store->fd, &found) < 0)
		return failure(-errno, "space of store %s", store->path);
	*space = found;
	return 0;
}

void scoped_store_close(struct store **store)
{
	store_close(*store);
}
