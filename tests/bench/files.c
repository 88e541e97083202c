/* What programs do with files, timed: for the mount and for a folder beside it.
 *
 *     bench_files list FOLDER TIMES     ls -l: the names, and stat of each
 *     bench_files read FILE BLOCK       dd: from the first byte to the last
 *     bench_files map FILE              the same through mmap(2)
 *     bench_files random FILE JOBS MS        blocks of 4 KiB anywhere in it
 *
 * Prints milliseconds for `list`, MiB a second for the others. */
#include "client.h"

#include "tusfs/clock.h"
#include "tusfs/scoped.h"

#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TIMES_MAX 10000
#define JOBS_MAX  64

static unsigned int list_once(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	struct stat found;
	unsigned int count = 0;

	if (!dir)
		err(1, "%s", folder);
	while ((entry = readdir(dir))) {
		if (fstatat(dirfd(dir), entry->d_name, &found, AT_SYMLINK_NOFOLLOW) < 0)
			continue; /* it went, or moved, in between */
		count++;
	}
	closedir(dir);
	return count;
}

/* 25 times a second: some 200 looks are needed for a hundredth of them to be more than
 * the one that was longest. */
static void list(const char *folder, size_t times)
{
	static double took[TIMES_MAX];
	struct timespec pause = {.tv_nsec = 40000000};
	unsigned int entries = 0;

	if (!times || times > TIMES_MAX)
		errx(2, "1 to %d times", TIMES_MAX);
	for (size_t i = 0; i < times; i++) {
		int64_t began = clock_monotonic();

		entries = list_once(folder);
		took[i] = (double)(clock_monotonic() - began) / 1000;
		nanosleep(&pause, NULL);
	}
	client_sort(took, times);
	printf("{\"entries\": %u, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": "
	       "%.3f}\n",
	       entries, client_quantile(took, times, 0.5),
	       client_quantile(took, times, 0.99), took[times - 1]);
}

static int open_file(const char *path, uint64_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat found;

	if (fd < 0 || fstat(fd, &found) < 0)
		err(1, "%s", path);
	*size = (uint64_t)found.st_size;
	return fd;
}

static void print_rate(uint64_t bytes, int64_t began)
{
	double seconds = (double)(clock_monotonic() - began) / CLOCK_SECOND;

	printf("{\"seconds\": %.6f, \"rate\": %.1f}\n", seconds,
	       (double)bytes / 1048576 / seconds);
}

static void read_all(const char *path, size_t size_of_block)
{
	SCOPED(scoped_free) char *block = malloc(size_of_block);
	uint64_t size, sum = 0;
	SCOPED(scoped_close) int fd = open_file(path, &size);
	int64_t began = clock_monotonic();
	ssize_t n;

	if (!block)
		err(1, "a block");
	while ((n = read(fd, block, size_of_block)) > 0)
		sum += (uint64_t)n;
	if (n < 0 || sum != size)
		err(1, "read %s", path);
	print_rate(size, began);
}

static void map_all(const char *path)
{
	char block[4096];
	uint64_t size;
	SCOPED(scoped_close) int fd = open_file(path, &size);
	int64_t began = clock_monotonic();
	const char *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		err(1, "map %s", path);
	for (uint64_t at = 0; at + sizeof(block) <= size; at += sizeof(block)) {
		memcpy(block, map + at, sizeof(block));
		__asm__ volatile("" : : "r"(block) : "memory");
	}
	print_rate(size, began);
	munmap((void *)map, size);
}

/* ---- random reads, several at a time ---- */

struct job {
	pthread_t thread;
	const char *path;
	uint64_t seed;
	int64_t until;
	uint64_t blocks;
};

static void *read_randomly(void *arg)
{
	struct job *job = arg;
	uint64_t size, x = job->seed;
	SCOPED(scoped_close) int fd = open_file(job->path, &size);
	char block[4096];

	while (clock_monotonic() < job->until) {
		for (int i = 0; i < 64; i++, job->blocks++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			if (pread(fd, block, sizeof(block),
				  (off_t)(x % (size / sizeof(block)) *
					  sizeof(block))) != sizeof(block))
				err(1, "read %s", job->path);
		}
	}
	return NULL;
}

static void random_reads(const char *path, size_t count, uint64_t ms)
{
	static struct job jobs[JOBS_MAX];
	int64_t began = clock_monotonic();
	uint64_t blocks = 0;

	if (!count || count > JOBS_MAX)
		errx(2, "1 to %d jobs", JOBS_MAX);
	for (size_t i = 0; i < count; i++) {
		jobs[i] = (struct job){.path = path,
				       .seed = 88172645463325252 + i,
				       .until = began +
						(int64_t)ms * CLOCK_SECOND / 1000};
		if (pthread_create(&jobs[i].thread, NULL, read_randomly, &jobs[i]))
			errx(1, "start a thread");
	}
	for (size_t i = 0; i < count; i++) {
		pthread_join(jobs[i].thread, NULL);
		blocks += jobs[i].blocks;
	}
	print_rate(blocks * 4096, began);
}

static bool run(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "list") == 0)
		list(argv[2], client_number(argv[3], "TIMES"));
	else if (argc == 4 && strcmp(argv[1], "read") == 0)
		read_all(argv[2], client_number(argv[3], "BLOCK"));
	else if (argc == 3 && strcmp(argv[1], "map") == 0)
		map_all(argv[2]);
	else if (argc == 5 && strcmp(argv[1], "random") == 0)
		random_reads(argv[2], client_number(argv[3], "JOBS"),
			     client_number(argv[4], "MS"));
	else
		return false;
	return true;
}

int main(int argc, char **argv)
{
	if (!run(argc, argv))
		errx(2,
		     "usage: bench_files list FOLDER TIMES | read FILE BLOCK | "
		     "map FILE | random FILE JOBS MS");
	return 0;
}
