/* Checksums of one append and of the whole upload: what does not match was never there.
 */
#include "engine.h"
#include "run.h"

#include "tusfs/text.h"

#include <stdio.h>
#include <string.h>

static struct checksum checksum_of(enum digest_algorithm algorithm, const void *bytes,
				   size_t size)
{
	struct checksum checksum = {.algorithm = algorithm};
	struct digest *digest;

	ck_assert_int_eq(digest_new(algorithm, &digest), 0);
	digest_update(digest, bytes, size);
	digest_final(digest, checksum.bytes);
	digest_free(digest);
	return checksum;
}

/* Appends with a promise; the algorithm is told at the start, or only at the end. */
static int append(struct upload_id id, uint64_t offset, const void *bytes, size_t size,
		  const struct checksum *checksum, bool late)
{
	struct upload_append append = {
		.offset = offset,
		.checked = true,
		.algorithm = late || !checksum ? DIGEST_NONE : checksum->algorithm,
	};
	struct upload_writer *writer;
	struct file file = {0};
	int r;

	ck_assert_int_eq(upload_writer_open(engine, id, &append, &writer), 0);
	ck_assert_int_eq(upload_writer_put(writer, bytes, size), 0);
	r = upload_writer_commit(writer, checksum, &file);
	upload_writer_free(writer);
	file_release(&file);
	return r;
}

static void check_size(size_t half)
{
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(2 * half, 1);
	struct file file = engine_create(FILE_PLAIN, "x", 2 * half);
	struct checksum right = checksum_of(DIGEST_SHA1, bytes, half), wrong = right;
	struct checksum rest = checksum_of(DIGEST_CRC32, bytes + half, half);

	wrong.bytes[0] ^= 1;
	ck_assert_int_eq(append(file.id, 0, bytes, half, &wrong, false),
			 REFUSED_CHECKSUM);
	engine_expect_offset(file.id, 0);
	engine_expect(file.num, "", 0);
	ck_assert_int_eq(append(file.id, 0, bytes, half, &right, false), 0);
	engine_expect_offset(file.id, half);
	ck_assert_int_eq(append(file.id, half, bytes + half, half, &wrong, true),
			 REFUSED_CHECKSUM);
	ck_assert_int_eq(append(file.id, half, bytes + half, half, NULL, true),
			 REFUSED_INVALID);
	engine_expect_offset(file.id, half);
	engine_expect(file.num, bytes, half);
	ck_assert_int_eq(append(file.id, half, bytes + half, half, &rest, true), 0);
	engine_expect(file.num, bytes, 2 * half);
	file_release(&file);
}

START_TEST(bytes_that_do_not_match_are_gone_and_the_offset_is_as_before)
{
	check_size(100);
	check_size(100000);
}
END_TEST

START_TEST(a_checked_append_that_breaks_off_leaves_nothing)
{
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(300000, 2);
	struct upload_append append = {.checked = true, .algorithm = DIGEST_MD5};
	struct file file = engine_create(FILE_PLAIN, "x", 400000);
	struct upload_writer *writer;

	ck_assert_int_eq(upload_writer_open(engine, file.id, &append, &writer), 0);
	ck_assert_int_eq(upload_writer_put(writer, bytes, 300000), 0);
	engine_expect(file.num, "", 0);
	upload_writer_free(writer);
	engine_expect_offset(file.id, 0);
	file_release(&file);
}
END_TEST

static struct file create_promising(const struct checksum *checksum, const char *name,
				    uint64_t length)
{
	char value[256], text[512];
	int n = snprintf(value, sizeof(value), "%s:", name);
	struct upload_request request = {
		.kind = FILE_PLAIN,
		.length_known = true,
		.length = length,
		.metadata = text,
	};
	struct file file;

	text_to_hex(checksum->bytes, digest_size(checksum->algorithm), value + n);
	n = snprintf(text, sizeof(text), "checksum ");
	text_to_base64((const uint8_t *)value, strlen(value), text + n);
	ck_assert_int_eq(uploads_create(engine, &request, &file), 0);
	return file;
}

/* Without a checksum of its own. */
static int plain_append(struct upload_id id, uint64_t offset, const void *bytes,
			size_t size)
{
	struct upload_append append = {.offset = offset};
	struct upload_writer *writer;
	struct file file = {0};
	int r;

	ck_assert_int_eq(upload_writer_open(engine, id, &append, &writer), 0);
	ck_assert_int_eq(upload_writer_put(writer, bytes, size), 0);
	r = upload_writer_commit(writer, NULL, &file);
	upload_writer_free(writer);
	file_release(&file);
	return r;
}

static void check_whole(size_t size, bool restart)
{
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(size, 3);
	struct checksum whole = checksum_of(DIGEST_SHA256, bytes, size);
	struct file file = create_promising(&whole, "sha256", size), now;
	size_t third = size / 3;

	ck_assert_int_eq(plain_append(file.id, 0, bytes, third), 0);
	if (restart) {
		engine_close();
		engine_open();
	}
	bytes[size - 1] ^= 1;
	ck_assert_int_eq(plain_append(file.id, third, bytes + third, size - third),
			 REFUSED_CHECKSUM);
	engine_expect_offset(file.id, third);
	bytes[size - 1] ^= 1;
	ck_assert_int_eq(plain_append(file.id, third, bytes + third, third), 0);
	ck_assert_int_eq(
		plain_append(file.id, 2 * third, bytes + 2 * third, size - 2 * third),
		0);
	now = engine_find(file.id);
	ck_assert(file_is_complete(&now) && now.has_sha256);
	ck_assert(memcmp(now.sha256, whole.bytes, 32) == 0);
	engine_expect(file.num, bytes, size);
	file_release(&now);
	file_release(&file);
}

