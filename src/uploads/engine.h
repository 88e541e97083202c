/* What the files of the engine share. Order of locks: `uploads` -> `live`; the catalog
 * and the store are never called with either held. All other mutexes are leaves. */
#ifndef TUSFS_UPLOADS_ENGINE_H
#define TUSFS_UPLOADS_ENGINE_H

#include "tusfs/catalog.h"
#include "tusfs/store.h"
#include "tusfs/uploads.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#define LIVE_BUCKETS   1024
#define READER_BUCKETS 256
/* How long a newcomer waits for the running writer to stop, ... */
#define TAKEOVER_TIME (5 * CLOCK_SECOND)
/* ...which may still take what had come before: for this long. */
#define STOPPING_TIME (CLOCK_SECOND / 2)
/* A final that is asked for again within this time is the one made before. */
#define REPEAT_TIME (60 * CLOCK_SECOND)

struct journal;
struct janitor;
struct hasher;
struct parking;
struct unsynced;
struct recent;
struct found;
struct contents;

struct uploads {
	struct uploads_config config;
	struct store *store;
	struct catalog *catalog;
	struct journal *journal;
	struct parking *parking;
	struct unsynced *unsynced;
	struct recent *recent;
	struct found *found;
	struct contents *contents;
	atomic_uint writers;	    /* appends to blobs that run now */
	uint64_t keep_open;	    /* so many may keep their blobs open */
	uint64_t keep_bytes;	    /* what they may leave in the page cache together */
	_Atomic uint64_t far_bytes; /* set aside far ahead of them: see stream.c */
	_Atomic uint64_t room_seen; /* free bytes of the disk, which hold for now... */
	_Atomic int64_t room_until; /* ...until then (monotonic) */
	struct janitor *janitor;
	struct hasher *hasher;
	int64_t compact_after; /* monotonic; the hasher's own */
	/* Read-locked while the observer is called, so that it can be taken away. */
	pthread_rwlock_t observing;
	struct uploads_observer observer;
	pthread_mutex_t
		reading; /* protects readers; the catalog is asked with it held */
	LIST_HEAD(, upload_reader) readers[READER_BUCKETS]; /* see reader.c */
	pthread_mutex_t mutex;				    /* protects the rest */
	struct live *live[LIVE_BUCKETS];
	bool stopping; /* no new writers */
};

/* ---- uploads.c: the engine as a whole ---- */

/* Refusals: NO_SPACE (the disk has no room for `size` more bytes, and a little to
 * spare, or the catalog lacks what it sets aside). */
MUST_CHECK int check_room(struct uploads *uploads, uint64_t size);

/* Whether each change is to survive a power cut before it is answered... */
static inline bool durable_always(const struct uploads *uploads)
{
	return uploads->config.sync == SYNC_ALWAYS;
}

/* ...and whether one that finishes an upload is. */
static inline bool durable_finish(const struct uploads *uploads)
{
	return uploads->config.sync != SYNC_NEVER;
}

/* ---- live.c: uploads that somebody writes or ends, by id ---- */

/* One upload in use: who may change it. It exists while somebody holds or waits for it.
 */
struct live {
	struct upload_id id;
	struct live *next;     /* in its bucket; under uploads->mutex */
	unsigned int users;    /* under uploads->mutex */
	pthread_mutex_t mutex; /* protects the rest */
	pthread_cond_t released;
	bool claimed;
	bool stopping;	    /* the holder was told to stop... */
	int64_t stopped_at; /* ...then (monotonic)... */
	bool urged;	    /* ...and once more */
	bool unwanted;	    /* what it still receives */
	void (*stop)(void *arg);
	void *arg;
};

/* Claims the right to change an upload, for one who can be stopped by `stop`, or by
 * nobody when it is NULL. Whoever has it is stopped and waited for. Refusals: BUSY (it
 * did not stop in time, or the engine is stopping). */
