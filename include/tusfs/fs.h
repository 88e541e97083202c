/* The mount door: a FUSE file system over the engine. Knows nothing of HTTP. */
#ifndef TUSFS_FS_H
#define TUSFS_FS_H

#include "tusfs/error.h"
#include "tusfs/uploads.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct fs;

struct fs_config {
	const char *mountpoint; /* absolute; NULL: no mount, see fs_start_on */
	const char *source;    /* what mount(8) shows as the device: the store's path */
	const char *base_path; /* for user.tus.url; begins and ends with '/' */
	bool allow_other;
	bool noexec;
	uid_t uid;
	gid_t gid;
	mode_t umask;
	bool debug; /* libfuse prints every request */
};

/* Detaches stale mounts of ours, checks the mountpoint, and forks the publisher, the
 * child that makes system calls through the mount. Call before any thread exists. The
 * caller owns *fs. The configuration and the strings in it are copied. Refusals, each
 * logged with one line: NOT_FOUND (no mountpoint), NOT_FOLDER, NOT_EMPTY. */
MUST_CHECK int fs_prepare(const struct fs_config *config, struct fs **fs);
/* Mounts, and serves from threads of its own. `ended` is called, from one of them, when
 * the mount has ended without fs_stop(), such as by umount(8). Fails with one logged
 * line (no /dev/fuse, not permitted). */
MUST_CHECK int fs_start(struct fs *fs, struct uploads *uploads,
			void (*ended)(void *arg), void *arg);
/* The same, but serving FUSE requests on a connected SOCK_SEQPACKET descriptor, with no
 * mount: for tests. Takes the descriptor over. */
MUST_CHECK int fs_start_on(struct fs *fs, struct uploads *uploads, int fd);
/* Detaches the mount, ends the threads and the publisher, frees. Takes and returns
 * NULL. */
struct fs *fs_stop(struct fs *fs);

#endif
