/* A store is damaged in every way that fsck.tusfs knows: it tells, without changing
 * anything; it mends; and what was whole is served afterwards. */
#include "tusfs/check.h"
#include "tusfs/clock.h"
#include "tusfs/digest.h"

#include "engine.h"
#include "invariants.h"
#include "run.h"
#include "temp_dir.h"

#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE 100000

/* What fill() makes: uploads of all kinds. */
static struct {
	uint8_t *bytes; /* of each that is not small */
	struct file whole, small, arriving, part, final, foldered;
} made;

static void fill(void)
{
	struct upload_request request = {
		.kind = FILE_PLAIN,
		.length_known = true,
		.length = 5,
		.metadata = "filename Zm9sZGVyZWQ=,relativePath YS9iL2ZvbGRlcmVk",
		.body = "five!",
		.body_size = 5,
	};

	made.bytes = engine_noise(SIZE, 1);
	made.whole = engine_upload(FILE_PLAIN, "whole", made.bytes, SIZE);
	made.small = engine_upload(FILE_PLAIN, "small", "small", 5);
	made.arriving = engine_create(FILE_PLAIN, "arriving", SIZE);
	engine_append(made.arriving.id, 0, made.bytes, 60000);
	made.part = engine_upload(FILE_PARTIAL, NULL, made.bytes, SIZE);
	made.final = engine_concatenate("final", &made.part.id, 1);
	ck_assert_int_eq(uploads_create(engine, &request, &made.foldered), 0);
	ck_assert_int_eq(uploads_set_attribute(engine, made.whole.num, "a", "b", 1, 0),
			 0);
	engine_close();
}

static void setup(void)
{
	engine_setup();
	fill();
}

static void teardown(void)
{
	free(made.bytes);
	file_release(&made.whole);
	file_release(&made.small);
	file_release(&made.arriving);
	file_release(&made.part);
	file_release(&made.final);
	file_release(&made.foldered);
	engine_teardown();
}

/* ---- damage ---- */

static void run_sql(const char *sql)
{
	SCOPED(scoped_free) char *path = temp_dir_join("catalog.db");
	char *problem = NULL;
	sqlite3 *db;

	ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
	ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, &problem) == SQLITE_OK, "%s",
		      problem);
	ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

PRINTF_LIKE(1, 2) static void damage_rows(const char *format, ...)
{
	char sql[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(sql, sizeof(sql), format, args);
	va_end(args);
	run_sql(sql);
}

static char *blob_path(uint64_t num)
{
	char name[64];

	snprintf(name, sizeof(name), "blobs/%02x/%016" PRIx64,
		 (unsigned int)(num & 0xff), num);
	return temp_dir_join(name);
}

static void remove_blob(uint64_t num)
{
	SCOPED(scoped_free) char *path = blob_path(num);

	ck_assert_int_eq(unlink(path), 0);
}

static void resize_blob(uint64_t num, off_t size)
{
	SCOPED(scoped_free) char *path = blob_path(num);

	ck_assert_int_eq(truncate(path, size), 0);
}

static void write_file(const char *name, off_t offset, const void *bytes, size_t size)
{
	SCOPED(scoped_free) char *path = temp_dir_join(name);
	SCOPED(scoped_close) int fd = open(path, O_WRONLY | O_CREAT, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, bytes, size, offset), (ssize_t)size);
}

static void remove_catalog(void)
{
	SCOPED(scoped_free) char *path = temp_dir_join("catalog.db");
	SCOPED(scoped_free) char *log = temp_dir_join("catalog.db-wal");

	ck_assert_int_eq(unlink(path), 0);
	unlink(log);
}

/* ---- checks ---- */

static uint64_t sum_of_files; /* of names, sizes, times and bytes */

static void add_to_sum(const void *bytes, size_t size)
{
	uint8_t digest[DIGEST_MAX_BYTES];
	uint64_t part;

	ck_assert_int_eq(digest_once(DIGEST_SHA256, bytes, size, digest), 0);
	memcpy(&part, digest, sizeof(part));
	sum_of_files = sum_of_files * 31 + part;
}

