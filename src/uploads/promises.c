/* An append against the checksums that were promised for it and for the whole. */
#include "writer.h"

#include <errno.h>
#include <string.h>

/* The digest of all bytes, including those that no digest was carried along for. */
static int digest_whole(struct upload_writer *writer, uint8_t out[DIGEST_MAX_BYTES])
{
	SCOPED(scoped_digest_free) struct digest *digest = STEAL(writer->whole);
	SCOPED(scoped_free) uint8_t *block = NULL;
	uint64_t offset = 0;
	size_t got = 1;
	int r = 0;

	if (digest) {
		digest_final(digest, out);
		return 0;
	}
	block = malloc(GATHER_BYTES);
	if (!block)
		return failure(-ENOMEM, "check upload");
	r = digest_new(writer->promised.algorithm, &digest);
	if (!r && writer->file.small)
		digest_update(digest, writer->buffer, writer->buffered);
	if (!r && writer->in_blob)
		r = writer_take_blob(writer);
	while (!r && writer->blob && got) {
		r = blob_read(writer->blob, block, GATHER_BYTES, offset, &got);
		if (!r)
			digest_update(digest, block, got);
		offset += got;
	}
	if (!r)
		digest_final(digest, out);
	return r;
}

/* The sha256 of an upload that is complete now, if it costs nothing more: a small one
 * is in memory, and one that came slowly was hashed on its way. Others are the
 * hasher's. */
static int note_sha256(struct upload_writer *writer)
{
	SCOPED(scoped_digest_free) struct digest *digest = STEAL(writer->whole);
	struct checksum sha256 = {.algorithm = DIGEST_SHA256};
	int r = 0;

	if (writer->file.kind != FILE_PLAIN || (!writer->file.small && !digest))
		return 0;
	if (digest)
		digest_final(digest, sha256.bytes);
	else
		r = digest_once(DIGEST_SHA256, writer->buffer, writer->buffered,
				sha256.bytes);
	if (!r)
		keep_sha256(&writer->file, &sha256);
	return r;
}

/* When this append completes the upload: the checksum that the metadata promised. */
int writer_check_whole(struct upload_writer *writer)
{
	struct file *file = &writer->file;
	uint8_t found[DIGEST_MAX_BYTES];
	int r;

	if (!file->length_known || writer_position(writer) != file->length)
		return 0;
	if (writer->promised.algorithm == DIGEST_NONE)
		return note_sha256(writer);
	r = digest_whole(writer, found);
	if (r)
		return r;
	if (memcmp(found, writer->promised.bytes,
		   digest_size(writer->promised.algorithm)) != 0)
		return REFUSED_CHECKSUM;
	keep_sha256(file, &writer->promised);
	return 0;
}

/* A checksum whose algorithm came only with the trailer: the bytes are read again. */
static int digest_late(struct upload_writer *writer, const struct checksum *checksum)
{
	uint8_t block[8192];
	uint64_t offset = writer->start;
	size_t got = 1;
	int r = digest_new(checksum->algorithm, &writer->part);

	if (r)
		return r;
	if (writer->file.small) {
		digest_update(writer->part, writer->buffer + writer->start,
			      writer->buffered - writer->start);
		return 0;
	}
	if (writer->in_blob)
		r = writer_take_blob(writer);
	while (!r && writer->blob && got) {
		r = blob_read(writer->blob, block, sizeof(block), offset, &got);
		if (!r)
			digest_update(writer->part, block, got);
		offset += got;
	}
	return r;
}

int writer_check_part(struct upload_writer *writer, const struct checksum *checksum)
{
	uint8_t found[DIGEST_MAX_BYTES];
	int r = 0;

	if (!writer->append.checked && !checksum)
		return 0;
	if (!checksum || checksum->algorithm == DIGEST_NONE)
		return REFUSED_INVALID;
	if (!writer->part)
		r = digest_late(writer, checksum);
	if (r)
		return r;
	digest_final(writer->part, found);
	return memcmp(found, checksum->bytes, digest_size(checksum->algorithm)) == 0
		       ? 0
		       : REFUSED_CHECKSUM;
}
