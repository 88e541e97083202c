/* Appending a body to an upload: what PATCH, and POST with a body, have in common. */
#ifndef TUSFS_HTTP_APPEND_H
#define TUSFS_HTTP_APPEND_H

#include "request.h"

#define APPEND_TYPE "application/offset+octet-stream"

/* Whether Content-Type is the one that tus wants; answered if not. */
bool append_accept_type(struct request *request);
/* Reads a field that is a number of bytes. False, and answered, when it is malformed or
 * when it is absent and `needed`. */
bool append_read_number(struct request *request, enum field field, bool needed,
			uint64_t *value);
/* Reads Upload-Checksum, or that a trailer will bring it. False when answered. */
bool append_read_promise(struct request *request);
/* Verifies the promised checksum, if there is one, of a body without bytes. Refusals:
 * CHECKSUM. */
MUST_CHECK int append_check_empty(const struct request *request);
/* Opens the writer of request->id and makes it the sink of the body, or answers. */
void append_begin(struct request *request, struct upload_append *append);
/* Answers that the body broke off, and where the upload is now. */
void append_answer_broken(struct request *request);
/* Answers that an append was refused, and where the upload is now. */
void append_refuse(struct request *request, int r);

#endif
