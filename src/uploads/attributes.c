/* What users set on files: attributes of their own, and a time to expire. */
#include "engine.h"

#include "tusfs/clock.h"

#include <string.h>
#include <sys/xattr.h>

int uploads_get_attribute(struct uploads *uploads, uint64_t num, const char *name,
			  char **value, size_t *size)
{
	SCOPED(conn_release) struct conn *conn = catalog_reader(uploads->catalog);

	return catalog_attribute(conn, num, name, value, size);
}

int uploads_list_attributes(struct uploads *uploads, uint64_t num, char **names,
			    size_t *size)
{
	SCOPED(conn_release) struct conn *conn = catalog_reader(uploads->catalog);

	return catalog_attribute_names(conn, num, names, size);
}

struct attribute_change {
	uint64_t num;
	const char *name;
	const void *value; /* NULL removes */
	size_t size;
	int flags;
};

/* Whether there is a value, and the bytes that it and its name take. */
static int exists(struct conn *conn, const struct attribute_change *change, bool *is,
		  uint64_t *bytes)
{
	SCOPED(scoped_free) char *value = NULL;
	size_t size = 0;
	int r = catalog_attribute(conn, change->num, change->name, &value, &size);

	*is = r == 0;
	*bytes = *is ? strlen(change->name) + size : 0;
	return r == REFUSED_NOT_FOUND ? 0 : r;
}

static int check_change(struct conn *conn, const struct attribute_change *change)
{
	uint64_t size, replaced;
	bool is;
	int r = exists(conn, change, &is, &replaced);

	if (!r)
		r = catalog_attributes_size(conn, change->num, &size);
	if (r)
		return r;
	if (is && (change->flags & XATTR_CREATE))
		return REFUSED_EXISTS;
	if (!is && (change->flags & XATTR_REPLACE))
		return REFUSED_NOT_FOUND;
	return size - replaced + strlen(change->name) + change->size >
			       UPLOADS_ATTRIBUTES_MAX
		       ? REFUSED_TOO_LARGE
		       : 0;
}

static int apply_attribute(struct conn *conn, void *arg)
{
	const struct attribute_change *change = arg;
	SCOPED(file_release) struct file file = {0};
	int r = catalog_file(conn, change->num, &file);

	if (!r && change->value)
		r = check_change(conn, change);
	if (r)
		return r;
	r = change->value ? catalog_set_attribute(conn, change->num, change->name,
						  change->value, change->size)
			  : catalog_remove_attribute(conn, change->num, change->name);
	return r ? r : catalog_touch(conn, change->num, clock_now(), false);
}

int uploads_set_attribute(struct uploads *uploads, uint64_t num, const char *name,
			  const void *value, size_t size, int flags)
{
	struct attribute_change change = {num, name, value ? value : "", size, flags};

	return catalog_commit(uploads->catalog, durable_always(uploads),
			      apply_attribute, &change);
}

int uploads_remove_attribute(struct uploads *uploads, uint64_t num, const char *name)
{
	struct attribute_change change = {.num = num, .name = name};

	return catalog_commit(uploads->catalog, durable_always(uploads),
			      apply_attribute, &change);
}

struct expiry_change {
	uint64_t num;
	int64_t when;
};

static int apply_expiry(struct conn *conn, void *arg)
{
	const struct expiry_change *change = arg;
	SCOPED(file_release) struct file file = {0};
	int r = catalog_file(conn, change->num, &file);

	if (r)
		return r;
	if (!file_is_complete(&file) || file.kind == FILE_PARTIAL)
		return REFUSED_PERMISSION;
	r = catalog_set_expires(conn, change->num, change->when);
	return r ? r : catalog_touch(conn, change->num, clock_now(), false);
}

int uploads_set_expiry(struct uploads *uploads, uint64_t num, int64_t when)
{
	struct expiry_change change = {num, when};
	int r = catalog_commit(uploads->catalog, durable_always(uploads), apply_expiry,
			       &change);

	if (!r)
		janitor_wake(uploads->janitor);
	return r;
}
