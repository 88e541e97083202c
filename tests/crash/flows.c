#include "flows.h"

#include "engine.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#define LARGE 300000
#define SMALL 1000

/* What the flow at hand works on. */
static struct upload_id id, parts[2];
static uint64_t num, other;
static uint8_t bytes[LARGE];

static void fill(void)
{
	if (!bytes[0] && !bytes[1])
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)(i * 2654435761 >> 13);
}

static void keep(struct file file)
{
	id = file.id;
	num = file.num;
	file_release(&file);
}

/* filename "x.bin", relativePath "f/g/x.bin" */
#define IN_FOLDERS "filename eC5iaW4=,relativePath Zi9nL3guYmlu"

/* ---- create ---- */

static void prepare_nothing(void)
{
	fill();
}

static int create(const struct upload_request *request)
{
	SCOPED(file_release) struct file file = {0};
	int r = uploads_create(engine, request, &file);

	if (!r)
		keep(file);
	memset(&file, 0, sizeof(file));
	return r;
}

static int create_plain(void)
{
	const struct upload_request request = {.kind = FILE_PLAIN,
					       .length_known = true,
					       .length = LARGE,
					       .metadata = IN_FOLDERS};

	return create(&request);
}

static void check_plain(void)
{
	SCOPED(file_release) struct file file = engine_find(id);

	ck_assert_str_eq(file.name.text, "x.bin");
	ck_assert_uint_eq(file.offset, 0);
	ck_assert(file.arriving && !file.shown);
}

static int create_whole(void)
{
	const struct upload_request request = {.kind = FILE_PLAIN,
					       .length_known = true,
					       .length = SMALL,
					       .metadata = IN_FOLDERS,
					       .body = bytes,
					       .body_size = SMALL};

	return create(&request);
}

static void check_whole(void)
{
	SCOPED(file_release) struct file file = engine_find(id);

	ck_assert_str_eq(file.name.text, "x.bin");
	ck_assert(file_is_complete(&file) && file.shown);
	engine_expect(num, bytes, SMALL);
}

/* ---- append ---- */

/* Sends what is missing, in pieces that are gathered and pieces that are not, as one
 * PATCH. */
static int append_with(const struct upload_append *how, const struct checksum *checksum)
{
	SCOPED(scoped_upload_writer_free) struct upload_writer *writer = NULL;
	SCOPED(file_release) struct file file = {0}, after = {0};
	struct upload_append append = *how;
	uint64_t offset;
	int r = uploads_settle(engine, id, &file);

	if (r || file_is_complete(&file))
		return r;
	offset = append.offset = file.offset;
	r = upload_writer_open(engine, id, &append, &writer);
	while (!r && offset < file.length) {
		size_t size = file.length - offset;

		if (size > 100000)
			size = offset % 100000 ? 100000 : 3000;
		r = upload_writer_put(writer, bytes + offset, size);
		offset += size;
	}
	return r ? r : upload_writer_commit(writer, checksum, &after);
}

static int append(void)
{
	const struct upload_append how = {.checked = false};

	return append_with(&how, NULL);
}

static void prepare_large(void)
{
	fill();
	keep(engine_create(FILE_PLAIN, "x.bin", LARGE));
	engine_append(id, 0, bytes, 70001);
}

static void check_large(void)
{
	engine_expect(num, bytes, LARGE);
}

static void prepare_small(void)
{
	fill();
	keep(engine_create(FILE_PLAIN, "x.bin", SMALL));
	engine_append(id, 0, bytes, 10);
}

/* A PATCH whose checksum does not match: refused, and nothing of it is left. */
static int append_wrong(void)
{
	const struct upload_append how = {.checked = true, .algorithm = DIGEST_SHA1};
	const struct checksum checksum = {.algorithm = DIGEST_SHA1};
	int r = append_with(&how, &checksum);

	return r == REFUSED_CHECKSUM ? 0 : r;
}

static void check_refused(void)
{
	engine_expect(num, bytes, 70001);
}

/* The algorithm comes with the trailer: the bytes are read again. */
static int append_wrong_late(void)
{
	const struct upload_append how = {.checked = true};
	const struct checksum checksum = {.algorithm = DIGEST_SHA256};
	int r = append_with(&how, &checksum);

	return r == REFUSED_CHECKSUM ? 0 : r;
}

