#include "query.h"

#include "frames.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

static const char *const texts[STMT_COUNT] = {
#define STMT(name, text) [STMT_##name] = (text),
#include "statements.def"
#undef STMT
};

static const char *const names[STMT_COUNT] = {
#define STMT(name, text) [STMT_##name] = #name,
#include "statements.def"
#undef STMT
};

const char *statement_text(enum statement statement)
{
	return texts[statement];
}

const char *statement_name(enum statement statement)
{
	return names[statement];
}

/* The errno that stands for what SQLite says. */
static int errno_of_sqlite(struct conn *conn, int rc)
{
	int system = conn->db ? sqlite3_system_errno(conn->db) : 0;

	if (rc == SQLITE_IOERR_SHMSIZE)
		return ENOSPC; /* of which SQLite keeps no errno */
	switch (rc & 0xff) {
	case SQLITE_FULL:
		return ENOSPC;
	case SQLITE_NOMEM:
		return ENOMEM;
	case SQLITE_READONLY:
		return EROFS;
	case SQLITE_IOERR:
		return system == ENOSPC || system == EDQUOT ? system : EIO;
	case SQLITE_CANTOPEN:
		return system ? system : EIO;
	default:
		return EIO;
	}
}

int conn_failure(struct conn *conn, int rc, const char *what)
{
	return failure(-errno_of_sqlite(conn, rc), "catalog: %s: %s", what,
		       conn->db ? sqlite3_errmsg(conn->db) : sqlite3_errstr(rc));
}

/* SQLite counts the memory that it has under one lock, which all readers would meet at
 * each allocation. */
static void configure(void)
{
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	frames_register();
}

int conn_open(const char *path, struct conn **conn)
{
	return conn_open_as(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL,
			    conn);
}

int conn_open_as(const char *path, int flags, const char *vfs, struct conn **conn)
{
	static pthread_once_t configured = PTHREAD_ONCE_INIT;
	struct conn *c = calloc(1, sizeof(*c));
	int rc, r;

	pthread_once(&configured, configure);
	if (!c)
		return failure(-ENOMEM, "open catalog");
	rc = sqlite3_open_v2(path, &c->db,
			     flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, vfs);
	if (rc != SQLITE_OK) {
		r = conn_failure(c, rc, path);
		conn_close(c);
		return r;
	}
	conn_set_patience(c, CONN_PATIENCE);
	*conn = c;
	return 0;
}

void conn_set_patience(struct conn *conn, int milliseconds)
{
	sqlite3_busy_timeout(conn->db, milliseconds);
}

int conn_prepare(struct conn *conn)
{
	int rc;

	for (int i = 0; i < STMT_COUNT; i++) {
		rc = sqlite3_prepare_v3(conn->db, texts[i], -1,
					SQLITE_PREPARE_PERSISTENT, &conn->statements[i],
					NULL);
		if (rc != SQLITE_OK)
			return conn_failure(conn, rc, names[i]);
	}
	return 0;
}

struct conn *conn_close(struct conn *conn)
{
	if (!conn)
		return NULL;
	for (int i = 0; i < STMT_COUNT; i++)
		sqlite3_finalize(conn->statements[i]);
	sqlite3_close(conn->db);
	free(conn);
	return NULL;
}

void scoped_conn_close(struct conn **conn)
{
	conn_close(*conn);
}

int conn_keep_log(struct conn *conn)
{
	int keep = 1, rc;

	rc = sqlite3_file_control(conn->db, NULL, SQLITE_FCNTL_PERSIST_WAL, &keep);
	return rc == SQLITE_OK ? 0 : conn_failure(conn, rc, "keep the log");
}

bool conn_is_damaged(struct conn *conn)
{
	int rc = sqlite3_errcode(conn->db) & 0xff;

	return rc == SQLITE_NOTADB || rc == SQLITE_CORRUPT;
}

