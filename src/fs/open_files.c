#include "open_files.h"

#include "stat.h"
#include "view.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 1024

struct open_inode {
	struct open_inode *next;
	uint64_t num;
	unsigned int opens;
	unsigned int counts[OPEN_PASSING + 1]; /* of `opens`, by way */
	int backing_id;			       /* while counts[OPEN_PASSING] is not 0 */
	struct stat stat;		       /* as last noted */
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

static void free_chain(struct open_inode *inode)
{
	while (inode) {
		struct open_inode *next = inode->next;

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

static struct open_inode *inode_get(struct open_files *files, uint64_t num)
{
	struct open_inode **slot = inode_slot(files, num);

	if (!*slot) {
		*slot = calloc(1, sizeof(**slot));
		if (*slot)
			(*slot)->num = num;
	}
	return *slot;
}

static void inode_put(struct open_files *files, struct open_inode *inode)
{
	struct open_inode **slot = inode_slot(files, inode->num);

	if (inode->opens > 0)
		return;
	*slot = inode->next;
	free(inode);
}

/* How a complete upload is opened, given the opens that there are. */
static enum open_way way_of_complete(struct fs *fs, struct open_inode *inode,
				     struct upload_reader *reader)
{
	int fd;

	if (inode->counts[OPEN_PASSING] > 0)
		return OPEN_PASSING;
	if (inode->counts[OPEN_CACHED] > 0)
		return OPEN_CACHED;
	fd = upload_reader_whole_fd(reader);
	if (fd < 0)
		return OPEN_CACHED;
	inode->backing_id = passthrough_open(fs, fd);
	return inode->backing_id > 0 ? OPEN_PASSING : OPEN_CACHED;
}

static int register_open(struct fs *fs, const struct file *file, bool complete,
			 struct open_file *open)
{
	struct open_files *files = fs->files;
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&files->mutex);
	struct open_inode *inode = inode_get(files, file->num);
	double keep;

	if (!inode)
		return failure(-ENOMEM, "open a file");
	if (inode->opens == 0 &&
	    attributes_of(fs, PLACE_COMPLETE, file, &inode->stat, &keep))
		memset(&inode->stat, 0, sizeof(inode->stat));
	open->inode = inode;
	open->way = complete ? way_of_complete(fs, inode, open->reader) : OPEN_DIRECT;
	open->backing_id = inode->backing_id;
	/* Pages that a private mapping of a growing file left may lack its end. */
	open->keep_cache = open->way == OPEN_CACHED && inode->counts[OPEN_DIRECT] == 0;
	inode->counts[open->way]++;
	inode->opens++;
	return 0;
}

/* An upload that the overlay holds counts as unfinished: somebody may be opening it
 * directly at this moment, and for the kernel that must come before any other way. */
int open_files_open(struct fs *fs, const struct file *file, struct open_file **open)
{
	struct open_file *made = calloc(1, sizeof(*made));
	bool complete = false;
	int r;

	if (!made)
		return failure(-ENOMEM, "open a file");
	r = upload_reader_open(fs->uploads, file->num, &made->reader);
	if (!r) {
		upload_reader_size(made->reader, &complete);
		if (view_holds(fs, file))
			complete = false;
		r = register_open(fs, file, complete, made);
	}
	if (r) {
		upload_reader_close(made->reader);
		free(made);
		return r;
	}
	*open = made;
	return 0;
}

static void unregister_open(struct fs *fs, struct open_file *open)
{
	struct open_files *files = fs->files;
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&files->mutex);
	struct open_inode *inode = open->inode;

	inode->opens--;
	inode->counts[open->way]--;
	if (open->way == OPEN_PASSING && inode->counts[OPEN_PASSING] == 0) {
		passthrough_close(fs, inode->backing_id);
		inode->backing_id = 0;
	}
	inode_put(files, inode);
}

void open_files_close(struct fs *fs, struct open_file *open)
{
	unregister_open(fs, open);
	upload_reader_close(open->reader);
	free(open);
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
