/* Extended attributes.
 *
 * Whatever is not in user.* is EOPNOTSUPP, which makes ls stop asking; ENOSYS would
 * switch all of them off. What tusfs tells of an upload is read-only, but for the time
 * when it expires; any other name in user.* belongs to the user. */
#include "operations.h"

#include "facts.h"
#include "mount.h"
#include "node.h"
#include "notify.h"
#include "reply.h"

#include "tusfs/text.h"

#include <errno.h>
#include <linux/limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#define EXPIRES "user.tus.expires"

static bool is_users(const char *name)
{
	return strncmp(name, "user.", strlen("user.")) == 0;
}

/* Files, and folders of complete/, have attributes; other nodes have none. */
static int attributes_file(struct fs *fs, fuse_ino_t ino, struct file *file)
{
	struct node node = node_of(ino);

	if (node.place != PLACE_COMPLETE)
		return REFUSED_NOT_FOUND;
	return uploads_stat(fs->uploads, node.num, file);
}

/* Answers a call that may ask for the size only. Replies: buf, xattr, err. */
static void reply_value(fuse_req_t req, const char *value, size_t length, size_t size)
{
	if (size == 0)
		fuse_reply_xattr(req, length);
	else if (length > size)
		fuse_reply_err(req, ERANGE);
	else
		fuse_reply_buf(req, value, length);
}

static int get(struct fs *fs, fuse_ino_t ino, const char *name, char **value,
	       size_t *length)
{
	SCOPED(file_release) struct file file = {0};
	int r = attributes_file(fs, ino, &file);

	if (r)
		return r;
	if (fact_is_reserved(name))
		return fact_get(&file, fs->config.base_path, name, value, length);
	return uploads_get_attribute(fs->uploads, file.num, name, value, length);
}

void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	SCOPED(scoped_free) char *value = NULL;
	size_t length = 0;
	int r;

	if (!is_users(name)) {
		fuse_reply_err(req, EOPNOTSUPP);
		return;
	}
	r = get(fs_of(req), ino, name, &value, &length);
	if (r)
		fuse_reply_err(req, attribute_errno_of(r));
	else
		reply_value(req, value, length, size);
}

/* The names of what tusfs tells, then the user's own, then the client's metadata's,
 * each with its NUL. */
static int list(struct fs *fs, const struct file *file, FILE *out)
{
	SCOPED(scoped_free) char *own = NULL;
	size_t length = 0;
	int r = fact_list(file, fs->config.base_path, out);

	if (!r)
		r = uploads_list_attributes(fs->uploads, file->num, &own, &length);
	if (!r && length > 0)
		fwrite(own, 1, length, out);
	if (!r)
		fact_list_metadata(file, out);
	return r;
}

/* As many whole names as the kernel takes: more than that would fail, and show none.
 * The others can be asked for all the same. */
static size_t cut_list(const char *names, size_t length)
{
	const char *end;

	if (length <= XATTR_LIST_MAX)
		return length;
	end = memrchr(names, '\0', XATTR_LIST_MAX);
	return end ? (size_t)(end + 1 - names) : 0;
}

static int list_names(struct fs *fs, fuse_ino_t ino, char **names, size_t *length)
{
	SCOPED(file_release) struct file file = {0};
	FILE *out;
	int r = attributes_file(fs, ino, &file);

	if (r)
		return r;
	out = open_memstream(names, length);
	r = out ? list(fs, &file, out) : -ENOMEM;
	if (out && fclose(out) != 0 && !r)
		r = -ENOMEM;
	if (!r)
		*length = cut_list(*names, *length);
	return r;
}

void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	SCOPED(scoped_free) char *names = NULL;
	size_t length = 0;
	int r = list_names(fs_of(req), ino, &names, &length);

	if (r && r != REFUSED_NOT_FOUND)
		reply_result(req, r);
	else
		reply_value(req, names ? names : "", r ? 0 : length, size);
}

/* Only what is in complete/ takes attributes. */
static int check_changeable(const struct file *file)
{
	if (file->kind == FILE_PARTIAL ||
	    !(file_is_folder(file) || file_is_complete(file)))
		return REFUSED_PERMISSION;
	return 0;
}

/* What setxattr(2) says of XATTR_CREATE and XATTR_REPLACE. */
static int check_flags(bool present, int flags)
{
	if (present && (flags & XATTR_CREATE))
		return REFUSED_EXISTS;
	if (!present && (flags & XATTR_REPLACE))
		return REFUSED_NOT_FOUND;
	return 0;
}

static int set_expiry(struct fs *fs, const struct file *file, const char *value,
		      size_t size, int flags)
{
	int64_t when;
	int r;

	if (file_is_folder(file))
		return REFUSED_PERMISSION;
	r = check_flags(file->expires != 0, flags);
	if (r)
		return r;
	if (!text_from_rfc3339(value, size, &when) || when <= 0)
		return REFUSED_INVALID;
	return uploads_set_expiry(fs->uploads, file->num, when);
}

static int set_one(struct fs *fs, const struct file *file, const char *name,
		   const char *value, size_t size, int flags)
{
	if (strcmp(name, EXPIRES) == 0)
		return set_expiry(fs, file, value, size, flags);
	if (fact_is_reserved(name))
		return REFUSED_PERMISSION;
	return uploads_set_attribute(fs->uploads, file->num, name, value, size, flags);
}

static int remove_one(struct fs *fs, const struct file *file, const char *name)
{
	if (strcmp(name, EXPIRES) == 0 && file->expires != 0)
		return uploads_set_expiry(fs->uploads, file->num, 0);
	if (fact_is_reserved(name))
		return strcmp(name, EXPIRES) == 0 ? REFUSED_NOT_FOUND
						  : REFUSED_PERMISSION;
	return uploads_remove_attribute(fs->uploads, file->num, name);
}

/* Sets, or removes where `value` is NULL, and answers. */
static void change(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value,
		   size_t size, int flags)
{
	struct fs *fs = fs_of(req);
	SCOPED(file_release) struct file file = {0};
	int r;

	if (!is_users(name)) {
		fuse_reply_err(req, EOPNOTSUPP);
		return;
	}
	r = node_of(ino).place == PLACE_COMPLETE
		    ? uploads_stat(fs->uploads, node_of(ino).num, &file)
		    : REFUSED_PERMISSION;
	if (r) {
		reply_result(req, r);
		return;
	}
	r = check_changeable(&file);
	if (!r)
		r = value ? set_one(fs, &file, name, value, size, flags)
			  : remove_one(fs, &file, name);
	if (!r)
		notify_attributes(fs, ino);
	fuse_reply_err(req, attribute_errno_of(r));
}

/* Replies: err. */
void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value,
		 size_t size, int flags)
{
	change(req, ino, name, value, size, flags);
}

/* Replies: err. */
void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	change(req, ino, name, NULL, 0, 0);
}
