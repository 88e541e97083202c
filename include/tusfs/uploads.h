/* The engine: the life of an upload, behind both doors.
 *
 *     create --> receiving --(offset = length)--> complete --> gone
 *                  |  `-- expires, terminate -------------------^
 *                  `-- one writer at a time; a newcomer asks the running one to stop
 *
 * What is gone answers GONE for a while (tombstone_time).
 *
 * An upload is a row in the catalog and bytes in the store. Only this module changes
 * either. Bytes are durable before the row counts them (as far as `sync` says), so
 * after a crash the blob may be longer than the row says, never shorter. Whoever reads
 * sees committed bytes only, and waits for no writer.
 *
 * All functions are thread-safe; calls on different uploads run in parallel. They may
 * wait for the disk; those that need an upload's writer to stop wait for that, 5 s at
 * most, and say so. None may be called from an observer that is told FINISHING. */
#ifndef TUSFS_UPLOADS_H
#define TUSFS_UPLOADS_H

#include "tusfs/concat.h"
#include "tusfs/digest.h"
#include "tusfs/error.h"
#include "tusfs/file.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/statvfs.h>

struct uploads;

enum sync_level {
	SYNC_ALWAYS, /* an acknowledged offset survives a power cut */
	SYNC_FINISH, /* a finished upload does; offsets survive a crash of tusfs */
	SYNC_NEVER,  /* everything survives a crash of tusfs, nothing a power cut */
};

/* Whether finals of several parts are rewritten to one blob, so that the kernel can
 * read them by passthrough. */
enum compact_mode {
	COMPACT_OFF,
	COMPACT_IDLE,	/* while nobody is writing */
	COMPACT_ALWAYS, /* as soon as they are complete */
};

struct uploads_config {
	enum sync_level sync;
	enum compact_mode compact;
	uint64_t max_size;	/* bytes; 0 is no limit */
	int64_t expire_after;	/* microseconds of inactivity; 0 is never */
	int64_t tombstone_time; /* microseconds that a terminated id answers GONE */
	/* Sets room aside for the whole of a known length with its first append. */
	bool reserve;
};

/* What happened, told to the doors. */
enum upload_event_type {
	UPLOAD_CREATED,	     /* in incoming/ or partial/ */
	UPLOAD_FINISHING,    /* about to become complete: see below */
	UPLOAD_FINISHED,     /* complete: moved from incoming/ to complete/ */
	UPLOAD_NOT_FINISHED, /* the commit after FINISHING failed; nothing changed */
	UPLOAD_GONE,	     /* terminated or expired, by another way than the mount */
};

struct upload_event {
	enum upload_event_type type;
	const struct file *file; /* as it is now; for GONE, as it was; borrowed */
	/* The outermost folder that this event made visible in complete/, or 0 */
	uint64_t revealed;	  /* its num */
	uint64_t revealed_parent; /* its parent's num */
	struct name revealed_name;
	/* Of GONE: the innermost folder above it that is there still, from which on
	 * folders may have other times now; those that only it was in went with it. */
	uint64_t left;
};

/* Called in the thread that caused the event, with no lock held and the upload's writer
 * already released; the call that caused it returns, and so its door answers, only
 * after the observer has returned. Not called for what the mount itself asked for
 * (uploads_unlink, uploads_rename, ...): that caller knows.
 * Exception: UPLOAD_FINISHING comes before the commit and from inside the catalog's
 * transaction: it may only make a note (`file` has just num, parent and name), and can
 * come twice. One FINISHED or NOT_FINISHED follows for each num noted. */
struct uploads_observer {
	void (*happened)(void *arg, const struct upload_event *event);
	/* Whether `happened` would wait for somebody now; NULL: never. */
	bool (*waits)(void *arg);
	void *arg;
};

/* Opens the catalog and the store in the folder `path`, creating them where they are
 * absent, and repairs what a crash left. The caller owns *uploads. Refusals: BUSY
 * (another daemon has the store), INVALID (a store of a newer version; logged), GONE
 * (the catalog is damaged, or missing while there are blobs; logged). */
