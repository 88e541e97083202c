/* An append begins and ends here; append.c has what lies between. */
#include "writer.h"

#include "tusfs/clock.h"
#include "tusfs/fault_point.h"
#include "tusfs/log.h"
#include "tusfs/metadata.h"

#include <errno.h>

/* ---- begin ---- */

static int read_row(struct uploads *uploads, struct upload_id id, struct file *file)
{
	SCOPED(conn_release) struct conn *conn = catalog_reader(uploads->catalog);

	return catalog_file_with_id(conn, id, file);
}

static int find_row(struct uploads *uploads, struct upload_id id, struct file *file)
{
	int r = recent_take(uploads->recent, id, file) ? 0
						       : read_row(uploads, id, file);

	if (!r && file->broken)
		return REFUSED_GONE;
	return r;
}

/* Finals that wait for a part are bounded as well. */
static int check_finals(struct conn *conn, const struct upload_writer *writer)
{
	uint64_t max = writer->uploads->config.max_size;
	bool exceed = false;
	int r = 0;

	if (max && writer->append.declares_length && writer->file.kind == FILE_PARTIAL)
		r = catalog_finals_exceed(conn, writer->file.num, writer->append.length,
					  max, &exceed);
	if (r)
		return r;
	return exceed ? REFUSED_TOO_LARGE : 0;
}

static int check_finals_now(const struct upload_writer *writer)
{
	SCOPED(conn_release)
	struct conn *conn = catalog_reader(writer->uploads->catalog);

	return check_finals(conn, writer);
}

/* Upload-Length, which may come late, and may come again if it is the same. */
static int declare_length(struct upload_writer *writer)
{
	const struct upload_append *append = &writer->append;
	struct file *file = &writer->file;
	uint64_t max = writer->uploads->config.max_size;
	int r;

	if (!append->declares_length)
		return 0;
	if (file->length_known)
		return append->length == file->length ? 0 : REFUSED_LENGTH;
	if (append->length < file->offset)
		return REFUSED_LENGTH;
	if (max && append->length > max)
		return REFUSED_TOO_LARGE;
	r = check_finals_now(writer);
	if (r)
		return r;
	file->length = append->length;
	file->length_known = true;
	return file->length > file->offset /* as at a creation */
		       ? check_room(writer->uploads, file->length - file->offset)
		       : 0;
}

static int check_size(struct upload_writer *writer)
{
	const struct upload_append *append = &writer->append;
	uint64_t end, max = writer->uploads->config.max_size;

	if (!append->size_known)
		return writer_reserves(writer) ? 0 : check_room(writer->uploads, 0);
	if (!append->size)
		return 0;
	if (__builtin_add_overflow(append->offset, append->size, &end) ||
	    end > INT64_MAX ||
	    (writer->file.length_known && end > writer->file.length) ||
	    (max && end > max))
		return REFUSED_TOO_LARGE;
	/* writer_open_bytes() tells; what is set aside already is not to be had twice
	 */
	return writer_reserves(writer) ? 0 : check_room(writer->uploads, append->size);
}

static int check_request(struct upload_writer *writer)
{
	int r;

	if (writer->file.kind == FILE_FINAL)
		return REFUSED_FINAL;
	if (writer->append.offset != writer->file.offset)
		return REFUSED_OFFSET;
	r = declare_length(writer);
	return r ? r : check_size(writer);
}

/* The digest of the whole is carried along if the bytes before this append, up to
 * `end`, were hashed too; otherwise they are read again, later. A small upload is
 * hashed at its end, and a part only if its metadata promises a checksum. */
static int open_whole(struct upload_writer *writer, uint64_t end)
{
	bool promised = metadata_checksum(writer->file.metadata, &writer->promised);

	if (!promised && (writer->file.small || writer->file.kind != FILE_PLAIN))
		return 0;
	if (end != writer->file.offset)
		return 0; /* adopted: nobody has hashed those bytes */
	writer->whole = parking_take(writer->uploads->parking, writer->file.id, end);
	if (writer->whole || end)
		return 0;
	return digest_new(promised ? writer->promised.algorithm : DIGEST_SHA256,
			  &writer->whole);
}

static int open_digests(struct upload_writer *writer, uint64_t end)
{
	struct upload_append *append = &writer->append;
	int r = 0;

	if (append->checked && append->algorithm != DIGEST_NONE)
		r = digest_new(append->algorithm, &writer->part);
	return r ? r : open_whole(writer, end);
}

