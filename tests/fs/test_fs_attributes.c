#include "engine.h"
#include "fuse_client.h"
#include "run.h"

#include "tusfs/metadata.h"
#include "tusfs/text.h"

#include <errno.h>
#include <linux/limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

static void expect(uint64_t ino, const char *name, const char *value)
{
	int error;
	SCOPED(scoped_free) char *found = fuse_attribute(ino, name, &error);

	ck_assert_msg(found, "%s: error %d", name, error);
	ck_assert_str_eq(found, value);
}

static void expect_error(uint64_t ino, const char *name, int expected)
{
	int error;
	SCOPED(scoped_free) char *found = fuse_attribute(ino, name, &error);

	ck_assert_ptr_null(found);
	ck_assert_int_eq(error, expected);
}

static int remove_attribute(uint64_t ino, const char *name)
{
	return fuse_ask_names(FUSE_REMOVEXATTR, ino, NULL, 0, name, NULL, NULL, 0);
}

/* The names, each with a blank behind it. */
static void list(uint64_t ino, char *names, size_t room)
{
	struct fuse_getxattr_in in = {.size = (uint32_t)room};
	size_t size;

	ck_assert_int_eq(
		fuse_ask(FUSE_LISTXATTR, ino, &in, sizeof(in), names, room, &size), 0);
	for (size_t i = 0; i < size; i++)
		if (names[i] == '\0')
			names[i] = ' ';
	names[size] = '\0';
}

START_TEST(a_receiving_upload_tells_how_far_it_is)
{
	SCOPED(file_release) struct file file = engine_create(FILE_PLAIN, "a b", 10);
	char url[64] = "/files/";

	engine_append(file.id, 0, "abc", 3);
	upload_id_format(file.id, url + strlen(url));
	expect(file.num, "user.tus.id", url + strlen("/files/"));
	expect(file.num, "user.tus.url", url);
	expect(file.num, "user.tus.state", "receiving");
	expect(file.num, "user.tus.offset", "3");
	expect(file.num, "user.tus.length", "10");
	expect(file.num, "user.tus.metadata.filename", "a b");
	expect_error(file.num, "user.tus.concat", ENODATA);
	expect_error(file.num, "user.tus.parts", ENODATA);
	expect_error(file.num, "user.tus.finished", ENODATA);
	expect_error(file.num, "user.tus.sha256", ENODATA);
	expect_error(file.num, "user.mime_type", ENODATA);
	expect_error(file.num, "user.tus.metadata.other", ENODATA);
	expect_error(file.num, "user.tus.other", ENODATA);
	expect_error(file.num, "user.own", ENODATA);
}
END_TEST

