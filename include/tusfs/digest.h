/* Checksums of streams of bytes: what Upload-Checksum (tus 1.0.0, Checksum) and
 * whole-file digests need. One struct digest belongs to one thread at a time. */
#ifndef TUSFS_DIGEST_H
#define TUSFS_DIGEST_H

#include "tusfs/error.h"

#include <stddef.h>
#include <stdint.h>

enum digest_algorithm {
	DIGEST_NONE,
	DIGEST_SHA1,
	DIGEST_MD5,
	DIGEST_CRC32, /* the checksum of zlib and IEEE 802.3, as 4 bytes, big-endian */
	DIGEST_SHA256,
	DIGEST_SHA512,
};

#define DIGEST_MAX_BYTES 64
/* All algorithms, as Tus-Checksum-Algorithm lists them. */
#define DIGEST_NAMES "sha1,md5,crc32,sha256,sha512"

struct checksum {
	enum digest_algorithm algorithm;
	uint8_t bytes[DIGEST_MAX_BYTES]; /* the first digest_size(algorithm) count */
};

/* DIGEST_NONE for a name that is not supported. Names are case-sensitive, in lower
 * case. */
enum digest_algorithm digest_named(const char *name, size_t length);
/* Bytes in a digest; 0 for DIGEST_NONE. */
size_t digest_size(enum digest_algorithm algorithm);

/* Reads the value of Upload-Checksum: "NAME BASE64", of the right length.
 * Refusals: INVALID (malformed, or an algorithm that is not supported). */
MUST_CHECK int checksum_parse(const char *text, struct checksum *checksum);

struct digest;
/* The caller owns *digest. `algorithm` must not be DIGEST_NONE. */
MUST_CHECK int digest_new(enum digest_algorithm algorithm, struct digest **digest);
void digest_update(struct digest *digest, const void *bytes, size_t size);
/* Writes digest_size() bytes; the digest can then only be freed. */
void digest_final(struct digest *digest, uint8_t out[DIGEST_MAX_BYTES]);
struct digest *digest_free(struct digest *digest);
/* Writes the digest of bytes in memory. */
MUST_CHECK int digest_once(enum digest_algorithm algorithm, const void *bytes,
			   size_t size, uint8_t out[DIGEST_MAX_BYTES]);
void scoped_digest_free(struct digest **digest);

#endif
