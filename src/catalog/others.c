/* Rows of `tombstone` and `attribute`. */
#include "query.h"

#include <errno.h>
#include <string.h>

int catalog_add_tombstone(struct conn *conn, struct upload_id id, int64_t when)
{
	SCOPED(query_end) struct query q = query_begin(conn, STMT_ADD_TOMBSTONE);

	query_blob(&q, 1, id.bytes, sizeof(id.bytes));
	query_i64(&q, 2, when);
	return query_run(&q);
}

int catalog_forget_tombstones(struct conn *conn, int64_t when, size_t limit,
			      size_t *count)
{
	SCOPED(query_end) struct query q = query_begin(conn, STMT_FORGET_TOMBSTONES);
	int r;

	query_i64(&q, 1, when);
	query_u64(&q, 2, limit);
	r = query_run(&q);
	if (!r)
		*count = (size_t)query_changes(&q);
	return r;
}

int catalog_attribute(struct conn *conn, uint64_t num, const char *name, char **value,
		      size_t *size)
{
	SCOPED(query_end) struct query q = query_begin(conn, STMT_ATTRIBUTE);
	int r;

	query_u64(&q, 1, num);
	query_text(&q, 2, name);
	r = query_one(&q);
	return r ? r : query_column_copy(&q, 0, value, size);
}

int catalog_set_attribute(struct conn *conn, uint64_t num, const char *name,
			  const void *value, size_t size)
{
	SCOPED(query_end) struct query q = query_begin(conn, STMT_SET_ATTRIBUTE);

	query_u64(&q, 1, num);
	query_text(&q, 2, name);
	query_blob(&q, 3, value, size);
	return query_run(&q);
}

int catalog_remove_attribute(struct conn *conn, uint64_t num, const char *name)
{
	SCOPED(query_end) struct query q = query_begin(conn, STMT_REMOVE_ATTRIBUTE);
	int r;

	query_u64(&q, 1, num);
	query_text(&q, 2, name);
	r = query_run(&q);
	if (r)
		return r;
	return query_changes(&q) ? 0 : REFUSED_NOT_FOUND;
}

/* Appends a name and its NUL to a list. */
static int append_name(struct query *q, char **names, size_t *size)
{
	const char *name = (const char *)sqlite3_column_text(q->stmt, 0);
	size_t length = name ? strlen(name) + 1 : 0;
	char *more;
	int r = query_columns(q);

	if (r)
		return r;
	more = realloc(*names, *size + length + 1);
	if (!more)
		return failure(-ENOMEM, "read attribute names");
	if (length)
		memcpy(more + *size, name, length);
	*names = more;
	*size += length;
	return 0;
}

int catalog_attribute_names(struct conn *conn, uint64_t num, char **names, size_t *size)
{
	SCOPED(query_end) struct query q = query_begin(conn, STMT_ATTRIBUTE_NAMES);
	SCOPED(scoped_free) char *all = NULL;
	size_t total = 0;
	bool row;
	int r;

	query_u64(&q, 1, num);
	for (;;) {
		r = query_step(&q, &row);
		if (!r && row)
			r = append_name(&q, &all, &total);
		if (r)
			return r;
		if (!row)
			break;
	}
	*names = STEAL(all);
	*size = total;
	return 0;
}

int catalog_attributes_size(struct conn *conn, uint64_t num, uint64_t *size)
{
	SCOPED(query_end) struct query q = query_begin(conn, STMT_ATTRIBUTES_SIZE);
	int r;

	query_u64(&q, 1, num);
	r = query_one(&q);
	if (!r)
		*size = query_column_u64(&q, 0);
	return r;
}

int catalog_last_num(struct conn *conn, uint64_t *num)
{
	SCOPED(query_end) struct query q = query_begin(conn, STMT_LAST_NUM);
	int r = query_one(&q);

	if (!r)
		*num = query_column_u64(&q, 0);
	return r;
}