static int add_file(const char *path, const struct stat *found, int type,
		    struct FTW *walk)
{
	SCOPED(scoped_close) int fd = -1;
	SCOPED(scoped_free) char *bytes = NULL;

	(void)walk;
	add_to_sum(path, strlen(path));
	add_to_sum(&found->st_mtim, sizeof(found->st_mtim));
	if (type != FTW_F)
		return 0;
	fd = open(path, O_RDONLY);
	bytes = malloc((size_t)found->st_size + 1);
	ck_assert_int_eq(read(fd, bytes, (size_t)found->st_size), found->st_size);
	add_to_sum(bytes, (size_t)found->st_size);
	return 0;
}

static uint64_t sum_files(void)
{
	sum_of_files = 0;
	ck_assert_int_eq(nftw(temp_dir_path(), add_file, 8, FTW_PHYS), 0);
	return sum_of_files;
}

/* Checks; the caller frees the lines. */
static char *check(bool mend, struct check_result *result)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	ck_assert_ptr_nonnull(out);
	ck_assert_int_eq(check_store(temp_dir_path(), mend, out, result), 0);
	fclose(out);
	return text;
}

/* A look finds something of which `line` tells, and changes nothing. */
static void expect_found(const char *line)
{
	uint64_t before = sum_files();
	struct check_result result;
	SCOPED(scoped_free) char *text = check(false, &result);

	ck_assert_uint_gt(result.found, 0);
	ck_assert_uint_eq(result.left, result.found);
	ck_assert_msg(strstr(text, line) != NULL, "nothing of '%s' in:\n%s", line,
		      text);
	ck_assert(sum_files() == before);
}

static void expect_clean(bool mend)
{
	struct check_result result;
	SCOPED(scoped_free) char *text = check(mend, &result);

	ck_assert_msg(result.found == 0, "%s", text);
}

/* A repair mends all; the next one finds nothing; the engine is open afterwards. */
static void expect_mended(void)
{
	struct check_result result;
	SCOPED(scoped_free) char *text = check(true, &result);

	ck_assert_uint_gt(result.found, 0);
	ck_assert_msg(result.left == 0, "%s", text);
	expect_clean(false);
	expect_clean(true);
	engine_open();
	invariants_hold(temp_dir_path());
}

static void expect_upload(const struct file *file, const void *bytes, size_t size)
{
	struct file now = engine_find(file->id);

	ck_assert_uint_eq(now.offset, size);
	ck_assert_str_eq(now.name.text, file->name.text);
	file_release(&now);
	engine_expect(file->num, bytes, size);
}

/* All that fill() made but for those named. */
static void expect_others(const struct file *one, const struct file *two)
{
	const struct {
		const struct file *file;
		const void *bytes;
		size_t size;
	} all[] = {
		{&made.whole, made.bytes, SIZE},     {&made.small, "small", 5},
		{&made.arriving, made.bytes, 60000}, {&made.part, made.bytes, SIZE},
		{&made.final, made.bytes, SIZE},     {&made.foldered, "five!", 5},
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i].file != one && all[i].file != two)
			expect_upload(all[i].file, all[i].bytes, all[i].size);
}

/* The num of a file in complete/lost+found, by the number of its blob. */
static uint64_t find_lost(uint64_t blob)
{
	struct file folder, file;
	uint64_t num;
	char name[32];

	ck_assert_int_eq(uploads_lookup(engine, FILE_NUM_TREE, "lost+found", &folder),
			 0);
	snprintf(name, sizeof(name), "%016" PRIx64, blob);
	ck_assert_int_eq(uploads_lookup(engine, folder.num, name, &file), 0);
	ck_assert(file_is_complete(&file) && file.shown);
	num = file.num;
	file_release(&folder);
	file_release(&file);
	return num;
}