START_TEST(a_complete_upload_tells_when_it_was_finished)
{
	SCOPED(file_release)
	struct file file = engine_upload(FILE_PLAIN, "a", "abc", 3);
	char when[TEXT_DATE_SIZE];

	expect(file.num, "user.tus.state", "complete");
	text_to_rfc3339(file.created, when);
	expect(file.num, "user.tus.created", when);
	text_to_rfc3339(file.finished, when);
	expect(file.num, "user.tus.finished", when);
	expect(file.num, "user.tus.sha256",
	       "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}
END_TEST

START_TEST(the_mime_type_comes_from_the_metadata)
{
	struct upload_request request = {
		.kind = FILE_PLAIN,
		.length_known = true,
		.metadata = "filename YQ==,type dGV4dC9wbGFpbg==",
	};
	SCOPED(file_release) struct file file = {0};

	ck_assert_int_eq(uploads_create(engine, &request, &file), 0);
	expect(file.num, "user.mime_type", "text/plain");
	ck_assert_int_eq(fuse_set_attribute(file.num, "user.mime_type", "x/y", 0),
			 EPERM);
}
END_TEST

START_TEST(a_final_names_its_parts)
{
	SCOPED(file_release)
	struct file part = engine_upload(FILE_PARTIAL, NULL, "a", 1);
	struct upload_id parts[] = {part.id, part.id};
	char id[UPLOAD_ID_DIGITS + 1], concat[128], expected[128];
	struct upload_request request = {
		.kind = FILE_FINAL,
		.concat = concat,
		.parts = parts,
		.parts_count = 2,
	};
	SCOPED(file_release) struct file whole = {0};

	upload_id_format(part.id, id);
	snprintf(concat, sizeof(concat), "final;/files/%s /files/%s", id, id);
	snprintf(expected, sizeof(expected), "%s\n%s", id, id);
	ck_assert_int_eq(uploads_create(engine, &request, &whole), 0);
	expect(whole.num, "user.tus.concat", "final");
	expect(whole.num, "user.tus.parts", expected);
	expect(part.num, "user.tus.concat", "partial");
}
END_TEST

START_TEST(listed_names_are_those_that_have_a_value)
{
	SCOPED(file_release)
	struct file file = engine_upload(FILE_PLAIN, "a", "abc", 3);
	char names[1024];

	ck_assert_int_eq(fuse_set_attribute(file.num, "user.own", "1", 0), 0);
	list(file.num, names, sizeof(names) - 1);
	ck_assert_str_eq(names,
			 "user.tus.id user.tus.url user.tus.state "
			 "user.tus.offset user.tus.length user.tus.created "
			 "user.tus.finished user.tus.sha256 "
			 "user.own "
			 "user.tus.metadata.filename ");
	list(at_complete, names, sizeof(names) - 1);
	ck_assert_str_eq(names, "");
	list(at_incoming, names, sizeof(names) - 1);
	ck_assert_str_eq(names, "");
}
END_TEST

START_TEST(sizes_are_told_and_too_small_a_buffer_is_refused)
{
	SCOPED(file_release)
	struct file file = engine_upload(FILE_PLAIN, "a", "abc", 3);
	struct fuse_getxattr_in in = {.size = 0};
	struct fuse_getxattr_out out;
	char buffer[7];

	ck_assert_int_eq(fuse_ask_names(FUSE_GETXATTR, file.num, &in, sizeof(in),
					"user.tus.state", NULL, &out, sizeof(out)),
			 0);
	ck_assert_uint_eq(out.size, strlen("complete"));
	in.size = sizeof(buffer);
	ck_assert_int_eq(fuse_ask_names(FUSE_GETXATTR, file.num, &in, sizeof(in),
					"user.tus.state", NULL, buffer, sizeof(buffer)),
			 ERANGE);
	ck_assert_int_eq(fuse_ask(FUSE_LISTXATTR, file.num, &in, sizeof(in), buffer,
				  sizeof(buffer), NULL),
			 ERANGE);
	in.size = 0;
	ck_assert_int_eq(fuse_ask(FUSE_LISTXATTR, file.num, &in, sizeof(in), &out,
				  sizeof(out), NULL),
			 0);
	ck_assert_uint_gt(out.size, 0);
}
END_TEST

START_TEST(a_list_has_as_many_names_as_the_kernel_takes)
{
	static char metadata[METADATA_MAX], names[XATTR_LIST_MAX];
	struct fuse_getxattr_in in = {.size = sizeof(names)};
	struct upload_request request = {
		.kind = FILE_PLAIN, .length_known = true, .metadata = metadata};
	SCOPED(file_release) struct file file = {0};
	size_t size, used = 0;

	for (int i = 0; i < 3500; i++)
		used += (size_t)snprintf(metadata + used, sizeof(metadata) - used,
					 "%skey%04d", i ? "," : "", i);
	ck_assert_int_eq(uploads_create(engine, &request, &file), 0);
	ck_assert_int_eq(fuse_set_attribute(file.num, "user.own", "1", 0), 0);
	ck_assert_int_eq(fuse_ask(FUSE_LISTXATTR, file.num, &in, sizeof(in), names,
				  sizeof(names), &size),
			 0);
	ck_assert_uint_gt(size, sizeof(names) - 32);
	ck_assert_int_eq(names[size - 1], '\0');
	ck_assert_ptr_nonnull(memmem(names, size, "\0user.own", 10));
	ck_assert_ptr_nonnull(memmem(names, size, "\0user.tus.metadata.key0001", 27));
	expect(file.num, "user.tus.metadata.key3499", "");
	in.size = 0;
	ck_assert_int_eq(fuse_ask(FUSE_LISTXATTR, file.num, &in, sizeof(in), names,
				  sizeof(names), NULL),
			 0);
	ck_assert_uint_eq(((struct fuse_getxattr_out *)names)->size, size);
}
END_TEST

START_TEST(other_name_spaces_are_not_supported)
{
	SCOPED(file_release)
	struct file file = engine_upload(FILE_PLAIN, "a", "abc", 3);

	expect_error(file.num, "security.selinux", EOPNOTSUPP);
	expect_error(file.num, "system.posix_acl_access", EOPNOTSUPP);
	expect_error(at_complete, "trusted.x", EOPNOTSUPP);
	ck_assert_int_eq(fuse_set_attribute(file.num, "trusted.x", "1", 0), EOPNOTSUPP);
	ck_assert_int_eq(remove_attribute(file.num, "trusted.x"), EOPNOTSUPP);
}
END_TEST

START_TEST(users_set_and_remove_their_own)
{
	SCOPED(file_release)
	struct file file = engine_upload(FILE_PLAIN, "a", "abc", 3);

	ck_assert_int_eq(fuse_set_attribute(file.num, "user.own", "1", XATTR_REPLACE),
			 ENODATA);
	ck_assert_int_eq(fuse_set_attribute(file.num, "user.own", "1", XATTR_CREATE),
			 0);
	ck_assert_int_eq(fuse_set_attribute(file.num, "user.own", "2", XATTR_CREATE),
			 EEXIST);
	expect(file.num, "user.own", "1");
	ck_assert_int_eq(fuse_set_attribute(file.num, "user.own", "2", 0), 0);
	expect(file.num, "user.own", "2");
	ck_assert(fuse_was_told_of_inode(file.num));
	ck_assert_int_eq(remove_attribute(file.num, "user.own"), 0);
	ck_assert_int_eq(remove_attribute(file.num, "user.own"), ENODATA);
	ck_assert_int_eq(fuse_set_attribute(at_complete, "user.own", "3", 0), 0);
	expect(at_complete, "user.own", "3");
}
END_TEST

START_TEST(only_what_is_complete_takes_attributes)
{
	SCOPED(file_release) struct file coming = engine_create(FILE_PLAIN, "a", 3);
	SCOPED(file_release)
	struct file part = engine_upload(FILE_PARTIAL, NULL, "abc", 3);

	ck_assert_int_eq(fuse_set_attribute(coming.num, "user.own", "1", 0), EPERM);
	ck_assert_int_eq(fuse_set_attribute(part.num, "user.own", "1", 0), EPERM);
	ck_assert_int_eq(fuse_set_attribute(at_incoming, "user.own", "1", 0), EPERM);
	ck_assert_int_eq(fuse_set_attribute(AT_ROOT, "user.own", "1", 0), EPERM);
}
END_TEST

START_TEST(what_tusfs_tells_cannot_be_changed)
{
	SCOPED(file_release)
	struct file file = engine_upload(FILE_PLAIN, "a", "abc", 3);

	ck_assert_int_eq(fuse_set_attribute(file.num, "user.tus.id", "1", 0), EPERM);
	ck_assert_int_eq(fuse_set_attribute(file.num, "user.tus.other", "1", 0), EPERM);
	ck_assert_int_eq(remove_attribute(file.num, "user.tus.metadata.filename"),
			 EPERM);
	ck_assert_int_eq(remove_attribute(file.num, "user.mime_type"), EPERM);
}
END_TEST

START_TEST(a_time_of_expiry_is_set_and_taken_back)
{
	static const char expires[] = "user.tus.expires";
	SCOPED(file_release)
	struct file file = engine_upload(FILE_PLAIN, "a", "abc", 3);

	expect_error(file.num, expires, ENODATA);
	ck_assert_int_eq(remove_attribute(file.num, expires), ENODATA);
	ck_assert_int_eq(fuse_set_attribute(file.num, expires, "tomorrow", 0), EINVAL);
	ck_assert_int_eq(
		fuse_set_attribute(file.num, expires, "2100-01-02T03:04:05Z", 0), 0);
	expect(file.num, expires, "2100-01-02T03:04:05.000000Z");
	ck_assert_int_eq(fuse_set_attribute(file.num, expires, "2100-01-02T03:04:05Z",
					    XATTR_CREATE),
			 EEXIST);
	ck_assert_int_eq(remove_attribute(file.num, expires), 0);
	expect_error(file.num, expires, ENODATA);
	ck_assert_int_eq(
		fuse_set_attribute(at_complete, expires, "2100-01-02T03:04:05Z", 0),
		EPERM);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		a_receiving_upload_tells_how_far_it_is,
		a_complete_upload_tells_when_it_was_finished,
		the_mime_type_comes_from_the_metadata,
		a_final_names_its_parts,
		listed_names_are_those_that_have_a_value,
		sizes_are_told_and_too_small_a_buffer_is_refused,
		a_list_has_as_many_names_as_the_kernel_takes,
		other_name_spaces_are_not_supported,
		users_set_and_remove_their_own,
		only_what_is_complete_takes_attributes,
		what_tusfs_tells_cannot_be_changed,
		a_time_of_expiry_is_set_and_taken_back,
	};

	return RUN_TESTS(tests, fuse_client_setup, fuse_client_teardown);
}
