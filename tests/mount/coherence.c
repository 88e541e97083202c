/* What one door answered, the other shows with the next call: from several threads at
 * once, each on uploads of its own.
 *
 *     coherence PORT MOUNTPOINT ROUNDS THREADS
 *
 * Sizes, names, contents, attributes and absence. Exits with 1 when an answer was
 * stale, and tells each such answer. */
#include "tusfs/scoped.h"
#include "tusfs/text.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define THREADS_MAX 64
#define OTHERS	    200

static uint16_t port;
static const char *mountpoint;
static int rounds_each;
static atomic_int stale;
static atomic_int asked_after_204; /* stat after a PATCH */
static atomic_int asked_after_rm;  /* HEAD after rm */

/* ---- one connection, kept alive; no answer to what is asked here has a body ---- */

static int connect_to_daemon(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		err(1, "connect to port %u", port);
	return fd;
}

struct answer {
	int status;
	char head[4096];
};

static void read_head(int fd, struct answer *answer)
{
	size_t got = 0;

	do {
		ssize_t n =
			recv(fd, answer->head + got, sizeof(answer->head) - 1 - got, 0);

		if (n <= 0)
			errx(1, "the connection ended");
		got += (size_t)n;
		answer->head[got] = '\0';
	} while (!strstr(answer->head, "\r\n\r\n"));
	if (sscanf(answer->head, "HTTP/1.1 %d", &answer->status) != 1)
		errx(1, "not HTTP: %.40s", answer->head);
}

/* `fields` are whole lines; `body` may be empty. */
static void ask(int fd, const char *method, const char *path, const char *fields,
		const char *body, struct answer *answer)
{
	char request[2048];
	int length = snprintf(request, sizeof(request),
			      "%s %s HTTP/1.1\r\nHost: localhost\r\n"
			      "Tus-Resumable: 1.0.0\r\n%sContent-Length: %zu\r\n\r\n%s",
			      method, path, fields, strlen(body), body);

	if (length >= (int)sizeof(request) ||
	    send(fd, request, (size_t)length, 0) != length)
		err(1, "send");
	read_head(fd, answer);
}

static void expect(const struct answer *answer, int status, const char *what)
{
	if (answer->status != status)
		errx(1, "%s: %d, not %d", what, answer->status, status);
}

static void create(int fd, const char *name, char path[128])
{
	char fields[512], encoded[128];
	struct answer answer;
	const char *location;

	text_to_base64((const uint8_t *)name, strlen(name), encoded);
	snprintf(fields, sizeof(fields),
		 "Upload-Length: 2\r\nUpload-Metadata: filename %s\r\n", encoded);
	ask(fd, "POST", "/files/", fields, "", &answer);
	expect(&answer, 201, "POST");
	location = strcasestr(answer.head, "\nLocation: ");
	if (!location || sscanf(location + 11, "%127s", path) != 1)
		errx(1, "no Location");
}

static void append(int fd, const char *path, int offset)
{
	struct answer answer;
	char fields[128];

	snprintf(fields, sizeof(fields),
		 "Upload-Offset: %d\r\nContent-Type: "
		 "application/offset+octet-stream\r\n",
		 offset);
	ask(fd, "PATCH", path, fields, "x", &answer);
	expect(&answer, 204, "PATCH");
	atomic_fetch_add(&asked_after_204, 1);
}

/* ---- what the mount must show ---- */

static void assert_size(const char *folder, const char *name, off_t size)
{
	char path[512];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s/%s", mountpoint, folder, name);
	if (stat(path, &st) < 0) {
		atomic_fetch_add(&stale, 1);
		warn("stale: %s/%s", folder, name);
	} else if (st.st_size != size) {
		atomic_fetch_add(&stale, 1);
		warnx("stale: %s/%s has %jd bytes, not %jd", folder, name,
		      (intmax_t)st.st_size, (intmax_t)size);
	}
}

static void check(bool right, const char *what, const char *path)
{
	if (right)
		return;
	atomic_fetch_add(&stale, 1);
	warnx("stale: %s of %s", what, path);
}

