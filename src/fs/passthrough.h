/* Kernel passthrough: the kernel reads a complete upload's blob itself, at native speed
 * and without a second copy in the page cache (Linux 6.9 and later, CAP_SYS_ADMIN). */
#ifndef TUSFS_FS_PASSTHROUGH_H
#define TUSFS_FS_PASSTHROUGH_H

#include "tusfs/error.h"

#include <fuse_lowlevel.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct fs;
struct open_answer;

struct passthrough {
	bool wanted;		      /* our own mount, so that it may be allowed */
	uint32_t stack_depth;	      /* of file systems below, as the kernel counts */
	_Atomic uint64_t init_unique; /* the INIT request; 0 after its answer */
	atomic_bool on;
	atomic_bool told; /* the way of reading was logged */
};

/* `store` is a path in the file system that has the blobs. Before the first request. */
void passthrough_init(struct passthrough *passthrough, bool wanted, const char *store);

/* For the session's own input and output, and its INIT operation. */
void passthrough_saw_request(struct passthrough *passthrough, const void *request,
			     size_t size);
void passthrough_mend_reply(struct passthrough *passthrough, struct iovec *iov,
			    int count);
void passthrough_negotiate(struct passthrough *passthrough,
			   struct fuse_conn_info *conn);

/* Makes `fd` known to the kernel as a file to read from. A backing id above 0, or 0
 * when it cannot be had: then the file must be opened another way. */
int passthrough_open(struct fs *fs, int fd);
void passthrough_close(struct fs *fs, int backing_id);
/* Replies to OPEN. Below 0: the opener was interrupted, and there will be no RELEASE.
 */
MUST_CHECK int passthrough_reply_open(fuse_req_t req, const struct fuse_file_info *info,
				      const struct open_answer *opened);

#endif
