/* Uploads that begin. Small ones may have all their bytes with them. A final has its
 * parts', and is complete at once if they are; one that is asked for twice is made
 * once. */
#include "engine.h"

#include "tusfs/clock.h"
#include "tusfs/metadata.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

struct creation {
	struct upload_change change; /* its outcome tells of finals too */
	struct uploads *uploads;
	struct upload_request request;
	struct file file; /* as it is to be; strings are borrowed from the request */
	struct file made; /* as it became; owned */
	bool repeated;	  /* `made` was there before */
	struct checksum promised; /* of a final; DIGEST_NONE when there is none */
	bool unverified;	  /* it would be complete, but was not verified yet */
	bool verified;
};

static bool fits_whole(const struct upload_request *request)
{
	return request->length_known && request->length <= UPLOADS_SMALL_MAX &&
	       request->kind != FILE_FINAL;
}

/* ---- finals ---- */

static int find_part(struct conn *conn, struct upload_id id, struct file *part)
{
	int r = catalog_file_with_id(conn, id, part);

	if (r == REFUSED_NOT_FOUND || r == REFUSED_GONE)
		return REFUSED_PART;
	if (r)
		return r;
	return part->kind == FILE_PARTIAL && !part->broken ? 0 : REFUSED_PART;
}

static int read_parts(struct conn *conn, const struct upload_request *request,
		      struct segment *segments)
{
	int r;

	for (size_t i = 0; i < request->parts_count; i++) {
		SCOPED(file_release) struct file part = {0};

		r = find_part(conn, request->parts[i], &part);
		if (r)
			return r;
		segments[i] = (struct segment){
			.blob = part.num,
			.small = part.small,
			.length_known = file_is_complete(&part),
			.length = part.offset,
			.part_length_known = part.length_known,
			.part_length = part.length,
		};
	}
	return 0;
}

/* The length of a final, as far as it is known, and whether every part is complete. */
static int measure(struct creation *creation, const struct segment *segments)
{
	struct file *file = &creation->file;
	uint64_t max = creation->uploads->config.max_size, sum = 0;
	bool known = true, complete = true;

	for (size_t i = 0; i < creation->request.parts_count; i++) {
		const struct segment *s = &segments[i];
		uint64_t length = s->part_length_known ? s->part_length : s->length;

		known &= s->length_known || s->part_length_known;
		complete &= s->length_known;
		if (__builtin_add_overflow(sum, length, &sum) || sum > INT64_MAX)
			return REFUSED_TOO_LARGE;
	}
	if (max && sum > max)
		return REFUSED_TOO_LARGE;
	file->length_known = known;
	file->length = known ? sum : 0;
	file->offset = complete ? sum : 0;
	file->finished = complete ? file->created : 0;
	if (complete)
		file->expires = 0;
	return 0;
}

