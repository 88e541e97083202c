/* A whole connection against the in-process server: whatever a client sends, it gets no
 * 5xx, the connection comes to its end, and the server lives. In the input, 32 times
 * the letter a stands for the id of a fresh upload of 20 bytes, and 32 times b for that
 * of a complete one, whose bytes are "hello". */
#include "input.h"

#include "tusfs/clock.h"
#include "tusfs/http.h"
#include "tusfs/uploads.h"

#include <assert.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Uploads do not pile up: so many inputs after another, the expired ones are removed.
 */
#define EXPIRE_EVERY 200

static char *folder;
static struct uploads *uploads;
static struct http *http;
static struct sockaddr_un address = {.sun_family = AF_UNIX};

static int remove_one(const char *name, const struct stat *found, int type,
		      struct FTW *place)
{
	return remove(name);
}

static void stop(void)
{
	http_quiesce(http);
	uploads_stop_writers(uploads);
	http_stop(http);
	uploads_close(uploads);
	nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(folder);
}

static void start_http(const char *listen)
{
	struct http_config config = {.listen = &listen,
				     .listen_count = 1,
				     .base_path = "/files/",
				     .max_size = 1 << 20,
				     .cors = true,
				     .trust_proxy = true,
				     .absolute_location = true,
				     .max_connections = 16,
				     .idle_timeout = 2 * CLOCK_SECOND};

	assert(http_start(&config, uploads, &http) == 0);
}

static void start(void)
{
	struct uploads_config config = {.sync = SYNC_NEVER,
					.max_size = 1 << 20,
					.expire_after = CLOCK_SECOND,
					.tombstone_time = CLOCK_SECOND};
	const char *parent = getenv("TMPDIR");
	SCOPED(scoped_free) char *store = NULL;
	SCOPED(scoped_free) char *listen = NULL;

	assert(asprintf(&folder, "%s/tusfs-fuzz-XXXXXX", parent ? parent : "/tmp") > 0);
	assert(mkdtemp(folder));
	assert(asprintf(&store, "%s/store", folder) > 0);
	assert(asprintf(&listen, "unix:%s/socket", folder) > 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", listen + 5);
	assert(uploads_open(store, &config, &uploads) == 0);
	start_http(listen);
	atexit(stop);
}

/* Puts the id of a new upload where 32 times `letter` stands. */
static void put_id(char *bytes, size_t size, char letter, uint64_t length)
{
	struct upload_request request = {.kind = FILE_PLAIN,
					 .length_known = true,
					 .length = length,
					 .body = "hello",
					 .body_size = length == 5 ? 5 : 0};
	SCOPED(file_release) struct file file = {0};
	char wanted[UPLOAD_ID_DIGITS], id[UPLOAD_ID_DIGITS + 1];
	char *place;

	memset(wanted, letter, sizeof(wanted));
	place = memmem(bytes, size, wanted, sizeof(wanted));
	if (!place)
		return;
	assert(uploads_create(uploads, &request, &file) == 0);
	upload_id_format(file.id, id);
	for (; place; place = memmem(bytes, size, wanted, sizeof(wanted)))
		memcpy(place, id, UPLOAD_ID_DIGITS);
}

/* Sends, and reads until the server closes: the beginning of what came. */
static void exchange(const char *bytes, size_t size, char first[13])
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval patience = {.tv_sec = 20};
	char more[4096];
	size_t got = 0;
	ssize_t n;

	assert(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	send(fd, bytes, size, MSG_NOSIGNAL);
	shutdown(fd, SHUT_WR);
	/* libFuzzer's timer interrupts what has a time-out */
	while ((n = recv(fd, more, sizeof(more), 0)) > 0 || (n < 0 && errno == EINTR))
		for (ssize_t i = 0; i < n && got < 12; i++)
			first[got++] = more[i];
	assert(n == 0 || errno == ECONNRESET);
	first[got] = '\0';
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int inputs;
	SCOPED(scoped_free) char *bytes = input_text(data, size);
	char first[13];

	if (!inputs++)
		start();
	if (inputs % EXPIRE_EVERY == 0)
		assert(uploads_expire(uploads) == 0);
	put_id(bytes, size, 'a', 20);
	put_id(bytes, size, 'b', 5);
	exchange(bytes, size, first);
	/* 505 is right for a version of HTTP that there is not */
	assert(strncmp(first, "HTTP/1.1 5", 10) != 0 || strcmp(first + 9, "505") == 0);
	return 0;
}
