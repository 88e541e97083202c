/* The engine as a whole: opened, started, asked, closed. */
#include "engine.h"

#include "tusfs/clock.h"
#include "tusfs/log.h"

#include <errno.h>
#include <sys/resource.h>

/* What is left on the disk before nothing new is taken in: for the rows and folders
 * that come with it. */
#define ROOM_MARGIN (UINT64_C(1024) * 1024)
/* With so much more than is needed, the disk is asked again only after that time. */
#define ROOM_PLENTY (UINT64_C(1024) * 1024 * 1024)
#define ROOM_TIME   (CLOCK_SECOND / 100)
/* How many files and parts may be open for readers at a time, at most. */
#define PARTS_MAX 16384

/* A new catalog is only for a store that never had one. Refusals: GONE. */
static int refuse_lost_catalog(struct uploads *uploads, const char *path)
{
	bool used = store_has(uploads->store, STORE_JOURNAL);
	int r = 0;

	if (store_has(uploads->store, STORE_MENDED)) {
		log_error("fsck.tusfs --repair did not come to its end: run it again");
		return REFUSED_GONE;
	}
	if (store_has_bytes(uploads->store, STORE_CATALOG))
		return 0;
	if (!used)
		r = store_has_blobs(uploads->store, &used);
	if (r || !used)
		return r;
	log_error(
		"the catalog %s is missing from a store that was in use: see "
		"fsck.tusfs(8)",
		path);
	return REFUSED_GONE;
}

static int open_catalog(struct uploads *uploads)
{
	SCOPED(scoped_free) char *path = store_path(uploads->store, STORE_CATALOG);
	int r;

	if (!path)
		return failure(-ENOMEM, "open catalog");
	r = refuse_lost_catalog(uploads, path);
	return r ? r : catalog_open(path, &uploads->catalog);
}

static int open_journal(struct uploads *uploads)
{
	SCOPED(scoped_free) char *path = store_path(uploads->store, STORE_JOURNAL);
	struct journal_past past;
	int r;

	if (!path)
		return failure(-ENOMEM, "open journal");
	r = journal_open(path, &uploads->journal, &past);
	if (r)
		return r;
	r = repair(uploads, &past);
	free(past.entries);
	return r ? r : journal_start(uploads->journal, uploads->config.sync);
}

/* A run that ended in order leaves nothing to a power cut, whatever its level: the next
 * one trusts what it finds. The sync of all at once does the work, and fails for what
 * one blob has lost; the others tell which it was. */
static bool settle(struct uploads *uploads)
{
	bool synced;

	if (durable_always(uploads))
		return true;
	synced = store_sync(uploads->store) == 0;
	return unsynced_settle(uploads) && synced;
}

/* What is left of an engine that did not open, or is closed. */
static void release(struct uploads *uploads, bool clean)
{
	hasher_free(uploads->hasher);
	janitor_free(uploads->janitor);
	journal_close(uploads->journal, clean && settle(uploads));
	catalog_close(uploads->catalog);
	parking_free(uploads->parking);
	unsynced_free(uploads->unsynced);
	recent_free(uploads->recent);
	found_free(uploads->found);
	contents_free(uploads->contents);
	store_close(uploads->store);
	pthread_rwlock_destroy(&uploads->observing);
	pthread_mutex_destroy(&uploads->mutex);
	pthread_mutex_destroy(&uploads->reading);
	free(uploads);
}

/* A tenth of the memory is where the kernel begins to write out what is in the page
 * cache (vm.dirty_background_ratio), and holds up those who write soon after. */
static uint64_t bytes_to_keep(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);

	return pages > 0 ? (uint64_t)pages * (uint64_t)size / 16 : 0;
}

/* An eighth of these is for blobs that stay open. */
static uint64_t files_allowed(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) < 0 ? 0 : limit.rlim_cur;
}

/* Half of them is for who reads finals, or reads in the mount; small parts take memory.
 */
static size_t parts_allowed(void)
{
	uint64_t half = files_allowed() / 2;

	return half < PARTS_MAX ? (size_t)half : PARTS_MAX;
}

