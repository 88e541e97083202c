#include "engine.h"

#include "tusfs/text.h"

#include "run.h"
#include "temp_dir.h"

#include "tusfs/scoped.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define BOOT_ID_AT 16 /* in STORE/writers: see journal.c */

struct uploads *engine;
struct uploads_config engine_config;

void engine_open(void)
{
	ck_assert_int_eq(uploads_open(temp_dir_path(), &engine_config, &engine), 0);
}

void engine_close(void)
{
	engine = uploads_close(engine);
}

void engine_setup(void)
{
	temp_dir_setup();
	engine_config = (struct uploads_config){.tombstone_time = INT64_C(3600000000)};
	engine_open();
}

void engine_teardown(void)
{
	engine_close();
	temp_dir_teardown();
}

const char *engine_metadata(const char *filename)
{
	static _Thread_local char text[2048];
	int n = snprintf(text, sizeof(text), "filename ");

	if (!filename)
		return NULL;
	ck_assert_uint_lt(text_base64_length(strlen(filename)),
			  sizeof(text) - (size_t)n);
	text_to_base64((const uint8_t *)filename, strlen(filename), text + n);
	return text;
}

struct file engine_create(enum file_kind kind, const char *filename, uint64_t length)
{
	struct upload_request request = {
		.kind = kind,
		.length_known = true,
		.length = length,
		.metadata = engine_metadata(filename),
		.concat = kind == FILE_PARTIAL ? "partial" : NULL,
	};
	struct file file;

	ck_assert_int_eq(uploads_create(engine, &request, &file), 0);
	return file;
}

struct file engine_create_at(const char *path)
{
	char metadata[16 * 1024] = "relativePath ";
	struct upload_request request = {
		.kind = FILE_PLAIN,
		.length_known = true,
		.length = 1,
		.metadata = metadata,
	};
	struct file file;

	ck_assert_uint_lt(text_base64_length(strlen(path)), sizeof(metadata) - 16);
	text_to_base64((const uint8_t *)path, strlen(path),
		       metadata + strlen(metadata));
	ck_assert_int_eq(uploads_create(engine, &request, &file), 0);
	return file;
}

struct file engine_concatenate(const char *filename, const struct upload_id *parts,
			       size_t count)
{
	struct upload_request request = {
		.kind = FILE_FINAL,
		.metadata = engine_metadata(filename),
		.concat = "final;...",
		.parts = parts,
		.parts_count = count,
	};
	struct file file;

	ck_assert_int_eq(uploads_create(engine, &request, &file), 0);
	return file;
}

static struct upload_writer *begin(struct upload_id id, uint64_t offset)
{
	struct upload_append append = {.offset = offset};
	struct upload_writer *writer = NULL;

	ck_assert_int_eq(upload_writer_open(engine, id, &append, &writer), 0);
	return writer;
}

struct upload_writer *engine_begin(const struct file *file, uint64_t offset)
{
	return begin(file->id, offset);
}

/* Called once the append has ended, with the upload as it is then. */
static void end(struct upload_writer *writer, struct file *file, uint64_t offset)
{
	ck_assert_uint_eq(file->offset, offset);
	file_release(file);
	upload_writer_free(writer);
}

void engine_commit(struct upload_writer *writer, uint64_t offset)
{
	struct file file;

	ck_assert_int_eq(upload_writer_commit(writer, NULL, &file), 0);
	end(writer, &file, offset);
}

void engine_cut(struct upload_writer *writer, uint64_t offset)
{
	struct file file;

	ck_assert_int_eq(upload_writer_cut(writer, &file), 0);
	end(writer, &file, offset);
}

void engine_append(struct upload_id id, uint64_t offset, const void *bytes, size_t size)
{
	struct upload_writer *writer = begin(id, offset);

	ck_assert_int_eq(upload_writer_put(writer, bytes, size), 0);
	engine_commit(writer, offset + size);
}