/* A PATCH that breaks off is kept as far as it came. */
static int append_half(void)
{
	SCOPED(scoped_upload_writer_free) struct upload_writer *writer = NULL;
	SCOPED(file_release) struct file file = {0}, after = {0};
	struct upload_append how = {.checked = false};
	int r = uploads_settle(engine, id, &file);

	how.offset = file.offset;
	if (r || file.offset == 150000)
		return r;
	r = upload_writer_open(engine, id, &how, &writer);
	if (!r)
		r = upload_writer_put(writer, bytes + file.offset,
				      150000 - file.offset);
	return r ? r : upload_writer_cut(writer, &after);
}

static void check_half(void)
{
	engine_expect(num, bytes, 150000);
}

/* The checksum of the whole is in the metadata, and is not that of these bytes. */
static void prepare_promised(void)
{
	const struct upload_request request = {
		.kind = FILE_PLAIN,
		.length_known = true,
		.length = LARGE,
		/* md5:00000000000000000000000000000000 */
		.metadata =
			"checksum "
			"bWQ1OjAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAw"};

	fill();
	ck_assert_int_eq(create(&request), 0);
	engine_append(id, 0, bytes, 70001);
}

static int append_broken_promise(void)
{
	int r = append();

	return r == REFUSED_CHECKSUM ? 0 : r;
}

/* A try that broke off is kept, and the one that was refused is not. */
static void check_promise(void)
{
	SCOPED(file_release) struct file file = engine_find(id);

	ck_assert(!file_is_complete(&file));
	ck_assert_uint_ge(file.offset, 70001);
	engine_expect(num, bytes, file.offset);
}

/* ---- concatenate ---- */

static void prepare_parts(bool complete)
{
	fill();
	keep(engine_upload(FILE_PARTIAL, NULL, bytes, SMALL));
	parts[0] = id;
	keep(engine_create(FILE_PARTIAL, NULL, LARGE));
	parts[1] = id;
	if (complete)
		engine_append(id, 0, bytes, LARGE);
}

static void prepare_complete_parts(void)
{
	prepare_parts(true);
}

static void prepare_arriving_parts(void)
{
	prepare_parts(false);
}

static int concatenate(void)
{
	const struct upload_request request = {.kind = FILE_FINAL,
					       .metadata = IN_FOLDERS,
					       .concat = "final;...",
					       .parts = parts,
					       .parts_count = 2};

	return create(&request);
}

static void check_joined(void)
{
	SCOPED(file_release) struct file file = engine_find(id);
	SCOPED(scoped_free) uint8_t *joined = malloc(SMALL + LARGE);

	memcpy(joined, bytes, SMALL);
	memcpy(joined + SMALL, bytes, LARGE);
	ck_assert(file_is_complete(&file) && file.shown);
	engine_expect(file.num, joined, SMALL + LARGE);
}

static void check_arriving(void)
{
	SCOPED(file_release) struct file file = engine_find(id);

	ck_assert(!file_is_complete(&file) && file.arriving);
	ck_assert_uint_eq(file.offset, SMALL);
	ck_assert_uint_eq(file.length, SMALL + LARGE);
}

static void prepare_waiting_final(void)
{
	prepare_parts(false);
	ck_assert_int_eq(concatenate(), 0);
	other = num;
	id = parts[1];
}

static void check_waiting_final(void)
{
	SCOPED(file_release) struct file file = {0};

	ck_assert_int_eq(uploads_stat(engine, other, &file), 0);
	id = file.id;
	check_joined();
}

/* ---- end ---- */

static int terminate(void)
{
	int r = uploads_terminate(engine, id);

	return r ? r : uploads_clean(engine);
}

/* A failure may have come between the two steps. */
static int terminate_again(void)
{
	SCOPED(file_release) struct file file = {0};
	int r = uploads_find(engine, id, &file);

	return r == REFUSED_GONE ? uploads_clean(engine) : r ? r : terminate();
}

static void check_gone(void)
{
	engine_expect_gone(id);
}

static void prepare_joined(void)
{
	prepare_parts(true);
	ck_assert_int_eq(concatenate(), 0);
}

