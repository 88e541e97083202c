#include "options.h"

#include <check.h>
#include <limits.h>
#include <string.h>

#define ARGS_MAX 16

static struct options options;
static struct problem problem;

/* Parses "tusfs" and the words of `line`, which are split at spaces. */
static bool parse(const char *line)
{
	static char words[1024];
	static char name[] = "tusfs";
	char *args[ARGS_MAX + 2] = {name};
	int count = 1;

	options_release(&options);
	ck_assert_uint_lt(strlen(line), sizeof(words));
	strcpy(words, line);
	for (char *word = strtok(words, " "); word; word = strtok(NULL, " ")) {
		ck_assert_int_le(count, ARGS_MAX);
		args[count++] = word;
	}
	return options_parse(count, args, &options, &problem);
}

static void assert_wrong(const char *line, const char *message)
{
	ck_assert_msg(!parse(line), "'%s' was taken", line);
	ck_assert_str_eq(problem.text, message);
}

static void release(void)
{
	options_release(&options);
}

START_TEST(two_operands_are_enough_and_give_the_defaults)
{
	ck_assert(parse("/store /mnt"));
	ck_assert_str_eq(options.store, "/store");
	ck_assert_str_eq(options.fs.source, "/store");
	ck_assert_str_eq(options.fs.mountpoint, "/mnt");
	ck_assert_uint_eq(options.http.listen_count, 1);
	ck_assert_str_eq(options.http.listen[0], "127.0.0.1:1080");
	ck_assert_str_eq(options.http.base_path, "/files/");
	ck_assert_str_eq(options.fs.base_path, "/files/");
	ck_assert_uint_eq(options.http.max_connections, 1024);
	ck_assert_int_eq(options.http.idle_timeout, INT64_C(60) * 1000000);
	ck_assert_int_eq(options.uploads.expire_after, INT64_C(7) * 86400 * 1000000);
	ck_assert_int_eq(options.uploads.sync, SYNC_ALWAYS);
	ck_assert_uint_eq(options.uploads.max_size, 0);
	ck_assert(options.http.cors);
	ck_assert(!options.http.serve_unfinished && !options.http.trust_proxy);
	ck_assert(!options.http.absolute_location && !options.fs.allow_other);
	ck_assert(!options.uploads.reserve);
	ck_assert(!options.foreground && !options.debug && !options.no_mount);
	ck_assert_uint_eq(options.fs.uid, getuid());
	ck_assert_uint_eq(options.fs.gid, getgid());
	ck_assert_uint_eq(options.fs.umask, 022);
}
END_TEST

START_TEST(relative_paths_are_made_absolute)
{
	SCOPED(scoped_free) char *cwd = getcwd(NULL, 0);
	char expected[PATH_MAX + 32];

	ck_assert(parse("--listen unix:sock store mnt"));
	snprintf(expected, sizeof(expected), "%s/store", cwd);
	ck_assert_str_eq(options.store, expected);
	snprintf(expected, sizeof(expected), "%s/mnt", cwd);
	ck_assert_str_eq(options.fs.mountpoint, expected);
	snprintf(expected, sizeof(expected), "unix:%s/sock", cwd);
	ck_assert_str_eq(options.http.listen[0], expected);
}
END_TEST

START_TEST(every_long_option_reaches_its_place)
{
	ck_assert(
		parse("--listen [::1]:8080 --listen=unix:/run/s --base-path /up "
		      "--max-size 2G --expire-after 0 --sync finish "
		      "--serve-unfinished --trust-proxy --reserve /store /mnt"));
	ck_assert(options.uploads.reserve);
	ck_assert_uint_eq(options.http.listen_count, 2);
	ck_assert_str_eq(options.http.listen[0], "[::1]:8080");
	ck_assert_str_eq(options.http.listen[1], "unix:/run/s");
	ck_assert_str_eq(options.http.base_path, "/up/");
	ck_assert_str_eq(options.fs.base_path, "/up/");
	ck_assert_uint_eq(options.uploads.max_size, UINT64_C(2) << 30);
	ck_assert_uint_eq(options.http.max_size, UINT64_C(2) << 30);
	ck_assert_int_eq(options.uploads.expire_after, 0);
	ck_assert_int_eq(options.uploads.sync, SYNC_FINISH);
	ck_assert(options.http.serve_unfinished && options.http.trust_proxy);
	ck_assert(
		parse("--absolute-location --no-cors --max-connections 7 "
		      "--idle-timeout 2m -f /store /mnt"));
	ck_assert(options.http.absolute_location && !options.http.cors);
	ck_assert_uint_eq(options.http.max_connections, 7);
	ck_assert_int_eq(options.http.idle_timeout, INT64_C(120) * 1000000);
	ck_assert(options.foreground && !options.debug);
}
END_TEST

