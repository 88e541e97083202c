#include "notify.h"

#include "notifier.h"
#include "publisher.h"

#include <linux/fuse.h>
#include <unistd.h>

/* The kernel's interface, newer than Debian 12's <linux/fuse.h>. */
#define NOTIFY_INC_EPOCH 8

void notify_entry(struct fs *fs, fuse_ino_t parent, const char *name,
		  const struct timespec *until)
{
	/* the publisher may be held up by the same folder */
	if (publisher_stuck(fs->publisher) && notify_names(fs))
		return;
	if (notifier_run(fs->notifier, parent, name, until))
		notify_names(fs);
}

bool notify_names(struct fs *fs)
{
	struct fuse_out_header message = {.len = sizeof(message),
					  .error = NOTIFY_INC_EPOCH};

	return write(fuse_session_fd(fs->session), &message, sizeof(message)) ==
	       (ssize_t)sizeof(message);
}

int notify_attributes(struct fs *fs, fuse_ino_t ino)
{
	return fuse_lowlevel_notify_inval_inode(fs->session, ino, -1, 0);
}

void notify_listing(struct fs *fs, fuse_ino_t ino, const struct timespec *until)
{
	notifier_run(fs->notifier, ino, NULL, until);
}
