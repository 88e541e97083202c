/* The bytes of an upload at one moment: its parts, opened. A complete upload's content
 * never changes; an unfinished one's is made anew when somebody asks again. Whoever
 * holds a content can read it, whatever happens to the upload. */
#include "engine.h"

#include "tusfs/log.h"

#include <errno.h>
#include <string.h>

struct content *content_ref(struct content *content)
{
	atomic_fetch_add_explicit(&content->users, 1, memory_order_relaxed);
	return content;
}

static bool drop(struct content *content)
{
	if (content->home)
		return contents_unref(content);
	return atomic_fetch_sub_explicit(&content->users, 1, memory_order_acq_rel) == 1;
}

struct content *content_unref(struct content *content)
{
	if (!content || !drop(content))
		return NULL;
	for (size_t i = 0; i < content->count; i++) {
		blob_unref(content->parts[i].blob);
		free(content->parts[i].memory);
	}
	free(content);
	return NULL;
}

void scoped_content_unref(struct content **content)
{
	content_unref(*content);
}

static int set_broken(struct conn *conn, void *arg)
{
	const struct file *file = arg;

	return catalog_set_broken(conn, file->num);
}

int mark_broken(struct uploads *uploads, const struct file *file, const char *why)
{
	char id[UPLOAD_ID_DIGITS + 1];
	int r;

	upload_id_format(file->id, id);
	log_error("upload %s (%s) is damaged: %s", id, file->name.text, why);
	r = catalog_commit(uploads->catalog, true, set_broken, (void *)file);
	return r ? r : REFUSED_GONE;
}

/* What a content is made from. */
struct loading {
	struct uploads *uploads;
	struct conn *conn;
	const struct file *file;
	const struct content_user *user;
};

/* The blob of part `i`, if the user has it open; or NULL. */
static struct blob *held_blob(const struct content *held, size_t i, uint64_t num)
{
	if (!held || i >= held->count || held->parts[i].num != num ||
	    !held->parts[i].blob)
		return NULL;
	return blob_ref(held->parts[i].blob);
}

/* Opens the bytes of part `i`, which must be there. Refusals: NOT_FOUND, GONE (too
 * short). */
static int open_part(const struct loading *loading, const struct segment *segment,
		     size_t i, struct content_part *part)
{
	uint64_t there;
	size_t size;
	int r = 0;

	part->num = segment->blob;
	if (!part->length)
		return 0;
	if (segment->small) {
		r = catalog_body(loading->conn, segment->blob, &part->memory, &size);
		there = r ? 0 : size;
	} else {
		part->blob = held_blob(loading->user->held, i, segment->blob);
		if (!part->blob)
			r = blob_open(loading->uploads->store, segment->blob,
				      &part->blob);
		if (!r)
			r = blob_size(part->blob, &there);
	}
	if (r)
		return r;
	return there < part->length ? REFUSED_GONE : 0;
}

static uint64_t segment_length(const struct segment *segment)
{
	return segment->length_known ? segment->length : segment->reached;
}

static int open_parts(const struct loading *loading, const struct segment *segments,
		      size_t count, struct content *content)
{
	int r = 0;

	for (size_t i = 0; i < count && !r; i++) {
		struct content_part *part = &content->parts[i];

		part->start = content->length;
		part->length = segment_length(&segments[i]);
		content->length += part->length;
		content->count = i + 1;
		r = open_part(loading, &segments[i], i, part);
	}
	return r;
}

static int content_new(size_t parts, struct content **content)
{
	struct content *made =
		calloc(1, sizeof(*made) + parts * sizeof(made->parts[0]));

	if (!made)
		return failure(-ENOMEM, "open upload");
	made->users = 1;
	*content = made;
	return 0;
}

/* The segments of any upload: those of a final, or its own bytes. */
static int segments_of(struct conn *conn, const struct file *file,
		       struct segment **segments, size_t *count)
{
	struct segment *own;

	if (file->kind == FILE_FINAL)
		return catalog_segments(conn, file->num, segments, count);
	own = malloc(sizeof(*own));
	if (!own)
		return failure(-ENOMEM, "open upload");
	*own = (struct segment){
		.blob = file->num,
		.small = file->small,
		.length_known = true,
		.length = file->offset,
	};
	*segments = own;
	*count = 1;
	return 0;
}

/* A final that went between the look at its row and at its segments has none left. */
static int set_complete(struct content *content, const struct file *file)
{
	if (!file_is_complete(file))
		return 0;
	content->complete = content->length == file->length;
	return content->complete ? 0 : REFUSED_NOT_FOUND;
}

/* What follows a part that is arriving is behind a gap. */
static size_t without_gap(const struct segment *segments, size_t count)
{
	size_t reached = 0;

	while (reached < count && segments[reached++].length_known)
		;
	return reached;
}

