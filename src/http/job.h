/* A request that the front serves, and lists of them. */
#ifndef TUSFS_HTTP_JOB_H
#define TUSFS_HTTP_JOB_H

#include "request.h"

/* The largest one: a small upload with a usual head. */
#define JOB_BYTES (UPLOADS_SMALL_MAX + 8 * 1024)

struct job {
	struct job *next;
	struct connection *connection;
	struct request request;
	size_t size;	       /* of the request, in bytes */
	char bytes[JOB_BYTES]; /* as they came */
};

/* In the order in which they came. */
struct jobs {
	struct job *first, **last;
	size_t count;
};

void jobs_init(struct jobs *jobs);
void jobs_add(struct jobs *jobs, struct job *job);
/* NULL when there is none. */
struct job *jobs_take(struct jobs *jobs);
/* At most `most` of `from` go behind what is in `to`. */
void jobs_move(struct jobs *from, struct jobs *to, size_t most);

/* An empty one, from `spare` if there is one; NULL when memory is short. */
struct job *job_new(struct jobs *spare);
/* Keeps it in `spare`, unless there are enough. Its request must be over. */
void job_free(struct jobs *spare, struct job *job);
void jobs_release(struct jobs *spare);

#endif
