/* Offsets that move, and what follows when one reaches the length. All of it happens in
 * the transaction that moves the offset. */
#include "engine.h"

#include "tusfs/clock.h"
#include "tusfs/metadata.h"

int64_t expiry_from(const struct uploads *uploads, int64_t now)
{
	return uploads->config.expire_after ? now + uploads->config.expire_after : 0;
}

/* A final that waited for nothing but the part that is complete now. Refusals: CHECKSUM
 * (a promise is still to be verified: outcome->unverified). */
static int finish_final(struct conn *conn, uint64_t num, int64_t now,
			struct outcome *outcome)
{
	SCOPED(file_release) struct file final = {0};
	struct revealed revealed = {0};
	struct checksum promised;
	uint64_t sum;
	bool waits;
	int r = catalog_file(conn, num, &final);

	if (!r)
		r = catalog_final_sum(conn, num, &waits, &sum);
	if (r || waits || file_is_complete(&final))
		return r;
	if (metadata_checksum(final.metadata, &promised)) {
		if (!outcome_trusts(outcome, num)) {
			outcome->unverified = num;
			return REFUSED_CHECKSUM;
		}
		keep_sha256(&final, &promised);
	}
	final.offset = final.length = sum;
	final.length_known = true;
	final.finished = final.modified = final.changed = now;
	final.expires = 0;
	r = place_finished(conn, 0, &final, &revealed);
	return r ? r : outcome_add(outcome, &final, &revealed);
}

/* A part that is complete gives its length to the finals that use it. */
static int finish_part(struct conn *conn, const struct file *part,
		       struct outcome *outcome)
{
	SCOPED(scoped_free) uint64_t *users = NULL;
	size_t count = 0;
	int r = catalog_users(conn, part->num, &users, &count);

	if (!r && count)
		r = catalog_complete_segments(conn, part->num, part->length);
	for (size_t i = 0; i < count && !r; i++)
		r = finish_final(conn, users[i], part->finished, outcome);
	return r;
}

/* An upload that has its place in complete/ now. Its folder and name are those that it
 * was given: only what complete/ shows can be moved. */
static int finish_plain(struct conn *conn, uint64_t from, struct file *file,
			struct outcome *outcome)
{
	SCOPED(file_release) struct file told = {0};
	struct revealed revealed = {0};
	int r = place_finished(conn, from, file, &revealed);

	if (!r)
		r = file_copy(file, &told);
	return r ? r : outcome_add(outcome, &told, &revealed);
}

static int finish(struct conn *conn, uint64_t from, struct file *file,
		  struct outcome *outcome)
{
	int r;

	if (file->kind != FILE_PARTIAL)
		return finish_plain(conn, from, file, outcome);
	r = catalog_advance(conn, from, file);
	return r ? r : finish_part(conn, file, outcome);
}

int advance(struct conn *conn, uint64_t from, struct file *file,
	    struct outcome *outcome)
{
	int64_t now = clock_now();
	bool complete = file->length_known && file->offset == file->length;

	if (file->offset != from)
		file->modified = now;
	file->changed = now;
	file->finished = complete ? now : 0;
	file->expires = complete && file->kind != FILE_PARTIAL
				? 0
				: expiry_from(outcome->uploads, now);
	return complete ? finish(conn, from, file, outcome)
			: catalog_advance(conn, from, file);
}

/* How far the parts go: up to the first that is not there yet. */
static void sum_up(struct file *final, const struct segment *segments, size_t count)
{
	bool gap = false;

	final->offset = final->length = 0;
	final->length_known = true;
	for (size_t i = 0; i < count; i++) {
		const struct segment *s = &segments[i];

		if (!gap)
			final->offset += s->length_known ? s->length : s->reached;
		gap |= !s->length_known;
		final->length += s->length_known ? s->length : s->part_length;
		final->length_known &= s->length_known || s->part_length_known;
	}
	if (!final->length_known)
		final->length = 0;
}

int final_reach(struct conn *conn, struct file *file)
{
	SCOPED(scoped_free) struct segment *segments = NULL;
	size_t count;
	int r;

	if (file->kind != FILE_FINAL || file_is_complete(file))
		return 0;
	r = catalog_segments(conn, file->num, &segments, &count);
	if (!r)
		sum_up(file, segments, count);
	return r;
}
