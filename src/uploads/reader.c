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
	bool local;
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

/* Takes a newer content for the one held, unless another thread was quicker, and has
 * got further. What the reader has now; the caller drops the reference. */
static struct content *replace(struct upload_reader *reader, struct content *newer)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&reader->mutex);
	struct content *held = reader->content;

	if (!held->resting && (newer->length < held->length || held->complete))
		return content_ref(held);
	content_unref(held);
	reader->content = content_ref(newer);
	return content_ref(newer);
}

static int load(struct upload_reader *reader, const struct content *held,
		struct content **content)
{
	struct content_user user = {.local = reader->local, .held = held};

	return content_load(reader->uploads, reader->num, &user, content);
}

/* The newest content there is, opened; the caller drops the reference. Of an upload
 * that is removed or damaged that is what the reader has. */
static int newest(struct upload_reader *reader, struct content **content)
{
	SCOPED(scoped_content_unref) struct content *held = current(reader);
	SCOPED(scoped_content_unref) struct content *newer = NULL;
	int r = 0;

	if (!held->complete || held->resting)
		r = load(reader, held, &newer);
	if (r < 0 || (r && held->resting))
		return r;
	*content = newer ? replace(reader, newer) : STEAL(held);
	return 0;
}

/* The same, only for its length: the last one known if a newer one cannot be had. */
static struct content *newest_known(struct upload_reader *reader)
{
	SCOPED(scoped_content_unref) struct content *held = current(reader);
	struct content *newer;

	if (held->complete || newest(reader, &newer))
		return STEAL(held);
	return newer;
}

static int open_reader(struct uploads *uploads, uint64_t num, bool local,
		       struct upload_reader **reader)
{
	struct upload_reader *made = calloc(1, sizeof(*made));
	int r;

	if (!made)
		return failure(-ENOMEM, "open upload");
	made->uploads = uploads;
	made->num = num;
	made->local = local;
	pthread_mutex_init(&made->mutex, NULL);
	r = load(made, NULL, &made->content);
	if (r) {
		upload_reader_close(made);
		return r;
	}
	if (!made->content->complete) {
		enlist(made);
		content_unref(newest_known(made)); /* it may have grown before that */
	}
	*reader = made;
	return 0;
}

int upload_reader_open(struct uploads *uploads, uint64_t num,
		       struct upload_reader **reader)
{
	return open_reader(uploads, num, false, reader);
}

int upload_reader_open_local(struct uploads *uploads, uint64_t num,
			     struct upload_reader **reader)
{
	return open_reader(uploads, num, true, reader);
}

void readers_catch_up(struct uploads *uploads, uint64_t num)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&uploads->reading);
	struct upload_reader *reader;

	LIST_FOREACH(reader, &uploads->readers[num % READER_BUCKETS], link)
	if (reader->num == num)
		content_unref(newest_known(reader));
}

/* A complete content of which only the length is left; NULL when memory is short. */
static struct content *resting(uint64_t length)
{
	struct content *made = calloc(1, sizeof(*made));

	if (!made)
		return NULL;
	made->users = 1;
	made->length = length;
	made->complete = made->resting = true;
	return made;
}

void upload_reader_rest(struct upload_reader *reader)
{
	SCOPED(scoped_content_unref) struct content *held = current(reader);
	struct content *rests;

	if (!held->complete || held->resting)
		return;
	rests = resting(held->length);
	if (!rests)
		return;
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&reader->mutex);
	(void)lock;
	content_unref(reader->content);
	reader->content = rests;
}

uint64_t upload_reader_size(struct upload_reader *reader, bool *complete)
{
	SCOPED(scoped_content_unref) struct content *content = newest_known(reader);

	*complete = content->complete;
	return content->length;
}

/* Bytes that are committed never change: those that are open are as good as any. */
static bool has_bytes(const struct content *content, uint64_t offset, size_t size)
{
	return !content->resting && offset <= content->length &&
	       size <= content->length - offset;
}

int upload_reader_read(struct upload_reader *reader, void *bytes, size_t size,
		       uint64_t offset, size_t *got)
{
	SCOPED(scoped_content_unref) struct content *held = current(reader);
	SCOPED(scoped_content_unref) struct content *newer = NULL;
	int r;

	if (has_bytes(held, offset, size))
		return content_read(held, bytes, size, offset, got);
	r = newest(reader, &newer);
	return r ? r : content_read(newer, bytes, size, offset, got);
}

int upload_reader_extent(struct upload_reader *reader, uint64_t offset,
			 struct upload_extent *extent)
{
	/* a complete content stays with the reader, so what is lent outlives this
	 * reference */
	SCOPED(scoped_content_unref) struct content *content = NULL;
	const struct content_part *part;
	uint64_t from;
	int r = newest(reader, &content);

	if (r)
		return r;
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

int upload_reader_whole_fd(struct upload_reader *reader, int *fd)
{
	SCOPED(scoped_content_unref) struct content *content = NULL;
	uint64_t size;
	int r = newest(reader, &content);

	if (r)
		return r;
	*fd = -1;
	if (!content->complete || content->count != 1 || !content->parts[0].blob)
		return 0;
	r = blob_size(content->parts[0].blob, &size);
	if (!r && size == content->length)
		*fd = blob_fd(content->parts[0].blob);
	return r;
}
