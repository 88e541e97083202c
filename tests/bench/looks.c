/* What programs do with many names and with events, timed: for the mount and for a
 * folder beside it.
 *
 *     bench_looks stat FOLDER COUNT         stat of so many random names of the folder
 *     bench_looks events PORT FOLDER COUNT  uploads, and when inotify tells of each
 *
 * `events` ends with an error unless there is exactly one event for each upload; it
 * prints the milliseconds from the request with the last byte, and from its answer. */
#include "client.h"

#include "tusfs/clock.h"
#include "tusfs/scoped.h"

#include <dirent.h>
#include <err.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAMES_MAX     1000000
#define EVENT_WAIT_MS 10000
#define EVENTS_BYTES  65536

/* ---- stat ---- */

static char *names[NAMES_MAX];

static size_t read_names(DIR *dir)
{
	struct dirent *entry;
	size_t count = 0;

	while (count < NAMES_MAX && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' &&
		    !(names[count++] = strdup(entry->d_name)))
			err(1, "names");
	return count;
}

static void stat_random(const char *folder, uint64_t times)
{
	DIR *dir = opendir(folder);
	size_t count = dir ? read_names(dir) : 0;
	uint64_t x = 88172645463325252; /* xorshift: the same names in each run */
	struct stat found;
	int64_t began;

	if (!count)
		err(1, "%s", folder);
	began = clock_monotonic();
	for (uint64_t i = 0; i < times; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		if (fstatat(dirfd(dir), names[x % count], &found, 0) < 0)
			err(1, "stat %s", names[x % count]);
	}
	printf("{\"seconds\": %.6f}\n",
	       (double)(clock_monotonic() - began) / CLOCK_SECOND);
	closedir(dir);
}

/* ---- events ---- */

/* Waits for the event of one upload; any other is one too many. */
static void await_event(int watch, const char *name)
{
	_Alignas(struct inotify_event) char events[EVENTS_BYTES];
	struct pollfd wait = {.fd = watch, .events = POLLIN};
	const struct inotify_event *event = (const void *)events;
	ssize_t got;

	if (poll(&wait, 1, EVENT_WAIT_MS) != 1)
		errx(1, "no event for %s", name);
	got = read(watch, events, sizeof(events));
	if (got != (ssize_t)(sizeof(*event) + event->len) ||
	    strcmp(event->name, name) != 0)
		errx(1, "another event than the one of %s", name);
}

static void upload(int fd, uint64_t number, char name[64])
{
	char line[128], fields[256], head[512], path[CLIENT_PATH_SIZE];

	client_metadata(number, line, sizeof(line));
	snprintf(fields, sizeof(fields), "Upload-Length: 1\r\n%s", line);
	client_create(fd, fields, path);
	client_send(fd, head, client_patch_head(head, sizeof(head), path, 1, ""));
	snprintf(name, 64, "bench-%d-%ju.bin", (int)getpid(), (uintmax_t)number);
}

static void print_waits(const char *what, double *waits, size_t count, const char *end)
{
	client_sort(waits, count);
	printf("\"%s_p50_ms\": %.3f, \"%s_p99_ms\": %.3f%s", what,
	       client_quantile(waits, count, 0.5), what,
	       client_quantile(waits, count, 0.99), end);
}

static void time_events(uint16_t port, const char *folder, uint64_t count)
{
	SCOPED(scoped_close) int fd = client_connect(port);
	SCOPED(scoped_close) int watch = inotify_init1(IN_CLOEXEC);
	double *since_request = calloc(count, sizeof(double));
	double *since_answer = calloc(count, sizeof(double));
	struct answer answer;
	char name[64];

	if (watch < 0 || inotify_add_watch(watch, folder, IN_MOVED_TO) < 0 ||
	    !since_request || !since_answer)
		err(1, "watch %s", folder);
	for (uint64_t i = 0; i < count; i++) {
		int64_t sent, answered, told;

		upload(fd, i, name);
		sent = clock_monotonic();
		client_send(fd, "x", 1);
		client_receive(fd, false, &answer);
		client_expect(&answer, 204);
		answered = clock_monotonic();
		await_event(watch, name);
		told = clock_monotonic();
		since_request[i] = (double)(told - sent) / 1000;
		since_answer[i] = (double)(told - answered) / 1000;
	}
	printf("{\"events\": %ju, ", (uintmax_t)count);
	print_waits("request", since_request, count, ", ");
	print_waits("answer", since_answer, count, "}\n");
	free(since_request);
	free(since_answer);
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "stat") == 0)
		stat_random(argv[2], client_number(argv[3], "COUNT"));
	else if (argc == 5 && strcmp(argv[1], "events") == 0)
		time_events((uint16_t)client_number(argv[2], "PORT"), argv[3],
			    client_number(argv[4], "COUNT"));
	else
		errx(2,
		     "usage: bench_looks stat FOLDER COUNT | "
		     "events PORT FOLDER COUNT");
	return 0;
}
