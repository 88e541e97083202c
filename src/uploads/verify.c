/* The checksum that a final upload's metadata promises. Its bytes are those of its
 * parts, so they are read once more, before the transaction that would complete it. */
#include "engine.h"

#include "tusfs/metadata.h"

#include <errno.h>
#include <string.h>

#define VERIFY_BLOCK (256 * 1024)

void keep_sha256(struct file *file, const struct checksum *verified)
{
	if (verified->algorithm != DIGEST_SHA256)
		return;
	memcpy(file->sha256, verified->bytes, sizeof(file->sha256));
	file->has_sha256 = true;
}

static int digest_body(struct uploads *uploads, uint64_t num, struct digest *digest)
{
	SCOPED(conn_release) struct conn *conn = catalog_reader(uploads->catalog);
	SCOPED(scoped_free) uint8_t *bytes = NULL;
	size_t size;
	int r = catalog_body(conn, num, &bytes, &size);

	if (!r)
		digest_update(digest, bytes, size);
	return r;
}

int digest_blob(struct digest *digest, struct blob *blob, uint64_t from, uint64_t to)
{
	SCOPED(scoped_free) uint8_t *block = malloc(VERIFY_BLOCK);
	size_t got = 1, want;
	int r = 0;

	if (!block)
		return failure(-ENOMEM, "verify upload");
	while (!r && got && from < to) {
		want = to - from < VERIFY_BLOCK ? to - from : VERIFY_BLOCK;
		r = blob_read(blob, block, want, from, &got);
		if (!r)
			digest_update(digest, block, got);
		from += got;
	}
	return r;
}

static int digest_blob_of(struct uploads *uploads, uint64_t num, uint64_t length,
			  struct digest *digest)
{
	SCOPED(scoped_blob_unref) struct blob *blob = NULL;
	int r = blob_open(uploads->store, num, &blob);

	return r ? r : digest_blob(digest, blob, 0, length);
}

static int digest_segment(struct uploads *uploads, const struct segment *segment,
			  const struct late_part *late, struct digest *digest)
{
	bool is_late = late && late->blob == segment->blob;
	uint64_t length = is_late ? late->length : segment->length;

	if (is_late && late->memory) {
		digest_update(digest, late->memory, length);
		return 0;
	}
	if (!length)
		return 0;
	return segment->small ? digest_body(uploads, segment->blob, digest)
			      : digest_blob_of(uploads, segment->blob, length, digest);
}

int verify_segments(struct uploads *uploads, const struct segment *segments,
		    size_t count, const struct late_part *late,
		    const struct checksum *promised)
{
	SCOPED(scoped_digest_free) struct digest *digest = NULL;
	uint8_t found[DIGEST_MAX_BYTES];
	int r = digest_new(promised->algorithm, &digest);

	for (size_t i = 0; i < count && !r; i++)
		r = digest_segment(uploads, &segments[i], late, digest);
	if (r)
		return r;
	digest_final(digest, found);
	return memcmp(found, promised->bytes, digest_size(promised->algorithm)) == 0
		       ? 0
		       : REFUSED_CHECKSUM;
}

static int read_final(struct uploads *uploads, uint64_t num, struct checksum *promised,
		      struct segment **segments, size_t *count)
{
	SCOPED(conn_release) struct conn *conn = catalog_reader(uploads->catalog);
	SCOPED(file_release) struct file final = {0};
	int r = catalog_file(conn, num, &final);

	if (r)
		return r;
	if (!metadata_checksum(final.metadata, promised))
		return REFUSED_NOT_FOUND;
	return catalog_segments(conn, num, segments, count);
}

int verify_final(struct uploads *uploads, uint64_t num, const struct late_part *late)
{
	SCOPED(scoped_free) struct segment *segments = NULL;
	struct checksum promised;
	size_t count;
	int r = read_final(uploads, num, &promised, &segments, &count);

	return r ? r : verify_segments(uploads, segments, count, late, &promised);
}
