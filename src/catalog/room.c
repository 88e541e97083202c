#include "room.h"

#include "tusfs/error.h"
#include "tusfs/in_place.h"
#include "tusfs/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* The index has 32 KiB for each 4096 pages of the log: this is for 512 MiB of it.
 * SQLite writes one byte to each page of it, and maps it: where blocks are smaller than
 * pages, the rest would be missing on a full disk, and that is a SIGBUS. */
#define INDEX_BYTES (1024 * 1024)

void room_init(struct room *room)
{
	*room = (struct room){.catalog_fd = -1, .log_fd = -1, .index_fd = -1};
	pthread_mutex_init(&room->mutex, NULL);
}

/* Sets aside `size` bytes from `from` on. False where the disk is full. On a file
 * system that cannot do it there is nothing to wait for. */
static bool set_aside(int fd, uint64_t from, uint64_t size)
{
	while (fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)size) < 0) {
		if (errno == EINTR)
			continue;
		if (errno == ENOSPC || errno == EDQUOT)
			return false;
		if (errno != EOPNOTSUPP && errno != ENOSYS)
			failure(-errno, "set room aside for the catalog");
		break;
	}
	return true;
}

/* Extends the room to `bytes` behind what is used, once a quarter of that is used up.
 * The disk is asked first: one that is full looks long for a last block. */
static bool extend(int fd, uint64_t used, uint64_t bytes, uint64_t *room)
{
	uint64_t wanted = used + bytes;
	struct statvfs disk;

	if (*room >= wanted - bytes / 4)
		return true;
	if (fstatvfs(fd, &disk) == 0 &&
	    (uint64_t)disk.f_bavail * disk.f_frsize < wanted - *room)
		return false;
	if (!set_aside(fd, *room, wanted - *room))
		return false;
	*room = wanted;
	return true;
}

static void extend_all(struct room *room)
{
	bool was_whole = room->whole, whole;

	whole = extend(room->log_fd, room->log_used, ROOM_LOG_BYTES, &room->log);
	whole &= extend(room->catalog_fd, room->catalog_used, ROOM_CATALOG_BYTES,
			&room->catalog);
	room->index = room->index || set_aside(room->index_fd, 0, INDEX_BYTES);
	whole &= room->index;
	room->whole = whole;
	if (was_whole && !whole)
		log_warning("the disk is full: nothing new is taken in");
	if (whole && !was_whole)
		log_info("the disk has room again");
}

static int open_one(const char *path, const char *suffix, int *fd)
{
	SCOPED(scoped_free) char *name = NULL;

	if (asprintf(&name, "%s%s", path, suffix) < 0) {
		name = NULL;
		return failure(-ENOMEM, "open %s%s", path, suffix);
	}
	*fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (*fd < 0)
		return failure(-errno, "open %s", name);
	write_in_place(*fd);
	return 0;
}

int room_open(struct room *room, const char *path)
{
	int r = open_one(path, "", &room->catalog_fd);

	return r ? r : open_one(path, "-shm", &room->index_fd);
}

int room_open_log(struct room *room, const char *path)
{
	return open_one(path, "-wal", &room->log_fd);
}

/* What a file has room for: it is used from its start on, without gaps to speak of. */
static int measure(int fd, uint64_t *used, uint64_t *room)
{
	struct stat found;

	if (fstat(fd, &found) < 0)
		return failure(-errno, "size of the catalog");
	*used = (uint64_t)found.st_size;
	*room = (uint64_t)found.st_blocks * 512;
	return 0;
}

int room_take(struct room *room)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&room->mutex);
	int r = measure(room->catalog_fd, &room->catalog_used, &room->catalog);

	if (!r)
		r = measure(room->log_fd, &room->log_used, &room->log);
	if (r)
		return r;
	room->catalog_used += room->log_used; /* at most */
	room->whole = true;		      /* so that it is told if it is not */
	extend_all(room);
	return 0;
}

void room_close(struct room *room)
{
	if (room->log_fd >= 0)
		set_aside(room->log_fd, 0, ROOM_LOG_BYTES);
	scoped_close(&room->index_fd);
	scoped_close(&room->log_fd);
	scoped_close(&room->catalog_fd);
	pthread_mutex_destroy(&room->mutex);
}

bool room_follow(struct room *room, uint64_t log_used, uint64_t catalog_used)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&room->mutex);

	/* SQLite cuts a log that begins anew down to this */
	if (log_used < room->log_used && room->log > ROOM_LOG_KEPT)
		room->log = ROOM_LOG_KEPT;
	room->log_used = log_used;
	room->catalog_used = catalog_used;
	extend_all(room);
	return room->log >= log_used + ROOM_LOG_BYTES / 2;
}

void room_lost(struct room *room)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&room->mutex);

	room->log = room->log_used = 0;
	extend_all(room);
}

int room_sync_catalog(const struct room *room)
{
	return fdatasync(room->catalog_fd) < 0 ? failure(-errno, "sync the catalog")
					       : 0;
}

bool room_is_whole(struct room *room)
{
	if (atomic_load(&room->whole))
		return true;
	if (pthread_mutex_trylock(&room->mutex))
		return false; /* somebody tries already */
	extend_all(room);
	pthread_mutex_unlock(&room->mutex);
	return atomic_load(&room->whole);
}