MUST_CHECK int uploads_open(const char *path, const struct uploads_config *config,
			    struct uploads **uploads);
/* Stops the background threads and closes. All writers and readers must have ended. */
struct uploads *uploads_close(struct uploads *uploads);
/* Whether the last run on the store in the folder `path` ended in order, or there was
 * none. Changes nothing; for fsck. */
MUST_CHECK int uploads_ended_in_order(const char *path, bool *ended);
/* At most one observer at a time; NULL takes it away, once no call of it is running.
 * Not from within one. */
void uploads_observe(struct uploads *uploads, const struct uploads_observer *observer);
/* Whether to end a change may take long, since the observer waits for somebody: perhaps
 * for one who waits for a change that is begun and not committed. */
bool uploads_observer_waits(struct uploads *uploads);
/* Starts the janitor (expiry, forgotten tombstones, removal of blobs, checkpoints) and
 * the hasher. Call once, after the doors have registered and after any fork. */
MUST_CHECK int uploads_start_threads(struct uploads *uploads);
/* Asks every running writer to stop, and keeps new ones out: the first step of a stop.
 * Waits for them, but not much longer than half a second. */
void uploads_stop_writers(struct uploads *uploads);

/* ---- create, look, terminate: by id, for the HTTP door ---- */

struct upload_request {
	enum file_kind kind; /* FILE_PLAIN, FILE_PARTIAL or FILE_FINAL */
	bool length_known;   /* false: deferred; not for a final */
	uint64_t length;
	const char *metadata;	       /* as received and found valid, or NULL */
	const char *concat;	       /* as received, or NULL */
	const struct upload_id *parts; /* of a final */
	size_t parts_count;
	/* The first bytes, of an upload of at most UPLOADS_SMALL_MAX and known length:
	 * they are committed with it, in one transaction. */
	const void *body;
	size_t body_size;
};

#define UPLOADS_SMALL_MAX (16 * 1024)

/* Creates an upload. The caller releases *file with file_release().
 * A final with the same parts and metadata as one made within the last minute gives
 * that one. Refusals: TOO_LARGE (max_size), NO_SPACE, PART (unknown, not partial,
 * itself final), CHECKSUM (the metadata's `checksum` does not match a body that
 * completes it), LENGTH (more body than length, or a body of an upload that is not so
 * small). */
MUST_CHECK int uploads_create(struct uploads *uploads,
			      const struct upload_request *request, struct file *file);

/* Looks at an upload, and disturbs nobody. For an unfinished final, `offset` is how far
 * its parts reach without a gap, and length_known tells whether all parts' lengths are
 * known. The caller releases *file. Refusals: NOT_FOUND, GONE. */
MUST_CHECK int uploads_find(struct uploads *uploads, struct upload_id id,
			    struct file *file);
/* The same, after a running writer was stopped and what it had is committed: what HEAD
 * needs before a client resumes. Refusals: NOT_FOUND, GONE, BUSY. */
MUST_CHECK int uploads_settle(struct uploads *uploads, struct upload_id id,
			      struct file *file);
/* The same, but refuses with BUSY at once when there is a running writer. */
MUST_CHECK int uploads_find_settled(struct uploads *uploads, struct upload_id id,
				    struct file *file);
/* Ends an upload in any state; stops a running writer, which commits nothing more.
 * Works on a full disk too. Readers that have it open read on. Refusals: NOT_FOUND,
 * GONE, BUSY. */
MUST_CHECK int uploads_terminate(struct uploads *uploads, struct upload_id id);

/* ---- append ---- */

struct upload_writer; /* the right to append to one upload; at most one lives */

