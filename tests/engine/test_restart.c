/* What survives the end of the process: in order, or killed in the middle of an append.
 */
#include "engine.h"
#include "run.h"
#include "temp_dir.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE 3000000

START_TEST(everything_is_there_after_an_orderly_stop)
{
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(SIZE, 1);
	struct file done = engine_upload(FILE_PLAIN, "done", bytes, SIZE);
	struct file arriving = engine_create(FILE_PLAIN, "arriving", SIZE), now;
	struct file gone = engine_upload(FILE_PLAIN, "gone", "x", 1);

	engine_append(arriving.id, 0, bytes, 1000);
	ck_assert_int_eq(uploads_terminate(engine, gone.id), 0);
	engine_close();
	engine_open();
	engine_expect(done.num, bytes, SIZE);
	now = engine_find(arriving.id);
	ck_assert_uint_eq(now.offset, 1000);
	ck_assert_uint_eq(now.num, arriving.num);
	file_release(&now);
	engine_expect_gone(gone.id);
	file_release(&done);
	file_release(&arriving);
	file_release(&gone);
}
END_TEST

START_TEST(numbers_are_never_used_twice)
{
	struct file first = engine_upload(FILE_PLAIN, "x", "x", 1), second;

	ck_assert_int_eq(uploads_terminate(engine, first.id), 0);
	engine_close();
	engine_open();
	second = engine_create(FILE_PLAIN, "x", 1);
	ck_assert_uint_gt(second.num, first.num);
	file_release(&first);
	file_release(&second);
}
END_TEST

/* Appends `size` bytes in a child that dies before it can commit. */
static void die_appending(struct upload_id id, uint64_t offset, const uint8_t *bytes,
			  size_t size, bool checked)
{
	struct upload_append append = {.offset = offset,
				       .checked = checked,
				       .algorithm =
					       checked ? DIGEST_SHA1 : DIGEST_NONE};

	engine_die_appending(id, &append, bytes, size);
	engine_open();
}

START_TEST(bytes_that_had_arrived_are_kept_when_the_process_dies)
{
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(SIZE, 2);
	struct file file = engine_create(FILE_PLAIN, "x", SIZE), now;

	engine_append(file.id, 0, bytes, 1000);
	die_appending(file.id, 1000, bytes + 1000, 1000000, false);
	now = engine_find(file.id);
	ck_assert_uint_eq(now.offset, 1001000);
	engine_expect(file.num, bytes, 1001000);
	file_release(&now);
	engine_append(file.id, 1001000, bytes + 1001000, SIZE - 1001000);
	engine_expect(file.num, bytes, SIZE);
	file_release(&file);
}
END_TEST

START_TEST(an_upload_whose_last_byte_had_arrived_is_complete_when_the_process_dies)
{
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(SIZE, 3);
	struct file file = engine_create(FILE_PLAIN, "x", SIZE), now;

	die_appending(file.id, 0, bytes, SIZE, false);
	now = engine_find(file.id);
	ck_assert(file_is_complete(&now) && now.shown && !now.arriving);
	engine_expect(file.num, bytes, SIZE);
	file_release(&now);
	file_release(&file);
}
END_TEST

static void expect_blob_size(uint64_t num, off_t size)
{
	SCOPED(scoped_free) char *path = engine_blob_path(num);
	struct stat found;

	ck_assert_int_eq(stat(path, &found), 0);
	ck_assert_int_eq(found.st_size, size);
}

START_TEST(bytes_whose_checksum_was_not_verified_take_no_room)
{
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(SIZE, 8);
	struct file file = engine_create(FILE_PLAIN, "x", SIZE);

	engine_append(file.id, 0, bytes, 100000);
	die_appending(file.id, 100000, bytes, 1000000, true);
	expect_blob_size(file.num, 100000);
	file_release(&file);
}
END_TEST

START_TEST(bytes_whose_checksum_was_not_verified_are_not_kept)
{
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(SIZE, 4);
	struct file file = engine_create(FILE_PLAIN, "x", SIZE);

	die_appending(file.id, 0, bytes, 1000000, true);
	engine_expect_offset(file.id, 0);
	bytes[0] ^= 1; /* the client sends something else */
	engine_append(file.id, 0, bytes, SIZE);
	engine_expect(file.num, bytes, SIZE);
	file_release(&file);
}
END_TEST

START_TEST(a_second_engine_on_one_store_is_refused)
{
	struct uploads *second;

	ck_assert_int_eq(uploads_open(temp_dir_path(), &engine_config, &second),
			 REFUSED_BUSY);
}
END_TEST

START_TEST(a_store_without_its_catalog_is_refused_and_left_alone)
{
	SCOPED(scoped_free) char *path = temp_dir_join("catalog.db");
	SCOPED(scoped_free) char *away = temp_dir_join("away.db");
	struct file file = engine_upload(FILE_PLAIN, "x", "x", 1);
	struct uploads *none;

	engine_close();
	ck_assert_int_eq(rename(path, away), 0);
	ck_assert_int_eq(uploads_open(temp_dir_path(), &engine_config, &none),
			 REFUSED_GONE);
	/* nor is one without bytes, as a restore that broke off leaves */
	scoped_close(&(int){open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)});
	ck_assert_int_eq(uploads_open(temp_dir_path(), &engine_config, &none),
			 REFUSED_GONE);
	ck_assert_int_eq(rename(away, path), 0);
	engine_open();
	engine_expect(file.num, "x", 1);
	file_release(&file);
}
END_TEST