static int begin(struct upload_writer *writer, struct upload_id id, uint64_t adopt)
{
	uint64_t end;
	int r = find_row(writer->uploads, id, &writer->file);

	if (!r && writer->append.at_once &&
	    (!writer->file.small || file_is_complete(&writer->file)))
		return REFUSED_BUSY;
	if (!r)
		r = check_request(writer);
	if (r)
		return r;
	writer->start = writer->file.offset;
	end = adopt > writer->start ? adopt : writer->start;
	r = writer_open_bytes(writer, end);
	if (!r)
		r = open_digests(writer, end);
	if (r)
		return r;
	if (writer->in_blob)
		writer->slot = journal_begin(writer->uploads->journal, writer->file.num,
					     writer->start);
	writer->began = clock_monotonic();
	writer->checkpoint = writer->began + CLOCK_SECOND;
	return 0;
}

static int writer_open(struct uploads *uploads, struct upload_id id,
		       const struct upload_append *append, uint64_t adopt,
		       struct upload_writer **writer)
{
	SCOPED(scoped_upload_writer_free)
	struct upload_writer *made = calloc(1, sizeof(*made));
	int r;

	if (!made)
		return failure(-ENOMEM, "append");
	made->uploads = uploads;
	made->append = *append;
	made->slot = -1;
	made->ended = true; /* until it has begun */
	r = append->at_once
		    ? live_try_claim(uploads, id, &made->live)
		    : live_claim(uploads, id, append->stop, append->arg, &made->live);
	if (!r)
		r = begin(made, id, adopt);
	if (r)
		return r;
	made->ended = false;
	if (made->in_blob)
		atomic_fetch_add(&uploads->writers, 1);
	*writer = STEAL(made);
	return 0;
}

int upload_writer_open(struct uploads *uploads, struct upload_id id,
		       const struct upload_append *append,
		       struct upload_writer **writer)
{
	return writer_open(uploads, id, append, 0, writer);
}

int writer_adopt(struct uploads *uploads, struct upload_id id, uint64_t offset,
		 uint64_t to, struct upload_writer **writer)
{
	struct upload_append append = {.offset = offset, .size_known = true};

	return writer_open(uploads, id, &append, to, writer);
}

/* ---- end ---- */

int writer_apply(struct conn *conn, void *arg)
{
	struct writer_step *step = arg;
	struct upload_writer *writer = step->writer;
	/* once more: the length of another part may have come at the same time */
	int r = check_finals(conn, writer);

	outcome_reset(step->outcome);
	step->file = writer->file;
	step->file.offset = writer_position(writer);
	if (!r && step->file.small && step->file.offset != writer->file.offset)
		r = catalog_set_body(conn, step->file.num, writer->buffer,
				     writer->buffered);
	return r ? r : advance(conn, writer->file.offset, &step->file, step->outcome);
}

bool writer_must_be_durable(const struct upload_writer *writer)
{
	bool completes = writer->file.length_known &&
			 writer_position(writer) == writer->file.length;

	return completes ? durable_finish(writer->uploads)
			 : durable_always(writer->uploads);
}

/* What a sync failed to write may be lost, and a later sync would not tell (fsync(2),
 * NOTES). With SYNC_ALWAYS all that was committed was synced before; below it, nobody
 * knows what is lost, and the upload is given up. */
static int sync_bytes(struct upload_writer *writer)
{
	struct uploads *uploads = writer->uploads;
	int r = writer_take_blob(writer);

	if (!r)
		r = blob_sync(writer->blob);
	writer->unsynced = r != 0;
	if (!r) {
		writer_let_blob_go(writer);
		return 0;
	}
	if (durable_always(uploads) || !writer->file.offset ||
	    (r != -EIO && r != -ENOSPC && r != -EDQUOT))
		return r;
	if (mark_broken(uploads, &writer->file, "its bytes could not be synced") < 0)
		log_error("upload %s should have been marked", writer->file.name.text);
	else
		writer->file.broken = true;
	return r;
}

int writer_advance(struct upload_writer *writer, struct outcome *outcome)
{
	struct uploads *uploads = writer->uploads;
	struct writer_step step = {.writer = writer, .outcome = outcome};
	bool durable = writer_must_be_durable(writer);
	int r = 0;

	if (writer->unsynced && durable)
		r = sync_bytes(writer);
	if (!r)
		r = catalog_commit(uploads->catalog, durable, writer_apply, &step);
	if (!r)
		writer->file = step.file; /* the strings are the same */
	return r;
}

int writer_advance_verified(struct upload_writer *writer, struct outcome *outcome)
{
	struct late_part late = {
		.blob = writer->file.num,
		.length = writer_position(writer),
		.memory = writer->file.small ? writer->buffer : NULL,
	};
	int r;

	for (;;) {
		r = writer_advance(writer, outcome);
		if (r != REFUSED_CHECKSUM || !outcome->unverified)
			return r;
		r = verify_final(writer->uploads, outcome->unverified, &late);
		if (r == REFUSED_NOT_FOUND &&
		    upload_is_gone(writer->uploads, outcome->unverified))
			continue; /* without it there is nothing to verify */
		if (!r)
			r = outcome_trust(outcome);
		if (r)
			return r;
	}
}

