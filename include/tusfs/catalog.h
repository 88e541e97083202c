/* The catalog: what is known of every upload, folder and name, in SQLite.
 *
 * One connection writes, in transactions shared by all who wait (catalog_commit); a
 * pool of connections reads, each question a snapshot of what is committed. Rows are
 * given as plain values. Row functions take the connection they run on: one from
 * catalog_reader(), or the one that an apply function is given. A connection belongs to
 * one thread at a time. Only the engine may use this module. */
#ifndef TUSFS_CATALOG_H
#define TUSFS_CATALOG_H

#include "tusfs/error.h"
#include "tusfs/file.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct catalog;
struct conn;

/* Opens or makes the catalog in the file `path`, and brings its schema up to date.
 * Refusals: INVALID (made by a newer version), GONE (damaged, or another program's).
 * Both are logged. */
MUST_CHECK int catalog_open(const char *path, struct catalog **catalog);
struct catalog *catalog_close(struct catalog *catalog);

/* A connection to ask on; waits while all are in use, so a thread takes one at most.
 * Given back by conn_release(). */
struct conn *catalog_reader(struct catalog *catalog);
void conn_release(struct conn **conn);

/* Changes the catalog inside the transaction of a commit; what it returns is what the
 * commit returns for it. It leaves no trace unless it returns 0. It can be run more
 * than once, so it must not depend on what an earlier run left in `arg`. */
typedef int catalog_apply(struct conn *conn, void *arg);

/* Applies a change and commits it, together with those of other threads that wait.
 * Durable changes survive a power cut once this has returned 0; others survive the end
 * of the process. */
MUST_CHECK int catalog_commit(struct catalog *catalog, bool durable,
			      catalog_apply *apply, void *arg);

/* One of several changes that one thread has at a time. */
struct catalog_change {
	catalog_apply *apply;
	void *arg;
	bool durable;
	int result;		     /* as catalog_commit() would return */
	struct catalog_change *next; /* of the same thread; void after the commit */
	/* the catalog's own */
	unsigned int batch;
	atomic_bool done;
};
/* Commits a list of changes as if each had a thread of its own that calls
 * catalog_commit(): one that is refused leaves the others alone. `last` is its end. */
void catalog_commit_all(struct catalog *catalog, struct catalog_change *first,
			struct catalog_change *last);

/* The version of what is committed: while it is the same before and after a question,
 * no commit has changed the answer. CATALOG_CHANGING while a commit is under way, whose
 * changes may be seen or not. Thread-safe, and takes no lock. */
#define CATALOG_CHANGING 0
uint64_t catalog_version(struct catalog *catalog);

/* Copies what the write-ahead log holds into the catalog's file, without stopping
 * anybody; a log of over 64 MiB begins anew then. By one thread at a time. */
MUST_CHECK int catalog_checkpoint(struct catalog *catalog);
/* The same when it is time: when nobody has committed since the last call, or when
 * there are 128 MiB to copy. For the janitor, twice a second. */
MUST_CHECK int catalog_tend_log(struct catalog *catalog);

/* Whether the catalog has the room set aside that it needs to go on while the disk is
 * full: to remove uploads, and to commit what has come. Without it nothing new should
 * be taken in. */
bool catalog_has_room(struct catalog *catalog);

/* ---- files ---- */

/* The caller releases *file in all of these. Refusals: NOT_FOUND; by id also GONE. */
MUST_CHECK int catalog_file(struct conn *conn, uint64_t num, struct file *file);
MUST_CHECK int catalog_file_with_id(struct conn *conn, struct upload_id id,
				    struct file *file);
MUST_CHECK int catalog_file_named(struct conn *conn, uint64_t parent, const char *name,
				  struct file *file);
MUST_CHECK int catalog_name_taken(struct conn *conn, uint64_t parent, const char *name,
				  bool *taken);

/* The last num that was used up; the next one is the one after it. A row uses one, and
 * so does one that was not added since its name is taken. */
MUST_CHECK int catalog_last_num(struct conn *conn, uint64_t *num);
/* Adds a row for every member but `num`, which is set. Refusals: EXISTS (the name is
 * taken in that folder). */
MUST_CHECK int catalog_add(struct conn *conn, struct file *file);
/* Writes offset, length, times and expiry of an upload whose offset in the catalog is
 * `from`. Refusals: GONE (no such row, or another offset). */
MUST_CHECK int catalog_advance(struct conn *conn, uint64_t from,
			       const struct file *file);
/* The same, and that it is seen in complete/ and not in incoming/ any more. */
MUST_CHECK int catalog_finish(struct conn *conn, uint64_t from,
			      const struct file *file);
/* Writes parent, name, arriving, shown, modified and changed. */
MUST_CHECK int catalog_place(struct conn *conn, const struct file *file);
MUST_CHECK int catalog_set_sha256(struct conn *conn, uint64_t num,
				  const uint8_t sha256[32]);
MUST_CHECK int catalog_set_broken(struct conn *conn, uint64_t num);
MUST_CHECK int catalog_set_expires(struct conn *conn, uint64_t num, int64_t when);
/* Sets `changed`, and `modified` as well when `modified` is given, to `when`, or to
 * when the transaction began if that is later. Of several calls in a row for one row,
 * in one transaction, the first counts: each change of a batch has the same folder. */
MUST_CHECK int catalog_touch(struct conn *conn, uint64_t num, int64_t when,
			     bool modified);
/* Removes the row and its attributes. */
MUST_CHECK int catalog_remove(struct conn *conn, uint64_t num);

enum catalog_view { CATALOG_SHOWN, CATALOG_ARRIVING, CATALOG_UPLOADS };

