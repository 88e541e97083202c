#include "tusfs/name.h"

#include "run.h"
#include "tusfs/text.h"

#include <stdio.h>
#include <string.h>

#define LONG_200                                                                       \
	"01234567890123456789012345678901234567890123456789"                           \
	"01234567890123456789012345678901234567890123456789"                           \
	"01234567890123456789012345678901234567890123456789"                           \
	"01234567890123456789012345678901234567890123456789"
#define LONG_255 LONG_200 "0123456789012345678901234567890123456789012345678901234"
#define REPLACED "\xef\xbf\xbd"

static void assert_safe(const char *sent, const char *expected)
{
	struct name name = {"untouched"};

	ck_assert_msg(name_make_safe(sent, strlen(sent), &name), "%s", sent);
	ck_assert_str_eq(name.text, expected);
}

static void assert_nothing_left(const char *sent)
{
	struct name name = {"untouched"};

	ck_assert_msg(!name_make_safe(sent, strlen(sent), &name), "%s", sent);
	ck_assert_str_eq(name.text, "untouched");
}

START_TEST(good_names_stay_as_they_are)
{
	static const char *const good[] = {
		"holiday.mp4",
		"a",
		".bashrc",
		"...",
		"a..b",
		"no extension",
		"-rf",
		"caf\xc3\xa9.txt",
		"~",
		"archive.tar.gz",
		"* ? < > | \" :",
		"\xf0\x9f\x98\x80.png",
		LONG_255,
		/* Arabic, Hebrew and a family of joined emoji */
		"\xd8\xb5\xd9\x88\xd8\xb1\xd8\xa9.jpg",
		"\xd7\xa9\xd7\x9c.txt",
		"\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7.gif",
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_safe(good[i], good[i]);
}
END_TEST

START_TEST(only_the_last_component_counts)
{
	assert_safe("a/b/c.txt", "c.txt");
	assert_safe("/etc/passwd", "passwd");
	assert_safe("../../etc/passwd", "passwd");
	assert_safe("C:\\Users\\me\\photo.jpg", "photo.jpg");
	assert_safe("..\\..\\x", "x");
	assert_safe("a\\b/c", "c");
	assert_safe("a/b\\c", "c");
}
END_TEST

START_TEST(nothing_is_left_of_some)
{
	static const char *const bad[] = {
		"",
		".",
		"..",
		"/",
		"a/",
		"a/.",
		"a/..",
		"a\\",
		" ",
		"\t\n",
		" . ",
		" .. ",
		"\x01",
		".\x01.",
		"\xc2\x85",
		"\xe2\x80\xae",
		"\xe3\x80\x80..",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_nothing_left(bad[i]);
}
END_TEST

START_TEST(control_and_override_characters_go)
{
	assert_safe("a\nb\rc\x1b[0m\x7f.txt", "abc[0m.txt");
	assert_safe(
		"a\xc2\x80"
		"b\xc2\x9f"
		"c",
		"abc");
	assert_safe(
		"a\xe2\x80\xa8"
		"b\xe2\x80\xa9"
		"c",
		"abc");
	assert_safe("photo\xe2\x80\xaegpj.exe", "photogpj.exe");
	assert_safe(
		"\xe2\x81\xa6"
		"a\xe2\x81\xa9",
		"a");
}
END_TEST

START_TEST(a_nul_inside_is_only_a_control_character)
{
	struct name name;

	ck_assert(name_make_safe("a\0b.txt", 7, &name));
	ck_assert_str_eq(name.text, "ab.txt");
	ck_assert(name_make_safe("evil.php\0/x.jpg", 15, &name));
	ck_assert_str_eq(name.text, "x.jpg");
	ck_assert(!name_make_safe("\0\0", 2, &name));
}
END_TEST

START_TEST(bytes_that_are_no_utf8_are_replaced)
{
	assert_safe("caf\xe9.txt", "caf" REPLACED ".txt");
	assert_safe("\xff\xfe", REPLACED REPLACED);
	assert_safe("a\xe2\x82", "a" REPLACED);
	assert_safe(
		"a\xc0\xaf"
		"b",
		"a" REPLACED REPLACED "b"); /* an overlong '/' */
}
END_TEST

START_TEST(names_are_composed)
{
	assert_safe("cafe\xcc\x81.txt", "caf\xc3\xa9.txt");
	assert_safe("\xe1\x84\x80\xe1\x85\xa1", "\xea\xb0\x80"); /* Hangul, as macOS */
	assert_safe("\xe2\x84\xab", "\xc3\x85");		 /* Angstrom sign */
	/* What is taken away comes first. */
	assert_safe("e\x01\xcc\x81", "\xc3\xa9");
}
END_TEST

START_TEST(white_space_around_goes)
{
	assert_safe("  a b .txt ", "a b .txt");
	assert_safe(
		"\xc2\xa0"
		"a\xe2\x80\x83",
		"a");
	assert_safe("\t.hidden\n", ".hidden");
}
END_TEST

START_TEST(long_names_are_cut_and_keep_the_extension)
{
	assert_safe(LONG_255 "x", LONG_255);
	assert_safe(LONG_255 ".mp4",
		    LONG_200 "012345678901234567890123456789012345678901234567890.mp4");
	assert_safe(LONG_255 ".tar.gz",
		    LONG_200 "012345678901234567890123456789012345678901234567.tar.gz");
	/* This is a sentence, not an extension. */
	assert_safe("Mr. " LONG_255,
		    "Mr. " LONG_200
		    "012345678901234567890123456789012345678901234567890");
	assert_safe(LONG_200 "." LONG_200, LONG_200
		    "."
		    "012345678901234567890123456789012345678901234567890123");
}
END_TEST

START_TEST(a_cut_name_is_trimmed_anew)
{
	char sent[400];

	memset(sent, ' ', sizeof(sent));
	sent[0] = 'a';
	sent[300] = 'b';
	sent[301] = '\0';
	assert_safe(sent, "a");
	strcpy(sent + 300, ".txt");
	assert_safe(sent, "a.txt");
	memset(sent, ' ', 300);
	memcpy(sent, "..", 2);
	strcpy(sent + 300, "b");
	assert_nothing_left(sent);
}
END_TEST

START_TEST(cutting_splits_no_character)
{
	char sent[4 * 300 + 8];

	for (size_t lead = 0; lead < 4; lead++) {
		struct name name;
		char *at = sent;

		at = mempcpy(at, "xxxx", lead);
		for (int i = 0; i < 300; i++)
			at = mempcpy(at, "\xf0\x9f\x98\x80", 4);
		at = stpcpy(at, ".png");
		ck_assert(name_make_safe(sent, (size_t)(at - sent), &name));
		ck_assert(text_is_utf8(name.text, strlen(name.text)));
		ck_assert_uint_ge(strlen(name.text), NAME_BYTES - 3);
		ck_assert_str_eq(name.text + strlen(name.text) - 4, ".png");
	}
}
END_TEST

START_TEST(a_megabyte_of_marks_is_made_safe_in_no_time)
{
	static char sent[1 << 20];
	struct name name;

	sent[0] = 'a';
	for (size_t i = 1; i + 4 < sizeof(sent); i += 4)
		memcpy(sent + i, i % 8 == 1 ? "\xcc\x81\xcc\xa3" : "\xcc\xa3\xcc\x81",
		       4);
	ck_assert(name_make_safe(sent, sizeof(sent) - 4, &name));
	ck_assert(text_is_utf8(name.text, strlen(name.text)));
}
END_TEST

START_TEST(a_name_is_taken_as_it_is_when_set)
{
	struct name name;

	memset(name.text, 'x', sizeof(name.text));
	name_set(&name, "a b");
	ck_assert_str_eq(name.text, "a b");
	name_set(&name, LONG_255 LONG_255);
	ck_assert_str_eq(name.text, LONG_255);
	name_set(&name, "");
	ck_assert_str_eq(name.text, "");
}
END_TEST

static void assert_numbered(const char *text, uint64_t n, const char *expected)
{
	struct name name, numbered;

	strcpy(name.text, text);
	name_number(&name, n, &numbered);
	ck_assert_str_eq(numbered.text, expected);
	name_number(&name, n, &name); /* in place */
	ck_assert_str_eq(name.text, expected);
}

START_TEST(a_sibling_has_its_number_before_the_extension)
{
	assert_numbered("holiday.mp4", 2, "holiday (2).mp4");
	assert_numbered("holiday", 3, "holiday (3)");
	assert_numbered("archive.tar.gz", 2, "archive (2).tar.gz");
	assert_numbered(".tar.gz", 2, ".tar (2).gz");
	assert_numbered(".bashrc", 2, ".bashrc (2)");
	assert_numbered("a.", 2, "a. (2)");
	assert_numbered("...", 2, "... (2)");
	assert_numbered("Mr. Smith", 2, "Mr. Smith (2)");
	assert_numbered("holiday (2).mp4", 2, "holiday (2) (2).mp4");
	assert_numbered("a.b", UINT64_MAX, "a (18446744073709551615).b");
}
END_TEST

START_TEST(a_numbered_name_is_never_too_long)
{
	assert_numbered(LONG_255, 2,
			LONG_200
			"012345678901234567890123456789012345678901234567890 (2)");
	assert_numbered(
		LONG_200 "01234567890123456789012345678901234567890123456789.mp4x", 10,
		LONG_200 "012345678901234567890123456789012345678901234 (10).mp4x");
}
END_TEST

struct told {
	char text[1024];
	int count;
	int stop_at; /* the call that returns 7 */
};

static int tell(void *arg, const struct name *name)
{
	struct told *told = arg;

	if (strlen(told->text) + strlen(name->text) + 2 < sizeof(told->text)) {
		strcat(told->text, name->text);
		strcat(told->text, "|");
	}
	return ++told->count == told->stop_at ? 7 : 0;
}

static void assert_folders(const char *path, const char *expected)
{
	struct told told = {.text = ""};

	ck_assert_int_eq(name_folders(path, strlen(path), tell, &told), 0);
	ck_assert_str_eq(told.text, expected);
}

START_TEST(folders_are_all_but_the_last_component)
{
	assert_folders("", "");
	assert_folders("a.txt", "");
	assert_folders("project/a/b.txt", "project|a|");
	assert_folders("project\\a\\b.txt", "project|a|");
	assert_folders("/abs//x/./y/../z.txt", "abs|x|y|");
	assert_folders("../../etc/passwd", "etc|");
	assert_folders("a/b/", "a|b|");
	assert_folders(" a /\x01/cafe\xcc\x81/x", "a|caf\xc3\xa9|");
}
END_TEST

START_TEST(a_folder_that_returns_nonzero_is_the_last)
{
	struct told told = {.text = "", .stop_at = 2};

	ck_assert_int_eq(name_folders("a/b/c/d", 7, tell, &told), 7);
	ck_assert_str_eq(told.text, "a|b|");
}
END_TEST

START_TEST(paths_have_a_most_of_folders)
{
	static char path[2 * (NAME_DEPTH_MAX + 50)];
	struct told told = {.text = ""};

	for (size_t i = 0; i < sizeof(path); i += 2)
		memcpy(path + i, "a/", 2);
	ck_assert_int_eq(name_folders(path, sizeof(path), tell, &told), 0);
	ck_assert_int_eq(told.count, NAME_DEPTH_MAX);
}
END_TEST

START_TEST(folders_leave_room_for_the_name_and_the_mountpoint)
{
	static char path[20 * (NAME_BYTES + 1)];
	struct told told = {.text = ""};

	memset(path, 'a', sizeof(path));
	for (size_t i = NAME_BYTES; i < sizeof(path); i += NAME_BYTES + 1)
		path[i] = '/';
	ck_assert_int_eq(name_folders(path, sizeof(path), tell, &told), 0);
	ck_assert_int_eq(told.count, (NAME_PATH_BYTES - NAME_BYTES) / (NAME_BYTES + 1));
}
END_TEST

START_TEST(a_folder_that_does_not_fit_is_the_last_one)
{
	static char path[20 * (NAME_BYTES + 1) + 2];
	struct told told = {.text = ""};

	memset(path, 'a', sizeof(path));
	for (size_t i = NAME_BYTES; i < sizeof(path) - 2; i += NAME_BYTES + 1)
		path[i] = '/';
	memcpy(path + sizeof(path) - 2, "b/", 2); /* it would fit */
	ck_assert_int_eq(name_folders(path, sizeof(path), tell, &told), 0);
	ck_assert_int_eq(told.count, (NAME_PATH_BYTES - NAME_BYTES) / (NAME_BYTES + 1));
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		good_names_stay_as_they_are,
		only_the_last_component_counts,
		nothing_is_left_of_some,
		control_and_override_characters_go,
		a_nul_inside_is_only_a_control_character,
		bytes_that_are_no_utf8_are_replaced,
		names_are_composed,
		white_space_around_goes,
		long_names_are_cut_and_keep_the_extension,
		a_cut_name_is_trimmed_anew,
		cutting_splits_no_character,
		a_megabyte_of_marks_is_made_safe_in_no_time,
		a_name_is_taken_as_it_is_when_set,
		a_sibling_has_its_number_before_the_extension,
		a_numbered_name_is_never_too_long,
		folders_are_all_but_the_last_component,
		a_folder_that_returns_nonzero_is_the_last,
		paths_have_a_most_of_folders,
		folders_leave_room_for_the_name_and_the_mountpoint,
		a_folder_that_does_not_fit_is_the_last_one,
	};

	return RUN_TESTS_FOR(tests, NULL, NULL, 10);
}