START_TEST(the_whole_files_checksum_decides_about_the_last_append)
{
	check_whole(99, false);
	check_whole(900000, false);
	check_whole(99, true);
	check_whole(900000, true);
}
END_TEST

/* A final of the parts whose metadata promises a checksum. */
static int concatenate(const struct upload_id *parts, size_t count,
		       const struct checksum *checksum, struct file *file)
{
	char value[256], text[512];
	int n = snprintf(value, sizeof(value), "sha256:");
	struct upload_request request = {
		.kind = FILE_FINAL,
		.metadata = text,
		.concat = "final;...",
		.parts = parts,
		.parts_count = count,
	};

	text_to_hex(checksum->bytes, digest_size(checksum->algorithm), value + n);
	n = snprintf(text, sizeof(text), "checksum ");
	text_to_base64((const uint8_t *)value, strlen(value), text + n);
	return uploads_create(engine, &request, file);
}

START_TEST(a_final_of_complete_parts_is_made_only_if_it_matches)
{
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(50003, 8);
	struct checksum whole = checksum_of(DIGEST_SHA256, bytes, 50003);
	struct file a = engine_upload(FILE_PARTIAL, NULL, bytes, 50000);
	struct file b = engine_upload(FILE_PARTIAL, NULL, bytes + 50000, 3), final;
	struct upload_id right[2] = {a.id, b.id}, wrong[2] = {b.id, a.id};

	ck_assert_int_eq(concatenate(wrong, 2, &whole, &final), REFUSED_CHECKSUM);
	ck_assert_int_eq(uploads_lookup(engine, FILE_NUM_TREE, "final", &final),
			 REFUSED_NOT_FOUND);
	ck_assert_int_eq(concatenate(right, 2, &whole, &final), 0);
	ck_assert(file_is_complete(&final) && final.has_sha256);
	engine_expect(final.num, bytes, 50003);
	file_release(&a);
	file_release(&b);
	file_release(&final);
}
END_TEST

static void complete_last(size_t size)
{
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(2 * size, 9);
	struct checksum whole = checksum_of(DIGEST_SHA256, bytes, 2 * size);
	struct file a = engine_create(FILE_PARTIAL, NULL, size);
	struct file b = engine_create(FILE_PARTIAL, NULL, size), final, now;
	struct upload_id parts[2] = {a.id, b.id};

	ck_assert_int_eq(concatenate(parts, 2, &whole, &final), 0);
	ck_assert_int_eq(plain_append(b.id, 0, bytes + size, size), 0);
	ck_assert_int_eq(plain_append(a.id, 0, bytes, 10), 0);
	bytes[size - 1] ^= 1;
	ck_assert_int_eq(plain_append(a.id, 10, bytes + 10, size - 10),
			 REFUSED_CHECKSUM);
	engine_expect_offset(a.id, 10);
	now = engine_find(final.id);
	ck_assert(!file_is_complete(&now));
	file_release(&now);
	bytes[size - 1] ^= 1;
	ck_assert_int_eq(plain_append(a.id, 10, bytes + 10, size - 10), 0);
	now = engine_find(final.id);
	ck_assert(file_is_complete(&now) && now.has_sha256);
	engine_expect(final.num, bytes, 2 * size);
	file_release(&now);
	file_release(&a);
	file_release(&b);
	file_release(&final);
}

START_TEST(the_part_that_would_complete_a_final_is_refused_if_that_does_not_match)
{
	complete_last(100);
	complete_last(70000);
}
END_TEST

START_TEST(the_sha256_runs_along_over_several_appends)
{
	SCOPED(scoped_free) uint8_t *bytes = engine_noise(300000, 10);
	struct checksum whole = checksum_of(DIGEST_SHA256, bytes, 300000);
	struct file file = engine_create(FILE_PLAIN, "x", 300000), now;

	engine_append(file.id, 0, bytes, 100000);
	engine_append(file.id, 100000, bytes + 100000, 150000);
	engine_append(file.id, 250000, bytes + 250000, 50000);
	now = engine_find(file.id);
	ck_assert(file_is_complete(&now) && now.has_sha256);
	ck_assert(memcmp(now.sha256, whole.bytes, 32) == 0);
	file_release(&now);
	file_release(&file);
}
END_TEST

START_TEST(a_body_at_creation_is_checked_too)
{
	struct checksum whole = checksum_of(DIGEST_SHA512, "hello", 5);
	char text[512], value[200];
	struct upload_request request = {
		.kind = FILE_PLAIN,
		.length_known = true,
		.length = 5,
		.metadata = text,
		.body = "jello",
		.body_size = 5,
	};
	struct file file;
	int n = snprintf(value, sizeof(value), "sha512:");

	text_to_hex(whole.bytes, 64, value + n);
	n = snprintf(text, sizeof(text), "checksum ");
	text_to_base64((const uint8_t *)value, strlen(value), text + n);
	ck_assert_int_eq(uploads_create(engine, &request, &file), REFUSED_CHECKSUM);
	request.body = "hello";
	ck_assert_int_eq(uploads_create(engine, &request, &file), 0);
	file_release(&file);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		bytes_that_do_not_match_are_gone_and_the_offset_is_as_before,
		a_checked_append_that_breaks_off_leaves_nothing,
		the_whole_files_checksum_decides_about_the_last_append,
		a_final_of_complete_parts_is_made_only_if_it_matches,
		the_part_that_would_complete_a_final_is_refused_if_that_does_not_match,
		the_sha256_runs_along_over_several_appends,
		a_body_at_creation_is_checked_too,
	};

	return RUN_TESTS(tests, engine_setup, engine_teardown);
}