MUST_CHECK int live_claim(struct uploads *uploads, struct upload_id id,
			  void (*stop)(void *arg), void *arg, struct live **live);
/* The same for who ends the upload: whoever has it takes in nothing more. */
MUST_CHECK int live_claim_to_end(struct uploads *uploads, struct upload_id id,
				 struct live **live);
/* The same as live_claim() without stopping or waiting. Refusals: BUSY. */
MUST_CHECK int live_try_claim(struct uploads *uploads, struct upload_id id,
			      struct live **live);
/* Gives the right back; `stop` is not called after this has begun. */
struct live *live_release(struct uploads *uploads, struct live *live);
/* Stops whoever has the right, if anybody has, and waits until it is given back.
 * Refusals: BUSY. */
MUST_CHECK int live_settle(struct uploads *uploads, struct upload_id id);
/* Whether somebody has the right now, or waits for it. */
bool live_is_held(struct uploads *uploads, struct upload_id id);
/* Whether the holder was told to stop, and its time for that is over, if it had any. */
bool live_must_end(struct live *live);
/* Whether somebody waits for it to end the upload. */
bool live_is_to_end(struct live *live);

/* ---- place.c: names and folders, inside a transaction ---- */

/* A folder that a change made visible in complete/: the outermost one; num 0 is none.
 */
struct revealed {
	uint64_t num;
	uint64_t parent;
	struct name name;
};

/* Adds the row of a new upload in the folder and under a free name that it is to have,
 * and counts it in its folders. Sets num, parent, name, arriving and shown, which
 * depend on kind, metadata, id and finished. */
MUST_CHECK int place_new(struct conn *conn, struct file *file,
			 struct revealed *revealed);
/* Writes an upload that became complete, with its new offset (file->offset, from
 * `from`), and moves it from incoming/ to complete/. Refusals: GONE. */
MUST_CHECK int place_finished(struct conn *conn, uint64_t from, struct file *file,
			      struct revealed *revealed);
/* Takes an upload out of its folders' counts; folders that nobody sees any more go. */
MUST_CHECK int place_gone(struct conn *conn, const struct file *file, int64_t now);
/* The innermost folder above an upload that will be there when that is gone. */
MUST_CHECK int place_left(struct conn *conn, const struct file *file, uint64_t *left);
/* Adds to the arriving uploads of a folder and all above it. */
MUST_CHECK int place_count(struct conn *conn, uint64_t folder, int64_t delta,
			   int64_t now);

/* ---- outcome.c: what a transaction completed, to be told after it ---- */

struct finished {
	struct file file;
	struct revealed revealed;
};

struct outcome {
	struct uploads *uploads;
	struct finished *finished; /* by the last run of the apply function */
	size_t count;
	struct file *noted; /* num, parent and name of all that FINISHING told of */
	size_t noted_count;
	/* A final that would complete, but whose promised checksum is still to be
	 * verified, which takes too long for a transaction: the change was refused with
	 * CHECKSUM, and is tried again once the final is trusted. */
	uint64_t unverified;
	uint64_t *trusted;
	size_t trusted_count;
};

/* Forgets what an earlier run of the apply function completed. */
void outcome_reset(struct outcome *outcome);
/* Adds an upload that this transaction completes, and tells the observer FINISHING.
 * Takes what *file owns, and leaves it zeroed. */
MUST_CHECK int outcome_add(struct outcome *outcome, struct file *file,
			   const struct revealed *revealed);
/* From now on the promised checksum of the final `unverified` counts as verified. */
MUST_CHECK int outcome_trust(struct outcome *outcome);
bool outcome_trusts(const struct outcome *outcome, uint64_t num);
/* Tells the observer how it ended, with no lock held and no right claimed. */
void outcome_tell(struct outcome *outcome, bool committed);
void outcome_release(struct outcome *outcome);
/* Tells the observer one event, ... */
void tell(struct uploads *uploads, enum upload_event_type type,
	  const struct file *file);
/* ...and GONE. */
void tell_gone(struct uploads *uploads, const struct file *file, uint64_t left);

