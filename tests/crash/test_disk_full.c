/* A disk that is really full: a small file system of its own, so this needs root. */
#include "engine.h"
#include "invariants.h"
#include "run.h"

#include "temp_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK 65536
#define LARGE (UINT64_C(64) << 20)
#define MANY  300

static char *store, *ram;

static void mount_tmpfs(const char *at, const char *size)
{
	ck_assert_int_eq(mount("tmpfs", at, "tmpfs", 0, size), 0);
}

/* In memory, since it is written to its end often. */
static void mount_ext4(void)
{
	SCOPED(scoped_free) char *image = temp_dir_join("ram/image");
	SCOPED(scoped_free) char *command = NULL;

	ck_assert_int_eq(mkdir(ram, 0700), 0);
	mount_tmpfs(ram, "size=64m");
	ck_assert_int_ge(asprintf(&command,
				  "truncate -s 40M %s && mkfs.ext4 -q -m 0 %s && "
				  "mount -o loop %s %s",
				  image, image, image, store),
			 0);
	ck_assert_msg(system(command) == 0, "%s", command);
}

static void open_engine(void)
{
	ck_assert_int_eq(uploads_open(store, &engine_config, &engine), 0);
}

static void setup(void)
{
	temp_dir_setup();
	store = temp_dir_join("store");
	ram = temp_dir_join("ram");
	ck_assert_int_eq(mkdir(store, 0700), 0);
	mount_ext4();
	engine_config = (struct uploads_config){.tombstone_time = INT64_C(3600000000)};
	open_engine();
}

static void teardown(void)
{
	engine_close();
	ck_assert_int_eq(umount(store), 0);
	ck_assert_int_eq(umount(ram), 0);
	free(store);
	free(ram);
	temp_dir_teardown();
}

static void take_tmpfs_instead(void)
{
	engine_close();
	ck_assert_int_eq(umount(store), 0);
	mount_tmpfs(store, "size=32m");
	open_engine();
}

static char *in_store(const char *name)
{
	char *path;

	ck_assert_int_ge(asprintf(&path, "%s/%s", store, name), 0);
	return path;
}

/* Takes all the room that is left, to the last block, as another program would. */
static void fill_disk(void)
{
	SCOPED(scoped_free) char *path = in_store("filler");
	SCOPED(scoped_close) int fd = -1;
	static const char block[CHUNK];
	size_t size = sizeof(block);

	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	while (size)
		if (write(fd, block, size) < 0 || fsync(fd) < 0)
			size /= 2;
}

static void empty_disk(void)
{
	SCOPED(scoped_free) char *path = in_store("filler");

	ck_assert_int_eq(unlink(path), 0);
}

static uint64_t free_bytes(void)
{
	struct statvfs space;

	ck_assert_int_eq(uploads_space(engine, &space), 0);
	return (uint64_t)space.f_bavail * space.f_frsize;
}

/* An upload of unknown length, so that only the disk ends it. */
static struct file create_endless(void)
{
	struct upload_request request = {.kind = FILE_PLAIN};
	struct file file;

	ck_assert_int_eq(uploads_create(engine, &request, &file), 0);
	return file;
}

/* Appends until the disk is full; what the last call said. */
static int append_until_full(const struct file *file)
{
	SCOPED(scoped_upload_writer_free) struct upload_writer *writer = NULL;
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(CHUNK, 1);
	struct upload_append append = {.offset = file->offset};
	int r = upload_writer_open(engine, file->id, &append, &writer);

	for (uint64_t sent = 0; !r && sent < LARGE; sent += CHUNK)
		r = upload_writer_put(writer, bytes, CHUNK);
	return r;
}

static int try_create(uint64_t length, struct file *file)
{
	struct upload_request request = {
		.kind = FILE_PLAIN, .length_known = true, .length = length};

	return uploads_create(engine, &request, file);
}

