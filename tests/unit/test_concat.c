#include "tusfs/concat.h"

#include "run.h"

#include <stdlib.h>
#include <string.h>

#define A "0123456789abcdef00ff7f8010203040"
#define B "ffffffffffffffffffffffffffffffff"

/* What the parser makes of `text`, with outputs that a refusal must not touch. */
struct outcome {
	int r;
	enum concat_kind kind;
	struct upload_id *parts;
	size_t count;
};

static struct upload_id untouched;

static struct outcome parse_at(const char *text, const char *base_path)
{
	struct outcome o = {.kind = CONCAT_PARTIAL, .parts = &untouched, .count = 99};

	o.r = concat_parse(text, base_path, &o.kind, &o.parts, &o.count);
	return o;
}

static void assert_refused(const char *text, int refusal)
{
	struct outcome o = parse_at(text, "/files/");

	ck_assert_msg(o.r == refusal, "%s gives %d", text, o.r);
	ck_assert_int_eq(o.kind, CONCAT_PARTIAL);
	ck_assert_ptr_eq(o.parts, &untouched);
	ck_assert_uint_eq(o.count, 99);
}

static void assert_parts(const char *text, const char *base_path, const char *first,
			 const char *second)
{
	struct outcome o = parse_at(text, base_path);
	char id[UPLOAD_ID_DIGITS + 1];

	ck_assert_msg(o.r == 0, "%s gives %d", text, o.r);
	ck_assert_int_eq(o.kind, CONCAT_FINAL);
	ck_assert_uint_eq(o.count, second ? 2 : 1);
	upload_id_format(o.parts[0], id);
	ck_assert_str_eq(id, first);
	if (second) {
		upload_id_format(o.parts[1], id);
		ck_assert_str_eq(id, second);
	}
	free(o.parts);
}

START_TEST(partial_has_no_parts)
{
	struct outcome o = parse_at("partial", "/files/");

	ck_assert_int_eq(o.r, 0);
	ck_assert_int_eq(o.kind, CONCAT_PARTIAL);
	ck_assert_ptr_null(o.parts);
	ck_assert_uint_eq(o.count, 0);
}
END_TEST

START_TEST(final_gives_the_ids_in_order)
{
	assert_parts("final;/files/" A, "/files/", A, NULL);
	assert_parts("final;/files/" A " /files/" B, "/files/", A, B);
	assert_parts("final;/files/" B " /files/" A, "/files/", B, A);
	assert_parts("final;/files/" A " /files/" A, "/files/", A, A);
}
END_TEST

START_TEST(urls_may_be_absolute_or_behind_a_proxy_or_bare)
{
	assert_parts("final;https://tus.example.org/files/" A, "/files/", A, NULL);
	assert_parts("final;http://[::1]:1080/up/files/" A " " B, "/files/", A, B);
	assert_parts("final;/a/b/files/" A, "/files/", A, NULL);
	assert_parts("final;../files/" A, "/files/", A, NULL);
	assert_parts("final;/" A " " B, "/", A, B);
	assert_parts("final;http://host/" A, "/", A, NULL);
}
END_TEST

START_TEST(spaces_between_urls_may_repeat)
{
	assert_parts("final; /files/" A, "/files/", A, NULL);
	assert_parts("final;   /files/" A "   /files/" B "  ", "/files/", A, B);
}
END_TEST

START_TEST(other_values_are_invalid)
{
	static const char *const bad[] = {
		"",
		"Partial",
		"partial ",
		" partial",
		"partial;",
		"final",
		"final;",
		"final;   ",
		"Final;/files/" A,
		"final /files/" A,
		"final,/files/" A,
		"finally;/files/" A,
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_refused(bad[i], REFUSED_INVALID);
}
END_TEST

START_TEST(urls_that_cannot_be_ours_are_no_parts)
{
	static const char *const bad[] = {
		"final;/files/",
		"final;/files/" A "/",
		"final;/files/" A "0",
		"final;/files/0" A,
		"final;/files" A,
		"final;files/" A,
		"final;/other/" A,
		"final;/xfiles/" A,
		"final;/files/x/" A,
		"final;/" A,
		"final;0" A,
		"final;/files/0123456789ABCDEF00ff7f8010203040",
		"final;/files/" A "?x=1",
		"final;/files/" A "#x",
		"final;http://evil.example/?/files/" A,
		"final;http://evil.example/#/files/" A,
		"final;/%66iles/" A " /files/" B,
		"final;/a%2f/files/" A,
		"final;/files/" A ",/files/" B,
		"final;/files/" A "\t/files/" B,
		"final;/files/" A ";/files/" B,
		"final;/files/" A " /files/",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_refused(bad[i], REFUSED_PART);
}
END_TEST

/* "final;A A A ...", `count` times; the caller frees it. */
static char *bare_parts(size_t count)
{
	char *text = malloc(strlen("final;") + count * strlen(A " ") + 1);
	char *at = stpcpy(text, "final;");

	for (size_t i = 0; i < count; i++)
		at = stpcpy(at, A " ");
	return text;
}

START_TEST(there_is_a_most_of_parts)
{
	SCOPED(scoped_free) char *most = bare_parts(CONCAT_PARTS_MAX);
	SCOPED(scoped_free) char *too_many = bare_parts(CONCAT_PARTS_MAX + 1);
	struct outcome o = parse_at(most, "/files/");

	ck_assert_int_eq(o.r, 0);
	ck_assert_uint_eq(o.count, CONCAT_PARTS_MAX);
	ck_assert_mem_eq(&o.parts[0], &o.parts[CONCAT_PARTS_MAX - 1],
			 sizeof(o.parts[0]));
	free(o.parts);
	assert_refused(too_many, REFUSED_INVALID);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		partial_has_no_parts,
		final_gives_the_ids_in_order,
		urls_may_be_absolute_or_behind_a_proxy_or_bare,
		spaces_between_urls_may_repeat,
		other_values_are_invalid,
		urls_that_cannot_be_ours_are_no_parts,
		there_is_a_most_of_parts,
	};

	return RUN_TESTS(tests, NULL, NULL);
}
