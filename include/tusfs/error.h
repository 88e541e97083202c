/* Two kinds of error, in one int.
 *
 * 0 is success. A negative errno means that the machine failed: it was logged where it
 * was born, by failure(), and is passed up untouched. A positive REFUSED_* means that
 * the request cannot be granted: the caller answers it, nobody logs it. Outputs are
 * untouched unless the result is 0. http/refusal.c and fs/reply.c turn either kind into
 * an answer. */
#ifndef TUSFS_ERROR_H
#define TUSFS_ERROR_H

#include "tusfs/scoped.h"

enum refusal {
	REFUSED_NOT_FOUND = 1, /* no such upload, name or attribute */
	REFUSED_GONE,	       /* terminated, expired or broken, and still remembered */
	REFUSED_BUSY,	       /* the running writer did not stop in time */
	REFUSED_STOPPED,       /* another request took the upload over or removed it */
	REFUSED_OFFSET,	       /* not the upload's current offset */
	REFUSED_FINAL,	       /* a final upload takes no bytes */
	REFUSED_TOO_LARGE,     /* over the upload's length or the maximum size */
	REFUSED_NO_SPACE,      /* the store does not have that much room */
	REFUSED_LENGTH,	       /* a length that contradicts what is known */
	REFUSED_CHECKSUM,      /* the bytes do not match the checksum promised */
	REFUSED_PART,	       /* no such partial upload to concatenate */
	REFUSED_EXISTS,	       /* the name is taken */
	REFUSED_NOT_EMPTY,     /* the folder has something in it */
	REFUSED_NOT_FOLDER,    /* a folder was needed */
	REFUSED_IS_FOLDER,     /* a folder will not do */
	REFUSED_NAME,	       /* a name that is too long */
	REFUSED_PERMISSION,    /* never allowed here */
	REFUSED_INVALID,       /* malformed value */
};

/* Logs "what: strerror" once, at the place of birth, and returns `negative_errno`,
 * which must be below 0. Thread-safe. */
int failure(int negative_errno, const char *what, ...) PRINTF_LIKE(2, 3);

#endif
