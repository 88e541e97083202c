#include "stat.h"

#include "open_files.h"
#include "view.h"

#include "tusfs/clock.h"

#include <string.h>

#define SECTOR 512 /* the unit of st_blocks */

static struct timespec timespec_of(int64_t microseconds)
{
	return (struct timespec){
		.tv_sec = microseconds / CLOCK_SECOND,
		.tv_nsec = microseconds % CLOCK_SECOND * 1000,
	};
}

static void stat_common(const struct fs *fs, const struct file *file, mode_t mode,
			struct stat *stat)
{
	memset(stat, 0, sizeof(*stat));
	stat->st_mode = mode;
	if (!S_ISLNK(mode))
		stat->st_mode &= ~fs->config.umask;
	stat->st_nlink = 1;
	stat->st_uid = fs->config.uid;
	stat->st_gid = fs->config.gid;
	stat->st_blksize = 4096;
	stat->st_mtim = timespec_of(file->modified);
	stat->st_ctim = timespec_of(file->changed);
	stat->st_atim = stat->st_mtim;
}

/* Folders are not counted: their st_nlink is 1, as on btrfs, from which find(1) and
 * others know that it tells nothing of the folders inside. */
static void stat_folder(const struct fs *fs, enum place place,
			const struct file *folder, struct stat *stat)
{
	stat_common(fs, folder, S_IFDIR | 0755, stat);
	if (place == PLACE_INCOMING)
		stat->st_mtim = stat->st_atim = stat->st_ctim;
	stat->st_ino = node_folder_ino(place, folder->num);
}

void stat_set_size(struct stat *stat, uint64_t bytes)
{
	stat->st_size = (off_t)bytes;
	stat->st_blocks = (blkcnt_t)((bytes + SECTOR - 1) / SECTOR);
}

static void stat_upload(const struct fs *fs, const struct file *file, struct stat *stat)
{
	stat_common(fs, file, S_IFREG | 0444, stat);
	stat->st_ino = file->num;
	stat_set_size(stat, file->offset);
}

static int stat_link(struct fs *fs, const struct file *file, struct stat *stat)
{
	SCOPED(scoped_free) char *target = NULL;
	int r = view_link_target(fs, file, &target);

	if (r)
		return r;
	stat_common(fs, file, S_IFLNK | 0777, stat);
	stat->st_ino = node_ino(PLACE_LINK, file);
	stat->st_size = (off_t)strlen(target);
	return 0;
}

int stat_of(struct fs *fs, enum place place, const struct file *file, struct stat *stat,
	    double *keep)
{
	*keep = KEEP_NOT;
	if (place == PLACE_BY_ID || place == PLACE_LINK)
		return stat_link(fs, file, stat);
	if (file_is_folder(file)) {
		if (place == PLACE_COMPLETE)
			*keep = KEEP_LONG;
		stat_folder(fs, place, file, stat);
		return 0;
	}
	if (file_is_complete(file) && !view_holds(fs, file))
		*keep = KEEP_LONG;
	stat_upload(fs, file, stat);
	return 0;
}

/* The root and by-id/ have no row: they are as old as the tree. The root never
 * changes. */
static int stat_fixed(struct fs *fs, struct node node, struct stat *stat, double *keep)
{
	bool root = node.place == PLACE_ROOT;
	SCOPED(file_release) struct file tree = {0};
	int r = uploads_stat(fs->uploads, FILE_NUM_TREE, &tree);

	if (r)
		return r;
	if (root)
		tree.modified = tree.changed = tree.created;
	stat_common(fs, &tree, S_IFDIR | 0755, stat);
	stat->st_ino = root ? FUSE_ROOT_ID : INO_BY_ID;
	*keep = root ? KEEP_LONG : KEEP_NOT;
	return 0;
}

int stat_of_node(struct fs *fs, struct node node, struct stat *stat, double *keep)
{
	SCOPED(file_release) struct file file = {0};
	int r;

	*keep = KEEP_NOT;
	if (node.place == PLACE_ROOT || node.place == PLACE_BY_ID)
		return stat_fixed(fs, node, stat, keep);
	r = uploads_stat(fs->uploads, node.num, &file);
	if (!r) {
		r = stat_of(fs, node.place, &file, stat, keep);
		if (!r && S_ISREG(stat->st_mode) && *keep == KEEP_NOT)
			open_files_note(fs->files, node.num, stat);
		return r;
	}
	return open_files_stat(fs->files, node.num, stat) ? 0 : r;
}

int entry_of(struct fs *fs, enum place place, const struct file *file,
	     struct fuse_entry_param *entry)
{
	memset(entry, 0, sizeof(*entry));
	entry->ino = node_ino(place, file);
	if (place == PLACE_COMPLETE)
		entry->generation = generations_of(&fs->generations, file->num);
	entry->entry_timeout = place == PLACE_COMPLETE ? KEEP_LONG : KEEP_NOT;
	return stat_of(fs, place, file, &entry->attr, &entry->attr_timeout);
}
