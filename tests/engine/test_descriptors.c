/* Where many uploads run, an append to a blob has a descriptor only while it is used,
 * if nothing that it wrote is left unsynced in between. Two are many here; and time is
 * the test's, so that it says when an append is committed on its way. And what readers
 * have: half of the descriptors, of which three quarters are for programs of this
 * machine. */
#include "descriptors.h"
#include "engine.h"
#include "run.h"

#include "tusfs/clock.h"
#include "tusfs/store.h"
#include "tusfs/text.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define LONG  (1024 * 1024) /* not small: it has a blob */
#define PIECE 1000	    /* gathered, until it is time to commit */

static _Atomic int64_t now;
static rlim_t descriptors; /* that the process may have */
static int open_error;	   /* what blob_open() fails with; 0: it does not */
static struct upload_reader *overtaken; /* when it next opens a blob */
static int syncs;
static uint8_t *bytes; /* LONG of them */
/* An append that is there all the time. */
static struct file first;
static struct upload_writer *begun_first;

int64_t __wrap_clock_monotonic(void);
int __real_blob_open(struct store *store, uint64_t num, struct blob **blob);
int __wrap_blob_open(struct store *store, uint64_t num, struct blob **blob);
int __real_blob_sync(struct blob *blob);
int __wrap_blob_sync(struct blob *blob);

typedef int get_limit(__rlimit_resource_t resource, struct rlimit *limit);

/* Large file support renames it on some machines: either name is wrapped. */
#define WRAP_LIMIT(name)                                                               \
	get_limit __real_##name, __wrap_##name;                                        \
	int __wrap_##name(__rlimit_resource_t resource, struct rlimit *limit)          \
	{                                                                              \
		int r = __real_##name(resource, limit);                                \
                                                                                       \
		if (resource == RLIMIT_NOFILE)                                         \
			limit->rlim_cur = descriptors;                                 \
		return r;                                                              \
	}

WRAP_LIMIT(getrlimit)
WRAP_LIMIT(getrlimit64)

int64_t __wrap_clock_monotonic(void)
{
	return atomic_load(&now);
}

static void *ask_size(void *reader)
{
	bool complete;

	upload_reader_size(reader, &complete);
	return NULL;
}