/* ---- the tests ---- */

START_TEST(a_whole_store_is_clean_and_stays_as_it_is)
{
	uint64_t before = sum_files();

	expect_clean(false);
	ck_assert(sum_files() == before);
	expect_clean(true);
	engine_open();
	expect_others(NULL, NULL);
}
END_TEST

START_TEST(an_open_store_and_what_is_no_store_are_refused)
{
	struct check_result result;

	engine_open();
	ck_assert_int_eq(check_store(temp_dir_path(), false, stdout, &result),
			 REFUSED_BUSY);
	ck_assert_int_eq(check_store(temp_dir_path(), true, stdout, &result),
			 REFUSED_BUSY);
	ck_assert_int_eq(check_store("/nonexistent", false, stdout, &result),
			 REFUSED_NOT_FOUND);
}
END_TEST

static void upload_more(void *unused)
{
	struct file more = engine_upload(FILE_PLAIN, "more", made.bytes, SIZE);

	file_release(&more);
}

START_TEST(the_log_of_a_crash_is_read_and_not_written)
{
	struct file more;

	engine_die(upload_more, NULL);
	expect_found("did not end in order");
	expect_mended();
	ck_assert_int_eq(uploads_lookup(engine, FILE_NUM_TREE, "more", &more), 0);
	engine_expect(more.num, made.bytes, SIZE);
	file_release(&more);
	expect_others(NULL, NULL);
}
END_TEST

START_TEST(a_store_without_any_blob_is_left_alone)
{
	SCOPED(scoped_free) char *blobs = temp_dir_join("blobs");
	SCOPED(scoped_free) char *elsewhere = temp_dir_join("elsewhere");
	struct check_result result;

	ck_assert_int_eq(rename(blobs, elsewhere), 0);
	ck_assert_int_eq(mkdir(blobs, 0700), 0);
	ck_assert_int_eq(check_store(temp_dir_path(), true, stdout, &result),
			 REFUSED_GONE);
	ck_assert_int_eq(rmdir(blobs), 0);
	ck_assert_int_eq(rename(elsewhere, blobs), 0);
	engine_open();
	expect_others(NULL, NULL);
}
END_TEST

START_TEST(what_is_kept_after_a_crash_expires_when_it_would_have)
{
	struct upload_append append = {.offset = 10000};
	struct file before, after;

	engine_config.expire_after = 100 * CLOCK_SECOND;
	engine_open();
	before = engine_create(FILE_PLAIN, "expires", SIZE);
	engine_append(before.id, 0, made.bytes, 10000);
	file_release(&before);
	ck_assert_int_eq(uploads_lookup(engine, FILE_NUM_TREE, "expires", &before), 0);
	engine_die_appending(before.id, &append, made.bytes + 10000, 70000);
	expect_found("did not end in order");
	expect_mended();
	after = engine_find(before.id);
	ck_assert_uint_eq(after.offset, 80000);
	ck_assert_int_eq(after.expires, before.expires);
	file_release(&before);
	file_release(&after);
}
END_TEST

START_TEST(a_part_that_is_complete_after_a_crash_still_expires)
{
	struct upload_append append = {.offset = 10000};
	struct file before, after;

	engine_config.expire_after = 100 * CLOCK_SECOND;
	engine_open();
	before = engine_create(FILE_PARTIAL, NULL, SIZE);
	engine_append(before.id, 0, made.bytes, 10000);
	engine_die_appending(before.id, &append, made.bytes + 10000, SIZE - 10000);
	expect_found("did not end in order");
	expect_mended();
	after = engine_find(before.id);
	ck_assert(file_is_complete(&after));
	ck_assert_int_ge(after.expires, before.expires);
	file_release(&before);
	file_release(&after);
}
END_TEST

