/* What a start does about how the last run ended. Finished uploads are left alone: the
 * time it takes depends on what was being written. */
#include "engine.h"

#include "tusfs/log.h"

#include <string.h>

#define REPAIR_BATCH 256

/* ---- after a mere crash of the process: its writers' bytes are still there ---- */

static int blob_has(struct uploads *uploads, uint64_t num, uint64_t size, bool *has)
{
	SCOPED(scoped_blob_unref) struct blob *blob = NULL;
	uint64_t there;
	int r = blob_open(uploads->store, num, &blob);

	if (!r)
		r = blob_size(blob, &there);
	*has = !r && there >= size;
	return r == REFUSED_NOT_FOUND ? 0 : r;
}

static int adopt(struct uploads *uploads, const struct file *file, uint64_t to)
{
	SCOPED(scoped_upload_writer_free) struct upload_writer *writer = NULL;
	SCOPED(file_release) struct file adopted = {0};
	int r = writer_adopt(uploads, file->id, file->offset, to, &writer);

	if (!r)
		r = upload_writer_cut(writer, &adopted);
	if (!r)
		log_info("kept %llu bytes of %s that had arrived before the crash",
			 (unsigned long long)(adopted.offset - file->offset),
			 file->name.text);
	return r < 0 ? r : 0;
}

/* Bytes that are not to be kept would take room until the next append. */
static int cut_rest(struct uploads *uploads, const struct file *file)
{
	SCOPED(scoped_blob_unref) struct blob *blob = NULL;
	int r = blob_open(uploads->store, file->num, &blob);

	if (r)
		return r == REFUSED_NOT_FOUND ? 0 : r;
	return blob_cut(blob, file->offset);
}

static int repair_entry(struct uploads *uploads, const struct journal_entry *entry)
{
	SCOPED(file_release) struct file file = {0};
	bool has = false;
	int r = uploads_stat(uploads, entry->num, &file);

	if (r)
		return r < 0 ? r : 0;
	if (file_is_folder(&file) || file_is_complete(&file) || file.small ||
	    file.kind == FILE_FINAL)
		return 0;
	if (file.offset >= entry->from && file.offset < entry->to)
		r = blob_has(uploads, entry->num, entry->to, &has);
	if (r)
		return r;
	return has ? adopt(uploads, &file, entry->to) : cut_rest(uploads, &file);
}

/* ---- after a power cut: what the catalog counts must be in the blobs ---- */

struct shortened {
	struct file file;
	uint64_t size;
};

static int apply_shorten(struct conn *conn, void *arg)
{
	struct shortened *shortened = arg;
	struct file file = shortened->file;

	file.offset = shortened->size;
	return catalog_advance(conn, shortened->file.offset, &file);
}

/* Below SYNC_ALWAYS an offset may have outlived its bytes: it goes back to what is
 * there. */
static int shorten(struct uploads *uploads, const struct file *file, uint64_t size)
{
	struct shortened shortened = {*file, size};

	log_warning("%s goes back to offset %llu after a power cut", file->name.text,
		    (unsigned long long)size);
	return catalog_commit(uploads->catalog, true, apply_shorten, &shortened);
}

static int check_receiving(struct uploads *uploads, uint64_t num)
{
	SCOPED(scoped_blob_unref) struct blob *blob = NULL;
	SCOPED(file_release) struct file file = {0};
	uint64_t size = 0;
	int r = uploads_stat(uploads, num, &file);

	if (r || file.small || file.kind == FILE_FINAL || file.broken)
		return r < 0 ? r : 0;
	r = blob_open(uploads->store, num, &blob);
	if (!r)
		r = blob_size(blob, &size);
	if (r < 0 || size == file.offset)
		return r < 0 ? r : 0;
	if (size > file.offset)
		return blob_cut(blob, file.offset);
	if (uploads->config.sync != SYNC_ALWAYS)
		return shorten(uploads, &file, size);
	r = mark_broken(uploads, &file, "its blob is too short");
	return r < 0 ? r : 0;
}

static int list_receiving(struct uploads *uploads, uint64_t after, uint64_t *nums,
			  size_t *count)
{
	SCOPED(conn_release) struct conn *conn = catalog_reader(uploads->catalog);

	return catalog_receiving(conn, after, nums, REPAIR_BATCH, count);
}

static int check_all_receiving(struct uploads *uploads)
{
	uint64_t nums[REPAIR_BATCH], after = 0;
	size_t count;
	int r;

	do {
		r = list_receiving(uploads, after, nums, &count);
		for (size_t i = 0; !r && i < count; i++) {
			r = check_receiving(uploads, nums[i]);
			after = nums[i];
		}
	} while (!r && count == REPAIR_BATCH);
	return r;
}

int repair(struct uploads *uploads, enum journal_past past,
	   const struct journal_entry *entries, size_t count)
{
	int r = 0;

	switch (past) {
	case JOURNAL_NEW:
	case JOURNAL_CLEAN:
		return 0;
	case JOURNAL_CRASHED:
		log_info("the last run did not stop in order");
		for (size_t i = 0; i < count && !r; i++)
			r = repair_entry(uploads, &entries[i]);
		return r;
	case JOURNAL_POWER_CUT:
		log_info("the machine stopped while the store was open");
		return check_all_receiving(uploads);
	}
	return 0;
}