/* Lets another thread be quicker. */
static void overtake(void)
{
	struct upload_reader *reader = overtaken;
	pthread_t thread;

	overtaken = NULL;
	if (!reader)
		return;
	ck_assert_int_eq(pthread_create(&thread, NULL, ask_size, reader), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

int __wrap_blob_open(struct store *store, uint64_t num, struct blob **blob)
{
	overtake();
	return open_error ? open_error : __real_blob_open(store, num, blob);
}

int __wrap_blob_sync(struct blob *blob)
{
	syncs++;
	return __real_blob_sync(blob);
}

static void setup(void)
{
	atomic_store(&now, CLOCK_SECOND);
	open_error = syncs = 0;
	overtaken = NULL;
	descriptors = 4; /* only who is alone keeps its blob open */
	engine_setup();
	bytes = engine_noise(LONG, 1);
	first = engine_create(FILE_PLAIN, "first", LONG);
	begun_first = engine_begin(&first, 0);
}

static void end_first(void)
{
	if (begun_first)
		engine_cut(begun_first, 0);
	begun_first = NULL;
}

static void teardown(void)
{
	end_first();
	file_release(&first);
	free(bytes);
	engine_teardown();
}

/* Beside the first one's. */
static int blobs_open(void)
{
	return descriptors_of_blobs() - (begun_first != NULL);
}

static void pass_time(void)
{
	atomic_fetch_add(&now, 2 * CLOCK_SECOND);
}

/* Puts the piece at `from`; time has passed, so that it is committed. */
static int put_late(struct upload_writer *writer, uint64_t from)
{
	pass_time();
	return upload_writer_put(writer, bytes + from, PIECE);
}

START_TEST(a_slow_append_has_a_descriptor_only_while_it_writes)
{
	struct file file = engine_create(FILE_PLAIN, "x", LONG);
	struct upload_writer *writer = engine_begin(&file, 0);

	ck_assert_int_eq(blobs_open(), 0);
	for (uint64_t at = 0; at < 3 * PIECE; at += PIECE) {
		ck_assert_int_eq(put_late(writer, at), 0);
		engine_expect_offset(file.id, at + PIECE);
		ck_assert_int_eq(blobs_open(), 0);
	}
	ck_assert_int_eq(upload_writer_put(writer, bytes + 3 * PIECE, LONG - 3 * PIECE),
			 0);
	engine_commit(writer, LONG);
	ck_assert_int_eq(blobs_open(), 0);
	engine_expect(file.num, bytes, LONG);
	file_release(&file);
}
END_TEST

/* An append that keeps its blob open, though all that came was committed. */
static void expect_kept_open(void)
{
	struct file file = engine_create(FILE_PLAIN, "x", LONG);
	struct upload_writer *writer = engine_begin(&file, 0);

	ck_assert_int_eq(blobs_open(), 1);
	ck_assert_int_eq(put_late(writer, 0), 0);
	engine_expect_offset(file.id, PIECE);
	ck_assert_int_eq(blobs_open(), 1);
	engine_cut(writer, PIECE);
	file_release(&file);
}

static void reopen(void)
{
	end_first();
	engine_close();
	engine_open();
}

/* What the kernel fails to write out later is told to who has the file open. */
START_TEST(what_is_not_synced_stays_open)
{
	static const enum sync_level levels[] = {SYNC_FINISH, SYNC_NEVER};

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		engine_config.sync = levels[i];
		reopen();
		expect_kept_open();
	}
}
END_TEST

/* As a crash leaves it: what comes behind the offset is cut off, in the page that has
 * the last bytes before it. */
START_TEST(a_blob_that_was_cut_stays_open_until_it_is_synced)
{
	struct file file = engine_create(FILE_PLAIN, "x", LONG);
	SCOPED(scoped_free) char *path = engine_blob_path(file.num);
	struct upload_writer *writer;

	engine_append(file.id, 0, bytes, PIECE);
	ck_assert_int_eq(truncate(path, 2 * PIECE), 0);
	writer = engine_begin(&file, PIECE);
	ck_assert_int_eq(blobs_open(), 1);
	ck_assert_int_eq(put_late(writer, PIECE), 0);
	ck_assert_int_eq(blobs_open(), 0);
	engine_cut(writer, 2 * PIECE);
	file_release(&file);
}
END_TEST

START_TEST(few_uploads_keep_their_descriptors)
{
	descriptors = 8;
	reopen();
	expect_kept_open();
}
END_TEST

/* One that writes all the time is committed on its way too. */
START_TEST(bytes_that_were_written_stay_open_until_they_are_synced)
{
	struct file file = engine_create(FILE_PLAIN, "x", LONG);
	struct upload_writer *writer = engine_begin(&file, 0);

	ck_assert_int_eq(upload_writer_put(writer, bytes, LONG / 2), 0);
	ck_assert_int_eq(blobs_open(), 1);
	ck_assert_int_eq(syncs, 0);
	ck_assert_int_eq(put_late(writer, LONG / 2), 0);
	ck_assert_int_eq(syncs, 1);
	ck_assert_int_eq(blobs_open(), 0);
	engine_cut(writer, LONG / 2 + PIECE);
	file_release(&file);
}
END_TEST

START_TEST(what_is_synced_is_not_synced_again)
{
	struct file file = engine_create(FILE_PLAIN, "x", LONG);
	struct upload_writer *writer = engine_begin(&file, 0);

	ck_assert_int_eq(put_late(writer, 0), 0);
	ck_assert_int_eq(syncs, 1);
	engine_cut(writer, PIECE);
	ck_assert_int_eq(syncs, 1);
	file_release(&file);
}
END_TEST

/* Its name must survive a power cut as well. */
START_TEST(an_empty_blob_is_synced_before_its_upload_is_complete)
{
	struct upload_request request = {.kind = FILE_PLAIN};
	struct upload_append append = {.declares_length = true};
	struct upload_writer *writer;
	struct file file, found;

	ck_assert_int_eq(uploads_create(engine, &request, &file), 0);
	ck_assert_int_eq(upload_writer_open(engine, file.id, &append, &writer), 0);
	ck_assert_int_eq(upload_writer_commit(writer, NULL, &found), 0);
	upload_writer_free(writer);
	ck_assert(file_is_complete(&found));
	ck_assert_int_eq(syncs, 1);
	engine_expect(file.num, "", 0);
	file_release(&found);
	file_release(&file);
}
END_TEST

START_TEST(without_a_descriptor_an_append_waits_for_one)
{
	struct file file = engine_create(FILE_PLAIN, "x", LONG);
	struct upload_writer *writer = engine_begin(&file, 0);

	ck_assert_int_eq(put_late(writer, 0), 0);
	open_error = -EMFILE;
	ck_assert_int_eq(put_late(writer, PIECE), 0);
	engine_expect_offset(file.id, PIECE);
	open_error = 0;
	ck_assert_int_eq(put_late(writer, 2 * PIECE), 0);
	engine_expect_offset(file.id, 3 * PIECE);
	ck_assert_int_eq(upload_writer_put(writer, bytes + 3 * PIECE, LONG - 3 * PIECE),
			 0);
	engine_commit(writer, LONG);
	engine_expect(file.num, bytes, LONG);
	file_release(&file);
}
END_TEST

static void expect_no_other_hash(const struct file *file)
{
	struct file found = engine_find(file->id);
	uint8_t right[DIGEST_MAX_BYTES];

	ck_assert(file_is_complete(&found));
	ck_assert_int_eq(digest_once(DIGEST_SHA256, bytes, LONG, right), 0);
	ck_assert(!found.has_sha256 ||
		  memcmp(found.sha256, right, sizeof(found.sha256)) == 0);
	file_release(&found);
}

/* Its memory is full, or its client is gone: what it has is kept if one comes in time.
 */
START_TEST(an_append_that_waits_too_long_ends_with_what_can_be_written)
{
	static const int ends[] = {0, -EMFILE};

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		struct file file = engine_create(FILE_PLAIN, "x", LONG);
		struct upload_writer *writer = engine_begin(&file, 0);
		uint64_t at = PIECE;
		int r = 0;

		ck_assert_int_eq(put_late(writer, 0), 0);
		open_error = -EMFILE;
		while (!r && at < LONG / 2) {
			r = upload_writer_put(writer, bytes + at, PIECE);
			at += PIECE;
		}
		ck_assert_int_eq(r, -EMFILE);
		open_error = ends[i];
		at = open_error ? PIECE : PIECE + 256 * 1024;
		engine_cut(writer, at);
		open_error = 0;
		engine_append(file.id, at, bytes + at, LONG - at);
		expect_no_other_hash(&file);
		file_release(&file);
	}
}
END_TEST