START_TEST(a_final_whose_unfinished_part_is_gone_expires)
{
	struct file part, final, found;

	engine_config.expire_after = 0;
	engine_open();
	part = engine_create(FILE_PARTIAL, NULL, SIZE);
	final = engine_concatenate("waits", &part.id, 1);
	ck_assert_int_eq(uploads_terminate(engine, part.id), 0);
	engine_close();
	run_sql("UPDATE file SET expires = 0 WHERE name = 'waits'");
	expect_found("\"waits\" is a concatenation that waits for ever");
	expect_mended();
	ck_assert_int_eq(uploads_expire(engine), 0);
	ck_assert_int_eq(uploads_find(engine, final.id, &found), REFUSED_GONE);
	expect_others(NULL, NULL);
	file_release(&part);
	file_release(&final);
}
END_TEST

START_TEST(an_upload_without_its_blob_is_dropped)
{
	remove_blob(made.whole.num);
	expect_found("\"whole\" has lost its blob");
	expect_mended();
	engine_expect_gone(made.whole.id);
	expect_others(&made.whole, NULL);
}
END_TEST

START_TEST(what_is_left_of_a_short_blob_is_kept_in_lost_and_found)
{
	resize_blob(made.whole.num, 70000);
	expect_found("\"whole\" is complete, and its blob is too short");
	expect_mended();
	engine_expect_gone(made.whole.id);
	engine_expect(find_lost(made.whole.num), made.bytes, 70000);
	expect_others(&made.whole, NULL);
}
END_TEST

START_TEST(an_unfinished_upload_goes_back_to_what_is_there)
{
	resize_blob(made.arriving.num, 40000);
	expect_found("\"arriving\" has fewer bytes in its blob");
	expect_mended();
	engine_expect_offset(made.arriving.id, 40000);
	engine_append(made.arriving.id, 40000, made.bytes + 40000, SIZE - 40000);
	engine_expect(made.arriving.num, made.bytes, SIZE);
	expect_others(&made.arriving, NULL);
}
END_TEST

static void expect_new_beginning(void)
{
	engine_expect_offset(made.arriving.id, 0);
	engine_append(made.arriving.id, 0, made.bytes, SIZE);
	engine_expect(made.arriving.num, made.bytes, SIZE);
	expect_others(&made.arriving, NULL);
}

START_TEST(an_unfinished_upload_without_its_blob_begins_again)
{
	remove_blob(made.arriving.num);
	expect_found("\"arriving\" has to begin anew");
	expect_mended();
	expect_new_beginning();
}
END_TEST

START_TEST(an_unfinished_upload_that_is_marked_as_damaged_begins_again)
{
	damage_rows("UPDATE file SET broken = 1 WHERE num = %" PRIu64,
		    made.arriving.num);
	expect_found("\"arriving\" is marked as damaged");
	expect_mended();
	expect_new_beginning();
}
END_TEST

START_TEST(a_final_that_lost_a_part_is_dropped_with_it)
{
	resize_blob(made.part.num, 1000);
	expect_found("\"final\" is a concatenation that has lost a part");
	expect_mended();
	engine_expect_gone(made.part.id);
	engine_expect_gone(made.final.id);
	expect_others(&made.part, &made.final);
}
END_TEST

START_TEST(a_final_whose_parts_do_not_add_up_is_dropped)
{
	damage_rows("UPDATE segment SET length = length - 1 WHERE file = %" PRIu64,
		    made.final.num);
	expect_found("whose parts do not add up");
	expect_mended();
	engine_expect_gone(made.final.id);
	expect_others(&made.final, NULL);
}
END_TEST

START_TEST(a_blob_without_a_row_is_adopted)
{
	damage_rows("DELETE FROM file WHERE num = %" PRIu64, made.whole.num);
	expect_found("belongs to nothing");
	expect_mended();
	engine_expect(find_lost(made.whole.num), made.bytes, SIZE);
	ck_assert_uint_eq(find_lost(made.whole.num), made.whole.num);
	expect_others(&made.whole, NULL);
}
END_TEST