/* ---- change.c: several changes committed together ---- */

/* The first member of a creation, or of an append, that is one. */
struct upload_change {
	struct catalog_change commit;
	struct outcome outcome;
	/* Right after the commit: gives back what was claimed; may be NULL. It may
	 * change commit.result. */
	void (*settle)(struct upload_change *change);
	/* As upload_change_end(), but for the memory of the change itself. */
	int (*end)(struct upload_change *change, struct file *file);
};

/* ---- finish.c: offsets that move ---- */

/* Writes an upload's new offset (file->offset, from `from`), and all that follows from
 * it when that is its length: complete, placed, finals that waited for it complete too.
 * Sets the times. Refusals: GONE. */
MUST_CHECK int advance(struct conn *conn, uint64_t from, struct file *file,
		       struct outcome *outcome);
/* When an upload that is active now expires; 0 for never. */
int64_t expiry_from(const struct uploads *uploads, int64_t now);
/* Fills in how far an unfinished final reaches. Leaves others alone. */
MUST_CHECK int final_reach(struct conn *conn, struct file *file);

/* ---- content.c: the bytes of an upload at one moment ---- */

struct content_part {
	uint64_t start;
	uint64_t length;
	uint64_t num;	   /* of the blob */
	struct blob *blob; /* or */
	uint8_t *memory;
};

struct content {
	atomic_uint users;
	uint64_t length;
	bool complete;
	bool resting; /* complete, and closed: only the length is left */
	/* of one that is counted; see contents.c */
	struct contents *home;
	size_t admitted;
	bool outsize; /* it has more parts than may be open */
	uint64_t num; /* 0: nobody shares it */
	struct content *next;
	size_t count;
	struct content_part parts[];
};

/* Who asks for a content. */
struct content_user {
	bool local; /* a program of this machine, which may keep it open for long */
	const struct content *held; /* what it has of the upload so far, or NULL */
};

/* Refusals: NOT_FOUND, GONE (its bytes are damaged, which is marked and logged). */
MUST_CHECK int content_load(struct uploads *uploads, uint64_t num,
			    const struct content_user *user, struct content **content);
struct content *content_ref(struct content *content);
struct content *content_unref(struct content *content);
MUST_CHECK int content_read(const struct content *content, void *bytes, size_t size,
			    uint64_t offset, size_t *got);
/* The part that has the byte at `offset`, which must be below the length. */
const struct content_part *content_part_at(const struct content *content,
					   uint64_t offset);
void scoped_content_unref(struct content **content);
/* Whether the upload has no row any more. */
bool upload_is_gone(struct uploads *uploads, uint64_t num);
/* Marks an upload as damaged, with a line in the log. Returns GONE, or a failure. */
MUST_CHECK int mark_broken(struct uploads *uploads, const struct file *file,
			   const char *why);

/* ---- contents.c: the descriptors that readers hold, and contents of many parts ----
 */

/* At most `max` parts may be open, of which local programs leave some to others. Free
 * it after the last content. */
MUST_CHECK int contents_new(size_t max, struct contents **contents);
struct contents *contents_free(struct contents *contents);
/* The content that others read; the caller drops the reference. NULL: there is none.
 * *moment is for contents_share(). */
struct content *contents_find(struct contents *contents, uint64_t num,
			      unsigned int *moment);
/* Counts the parts that a new content is about to open, instead of what the user holds:
 * -EMFILE if that is too many. */
MUST_CHECK int contents_admit(struct contents *contents, struct content *content,
			      size_t parts, const struct content_user *user);
/* Lets others find the content of a complete upload, if it has many parts, until its
 * last reference goes or it is forgotten; not if one was forgotten since `moment`. */
void contents_share(struct content *content, uint64_t num, unsigned int moment);
void contents_forget(struct contents *contents, uint64_t num);
/* Of an admitted one. Whether that was the last, and it is to be freed. */
bool contents_unref(struct content *content);