int uploads_open(const char *path, const struct uploads_config *config,
		 struct uploads **uploads)
{
	struct uploads *made = calloc(1, sizeof(*made));
	int r;

	if (!made)
		return failure(-ENOMEM, "open store");
	made->config = *config;
	made->keep_open = files_allowed() / 8;
	made->keep_bytes = bytes_to_keep();
	pthread_mutex_init(&made->mutex, NULL);
	pthread_mutex_init(&made->reading, NULL);
	pthread_rwlock_init(&made->observing, NULL);
	r = store_open(path, &made->store);
	if (!r)
		r = parking_new(&made->parking);
	if (!r)
		r = unsynced_new(config->sync == SYNC_FINISH ? made->keep_open : 0,
				 &made->unsynced);
	if (!r)
		r = recent_new(&made->recent);
	if (!r)
		r = found_new(&made->found);
	if (!r)
		r = contents_new(parts_allowed(), &made->contents);
	if (!r)
		r = janitor_new(made, &made->janitor);
	if (!r)
		r = hasher_new(made, &made->hasher);
	if (!r)
		r = open_catalog(made);
	if (!r)
		r = open_journal(made);
	if (r)
		release(made, false);
	else
		*uploads = made;
	return r;
}

struct uploads *uploads_close(struct uploads *uploads)
{
	if (!uploads)
		return NULL;
	release(uploads, true);
	return NULL;
}

void uploads_observe(struct uploads *uploads, const struct uploads_observer *observer)
{
	pthread_rwlock_wrlock(&uploads->observing);
	uploads->observer = observer ? *observer : (struct uploads_observer){0};
	pthread_rwlock_unlock(&uploads->observing);
}

int uploads_start_threads(struct uploads *uploads)
{
	int r = janitor_start(uploads->janitor);

	return r ? r : hasher_start(uploads->hasher);
}

int uploads_space(struct uploads *uploads, struct statvfs *space)
{
	return store_space(uploads->store, space);
}

/* What the disk had a moment ago will do when that was plenty: nobody fills so much in
 * that time. */
static bool had_plenty(struct uploads *uploads, uint64_t needed, int64_t now)
{
	return now < atomic_load(&uploads->room_until) &&
	       needed + ROOM_PLENTY < atomic_load(&uploads->room_seen) &&
	       needed + ROOM_PLENTY > needed;
}

int check_room(struct uploads *uploads, uint64_t size)
{
	int64_t now = clock_monotonic();
	struct statvfs space;
	uint64_t needed, room;
	int r;

	if (!catalog_has_room(uploads->catalog) ||
	    __builtin_add_overflow(size, ROOM_MARGIN, &needed))
		return REFUSED_NO_SPACE;
	if (had_plenty(uploads, needed, now))
		return 0;
	r = uploads_space(uploads, &space);
	if (r)
		return r;
	room = (uint64_t)space.f_bavail * space.f_frsize;
	atomic_store(&uploads->room_seen, room);
	atomic_store(&uploads->room_until, now + ROOM_TIME);
	return needed > room ? REFUSED_NO_SPACE : 0;
}

static int find_row(struct uploads *uploads, struct upload_id id, struct file *file)
{
	int r = uploads_stat_id(uploads, id, file);

	if (r || !file->broken)
		return r;
	file_release(file);
	return REFUSED_GONE;
}

int uploads_find(struct uploads *uploads, struct upload_id id, struct file *file)
{
	uint64_t before = catalog_version(uploads->catalog), after;
	int r;

	if (found_get(uploads->found, id, before, file))
		return 0;
	r = find_row(uploads, id, file);
	after = catalog_version(uploads->catalog);
	if (!r && before == after && before != CATALOG_CHANGING)
		found_put(uploads->found, before, file);
	return r;
}

int uploads_settle(struct uploads *uploads, struct upload_id id, struct file *file)
{
	int r = live_settle(uploads, id);

	return r ? r : uploads_find(uploads, id, file);
}

int uploads_find_settled(struct uploads *uploads, struct upload_id id,
			 struct file *file)
{
	return live_is_held(uploads, id) ? REFUSED_BUSY
					 : uploads_find(uploads, id, file);
}
