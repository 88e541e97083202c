#include "notify.h"

#include "node.h"

#include <errno.h>
#include <string.h>

/* All results are as good as done: ENOENT says that the kernel had nothing, others that
 * the session has ended. */
void notify_entry(struct fs *fs, fuse_ino_t parent, const char *name)
{
	fuse_lowlevel_notify_inval_entry(fs->session, parent, name, strlen(name));
}

void notify_attributes(struct fs *fs, fuse_ino_t ino)
{
	fuse_lowlevel_notify_inval_inode(fs->session, ino, -1, 0);
}

void notify_listing(struct fs *fs, fuse_ino_t ino)
{
	fuse_lowlevel_notify_inval_inode(fs->session, ino, 0, 0);
}

/* An inode that the kernel has takes no attributes older than the notification. One
 * that it has not may just be coming with a lookup that read the old ones: to notify of
 * its name waits for the end of that lookup, and makes the next one ask. */
void notify_folder(struct fs *fs, uint64_t num)
{
	SCOPED(file_release) struct file folder = {0};

	if (fuse_lowlevel_notify_inval_inode(fs->session, num, -1, 0) != -ENOENT ||
	    num < FILE_NUM_FIRST || uploads_stat(fs->uploads, num, &folder))
		return;
	notify_entry(fs, node_folder_ino(PLACE_COMPLETE, folder.parent),
		     folder.name.text);
}