START_TEST(mount_options_mean_the_same)
{
	ck_assert(
		parse("/store /mnt -o rw,listen=[::1]:1,listen=127.0.0.1:2,nosuid,"
		      "serve-unfinished,trust-proxy=no,x-systemd.after=a,allow_other,"
		      "uid=12,gid=34,umask=077,_netdev"));
	ck_assert_uint_eq(options.http.listen_count, 2);
	ck_assert_str_eq(options.http.listen[1], "127.0.0.1:2");
	ck_assert(options.http.serve_unfinished && !options.http.trust_proxy);
	ck_assert(options.fs.allow_other);
	ck_assert_uint_eq(options.fs.uid, 12);
	ck_assert_uint_eq(options.fs.gid, 34);
	ck_assert_uint_eq(options.fs.umask, 077);
}
END_TEST

START_TEST(what_mount_passes_by_itself_is_ignored)
{
	ck_assert(
		parse("/store /mnt -o dirsync,lazytime,nolazytime,strictatime,iversion,"
		      "noiversion,mand,nomand,silent,loud"));
	assert_wrong("/s /m -o sync", "-o sync needs a value");
}
END_TEST

START_TEST(a_backslash_keeps_a_comma_in_a_mount_option)
{
	ck_assert(parse("/store /mnt -o listen=unix:/a\\,b,trust-proxy"));
	ck_assert_str_eq(options.http.listen[0], "unix:/a,b");
	ck_assert(options.http.trust_proxy);
}
END_TEST

START_TEST(debugging_stays_in_the_foreground)
{
	ck_assert(parse("-d /store /mnt"));
	ck_assert(options.debug && options.foreground && options.fs.debug);
}
END_TEST

START_TEST(without_a_mount_there_is_one_operand)
{
	ck_assert(parse("--no-mount /store"));
	ck_assert(options.no_mount && !options.fs.mountpoint);
	assert_wrong("--no-mount /store /mnt", "with no-mount there is no MOUNTPOINT");
}
END_TEST

START_TEST(help_and_version_need_no_operands)
{
	ck_assert(parse("-h") && options.help);
	ck_assert(parse("--help") && options.help);
	ck_assert(parse("-V") && options.version);
	ck_assert(parse("--version") && options.version);
}
END_TEST

START_TEST(wrong_usage_is_told_in_one_line)
{
	assert_wrong("", "STORE is missing; see tusfs --help");
	assert_wrong("/store", "MOUNTPOINT is missing; see tusfs --help");
	assert_wrong("/store /mnt more", "'more' is one operand too many");
	assert_wrong("--frobnicate /s /m", "unknown option '--frobnicate'");
	assert_wrong("-x /s /m", "unknown option '-x'");
	assert_wrong("--trust-proxy=1 /s /m", "--trust-proxy takes no value");
	assert_wrong("--help=all", "--help takes no value");
	assert_wrong("--version=1", "--version takes no value");
	assert_wrong("/s /m --listen", "--listen needs a value");
	assert_wrong("/s /m -o", "-o needs a value");
	assert_wrong("/s /m -o uid", "-o uid needs a value");
	assert_wrong("/s /m -o frob=1", "unknown mount option 'frob'");
	assert_wrong(
		"/s /m -o ro",
		"-o ro would keep tusfs itself from moving finished uploads in the "
		"mount; see tusfs(8)");
	assert_wrong("--uid 3 /s /m", "unknown option '--uid'");
	assert_wrong("--config /nowhere/at/all /s /m",
		     "cannot open /nowhere/at/all: No such file or directory");
	assert_wrong("--config /proc /s /m", "cannot read /proc");
}
END_TEST