/* The bytes are as many `x` as were sent. */
static void assert_content(const char *folder, const char *name, const char *content)
{
	char path[512], bytes[16];
	ssize_t got = -1;

	snprintf(path, sizeof(path), "%s/%s/%s", mountpoint, folder, name);

	SCOPED(scoped_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		got = read(fd, bytes, sizeof(bytes));
	check(got == (ssize_t)strlen(content) &&
		      memcmp(bytes, content, (size_t)got) == 0,
	      "content", path);
}

static void assert_attribute(const char *folder, const char *name,
			     const char *attribute, const char *value)
{
	char path[512], found[256];
	ssize_t got;

	snprintf(path, sizeof(path), "%s/%s/%s", mountpoint, folder, name);
	got = getxattr(path, attribute, found, sizeof(found));
	check(got == (ssize_t)strlen(value) && memcmp(found, value, (size_t)got) == 0,
	      attribute, path);
}

static void assert_absent(const char *folder, const char *name)
{
	char path[512];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s/%s", mountpoint, folder, name);
	if (lstat(path, &st) == 0 || errno != ENOENT) {
		atomic_fetch_add(&stale, 1);
		warnx("stale: %s/%s is there", folder, name);
	}
}

/* All threads list the same folders, each between changes of its own: the kernel keeps
 * one copy of a listing for all of them. */
static void assert_listed(const char *folder, const char *name, bool wanted)
{
	char path[512];
	struct dirent *entry;
	bool found = false;

	snprintf(path, sizeof(path), "%s/%s", mountpoint, folder);

	DIR *dir = opendir(path);
	if (!dir)
		err(1, "list %s", path);
	while ((entry = readdir(dir)))
		found |= !strcmp(entry->d_name, name);
	closedir(dir);
	check(found == wanted, wanted ? "a name missing in a list" : "a name in a list",
	      name);
}

/* A name given in the mount is in the metadata's place there, and the URL stays. */
static void assert_moved(int fd, const char *name, const char *path)
{
	char from[512], to[512], new_name[80];
	struct answer answer;

	snprintf(new_name, sizeof(new_name), "%s-moved", name);
	snprintf(from, sizeof(from), "%s/complete/%s", mountpoint, name);
	snprintf(to, sizeof(to), "%s/complete/%s", mountpoint, new_name);
	if (rename(from, to) < 0)
		err(1, "mv %s", from);
	ask(fd, "HEAD", path, "", "", &answer);
	check(answer.status == 200 && strcasestr(answer.head, "\nUpload-Offset: 2\r"),
	      "HEAD after mv", to);
	assert_absent("complete", name);
	assert_content("complete", new_name, "xx");
	if (rename(to, from) < 0)
		err(1, "mv %s", to);
}

static void assert_gone(int fd, const char *path)
{
	struct answer answer;

	ask(fd, "HEAD", path, "", "", &answer);
	atomic_fetch_add(&asked_after_rm, 1);
	if (answer.status != 410) {
		atomic_fetch_add(&stale, 1);
		warnx("stale: HEAD after rm answers %d", answer.status);
	}
}

static void remove_file(const char *folder, const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s/%s", mountpoint, folder, name);
	if (unlink(path) < 0)
		err(1, "rm %s", path);
}

/* The names are asked for before they are there too: the kernel keeps such answers. */
static void round_of(int fd, int thread, int number)
{
	char name[64], path[128];

	snprintf(name, sizeof(name), "file-%d-%d", thread, number);
	assert_absent("incoming", name);
	create(fd, name, path);
	assert_size("incoming", name, 0);
	assert_absent("complete", name);
	append(fd, path, 0);
	assert_size("incoming", name, 1);
	assert_content("incoming", name, "x");
	assert_attribute("incoming", name, "user.tus.offset", "1");
	append(fd, path, 1);
	assert_size("complete", name, 2);
	assert_listed("complete", name, true);
	assert_absent("incoming", name);
	assert_listed("incoming", name, false);
	assert_content("complete", name, "xx");
	assert_attribute("complete", name, "user.tus.id", strrchr(path, '/') + 1);
	assert_attribute("complete", name, "user.tus.state", "complete");
	assert_size("by-id", strrchr(path, '/') + 1, 2);
	assert_moved(fd, name, path);
	remove_file("complete", name);
	assert_gone(fd, path);
	assert_listed("complete", name, false);
	assert_absent("complete", name);
	assert_absent("by-id", strrchr(path, '/') + 1);
}

/* The same with an unfinished upload, removed at either door. */
static void unfinished_round_of(int fd, int thread, int number)
{
	char name[64], path[128];
	struct answer answer;

	snprintf(name, sizeof(name), "half-%d-%d", thread, number);
	create(fd, name, path);
	append(fd, path, 0);
	assert_size("incoming", name, 1);
	if (number % 4) {
		remove_file("incoming", name);
		assert_gone(fd, path);
	} else {
		ask(fd, "DELETE", path, "", "", &answer);
		expect(&answer, 204, "DELETE");
	}
	assert_absent("incoming", name);
}

/* Others that stay, so that a listing takes several calls. */
static void fill(int count)
{
	SCOPED(scoped_close) int fd = connect_to_daemon();
	char name[64], path[128];

	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "other-%d", i);
		create(fd, name, path);
		append(fd, path, 0);
		append(fd, path, 1);
	}
}

static void *work(void *arg)
{
	SCOPED(scoped_close) int fd = connect_to_daemon();
	int thread = (int)(intptr_t)arg;

	for (int i = 0; i < rounds_each; i++) {
		round_of(fd, thread, i);
		unfinished_round_of(fd, thread, i);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS_MAX];
	int count;

	if (argc != 5)
		errx(2, "usage: coherence PORT MOUNTPOINT ROUNDS THREADS");
	port = (uint16_t)atoi(argv[1]);
	mountpoint = argv[2];
	count = atoi(argv[4]);
	if (count < 1 || count > THREADS_MAX)
		errx(2, "1 to %d threads", THREADS_MAX);
	rounds_each = atoi(argv[3]) / count;
	fill(OTHERS);
	for (int i = 0; i < count; i++) {
		errno = pthread_create(&threads[i], NULL, work, (void *)(intptr_t)i);
		if (errno)
			err(1, "start a thread");
	}
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	printf("%d times 204, then stat; %d times rm, then HEAD\n",
	       atomic_load(&asked_after_204), atomic_load(&asked_after_rm));
	printf("%d passed, %d failed\n", rounds_each * count, atomic_load(&stale));
	return stale != 0;
}
