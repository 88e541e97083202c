#include "open_files.h"

#include "stat.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 1024

struct open_inode {
	struct open_inode *next;
	uint64_t num;
	struct upload_reader *reader; /* one for all opens */
	unsigned int opens;
	unsigned int counts[OPEN_PASSING + 1]; /* of `opens`, by way */
	int backing_id;			       /* while counts[OPEN_PASSING] is not 0 */
	struct stat stat;		       /* as last noted */
};

/* A handle is the inode's address, with the way in the bits that an address from
 * malloc() has to spare. */
#define WAY_BITS ((uintptr_t)3)

uint64_t open_file_handle(struct open_file open)
{
	return (uintptr_t)open.inode | (uintptr_t)open.way;
}

struct open_file open_file_of(uint64_t handle)
{
	return (struct open_file){
		.inode = (struct open_inode *)((uintptr_t)handle & ~WAY_BITS),
		.way = (enum open_way)((uintptr_t)handle & WAY_BITS),
	};
}

struct upload_reader *open_file_reader(struct open_file open)
{
	return open.inode->reader;
}

struct open_files {
	pthread_mutex_t mutex; /* protects all of it */
	struct open_inode *buckets[BUCKETS];
};

int open_files_new(struct open_files **files)
{
	struct open_files *made = calloc(1, sizeof(*made));

	if (!made)
		return failure(-ENOMEM, "make the table of open files");
	pthread_mutex_init(&made->mutex, NULL);
	*files = made;
	return 0;
}

static void free_chain(struct open_inode *inode)
{
	while (inode) {
		struct open_inode *next = inode->next;

		upload_reader_close(inode->reader);
		free(inode);
		inode = next;
	}
}

struct open_files *open_files_free(struct open_files *files)
{
	if (!files)
		return NULL;
	for (size_t i = 0; i < BUCKETS; i++)
		free_chain(files->buckets[i]);
	pthread_mutex_destroy(&files->mutex);
	free(files);
	return NULL;
}

/* Where the pointer to the inode is, or would be. */
static struct open_inode **inode_slot(struct open_files *files, uint64_t num)
{
	struct open_inode **slot = &files->buckets[num % BUCKETS];

	while (*slot && (*slot)->num != num)
		slot = &(*slot)->next;
	return slot;
}

/* The inode of an open file, with one open more; NULL when it is not open. */
static struct open_inode *inode_again(struct open_files *files, uint64_t num)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&files->mutex);
	struct open_inode *inode = *inode_slot(files, num);

	if (inode)
		inode->opens++;
	return inode;
}

/* Adds an inode, with one open, unless another thread was quicker. */
static void inode_add(struct open_files *files, struct open_inode **made,
		      struct open_inode **inode)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&files->mutex);
	struct open_inode **slot = inode_slot(files, (*made)->num);

	if (!*slot)
		*slot = STEAL(*made);
	*inode = *slot;
	(*inode)->opens++;
}

static void inode_free(struct open_inode **inode)
{
	if (!*inode)
		return;
	upload_reader_close((*inode)->reader);
	free(*inode);
}

static int inode_open(struct fs *fs, const struct file *file, struct open_inode **inode)
{
	SCOPED(inode_free) struct open_inode *made = calloc(1, sizeof(*made));
	double keep;
	int r;

	if (!made)
		return failure(-ENOMEM, "open a file");
	made->num = file->num;
	r = upload_reader_open(fs->uploads, file->num, &made->reader);
	if (!r)
		r = attributes_of(fs, PLACE_COMPLETE, file, &made->stat, &keep);
	if (!r)
		inode_add(fs->files, &made, inode);
	return r;
}

/* Takes one open away; returns the inode when that was the last, to be freed. */
static struct open_inode *inode_put(struct open_files *files, struct open_inode *inode)
{
	struct open_inode **slot = inode_slot(files, inode->num);

	if (--inode->opens > 0)
		return NULL;
	*slot = inode->next;
	return inode;
}

/* How a complete upload is opened, given the opens that there are. */
static enum open_way way_of_complete(struct fs *fs, struct open_inode *inode)
{
	int fd;

	if (inode->counts[OPEN_PASSING] > 0)
		return OPEN_PASSING;
	if (inode->counts[OPEN_CACHED] > 0)
		return OPEN_CACHED;
	fd = upload_reader_whole_fd(inode->reader);
	if (fd < 0)
		return OPEN_CACHED;
	inode->backing_id = passthrough_open(fs, fd);
	return inode->backing_id > 0 ? OPEN_PASSING : OPEN_CACHED;
}

static void choose_way(struct fs *fs, bool complete, struct open_inode *inode,
		       struct open_answer *answer)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&fs->files->mutex);
	enum open_way way = complete ? way_of_complete(fs, inode) : OPEN_DIRECT;

	answer->open = (struct open_file){inode, way};
	answer->backing_id = inode->backing_id;
	/* Pages that a private mapping of a growing file left may lack its end. */
	answer->keep_cache = way == OPEN_CACHED && inode->counts[OPEN_DIRECT] == 0;
	inode->counts[way]++;
}

static int find_inode(struct fs *fs, uint64_t num, const struct file *file,
		      struct open_inode **inode)
{
	*inode = inode_again(fs->files, num);
	if (*inode)
		return 0;
	return file ? inode_open(fs, file, inode) : REFUSED_NOT_FOUND;
}

/* An upload that the overlay holds counts as unfinished: somebody may be opening it
 * directly at this moment, and for the kernel that must come before any other way. */
int open_files_open(struct fs *fs, uint64_t num, const struct file *file,
		    struct open_answer *answer)
{
	struct open_inode *inode;
	bool complete = false;
	int r = find_inode(fs, num, file, &inode);

	if (r)
		return r;
	upload_reader_size(inode->reader, &complete);
	choose_way(fs, complete && !overlay_has(&fs->overlay, num), inode, answer);
	return 0;
}

static struct open_inode *unregister(struct fs *fs, struct open_file open)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&fs->files->mutex);
	struct open_inode *inode = open.inode;

	inode->counts[open.way]--;
	if (open.way == OPEN_PASSING && inode->counts[OPEN_PASSING] == 0) {
		passthrough_close(fs, inode->backing_id);
		inode->backing_id = 0;
	}
	return inode_put(fs->files, inode);
}

void open_files_close(struct fs *fs, struct open_file open)
{
	struct open_inode *last = unregister(fs, open);

	inode_free(&last);
}

void open_files_note(struct open_files *files, uint64_t num, const struct stat *stat)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&files->mutex);
	struct open_inode *inode = *inode_slot(files, num);

	if (inode)
		inode->stat = *stat;
}

bool open_files_stat(struct open_files *files, uint64_t num, struct stat *stat)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&files->mutex);
	struct open_inode *inode = *inode_slot(files, num);

	if (!inode)
		return false;
	*stat = inode->stat;
	stat->st_nlink = 0;
	return true;
}