/* Its parts went before: their bytes go with it. */
static void prepare_last_user(void)
{
	prepare_joined();
	ck_assert_int_eq(uploads_terminate(engine, parts[0]), 0);
	ck_assert_int_eq(uploads_terminate(engine, parts[1]), 0);
}

static void prepare_used_part(void)
{
	prepare_joined();
	other = num;
	id = parts[1];
}

static void check_used_part(void)
{
	check_gone();
	check_waiting_final();
}

static void prepare_expired(void)
{
	keep(engine_upload(FILE_PLAIN, "x.bin", bytes, SMALL));
	ck_assert_int_eq(uploads_set_expiry(engine, num, 1), 0);
}

static int expire(void)
{
	return uploads_expire(engine);
}

/* ---- names ---- */

static void prepare_two_names(void)
{
	keep(engine_upload(FILE_PLAIN, "there", bytes, LARGE));
	other = num;
	keep(engine_upload(FILE_PLAIN, "moved", bytes, SMALL));
}

/* Renames, unless that has been done. */
static int rename_to(const char *from, const char *to, uint64_t seen)
{
	SCOPED(file_release) struct file file = {0};
	struct upload_rename request = {FILE_NUM_TREE, FILE_NUM_TREE, from, to,
					.seen = seen};
	uint64_t replaced;
	int r = uploads_lookup(engine, FILE_NUM_TREE, from, &file);

	if (r == REFUSED_NOT_FOUND)
		return 0;
	request.num = file.num;
	return r ? r : uploads_rename(engine, &request, &replaced);
}

static int rename_over(void)
{
	return rename_to("moved", "there", other);
}

static void check_renamed(void)
{
	struct file file;

	ck_assert_int_eq(uploads_lookup(engine, FILE_NUM_TREE, "there", &file), 0);
	ck_assert_uint_eq(file.num, num);
	file_release(&file);
	ck_assert_int_eq(uploads_stat(engine, other, &file), REFUSED_NOT_FOUND);
	engine_expect(num, bytes, SMALL);
}

static void prepare_folder(void)
{
	ck_assert_int_eq(create_plain(), 0);
	ck_assert_int_eq(create_whole(), 0);
}

static int rename_folder(void)
{
	return rename_to("f", "e", 0);
}

static void check_moved_folder(void)
{
	SCOPED(scoped_free) char *path = NULL;

	ck_assert_int_eq(uploads_tree_path(engine, num, &path), 0);
	ck_assert_str_eq(path, "e/g/x (2).bin");
}

static int make_folder(void)
{
	SCOPED(file_release) struct file file = {0};

	return uploads_make_folder(engine, FILE_NUM_TREE, "f", &file);
}

static void check_folder(void)
{
	SCOPED(file_release) struct file file = {0};

	ck_assert_int_eq(uploads_lookup(engine, FILE_NUM_TREE, "f", &file), 0);
	ck_assert(file_is_folder(&file) && file.shown);
}

static void prepare_empty_folder(void)
{
	ck_assert_int_eq(make_folder(), 0);
}

static int remove_folder(void)
{
	return uploads_remove_folder(engine, FILE_NUM_TREE, "f");
}

static void check_no_folder(void)
{
	struct file file;

	ck_assert_int_eq(uploads_lookup(engine, FILE_NUM_TREE, "f", &file),
			 REFUSED_NOT_FOUND);
}

/* ---- attributes, and looking ---- */

static void prepare_done(void)
{
	fill();
	keep(engine_upload(FILE_PLAIN, "x.bin", bytes, LARGE));
}

static int use_attributes(void)
{
	SCOPED(scoped_free) char *value = NULL;
	SCOPED(scoped_free) char *names = NULL;
	size_t size;
	int r = uploads_set_attribute(engine, num, "user.a", bytes, 9000, 0);

	if (!r)
		r = uploads_get_attribute(engine, num, "user.a", &value, &size);
	if (!r && (size != 9000 || memcmp(value, bytes, size) != 0))
		return REFUSED_INVALID;
	if (!r)
		r = uploads_list_attributes(engine, num, &names, &size);
	if (!r && (size != sizeof("user.a") || strcmp(names, "user.a") != 0))
		return REFUSED_INVALID;
	return r ? r : uploads_remove_attribute(engine, num, "user.a");
}

static void check_no_attribute(void)
{
	char *value;
	size_t size;

	ck_assert_int_eq(uploads_get_attribute(engine, num, "user.a", &value, &size),
			 REFUSED_NOT_FOUND);
}

