/* open(2), read(2) and close(2). */
#include "operations.h"

#include "mount.h"
#include "node.h"
#include "open_files.h"
#include "reply.h"

#include <errno.h>
#include <fcntl.h>

static struct open_file *open_file_of(const struct fuse_file_info *info)
{
	return (struct open_file *)(uintptr_t)info->fh;
}

static int open_num(struct fs *fs, uint64_t num, struct open_answer *answer)
{
	SCOPED(file_release) struct file file = {0};
	int r = uploads_stat(fs->uploads, num, &file);

	if (r == REFUSED_NOT_FOUND)
		return open_files_open(fs, num, NULL, answer);
	if (r)
		return r;
	if (file_is_folder(&file))
		return REFUSED_IS_FOLDER;
	return file.broken ? -EIO : open_files_open(fs, num, &file, answer);
}

/* The content of a file is what was uploaded: it cannot be opened for writing. */
static bool wants_to_write(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
}

/* Replies: open, err. */
void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
	struct fs *fs = fs_of(req);
	struct node node = node_of(ino);
	struct open_answer answer;
	int r;

	if (wants_to_write(info->flags)) {
		fuse_reply_err(req, EROFS);
		return;
	}
	r = node.place == PLACE_COMPLETE ? open_num(fs, node.num, &answer)
					 : REFUSED_IS_FOLDER;
	if (r) {
		reply_result(req, r);
		return;
	}
	info->fh = (uintptr_t)answer.open;
	info->noflush = 1;
	info->direct_io = answer.way == OPEN_DIRECT;
	info->keep_cache = answer.keep_cache;
	if (passthrough_reply_open(req, info, &answer) < 0)
		open_files_close(fs, answer.open);
}

/* Replies: buf, err. */
void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
	     struct fuse_file_info *info)
{
	char *buffer = workers_buffer(size);
	size_t got = 0;
	int r;

	if (!buffer) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	r = open_files_read(fs_of(req), open_file_of(info), buffer, size,
			    (uint64_t)offset, &got);
	if (r)
		reply_result(req, r);
	else
		fuse_reply_buf(req, buffer, got);
}

/* Replies: err. */
void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
	open_files_close(fs_of(req), open_file_of(info));
	fuse_reply_err(req, 0);
}