START_TEST(a_blob_that_is_gone_in_between_breaks_its_upload)
{
	struct file file = engine_create(FILE_PLAIN, "x", LONG);
	struct upload_writer *writer = engine_begin(&file, 0);

	ck_assert_int_eq(put_late(writer, 0), 0);
	open_error = REFUSED_NOT_FOUND;
	ck_assert_int_eq(put_late(writer, PIECE), REFUSED_GONE);
	upload_writer_free(writer);
	engine_expect_gone(file.id);
	file_release(&file);
}
END_TEST

/* A checksum that only the trailer tells is computed from what is in the blob. */
START_TEST(what_was_let_go_of_is_read_again_for_a_late_checksum)
{
	struct file file = engine_create(FILE_PLAIN, "x", LONG), found;
	struct upload_writer *writer = engine_begin(&file, 0);
	struct checksum checksum = {.algorithm = DIGEST_SHA1};

	ck_assert_int_eq(
		digest_once(DIGEST_SHA1, bytes, LONG / 2 + PIECE, checksum.bytes), 0);
	ck_assert_int_eq(upload_writer_put(writer, bytes, LONG / 2), 0);
	ck_assert_int_eq(put_late(writer, LONG / 2), 0);
	ck_assert_int_eq(blobs_open(), 0);
	ck_assert_int_eq(upload_writer_commit(writer, &checksum, &found), 0);
	upload_writer_free(writer);
	ck_assert_uint_eq(found.offset, LONG / 2 + PIECE);
	file_release(&found);
	file_release(&file);
}
END_TEST

/* An upload of unknown length whose metadata promises the sha1 of the bytes. */
static struct file create_promising(void)
{
	char value[64] = "sha1:", metadata[128] = "checksum ";
	struct upload_request request = {.kind = FILE_PLAIN, .metadata = metadata};
	uint8_t sha1[DIGEST_MAX_BYTES];
	struct file file;

	ck_assert_int_eq(digest_once(DIGEST_SHA1, bytes, LONG, sha1), 0);
	text_to_hex(sha1, digest_size(DIGEST_SHA1), value + strlen(value));
	text_to_base64((const uint8_t *)value, strlen(value),
		       metadata + strlen(metadata));
	ck_assert_int_eq(uploads_create(engine, &request, &file), 0);
	return file;
}

/* After a restart no digest is carried along; and the append that tells the length has
 * no bytes to write, so that its blob is not open for those. */
START_TEST(a_closed_blob_is_read_for_the_promised_checksum)
{
	struct upload_append append = {
		.offset = LONG, .declares_length = true, .length = LONG};
	struct file file = create_promising(), found;
	struct upload_writer *writer;

	engine_append(file.id, 0, bytes, LONG);
	reopen();
	begun_first = engine_begin(&first, 0);
	ck_assert_int_eq(upload_writer_open(engine, file.id, &append, &writer), 0);
	ck_assert_int_eq(blobs_open(), 0);
	ck_assert_int_eq(upload_writer_commit(writer, NULL, &found), 0);
	upload_writer_free(writer);
	ck_assert(file_is_complete(&found));
	file_release(&found);
	file_release(&file);
}
END_TEST

