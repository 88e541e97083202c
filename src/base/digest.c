#include "tusfs/digest.h"

#include "tusfs/text.h"

#include <assert.h>
#include <errno.h>
#include <openssl/evp.h>
#include <string.h>
#include <zlib.h>

struct digest {
	enum digest_algorithm algorithm;
	EVP_MD_CTX *context; /* NULL for crc32 */
	uLong crc;
};

static const struct {
	const char *name;
	size_t size;
} algorithms[] = {
	[DIGEST_NONE] = {"", 0},	  [DIGEST_SHA1] = {"sha1", 20},
	[DIGEST_MD5] = {"md5", 16},	  [DIGEST_CRC32] = {"crc32", 4},
	[DIGEST_SHA256] = {"sha256", 32}, [DIGEST_SHA512] = {"sha512", 64},
};

enum digest_algorithm digest_named(const char *name, size_t length)
{
	for (int i = DIGEST_SHA1; i <= DIGEST_SHA512; i++)
		if (strlen(algorithms[i].name) == length &&
		    memcmp(algorithms[i].name, name, length) == 0)
			return (enum digest_algorithm)i;
	return DIGEST_NONE;
}

size_t digest_size(enum digest_algorithm algorithm)
{
	return algorithms[algorithm].size;
}

int checksum_parse(const char *text, struct checksum *checksum)
{
	const char *space = strchr(text, ' ');
	struct checksum read = {.algorithm = DIGEST_NONE};
	size_t size;

	if (!space)
		return REFUSED_INVALID;
	read.algorithm = digest_named(text, (size_t)(space - text));
	/* The length is compared before decoding: it bounds what is written. */
	if (read.algorithm == DIGEST_NONE ||
	    strlen(space + 1) != text_base64_length(digest_size(read.algorithm)))
		return REFUSED_INVALID;
	uint8_t bytes[DIGEST_MAX_BYTES + 3];
	if (!text_from_base64(space + 1, strlen(space + 1), bytes, &size) ||
	    size != digest_size(read.algorithm))
		return REFUSED_INVALID;
	memcpy(read.bytes, bytes, size);
	*checksum = read;
	return 0;
}

static const EVP_MD *evp_of(enum digest_algorithm algorithm)
{
	switch (algorithm) {
	case DIGEST_SHA1:
		return EVP_sha1();
	case DIGEST_MD5:
		return EVP_md5();
	case DIGEST_SHA256:
		return EVP_sha256();
	case DIGEST_SHA512:
		return EVP_sha512();
	case DIGEST_NONE:
	case DIGEST_CRC32:
		break;
	}
	return NULL;
}

int digest_new(enum digest_algorithm algorithm, struct digest **digest)
{
	SCOPED(scoped_digest_free) struct digest *made = calloc(1, sizeof(*made));

	assert(algorithm != DIGEST_NONE);
	if (!made)
		return failure(-ENOMEM, "new digest");
	made->algorithm = algorithm;
	made->crc = crc32_z(0, NULL, 0);
	if (algorithm != DIGEST_CRC32) {
		made->context = EVP_MD_CTX_new();
		if (!made->context)
			return failure(-ENOMEM, "new digest");
		/* A FIPS configuration may forbid md5. */
		if (!EVP_DigestInit_ex(made->context, evp_of(algorithm), NULL))
			return failure(-EOPNOTSUPP, "digest %s",
				       algorithms[algorithm].name);
	}
	*digest = STEAL(made);
	return 0;
}

void digest_update(struct digest *digest, const void *bytes, size_t size)
{
	int done;

	if (!digest->context) {
		/* crc32_z(crc, NULL, 0) would start anew. */
		if (size)
			digest->crc = crc32_z(digest->crc, bytes, size);
		return;
	}
	done = EVP_DigestUpdate(digest->context, bytes, size);
	assert(done);
}

void digest_final(struct digest *digest, uint8_t out[DIGEST_MAX_BYTES])
{
	int done;

	if (!digest->context) {
		for (int i = 0; i < 4; i++)
			out[i] = (uint8_t)(digest->crc >> (24 - 8 * i));
		return;
	}
	done = EVP_DigestFinal_ex(digest->context, out, NULL);
	assert(done);
}

struct digest *digest_free(struct digest *digest)
{
	if (digest) {
		EVP_MD_CTX_free(digest->context);
		free(digest);
	}
	return NULL;
}

void scoped_digest_free(struct digest **digest)
{
	digest_free(*digest);
}

int digest_once(enum digest_algorithm algorithm, const void *bytes, size_t size,
		uint8_t out[DIGEST_MAX_BYTES])
{
	SCOPED(scoped_digest_free) struct digest *digest = NULL;
	int r = digest_new(algorithm, &digest);

	if (r)
		return r;
	digest_update(digest, bytes, size);
	digest_final(digest, out);
	return 0;
}