struct upload_append {
	uint64_t offset; /* Upload-Offset */
	bool size_known; /* the body's size, from Content-Length */
	uint64_t size;
	bool declares_length; /* Upload-Length came with it */
	uint64_t length;
	/* A checksum was promised, so nothing is kept or seen unless it matches at the
	 * end. The algorithm is DIGEST_NONE while only a trailer will tell. */
	bool checked;
	enum digest_algorithm algorithm;
	/* Refuses with BUSY rather than waits: when somebody has the upload, or when it
	 * is complete, or not so small that its bytes are in the catalog. */
	bool at_once;
	/* Called from another thread when a newcomer wants the upload: it must make the
	 * owner of the writer come to its end soon, without blocking. Called a second
	 * time half a second later, when it must do so at once (shutdown(2) of the
	 * socket). Never called once commit, cut or upload_writer_free() has returned.
	 */
	void (*stop)(void *arg);
	void *arg;
};

/* Starts an append. A writer that runs already is asked to stop, and what it had is
 * committed, before this one's offset is compared. The caller owns *writer, which
 * belongs to one thread at a time. Refusals: NOT_FOUND, GONE, BUSY, FINAL, OFFSET,
 * LENGTH (contradicts the length known, or is below the offset), TOO_LARGE (offset +
 * size is past the length, or max_size), NO_SPACE. */
MUST_CHECK int upload_writer_open(struct uploads *uploads, struct upload_id id,
				  const struct upload_append *append,
				  struct upload_writer **writer);
/* Appends. Pieces of any size; small ones are gathered. Long bodies are checkpointed.
 * Refusals: TOO_LARGE (past the length; what fits is kept when the append is not
 * checked), STOPPED (half a second after it was asked to, or once somebody ends the
 * upload; these bytes are not taken). After any of these, or a failure, only cut and
 * free are left. */
MUST_CHECK int upload_writer_put(struct upload_writer *writer, const void *bytes,
				 size_t size);
/* How long to wait for more bytes, in milliseconds, before upload_writer_idle() is
 * called; below 0: for ever. */
int upload_writer_patience(const struct upload_writer *writer);
/* Nothing has come for that long: commits what has, so that readers see it. Fails as
 * upload_writer_put() does. */
MUST_CHECK int upload_writer_idle(struct upload_writer *writer);
/* Ends an append whose body came whole: bytes durable, then the offset, in that order;
 * the upload becomes complete when the offset reaches the length. `checksum` is what
 * was promised, or NULL; one that was not promised is verified all the same, but what a
 * long append had committed before its end stays; DIGEST_NONE in it matches nothing. On
 * success *file is the upload as it is now, released by the caller. Refusals: CHECKSUM
 * (the promised one, or the whole file's: the offset is as it was before), INVALID
 * (checked, but no checksum came), STOPPED, GONE. After a failure what could be written
 * is kept by cut or free, unless it could not be made durable. */
MUST_CHECK int upload_writer_commit(struct upload_writer *writer,
				    const struct checksum *checksum, struct file *file);
/* Ends an append whose body broke off, was too long or could not be written: what came
 * is kept and committed, unless a checksum was promised, or somebody waits to end the
 * upload. *file as above. Refusals: GONE. */
MUST_CHECK int upload_writer_cut(struct upload_writer *writer, struct file *file);
/* Releases the upload; an append that was not ended is cut. Takes and returns NULL. */
struct upload_writer *upload_writer_free(struct upload_writer *writer);

/* ---- several at once: for a door that has many small requests at a time ---- */

/* A creation, or a whole append to a small upload, that needs only to be committed. It
 * belongs to one thread at a time. */
struct upload_change;

/* Begins what uploads_create() does, which must not be a final; *request is copied, and
 * what it borrows must stay until the end. The caller owns *change. Refusals: as
 * uploads_create(). */
MUST_CHECK int upload_change_create(struct uploads *uploads,
				    const struct upload_request *request,
				    struct upload_change **change);
/* Begins an append whose bytes (append->size of them) are all there, and without a
 * promised checksum; takes them in, so that they need not stay. It is done `at_once`,
 * or refused. The caller owns *change. Refusals: as upload_writer_open() and
 * upload_writer_commit(). */