/* An unfinished one is asked for anew with each read. */
static bool is_shared(const struct file *file)
{
	return file->kind == FILE_FINAL && file_is_complete(file);
}

/* A connection has one descriptor for reading; more than that is counted, and what a
 * program may keep. */
static size_t counted_parts(const struct loading *loading, size_t count)
{
	if (is_shared(loading->file))
		return count;
	return loading->user->local && !loading->file->small ? count : 0;
}

static int admit(const struct loading *loading, struct content *content, size_t count)
{
	size_t parts = counted_parts(loading, count);

	if (!parts && !is_shared(loading->file))
		return 0;
	return contents_admit(loading->uploads->contents, content, parts,
			      loading->user);
}

static int open_content(const struct loading *loading, struct content **content)
{
	const struct file *file = loading->file;
	SCOPED(scoped_free) struct segment *segments = NULL;
	SCOPED(scoped_content_unref) struct content *made = NULL;
	size_t count;
	int r = segments_of(loading->conn, file, &segments, &count);

	if (r)
		return r;
	if (!count && loading->file->kind == FILE_FINAL)
		return REFUSED_NOT_FOUND; /* also an empty one has parts */
	count = without_gap(segments, count);
	r = content_new(count, &made);
	if (!r)
		r = admit(loading, made, count);
	if (!r)
		r = open_parts(loading, segments, count, made);
	if (!r)
		r = set_complete(made, file);
	if (!r)
		*content = STEAL(made);
	return r;
}

static int find_or_open(const struct loading *loading, struct content **content)
{
	uint64_t num = loading->file->num;
	unsigned int moment;
	int r;

	*content = contents_find(loading->uploads->contents, num, &moment);
	if (*content)
		return 0;
	r = open_content(loading, content);
	if (!r)
		contents_share(*content, num, moment);
	return r;
}

static int load(struct uploads *uploads, uint64_t num, const struct content_user *user,
		struct file *file, struct content **content)
{
	SCOPED(conn_release) struct conn *conn = catalog_reader(uploads->catalog);
	struct loading loading = {uploads, conn, file, user};
	int r = catalog_file(conn, num, file);

	if (r)
		return r;
	if (file_is_folder(file))
		return REFUSED_NOT_FOUND;
	if (file->broken)
		return REFUSED_GONE;
	return is_shared(file) ? find_or_open(&loading, content)
			       : open_content(&loading, content);
}

bool upload_is_gone(struct uploads *uploads, uint64_t num)
{
	SCOPED(file_release) struct file file = {0};

	return uploads_stat(uploads, num, &file) == REFUSED_NOT_FOUND;
}

/* Whether an upload that could not be loaded, which is `r`, should have been. */
static bool is_damaged(struct uploads *uploads, const struct file *file, int r)
{
	return (r == REFUSED_NOT_FOUND || r == REFUSED_GONE) && file->num &&
	       !file->broken && !file_is_folder(file) &&
	       !upload_is_gone(uploads, file->num);
}

int content_load(struct uploads *uploads, uint64_t num, const struct content_user *user,
		 struct content **content)
{
	SCOPED(file_release) struct file file = {0};
	int r = load(uploads, num, user, &file, content);

	/* a row was read, then its bytes were not there: it was terminated in between,
	 * or a compaction has put them elsewhere... */
	if (is_damaged(uploads, &file, r)) {
		file_release(&file);
		r = load(uploads, num, user, &file, content);
	}
	/* ...or it is damaged */
	if (is_damaged(uploads, &file, r))
		return mark_broken(uploads, &file, "bytes are missing from the store");
	return r;
}

const struct content_part *content_part_at(const struct content *content,
					   uint64_t offset)
{
	size_t low = 0, high = content->count;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (content->parts[middle].start <= offset)
			low = middle;
		else
			high = middle;
	}
	return &content->parts[low];
}

static int read_part(const struct content_part *part, void *bytes, size_t size,
		     uint64_t from)
{
	size_t got;
	int r;

	if (part->memory) {
		memcpy(bytes, part->memory + from, size);
		return 0;
	}
	r = blob_read(part->blob, bytes, size, from, &got);
	if (!r && got < size)
		return failure(-EIO, "a blob is shorter than it was");
	return r;
}

int content_read(const struct content *content, void *bytes, size_t size,
		 uint64_t offset, size_t *got)
{
	size_t done = 0, step;
	int r;

	while (done < size && offset < content->length) {
		const struct content_part *part = content_part_at(content, offset);
		uint64_t from = offset - part->start;

		step = size - done;
		if (step > part->length - from)
			step = part->length - from;
		r = read_part(part, (char *)bytes + done, step, from);
		if (r)
			return r;
		done += step;
		offset += step;
	}
	*got = done;
	return 0;
}