int conn_exec(struct conn *conn, const char *sql)
{
	int rc = sqlite3_exec(conn->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : conn_failure(conn, rc, sql);
}

struct query query_begin(struct conn *conn, enum statement statement)
{
	return (struct query){.conn = conn,
			      .stmt = conn->statements[statement],
			      .statement = statement};
}

void query_end(struct query *query)
{
	sqlite3_reset(query->stmt);
	sqlite3_clear_bindings(query->stmt);
}

static void query_bound(struct query *query, int rc)
{
	if (query->rc == SQLITE_OK)
		query->rc = rc;
}

void query_u64(struct query *query, int index, uint64_t value)
{
	query_bound(query, sqlite3_bind_int64(query->stmt, index, (int64_t)value));
}

void query_i64(struct query *query, int index, int64_t value)
{
	query_bound(query, sqlite3_bind_int64(query->stmt, index, value));
}

void query_text(struct query *query, int index, const char *text)
{
	query_bound(query,
		    sqlite3_bind_text(query->stmt, index, text, -1, SQLITE_STATIC));
}

void query_blob(struct query *query, int index, const void *bytes, size_t size)
{
	/* an empty blob needs a pointer, or it would be NULL */
	query_bound(query, sqlite3_bind_blob64(query->stmt, index, bytes ? bytes : "",
					       size, SQLITE_STATIC));
}

void query_null(struct query *query, int index)
{
	query_bound(query, sqlite3_bind_null(query->stmt, index));
}

int query_step(struct query *query, bool *row)
{
	int rc = query->rc;

	if (rc == SQLITE_OK)
		rc = sqlite3_step(query->stmt);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return conn_failure(query->conn, rc, names[query->statement]);
	*row = rc == SQLITE_ROW;
	return 0;
}

int query_one(struct query *query)
{
	bool row = false;
	int r = query_step(query, &row);

	if (r)
		return r;
	return row ? 0 : REFUSED_NOT_FOUND;
}

int query_run(struct query *query)
{
	bool row = false;

	return query_step(query, &row);
}

int query_changes(const struct query *query)
{
	return sqlite3_changes(query->conn->db);
}

uint64_t query_column_u64(struct query *query, int column)
{
	return (uint64_t)sqlite3_column_int64(query->stmt, column);
}

int64_t query_column_i64(struct query *query, int column)
{
	return sqlite3_column_int64(query->stmt, column);
}

bool query_column_is_null(struct query *query, int column)
{
	return sqlite3_column_type(query->stmt, column) == SQLITE_NULL;
}

int query_columns(struct query *query)
{
	int rc = sqlite3_errcode(query->conn->db);

	if ((rc & 0xff) != SQLITE_NOMEM)
		return 0;
	return conn_failure(query->conn, rc, names[query->statement]);
}

int query_column_copy(struct query *query, int column, char **copy, size_t *size)
{
	const void *bytes;
	size_t count;
	char *made;
	int r;

	if (query_column_is_null(query, column)) {
		*copy = NULL;
		*size = 0;
		return 0;
	}
	bytes = sqlite3_column_blob(query->stmt, column);
	count = (size_t)sqlite3_column_bytes(query->stmt, column);
	r = query_columns(query);
	if (r)
		return r;
	made = malloc(count + 1);
	if (!made)
		return failure(-ENOMEM, "read %s", names[query->statement]);
	if (count)
		memcpy(made, bytes, count);
	made[count] = '\0';
	*copy = made;
	*size = count;
	return 0;
}

int query_nums(struct query *query, uint64_t *nums, size_t room, size_t *count)
{
	size_t n = 0;
	bool row = true;
	int r;

	while (n < room) {
		r = query_step(query, &row);
		if (r)
			return r;
		if (!row)
			break;
		nums[n++] = query_column_u64(query, 0);
	}
	*count = n;
	return 0;
}

int query_run_on(struct conn *conn, enum statement statement, uint64_t num)
{
	SCOPED(query_end) struct query q = query_begin(conn, statement);

	query_u64(&q, 1, num);
	return query_run(&q);
}

int query_nums_after(struct conn *conn, enum statement statement, uint64_t after,
		     uint64_t *nums, size_t room, size_t *count)
{
	SCOPED(query_end) struct query q = query_begin(conn, statement);

	query_u64(&q, 1, after);
	query_u64(&q, 2, room);
	return query_nums(&q, nums, room, count);
}

int query_all_nums(struct query *query, uint64_t **nums, size_t *count)
{
	SCOPED(scoped_free) uint64_t *all = NULL;
	size_t n = 0, room = 0, got;
	uint64_t *more;
	int r;

	do {
		room = room ? room * 2 : 16;
		more = reallocarray(all, room, sizeof(*all));
		if (!more)
			return failure(-ENOMEM, "read %s", names[query->statement]);
		all = more;
		r = query_nums(query, all + n, room - n, &got);
		if (r)
			return r;
		n += got;
	} while (n == room);
	*nums = STEAL(all);
	*count = n;
	return 0;
}
