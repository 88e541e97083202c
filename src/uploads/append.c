/* The bytes of an append: gathered, written, hashed, pushed out, checkpointed. */
#include "writer.h"

#include "tusfs/clock.h"
#include "tusfs/fault_point.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

/* Write-out is started behind the writer every so many bytes, so that the last
 * fdatasync has little left to do. */
#define PUSH_BYTES (8 * 1024 * 1024)
/* An append in progress is committed this often, so that readers see it grow and a
 * power cut costs little; more rarely where a sync is slow, or where so many run that
 * there would be more than a thousand such commits a second. */
#define CHECKPOINT_TIME	 CLOCK_SECOND
#define CHECKPOINT_RATIO 20
#define CHECKPOINT_SHARE (CLOCK_SECOND / 1000)

uint64_t writer_position(const struct upload_writer *writer)
{
	return writer->file.small ? writer->buffered
				  : writer->written + writer->buffered;
}

static void push(struct upload_writer *writer)
{
	if (writer->uploads->config.sync == SYNC_NEVER ||
	    writer->written - writer->pushed < PUSH_BYTES)
		return;
	blob_push(writer->blob, writer->pushed, writer->written - writer->pushed);
	writer->pushed = writer->written;
}

/* A write that failed, since the disk is full, has written the beginning. */
static void keep_what_fits(struct upload_writer *writer, size_t size)
{
	uint64_t end;

	if (blob_size(writer->blob, &end) == 0 && end > writer->written &&
	    end <= writer->written + size)
		writer->written = end;
}

static int write_out(struct upload_writer *writer, const void *bytes, size_t size)
{
	int r = writer_take_blob(writer);

	if (r)
		return r;
	writer_allocate_ahead(writer, size);
	writer->unsynced = true;
	r = writer_write(writer, bytes, size);
	if (r) {
		writer->failed = true;
		keep_what_fits(writer, size);
		return r;
	}
	fault_point("bytes written");
	writer->written += size;
	if (!writer->append.checked)
		journal_written(writer->uploads->journal, writer->slot,
				writer->written);
	push(writer);
	return 0;
}

int writer_flush(struct upload_writer *writer)
{
	size_t size = writer->buffered;
	int r;

	if (writer->file.small || !size)
		return 0;
	r = writer_take_blob(writer);
	if (r)
		return r; /* they stay gathered */
	writer->buffered = 0;
	return write_out(writer, writer->buffer, size);
}

/* A mapping of its own: malloc() would make one as well, but with a lock held that it
 * shares with a crowd of other threads, and with those that serve the mount. */
static int make_buffer(struct upload_writer *writer)
{
	void *made = mmap(NULL, GATHER_BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (made == MAP_FAILED) {
		writer->failed = true;
		return failure(-ENOMEM, "append");
	}
	writer->buffer = made;
	return 0;
}

void writer_release_buffer(struct upload_writer *writer)
{
	if (writer->file.small)
		free(writer->buffer);
	else if (writer->buffer)
		munmap(writer->buffer, GATHER_BYTES);
	writer->buffer = NULL;
}

static int gather(struct upload_writer *writer, const uint8_t *bytes, size_t size)
{
	int r = writer->buffer ? 0 : make_buffer(writer);

	if (r)
		return r;
	memcpy(writer->buffer + writer->buffered, bytes, size);
	writer->buffered += size;
	return writer->buffered == GATHER_BYTES ? writer_flush(writer) : 0;
}

static int store_bytes(struct upload_writer *writer, const uint8_t *bytes, size_t size)
{
	size_t room, step;
	int r = 0;

	if (writer->file.small) { /* the buffer has room for the whole length */
		memcpy(writer->buffer + writer->buffered, bytes, size);
		writer->buffered += size;
		return 0;
	}
	if (size >= DIRECT_BYTES) {
		r = writer_flush(writer);
		return r ? r : write_out(writer, bytes, size);
	}
	while (size && !r) {
		room = GATHER_BYTES - writer->buffered;
		step = size < room ? size : room;
		r = gather(writer, bytes, step);
		bytes += step;
		size -= step;
	}
	return r;
}

/* Bytes may be seen before the append ends, unless a checksum decides about them. */
static bool may_checkpoint(const struct upload_writer *writer)
{
	return !file_is_complete(&writer->file) && !writer->append.checked &&
	       writer->promised.algorithm == DIGEST_NONE;
}

static int64_t checkpoint_pause(const struct upload_writer *writer, int64_t cost)
{
	int64_t pause = CHECKPOINT_SHARE * atomic_load(&writer->uploads->writers);

	if (pause < CHECKPOINT_TIME)
		pause = CHECKPOINT_TIME;
	return pause > cost * CHECKPOINT_RATIO ? pause : cost * CHECKPOINT_RATIO;
}

static int checkpoint(struct upload_writer *writer)
{
	struct outcome outcome = {.uploads = writer->uploads};
	int64_t now = clock_monotonic(), cost;
	int r = 0;

	if (now < writer->checkpoint)
		return 0;
	r = writer_flush(writer);
	if (r < 0 && !writer->failed) {
		/* no descriptor, or no memory: later there may be */
		writer->checkpoint = now + CHECKPOINT_TIME;
		return 0;
	}
	/* the last byte is the commit's: completing belongs at the end */
	if (!r && (!writer->file.length_known ||
		   writer_position(writer) < writer->file.length))
		r = writer_advance(writer, &outcome);
	outcome_release(&outcome);
	cost = clock_monotonic() - now;
	writer->checkpoint = now + cost + checkpoint_pause(writer, cost);
	return r;
}

/* How many more bytes the upload takes. */
static uint64_t room_left(const struct upload_writer *writer)
{
	uint64_t position = writer_position(writer);
	uint64_t max = writer->uploads->config.max_size;

	if (file_is_complete(&writer->file))
		return 0;
	if (writer->file.length_known)
		return writer->file.length - position;
	if (!max)
		max = INT64_MAX;
	return max > position ? max - position : 0;
}

static void hash(struct upload_writer *writer, const void *bytes, size_t size)
{
	if (writer->part)
		digest_update(writer->part, bytes, size);
	if (!writer->whole)
		return;
	if (writer->promised.algorithm == DIGEST_NONE && writer_is_fast(writer))
		writer->whole = digest_free(writer->whole);
	else
		digest_update(writer->whole, bytes, size);
}

int upload_writer_put(struct upload_writer *writer, const void *bytes, size_t size)
{
	uint64_t room = room_left(writer);
	bool over = size > room;
	int r;

	if (live_must_end(writer->live))
		return REFUSED_STOPPED;
	if (over)
		size = (size_t)room;
	hash(writer, bytes, size);
	r = size ? store_bytes(writer, bytes, size) : 0;
	if (r) /* not all that was hashed is kept */
		writer->whole = digest_free(writer->whole);
	if (!r && may_checkpoint(writer))
		r = checkpoint(writer);
	if (r)
		return r;
	return over ? REFUSED_TOO_LARGE : 0;
}

int upload_writer_patience(const struct upload_writer *writer)
{
	int64_t left = writer->checkpoint - clock_monotonic();

	if (!may_checkpoint(writer) || writer_position(writer) == writer->file.offset)
		return -1;
	return left > 0 ? (int)(left / 1000) + 1 : 0;
}

int upload_writer_idle(struct upload_writer *writer)
{
	return upload_writer_patience(writer) < 0 ? 0 : checkpoint(writer);
}