static void damage(uint64_t num, int64_t size)
{
	SCOPED(scoped_free) char *path = engine_blob_path(num);

	ck_assert_int_eq(size < 0 ? unlink(path) : truncate(path, size), 0);
}

START_TEST(an_upload_whose_bytes_are_damaged_answers_as_gone)
{
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(SIZE, 5);
	struct file shorter = engine_upload(FILE_PLAIN, "a", bytes, SIZE);
	struct file missing = engine_upload(FILE_PLAIN, "b", bytes, SIZE);
	struct file arriving = engine_create(FILE_PLAIN, "c", SIZE);
	struct upload_append append = {.offset = 100000};
	struct upload_reader *reader;
	struct upload_writer *writer;

	engine_append(arriving.id, 0, bytes, 100000);
	damage(shorter.num, 10);
	damage(missing.num, -1);
	damage(arriving.num, 10);
	ck_assert_int_eq(upload_reader_open(engine, shorter.num, &reader),
			 REFUSED_GONE);
	ck_assert_int_eq(upload_reader_open(engine, missing.num, &reader),
			 REFUSED_GONE);
	ck_assert_int_eq(upload_writer_open(engine, arriving.id, &append, &writer),
			 REFUSED_GONE);
	engine_expect_gone(shorter.id);
	engine_expect_gone(arriving.id);
	ck_assert_int_eq(uploads_terminate(engine, shorter.id), 0);
	file_release(&shorter);
	file_release(&missing);
	file_release(&arriving);
}
END_TEST

/* Counts the blobs in the store. */
static int blobs(void)
{
	char path[512], command[600];
	FILE *pipe;
	int count = -1;

	snprintf(path, sizeof(path), "%s/blobs", temp_dir_path());
	snprintf(command, sizeof(command), "find %s -type f | wc -l", path);
	pipe = popen(command, "r");
	ck_assert_int_eq(fscanf(pipe, "%d", &count), 1);
	pclose(pipe);
	return count;
}

START_TEST(the_janitor_removes_the_blobs_of_what_is_gone)
{
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(SIZE, 6);
	struct file file;

	for (int i = 0; i < 10; i++) {
		file = engine_upload(FILE_PLAIN, "x", bytes, 20000);
		if (i % 2)
			ck_assert_int_eq(uploads_terminate(engine, file.id), 0);
		file_release(&file);
	}
	ck_assert_int_eq(blobs(), 10); /* nobody has cleaned up yet */
	engine_close();
	engine_open();
	ck_assert_int_eq(uploads_start_threads(engine), 0);
	for (int i = 0; i < 1000 && blobs() != 5; i++)
		usleep(10000);
	ck_assert_int_eq(blobs(), 5);
}
END_TEST

START_TEST(the_hasher_finds_what_is_not_hashed_yet)
{
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(SIZE, 7);
	struct file file = engine_create(FILE_PLAIN, "x", SIZE), now;
	struct digest *digest;
	uint8_t sha256[DIGEST_MAX_BYTES];
	bool known = false;

	engine_append(file.id, 0, bytes, 1000);
	engine_close(); /* and with it goes the digest of these bytes */
	engine_open();
	engine_append(file.id, 1000, bytes + 1000, SIZE - 1000);
	now = engine_find(file.id);
	ck_assert(file_is_complete(&now) && !now.has_sha256);
	file_release(&now);
	ck_assert_int_eq(uploads_start_threads(engine), 0);
	for (int i = 0; i < 1000 && !known; i++) {
		usleep(10000);
		now = engine_find(file.id);
		known = now.has_sha256;
		if (!known)
			file_release(&now);
	}
	ck_assert(known);
	ck_assert_int_eq(digest_new(DIGEST_SHA256, &digest), 0);
	digest_update(digest, bytes, SIZE);
	digest_final(digest, sha256);
	digest_free(digest);
	ck_assert(memcmp(now.sha256, sha256, 32) == 0);
	file_release(&now);
	file_release(&file);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		everything_is_there_after_an_orderly_stop,
		numbers_are_never_used_twice,
		bytes_that_had_arrived_are_kept_when_the_process_dies,
		an_upload_whose_last_byte_had_arrived_is_complete_when_the_process_dies,
		bytes_whose_checksum_was_not_verified_are_not_kept,
		bytes_whose_checksum_was_not_verified_take_no_room,
		a_second_engine_on_one_store_is_refused,
		a_store_without_its_catalog_is_refused_and_left_alone,
		an_upload_whose_bytes_are_damaged_answers_as_gone,
		the_janitor_removes_the_blobs_of_what_is_gone,
		the_hasher_finds_what_is_not_hashed_yet,
	};

	return RUN_TESTS(tests, engine_setup, engine_teardown);
}
