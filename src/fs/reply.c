#include "reply.h"

#include "tusfs/error.h"

#include <errno.h>

/* Refusals that only an append can meet: no file operation leads to them. */
static int errno_of_append(enum refusal refusal)
{
	return refusal == REFUSED_CHECKSUM ? EIO : EINVAL;
}

int errno_of(int r)
{
	if (r == -EMFILE) /* those of the daemon: the program may open others */
		return ENFILE;
	if (r <= 0)
		return -r;
	switch ((enum refusal)r) { /* no default: -Wswitch names what is forgotten */
	case REFUSED_NOT_FOUND:
	case REFUSED_GONE:
		return ENOENT;
	case REFUSED_BUSY:
		return EBUSY;
	case REFUSED_STOPPED:
	case REFUSED_OFFSET:
	case REFUSED_FINAL:
	case REFUSED_LENGTH:
	case REFUSED_CHECKSUM:
	case REFUSED_PART:
		return errno_of_append((enum refusal)r);
	case REFUSED_TOO_LARGE:
		return E2BIG;
	case REFUSED_NO_SPACE:
		return ENOSPC;
	case REFUSED_EXISTS:
		return EEXIST;
	case REFUSED_NOT_EMPTY:
		return ENOTEMPTY;
	case REFUSED_NOT_FOLDER:
		return ENOTDIR;
	case REFUSED_IS_FOLDER:
		return EISDIR;
	case REFUSED_NAME:
		return ENAMETOOLONG;
	case REFUSED_PERMISSION:
		return EPERM;
	case REFUSED_INVALID:
		return EINVAL;
	}
	return EIO;
}

int attribute_errno_of(int r)
{
	return r == REFUSED_NOT_FOUND ? ENODATA : errno_of(r);
}

void reply_result(fuse_req_t req, int r)
{
	fuse_reply_err(req, errno_of(r));
}