int engine_try_append(struct upload_id id, uint64_t offset, const void *bytes,
		      size_t size)
{
	struct upload_append append = {.offset = offset};
	SCOPED(scoped_upload_writer_free) struct upload_writer *writer = NULL;
	SCOPED(file_release) struct file file = {0};
	int r = upload_writer_open(engine, id, &append, &writer);

	if (!r)
		r = upload_writer_put(writer, bytes, size);
	return r ? r : upload_writer_commit(writer, NULL, &file);
}

struct file engine_upload(enum file_kind kind, const char *filename, const void *bytes,
			  size_t size)
{
	struct file file = engine_create(kind, filename, size);
	struct upload_id id = file.id;

	file_release(&file);
	if (size)
		engine_append(id, 0, bytes, size);
	return engine_find(id);
}

struct file engine_find(struct upload_id id)
{
	struct file file;

	ck_assert_int_eq(uploads_find(engine, id, &file), 0);
	return file;
}

void engine_expect_gone(struct upload_id id)
{
	struct file file;

	ck_assert_int_eq(uploads_find(engine, id, &file), REFUSED_GONE);
}

void engine_expect_offset(struct upload_id id, uint64_t offset)
{
	SCOPED(file_release) struct file file = engine_find(id);

	ck_assert_uint_eq(file.offset, offset);
}

void engine_expect(uint64_t num, const void *bytes, size_t size)
{
	SCOPED(scoped_upload_reader_close) struct upload_reader *reader = NULL;
	SCOPED(scoped_free) char *found = malloc(size + 1);
	bool complete;
	size_t got;

	ck_assert_int_eq(upload_reader_open(engine, num, &reader), 0);
	ck_assert_uint_eq(upload_reader_size(reader, &complete), size);
	ck_assert_int_eq(upload_reader_read(reader, found, size + 1, 0, &got), 0);
	ck_assert_uint_eq(got, size);
	ck_assert(size == 0 || memcmp(found, bytes, size) == 0);
}

char *engine_blob_path(uint64_t num)
{
	char *path;

	ck_assert_int_gt(asprintf(&path, "%s/blobs/%02x/%016llx", temp_dir_path(),
				  (unsigned int)(num & 0xff), (unsigned long long)num),
			 0);
	return path;
}

uint8_t *engine_noise(size_t size, unsigned int seed)
{
	uint8_t *bytes = malloc(size + 1);
	uint64_t state = seed * UINT64_C(2654435761) + 1;

	ck_assert_ptr_nonnull(bytes);
	for (size_t i = 0; i < size; i++) {
		state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
		bytes[i] = (uint8_t)(state >> 56);
	}
	return bytes;
}

void engine_die(void (*work)(void *arg), void *arg)
{
	int status;
	pid_t child;

	if (engine)
		engine_close();
	child = fork();
	if (!child) {
		engine_open();
		work(arg);
		kill(getpid(), SIGKILL);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFSIGNALED(status));
}

struct last_append {
	struct upload_id id;
	const struct upload_append *append;
	const void *bytes;
	size_t size;
};

static void append_at_last(void *arg)
{
	const struct last_append *last = arg;
	struct upload_writer *writer;

	if (upload_writer_open(engine, last->id, last->append, &writer) ||
	    upload_writer_put(writer, last->bytes, last->size))
		_exit(1);
}

void engine_die_appending(struct upload_id id, const struct upload_append *append,
			  const void *bytes, size_t size)
{
	struct last_append last = {id, append, bytes, size};

	engine_die(append_at_last, &last);
}

void engine_lose_power(const char *store)
{
	SCOPED(scoped_free) char *path = NULL;
	SCOPED(scoped_close) int fd = -1;

	ck_assert_int_ge(asprintf(&path, "%s/writers", store), 0);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ck_assert_int_eq(pwrite(fd, "another!", 8, BOOT_ID_AT), 8);
}