/* Everything else works on the full disk, and gives room back. */
static void expect_life_on_a_full_disk(void)
{
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(3000000, 2);
	struct file done = engine_upload(FILE_PLAIN, "done", bytes, 3000000), file;
	struct file small = engine_upload(FILE_PLAIN, "small", "text", 4);
	struct file endless = create_endless();
	uint64_t left;

	fill_disk();
	ck_assert_uint_eq(free_bytes(), 0);
	ck_assert_int_eq(append_until_full(&endless), REFUSED_NO_SPACE);
	ck_assert_int_eq(try_create(0, &file), REFUSED_NO_SPACE);
	engine_expect(done.num, bytes, 3000000);
	engine_expect(small.num, "text", 4);
	ck_assert_int_eq(uploads_settle(engine, endless.id, &file), 0);
	file_release(&file);
	ck_assert_int_eq(uploads_terminate(engine, small.id), 0);
	ck_assert_int_eq(uploads_unlink(engine, done.num, &file, &left), 0);
	file_release(&file);
	invariants_hold(store);
	ck_assert_int_eq(uploads_clean(engine), 0);
	ck_assert_uint_ge(free_bytes(), 2000000);
	ck_assert_int_eq(try_create(100000, &file), 0);
	engine_append(file.id, 0, bytes, 100000);
	engine_expect(file.num, bytes, 100000);
	file_release(&file);
	file_release(&done);
	file_release(&small);
	file_release(&endless);
	invariants_hold(store);
}

START_TEST(all_but_new_bytes_works_on_a_full_ext4)
{
	expect_life_on_a_full_disk();
}
END_TEST

START_TEST(all_but_new_bytes_works_on_a_full_tmpfs)
{
	take_tmpfs_instead();
	expect_life_on_a_full_disk();
}
END_TEST

START_TEST(what_fits_is_kept_and_the_rest_comes_when_there_is_room)
{
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(CHUNK, 1);
	struct file file = create_endless(), kept;

	ck_assert_int_eq(append_until_full(&file), -ENOSPC);
	kept = engine_find(file.id);
	ck_assert_uint_gt(kept.offset, UINT64_C(4) << 20);
	invariants_hold(store);
	file_release(&file);
	/* it filled the disk itself, so that only its own end gives room back */
	ck_assert_int_eq(uploads_terminate(engine, kept.id), 0);
	ck_assert_int_eq(uploads_clean(engine), 0);
	file_release(&kept);
	file = create_endless();
	engine_append(file.id, 0, bytes, CHUNK);
	fill_disk();
	ck_assert_int_eq(append_until_full(&file), REFUSED_OFFSET);
	file.offset = CHUNK;
	ck_assert_int_eq(append_until_full(&file), REFUSED_NO_SPACE);
	empty_disk();
	engine_append(file.id, CHUNK, bytes, CHUNK);
	file_release(&file);
}
END_TEST

/* Nothing is checkpointed in between but what a commit does by itself. */
static void expect_many_removals(void)
{
	struct file files[MANY], other = create_endless();

	for (int i = 0; i < MANY; i++)
		files[i] = engine_upload(FILE_PLAIN, "x", "some text", 9);
	fill_disk();
	ck_assert_int_eq(append_until_full(&other), REFUSED_NO_SPACE);
	for (int i = 0; i < MANY; i++) {
		ck_assert_int_eq(uploads_terminate(engine, files[i].id), 0);
		file_release(&files[i]);
	}
	file_release(&other);
	invariants_hold(store);
}

START_TEST(hundreds_of_uploads_are_removed_from_a_full_ext4)
{
	expect_many_removals();
}
END_TEST

START_TEST(hundreds_of_uploads_are_removed_from_a_full_tmpfs)
{
	take_tmpfs_instead();
	expect_many_removals();
}
END_TEST

/* The log has 2 MB that are new to the catalog when somebody else takes the rest. */
START_TEST(a_disk_that_fills_between_two_checkpoints_is_survived)
{
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(16000, 3);
	struct file files[MANY / 3];

	for (int i = 0; i < MANY / 3; i++)
		files[i] = engine_upload(FILE_PLAIN, "x", bytes, 16000);
	fill_disk();
	ck_assert_int_eq(uploads_clean(engine), 0);
	for (int i = 0; i < MANY / 3; i++) {
		engine_expect(files[i].num, bytes, 16000);
		ck_assert_int_eq(uploads_terminate(engine, files[i].id), 0);
		file_release(&files[i]);
	}
	invariants_hold(store);
}
END_TEST

static void expect_start(void)
{
	struct file file = engine_upload(FILE_PLAIN, "x", "some text", 9);

	fill_disk();
	engine_close();
	fill_disk();
	open_engine();
	engine_expect(file.num, "some text", 9);
	ck_assert_int_eq(uploads_terminate(engine, file.id), 0);
	file_release(&file);
	invariants_hold(store);
}

