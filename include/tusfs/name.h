/* Safe file names made from what clients send. Pure. */
#ifndef TUSFS_NAME_H
#define TUSFS_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAME_BYTES     255 /* longest name, as NAME_MAX of Linux */
#define NAME_DEPTH_MAX 256 /* most folders on one path */
/* Longest path of a new upload, with its name: of the PATH_MAX that a call takes, the
 * rest is left for the mountpoint. */
#define NAME_PATH_BYTES 3584

struct name {
	char text[NAME_BYTES + 1];
};

/* The last component of `bytes` (after / or \), in NFC, without control characters;
 * valid UTF-8, not "." or ".."; at most 255 bytes with the extension kept. False where
 * nothing is left, or memory is short: only that sets errno, to ENOMEM. */
bool name_make_safe(const char *bytes, size_t size, struct name *name);

/* Takes `text`, which is a safe name already, as it is; bytes past NAME_BYTES are cut
 * off. */
void name_set(struct name *name, const char *text);

/* The n-th sibling of a taken name, n >= 2: "holiday (2).mp4". Still at most 255 bytes.
 */
void name_number(const struct name *name, uint64_t n, struct name *numbered);

/* The folders of a relativePath, all but its last component, each made safe as above;
 * empty ones, "." and ".." are left out. Calls `folder` for each, outermost first,
 * until it returns other than 0; returns that, or 0. At most NAME_DEPTH_MAX are told,
 * and no more than fit, with a name of any length in them, into NAME_PATH_BYTES. When
 * memory is short some are left out, and errno is ENOMEM. */
int name_folders(const char *path, size_t size,
		 int (*folder)(void *arg, const struct name *name), void *arg);

#endif
