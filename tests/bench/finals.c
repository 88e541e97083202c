/* How long concatenation takes.
 *
 *     bench_finals PORT PARTS MIB TIMES [SIZE_IN_BYTES]
 *
 * Uploads PARTS partial uploads of MIB each (or of so many bytes, when MIB is 0), then
 * makes TIMES final ones of them, with other metadata each. Prints milliseconds from
 * the request to its answer. */
#include "client.h"

#include "tusfs/clock.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TIMES_MAX 1000

/* On a connection of its own: a server may close one that brought a large body. */
static void upload_part(uint16_t port, uint64_t size, char path[CLIENT_PATH_SIZE])
{
	char text[512];
	struct answer answer;
	int fd = client_connect(port);

	snprintf(text, sizeof(text), "Upload-Concat: partial\r\nUpload-Length: %ju\r\n",
		 (uintmax_t)size);
	client_create(fd, text, path);
	client_send(fd, text, client_patch_head(text, sizeof(text), path, size, ""));
	client_send_body(fd, size);
	client_receive(fd, false, &answer);
	client_expect(&answer, 204);
	close(fd);
}

/* The field that names all the parts; the caller frees it. */
static char *upload_parts(uint16_t port, uint64_t parts, uint64_t size)
{
	char *fields, path[CLIENT_PATH_SIZE];
	size_t length;
	FILE *text = open_memstream(&fields, &length);

	if (!text)
		err(1, "memory");
	fputs("Upload-Concat: final;", text);
	for (uint64_t i = 0; i < parts; i++) {
		upload_part(port, size, path);
		fprintf(text, "%s%s", i ? " " : "", path);
	}
	fputs("\r\n", text);
	fclose(text);
	return fields;
}

static double make_final(int fd, const char *concat, uint64_t number)
{
	char *fields, metadata[128], path[CLIENT_PATH_SIZE];
	int64_t began;
	double took;

	client_metadata(number, metadata, sizeof(metadata));
	if (asprintf(&fields, "%s%s", concat, metadata) < 0)
		err(1, "memory");
	began = clock_monotonic();
	client_create(fd, fields, path);
	took = (double)(clock_monotonic() - began) / 1000;
	free(fields);
	return took;
}

int main(int argc, char **argv)
{
	static double took[TIMES_MAX];
	uint64_t parts, size, times;
	uint16_t port;
	char *concat;
	int fd;

	if (argc < 5 || argc > 6)
		errx(2, "usage: bench_finals PORT PARTS MIB TIMES [BYTES]");
	parts = client_number(argv[2], "PARTS");
	size = client_number(argv[3], "MIB") << 20;
	times = client_number(argv[4], "TIMES");
	if (argc == 6)
		size = client_number(argv[5], "BYTES");
	if (!parts || parts > 10000 || !size || !times || times > TIMES_MAX)
		errx(2, "up to 10000 parts with bytes in them, 1 to %d times",
		     TIMES_MAX);
	port = (uint16_t)client_number(argv[1], "PORT");
	concat = upload_parts(port, parts, size);
	fd = client_connect(port);
	for (uint64_t i = 0; i < times; i++)
		took[i] = make_final(fd, concat, i);
	client_sort(took, times);
	printf("{\"ms\": %.3f, \"min_ms\": %.3f, \"max_ms\": %.3f}\n",
	       client_quantile(took, times, 0.5), took[0], took[times - 1]);
	free(concat);
	return 0;
}
