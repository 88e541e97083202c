/* How the bytes of an append reach the disk: through the page cache or past it, and
 * with room set aside ahead of them. Both depend on how fast they come. */
#include "writer.h"

#include "tusfs/clock.h"

/* Hashing takes a core about a second for each GiB. When all appends together bring
 * more than this, in bytes a microsecond, they are hashed after their end, in the time
 * that nobody else wants. */
#define FAST_RATE  128
#define FAST_BYTES (4 * 1024 * 1024) /* enough to tell */

/* An append that need not wait for the disk does so for this part of its time only. */
#define WAIT_PART 8

/* Where a file system has room it reads from the disk, and that takes long once the
 * disk is busy with what was written. So this much is set aside for a fast writer at a
 * time, where it is a small part of the room, together with what others have so... */
#define FAR_BYTES ((uint64_t)4 * 1024 * 1024 * 1024)
#define FAR_PART  16
/* ...or else as much as it has brought, up to this much, while the disk has plenty. */
#define NEAR_BYTES ((uint64_t)64 * 1024 * 1024)
#define NEAR_ROOM  ((uint64_t)1024 * 1024 * 1024)

/* ---- how fast they come ---- */

/* Bytes a microsecond that this append brings; 0 while there are too few to tell. */
static double rate_of(const struct upload_writer *writer)
{
	uint64_t came = writer_position(writer) - writer->start;

	if (came < FAST_BYTES)
		return 0;
	return (double)came / (double)(clock_monotonic() - writer->began + 1);
}

bool writer_is_fast(const struct upload_writer *writer)
{
	return rate_of(writer) * atomic_load(&writer->uploads->writers) > FAST_RATE;
}

/* ---- through the page cache or past it ---- */

/* Whether going past the page cache has cost more than going through it would have, by
 * too much of the time that this append took: then it is the disk that does not keep
 * up. What came before the append was seen to be fast has gone through it. */
static bool disk_is_behind(const struct upload_writer *writer)
{
	const struct throughput *cached = &writer->cached;
	const struct throughput *uncached = &writer->uncached;
	double if_cached =
		(double)uncached->bytes * (double)cached->time / (double)cached->bytes;

	return ((double)uncached->time - if_cached) * WAIT_PART >
	       (double)(clock_monotonic() - writer->began);
}

/* The bytes of a long upload would take the place of everything else in the page cache,
 * and the kernel holds up whoever fills it faster than the disk empties it. */
static struct throughput *choose_way(struct upload_writer *writer)
{
	const struct uploads *uploads = writer->uploads;
	uint64_t length =
		writer->file.length_known ? writer->file.length : writer->written;
	uint64_t may_keep = uploads->keep_bytes / atomic_load(&uploads->writers);
	uint64_t came = writer->written - writer->start;

	if (length <= may_keep || !writer_is_fast(writer))
		return &writer->cached;
	if (uploads->config.sync != SYNC_NEVER)
		return &writer->uncached; /* the disk is waited for at the end anyway */
	/* what may stay in memory is spread over the upload, so that the disk has work
	 * from the beginning */
	if ((double)writer->cached.bytes / (double)may_keep <
	    (double)came / (double)length)
		return &writer->cached;
	return disk_is_behind(writer) ? &writer->cached : &writer->uncached;
}

int writer_write(struct upload_writer *writer, const void *bytes, size_t size)
{
	struct throughput *way = choose_way(writer);
	int64_t began = clock_monotonic();
	int r = way == &writer->uncached
			? blob_stream(writer->blob, bytes, size, writer->written)
			: blob_write(writer->blob, bytes, size, writer->written);

	way->bytes += size;
	way->time += clock_monotonic() - began;
	return r;
}

/* ---- room ahead ---- */

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static bool set_aside(struct upload_writer *writer, uint64_t end)
{
	if (blob_reserve(writer->blob, writer->written, end))
		return false;
	writer->allocated = end;
	return true;
}

static void release_far(struct upload_writer *writer)
{
	atomic_fetch_sub(&writer->uploads->far_bytes, writer->far_bytes);
	writer->far_bytes = 0;
}

/* Sets room aside behind what is written next, which ends at `need`. Not without a slot
 * in the journal: a crash would leave it. */
static bool allocate_far(struct upload_writer *writer, uint64_t need)
{
	struct uploads *uploads = writer->uploads;
	uint64_t size = least(writer->file.length - need, FAR_BYTES), all;

	release_far(writer); /* that is used up */
	writer->far_bytes = size;
	all = atomic_fetch_add(&uploads->far_bytes, size) + size;
	if (writer->slot >= 0 && check_room(uploads, all * FAR_PART) == 0 &&
	    set_aside(writer, need + size))
		return true;
	release_far(writer);
	return false;
}

/* It grows with what has come, so that who merely announces a lot takes little. */
static void allocate_near(struct upload_writer *writer, uint64_t need)
{
	uint64_t came = least(need - writer->start, NEAR_BYTES);
	uint64_t end = need + least(writer->file.length - need, came);

	/* without it the write takes what room there is */
	if (check_room(writer->uploads, NEAR_ROOM) == 0 && !set_aside(writer, end))
		writer->allocated = UINT64_MAX;
}

/* A block that is allocated as it is written costs a third of the write. */
void writer_allocate_ahead(struct upload_writer *writer, size_t size)
{
	uint64_t need = writer->written + size;

	if (need > writer->allocated && writer->file.length_known &&
	    rate_of(writer) > FAST_RATE && !allocate_far(writer, need))
		allocate_near(writer, need);
}

/* A failure is logged, and the next writer of this upload fills the room. */
void writer_give_room_back(struct upload_writer *writer)
{
	release_far(writer);
	if (writer->allocated > writer->written && writer->allocated != UINT64_MAX &&
	    (writer_take_blob(writer) || blob_cut(writer->blob, writer->written)))
		return;
	writer->allocated = 0;
}
