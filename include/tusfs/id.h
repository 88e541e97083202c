/* The public name of an upload: 128 random bits, written as 32 lower-case hex digits.
 */
#ifndef TUSFS_ID_H
#define TUSFS_ID_H

#include "tusfs/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UPLOAD_ID_BYTES	 16
#define UPLOAD_ID_DIGITS 32

struct upload_id {
	uint8_t bytes[UPLOAD_ID_BYTES];
};

/* A new random id, from getrandom(2). */
MUST_CHECK int upload_id_make(struct upload_id *id);
/* Reads exactly 32 lower-case hex digits; false for anything else. */
bool upload_id_parse(const char *text, size_t length, struct upload_id *id);
/* Writes 32 digits and a NUL. */
void upload_id_format(struct upload_id id, char text[UPLOAD_ID_DIGITS + 1]);

#endif