/* And its file goes with the next pass of the janitor. */
static void expect_no_blob(uint64_t num)
{
	SCOPED(scoped_free) char *path = blob_path(num);

	ck_assert_int_eq(uploads_clean(engine), 0);
	ck_assert_int_lt(access(path, F_OK), 0);
}

START_TEST(an_empty_blob_without_a_row_is_removed)
{
	damage_rows("DELETE FROM file WHERE num = %" PRIu64, made.whole.num);
	resize_blob(made.whole.num, 0);
	expect_found("belongs to nothing, and is empty");
	expect_mended();
	expect_no_blob(made.whole.num);
	expect_others(&made.whole, NULL);
}
END_TEST

START_TEST(what_a_compaction_left_is_removed)
{
	char place[64];

	snprintf(place, sizeof(place), "blobs/%02x/%016" PRIx64,
		 (unsigned int)(made.final.num & 0xff), made.final.num);
	write_file(place, 0, made.bytes, SIZE / 2);
	expect_found("is left of a compaction");
	expect_mended();
	expect_no_blob(made.final.num);
	expect_others(NULL, NULL);
}
END_TEST

START_TEST(a_blob_whose_number_is_another_file_is_moved_aside)
{
	SCOPED(scoped_free) char *aside = NULL;
	char place[64];

	snprintf(place, sizeof(place), "not-blobs/%02x-%016" PRIx64 ".1",
		 (unsigned int)(made.small.num & 0xff), made.small.num);
	aside = temp_dir_join(place);
	snprintf(place, sizeof(place), "blobs/%02x/%016" PRIx64,
		 (unsigned int)(made.small.num & 0xff), made.small.num);
	write_file(place, 0, "a stray blob", 12);
	expect_found("its number to something else");
	expect_mended();
	ck_assert_int_eq(access(aside, F_OK), 0);
	expect_others(NULL, NULL);
}
END_TEST

/* As in a backup, whose catalog is older than its blobs. */
START_TEST(a_blob_with_a_number_not_given_out_yet_is_adopted)
{
	uint64_t num = made.foldered.num + 1;
	char place[64];

	snprintf(place, sizeof(place), "blobs/%02x/%016" PRIx64,
		 (unsigned int)(num & 0xff), num);
	write_file(place, 0, "ahead", 5);
	expect_found("is a number that would be given out again");
	expect_mended();
	engine_expect(find_lost(num), "ahead", 5);
	expect_others(NULL, NULL);
}
END_TEST

START_TEST(small_bytes_without_a_row_are_adopted)
{
	damage_rows("DELETE FROM file WHERE num = %" PRIu64, made.small.num);
	expect_found("bytes in the catalog that belong to nothing");
	expect_mended();
	engine_expect(find_lost(made.small.num), "small", 5);
	expect_others(&made.small, NULL);
}
END_TEST

START_TEST(a_small_upload_with_too_few_bytes_is_dropped)
{
	damage_rows("UPDATE body SET bytes = x'6162' WHERE num = %" PRIu64,
		    made.small.num);
	expect_found("\"small\" is complete, and its bytes in the catalog are not");
	expect_mended();
	engine_expect_gone(made.small.id);
	engine_expect(find_lost(made.small.num), "ab", 2);
}
END_TEST

START_TEST(a_blob_that_is_too_long_is_cut)
{
	resize_blob(made.whole.num, SIZE + 5000);
	expect_found("is longer than its upload");
	expect_mended();
	expect_others(NULL, NULL);
}
END_TEST

START_TEST(what_is_no_blob_is_moved_out_of_the_way)
{
	SCOPED(scoped_free) char *aside = temp_dir_join("not-blobs/10-notes.txt.1");

	write_file("blobs/10/notes.txt", 0, "x", 1);
	write_file("blobs/0000000000000099", 0, "x", 1);
	expect_found("blobs/\"10/notes.txt\" is no blob");
	expect_mended();
	ck_assert_int_eq(access(aside, F_OK), 0);
	expect_others(NULL, NULL);
}
END_TEST

