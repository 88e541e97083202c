/* One blob: made or opened by its number, written, read, synced, cut, removed. Names
 * and bytes are synced apart: a folder only while a name in it is not on disk. Room
 * that is set aside lies behind a blob's end, so its size says what it has. */
#include "layout.h"

#include "tusfs/fault_point.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#ifndef RWF_DONTCACHE
#define RWF_DONTCACHE 0x80 /* linux/fs.h, since Linux 6.14 */
#endif

/* So little room is not worth a change of the file. */
#define LITTLE_BYTES 65536

/* A piece that the page cache keeps: the kernel makes its folios as large as what is
 * written at once, and memory for larger ones is what nobody has touched for longest.
 * In a virtual machine whose host takes such memory back each of its pages is ten times
 * as dear. */
#define CACHED_PIECE ((size_t)256 * 1024)

struct blob {
	struct store *store; /* borrowed: it outlives what is still synced */
	uint64_t num;
	int fd;
	atomic_uint references;
	atomic_bool lost; /* a sync failed, and the next one may not say so again */
	char place[LAYOUT_PLACE_SIZE]; /* for messages */
};

/* Opens with `flags`; `refused` is the answer where there is no such file. */
static int open_blob(struct store *store, uint64_t num, int flags, struct blob **blob)
{
	SCOPED(scoped_blob_unref) struct blob *made = calloc(1, sizeof(*made));

	if (!made)
		return failure(-ENOMEM, "new blob");
	made->store = store;
	made->num = num;
	atomic_init(&made->references, 1);
	layout_place(num, made->place);
	do
		made->fd = openat(store->blobs_fd, made->place,
				  flags | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600);
	while (made->fd < 0 && errno == EINTR);
	if (made->fd < 0 && errno == ENOENT && !(flags & O_CREAT))
		return REFUSED_NOT_FOUND;
	if (made->fd < 0)
		return failure(-errno, "open blob %s", made->place);
	*blob = STEAL(made);
	return 0;
}

int blob_create(struct store *store, uint64_t num, struct blob **blob)
{
	int r = open_blob(store, num, O_CREAT | O_TRUNC, blob);

	if (r == 0)
		atomic_fetch_add(&store->folders[layout_index(num)].changes, 1);
	return r;
}

int blob_open(struct store *store, uint64_t num, struct blob **blob)
{
	return open_blob(store, num, 0, blob);
}

struct blob *blob_ref(struct blob *blob)
{
	atomic_fetch_add(&blob->references, 1);
	return blob;
}

struct blob *blob_unref(struct blob *blob)
{
	if (blob && atomic_fetch_sub(&blob->references, 1) == 1) {
		scoped_close(&blob->fd);
		free(blob);
	}
	return NULL;
}

void scoped_blob_unref(struct blob **blob)
{
	blob_unref(*blob);
}

int blob_fd(const struct blob *blob)
{
	return blob->fd;
}

int blob_size(struct blob *blob, uint64_t *size)
{
	struct stat found;

	if (fstat(blob->fd, &found) < 0)
		return failure(-errno, "size of blob %s", blob->place);
	*size = (uint64_t)found.st_size;
	return 0;
}

/* Writes some of it, as write(2) does. */
typedef ssize_t write_some(struct blob *blob, const void *bytes, size_t size,
			   uint64_t offset);

static ssize_t write_cached(struct blob *blob, const void *bytes, size_t size,
			    uint64_t offset)
{
	return pwrite(blob->fd, bytes, size < CACHED_PIECE ? size : CACHED_PIECE,
		      (off_t)offset);
}

static bool cannot(int error)
{
	return error == EOPNOTSUPP || error == ENOSYS || error == EINVAL ||
	       error == EPERM; /* a filter of system calls */
}

static ssize_t write_uncached(struct blob *blob, const void *bytes, size_t size,
			      uint64_t offset)
{
	struct iovec piece = {.iov_base = (void *)bytes, .iov_len = size};
	ssize_t written;

	if (atomic_load(&blob->store->keeps_all))
		return write_cached(blob, bytes, size, offset);
	written = pwritev2(blob->fd, &piece, 1, (off_t)offset, RWF_DONTCACHE);
	if (written >= 0 || !cannot(errno))
		return written;
	atomic_store(&blob->store->keeps_all, true);
	return write_cached(blob, bytes, size, offset);
}

static int write_all(struct blob *blob, const void *bytes, size_t size, uint64_t offset,
		     write_some *some)
{
	const char *rest = bytes;
	ssize_t written;

	while (size > 0) {
		written = some(blob, rest, size, offset);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return failure(written < 0 ? -errno : -EIO, "write blob %s",
				       blob->place);
		rest += written;
		size -= (size_t)written;
		offset += (uint64_t)written;
	}
	return 0;
}

int blob_write(struct blob *blob, const void *bytes, size_t size, uint64_t offset)
{
	return write_all(blob, bytes, size, offset, write_cached);
}

/* The page that the piece ends in is kept for the next one, which would have to read it
 * back. So no page is written anew that is about to be dropped, either: the first
 * kernels that can do this lost such writes. */
int blob_stream(struct blob *blob, const void *bytes, size_t size, uint64_t offset)
{
	uint64_t end;
	size_t tail;
	int r = 0;

	if (__builtin_add_overflow(offset, size, &end) || end > INT64_MAX)
		return blob_write(blob, bytes, size, offset);
	tail = (size_t)(end % (uint64_t)sysconf(_SC_PAGESIZE));
	if (tail > size)
		tail = size;
	if (size > tail)
		r = write_all(blob, bytes, size - tail, offset, write_uncached);
	return r ? r
		 : blob_write(blob, (const char *)bytes + size - tail, tail,
			      end - tail);
}