static bool count_one(void *arg, const struct file *file)
{
	if (strcmp(file->name.text, "x.bin") == 0)
		++*(int *)arg;
	return true;
}

static int look(void)
{
	SCOPED(scoped_upload_reader_close) struct upload_reader *reader = NULL;
	SCOPED(scoped_free) uint8_t *found = NULL;
	size_t got;
	int count = 0;
	int r = uploads_list(engine, VIEW_ALL, 0, 0, count_one, &count);

	if (!r && count != 1)
		return REFUSED_NOT_FOUND;
	if (!r)
		r = upload_reader_open(engine, num, &reader);
	found = malloc(LARGE);
	if (r || !found)
		return r ? r : -ENOMEM;
	r = upload_reader_read(reader, found, LARGE, 0, &got);
	if (!r && (got != LARGE || memcmp(found, bytes, LARGE) != 0))
		return REFUSED_INVALID;
	return r;
}

const struct flow flows[] = {
	{"create", prepare_nothing, create_plain, check_plain, true},
	{"create with a whole body", prepare_nothing, create_whole, check_whole, true},
	{"append to a large upload", prepare_large, append, check_large, false},
	{"append to a small upload", prepare_small, append, check_whole, false},
	{"append with a wrong checksum", prepare_large, append_wrong, check_refused,
	 false},
	{"append with a wrong trailer", prepare_large, append_wrong_late, check_refused,
	 false},
	{"append that breaks off", prepare_large, append_half, check_half, false},
	{"finish against the metadata's checksum", prepare_promised,
	 append_broken_promise, check_promise, false},
	{"concatenate", prepare_complete_parts, concatenate, check_joined, true},
	{"concatenate unfinished parts", prepare_arriving_parts, concatenate,
	 check_arriving, true},
	{"finish the last part of a final", prepare_waiting_final, append,
	 check_waiting_final, false},
	{"terminate a large upload", prepare_large, terminate_again, check_gone, false},
	{"terminate a small upload", prepare_small, terminate_again, check_gone, false},
	{"terminate a final", prepare_joined, terminate_again, check_gone, false},
	{"terminate the last user of parts", prepare_last_user, terminate_again,
	 check_gone, false},
	{"terminate a part in use", prepare_used_part, terminate_again, check_used_part,
	 false},
	{"expire", prepare_expired, expire, check_gone, false},
	{"rename over a file", prepare_two_names, rename_over, check_renamed, false},
	{"rename a folder", prepare_folder, rename_folder, check_moved_folder, false},
	{"make a folder", prepare_nothing, make_folder, check_folder, false},
	{"remove a folder", prepare_empty_folder, remove_folder, check_no_folder,
	 false},
	{"use attributes", prepare_done, use_attributes, check_no_attribute, false},
	{"look", prepare_done, look, prepare_nothing, false},
};
const size_t flows_count = sizeof(flows) / sizeof(flows[0]);

struct found {
	struct upload_id ids[16];
	size_t count;
};

static bool note_one(void *arg, const struct file *file)
{
	struct found *found = arg;

	ck_assert_uint_lt(found->count, 16);
	found->ids[found->count++] = file->id;
	return true;
}

/* Removes the folder `name` of the tree, and g in it. */
static void remove_folders(const char *name)
{
	SCOPED(file_release) struct file file = {0};
	int r = uploads_lookup(engine, FILE_NUM_TREE, name, &file);

	if (r == REFUSED_NOT_FOUND)
		return;
	ck_assert_int_eq(r, 0);
	r = uploads_remove_folder(engine, file.num, "g");
	ck_assert(r == 0 || r == REFUSED_NOT_FOUND);
	ck_assert_int_eq(uploads_remove_folder(engine, FILE_NUM_TREE, name), 0);
}

void flows_clean(void)
{
	struct found found = {.count = 0};

	ck_assert_int_eq(uploads_list(engine, VIEW_ALL, 0, 0, note_one, &found), 0);
	for (size_t i = 0; i < found.count; i++)
		ck_assert_int_eq(uploads_terminate(engine, found.ids[i]), 0);
	remove_folders("f");
	remove_folders("e");
	ck_assert_int_eq(uploads_clean(engine), 0);
}
