/* The head of a request as the front reads it: strictly, so that nothing is taken which
 * libmicrohttpd, or a proxy in front, might take for something else. What is not
 * plain is not refused here, but left to the library; a malformed line of a field is
 * noted in the fields. Pure, fuzzed. */
#ifndef TUSFS_HTTP_HEAD_H
#define TUSFS_HTTP_HEAD_H

#include "fields.h"

struct head {
	const char *method;
	const char *path; /* begins with '/', and has no query */
	size_t size;	  /* in bytes, with the empty line */
};

enum head_came {
	HEAD_WHOLE,
	HEAD_PART,    /* its end has not come yet */
	HEAD_STRANGE, /* not of the plain form, or there was no memory */
};

/* Reads the head at the start of `bytes`. What *head and *fields borrow is in there,
 * and is terminated in place, so that the bytes are spoilt for a second reading. The
 * caller releases *fields, which must be empty before, in all cases. */
enum head_came head_read(char *bytes, size_t size, struct head *head,
			 struct fields *fields);

#endif
