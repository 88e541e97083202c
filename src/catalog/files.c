/* Rows of `file`. The column list is FILE_COLUMNS, its one reader file_of(). */
#include "query.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static int copy_id(struct query *q, int column, struct upload_id *id)
{
	const void *bytes = sqlite3_column_blob(q->stmt, column);

	if (!bytes)
		return 0; /* a folder */
	if (sqlite3_column_bytes(q->stmt, column) != UPLOAD_ID_BYTES)
		return failure(-EUCLEAN, "catalog: id of file %llu",
			       (unsigned long long)query_column_u64(q, 0));
	memcpy(id->bytes, bytes, UPLOAD_ID_BYTES);
	return 0;
}

static void copy_sha256(struct query *q, int column, struct file *file)
{
	const void *bytes = sqlite3_column_blob(q->stmt, column);

	file->has_sha256 = bytes && sqlite3_column_bytes(q->stmt, column) ==
					    (int)sizeof(file->sha256);
	if (file->has_sha256)
		memcpy(file->sha256, bytes, sizeof(file->sha256));
}

static void copy_name(struct query *q, int column, struct name *name)
{
	const char *text = (const char *)sqlite3_column_text(q->stmt, column);

	if (text)
		name_set(name, text);
}

/* Reads the row that the query stands on. */
static int file_of(struct query *q, struct file *out)
{
	SCOPED(file_release) struct file file = {0};
	size_t size;
	int r;

	file.num = query_column_u64(q, 0);
	file.parent = query_column_u64(q, 1);
	copy_name(q, 2, &file.name);
	file.kind = (enum file_kind)query_column_u64(q, 3);
	file.arriving = query_column_u64(q, 4);
	file.shown = query_column_u64(q, 5);
	file.created = query_column_i64(q, 6);
	file.modified = query_column_i64(q, 7);
	file.changed = query_column_i64(q, 8);
	file.finished = query_column_i64(q, 9);
	file.expires = query_column_i64(q, 10);
	file.offset = query_column_u64(q, 12);
	file.length_known = !query_column_is_null(q, 13);
	file.length = query_column_u64(q, 13);
	file.small = query_column_u64(q, 14);
	file.broken = query_column_u64(q, 15);
	copy_sha256(q, 18, &file);
	r = copy_id(q, 11, &file.id);
	if (!r)
		r = query_columns(q);
	if (!r)
		r = query_column_copy(q, 16, &file.metadata, &size);
	if (!r)
		r = query_column_copy(q, 17, &file.concat, &size);
	if (r)
		return r;
	*out = file;
	file = (struct file){0};
	return 0;
}

static int one_file(struct query *q, struct file *file)
{
	int r = query_one(q);

	return r ? r : file_of(q, file);
}

int catalog_file(struct conn *conn, uint64_t num, struct file *file)
{
	SCOPED(query_end) struct query q = query_begin(conn, STMT_FILE);

	query_u64(&q, 1, num);
	return one_file(&q, file);
}

static int tombstone(struct conn *conn, struct upload_id id)
{
	SCOPED(query_end) struct query q = query_begin(conn, STMT_TOMBSTONE);
	bool row;
	int r;

	query_blob(&q, 1, id.bytes, sizeof(id.bytes));
	r = query_step(&q, &row);
	if (r)
		return r;
	return row ? REFUSED_GONE : REFUSED_NOT_FOUND;
}

int catalog_file_with_id(struct conn *conn, struct upload_id id, struct file *file)
{
	SCOPED(query_end) struct query q = query_begin(conn, STMT_FILE_WITH_ID);
	int r;

	query_blob(&q, 1, id.bytes, sizeof(id.bytes));
	r = one_file(&q, file);
	return r == REFUSED_NOT_FOUND ? tombstone(conn, id) : r;
}

int catalog_file_named(struct conn *conn, uint64_t parent, const char *name,
		       struct file *file)
{
	SCOPED(query_end) struct query q = query_begin(conn, STMT_FILE_NAMED);

	query_u64(&q, 1, parent);
	query_text(&q, 2, name);
	return one_file(&q, file);
}

int catalog_name_taken(struct conn *conn, uint64_t parent, const char *name,
		       bool *taken)
{
	SCOPED(query_end) struct query q = query_begin(conn, STMT_NAME_TAKEN);

	query_u64(&q, 1, parent);
	query_text(&q, 2, name);
	return query_step(&q, taken);
}

static void bind_length(struct query *q, int index, const struct file *file)
{
	if (file->length_known)
		query_u64(q, index, file->length);
	else
		query_null(q, index);
}

static void bind_sha256(struct query *q, int index, const struct file *file)
{
	if (file->has_sha256)
		query_blob(q, index, file->sha256, sizeof(file->sha256));
	else
		query_null(q, index);
}

int catalog_add(struct conn *conn, struct file *file)
{
	SCOPED(query_end) struct query q = query_begin(conn, STMT_ADD);
	int r;

	query_u64(&q, 2, file->parent);
	query_text(&q, 3, file->name.text);
	query_u64(&q, 4, file->kind);
	query_u64(&q, 5, file->arriving);
	query_u64(&q, 6, file->shown);
	query_i64(&q, 7, file->created);
	query_i64(&q, 8, file->modified);
	query_i64(&q, 9, file->changed);
	query_i64(&q, 10, file->finished);
	query_i64(&q, 11, file->expires);
	if (!file_is_folder(file))
		query_blob(&q, 12, file->id.bytes, sizeof(file->id.bytes));
	query_u64(&q, 13, file->offset);
	bind_length(&q, 14, file);
	query_u64(&q, 15, file->small);
	query_u64(&q, 16, file->broken);
	query_text(&q, 17, file->metadata);
	query_text(&q, 18, file->concat);
	bind_sha256(&q, 19, file);
	r = query_run(&q);
	if (r)
		return r;
	if (!query_changes(&q))
		return REFUSED_EXISTS;
	file->num = (uint64_t)sqlite3_last_insert_rowid(conn->db);
	return 0;
}

