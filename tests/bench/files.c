/* What programs do with files, timed: for the mount and for a folder beside it.
 *
 *     bench_files list FOLDER TIMES     ls -l: the names, and stat of each
 *     bench_files read FILE             cat: from the first byte to the last
 *
 * Prints milliseconds, and for `read` MiB a second. */
#include "client.h"

#include "tusfs/clock.h"
#include "tusfs/scoped.h"

#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define TIMES_MAX  10000
#define READ_BLOCK (256 * 1024)

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

/* Ten times a second, as somebody might who watches. */
static void list(const char *folder, size_t times)
{
	static double took[TIMES_MAX];
	struct timespec pause = {.tv_nsec = 100000000};
	unsigned int entries = 0;

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

static void read_all(const char *path)
{
	SCOPED(scoped_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	SCOPED(scoped_free) char *block = malloc(READ_BLOCK);
	int64_t began = clock_monotonic();
	uint64_t size = 0;
	double seconds;
	ssize_t n;

	if (fd < 0 || !block)
		err(1, "%s", path);
	while ((n = read(fd, block, READ_BLOCK)) > 0)
		size += (uint64_t)n;
	if (n < 0)
		err(1, "read %s", path);
	seconds = (double)(clock_monotonic() - began) / CLOCK_SECOND;
	printf("{\"seconds\": %.6f, \"rate\": %.1f}\n", seconds,
	       (double)size / 1048576 / seconds);
}

int main(int argc, char **argv)
{
	uint64_t times;

	if (argc == 3 && strcmp(argv[1], "read") == 0) {
		read_all(argv[2]);
		return 0;
	}
	if (argc != 4 || strcmp(argv[1], "list") != 0)
		errx(2, "usage: bench_files list FOLDER TIMES | read FILE");
	times = client_number(argv[3], "TIMES");
	if (!times || times > TIMES_MAX)
		errx(2, "1 to %d times", TIMES_MAX);
	list(argv[2], times);
	return 0;
}