START_TEST(a_file_in_no_folder_is_moved_to_lost_and_found)
{
	struct file folder, file;

	damage_rows("DELETE FROM file WHERE num = %" PRIu64, made.foldered.parent);
	expect_found("\"foldered\" is in no folder");
	expect_mended();
	ck_assert_int_eq(uploads_lookup(engine, FILE_NUM_TREE, "lost+found", &folder),
			 0);
	ck_assert_int_eq(uploads_lookup(engine, folder.num, "foldered", &file), 0);
	file_release(&folder);
	file_release(&file);
	expect_others(NULL, NULL);
}
END_TEST

START_TEST(folders_that_lie_in_each_other_are_taken_apart)
{
	damage_rows("UPDATE file SET parent = %" PRIu64
		    " WHERE kind = 0 AND num >= 16 AND name = 'a'",
		    made.foldered.parent);
	expect_found("is a folder that lies in itself");
	expect_mended();
	expect_others(NULL, NULL);
}
END_TEST

START_TEST(states_counts_and_roots_that_are_wrong_are_put_right)
{
	damage_rows("UPDATE file SET shown = 0 WHERE num = %" PRIu64
		    ";"
		    "UPDATE file SET arriving = 7 WHERE num = %" PRIu64
		    ";"
		    "DELETE FROM file WHERE num = 3;"
		    "UPDATE file SET broken = 1 WHERE name = 'final';"
		    "INSERT INTO attribute VALUES (999, 'x', x'00');"
		    "INSERT INTO trash SELECT num FROM file WHERE name = 'whole';"
		    "UPDATE sqlite_sequence SET seq = 15 WHERE name = 'file'",
		    made.whole.num, made.foldered.parent);
	expect_found("listed to be removed");
	run_sql("DELETE FROM trash"); /* or the daemon's start removes it */
	expect_mended();
	expect_others(NULL, NULL);
}
END_TEST

START_TEST(a_missing_catalog_is_made_anew_from_the_blobs)
{
	remove_catalog();
	ck_assert_int_eq(uploads_open(temp_dir_path(), &engine_config, &engine),
			 REFUSED_GONE);
	expect_found("the catalog is missing");
	expect_mended();
	engine_expect(find_lost(made.whole.num), made.bytes, SIZE);
	engine_expect(find_lost(made.arriving.num), made.bytes, 60000);
	engine_expect(find_lost(made.part.num), made.bytes, SIZE);
}
END_TEST

START_TEST(a_catalog_missing_from_blobs_alone_is_refused_and_made_anew)
{
	SCOPED(scoped_free) char *journal = temp_dir_join("writers");

	remove_catalog();
	ck_assert_int_eq(unlink(journal), 0);
	ck_assert_int_eq(uploads_open(temp_dir_path(), &engine_config, &engine),
			 REFUSED_GONE);
	expect_found("the catalog is missing");
	expect_mended();
	engine_expect(find_lost(made.whole.num), made.bytes, SIZE);
}
END_TEST

START_TEST(a_log_without_its_catalog_is_kept)
{
	SCOPED(scoped_free) uint8_t *noise = engine_noise(4096, 9);
	SCOPED(scoped_free) char *kept = temp_dir_join("catalog.db-wal.damaged-1");
	struct stat found;

	remove_catalog();
	write_file("catalog.db-wal", 0, noise, 4096);
	expect_found("the catalog is missing");
	expect_mended();
	ck_assert_int_eq(stat(kept, &found), 0);
	ck_assert_int_eq(found.st_size, 4096);
	engine_expect(find_lost(made.whole.num), made.bytes, SIZE);
}
END_TEST

START_TEST(a_catalog_whose_first_page_is_garbage_is_replaced)
{
	SCOPED(scoped_free) uint8_t *noise = engine_noise(4096, 9);
	SCOPED(scoped_free) char *kept = temp_dir_join("catalog.db.damaged-1");

	write_file("catalog.db", 0, noise, 4096);
	expect_found("the catalog is damaged");
	expect_mended();
	ck_assert_int_eq(access(kept, F_OK), 0);
	engine_expect(find_lost(made.whole.num), made.bytes, SIZE);
}
END_TEST