/* So many complete uploads that each have a blob. */
static void make_files(struct file *files, size_t count)
{
	for (size_t i = 0; i < count; i++)
		files[i] = engine_upload(FILE_PLAIN, "f", bytes, LONG);
}

static void release_files(struct file *files, size_t count)
{
	for (size_t i = 0; i < count; i++)
		file_release(&files[i]);
}

START_TEST(local_readers_leave_descriptors_to_others)
{
	struct upload_reader *readers[3], *other;
	struct file files[4], small;

	descriptors = 8;
	reopen();
	make_files(files, 4);
	small = engine_upload(FILE_PLAIN, "small", "text", 4);
	for (size_t i = 0; i < 3; i++)
		ck_assert_int_eq(
			upload_reader_open_local(engine, files[i].num, &readers[i]), 0);
	ck_assert_int_eq(upload_reader_open_local(engine, files[3].num, &other),
			 -EMFILE);
	ck_assert_int_eq(upload_reader_open(engine, files[3].num, &other), 0);
	upload_reader_close(other);
	ck_assert_int_eq(upload_reader_open_local(engine, small.num, &other), 0);
	upload_reader_close(other);
	upload_reader_close(readers[0]);
	ck_assert_int_eq(upload_reader_open_local(engine, files[3].num, &readers[0]),
			 0);
	for (size_t i = 0; i < 3; i++)
		upload_reader_close(readers[i]);
	file_release(&small);
	release_files(files, 4);
}
END_TEST

static void expect_read(struct upload_reader *reader, uint64_t offset, uint64_t size)
{
	SCOPED(scoped_free) uint8_t *found = malloc(size);
	size_t got;

	ck_assert_int_eq(upload_reader_read(reader, found, size, offset, &got), 0);
	ck_assert_uint_eq(got, size);
	ck_assert(memcmp(found, bytes + offset, size) == 0);
}

START_TEST(a_reader_that_rests_has_no_descriptor_until_it_reads)
{
	struct upload_reader *readers[4];
	struct file files[4];
	bool complete;
	uint8_t byte;
	size_t got;

	descriptors = 8;
	reopen();
	make_files(files, 4);
	for (size_t i = 0; i < 4; i++) {
		ck_assert_int_eq(
			upload_reader_open_local(engine, files[i].num, &readers[i]), 0);
		upload_reader_rest(readers[i]);
	}
	ck_assert_int_eq(blobs_open(), 0);
	ck_assert_uint_eq(upload_reader_size(readers[0], &complete), LONG);
	ck_assert(complete);
	ck_assert_int_eq(blobs_open(), 0);
	expect_read(readers[0], 0, LONG);
	ck_assert_int_eq(blobs_open(), 1);
	ck_assert_int_eq(uploads_terminate(engine, files[0].id), 0);
	ck_assert_int_eq(uploads_terminate(engine, files[1].id), 0);
	expect_read(readers[0], 1, LONG - 1);
	ck_assert_int_eq(upload_reader_read(readers[1], &byte, 1, 0, &got),
			 REFUSED_NOT_FOUND);
	ck_assert_uint_eq(upload_reader_size(readers[1], &complete), LONG);
	for (size_t i = 0; i < 4; i++)
		upload_reader_close(readers[i]);
	release_files(files, 4);
}
END_TEST

/* A final of two parts, of which the first has come. */
static struct file concatenate_two(struct file *second)
{
	struct file one = engine_upload(FILE_PARTIAL, NULL, bytes, LONG / 2), final;

	*second = engine_create(FILE_PARTIAL, NULL, LONG / 2);
	final = engine_concatenate("f", (struct upload_id[]){one.id, second->id}, 2);
	file_release(&one);
	return final;
}

START_TEST(a_growing_final_does_not_end_for_want_of_a_descriptor)
{
	struct file second, final = concatenate_two(&second);
	struct upload_reader *reader;
	uint8_t byte;
	size_t got;

	ck_assert_int_eq(upload_reader_open(engine, final.num, &reader), 0);
	engine_append(second.id, 0, bytes + LONG / 2, LONG / 4);
	open_error = -EMFILE;
	expect_read(reader, 0, LONG / 2);
	ck_assert_int_eq(upload_reader_read(reader, &byte, 1, LONG / 2, &got), -EMFILE);
	open_error = 0;
	expect_read(reader, 0, LONG / 2 + LONG / 4);
	engine_append(second.id, LONG / 4, bytes + LONG / 2 + LONG / 4, LONG / 4);
	open_error = -EMFILE; /* both are open already */
	expect_read(reader, 0, LONG);
	open_error = 0;
	upload_reader_close(reader);
	file_release(&second);
	file_release(&final);
}
END_TEST

