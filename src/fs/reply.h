/* The one table from the engine's answers to errno, and short forms of replies. */
#ifndef TUSFS_FS_REPLY_H
#define TUSFS_FS_REPLY_H

#include <fuse_lowlevel.h>

/* The positive errno that tells a failure or a refusal to the kernel; 0 for 0. */
int errno_of(int r);
/* The same, for requests that name an extended attribute. */
int attribute_errno_of(int r);
/* Replies with errno_of(r). */
void reply_result(fuse_req_t req, int r);

#endif
