/* A disk that counts, and that can be slow: preloaded into a server, it takes the place
 * of fsync() and fdatasync().
 *
 *     BENCH_SYNC_COUNT=FILE    the number of calls, as 8 bytes in the file
 *     BENCH_SYNC_DELAY=MS      how long each takes */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT int fsync(int fd);
EXPORT int fdatasync(int fd);

static atomic_uint_fast64_t uncounted, *count = &uncounted;
static struct timespec delay;

__attribute__((constructor)) static void configure(void)
{
	const char *path = getenv("BENCH_SYNC_COUNT"), *ms = getenv("BENCH_SYNC_DELAY");
	long number = ms ? strtol(ms, NULL, 10) : 0;
	int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
	void *mapped = MAP_FAILED;

	delay.tv_sec = number / 1000;
	delay.tv_nsec = number % 1000 * 1000000;
	if (fd >= 0 && ftruncate(fd, sizeof(*count)) == 0)
		mapped = mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE, MAP_SHARED,
			      fd, 0);
	if (mapped != MAP_FAILED)
		count = mapped;
	if (fd >= 0)
		close(fd);
}

static int call(const char *name, int fd)
{
	int (*real)(int);

	*(void **)&real = dlsym(RTLD_NEXT, name);
	atomic_fetch_add(count, 1);
	if (delay.tv_sec || delay.tv_nsec)
		nanosleep(&delay, NULL);
	return real(fd);
}

int fsync(int fd)
{
	return call("fsync", fd);
}

int fdatasync(int fd)
{
	return call("fdatasync", fd);
}
