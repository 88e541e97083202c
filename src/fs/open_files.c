#include "open_files.h"

#include "stat.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define BUCKETS 1024

struct open_inode {
	struct open_inode *next;
	uint64_t num;
	struct upload_reader *reader; /* one for all opens */
	unsigned int users;	      /* opens, and those that are being made */
	struct open_file *opens;
	unsigned int counts[OPEN_PASSING + 1]; /* of `opens`, by way */
	unsigned int unused_direct;	       /* direct opens not known to be done */
	int backing_id;			       /* while counts[OPEN_PASSING] is not 0 */
	struct stat stat;		       /* as last noted */
};

struct open_file {
	struct open_inode *inode;
	struct open_file *next;
	struct open_file **link; /* what points to this one */
	enum open_way way;
	atomic_bool used; /* the kernel has come back with it */
};

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

static void unlink_open(struct open_file *open)
{
	*open->link = open->next;
	if (open->next)
		open->next->link = open->link;
}

static void link_open(struct open_inode *inode, struct open_file *open)
{
	open->next = inode->opens;
	open->link = &inode->opens;
	if (open->next)
		open->next->link = &open->next;
	inode->opens = open;
}

static void free_opens(struct open_file *open)
{
	while (open) {
		struct open_file *next = open->next;

		free(open);
		open = next;
	}
}

static void free_chain(struct open_inode *inode)
{
	while (inode) {
		struct open_inode *next = inode->next;

		free_opens(inode->opens);
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

/* The inode of an open file, with one user more; NULL when it is not open. */
static struct open_inode *inode_again(struct open_files *files, uint64_t num)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&files->mutex);
	struct open_inode *inode = *inode_slot(files, num);

	if (inode)
		inode->users++;
	return inode;
}

/* Adds an inode, with one user, unless another thread was quicker. */
static void inode_add(struct open_files *files, struct open_inode **made,
		      struct open_inode **inode)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&files->mutex);
	struct open_inode **slot = inode_slot(files, (*made)->num);

	if (!*slot)
		*slot = STEAL(*made);
	*inode = *slot;
	(*inode)->users++;
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
	r = upload_reader_open_local(fs->uploads, file->num, &made->reader);
	if (!r)
		r = stat_of(fs, PLACE_COMPLETE, file, &made->stat, &keep);
	if (!r)
		inode_add(fs->files, &made, inode);
	return r;
}

/* Takes one user away; returns the inode when that was the last, to be freed. */
static struct open_inode *inode_put(struct open_files *files, struct open_inode *inode)
{
	struct open_inode **slot = inode_slot(files, inode->num);

	if (--inode->users > 0)
		return NULL;
	*slot = inode->next;
	return inode;
}

static void inode_leave(struct open_files *files, struct open_inode *inode)
{
	SCOPED(inode_free) struct open_inode *last = NULL;
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&files->mutex);

	last = inode_put(files, inode);
}

/* How a complete upload is opened, given the opens that there are. */
static int way_of_complete(struct fs *fs, struct open_inode *inode, enum open_way *way)
{
	int fd, r;

	*way = OPEN_PASSING;
	if (inode->counts[OPEN_PASSING] > 0)
		return 0;
	*way = OPEN_CACHED;
	if (inode->counts[OPEN_CACHED] > 0 || inode->unused_direct > 0)
		return 0;
	r = upload_reader_whole_fd(inode->reader, &fd);
	if (r || fd < 0)
		return r;
	inode->backing_id = passthrough_open(fs, fd);
	if (inode->backing_id > 0)
		*way = OPEN_PASSING;
	return 0;
}

/* The kernel has the blob open itself: no descriptor is needed for that. */
static void rest_if_passing(struct open_inode *inode)
{
	if (inode->counts[OPEN_PASSING] > 0 && inode->counts[OPEN_DIRECT] == 0)
		upload_reader_rest(inode->reader);
}

