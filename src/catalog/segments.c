/* Rows of `segment`, `body` and `trash`: where bytes are. */
#include "query.h"

#include <errno.h>

int catalog_add_segment(struct conn *conn, uint64_t num, uint64_t position,
			const struct segment *segment)
{
	SCOPED(query_end) struct query q = query_begin(conn, STMT_ADD_SEGMENT);

	query_u64(&q, 1, num);
	query_u64(&q, 2, position);
	query_u64(&q, 3, segment->blob);
	query_u64(&q, 4, segment->small);
	if (segment->length_known)
		query_u64(&q, 5, segment->length);
	return query_run(&q);
}

static struct segment segment_of(struct query *q)
{
	struct segment segment = {
		.blob = query_column_u64(q, 0),
		.small = query_column_u64(q, 1),
		.length_known = !query_column_is_null(q, 2),
		.length = query_column_u64(q, 2),
		.reached = query_column_u64(q, 3),
		.part_length_known = !query_column_is_null(q, 4),
		.part_length = query_column_u64(q, 4),
	};

	return segment;
}

int catalog_segments(struct conn *conn, uint64_t num, struct segment **segments,
		     size_t *count)
{
	SCOPED(query_end) struct query q = query_begin(conn, STMT_SEGMENTS);
	SCOPED(scoped_free) struct segment *all = NULL;
	size_t n = 0, room = 0;
	struct segment *more;
	bool row;
	int r;

	query_u64(&q, 1, num);
	for (;;) {
		r = query_step(&q, &row);
		if (r)
			return r;
		if (!row)
			break;
		if (n == room) {
			room = room ? room * 2 : 8;
			more = reallocarray(all, room, sizeof(*all));
			if (!more)
				return failure(-ENOMEM, "read segments");
			all = more;
		}
		all[n++] = segment_of(&q);
	}
	*segments = STEAL(all);
	*count = n;
	return 0;
}

int catalog_scattered(struct conn *conn, uint64_t after, uint64_t *nums, size_t room,
		      size_t *count)
{
	return query_nums_after(conn, STMT_SCATTERED, after, nums, room, count);
}

int catalog_remove_segments(struct conn *conn, uint64_t num)
{
	return query_run_on(conn, STMT_REMOVE_SEGMENTS, num);
}

int catalog_complete_segments(struct conn *conn, uint64_t blob, uint64_t length)
{
	SCOPED(query_end) struct query q = query_begin(conn, STMT_COMPLETE_SEGMENTS);

	query_u64(&q, 1, blob);
	query_u64(&q, 2, length);
	return query_run(&q);
}

int catalog_users(struct conn *conn, uint64_t blob, uint64_t **nums, size_t *count)
{
	SCOPED(query_end) struct query q = query_begin(conn, STMT_USERS);

	query_u64(&q, 1, blob);
	return query_all_nums(&q, nums, count);
}

int catalog_has_users(struct conn *conn, uint64_t blob, bool *has)
{
	SCOPED(query_end) struct query q = query_begin(conn, STMT_HAS_USERS);

	query_u64(&q, 1, blob);
	return query_step(&q, has);
}

int catalog_abandon_finals(struct conn *conn, uint64_t blob, int64_t when)
{
	SCOPED(query_end) struct query q = query_begin(conn, STMT_ABANDON_FINALS);

	query_u64(&q, 1, blob);
	query_i64(&q, 2, when);
	return query_run(&q);
}

int catalog_final_sum(struct conn *conn, uint64_t num, bool *waits, uint64_t *sum)
{
	SCOPED(query_end) struct query q = query_begin(conn, STMT_FINAL_SUM);
	int r;

	query_u64(&q, 1, num);
	r = query_one(&q);
	if (r)
		return r;
	*waits = query_column_u64(&q, 0) != 0;
	*sum = query_column_u64(&q, 1);
	return 0;
}

int catalog_finals_exceed(struct conn *conn, uint64_t blob, uint64_t length,
			  uint64_t max, bool *exceed)
{
	SCOPED(query_end) struct query q = query_begin(conn, STMT_FINALS_EXCEED);

	query_u64(&q, 1, blob);
	query_u64(&q, 2, length);
	query_u64(&q, 3, max);
	return query_step(&q, exceed);
}

int catalog_final_expires(struct conn *conn, uint64_t num, int64_t *when)
{
	SCOPED(query_end) struct query q = query_begin(conn, STMT_FINAL_EXPIRES);
	int r;

	query_u64(&q, 1, num);
	r = query_one(&q);
	if (!r)
		*when = query_column_i64(&q, 0);
	return r;
}

int catalog_finals_from(struct conn *conn, uint64_t blob, int64_t since,
			uint64_t **nums, size_t *count)
{
	SCOPED(query_end) struct query q = query_begin(conn, STMT_FINALS_FROM);

	query_u64(&q, 1, blob);
	query_i64(&q, 2, since);
	return query_all_nums(&q, nums, count);
}

int catalog_set_body(struct conn *conn, uint64_t num, const void *bytes, size_t size)
{
	SCOPED(query_end) struct query q = query_begin(conn, STMT_SET_BODY);

	query_u64(&q, 1, num);
	query_blob(&q, 2, bytes, size);
	return query_run(&q);
}

int catalog_body(struct conn *conn, uint64_t num, uint8_t **bytes, size_t *size)
{
	SCOPED(query_end) struct query q = query_begin(conn, STMT_BODY);
	char *copy;
	int r;

	query_u64(&q, 1, num);
	r = query_one(&q);
	if (!r)
		r = query_column_copy(&q, 0, &copy, size);
	if (!r)
		*bytes = (uint8_t *)copy;
	return r;
}

int catalog_remove_body(struct conn *conn, uint64_t num)
{
	return query_run_on(conn, STMT_REMOVE_BODY, num);
}

int catalog_add_trash(struct conn *conn, uint64_t blob)
{
	return query_run_on(conn, STMT_ADD_TRASH, blob);
}

int catalog_trash(struct conn *conn, uint64_t after, uint64_t *blobs, size_t room,
		  size_t *count)
{
	return query_nums_after(conn, STMT_TRASH, after, blobs, room, count);
}

int catalog_touch_trash(struct conn *conn, uint64_t blob)
{
	return query_run_on(conn, STMT_TOUCH_TRASH, blob);
}

int catalog_remove_trash(struct conn *conn, uint64_t blob)
{
	return query_run_on(conn, STMT_REMOVE_TRASH, blob);
}
