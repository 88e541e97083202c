/* Where the bytes of an append are: in its blob, which is open only while it is needed,
 * or in memory, of a small upload. */
#include "writer.h"

#include <errno.h>
#include <string.h>

/* An empty blob may be there already, with room set aside. */
static int open_or_create(struct store *store, uint64_t num, struct blob **blob)
{
	int r = blob_open(store, num, blob);

	return r == REFUSED_NOT_FOUND ? blob_create(store, num, blob) : r;
}

int writer_take_blob(struct upload_writer *writer)
{
	struct store *store = writer->uploads->store;
	uint64_t num = writer->file.num;
	int r;

	if (writer->blob)
		return 0;
	if (writer->file.broken)
		return REFUSED_GONE;
	writer->blob = unsynced_take(writer->uploads->unsynced, num);
	if (writer->blob)
		return 0;
	r = writer->written ? blob_open(store, num, &writer->blob)
			    : open_or_create(store, num, &writer->blob);
	if (r != REFUSED_NOT_FOUND)
		return r;
	writer->file.broken = true;
	return mark_broken(writer->uploads, &writer->file, "its blob is missing");
}

void writer_let_blob_go(struct upload_writer *writer)
{
	struct uploads *uploads = writer->uploads;

	if (durable_always(uploads) &&
	    atomic_load(&uploads->writers) > uploads->keep_open)
		writer->blob = blob_unref(writer->blob);
}

bool writer_reserves(const struct upload_writer *writer)
{
	return writer->uploads->config.reserve && writer->file.length_known &&
	       !writer->file.small;
}

int writer_reserve(struct upload_writer *writer)
{
	if (!writer_reserves(writer))
		return 0;
	writer->allocated = UINT64_MAX;
	return blob_reserve(writer->blob, 0, writer->file.length);
}

/* Opens the blob, with nothing in it behind `end`: what a refused or broken append
 * left. */
static int open_blob(struct upload_writer *writer, uint64_t end)
{
	uint64_t size = 0;
	int r;

	writer->in_blob = writer->unsynced = true;
	writer->written = writer->pushed = end;
	r = writer_take_blob(writer);
	if (!r)
		r = blob_size(writer->blob, &size);
	if (r)
		return r;
	if (size < end)
		return mark_broken(writer->uploads, &writer->file,
				   "its blob is too short");
	if (size > end)
		r = blob_cut(writer->blob, end);
	/* what a crash left is taken over as it is */
	if (!r && end == writer->start)
		r = writer_reserve(writer);
	if (!r && size == end)
		writer_let_blob_go(writer);
	return r;
}

static int load_body(struct upload_writer *writer)
{
	SCOPED(conn_release)
	struct conn *conn = catalog_reader(writer->uploads->catalog);
	SCOPED(scoped_free) uint8_t *bytes = NULL;
	size_t size = 0;
	int r = catalog_body(conn, writer->file.num, &bytes, &size);

	if (r && r != REFUSED_NOT_FOUND)
		return r;
	if (size < writer->file.offset || size > writer->file.length)
		return writer->append.at_once
			       ? REFUSED_BUSY
			       : mark_broken(writer->uploads, &writer->file,
					     "its bytes are missing from the catalog");
	if (size)
		memcpy(writer->buffer, bytes, size);
	writer->buffered = size;
	return 0;
}

int writer_open_bytes(struct upload_writer *writer, uint64_t end)
{
	if (file_is_complete(&writer->file))
		return 0; /* there is nothing to append */
	if (!writer->file.small)
		return open_blob(writer, end);
	writer->buffer = malloc(writer->file.length);
	if (!writer->buffer)
		return failure(-ENOMEM, "append");
	return writer->file.offset ? load_body(writer) : 0;
}
