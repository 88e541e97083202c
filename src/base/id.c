#include "tusfs/id.h"

#include "tusfs/text.h"

#include <errno.h>
#include <sys/random.h>

int upload_id_make(struct upload_id *id)
{
	struct upload_id made;
	ssize_t got;

	/* Up to 256 bytes come whole, once the pool is seeded; before, EINTR ends the
	 * wait (getrandom(2)). */
	do
		got = getrandom(made.bytes, sizeof(made.bytes), 0);
	while (got < 0 && errno == EINTR);
	if (got != sizeof(made.bytes))
		return failure(got < 0 ? -errno : -EIO, "getrandom");
	*id = made;
	return 0;
}

bool upload_id_parse(const char *text, size_t length, struct upload_id *id)
{
	struct upload_id read;

	if (length != UPLOAD_ID_DIGITS)
		return false;
	for (size_t i = 0; i < length; i++)
		if (text[i] >= 'A' && text[i] <= 'F')
			return false;
	if (!text_from_hex(text, length, read.bytes, sizeof(read.bytes)))
		return false;
	*id = read;
	return true;
}

void upload_id_format(struct upload_id id, char text[UPLOAD_ID_DIGITS + 1])
{
	text_to_hex(id.bytes, sizeof(id.bytes), text);
}