START_TEST(a_store_on_a_full_ext4_is_opened_and_uploads_are_removed)
{
	expect_start();
}
END_TEST

START_TEST(a_store_on_a_full_tmpfs_is_opened_and_uploads_are_removed)
{
	take_tmpfs_instead();
	expect_start();
}
END_TEST

START_TEST(reserved_room_cannot_be_taken_by_others)
{
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(4000000, 3);
	struct upload_append append = {.size_known = true, .size = LARGE};
	struct upload_writer *writer;
	struct file file, huge;

	engine_config.reserve = true;
	engine_close();
	open_engine();
	file = engine_create(FILE_PLAIN, "x", 4000000);
	engine_append(file.id, 0, bytes, 100000);
	fill_disk();
	engine_append(file.id, 100000, bytes + 100000, 3900000);
	engine_expect(file.num, bytes, 4000000);
	empty_disk();
	huge = create_endless();
	append.declares_length = true;
	append.length = LARGE;
	ck_assert_int_eq(upload_writer_open(engine, huge.id, &append, &writer),
			 REFUSED_NO_SPACE);
	file_release(&file);
	file_release(&huge);
	invariants_hold(store);
}
END_TEST

START_TEST(reserved_room_comes_back_with_the_end_of_its_upload)
{
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(100000, 3);
	struct file file;
	uint64_t before;

	engine_config.reserve = true;
	engine_close();
	open_engine();
	file = engine_create(FILE_PLAIN, "x", 8000000);
	before = free_bytes();
	engine_append(file.id, 0, bytes, 100000);
	ck_assert_uint_lt(free_bytes(), before - 7000000);
	engine_close(); /* also over a restart, as every start cuts something */
	open_engine();
	ck_assert_uint_lt(free_bytes(), before - 7000000);
	ck_assert_int_eq(uploads_terminate(engine, file.id), 0);
	ck_assert_int_eq(uploads_clean(engine), 0);
	ck_assert_uint_gt(free_bytes(), before - 1000000);
	file_release(&file);
}
END_TEST

START_TEST(a_body_that_is_dropped_leaves_the_room_set_aside)
{
	SCOPED(scoped_upload_writer_free) struct upload_writer *writer = NULL;
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(4000000, 3);
	struct checksum wrong = {.algorithm = DIGEST_SHA1};
	struct upload_append append = {.checked = true, .algorithm = DIGEST_SHA1};
	struct file file, after;

	engine_config.reserve = true;
	engine_close();
	open_engine();
	file = engine_create(FILE_PLAIN, "x", 4000000);
	ck_assert_int_eq(upload_writer_open(engine, file.id, &append, &writer), 0);
	ck_assert_int_eq(upload_writer_put(writer, bytes, 4000000), 0);
	ck_assert_int_eq(upload_writer_commit(writer, &wrong, &after),
			 REFUSED_CHECKSUM);
	fill_disk();
	engine_append(file.id, 0, bytes, 4000000);
	engine_expect(file.num, bytes, 4000000);
	file_release(&file);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		all_but_new_bytes_works_on_a_full_ext4,
		all_but_new_bytes_works_on_a_full_tmpfs,
		what_fits_is_kept_and_the_rest_comes_when_there_is_room,
		hundreds_of_uploads_are_removed_from_a_full_ext4,
		hundreds_of_uploads_are_removed_from_a_full_tmpfs,
		a_disk_that_fills_between_two_checkpoints_is_survived,
		a_store_on_a_full_ext4_is_opened_and_uploads_are_removed,
		a_store_on_a_full_tmpfs_is_opened_and_uploads_are_removed,
		reserved_room_cannot_be_taken_by_others,
		reserved_room_comes_back_with_the_end_of_its_upload,
		a_body_that_is_dropped_leaves_the_room_set_aside,
	};

	if (geteuid() != 0 || system("command -v mkfs.ext4 >/dev/null") != 0 ||
	    access("/dev/loop-control", R_OK) != 0) {
		puts("skipped: needs root, loop devices and mkfs.ext4");
		return 77;
	}
	return RUN_TESTS(tests, setup, teardown);
}