/* Of more parts than there are descriptors for, one is read all the same. */
START_TEST(a_growing_final_of_too_many_parts_is_read_on)
{
	enum { PARTS = 8, FIRST = 5 };
	struct upload_reader *reader;
	struct upload_id ids[PARTS];
	struct file parts[PARTS], final;
	const uint64_t each = LONG / PARTS;

	descriptors = 8;
	reopen();
	for (size_t i = 0; i < PARTS; i++) {
		parts[i] = engine_create(FILE_PARTIAL, NULL, each);
		ids[i] = parts[i].id;
	}
	final = engine_concatenate("f", ids, PARTS);
	for (size_t i = 0; i < FIRST; i++)
		engine_append(ids[i], 0, bytes + i * each, each);
	ck_assert_int_eq(upload_reader_open_local(engine, final.num, &reader), 0);
	expect_read(reader, 0, FIRST * each);
	for (size_t i = FIRST; i < PARTS; i++) {
		engine_append(ids[i], 0, bytes + i * each, each);
		expect_read(reader, 0, (i + 1) * each);
	}
	upload_reader_close(reader);
	release_files(parts, PARTS);
	file_release(&final);
}
END_TEST

/* Who has a file open reads on in it, however many others are opened. */
START_TEST(a_local_reader_of_a_growing_upload_needs_no_further_descriptor)
{
	struct file file = engine_create(FILE_PLAIN, "x", LONG), files[2];
	struct upload_reader *readers[2], *reader, *refused;

	descriptors = 8;
	reopen();
	make_files(files, 2);
	engine_append(file.id, 0, bytes, 1000);
	ck_assert_int_eq(upload_reader_open_local(engine, file.num, &reader), 0);
	for (size_t i = 0; i < 2; i++)
		ck_assert_int_eq(
			upload_reader_open_local(engine, files[i].num, &readers[i]), 0);
	ck_assert_int_eq(upload_reader_open_local(engine, file.num, &refused), -EMFILE);
	engine_append(file.id, 1000, bytes + 1000, 1000);
	expect_read(reader, 0, 2000);
	engine_append(file.id, 2000, bytes + 2000, LONG - 2000);
	expect_read(reader, 0, LONG);
	upload_reader_close(reader);
	for (size_t i = 0; i < 2; i++)
		upload_reader_close(readers[i]);
	ck_assert_int_eq(blobs_open(), 0);
	file_release(&file);
	release_files(files, 2);
}
END_TEST

START_TEST(a_descriptor_that_is_lent_stays_open_though_another_thread_was_quicker)
{
	struct file file = engine_create(FILE_PLAIN, "x", LONG);
	struct upload_reader *reader;
	int fd;

	ck_assert_int_eq(upload_reader_open(engine, file.num, &reader), 0);
	engine_append(file.id, 0, bytes, LONG);
	overtaken = reader;
	ck_assert_int_eq(upload_reader_whole_fd(reader, &fd), 0);
	ck_assert_ptr_null(overtaken);
	ck_assert(descriptor_is_blob(fd));
	upload_reader_close(reader);
	file_release(&file);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		a_slow_append_has_a_descriptor_only_while_it_writes,
		what_is_not_synced_stays_open,
		bytes_that_were_written_stay_open_until_they_are_synced,
		what_is_synced_is_not_synced_again,
		an_empty_blob_is_synced_before_its_upload_is_complete,
		few_uploads_keep_their_descriptors,
		a_blob_that_was_cut_stays_open_until_it_is_synced,
		without_a_descriptor_an_append_waits_for_one,
		an_append_that_waits_too_long_ends_with_what_can_be_written,
		a_blob_that_is_gone_in_between_breaks_its_upload,
		what_was_let_go_of_is_read_again_for_a_late_checksum,
		a_closed_blob_is_read_for_the_promised_checksum,
		local_readers_leave_descriptors_to_others,
		a_reader_that_rests_has_no_descriptor_until_it_reads,
		a_growing_final_does_not_end_for_want_of_a_descriptor,
		a_growing_final_of_too_many_parts_is_read_on,
		a_local_reader_of_a_growing_upload_needs_no_further_descriptor,
		a_descriptor_that_is_lent_stays_open_though_another_thread_was_quicker,
	};

	return RUN_TESTS(tests, setup, teardown);
}
