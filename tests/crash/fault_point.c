/* Stops the process at the n-th fault point that it comes to.
 *
 * n, and the number of the request, stand in the file that TUSFS_STOP_FILE names; while
 * there is none, points do not count, and each request counts anew. The name of the
 * point is written to that path with ".at" before the process stops itself; SIGCONT
 * makes it go on. */
#include "tusfs/fault_point.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int passed; /* points since the file was there */
static int request;

/* How many points to pass; 0 while nothing is asked for. */
static int asked(const char *path, int *number)
{
	FILE *file = fopen(path, "re");
	int count = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%d %d", &count, number) != 2)
		count = 0;
	fclose(file);
	return count;
}

static void tell(const char *path, const char *name)
{
	char at[4096];
	FILE *file;

	snprintf(at, sizeof(at), "%s.at", path);
	file = fopen(at, "we");
	if (!file)
		abort();
	fputs(name, file);
	fclose(file);
}

void fault_point(const char *name)
{
	const char *path = getenv("TUSFS_STOP_FILE");
	int count, number = 0;

	if (!path)
		return;
	pthread_mutex_lock(&mutex);
	count = asked(path, &number);
	passed = count && number == request ? passed + 1 : 1;
	request = number;
	if (count && passed == count) {
		tell(path, name);
		raise(SIGSTOP); /* to this thread: it takes no further step */
	}
	pthread_mutex_unlock(&mutex);
}