int blob_read(struct blob *blob, void *bytes, size_t size, uint64_t offset, size_t *got)
{
	size_t sum = 0;
	ssize_t read;

	while (sum < size) {
		read = pread(blob->fd, (char *)bytes + sum, size - sum,
			     (off_t)(offset + sum));
		if (read < 0 && errno == EINTR)
			continue;
		if (read < 0)
			return failure(-errno, "read blob %s", blob->place);
		if (read == 0)
			break;
		sum += (size_t)read;
	}
	*got = sum;
	return 0;
}

void blob_push(struct blob *blob, uint64_t offset, uint64_t size)
{
	sync_file_range(blob->fd, (off_t)offset, (off_t)size, SYNC_FILE_RANGE_WRITE);
}

/* Syncs the folder of a blob, if names in it are not on disk. */
static int sync_folder(struct store *store, uint64_t num)
{
	SCOPED(scoped_close) int fd = -1;
	struct folder *folder = &store->folders[layout_index(num)];
	uint_fast64_t changes = atomic_load(&folder->changes);
	char name[LAYOUT_FOLDER_SIZE];

	if (atomic_load(&folder->synced) == changes)
		return 0;
	layout_folder(layout_index(num), name);
	fd = openat(store->blobs_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return failure(-errno, "sync folder blobs/%s", name);
	/* Whoever overtook us may have stored more: then one fsync is done in vain. */
	atomic_store(&folder->synced, changes);
	return 0;
}

bool blob_is_lost(const struct blob *blob)
{
	return atomic_load(&blob->lost);
}

/* What failed for want of a descriptor was not tried. */
static bool was_tried(int r)
{
	return r != -EMFILE && r != -ENFILE;
}

/* The bytes, then the name: a name that is not on disk takes its bytes with it. */
int blob_sync(struct blob *blob)
{
	int r;

	if (atomic_load(&blob->lost))
		return failure(-EIO, "blob %s could not be synced before", blob->place);
	fault_point("before the blob's sync");
	r = fdatasync(blob->fd) < 0 ? failure(-errno, "sync blob %s", blob->place) : 0;
	fault_point("blob synced, its folder not");
	if (!r)
		r = sync_folder(blob->store, blob->num);
	if (r && was_tried(r))
		atomic_store(&blob->lost, true);
	return r;
}

/* Whether more is allocated than the bytes need, a block and what the file system notes
 * of the file aside. */
static bool has_room_behind(const struct stat *found)
{
	return (uint64_t)found->st_blocks * 512 >
	       (uint64_t)found->st_size + LITTLE_BYTES;
}

int blob_cut(struct blob *blob, uint64_t size)
{
	struct stat found;

	if (fstat(blob->fd, &found) < 0)
		return failure(-errno, "size of blob %s", blob->place);
	if ((uint64_t)found.st_size < size ||
	    ((uint64_t)found.st_size == size && !has_room_behind(&found)))
		return 0;
	fault_point("before the blob is cut");
	while (ftruncate(blob->fd, (off_t)size) < 0)
		if (errno != EINTR)
			return failure(-errno, "cut blob %s", blob->place);
	return 0;
}

/* Gives back what a try to set room aside got, where it did not get all. */
static int refuse_room(struct blob *blob)
{
	uint64_t size;
	int r = blob_size(blob, &size);

	if (!r)
		r = blob_cut(blob, size);
	return r ? r : REFUSED_NO_SPACE;
}

/* Whether the disk has what a blob of `size` bytes still lacks. Asked first, so that a
 * length that is far too large does not take all there is from others for a moment. */
static int check_space(struct blob *blob, uint64_t size)
{
	struct stat found;
	struct statvfs disk;
	uint64_t has;

	if (fstat(blob->fd, &found) < 0 || fstatvfs(blob->fd, &disk) < 0)
		return failure(-errno, "room for blob %s", blob->place);
	has = (uint64_t)found.st_blocks * 512;
	return has < size && size - has > (uint64_t)disk.f_bavail * disk.f_frsize
		       ? REFUSED_NO_SPACE
		       : 0;
}

int blob_reserve(struct blob *blob, uint64_t from, uint64_t to)
{
	int r = to > INT64_MAX ? REFUSED_NO_SPACE : 0;

	if (!r && to > from)
		r = check_space(blob, to);
	if (r || to <= from)
		return r;
	while (fallocate(blob->fd, FALLOC_FL_KEEP_SIZE, (off_t)from,
			 (off_t)(to - from)) < 0) {
		if (errno == EINTR)
			continue;
		if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)
			return refuse_room(blob);
		if (errno == EOPNOTSUPP || errno == ENOSYS)
			return 0;
		return failure(-errno, "reserve %llu bytes for blob %s",
			       (unsigned long long)(to - from), blob->place);
	}
	return 0;
}

int blob_remove(struct store *store, uint64_t num)
{
	char place[LAYOUT_PLACE_SIZE];

	layout_place(num, place);
	if (unlinkat(store->blobs_fd, place, 0) < 0)
		return errno == ENOENT ? 0 : failure(-errno, "remove blob %s", place);
	atomic_fetch_add(&store->folders[layout_index(num)].changes, 1);
	return 0;
}

int blob_sync_removal(struct store *store, uint64_t num)
{
	return sync_folder(store, num);
}
