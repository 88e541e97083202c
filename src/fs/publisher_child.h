/* The child's side of the publisher, and what is said to it. */
#ifndef TUSFS_FS_PUBLISHER_CHILD_H
#define TUSFS_FS_PUBLISHER_CHILD_H

#include "publisher.h"

#include <stdbool.h>
#include <sys/types.h>

/* In memory that both processes share. */
struct publisher_shared {
	_Atomic uint64_t at;   /* the number of the job that the child is at */
	_Atomic dev_t mounted; /* what must be on the mountpoint */
};

/* Serves requests on `fd` until it is closed or `parent` dies. Paths are those in what
 * is mounted on `mountpoint`. */
_Noreturn void publisher_child(int fd, pid_t parent, const char *mountpoint,
			       struct publisher_shared *shared);
/* Sends one request; false when the child is gone. The answer is one int, as
 * publish_job.result. */
bool publisher_child_ask(int fd, const struct publish_job *job);

#endif
