/* Listing folders. The offset of an entry is its num, so that a listing goes on after
 * the entry named last, whatever was added, removed or renamed in between, and across a
 * restart; there is no state in an open folder. */
#include "operations.h"

#include "reply.h"
#include "stat.h"
#include "view.h"

#include <errno.h>

/* Offsets that are no num of a file. */
enum { OFFSET_SELF = 1, OFFSET_PARENT = 2, OFFSET_ROOT = 3 };

struct page {
	fuse_req_t req;
	struct fs *fs;
	enum place place;
	char *bytes;
	size_t size;
	size_t used;
	int result;
};

/* False when there is no room for it. */
static bool page_add(struct page *page, const char *name,
		     const struct fuse_entry_param *entry, off_t offset)
{
	size_t room = page->size - page->used;
	size_t needed = fuse_add_direntry_plus(page->req, page->bytes + page->used,
					       room, name, entry, offset);

	if (needed > room)
		return false;
	page->used += needed;
	return true;
}

/* An entry of which the kernel learns only the number and the type. */
static bool page_add_bare(struct page *page, const char *name, fuse_ino_t ino,
			  mode_t type, off_t offset)
{
	struct fuse_entry_param entry = {.attr = {.st_ino = ino, .st_mode = type}};

	return page_add(page, name, &entry, offset);
}

/* The size of a link takes a walk up the tree: whoever wants it looks it up. So do
 * those who want more of a folder than its type. */
static bool page_add_file(void *arg, const struct file *file)
{
	struct page *page = arg;
	char id[UPLOAD_ID_DIGITS + 1];
	struct fuse_entry_param entry;

	if (page->place == PLACE_BY_ID) {
		upload_id_format(file->id, id);
		return page_add_bare(page, id, node_ino(PLACE_LINK, file), S_IFLNK,
				     (off_t)file->num);
	}
	if (file_is_folder(file))
		return page_add_bare(page, file->name.text, node_ino(page->place, file),
				     S_IFDIR, (off_t)file->num);
	page->result = entry_of(page->fs, page->place, file, &entry);
	return !page->result &&
	       page_add(page, file->name.text, &entry, (off_t)file->num);
}

static void list_root(struct page *page, off_t offset)
{
	for (int i = 0; i < ROOT_FOLDERS; i++)
		if (offset < OFFSET_ROOT + i &&
		    !page_add_bare(page, root_folders[i].name, root_folders[i].ino,
				   S_IFDIR, OFFSET_ROOT + i))
			return;
}

static int fill(struct page *page, fuse_ino_t ino, off_t offset)
{
	struct node folder = node_of(ino);
	uint64_t after = offset > OFFSET_PARENT ? (uint64_t)offset : 0;

	if (offset < OFFSET_SELF &&
	    !page_add_bare(page, ".", ino, S_IFDIR, OFFSET_SELF))
		return 0;
	if (offset < OFFSET_PARENT &&
	    !page_add_bare(page, "..", ino, S_IFDIR, OFFSET_PARENT))
		return 0;
	if (folder.place == PLACE_ROOT) {
		list_root(page, offset);
		return 0;
	}
	return view_list(page->fs, folder, after, page_add_file, page);
}

/* Who may fill the kernel's copy of a listing: one open folder at a time. Of two at
 * once, the kernel would take what the first read before a change, and note the time of
 * the second, which began after it: the old listing would count as new. Folders that
 * share a slot only lose the copy. */
static _Atomic fuse_ino_t *keeper_of(struct fs *fs, fuse_ino_t ino)
{
	return &fs->keepers[ino % LISTING_KEEPERS];
}

static bool become_keeper(struct fs *fs, fuse_ino_t ino)
{
	fuse_ino_t nobody = 0;

	return atomic_compare_exchange_strong(keeper_of(fs, ino), &nobody, ino);
}

/* The kernel keeps a listing of complete/ for as long as it knows of no change and the
 * folder's time of modification, which each change gives a new value, is the same.
 * Replies: open, err. */
void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
	struct fs *fs = fs_of(req);
	bool kept = node_of(ino).place == PLACE_COMPLETE;
	bool fills = kept && become_keeper(fs, ino);

	info->cache_readdir = fills;
	info->keep_cache = kept;
	info->fh = fills;
	/* an open that was interrupted is never released */
	if (fuse_reply_open(req, info) != 0 && fills)
		atomic_store(keeper_of(fs, ino), 0);
}

/* Replies: err. */
void op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
	if (info->fh)
		atomic_store(keeper_of(fs_of(req), ino), 0);
	fuse_reply_err(req, 0);
}

/* Replies: buf, err. */
void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		    struct fuse_file_info *info)
{
	struct page page = {
		.req = req,
		.fs = fs_of(req),
		.place = node_of(ino).place,
		.bytes = workers_buffer(size),
		.size = size,
	};
	int r;

	if (!page.bytes) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	r = fill(&page, ino, offset);
	if (!r)
		r = page.result;
	if (r && page.used == 0)
		reply_result(req, r);
	else
		fuse_reply_buf(req, page.bytes, page.used);
}