START_TEST(what_can_be_read_of_a_damaged_catalog_is_kept)
{
	SCOPED(scoped_free) uint8_t *noise = engine_noise(4096, 9);
	SCOPED(scoped_free) char *path = temp_dir_join("catalog.db");
	struct stat found;
	uint64_t kept = 0;

	engine_open();
	for (int i = 0; i < 300; i++) {
		struct file more = engine_upload(FILE_PLAIN, "more", "x", 1);

		file_release(&more);
	}
	engine_close();
	ck_assert_int_eq(stat(path, &found), 0);
	/* every sixth page, but for the first ones, in which the tables begin */
	for (off_t page = 24; page < found.st_size / 4096; page += 6)
		write_file("catalog.db", page * 4096, noise, 4096);
	expect_found("the catalog is damaged");
	expect_mended();
	for (uint64_t num = 16; num < 340; num++) {
		struct file file;

		if (uploads_stat(engine, num, &file))
			continue;
		kept += file.name.text[0] == 'm';
		file_release(&file);
	}
	ck_assert_uint_gt(kept, 100);
}
END_TEST

START_TEST(a_repair_that_was_interrupted_is_ended)
{
	SCOPED(scoped_free) char *from = temp_dir_join("catalog.db");
	SCOPED(scoped_free) char *to = temp_dir_join("catalog.db.mended");

	ck_assert_int_eq(rename(from, to), 0);
	write_file("catalog.db", 0, "old", 3);
	ck_assert_int_eq(uploads_open(temp_dir_path(), &engine_config, &engine),
			 REFUSED_GONE);
	expect_found("did not come to its end");
	expect_mended();
	expect_others(NULL, NULL);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		a_whole_store_is_clean_and_stays_as_it_is,
		an_open_store_and_what_is_no_store_are_refused,
		the_log_of_a_crash_is_read_and_not_written,
		a_store_without_any_blob_is_left_alone,
		what_is_kept_after_a_crash_expires_when_it_would_have,
		a_part_that_is_complete_after_a_crash_still_expires,
		a_final_whose_unfinished_part_is_gone_expires,
		an_upload_without_its_blob_is_dropped,
		what_is_left_of_a_short_blob_is_kept_in_lost_and_found,
		an_unfinished_upload_goes_back_to_what_is_there,
		an_unfinished_upload_without_its_blob_begins_again,
		an_unfinished_upload_that_is_marked_as_damaged_begins_again,
		a_final_that_lost_a_part_is_dropped_with_it,
		a_final_whose_parts_do_not_add_up_is_dropped,
		a_blob_without_a_row_is_adopted,
		an_empty_blob_without_a_row_is_removed,
		what_a_compaction_left_is_removed,
		a_blob_whose_number_is_another_file_is_moved_aside,
		a_blob_with_a_number_not_given_out_yet_is_adopted,
		small_bytes_without_a_row_are_adopted,
		a_small_upload_with_too_few_bytes_is_dropped,
		a_blob_that_is_too_long_is_cut,
		what_is_no_blob_is_moved_out_of_the_way,
		a_file_in_no_folder_is_moved_to_lost_and_found,
		folders_that_lie_in_each_other_are_taken_apart,
		states_counts_and_roots_that_are_wrong_are_put_right,
		a_missing_catalog_is_made_anew_from_the_blobs,
		a_catalog_missing_from_blobs_alone_is_refused_and_made_anew,
		a_log_without_its_catalog_is_kept,
		a_catalog_whose_first_page_is_garbage_is_replaced,
		what_can_be_read_of_a_damaged_catalog_is_kept,
		a_repair_that_was_interrupted_is_ended,
	};

	return RUN_TESTS(tests, setup, teardown);
}
