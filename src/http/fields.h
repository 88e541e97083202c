/* The header fields of a request that the door knows, each with its value trimmed, and
 * what is wrong with how they were sent. libmicrohttpd's own look-up gives the first of
 * duplicates, and accepts framing that two servers in a row read differently; all of it
 * is looked at here instead. */
#ifndef TUSFS_HTTP_FIELDS_H
#define TUSFS_HTTP_FIELDS_H

#include "tusfs/error.h"

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>

enum field {
	FIELD_HOST,
	FIELD_CONNECTION,
	FIELD_CONTENT_LENGTH,
	FIELD_TRANSFER_ENCODING,
	FIELD_EXPECT,
	FIELD_TRAILER,
	FIELD_CONTENT_TYPE,
	FIELD_METHOD_OVERRIDE,
	FIELD_TUS_RESUMABLE,
	FIELD_UPLOAD_OFFSET,
	FIELD_UPLOAD_LENGTH,
	FIELD_UPLOAD_DEFER_LENGTH,
	FIELD_UPLOAD_METADATA,
	FIELD_UPLOAD_CONCAT,
	FIELD_UPLOAD_CHECKSUM,
	FIELD_ORIGIN,
	FIELD_CORS_METHOD,
	FIELD_CORS_HEADERS,
	FIELD_RANGE,
	FIELD_IF_RANGE,
	FIELD_IF_MATCH,
	FIELD_IF_UNMODIFIED_SINCE,
	FIELD_IF_NONE_MATCH,
	FIELD_IF_MODIFIED_SINCE,
	FIELD_FORWARDED,
	FIELD_X_FORWARDED_HOST,
	FIELD_X_FORWARDED_PROTO,
	FIELD_COUNT,
};

/* What is said of a line that is no field at all. */
#define FIELDS_MALFORMED                                                               \
	"a line of the header is folded, has no name or no colon, or has a NUL or a "  \
	"bare LF in it"

struct fields {
	/* NULL where absent; a list sent in several lines is joined with commas */
	const char *value[FIELD_COUNT];
	char *copied[FIELD_COUNT];  /* where the value is not as it was sent */
	bool copies;		    /* there is such a value */
	bool repeated[FIELD_COUNT]; /* sent twice though it is no list */
	const char *problem;	    /* with one of the lines, for the client; or NULL */
	size_t size;		    /* bytes of all names and values */
	/* of all fields, and of the cookies in them, when libmicrohttpd has read them
	 */
	unsigned int count;
};

/* Reads the header of a request, whose memory the values may be borrowed from. `head`
 * is its method and so its first byte; `version` ends its first line. The caller
 * releases *fields, also when this fails. */
MUST_CHECK int fields_read(struct MHD_Connection *mhd, const char *head,
			   const char *version, struct fields *fields);
/* Adds a line of a header; the value, which is borrowed, may have spaces around it. */
MUST_CHECK int fields_add(struct fields *fields, const char *name, const char *value);
void fields_release(struct fields *fields);
const char *field_name(enum field field);

#endif