static bool same_text(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

static int is_repeat(struct conn *conn, uint64_t num, const struct creation *creation,
		     const struct segment *segments, struct file *found, bool *is)
{
	SCOPED(file_release) struct file file = {0};
	SCOPED(scoped_free) struct segment *there = NULL;
	size_t count = creation->request.parts_count, n;
	int r = catalog_file(conn, num, &file);

	if (r || file.broken || !same_text(file.metadata, creation->request.metadata) ||
	    !same_text(file.concat, creation->request.concat))
		return r;
	r = catalog_segments(conn, num, &there, &n);
	if (r)
		return r;
	*is = n == count;
	for (size_t i = 0; i < count && *is; i++)
		*is = there[i].blob == segments[i].blob;
	if (*is) {
		*found = file;
		memset(&file, 0, sizeof(file));
	}
	return 0;
}

static int find_repeated(struct conn *conn, struct creation *creation,
			 const struct segment *segments)
{
	SCOPED(scoped_free) uint64_t *nums = NULL;
	size_t count;
	int r = catalog_finals_from(conn, segments[0].blob,
				    creation->file.created - REPEAT_TIME, &nums,
				    &count);

	for (size_t i = 0; !r && i < count && !creation->repeated; i++)
		r = is_repeat(conn, nums[i], creation, segments, &creation->made,
			      &creation->repeated);
	return r;
}

static int add_segments(struct conn *conn, const struct creation *creation,
			const struct segment *segments)
{
	int r = 0;

	for (size_t i = 0; i < creation->request.parts_count && !r; i++)
		r = catalog_add_segment(conn, creation->file.num, i, &segments[i]);
	return r;
}

/* ---- all ---- */

/* An upload that is complete at once. */
static int note_complete(struct creation *creation, const struct revealed *revealed)
{
	SCOPED(file_release) struct file told = {0};
	int r = file_copy(&creation->file, &told);

	return r ? r : outcome_add(&creation->change.outcome, &told, revealed);
}

static int add(struct conn *conn, struct creation *creation)
{
	struct file *file = &creation->file;
	struct revealed revealed = {0};
	int r = place_new(conn, file, &revealed);

	if (!r)
		r = file_copy(file, &creation->made);
	if (r)
		return r;
	if (!file_is_complete(file) && file->kind != FILE_FINAL)
		recent_put(creation->uploads->recent, file);
	if (!file_is_complete(file) || file->kind == FILE_PARTIAL)
		return 0;
	return note_complete(creation, &revealed);
}

/* Whether a final that is complete now may be: what it promises takes too long to
 * verify in a transaction. */
static int check_promise(struct creation *creation)
{
	if (creation->promised.algorithm == DIGEST_NONE ||
	    !file_is_complete(&creation->file))
		return 0;
	creation->unverified = !creation->verified;
	if (creation->unverified)
		return REFUSED_CHECKSUM;
	keep_sha256(&creation->file, &creation->promised);
	return 0;
}

static int add_final(struct conn *conn, struct creation *creation)
{
	SCOPED(scoped_free)
	struct segment *segments =
		calloc(creation->request.parts_count, sizeof(*segments));
	int r;

	if (!segments)
		return failure(-ENOMEM, "concatenate");
	r = read_parts(conn, &creation->request, segments);
	if (!r)
		r = find_repeated(conn, creation, segments);
	if (r || creation->repeated)
		return r;
	r = measure(creation, segments);
	if (!r)
		r = check_promise(creation);
	if (!r)
		r = add(conn, creation);
	return r ? r : add_segments(conn, creation, segments);
}

static int read_parts_now(struct creation *creation, struct segment *segments)
{
	SCOPED(conn_release)
	struct conn *conn = catalog_reader(creation->uploads->catalog);

	return read_parts(conn, &creation->request, segments);
}

/* Outside of any transaction. */
static int verify_parts(struct creation *creation)
{
	size_t count = creation->request.parts_count;
	SCOPED(scoped_free) struct segment *segments = calloc(count, sizeof(*segments));
	int r;

	if (!segments)
		return failure(-ENOMEM, "concatenate");
	r = read_parts_now(creation, segments);
	if (!r)
		r = verify_segments(creation->uploads, segments, count, NULL,
				    &creation->promised);
	creation->verified = !r;
	return r;
}

static int apply_create(struct conn *conn, void *arg)
{
	struct creation *creation = arg;
	const struct upload_request *request = &creation->request;
	int r;

	file_release(&creation->made);
	outcome_reset(&creation->change.outcome);
	creation->repeated = creation->unverified = false;
	if (request->kind == FILE_FINAL)
		return add_final(conn, creation);
	r = add(conn, creation);
	if (!r && creation->file.small && creation->file.offset)
		r = catalog_set_body(conn, creation->file.num, request->body,
				     request->body_size);
	return r;
}

/* A body that is the whole upload: checked against what the metadata promises, and
 * hashed. */
static int check_whole(struct creation *creation)
{
	const struct upload_request *request = &creation->request;
	struct file *file = &creation->file;
	uint8_t bytes[DIGEST_MAX_BYTES];
	struct checksum promised;
	int r;

	if (metadata_checksum(request->metadata, &promised)) {
		r = digest_once(promised.algorithm, request->body, request->body_size,
				bytes);
		if (r)
			return r;
		if (memcmp(bytes, promised.bytes, digest_size(promised.algorithm)) != 0)
			return REFUSED_CHECKSUM;
	}
	r = digest_once(DIGEST_SHA256, request->body, request->body_size, bytes);
	if (r)
		return r;
	memcpy(file->sha256, bytes, sizeof(file->sha256));
	file->has_sha256 = true;
	file->finished = file->created;
	return 0;
}

static int prepare(struct creation *creation)
{
	const struct upload_request *request = &creation->request;
	struct uploads *uploads = creation->uploads;
	struct file *file = &creation->file;
	int r;

	if (request->length_known && uploads->config.max_size &&
	    request->length > uploads->config.max_size)
		return REFUSED_TOO_LARGE;
	if (request->body_size &&
	    (!fits_whole(request) || request->body_size > request->length))
		return REFUSED_LENGTH;
	r = check_room(uploads, request->length_known ? request->length : 0);
	if (!r)
		r = upload_id_make(&file->id);
	if (r)
		return r;
	file->kind = request->kind;
	if (file->kind == FILE_FINAL &&
	    !metadata_checksum(request->metadata, &creation->promised))
		creation->promised.algorithm = DIGEST_NONE;
	file->created = file->modified = file->changed = clock_now();
	file->length_known = request->length_known;
	file->length = request->length_known ? request->length : 0;
	file->small = fits_whole(request);
	file->offset = file->small ? request->body_size : 0;
	file->metadata = (char *)request->metadata;
	file->concat = (char *)request->concat;
	if (file->small && file->offset == file->length)
		r = check_whole(creation);
	if (!file_is_complete(file) || file->kind == FILE_PARTIAL)
		file->expires = expiry_from(uploads, file->created);
	return r;
}

static bool must_be_durable(const struct creation *creation)
{
	/* a final may become complete with its creation */
	return file_is_complete(&creation->file) || creation->file.kind == FILE_FINAL
		       ? durable_finish(creation->uploads)
		       : durable_always(creation->uploads);
}

static int commit(struct creation *creation)
{
	struct catalog *catalog = creation->uploads->catalog;
	bool durable = must_be_durable(creation);
	int r = catalog_commit(catalog, durable, apply_create, creation);

	if (r != REFUSED_CHECKSUM || !creation->unverified)
		return r;
	r = verify_parts(creation);
	return r ? r : catalog_commit(catalog, durable, apply_create, creation);
}

static int creation_end(struct upload_change *change, struct file *file)
{
	struct creation *creation = (struct creation *)change;
	struct uploads *uploads = creation->uploads;
	int r = change->commit.result;

	outcome_tell(&change->outcome, !r);
	outcome_release(&change->outcome);
	if (!r && !creation->repeated && !file_is_complete(&creation->made))
		tell(uploads, UPLOAD_CREATED, &creation->made);
	if (r) {
		recent_drop(uploads->recent, creation->file.id);
		file_release(&creation->made);
		return r;
	}
	*file = creation->made;
	return 0;
}

static void creation_init(struct creation *creation, struct uploads *uploads,
			  const struct upload_request *request)
{
	*creation = (struct creation){
		.change = {.commit = {.apply = apply_create, .arg = creation},
			   .outcome = {.uploads = uploads},
			   .end = creation_end},
		.uploads = uploads,
		.request = *request,
	};
}

int uploads_create(struct uploads *uploads, const struct upload_request *request,
		   struct file *file)
{
	struct creation creation;
	int r;

	creation_init(&creation, uploads, request);
	r = prepare(&creation);
	if (!r)
		r = commit(&creation);
	creation.change.commit.result = r;
	return creation_end(&creation.change, file);
}

int upload_change_create(struct uploads *uploads, const struct upload_request *request,
			 struct upload_change **change)
{
	SCOPED(scoped_free) struct creation *creation = malloc(sizeof(*creation));
	int r;

	assert(request->kind != FILE_FINAL);
	if (!creation)
		return failure(-ENOMEM, "create upload");
	creation_init(creation, uploads, request);
	r = prepare(creation);
	if (r)
		return r;
	creation->change.commit.durable = must_be_durable(creation);
	*change = &creation->change;
	creation = NULL;
	return 0;
}