static int write_progress(struct conn *conn, enum statement statement, uint64_t from,
			  const struct file *file)
{
	SCOPED(query_end) struct query q = query_begin(conn, statement);
	int r;

	query_u64(&q, 1, file->num);
	query_u64(&q, 2, from);
	query_u64(&q, 3, file->offset);
	bind_length(&q, 4, file);
	query_i64(&q, 5, file->modified);
	query_i64(&q, 6, file->changed);
	query_i64(&q, 7, file->finished);
	query_i64(&q, 8, file->expires);
	bind_sha256(&q, 9, file);
	r = query_run(&q);
	if (r)
		return r;
	return query_changes(&q) ? 0 : REFUSED_GONE;
}

int catalog_advance(struct conn *conn, uint64_t from, const struct file *file)
{
	return write_progress(conn, STMT_ADVANCE, from, file);
}

int catalog_finish(struct conn *conn, uint64_t from, const struct file *file)
{
	assert(!file->arriving && file->shown);
	return write_progress(conn, STMT_FINISH, from, file);
}

int catalog_place(struct conn *conn, const struct file *file)
{
	SCOPED(query_end) struct query q = query_begin(conn, STMT_PLACE);

	query_u64(&q, 1, file->num);
	query_u64(&q, 2, file->parent);
	query_text(&q, 3, file->name.text);
	query_u64(&q, 4, file->arriving);
	query_u64(&q, 5, file->shown);
	query_i64(&q, 6, file->modified);
	query_i64(&q, 7, file->changed);
	return query_run(&q);
}

int catalog_set_sha256(struct conn *conn, uint64_t num, const uint8_t sha256[32])
{
	SCOPED(query_end) struct query q = query_begin(conn, STMT_SET_SHA256);

	query_u64(&q, 1, num);
	query_blob(&q, 2, sha256, 32);
	return query_run(&q);
}

int catalog_set_broken(struct conn *conn, uint64_t num)
{
	return query_run_on(conn, STMT_SET_BROKEN, num);
}

int catalog_set_expires(struct conn *conn, uint64_t num, int64_t when)
{
	SCOPED(query_end) struct query q = query_begin(conn, STMT_SET_EXPIRES);

	query_u64(&q, 1, num);
	query_i64(&q, 2, when);
	return query_run(&q);
}

static int touch(struct conn *conn, uint64_t num, int64_t when, bool modified)
{
	SCOPED(query_end)
	struct query q =
		query_begin(conn, modified ? STMT_TOUCH_MODIFIED : STMT_TOUCH_CHANGED);

	query_u64(&q, 1, num);
	query_i64(&q, 2, when);
	return query_run(&q);
}

int catalog_touch(struct conn *conn, uint64_t num, int64_t when, bool modified)
{
	bool again = conn->touched == num;
	int r;

	if (again && (conn->touched_modified || !modified))
		return 0;
	/* never earlier than the transaction: a later change of this batch, which is
	 * not written again, may have begun before it */
	if (when < conn->began)
		when = conn->began;
	r = touch(conn, num, when, modified);
	conn->touched = r ? 0 : num;
	conn->touched_modified = modified;
	return r;
}

int catalog_remove(struct conn *conn, uint64_t num)
{
	int r = query_run_on(conn, STMT_REMOVE, num);

	return r ? r : query_run_on(conn, STMT_REMOVE_ATTRIBUTES, num);
}

int catalog_list(struct conn *conn, enum catalog_view view, uint64_t parent,
		 uint64_t after, bool (*row)(void *arg, const struct file *file),
		 void *arg)
{
	static const enum statement statements[] = {
		[CATALOG_SHOWN] = STMT_LIST_SHOWN,
		[CATALOG_ARRIVING] = STMT_LIST_ARRIVING,
		[CATALOG_UPLOADS] = STMT_LIST_UPLOADS,
	};
	SCOPED(query_end) struct query q = query_begin(conn, statements[view]);
	bool more, wanted = true;
	int r;

	if (view != CATALOG_UPLOADS)
		query_u64(&q, 1, parent);
	query_u64(&q, 2, after);
	while (wanted) {
		SCOPED(file_release) struct file file = {0};

		r = query_step(&q, &more);
		if (r || !more)
			return r;
		r = file_of(&q, &file);
		if (r)
			return r;
		wanted = row(arg, &file);
	}
	return 0;
}

int catalog_expired(struct conn *conn, int64_t now, uint64_t *nums, size_t room,
		    size_t *count)
{
	SCOPED(query_end) struct query q = query_begin(conn, STMT_EXPIRED);

	query_i64(&q, 1, now);
	query_u64(&q, 2, room);
	return query_nums(&q, nums, room, count);
}

int catalog_unhashed(struct conn *conn, uint64_t after, uint64_t *nums, size_t room,
		     size_t *count)
{
	return query_nums_after(conn, STMT_UNHASHED, after, nums, room, count);
}

int catalog_receiving(struct conn *conn, uint64_t after, uint64_t *nums, size_t room,
		      size_t *count)
{
	return query_nums_after(conn, STMT_RECEIVING, after, nums, room, count);
}