MUST_CHECK int upload_change_append(struct uploads *uploads, struct upload_id id,
				    const struct upload_append *append,
				    const void *bytes, struct upload_change **change);
/* Commits changes in as few transactions as can be. Each is refused, or fails, by
 * itself. */
void upload_changes_commit(struct uploads *uploads,
			   struct upload_change *const *changes, size_t count);
/* After the commit of all that were begun together: tells the observer, frees the
 * change, and returns how it ended: with 0, *file is the upload as it is now, released
 * by the caller. Refusals: as uploads_create() or upload_writer_commit(). */
MUST_CHECK int upload_change_end(struct upload_change *change, struct file *file);

/* ---- read ---- */

struct upload_reader; /* an open file: its bytes stay until it is closed */

/* Opens an upload's bytes, in any state; a partial too. The caller owns *reader. A
 * reader may be used by several threads at once. Refusals: NOT_FOUND, GONE. */
MUST_CHECK int upload_reader_open(struct uploads *uploads, uint64_t num,
				  struct upload_reader **reader);
/* The same for a program of this machine, which may keep the file open for as long as
 * it likes: those together hold only so many descriptors that enough are left to
 * clients. One more is -EMFILE. */
MUST_CHECK int upload_reader_open_local(struct uploads *uploads, uint64_t num,
					struct upload_reader **reader);
struct upload_reader *upload_reader_close(struct upload_reader *reader);
/* Committed bytes now, and whether that is all there will ever be. */
uint64_t upload_reader_size(struct upload_reader *reader, bool *complete);
/* Reads committed bytes until `size` or the end: *got tells. */
MUST_CHECK int upload_reader_read(struct upload_reader *reader, void *bytes,
				  size_t size, uint64_t offset, size_t *got);

struct upload_extent {
	uint64_t length; /* bytes from the offset asked for to the end of the extent */
	int fd;		 /* -1: the bytes are in memory */
	uint64_t fd_offset; /* where in fd */
	const void *memory; /* where in memory */
};
/* Where the byte at `offset` of a complete upload is, for sendfile(2). Everything is
 * borrowed from the reader. Refusals: NOT_FOUND (at or past the end). */
MUST_CHECK int upload_reader_extent(struct upload_reader *reader, uint64_t offset,
				    struct upload_extent *extent);
/* The one descriptor that holds exactly the bytes of a complete upload, borrowed; -1
 * when there is none (incomplete, several segments, small bytes in the catalog). For
 * kernel passthrough. Refusals: NOT_FOUND, GONE (of one that rests). */
MUST_CHECK int upload_reader_whole_fd(struct upload_reader *reader, int *fd);
/* Closes what is open of a complete upload. Its size is still known; who wants bytes
 * has it opened again, which fails once the upload is gone. */
void upload_reader_rest(struct upload_reader *reader);

/* ---- names and folders, for the mount. Folders are FILE_NUM_TREE, FILE_NUM_PARTIAL,
 * or the num of a folder. What is visible in which view is told by file.arriving and
 * file.shown; the callers decide. None of these tells the observer. ---- */

/* Refusals: NOT_FOUND. The caller releases *file. */
MUST_CHECK int uploads_lookup(struct uploads *uploads, uint64_t folder,
			      const char *name, struct file *file);
/* Refusals: NOT_FOUND (also for a num whose upload is gone). The caller releases *file.
 */
MUST_CHECK int uploads_stat(struct uploads *uploads, uint64_t num, struct file *file);
/* The same by id, also for one that is damaged. Refusals: NOT_FOUND, GONE. */
MUST_CHECK int uploads_stat_id(struct uploads *uploads, struct upload_id id,
			       struct file *file);

enum uploads_view { VIEW_COMPLETE, VIEW_INCOMING, VIEW_ALL /* by-id: every upload */ };

/* Lists what a view shows in a folder (VIEW_ALL ignores it), in the order of num,
 * beginning after num `after`. Calls `entry` until it returns false; it must not call
 * the engine. *file is borrowed for the call. */
