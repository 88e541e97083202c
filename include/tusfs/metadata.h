/* Upload-Metadata (tus 1.0.0, Creation): pairs of key and base64 value, kept as
 * received and read where they are needed. Pure. */
#ifndef TUSFS_METADATA_H
#define TUSFS_METADATA_H

#include "tusfs/digest.h"
#include "tusfs/error.h"

#include <stdbool.h>
#include <stddef.h>

#define METADATA_MAX (64 * 1024) /* bytes of the header's value that are accepted */

/* Whether `text` is a valid value of the header: unique, non-empty ASCII keys without
 * spaces or commas; base64 or empty values; optional white space around the commas.
 * On false *problem is a static text that says what is wrong. */
bool metadata_valid(const char *text, const char **problem);

struct metadata_pair {
	const char *key; /* points into the text, not terminated */
	size_t key_length;
	const char *value; /* base64, points into the text, not terminated */
	size_t value_length;
};

/* Steps through valid metadata: *cursor starts as the text. False at the end. */
bool metadata_next(const char **cursor, struct metadata_pair *pair);

/* The decoded value of a key, with a NUL behind it that *size does not count; the
 * caller frees it. NULL when the key is absent, the text is NULL, or memory is short:
 * only that sets errno, to ENOMEM. */
char *metadata_get(const char *text, const char *key, size_t *size);

/* The whole-file checksum that the metadata promises: a key `checksum` of the form
 * ALGORITHM:DIGEST, or with a blank for the colon, in base64 or hex, with sha1, md5,
 * sha256 or sha512 (in any case) and of the right length. False when there is none; any
 * other value is only metadata. */
bool metadata_checksum(const char *text, struct checksum *checksum);

#endif
