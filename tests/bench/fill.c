/* Fills the catalog of a store that no daemon has open with finished uploads, in
 * folders of a thousand or of EACH. The first EXPIRED of them have expired.
 *
 *     bench_fill CATALOG COUNT [EACH [EXPIRED]]
 */
#include "client.h"

#include "tusfs/catalog.h"
#include "tusfs/clock.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 10000

struct batch {
	uint64_t from, to, each, expired;
	struct file folder;
};

/* A folder where one begins, and an upload of 1 byte that has lost its bytes: nobody
 * reads them. */
static int add(struct conn *conn, struct batch *batch, uint64_t number)
{
	struct file file = {
		.kind = FILE_PLAIN,
		.shown = true,
		.created = clock_now(),
		.length = 1,
		.length_known = true,
		.offset = 1,
		.small = true,
		.has_sha256 = true,
	};
	int r = 0;

	file.modified = file.changed = file.finished = file.created;
	file.expires = number < batch->expired ? file.created : 0;
	if (number % batch->each == 0) {
		batch->folder = (struct file){
			.parent = FILE_NUM_TREE,
			.kind = FILE_FOLDER,
			.shown = true,
			.created = file.created,
		};
		snprintf(batch->folder.name.text, sizeof(file.name.text), "fill-%ju",
			 (uintmax_t)(number / batch->each));
		r = catalog_add(conn, &batch->folder);
	}
	file.parent = batch->folder.num;
	snprintf(file.name.text, sizeof(file.name.text), "upload-%ju.bin",
		 (uintmax_t)number);
	if (!r)
		r = upload_id_make(&file.id);
	return r ? r : catalog_add(conn, &file);
}

static int apply(struct conn *conn, void *arg)
{
	struct batch *batch = arg;
	int r = 0;

	for (uint64_t i = batch->from; i < batch->to && !r; i++)
		r = add(conn, batch, i);
	return r;
}

int main(int argc, char **argv)
{
	struct catalog *catalog;
	struct batch batch = {.each = 1000};
	uint64_t count;

	if (argc < 3 || argc > 5)
		errx(2, "usage: bench_fill CATALOG COUNT [EACH [EXPIRED]]");
	count = client_number(argv[2], "COUNT");
	if (argc > 3)
		batch.each = client_number(argv[3], "EACH");
	if (argc > 4)
		batch.expired = client_number(argv[4], "EXPIRED");
	if (!batch.each)
		errx(2, "EACH is at least 1");
	if (catalog_open(argv[1], &catalog))
		errx(1, "%s cannot be opened", argv[1]);
	while (batch.to < count) {
		batch.from = batch.to;
		batch.to = batch.from + BATCH < count ? batch.from + BATCH : count;
		if (catalog_commit(catalog, false, apply, &batch))
			errx(1, "%s cannot be filled", argv[1]);
		if (catalog_checkpoint(catalog))
			errx(1, "%s cannot be checkpointed", argv[1]);
	}
	catalog_close(catalog);
	return 0;
}
