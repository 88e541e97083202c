/* What a start does about how the last run ended. Finished uploads are left alone: the
 * time it takes depends on what was being written. */
#include "engine.h"

#include "tusfs/log.h"

#include <errno.h>

#define REPAIR_BATCH  256
#define LOST_ROWS_MAX 16384 /* in numbers: a row whose name was taken used two */

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

/* Cuts off what is behind the offset. Room that was set aside goes with it. */
static int cut(struct uploads *uploads, const struct file *file, struct blob *blob)
{
	int r = blob_cut(blob, file->offset);

	if (!r && uploads->config.reserve && file->length_known)
		r = blob_reserve(blob, 0, file->length);
	return r < 0 ? r : 0;
}

/* Bytes that are not to be kept would take room until the next append. */
static int cut_rest(struct uploads *uploads, const struct file *file)
{
	SCOPED(scoped_blob_unref) struct blob *blob = NULL;
	int r = blob_open(uploads->store, file->num, &blob);

	if (r)
		return r == REFUSED_NOT_FOUND ? 0 : r;
	return cut(uploads, file, blob);
}

struct keeping {
	uint64_t num;
	int64_t expires;
};

static int apply_expires(struct conn *conn, void *arg)
{
	const struct keeping *keeping = arg;

	return catalog_set_expires(conn, keeping->num, keeping->expires);
}

/* fsck.tusfs does not know when uploads are to expire: at the time that they had. */
static int keep_expires(struct uploads *uploads, const struct file *file)
{
	struct keeping keeping = {file->num, file->expires};

	if (uploads->config.expire_after || !file->expires)
		return 0;
	return catalog_commit(uploads->catalog, false, apply_expires, &keeping);
}

static int adopt(struct uploads *uploads, const struct file *file, uint64_t to)
{
	SCOPED(scoped_upload_writer_free) struct upload_writer *writer = NULL;
	SCOPED(file_release) struct file adopted = {0};
	int r = writer_adopt(uploads, file->id, file->offset, to, &writer);

	if (!r)
		r = upload_writer_cut(writer, &adopted);
	if (!r && (!file_is_complete(&adopted) || adopted.kind == FILE_PARTIAL))
		r = keep_expires(uploads, file);
	if (!r)
		log_info("kept %llu bytes of %s that had arrived before the crash",
			 (unsigned long long)(adopted.offset - file->offset),
			 file->name.text);
	/* what was set aside ahead of them goes */
	if (!r)
		r = cut_rest(uploads, &adopted);
	return r < 0 ? r : 0;
}

/* Nobody was promised these bytes. Those that could not be synced may be lost, and a
 * later sync would not tell (fsync(2), NOTES): so they are not kept, now or by the next
 * start. */
static int adopt_or_leave(struct uploads *uploads, const struct file *file, uint64_t to)
{
	int r = adopt(uploads, file, to);

	if (r != -EIO)
		return r;
	journal_forget(uploads->journal, file->num);
	log_warning("what had arrived of %s before the crash is not kept",
		    file->name.text);
	return 0; /* the next append cuts them off */
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
	return has ? adopt_or_leave(uploads, &file, entry->to)
		   : cut_rest(uploads, &file);
}

/* ---- after a power cut: what the catalog counts must be in the blobs ---- */

static int apply_start_over(struct conn *conn, void *arg)
{
	const struct file *file = arg;
	struct file again = *file;

	again.offset = 0;
	return catalog_advance(conn, file->offset, &again);
}

/* Below SYNC_ALWAYS an offset may have outlived its bytes, and the blob's size does not
 * tell: it can have holes. */
static int start_over(struct uploads *uploads, struct file *file)
{
	int r;

	log_warning("%s goes back to offset 0 after a power cut", file->name.text);
	/* durable at the end of all of them: another cut before only repeats it */
	r = catalog_commit(uploads->catalog, false, apply_start_over, file);
	if (!r)
		file->offset = 0;
	return r;
}

/* The blob is to be as long as the offset says. */
static int check_blob(struct uploads *uploads, const struct file *file)
{
	SCOPED(scoped_blob_unref) struct blob *blob = NULL;
	uint64_t size = 0;
	int r = blob_open(uploads->store, file->num, &blob);

	if (!r)
		r = blob_size(blob, &size);
	if (r < 0)
		return r;
	/* also when nothing is behind it: room may be */
	if (!r && size >= file->offset)
		return cut(uploads, file, blob);
	r = size < file->offset ? mark_broken(uploads, file, "its blob is too short")
				: 0;
	return r < 0 ? r : 0;
}

static int check_receiving(struct uploads *uploads, enum sync_level sync, uint64_t num)
{
	SCOPED(file_release) struct file file = {0};
	int r = uploads_stat(uploads, num, &file);

	if (r || file.small || file.kind == FILE_FINAL || file.broken)
		return r < 0 ? r : 0;
	if (sync != SYNC_ALWAYS && file.offset)
		r = start_over(uploads, &file);
	return r ? r : check_blob(uploads, &file);
}

static int list_receiving(struct uploads *uploads, uint64_t after, uint64_t *nums,
			  size_t *count)
{
	SCOPED(conn_release) struct conn *conn = catalog_reader(uploads->catalog);

	return catalog_receiving(conn, after, nums, REPAIR_BATCH, count);
}

static int check_all_receiving(struct uploads *uploads, enum sync_level sync)
{
	uint64_t nums[REPAIR_BATCH], after = 0;
	size_t count;
	int r;

	do {
		r = list_receiving(uploads, after, nums, &count);
		for (size_t i = 0; !r && i < count; i++) {
			r = check_receiving(uploads, sync, nums[i]);
			after = nums[i];
		}
		if (!r)
			r = catalog_tend_log(uploads->catalog);
	} while (!r && count == REPAIR_BATCH);
	return r ? r : catalog_checkpoint(uploads->catalog);
}

static int read_last_num(struct uploads *uploads, uint64_t *num)
{
	SCOPED(conn_release) struct conn *conn = catalog_reader(uploads->catalog);

	return catalog_last_num(conn, num);
}

/* Below SYNC_ALWAYS a blob may have outlived the row of its upload. Such rows were the
 * last ones; should more be lost than these, fsck.tusfs finds their blobs. */
static int remove_unknown(struct uploads *uploads, enum sync_level sync)
{
	uint64_t last;
	int r;

	if (sync == SYNC_ALWAYS)
		return 0;
	r = read_last_num(uploads, &last);
	if (r)
		return r;
	for (uint64_t num = last + 1; !r && num <= last + LOST_ROWS_MAX; num++)
		r = blob_remove(uploads->store, num);
	return r;
}

/* What the last run only left to the page cache, this one counts as durable. */
static int catch_up(struct uploads *uploads, enum sync_level sync)
{
	return sync > uploads->config.sync ? store_sync(uploads->store) : 0;
}

int repair(struct uploads *uploads, const struct journal_past *past)
{
	int r = 0;

	switch (past->end) {
	case JOURNAL_NEW:
	case JOURNAL_CLEAN:
		return 0;
	case JOURNAL_CRASHED:
		log_info("the last run did not stop in order");
		for (size_t i = 0; i < past->count && !r; i++)
			r = repair_entry(uploads, &past->entries[i]);
		return r ? r : catch_up(uploads, past->sync);
	case JOURNAL_POWER_CUT:
		log_info("the machine stopped while the store was open");
		r = remove_unknown(uploads, past->sync);
		return r ? r : check_all_receiving(uploads, past->sync);
	}
	return 0;
}
