/* Open files. A reader holds a content; while the upload is unfinished, it asks for a
 * newer one with every read, and for the last time before the upload is removed. Those
 * that began with an unfinished one are kept in lists for that. */
#include "engine.h"

#include <errno.h>

struct upload_reader {
	struct uploads *uploads;
	uint64_t num;
	pthread_mutex_t mutex; /* protects content: the pointer */
	struct content *content;
	bool listed;
	LIST_ENTRY(upload_reader) link; /* if it is listed */
};

static void enlist(struct upload_reader *reader)
{
	struct uploads *uploads = reader->uploads;
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&uploads->reading);

	reader->listed = true;
	LIST_INSERT_HEAD(&uploads->readers[reader->num % READER_BUCKETS], reader, link);
}

static void delist(struct upload_reader *reader)
{
	SCOPED(scoped_unlock)
	pthread_mutex_t *lock = scoped_lock(&reader->uploads->reading);

	LIST_REMOVE(reader, link);
}

struct upload_reader *upload_reader_close(struct upload_reader *reader)
{
	if (!reader)
		return NULL;
	if (reader->listed)
		delist(reader);
	content_unref(reader->content);
	pthread_mutex_destroy(&reader->mutex);
	free(reader);
	return NULL;
}

void scoped_upload_reader_close(struct upload_reader **reader)
{
	upload_reader_close(*reader);
}

static struct content *current(struct upload_reader *reader)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&reader->mutex);

	return content_ref(reader->content);
}

/* Takes a newer content for the one held. */
static void replace(struct upload_reader *reader, struct content *newer)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&reader->mutex);

	/* another thread may have been quicker, and have got further */
	if (newer->length < reader->content->length || reader->content->complete)
		return;
	content_unref(reader->content);
	reader->content = content_ref(newer);
}

/* The newest content there is; the caller drops the reference. */
static struct content *newest(struct upload_reader *reader)
{
	SCOPED(scoped_content_unref) struct content *held = current(reader);
	SCOPED(scoped_content_unref) struct content *newer = NULL;

	if (held->complete)
		return STEAL(held);
	if (content_load(reader->uploads, reader->num, &newer))
		return STEAL(held);
	replace(reader, newer);
	return current(reader);
}

int upload_reader_open(struct uploads *uploads, uint64_t num,
		       struct upload_reader **reader)
{
	struct upload_reader *made = calloc(1, sizeof(*made));
	int r;

	if (!made)
		return failure(-ENOMEM, "open upload");
	made->uploads = uploads;
	made->num = num;
	pthread_mutex_init(&made->mutex, NULL);
	r = content_load(uploads, num, &made->content);
	if (r) {
		upload_reader_close(made);
		return r;
	}
	if (!made->content->complete) {
		enlist(made);
		content_unref(newest(made)); /* it may have grown before that */
	}
	*reader = made;
	return 0;
}

void readers_catch_up(struct uploads *uploads, uint64_t num)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&uploads->reading);
	struct upload_reader *reader;

	LIST_FOREACH(reader, &uploads->readers[num % READER_BUCKETS], link)
	if (reader->num == num)
		content_unref(newest(reader));
}

uint64_t upload_reader_size(struct upload_reader *reader, bool *complete)
{
	SCOPED(scoped_content_unref) struct content *content = newest(reader);

	*complete = content->complete;
	return content->length;
}

int upload_reader_read(struct upload_reader *reader, void *bytes, size_t size,
		       uint64_t offset, size_t *got)
{
	SCOPED(scoped_content_unref) struct content *content = newest(reader);

	return content_read(content, bytes, size, offset, got);
}

int upload_reader_extent(struct upload_reader *reader, uint64_t offset,
			 struct upload_extent *extent)
{
	/* a complete content stays with the reader, so what is lent outlives this
	 * reference */
	SCOPED(scoped_content_unref) struct content *content = newest(reader);
	const struct content_part *part;
	uint64_t from;

	if (!content->complete || offset >= content->length)
		return REFUSED_NOT_FOUND;
	part = content_part_at(content, offset);
	from = offset - part->start;
	*extent = (struct upload_extent){
		.length = part->length - from,
		.fd = part->blob ? blob_fd(part->blob) : -1,
		.fd_offset = from,
		.memory = part->memory ? part->memory + from : NULL,
	};
	return 0;
}

int upload_reader_whole_fd(struct upload_reader *reader)
{
	SCOPED(scoped_content_unref) struct content *content = newest(reader);
	uint64_t size;

	if (!content->complete || content->count != 1 || !content->parts[0].blob)
		return -1;
	if (blob_size(content->parts[0].blob, &size) || size != content->length)
		return -1;
	return blob_fd(content->parts[0].blob);
}
