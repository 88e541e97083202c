#include "wal.h"

#include "tusfs/scoped.h"

/* After each commit. */
static int note_frames(void *arg, sqlite3 *db, const char *name, int frames)
{
	struct wal *wal = arg;
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&wal->mutex);

	(void)db;
	(void)name;
	if (frames < wal->frames) {
		wal->copied = 0;
		wal->number++;
	}
	wal->frames = frames;
	return SQLITE_OK;
}

void wal_init(struct wal *wal, struct conn *writer)
{
	/* an earlier run may have left something that is not copied */
	*wal = (struct wal){.frames = 1};
	atomic_init(&wal->lost, false);
	pthread_mutex_init(&wal->copying, NULL);
	pthread_mutex_init(&wal->mutex, NULL);
	sqlite3_wal_hook(writer->db, note_frames, wal);
}

void wal_release(struct wal *wal)
{
	pthread_mutex_destroy(&wal->copying);
	pthread_mutex_destroy(&wal->mutex);
}

struct wal_progress wal_progress(struct wal *wal)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&wal->mutex);

	return (struct wal_progress){wal->frames, wal->copied};
}

static unsigned int number_of(struct wal *wal)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&wal->mutex);

	return wal->number;
}

/* What was found and copied of the log of that number, if it has not begun anew since.
 * It can be more than is known of: note_frames() comes a moment after its commit, and
 * not at all for what an earlier run has left. */
static void note_copied(struct wal *wal, unsigned int number, int frames, int copied)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&wal->mutex);

	if (number != wal->number)
		return;
	wal->copied = copied;
	if (frames > wal->frames)
		wal->frames = frames;
}

/* Whether there is nothing to copy. SQLite before 3.51.3 must not be asked then
 * (sqlite.org/wal.html#walresetbug): a commit lets a log of which all is copied begin
 * anew, and a passive copy that has just looked at the old one would count as much of
 * the new one as copied, which is never read nor copied after that. While something is
 * left, no commit can do so. */
static bool is_copied(struct wal *wal)
{
	struct wal_progress progress = wal_progress(wal);

	return progress.copied >= progress.frames;
}

/* SQLite turns a second one away at once, so they wait for each other here. The pages
 * of a log whose sync failed count as written from then on, to SQLite and to the
 * kernel. */
int wal_copy(struct wal *wal, struct conn *conn, int mode)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&wal->copying);
	unsigned int number = number_of(wal);
	int frames = -1, copied = -1, rc;

	if (mode == SQLITE_CHECKPOINT_PASSIVE && is_copied(wal))
		return SQLITE_OK;
	rc = sqlite3_wal_checkpoint_v2(conn->db, NULL, mode, &frames, &copied);
	if (rc == SQLITE_IOERR_FSYNC)
		atomic_store(&wal->lost, true);
	if (rc == SQLITE_OK && mode == SQLITE_CHECKPOINT_TRUNCATE)
		copied = wal_progress(wal).frames; /* SQLite says 0 */
	/* who reads keeps the log from beginning anew, but all of it may be copied */
	if ((rc == SQLITE_OK || rc == SQLITE_BUSY) && copied >= 0)
		note_copied(wal, number, frames, copied);
	return rc;
}
