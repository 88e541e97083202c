/* How the bytes of a body come in. */
#ifndef TUSFS_HTTP_BODY_H
#define TUSFS_HTTP_BODY_H

#include "request.h"

/* Hands bytes of the body on, unless it was answered already. */
void body_take(struct request *request, const void *bytes, size_t size);
/* Whether the rest of the body is read to its end before the answer goes out. */
bool body_can_swallow(const struct request *request);
/* Waits for more of a body of known size, after a piece of it was taken. Reads a large
 * rest itself, and then the connection ends with the answer. */
MUST_CHECK enum MHD_Result body_await(struct request *request);
/* After the last byte that this connection brings, when that is not the body's: answers
 * the client, which may have closed its own side only. */
void body_break(struct request *request);

#endif
