/* Requests that are never granted: content is what was uploaded (EROFS), and owner,
 * mode and times are what the options and the uploads say (EPERM). */
#include "operations.h"

#include <errno.h>

/* Replies: err. */
void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	       struct fuse_file_info *info)
{
	fuse_reply_err(req, EROFS);
}

/* Replies: err. */
void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *stat, int to_set,
		struct fuse_file_info *info)
{
	fuse_reply_err(req, to_set & FUSE_SET_ATTR_SIZE ? EROFS : EPERM);
}

/* Replies: err. */
void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t new_parent,
	     const char *new_name)
{
	fuse_reply_err(req, EPERM);
}

/* Replies: err. */
void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	fuse_reply_err(req, EPERM);
}