MUST_CHECK int uploads_list(struct uploads *uploads, enum uploads_view view,
			    uint64_t folder, uint64_t after,
			    bool (*entry)(void *arg, const struct file *file),
			    void *arg);

/* The names of an upload's folders and its own, from the root of the tree, joined by /;
 * the caller frees it. Refusals: NOT_FOUND. */
MUST_CHECK int uploads_tree_path(struct uploads *uploads, uint64_t num, char **path);

/* rm: terminates an upload, as uploads_terminate does. *file, as it was, released by
 * the caller; *left as in an event. Refusals: NOT_FOUND, BUSY, IS_FOLDER. */
MUST_CHECK int uploads_unlink(struct uploads *uploads, uint64_t num, struct file *file,
			      uint64_t *left);
/* mkdir in complete/. The caller releases *file. Refusals: EXISTS, NOT_FOUND, NAME. */
MUST_CHECK int uploads_make_folder(struct uploads *uploads, uint64_t folder,
				   const char *name, struct file *file);
/* rmdir in complete/. Refusals: NOT_FOUND, NOT_FOLDER, NOT_EMPTY. */
MUST_CHECK int uploads_remove_folder(struct uploads *uploads, uint64_t folder,
				     const char *name);
struct upload_rename {
	uint64_t from, to; /* folders */
	const char *name, *new_name;
	uint64_t num;  /* what the caller has seen under the name */
	uint64_t seen; /* and under the new one, or 0 */
};

/* rename(2) in complete/. Only `seen` is replaced: a complete upload is terminated
 * then, and *replaced is its num, or else 0. Refusals: NOT_FOUND (also when something
 * else has the name by now), EXISTS (the same of the new name, such as an upload that
 * just finished), NOT_EMPTY, NOT_FOLDER, IS_FOLDER, NAME, INVALID (into itself). */
MUST_CHECK int uploads_rename(struct uploads *uploads,
			      const struct upload_rename *request, uint64_t *replaced);

/* ---- attributes that a user sets ---- */

#define UPLOADS_ATTRIBUTES_MAX (64 * 1024) /* bytes of names and values on one file */

/* Refusals: NOT_FOUND. *value has *size bytes; the caller frees it. */
MUST_CHECK int uploads_get_attribute(struct uploads *uploads, uint64_t num,
				     const char *name, char **value, size_t *size);
/* `flags` as of setxattr(2). Refusals: NOT_FOUND, EXISTS, TOO_LARGE. */
MUST_CHECK int uploads_set_attribute(struct uploads *uploads, uint64_t num,
				     const char *name, const void *value, size_t size,
				     int flags);
/* Refusals: NOT_FOUND. */
MUST_CHECK int uploads_remove_attribute(struct uploads *uploads, uint64_t num,
					const char *name);
/* The names, each with its NUL, one after the other; the caller frees them. */
MUST_CHECK int uploads_list_attributes(struct uploads *uploads, uint64_t num,
				       char **names, size_t *size);
/* When a complete upload is removed, in microseconds since the epoch; 0 takes it back.
 * Refusals: NOT_FOUND, PERMISSION (not complete). */
MUST_CHECK int uploads_set_expiry(struct uploads *uploads, uint64_t num, int64_t when);

/* ---- the whole ---- */

/* Room and use of the file system that the store is on. */
MUST_CHECK int uploads_space(struct uploads *uploads, struct statvfs *space);
/* Removes the blobs of what is gone, and copies the catalog's log into its file: what
 * the janitor does all the time. For the janitor and for tests. */
MUST_CHECK int uploads_clean(struct uploads *uploads);
/* Removes what has expired by now and forgets old tombstones: what the janitor does, in
 * bounded batches. For the janitor and for tests. */
MUST_CHECK int uploads_expire(struct uploads *uploads);

void scoped_upload_writer_free(struct upload_writer **writer);
void scoped_upload_reader_close(struct upload_reader **reader);

#endif
