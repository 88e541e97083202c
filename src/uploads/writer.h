/* An append in progress: what the files share that make one. writer.c begins and ends
 * it, the others have what lies between. */
#ifndef TUSFS_UPLOADS_WRITER_H
#define TUSFS_UPLOADS_WRITER_H

#include "engine.h"

/* Pieces of this size go straight to the blob; smaller ones are gathered first. */
#define DIRECT_BYTES (64 * 1024)
#define GATHER_BYTES (256 * 1024)

/* What an append has written in one of two ways, and how long that took, in
 * microseconds. */
struct throughput {
	uint64_t bytes;
	int64_t time;
};

struct upload_writer {
	struct uploads *uploads;
	struct live *live; /* the claim; NULL once the append has ended */
	struct upload_append append;
	struct file file;  /* as committed; owned */
	uint64_t start;	   /* file.offset when the append began */
	bool in_blob;	   /* it was neither small nor complete when this began */
	struct blob *blob; /* NULL while it is not needed: see writer_take_blob() */
	bool unsynced;	   /* bytes or its name, also what was left before this began */
	uint64_t written;  /* bytes in the blob, from the start of the upload */
	uint8_t *buffer;   /* gathered bytes; of a small upload, all of it */
	size_t buffered;
	bool failed; /* a write failed: only cut is left */
	bool ended;
	struct digest *part; /* of this body, when the algorithm is known */
	/* Of the upload so far: as its metadata promises, or the sha256 of one that
	 * comes slowly enough; NULL when the bytes are to be read again instead. */
	struct digest *whole;
	struct checksum promised; /* for the whole; DIGEST_NONE when there is none */
	int slot;		  /* in the journal */
	uint64_t pushed;	  /* what write-out was started for */
	/* what has room on the disk, as far as this append set it aside; UINT64_MAX
	 * when it need not or cannot */
	uint64_t allocated;
	uint64_t far_bytes;		    /* its part of those of `uploads` */
	struct throughput cached, uncached; /* through the page cache, and past it */
	int64_t began;			    /* monotonic */
	int64_t checkpoint;		    /* monotonic time of the next one */
};

/* ---- append.c: the bytes ---- */

/* Where the next byte goes, from the start of the upload. */
uint64_t writer_position(const struct upload_writer *writer);
/* Writes what was gathered. */
MUST_CHECK int writer_flush(struct upload_writer *writer);
/* Before `file` is released. */
void writer_release_buffer(struct upload_writer *writer);

/* ---- hold.c: where they are ---- */

/* Opens the blob of an append that is `in_blob`, unless it is open. Refusals: GONE. */
MUST_CHECK int writer_take_blob(struct upload_writer *writer);
/* For when all that was written to it is synced: closes it where many uploads run. A
 * slow one waits for its next bytes nearly all of the time, and ten thousand need not
 * have a descriptor each for that. Where the sync level leaves anything unsynced it
 * stays open: that it could not be written out later would be told to nobody. */
void writer_let_blob_go(struct upload_writer *writer);
/* Whether room for the whole is to be set aside. Not with the creation, which makes no
 * blob: uploads that never begin are the ones that nobody ends. */
bool writer_reserves(const struct upload_writer *writer);
/* Sets it aside, if so. Refusals: NO_SPACE. */
MUST_CHECK int writer_reserve(struct upload_writer *writer);
/* Makes the bytes ready that the append goes on from: `end` of them, more than were
 * committed where a crash left some. Refusals: GONE, NO_SPACE, BUSY (`at_once`, and
 * they are not there yet). */
MUST_CHECK int writer_open_bytes(struct upload_writer *writer, uint64_t end);

/* ---- stream.c: how they reach the disk ---- */

/* Whether bytes come faster than they could be hashed on the way; the other appends are
 * taken to be as fast as this one. */
bool writer_is_fast(const struct upload_writer *writer);
/* Writes to the blob, which is open, behind what is written; errors as blob_write(). */
MUST_CHECK int writer_write(struct upload_writer *writer, const void *bytes,
			    size_t size);
/* Sets room aside before `size` bytes are written, where they come fast. */
void writer_allocate_ahead(struct upload_writer *writer, size_t size);
/* Gives back what was set aside for bytes that did not come. */
void writer_give_room_back(struct upload_writer *writer);

/* ---- writer.c: an append ends ---- */

/* Makes durable what was written, as far as the sync level asks for it now, and commits
 * it as the upload's offset. Tells nobody yet: that is for the outcome, after the claim
 * was given back. Refusals: GONE. */
MUST_CHECK int writer_advance(struct upload_writer *writer, struct outcome *outcome);
/* The same, once finals that this would complete are verified, if they promise a
 * checksum. Refusals: GONE, CHECKSUM. */
MUST_CHECK int writer_advance_verified(struct upload_writer *writer,
				       struct outcome *outcome);
/* Takes back what was not committed. */
void writer_discard(struct upload_writer *writer);
/* Gives the upload back: the append has ended with `r`. */
void writer_give_back(struct upload_writer *writer, int r);

/* What a transaction makes of an append: what it is to commit, and the upload as it
 * became, with the strings of the writer's. */
struct writer_step {
	struct upload_writer *writer;
	struct outcome *outcome;
	struct file file;
};
/* Applies a step. */
MUST_CHECK int writer_apply(struct conn *conn, void *step);
/* Whether the commit of what came by now must be durable. */
bool writer_must_be_durable(const struct upload_writer *writer);

/* ---- promises.c: the checksums that were promised ---- */

/* Compares what this append wrote with the checksum promised for it. Refusals:
 * CHECKSUM, INVALID (one was promised, and did not come). */
MUST_CHECK int writer_check_part(struct upload_writer *writer,
				 const struct checksum *checksum);
/* Compares the upload with the checksum that its metadata promised, when this append
 * completes it. Refusals: CHECKSUM. */
MUST_CHECK int writer_check_whole(struct upload_writer *writer);

#endif