/* ---- reader.c: open files ---- */

/* Before an upload is removed: whoever has it open reads on, to where it has come. */
void readers_catch_up(struct uploads *uploads, uint64_t num);

/* ---- verify.c: bytes that are read again for a promised checksum ---- */

/* A part whose last bytes are not committed yet. */
struct late_part {
	uint64_t blob;
	uint64_t length;
	const uint8_t *memory; /* of a small one; NULL: in its blob */
};

/* Reads all the segments' bytes. `late`, which may be NULL, stands for the segments of
 * its blob. Refusals: CHECKSUM. */
MUST_CHECK int verify_segments(struct uploads *uploads, const struct segment *segments,
			       size_t count, const struct late_part *late,
			       const struct checksum *promised);
/* The same for a final in the catalog, against what its metadata promises. Refusals:
 * CHECKSUM, NOT_FOUND. */
MUST_CHECK int verify_final(struct uploads *uploads, uint64_t num,
			    const struct late_part *late);
/* Reads a blob into a digest, from byte `from` up to `to` or the blob's end. */
MUST_CHECK int digest_blob(struct digest *digest, struct blob *blob, uint64_t from,
			   uint64_t to);
/* A promise that was verified and is a sha256 is the file's sha256. */
void keep_sha256(struct file *file, const struct checksum *verified);

/* ---- terminate.c: uploads that end ---- */

/* Removes an upload's row and all that hangs on it, and leaves a tombstone. */
MUST_CHECK int remove_upload(struct conn *conn, const struct file *file, int64_t now);
/* Removes bytes that nothing refers to any more: of an upload whose row is gone and
 * that no final uses. */
MUST_CHECK int drop_bytes(struct conn *conn, uint64_t blob, bool small);

/* Does some of what uploads_expire() does; *more: there may be more to do. */
MUST_CHECK int expire_some(struct uploads *uploads, bool *more);

/* ---- idle.c: work in the time that nobody else wants ---- */

/* Runs `work` in a thread at idle priority, and waits for it. It must take no lock that
 * others wait for. `look` is called now and then, in the calling thread: it may tell
 * the work to end. Returns what the work returns. */
MUST_CHECK int run_idle(int (*work)(void *arg), void *arg, void (*look)(void *arg));

/* ---- compact.c: finals of several segments, made one blob ---- */

/* Rewrites finals of several segments to one blob each, as far as the configuration
 * wants it now, until *stop. *later tells whether something was put off. */
MUST_CHECK int compact_all(struct uploads *uploads, const atomic_bool *stop,
			   bool *later);

/* ---- journal.c: what running writers have written, for after a crash ---- */

struct journal_entry {
	uint64_t num;
	uint64_t from;
	uint64_t to;
};

enum journal_end {
	JOURNAL_NEW,	   /* the store was never open */
	JOURNAL_CLEAN,	   /* closed in order, and all of it synced */
	JOURNAL_CRASHED,   /* the process died, the machine did not */
	JOURNAL_POWER_CUT, /* the machine did */
};

/* What the journal tells of the last run. */
struct journal_past {
	enum journal_end end;
	enum sync_level sync;	       /* that it ran with */
	struct journal_entry *entries; /* after a mere crash: what was being written */
	size_t count;
};

/* Opens the journal and tells of the last run; the caller frees past->entries. The page
 * still tells of that run, so that a repair which fails or dies is done again, until
 * journal_start(). */
MUST_CHECK int journal_open(const char *path, struct journal **journal,
			    struct journal_past *past);
/* From here on the page tells of this run, at this level: the repair is done. */
MUST_CHECK int journal_start(struct journal *journal, enum sync_level sync);
/* Closes; `clean` says that nothing is left to repair or to sync. */
struct journal *journal_close(struct journal *journal, bool clean);
/* Takes a slot for a writer; -1 when there is none, or before journal_start(), which
 * costs only what a crash keeps. */