/* Calls `row` for the files of a view in the order of num, after `after`, until it
 * returns false. *file is borrowed. */
MUST_CHECK int catalog_list(struct conn *conn, enum catalog_view view, uint64_t parent,
			    uint64_t after,
			    bool (*row)(void *arg, const struct file *file), void *arg);
/* At most `room` uploads: that expire at `now` or before, the earliest first; complete
 * ones whose sha256 is not known; those that are receiving. After num `after`. */
MUST_CHECK int catalog_expired(struct conn *conn, int64_t now, uint64_t *nums,
			       size_t room, size_t *count);
MUST_CHECK int catalog_unhashed(struct conn *conn, uint64_t after, uint64_t *nums,
				size_t room, size_t *count);
MUST_CHECK int catalog_receiving(struct conn *conn, uint64_t after, uint64_t *nums,
				 size_t room, size_t *count);

/* ---- bytes ---- */

/* A final upload's parts, in order. */
struct segment {
	uint64_t blob;	   /* num of the upload that the bytes came with */
	bool small;	   /* they are in the catalog */
	bool length_known; /* false while that part is arriving */
	uint64_t length;
	/* while it is arriving: what is known of the part */
	uint64_t reached;
	bool part_length_known;
	uint64_t part_length;
};

MUST_CHECK int catalog_add_segment(struct conn *conn, uint64_t num, uint64_t position,
				   const struct segment *segment);
/* The caller frees *segments. */
MUST_CHECK int catalog_segments(struct conn *conn, uint64_t num,
				struct segment **segments, size_t *count);
/* At most `room` finals that have more than one segment, after num `after`. */
MUST_CHECK int catalog_scattered(struct conn *conn, uint64_t after, uint64_t *nums,
				 size_t room, size_t *count);
MUST_CHECK int catalog_remove_segments(struct conn *conn, uint64_t num);
/* Tells all finals the length of a part that is complete now. */
MUST_CHECK int catalog_complete_segments(struct conn *conn, uint64_t blob,
					 uint64_t length);
/* The uploads that have a segment of `blob`, each once; the caller frees *nums. */
MUST_CHECK int catalog_users(struct conn *conn, uint64_t blob, uint64_t **nums,
			     size_t *count);
MUST_CHECK int catalog_has_users(struct conn *conn, uint64_t blob, bool *has);
/* Has the finals that wait for a part expire at `when`. */
MUST_CHECK int catalog_abandon_finals(struct conn *conn, uint64_t blob, int64_t when);
/* Whether a final still waits for a part, and the sum of the lengths known. */
MUST_CHECK int catalog_final_sum(struct conn *conn, uint64_t num, bool *waits,
				 uint64_t *sum);
/* Whether any final would have more than `max` bytes if the part had `length`. */
MUST_CHECK int catalog_finals_exceed(struct conn *conn, uint64_t blob, uint64_t length,
				     uint64_t max, bool *exceed);
/* When the last of its parts expires; INT64_MAX if one never does; 0 if none is left,
 * or one is gone that never was complete. */
MUST_CHECK int catalog_final_expires(struct conn *conn, uint64_t num, int64_t *when);
/* The finals, made at `since` or later, whose first segment is `blob`: the newest 16 of
 * them, newest first; the caller frees *nums. */
MUST_CHECK int catalog_finals_from(struct conn *conn, uint64_t blob, int64_t since,
				   uint64_t **nums, size_t *count);

/* Small bodies. The caller frees *bytes. Refusals: NOT_FOUND. */
MUST_CHECK int catalog_set_body(struct conn *conn, uint64_t num, const void *bytes,
				size_t size);
MUST_CHECK int catalog_body(struct conn *conn, uint64_t num, uint8_t **bytes,
			    size_t *size);
MUST_CHECK int catalog_remove_body(struct conn *conn, uint64_t num);

/* Blobs that nothing refers to, to be removed from the store. */
MUST_CHECK int catalog_add_trash(struct conn *conn, uint64_t blob);
/* Those after `after`, in their order. */
MUST_CHECK int catalog_trash(struct conn *conn, uint64_t after, uint64_t *blobs,
			     size_t room, size_t *count);
/* Writes a row as it is, so that a durable commit has something to write: with it, all
 * that was committed before becomes durable. */
MUST_CHECK int catalog_touch_trash(struct conn *conn, uint64_t blob);
MUST_CHECK int catalog_remove_trash(struct conn *conn, uint64_t blob);

/* ---- the rest ---- */

MUST_CHECK int catalog_add_tombstone(struct conn *conn, struct upload_id id,
				     int64_t when);
/* Forgets at most `limit` tombstones from before `when`; *count were. */
MUST_CHECK int catalog_forget_tombstones(struct conn *conn, int64_t when, size_t limit,
					 size_t *count);

/* Attributes of users. The caller frees *value, *names. Refusals: NOT_FOUND. */
MUST_CHECK int catalog_attribute(struct conn *conn, uint64_t num, const char *name,
				 char **value, size_t *size);
MUST_CHECK int catalog_set_attribute(struct conn *conn, uint64_t num, const char *name,
				     const void *value, size_t size);
MUST_CHECK int catalog_remove_attribute(struct conn *conn, uint64_t num,
					const char *name);
MUST_CHECK int catalog_attribute_names(struct conn *conn, uint64_t num, char **names,
				       size_t *size);
/* Bytes of names and values together. */
MUST_CHECK int catalog_attributes_size(struct conn *conn, uint64_t num, uint64_t *size);

void scoped_catalog_close(struct catalog **catalog);

#endif