static const struct {
	const char *name;
	const char *values[8];
} refused[] = {
	{"listen", {"1080", ":1080", "host:", "host:65536", "host:-1", "unix:", "h:a"}},
	{"base-path", {"files", "//", "/a//b", "/a?b", "/a%20b", "/a#"}},
	{"max-size", {"-1", "1X", "G", "1.5G", "99999999999999999999", "16777216T"}},
	{"expire-after", {"-1", "7w", "d", "99999999999999999999"}},
	{"sync", {"Always", "sometimes", "alway"}},
	{"max-connections", {"0", "-5", "100001", "many"}},
	{"idle-timeout", {"0", "0s", "soon"}},
	{"uid", {"root", "-1", "4294967295"}},
	{"gid", {"-1", "4294967295"}},
	{"umask", {"9", "1000", "-1", "022x"}},
	{"trust-proxy", {"maybe", "2"}},
	{"allow_other", {"maybe"}},
};

START_TEST(values_that_make_no_sense_are_refused)
{
	char line[256], start[64];

	for (size_t i = 0; refused[_i].values[i]; i++) {
		snprintf(line, sizeof(line), "/s /m -o %s=%s", refused[_i].name,
			 refused[_i].values[i]);
		ck_assert_msg(!parse(line), "%s was taken", line);
		snprintf(start, sizeof(start), "%s: '%s' is not ", refused[_i].name,
			 refused[_i].values[i]);
		ck_assert_msg(strncmp(problem.text, start, strlen(start)) == 0, "%s",
			      problem.text);
	}
}
END_TEST

START_TEST(a_seventeenth_address_is_refused)
{
	char line[512] = "/s /m -o listen=h:1";

	for (int i = 1; i < OPTIONS_LISTEN_MAX; i++)
		strcat(line, ",listen=h:1");
	ck_assert(parse(line));
	strcat(line, ",listen=h:1");
	ck_assert(!parse(line));
}
END_TEST

