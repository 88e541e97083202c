/* Answers: how each begins, what every one carries, and how it goes to the client. They
 * are made in answer.c, those for errors in refusal.c, and sent past libmicrohttpd in
 * by_hand.c. */
#ifndef TUSFS_HTTP_ANSWER_H
#define TUSFS_HTTP_ANSWER_H

#include "request.h"

/* Gives the request an answer without a body. */
void answer(struct request *request, unsigned int status);
#define ANSWER_NO_LENGTH UINT64_MAX
/* Gives it an answer that has no body by its kind: 304, or 200 to HEAD. It has either
 * the Content-Length of the body that a GET would bring, or none (RFC 9110, 8.6). */
void answer_head_only(struct request *request, unsigned int status, uint64_t length);
/* Gives it an answer with a body; takes the response over, which may be NULL (no memory
 * for it). */
void answer_with(struct request *request, unsigned int status,
		 struct MHD_Response *response);
/* Gives it an answer with one line, "CODE: what was wrong". */
void answer_error(struct request *request, unsigned int status, const char *code,
		  const char *format, ...) PRINTF_LIKE(4, 5);
/* The same for a refusal or failure of the engine, which `r` must be (refusal.c). */
void answer_refusal(struct request *request, int r);

/* Adds a field to the answer; an empty value adds none. */
void answer_field(struct request *request, const char *name, const char *value);
void answer_field_number(struct request *request, const char *name, uint64_t value);
void answer_field_date(struct request *request, const char *name, int64_t microseconds);
/* Upload-Expires, if the upload is to expire. */
void answer_expiry(struct request *request, const struct file *file);

/* Whether the heads of the request and of the answer, as far as it has one, are too
 * large for libmicrohttpd. */
bool answer_is_crowded(const struct request *request);
/* Where the door itself sends the answer, it is written down in request->text: here the
 * first line and the date, then the fields... */
void answer_begin_text(struct request *request);
/* ...and here the length of the body, the empty line and, if it is the body, the line
 * of the answer, which is logged. */
void answer_end_text(struct request *request, uint64_t length);
/* Queues the answer, or writes it by hand. */
MUST_CHECK enum MHD_Result answer_queue(struct request *request);
/* Writes the answer to the socket, then waits for the client to read it. Closing at
 * once, with unread bytes of its body in the socket, would send an RST that overtakes
 * the answer. */
void answer_by_hand(struct request *request);
/* The same for an answer whose body is `length` bytes of a complete upload, from
 * `first` on: each blob's part goes out by sendfile(2), which libmicrohttpd can do for
 * one descriptor only. The request is over then: nothing else can be answered. */
void answer_upload_by_hand(struct request *request, struct upload_reader *reader,
			   uint64_t first, uint64_t length);

#endif
