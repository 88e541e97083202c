/* STORE/writers: a small file, mapped, in which each running writer says how far it has
 * written. Such notes cost a store to memory. They survive the end of the process, not
 * that of the machine, and that is when they are worth something: after a mere crash
 * the page cache still has the bytes. The machine's boot id tells the two apart. */
#include "engine.h"

#include "tusfs/in_place.h"
#include "tusfs/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SLOTS	     4096
#define BOOT_ID_SIZE 40
#define MAGIC	     UINT64_C(0x7475736673303032)

struct slot {
	_Atomic uint64_t num; /* 0: free; written last, cleared first */
	_Atomic uint64_t from;
	_Atomic uint64_t to;
};

struct page {
	uint64_t magic;
	uint64_t clean;
	char boot_id[BOOT_ID_SIZE];
	struct slot slots[SLOTS];
	uint64_t sync; /* enum sync_level */
};

struct journal {
	struct page *page;
	bool started; /* the page tells of this run */
	char boot_id[BOOT_ID_SIZE];
	pthread_mutex_t mutex; /* protects the rest */
	bool taken[SLOTS];
	int hint;
};

static void read_boot_id(char id[BOOT_ID_SIZE])
{
	SCOPED(scoped_close)
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, id, BOOT_ID_SIZE - 1);

	memset(id + (got > 0 ? got : 0), 0, BOOT_ID_SIZE - (size_t)(got > 0 ? got : 0));
}

static enum journal_end end_of(const struct page *page, const char *boot_id)
{
	if (page->magic != MAGIC)
		return JOURNAL_NEW;
	if (page->clean)
		return JOURNAL_CLEAN;
	/* without a boot id nothing tells a crash from a power cut: take the worse */
	if (!boot_id[0] || memcmp(page->boot_id, boot_id, BOOT_ID_SIZE) != 0)
		return JOURNAL_POWER_CUT;
	return JOURNAL_CRASHED;
}

static int read_past(const struct page *page, const char *boot_id,
		     struct journal_past *past)
{
	struct journal_entry *all = calloc(SLOTS, sizeof(*all));
	size_t n = 0;

	if (!all)
		return failure(-ENOMEM, "read journal");
	for (int i = 0; i < SLOTS; i++)
		if (page->slots[i].num)
			all[n++] = (struct journal_entry){page->slots[i].num,
							  page->slots[i].from,
							  page->slots[i].to};
	*past = (struct journal_past){.end = end_of(page, boot_id),
				      .sync = (enum sync_level)page->sync,
				      .entries = all,
				      .count = n};
	return 0;
}

/* All of it gets its room, so that a full disk fails here and not as a SIGBUS. A page
 * that has it is left alone: on a full disk XFS would refuse even that. */
static int make_page(int fd, const char *path)
{
	struct stat found;

	if (fstat(fd, &found) < 0)
		return failure(-errno, "size of %s", path);
	if (found.st_size >= (off_t)sizeof(struct page))
		return 0;
	write_in_place(fd);
	errno = posix_fallocate(fd, 0, sizeof(struct page));
	return errno ? failure(-errno, "make %s", path) : 0;
}

static int map(const char *path, struct page **page)
{
	SCOPED(scoped_close) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	void *mapped;
	int r;

	if (fd < 0)
		return failure(-errno, "open %s", path);
	r = make_page(fd, path);
	if (r)
		return r;
	mapped = mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		      0);
	if (mapped == MAP_FAILED)
		return failure(-errno, "map %s", path);
	*page = mapped;
	return 0;
}

int journal_start(struct journal *journal, enum sync_level sync)
{
	struct page *page = journal->page;

	memset(page->slots, 0, sizeof(page->slots));
	memcpy(page->boot_id, journal->boot_id, BOOT_ID_SIZE);
	page->clean = 0;
	page->sync = sync;
	page->magic = MAGIC;
	/* "not clean" must be on disk before anything else is */
	if (msync(page, sizeof(*page), MS_SYNC) < 0)
		return failure(-errno, "sync journal");
	journal->started = true;
	return 0;
}

int journal_open(const char *path, struct journal **journal, struct journal_past *past)
{
	struct journal *made = calloc(1, sizeof(*made));
	int r;

	if (!made)
		return failure(-ENOMEM, "open journal");
	pthread_mutex_init(&made->mutex, NULL);
	read_boot_id(made->boot_id);
	r = map(path, &made->page);
	if (!r)
		r = read_past(made->page, made->boot_id, past);
	if (r)
		journal_close(made, false);
	else
		*journal = made;
	return r;
}

static void end_page(struct page *page, bool clean)
{
	page->clean = clean;
	if (msync(page, sizeof(*page), MS_SYNC) < 0)
		log_warning("the journal cannot be synced: %m");
}

struct journal *journal_close(struct journal *journal, bool clean)
{
	if (!journal)
		return NULL;
	if (journal->started)
		end_page(journal->page, clean);
	if (journal->page)
		munmap(journal->page, sizeof(*journal->page));
	pthread_mutex_destroy(&journal->mutex);
	free(journal);
	return NULL;
}

static int free_slot(struct journal *journal)
{
	SCOPED(scoped_unlock) pthread_mutex_t *lock = scoped_lock(&journal->mutex);

	for (int i = 0; i < SLOTS; i++) {
		int slot = (journal->hint + i) % SLOTS;

		if (!journal->taken[slot]) {
			journal->taken[slot] = true;
			journal->hint = (slot + 1) % SLOTS;
			return slot;
		}
	}
	return -1;
}

int journal_begin(struct journal *journal, uint64_t num, uint64_t from)
{
	int slot = journal->started ? free_slot(journal) : -1;

	if (slot < 0)
		return -1;
	journal->page->slots[slot].from = from;
	journal->page->slots[slot].to = from;
	journal->page->slots[slot].num = num;
	return slot;
}

void journal_written(struct journal *journal, int slot, uint64_t to)
{
	if (slot >= 0)
		journal->page->slots[slot].to = to;
}

void journal_end(struct journal *journal, int slot)
{
	if (slot < 0)
		return;
	journal->page->slots[slot].num = 0;
	pthread_mutex_lock(&journal->mutex);
	journal->taken[slot] = false;
	pthread_mutex_unlock(&journal->mutex);
}

void journal_forget(struct journal *journal, uint64_t num)
{
	for (int i = 0; i < SLOTS; i++)
		if (journal->page->slots[i].num == num)
			journal->page->slots[i].to = journal->page->slots[i].from;
}

/* The page is not mapped, since that would need a file that can be written. */
int uploads_ended_in_order(const char *path, bool *ended)
{
	SCOPED(scoped_free) char *name = NULL;
	SCOPED(scoped_close) int fd = -1;
	struct page page;
	ssize_t got;

	if (asprintf(&name, "%s/" STORE_JOURNAL, path) < 0) {
		name = NULL;
		return failure(-ENOMEM, "read journal");
	}
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT)
		return failure(-errno, "open %s", name);
	got = fd < 0 ? 0 : read(fd, &page, offsetof(struct page, boot_id));
	if (got < 0)
		return failure(-errno, "read %s", name);
	*ended = got == 0 || page.magic != MAGIC || page.clean;
	return 0;
}
