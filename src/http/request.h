/* One request, from its head to the end of its answer. It belongs to its connection's
 * thread.
 *
 * libmicrohttpd calls the door first when the head is there, then for each piece of the
 * body, and once more at its end. An answer can be queued in the first and in the last
 * of these only, and in the first it ends the connection. So an answer that is known
 * early waits while a small rest of a body is swallowed; with a larger rest it is
 * written to the socket by hand, and the connection ends. */
#ifndef TUSFS_HTTP_REQUEST_H
#define TUSFS_HTTP_REQUEST_H

#include "buffer.h"
#include "fields.h"
#include "peer.h"

#include "tusfs/digest.h"
#include "tusfs/http.h"
#include "tusfs/id.h"
#include "tusfs/uploads.h"

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TUS_VERSION "1.0.0"

/* What all requests share, and none changes. */
struct site {
	struct http_config config;
	struct uploads *uploads;
};

struct request;

/* What becomes of a body. Each may answer. */
struct sink {
	void (*take)(struct request *request, const void *bytes, size_t size);
	void (*end)(struct request *request);	/* the body came whole */
	void (*broke)(struct request *request); /* its client sends no more of it */
};

enum target { TARGET_NONE, TARGET_BASE, TARGET_UPLOAD };

struct request {
	const struct site *site;
	struct peer *peer;
	struct MHD_Connection *mhd;
	struct fields fields;
	const char *method; /* the effective one */
	bool wire_head;	    /* the actual one is HEAD: no answer has a body */
	enum target target;
	struct upload_id id; /* of TARGET_UPLOAD, or of the upload that POST made */

	/* the body */
	bool chunked;
	uint64_t expected; /* Content-Length, when not chunked */
	uint64_t taken;
	bool invited;	 /* the body may come, if the client asked for that first */
	bool must_close; /* its framing is in doubt: nothing after it can be believed */
	const struct sink *sink;

	/* the append that the body is for */
	struct upload_writer *writer;
	bool created; /* by POST: every answer tells the Location */
	bool promised;
	bool in_trailer; /* the checksum comes behind the body */
	struct checksum checksum;
	/* or the small body of a POST, gathered */
	struct upload_request *creation;
	char *small;
	size_t small_size;

	/* of one that the front serves, which must not wait (front.h) */
	bool at_once;
	bool passed; /* it would have to: libmicrohttpd's threads are to serve it */
	const char *body;	      /* all `expected` bytes of it */
	struct upload_change *change; /* to be committed, and then ended */

	/* the answer */
	struct MHD_Response *response;
	struct buffer text; /* or what the door itself sends over the wire */
	unsigned int status;
	char line[320]; /* the body of a short answer */
	bool is_short;
	bool no_length;	    /* it need not say Content-Length */
	size_t fields_size; /* of what was added to `response` */
	bool over;	    /* nothing (more) is to be answered: close */
};

/* Finds what method and path mean; site and fields are set. */
void request_init(struct request *request, const char *url, const char *method);
/* The three texts as libmicrohttpd gives them. NULL when memory is short (logged). */
struct request *request_new(const struct site *site, struct MHD_Connection *mhd,
			    struct peer *peer, const char *url, const char *method,
			    const char *version);
/* Ends what is not ended: an append that broke off is cut and kept. Takes NULL. */
void request_free(struct request *request);

/* The calls of libmicrohttpd, in their order. */
MUST_CHECK enum MHD_Result request_begin(struct request *request);
MUST_CHECK enum MHD_Result request_take(struct request *request, const void *bytes,
					size_t size);
MUST_CHECK enum MHD_Result request_end(struct request *request);

static inline const char *request_field(const struct request *request, enum field field)
{
	return request->fields.value[field];
}

static inline bool request_answered(const struct request *request)
{
	return request->status != 0;
}

static inline bool request_has_body(const struct request *request)
{
	return request->chunked || request->expected;
}

/* Looks at framing, sizes and duplicates; false when that was answered. */
bool framing_accept(struct request *request);
/* Finds what the path and the method mean, and begins it. */
void routes_begin(struct request *request);
/* Whether the front may serve it. */
bool routes_at_once(const struct request *request);
/* Whether one that it may serve begins a change, which waits for a commit. */
bool routes_commits(const struct request *request);
/* Ends the request's change, which is committed, and answers. */
void routes_end(struct request *request);

/* What the routes begin. Each answers, or sets a sink. */
void options_begin(struct request *request);
void post_begin(struct request *request);
void head_begin(struct request *request);
void patch_begin(struct request *request);
void delete_begin(struct request *request);
void get_begin(struct request *request);
/* The change that one of them began is committed, or not: `r`. */
void post_end(struct request *request, int r, const struct file *file);
void patch_end(struct request *request, int r, const struct file *file);

#endif