void writer_discard(struct upload_writer *writer)
{
	uint64_t committed = writer->file.offset;

	writer->whole = digest_free(writer->whole);
	/* a failure was logged; the next writer cuts as well, and sets aside again what
	 * the cut gave back, unless that succeeds now */
	if (writer->in_blob &&
	    (writer_take_blob(writer) || blob_cut(writer->blob, committed) ||
	     writer_reserve(writer) < 0))
		return;
	writer->written = committed;
}

/* The digest of the whole waits for the next append. */
static void park(struct upload_writer *writer)
{
	if (writer->whole && !writer->failed && !file_is_complete(&writer->file))
		parking_put(writer->uploads->parking, writer->file.id,
			    writer->file.offset, STEAL(writer->whole));
}

/* What an append leaves unsynced is for the one that finishes the upload, which must
 * learn what became of it. */
static void keep_unsynced(struct upload_writer *writer)
{
	struct uploads *uploads = writer->uploads;

	if (uploads->config.sync != SYNC_FINISH || !writer->blob || !writer->unsynced ||
	    !writer->file.offset || writer->file.broken ||
	    file_is_complete(&writer->file))
		return;
	if (unsynced_keep(uploads->unsynced, writer->file.num, writer->blob))
		writer->blob = NULL;
	else if (sync_bytes(writer))
		log_warning("%s is not synced", writer->file.name.text);
}

void writer_give_back(struct upload_writer *writer, int r)
{
	struct uploads *uploads = writer->uploads;

	writer_give_room_back(writer);
	keep_unsynced(writer);
	writer->ended = true;
	if (writer->in_blob)
		atomic_fetch_sub(&uploads->writers, 1);
	journal_end(uploads->journal, writer->slot);
	writer->slot = -1;
	if (!r)
		park(writer);
	writer->live = live_release(uploads, writer->live);
}

/* Gives the upload back, and only then tells the doors: they may wait for somebody who
 * waits for this upload. */
static int end(struct upload_writer *writer, struct outcome *outcome, int r,
	       struct file *file)
{
	writer_give_back(writer, r);
	fault_point("committed, and not told");
	outcome_tell(outcome, !r);
	outcome_release(outcome);
	return r ? r : file_copy(&writer->file, file);
}

int upload_writer_commit(struct upload_writer *writer, const struct checksum *checksum,
			 struct file *file)
{
	struct outcome outcome = {.uploads = writer->uploads};
	int r = 0;

	if (file_is_complete(&writer->file))
		return end(writer, &outcome, 0, file);
	r = writer_flush(writer);
	if (r)
		return r; /* what could be written is kept by a cut */
	r = writer_check_part(writer, checksum);
	if (!r)
		r = writer_check_whole(writer);
	if (!r)
		r = writer_advance_verified(writer, &outcome);
	if (r > 0)
		writer_discard(writer);
	return end(writer, &outcome, r, file);
}

int upload_writer_cut(struct upload_writer *writer, struct file *file)
{
	struct outcome outcome = {.uploads = writer->uploads};
	int r = 0;

	if (file_is_complete(&writer->file))
		return end(writer, &outcome, 0, file);
	if (live_is_to_end(writer->live)) { /* to sync it would take long */
		writer_discard(writer);
		return end(writer, &outcome, 0, file);
	}
	if (!writer->file.small && (writer->failed || writer_flush(writer))) {
		writer->failed = true; /* logged; what was written before is kept */
		writer->buffered = 0;
	}
	if (writer->append.checked)
		r = REFUSED_CHECKSUM;
	if (!r)
		r = writer_check_whole(writer);
	if (!r)
		r = writer_advance_verified(writer, &outcome);
	if (r == REFUSED_CHECKSUM) {
		writer_discard(writer);
		r = 0;
	}
	return end(writer, &outcome, r, file);
}

/* An append that nobody ended. */
static void cut_forgotten(struct upload_writer *writer)
{
	SCOPED(file_release) struct file file = {0};

	if (upload_writer_cut(writer, &file))
		log_warning("the offset of %s stays at %llu", writer->file.name.text,
			    (unsigned long long)writer->file.offset);
}

struct upload_writer *upload_writer_free(struct upload_writer *writer)
{
	if (!writer)
		return NULL;
	if (!writer->ended)
		cut_forgotten(writer);
	if (writer->live) /* it did not begin */
		keep_unsynced(writer);
	live_release(writer->uploads, writer->live);
	blob_unref(writer->blob);
	digest_free(writer->part);
	digest_free(writer->whole);
	writer_release_buffer(writer);
	file_release(&writer->file);
	free(writer);
	return NULL;
}

void scoped_upload_writer_free(struct upload_writer **writer)
{
	upload_writer_free(*writer);
}