int journal_begin(struct journal *journal, uint64_t num, uint64_t from);
void journal_written(struct journal *journal, int slot, uint64_t to);
void journal_end(struct journal *journal, int slot);
/* The next start is not to keep what arrived of this upload, should this one fail. */
void journal_forget(struct journal *journal, uint64_t num);

/* ---- parking.c: digests of whole files between two PATCHes ---- */

MUST_CHECK int parking_new(struct parking **parking);
struct parking *parking_free(struct parking *parking);
/* Keeps the digest of the first `offset` bytes of an upload; takes it over. */
void parking_put(struct parking *parking, struct upload_id id, uint64_t offset,
		 struct digest *digest);
/* Gives back the digest of exactly the first `offset` bytes, or NULL. */
struct digest *parking_take(struct parking *parking, struct upload_id id,
			    uint64_t offset);

/* ---- unsynced.c: open blobs between two appends, with SYNC_FINISH ---- */

/* At most `count` of them, and no more than some thousand. */
MUST_CHECK int unsynced_new(uint64_t count, struct unsynced **unsynced);
struct unsynced *unsynced_free(struct unsynced *unsynced);
/* Keeps the blob of an upload open, and takes it over, unless there is no place. By who
 * has claimed the upload. */
bool unsynced_keep(struct unsynced *unsynced, uint64_t num, struct blob *blob);
/* Gives it back, or NULL. */
struct blob *unsynced_take(struct unsynced *unsynced, uint64_t num);
/* Syncs them all, when nobody writes any more. False: an upload may have lost bytes,
 * and could not be marked as broken. */
bool unsynced_settle(struct uploads *uploads);

/* ---- recent.c: uploads before their first append ---- */

MUST_CHECK int recent_new(struct recent **recent);
struct recent *recent_free(struct recent *recent);
/* Keeps a copy of an upload whose creation is about to be committed. */
void recent_put(struct recent *recent, const struct file *file);
/* For one who has claimed it: the upload as it was created, and nobody has claimed it
 * since; *file is the caller's then. False: ask the catalog. */
bool recent_take(struct recent *recent, struct upload_id id, struct file *file);
/* The same for one who removes it, or did not create it after all. */
void recent_drop(struct recent *recent, struct upload_id id);

/* ---- found.c: uploads that were looked up ---- */

MUST_CHECK int found_new(struct found **found);
struct found *found_free(struct found *found);
/* Whether the upload was found in that version of the catalog; *file is the caller's
 * then. */
bool found_get(struct found *found, struct upload_id id, uint64_t version,
	       struct file *file);
/* Keeps a copy. */
void found_put(struct found *found, uint64_t version, const struct file *file);

/* ---- writer.c: an append; writer.h has the rest ---- */

/* Opens a writer on bytes that a crash left in the blob up to `to`. */
MUST_CHECK int writer_adopt(struct uploads *uploads, struct upload_id id,
			    uint64_t offset, uint64_t to,
			    struct upload_writer **writer);

/* ---- repair.c: what a start does about how the last run ended ---- */

MUST_CHECK int repair(struct uploads *uploads, const struct journal_past *past);

/* ---- janitor.c: the thread that cleans up ---- */

MUST_CHECK int janitor_new(struct uploads *uploads, struct janitor **janitor);
MUST_CHECK int janitor_start(struct janitor *janitor);
/* Stops its thread, if that runs. Takes and returns NULL. */
struct janitor *janitor_free(struct janitor *janitor);
/* There is something to remove. */
void janitor_wake(struct janitor *janitor);

/* ---- hasher.c: the thread for what finished uploads are still owed ---- */

MUST_CHECK int hasher_new(struct uploads *uploads, struct hasher **hasher);
MUST_CHECK int hasher_start(struct hasher *hasher);
/* Stops its thread, if that runs. Takes and returns NULL. */
struct hasher *hasher_free(struct hasher *hasher);
/* There is something to hash. */
void hasher_wake(struct hasher *hasher);

#endif