/* Writes a file, and parses `rest` and "--config FILE". */
static bool parse_with_config(const char *text, const char *rest, char path[32])
{
	char line[256];
	FILE *file;
	bool ok;

	strcpy(path, "/tmp/test_options.XXXXXX");
	file = fdopen(mkstemp(path), "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
	snprintf(line, sizeof(line), "%s --config %s /store /mnt", rest, path);
	ok = parse(line);
	unlink(path);
	return ok;
}

START_TEST(a_file_has_the_same_names)
{
	char path[32];

	ck_assert(
		parse_with_config("# what we serve\n"
				  "listen = 127.0.0.1:1\n"
				  "listen = 127.0.0.1:2\n"
				  "\n"
				  "base-path=/b/\n"
				  "trust-proxy = yes ; we sit behind nginx\n"
				  "umask = 027\n",
				  "", path));
	ck_assert_uint_eq(options.http.listen_count, 2);
	ck_assert_str_eq(options.http.listen[0], "127.0.0.1:1");
	ck_assert_str_eq(options.http.base_path, "/b/");
	ck_assert(options.http.trust_proxy);
	ck_assert_uint_eq(options.fs.umask, 027);
}
END_TEST

START_TEST(a_line_of_a_file_has_a_most_of_bytes)
{
	char path[32], line[256];

	memset(line, 'a', sizeof(line));
	memcpy(line, "base-path = /", 13);
	strcpy(line + 198, "\n");
	ck_assert(parse_with_config(line, "", path));
	strcpy(line + 198, "a\n");
	ck_assert(!parse_with_config(line, "", path));
	ck_assert_ptr_nonnull(strstr(problem.text, ":1: the line is too long"));
}
END_TEST

START_TEST(an_indented_line_goes_on_with_the_option_before_it)
{
	char path[32];

	ck_assert(parse_with_config("listen = 127.0.0.1:1\n  127.0.0.1:2\n", "", path));
	ck_assert_uint_eq(options.http.listen_count, 2);
	ck_assert_str_eq(options.http.listen[1], "127.0.0.1:2");
}
END_TEST

START_TEST(the_command_line_overrides_the_file_wherever_it_stands)
{
	char path[32];

	ck_assert(
		parse_with_config("listen = 127.0.0.1:1\nlisten = 127.0.0.1:2\n"
				  "sync = never\ntrust-proxy = yes\n",
				  "--sync finish -o listen=127.0.0.1:3", path));
	ck_assert_uint_eq(options.http.listen_count, 1);
	ck_assert_str_eq(options.http.listen[0], "127.0.0.1:3");
	ck_assert_int_eq(options.uploads.sync, SYNC_FINISH);
	ck_assert(options.http.trust_proxy);
}
END_TEST

static const struct {
	const char *text;
	const char *problem; /* behind the file's name */
} wrong_files[] = {
	{"sync = never\nfrob = 1\nfrob2 = 1\n", ":2: unknown option 'frob'"},
	{"\n\nsync never\n", ":3: not of the form name = value"},
	{"[http]\nsync = never\n", ":2: there are no sections"},
	{"config = /etc/passwd\n", ":1: unknown option 'config'"},
	{"sync = never\n# 45678901234567890123456789012345678901234567890123456789"
	 "012345678901234567890123456789012345678901234567890123456789012345678901234"
	 "567890123456789012345678901234567890123456789012345678901234567890 a comment "
	 "that ends here\n",
	 ":2: the line is too long"},
	{"sync = perhaps\n", ":1: sync: 'perhaps' is not always, finish or never"},
};

START_TEST(errors_in_a_file_are_told_with_their_line)
{
	char path[32], expected[256];

	ck_assert(!parse_with_config(wrong_files[_i].text, "", path));
	snprintf(expected, sizeof(expected), "%s%s", path, wrong_files[_i].problem);
	ck_assert_str_eq(problem.text, expected);
}
END_TEST

START_TEST(help_names_every_option)
{
	static const char *const names[] = {
		"--listen ADDR:PORT",
		"--base-path PATH",
		"--max-size BYTES",
		"--expire-after TIME",
		"--sync LEVEL",
		"--serve-unfinished",
		"--trust-proxy",
		"--absolute-location",
		"--reserve",
		"--no-cors",
		"--max-connections N",
		"--idle-timeout TIME",
		"--no-mount",
		"--config FILE",
		"-o allow_other",
		"-o uid=N",
		"-o gid=N",
		"-o umask=MODE",
		"-h, --help",
		"-V, --version",
	};
	SCOPED(scoped_free) char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	options_help(out);
	fclose(out);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		ck_assert_msg(strstr(text, names[i]), "%s is missing", names[i]);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		ck_assert_msg(strlen(line) <= 80, "longer than 80: %s", line);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("options");
	TCase *tcase = tcase_create("options");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, NULL, release);
	tcase_add_test(tcase, two_operands_are_enough_and_give_the_defaults);
	tcase_add_test(tcase, relative_paths_are_made_absolute);
	tcase_add_test(tcase, every_long_option_reaches_its_place);
	tcase_add_test(tcase, mount_options_mean_the_same);
	tcase_add_test(tcase, what_mount_passes_by_itself_is_ignored);
	tcase_add_test(tcase, a_backslash_keeps_a_comma_in_a_mount_option);
	tcase_add_test(tcase, debugging_stays_in_the_foreground);
	tcase_add_test(tcase, without_a_mount_there_is_one_operand);
	tcase_add_test(tcase, help_and_version_need_no_operands);
	tcase_add_test(tcase, wrong_usage_is_told_in_one_line);
	tcase_add_loop_test(tcase, values_that_make_no_sense_are_refused, 0,
			    sizeof(refused) / sizeof(refused[0]));
	tcase_add_test(tcase, a_seventeenth_address_is_refused);
	tcase_add_test(tcase, a_file_has_the_same_names);
	tcase_add_test(tcase, a_line_of_a_file_has_a_most_of_bytes);
	tcase_add_test(tcase, an_indented_line_goes_on_with_the_option_before_it);
	tcase_add_test(tcase, the_command_line_overrides_the_file_wherever_it_stands);
	tcase_add_loop_test(tcase, errors_in_a_file_are_told_with_their_line, 0,
			    sizeof(wrong_files) / sizeof(wrong_files[0]));
	tcase_add_test(tcase, help_names_every_option);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