static int add_open(struct fs *fs, bool complete, struct open_inode *inode,
		    struct open_file *open, struct open_answer *answer)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&fs->files->mutex);
	enum open_way way = OPEN_DIRECT;
	int r = 0;

	/* another thread may have seen it complete since */
	if (complete || inode->counts[OPEN_PASSING] > 0)
		r = way_of_complete(fs, inode, &way);
	if (r)
		return r;
	answer->way = way;
	answer->backing_id = inode->backing_id;
	/* Pages that a private mapping of a growing file left may lack its end. */
	answer->keep_cache = way == OPEN_CACHED && inode->counts[OPEN_DIRECT] == 0;
	open->inode = inode;
	open->way = way;
	link_open(inode, open);
	inode->counts[way]++;
	if (way == OPEN_DIRECT)
		inode->unused_direct++;
	rest_if_passing(inode);
	return 0;
}

static int find_inode(struct fs *fs, uint64_t num, const struct file *file,
		      struct open_inode **inode)
{
	*inode = inode_again(fs->files, num);
	if (*inode)
		return 0;
	return file ? inode_open(fs, file, inode) : REFUSED_NOT_FOUND;
}

int open_files_open(struct fs *fs, uint64_t num, const struct file *file,
		    struct open_answer *answer)
{
	SCOPED(scoped_free) struct open_file *made = calloc(1, sizeof(*made));
	struct open_inode *inode;
	bool complete = false;
	int r;

	if (!made)
		return failure(-ENOMEM, "open a file");
	r = find_inode(fs, num, file, &inode);
	if (r)
		return r;
	upload_reader_size(inode->reader, &complete);
	r = add_open(fs, complete, inode, made, answer);
	if (r) {
		inode_leave(fs->files, inode);
		return r;
	}
	answer->open = STEAL(made);
	return 0;
}

static struct open_inode *remove_open(struct fs *fs, struct open_file *open)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&fs->files->mutex);
	struct open_inode *inode = open->inode;

	unlink_open(open);
	inode->counts[open->way]--;
	if (open->way == OPEN_DIRECT && !atomic_load(&open->used))
		inode->unused_direct--;
	if (open->way == OPEN_PASSING && inode->counts[OPEN_PASSING] == 0) {
		passthrough_close(fs, inode->backing_id);
		inode->backing_id = 0;
	}
	rest_if_passing(inode);
	return inode_put(fs->files, inode);
}

void open_files_close(struct fs *fs, struct open_file *open)
{
	struct open_inode *last = remove_open(fs, open);

	inode_free(&last);
	free(open);
}

static void note_use(struct fs *fs, struct open_file *open)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&fs->files->mutex);

	if (!atomic_exchange(&open->used, true))
		open->inode->unused_direct--;
}

static void rest_again(struct open_files *files, struct open_inode *inode)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&files->mutex);

	rest_if_passing(inode);
}

int open_files_read(struct fs *fs, struct open_file *open, void *bytes, size_t size,
		    uint64_t offset, size_t *got)
{
	int r;

	if (open->way == OPEN_DIRECT && !atomic_load(&open->used))
		note_use(fs, open);
	r = upload_reader_read(open->inode->reader, bytes, size, offset, got);
	/* of what the kernel reads itself, posix_fadvise(2) asks us all the same */
	if (open->way == OPEN_PASSING)
		rest_again(fs->files, open->inode);
	return r;
}

void open_files_note(struct open_files *files, uint64_t num, const struct stat *stat)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&files->mutex);
	struct open_inode *inode = *inode_slot(files, num);

	if (inode)
		inode->stat = *stat;
}

void open_files_finished(struct open_files *files, uint64_t num)
{
	struct open_inode *inode = inode_again(files, num);
	bool complete;

	if (!inode)
		return;
	upload_reader_size(inode->reader, &complete); /* takes what there is now */
	inode_leave(files, inode);
}

static struct stat noted(struct open_files *files, const struct open_inode *inode)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&files->mutex);

	return inode->stat;
}

bool open_files_stat(struct open_files *files, uint64_t num, struct stat *stat)
{
	struct open_inode *inode = inode_again(files, num);
	uint64_t size;
	bool complete;

	if (!inode)
		return false;
	*stat = noted(files, inode);
	stat->st_nlink = 0;
	/* bytes may have been read that came after the last stat(2) */
	size = upload_reader_size(inode->reader, &complete);
	if (stat->st_size < (off_t)size)
		stat_set_size(stat, size);
	inode_leave(files, inode);
	return true;
}
