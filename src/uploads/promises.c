/* An append against the checksums that were promised for it and for the whole. */
#include "writer.h"

#include <string.h>

/* The digest of what the upload has from `start` on, read again. */
static int digest_from(struct upload_writer *writer, enum digest_algorithm algorithm,
		       uint64_t start, struct digest **digest)
{
	int r = digest_new(algorithm, digest);

	if (r)
		return r;
	if (writer->file.small) {
		digest_update(*digest, writer->buffer + start,
			      writer->buffered - start);
		return 0;
	}
	if (writer->in_blob)
		r = writer_take_blob(writer);
	if (r || !writer->blob)
		return r;
	return digest_blob(*digest, writer->blob, start, UINT64_MAX);
}

/* The digest of all bytes, including those that no digest was carried along for. */
static int digest_whole(struct upload_writer *writer, uint8_t out[DIGEST_MAX_BYTES])
{
	SCOPED(scoped_digest_free) struct digest *digest = STEAL(writer->whole);
	int r = 0;

	if (!digest)
		r = digest_from(writer, writer->promised.algorithm, 0, &digest);
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

int writer_check_part(struct upload_writer *writer, const struct checksum *checksum)
{
	uint8_t found[DIGEST_MAX_BYTES];
	int r = 0;

	if (!writer->append.checked && !checksum)
		return 0;
	if (!checksum || checksum->algorithm == DIGEST_NONE)
		return REFUSED_INVALID;
	if (!writer->part) /* the algorithm came only with the trailer */
		r = digest_from(writer, checksum->algorithm, writer->start,
				&writer->part);
	if (r)
		return r;
	digest_final(writer->part, found);
	return memcmp(found, checksum->bytes, digest_size(checksum->algorithm)) == 0
		       ? 0
		       : REFUSED_CHECKSUM;
}
