#include "settings.h"

#include "tusfs/clock.h"

#include <getopt.h>
#include <ini.h>
#include <stdarg.h>
#include <string.h>

#define DAYS(n) (INT64_C(n) * 24 * 3600 * CLOCK_SECOND)
/* What getopt_long() returns for row n of the table is this + n; below are letters. */
#define FIRST_LONG 256
/* The rows, --help, --version, and the end of the list. */
#define LONG_NAMES_MAX (SETTINGS_MAX + 3)

/* ---- the three places that options come from ---- */

/* One pass over options. The command line is walked twice: first for --config alone,
 * each of whose files is a pass by itself, then for all the others, which so override
 * what the files say. */
struct parse {
	struct options *options;
	struct problem *problem;
	bool config_pass;  /* the first walk */
	bool listen_begun; /* this pass has begun a list of its own */
};

/* Says what is wrong, and returns false. */
PRINTF_LIKE(2, 3) static bool wrong(struct parse *parse, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(parse->problem->text, sizeof(parse->problem->text), format, args);
	va_end(args);
	return false;
}

/* The only setting that repeats is `listen`. */
static bool apply(struct parse *parse, const struct setting *setting, const char *value)
{
	if (setting->repeats && !parse->listen_begun) {
		parse->options->http.listen_count = 0;
		parse->listen_begun = true;
	}
	if (setting->set(parse->options, value))
		return true;
	return wrong(parse, "%s: '%s' is not %s", setting->name, value,
		     setting->expects);
}

/* Called by inih for each line. 0 is an error; of these only the first is told. */
static int apply_line(void *arg, const char *section, const char *name,
		      const char *value)
{
	struct parse *parse = arg;
	const struct setting *setting = settings_find(name, PLACE_FILE);

	if (parse->problem->text[0])
		return 0;
	if (section[0])
		return wrong(parse, "there are no sections");
	if (!setting)
		return wrong(parse, "unknown option '%s'", name);
	return apply(parse, setting, value);
}

struct config {
	FILE *file;
	int lines;
	bool too_long; /* the last one */
};

/* fgets() for inih, which would take the rest of a long line for another one. */
static char *read_line(char *line, int size, void *arg)
{
	struct config *config = arg;

	if (!fgets(line, size, config->file))
		return NULL;
	config->lines++;
	config->too_long = strlen(line) == (size_t)size - 1 && line[size - 2] != '\n';
	return config->too_long ? NULL : line;
}

static bool read_config(struct parse *parse, const char *path)
{
	struct problem problem = {""};
	struct parse lines = {.options = parse->options, .problem = &problem};
	struct config config = {.file = fopen(path, "re")};
	bool unreadable;
	int line;

	if (!config.file)
		return wrong(parse, "cannot open %s: %m", path);
	line = ini_parse_stream(read_line, &config, apply_line, &lines);
	unreadable = ferror(config.file);
	fclose(config.file);
	if (unreadable)
		return wrong(parse, "cannot read %s", path);
	if (line == 0 && config.too_long)
		return wrong(parse, "%s:%d: the line is too long", path, config.lines);
	if (line == 0)
		return true;
	if (!problem.text[0])
		wrong(&lines, "not of the form name = value");
	return wrong(parse, "%s:%d: %.300s", path, line, problem.text);
}

/* A setting of the command line, if this is the walk for it. */
static bool take(struct parse *parse, const struct setting *setting, const char *value)
{
	bool is_config = setting->set == NULL;

	if (is_config != parse->config_pass)
		return true;
	return is_config ? read_config(parse, value) : apply(parse, setting, value);
}

/* One name or name=value of an -o list. */
static bool take_mount_option(struct parse *parse, char *text)
{
	char *value = strchr(text, '=');
	const struct setting *setting;

	if (value)
		*value++ = '\0';
	setting = settings_find(text, PLACE_MOUNT);
	if (!setting && (text[0] == '\0' || settings_ignored(text)))
		return true;
	if (!setting && strcmp(text, "ro") == 0)
		return wrong(parse,
			     "-o ro would keep tusfs itself from moving finished "
			     "uploads in the mount; see tusfs(8)");
	if (!setting)
		return wrong(parse, "unknown mount option '%s'", text);
	if (setting->argument && !value)
		return wrong(parse, "-o %s needs a value", text);
	return take(parse, setting, value ? value : "yes");
}

/* The list is split at commas; a backslash takes the next character as it is. */
static bool take_mount_options(struct parse *parse, const char *list)
{
	SCOPED(scoped_free) char *text = malloc(strlen(list) + 1);
	char *end = text;

	if (!text)
		return wrong(parse, "out of memory");
	for (const char *c = list;; c++) {
		if (*c == ',' || *c == '\0') {
			*end = '\0';
			if (!take_mount_option(parse, text))
				return false;
			end = text;
			if (*c == '\0')
				return true;
			continue;
		}
		if (*c == '\\' && c[1])
			c++;
		*end++ = *c;
	}
}

static void long_options(struct option names[LONG_NAMES_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < settings_count; i++) {
		if (settings[i].places & PLACE_LONG)
			names[n++] = (struct option){
				.name = settings[i].name,
				.has_arg = settings[i].argument != NULL,
				.val = FIRST_LONG + (int)i,
			};
	}
	names[n++] = (struct option){.name = "help", .val = 'h'};
	names[n++] = (struct option){.name = "version", .val = 'V'};
	names[n] = (struct option){.name = NULL};
}

/* getopt's '?': optopt is the row of a switch with a value (the letter, where it has
 * one), the letter of an unknown short option, or 0 for an unknown long one. */
static bool wrong_option(struct parse *parse, char **argv)
{
	if (optopt >= FIRST_LONG)
		return wrong(parse, "--%s takes no value",
			     settings[optopt - FIRST_LONG].name);
	if (optopt == 'h' || optopt == 'V')
		return wrong(parse, "%s takes no value",
			     optopt == 'h' ? "--help" : "--version");
	if (optopt)
		return wrong(parse, "unknown option '-%c'", optopt);
	return wrong(parse, "unknown option '%s'", argv[optind - 1]);
}

static bool take_option(struct parse *parse, int option, char **argv)
{
	switch (option) {
	case 'o':
		return take_mount_options(parse, optarg);
	case 'd':
		parse->options->debug = true;
		/* fall through */
	case 'f':
		parse->options->foreground = true;
		return true;
	case 'h':
		parse->options->help = true;
		return true;
	case 'V':
		parse->options->version = true;
		return true;
	case ':':
		return wrong(parse, "%s needs a value", argv[optind - 1]);
	case '?':
		return wrong_option(parse, argv);
	default:
		return take(parse, &settings[option - FIRST_LONG],
			    optarg ? optarg : "yes");
	}
}

/* getopt moves what is not an option behind the rest: optind tells where it begins. */
static bool walk(struct parse *parse, int argc, char **argv)
{
	struct option names[LONG_NAMES_MAX];
	int option;

	long_options(names);
	optind = 0;
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":o:fdhV", names, NULL)) >= 0) {
		if (!take_option(parse, option, argv))
			return false;
		if (parse->options->help || parse->options->version)
			return true;
	}
	return true;
}

static bool take_operands(struct parse *parse, int count, char **operands)
{
	struct options *options = parse->options;

	if (count < 1)
		return wrong(parse, "STORE is missing; see tusfs --help");
	if (options->no_mount && count > 1)
		return wrong(parse, "with no-mount there is no MOUNTPOINT");
	if (!options->no_mount && count < 2)
		return wrong(parse, "MOUNTPOINT is missing; see tusfs --help");
	if (count > 2)
		return wrong(parse, "'%s' is one operand too many", operands[2]);
	options->store = options->fs.source =
		settings_keep_path(options, "", operands[0]);
	if (!options->no_mount)
		options->fs.mountpoint = settings_keep_path(options, "", operands[1]);
	if (!options->store || (!options->no_mount && !options->fs.mountpoint))
		return wrong(parse, "the current folder is not to be found");
	return true;
}

static void set_defaults(struct options *options)
{
	*options = (struct options){
		.listen = {"127.0.0.1:1080"},
		.uploads = {.sync = SYNC_ALWAYS,
			    .expire_after = DAYS(7),
			    .tombstone_time = DAYS(7)},
		.http = {.listen_count = 1,
			 .base_path = "/files/",
			 .cors = true,
			 .max_connections = 1024,
			 .idle_timeout = 60 * CLOCK_SECOND},
		.fs = {.base_path = "/files/",
		       .uid = getuid(),
		       .gid = getgid(),
		       .umask = 022},
	};
	options->http.listen = options->listen;
}

bool options_parse(int argc, char **argv, struct options *options,
		   struct problem *problem)
{
	struct parse config = {
		.options = options, .problem = problem, .config_pass = true};
	struct parse parse = {.options = options, .problem = problem};

	set_defaults(options);
	problem->text[0] = '\0';
	if (!walk(&config, argc, argv) || !walk(&parse, argc, argv))
		return false;
	options->fs.debug = options->debug;
	if (options->help || options->version)
		return true;
	return take_operands(&parse, argc - optind, argv + optind);
}

/* ---- help ---- */

static void help_setting(FILE *out, const struct setting *setting)
{
	char left[64];
	const char *line = setting->help;

	snprintf(left, sizeof(left), "%s%s%s%s",
		 setting->places & PLACE_LONG ? "--" : "-o ", setting->name,
		 !setting->argument		? ""
		 : setting->places & PLACE_LONG ? " "
						: "=",
		 setting->argument ? setting->argument : "");
	while (line) {
		const char *end = strchrnul(line, '\n');

		fprintf(out, "  %-22s %.*s\n", left, (int)(end - line), line);
		left[0] = '\0';
		line = *end ? end + 1 : NULL;
	}
}

void options_help(FILE *out)
{
	fputs("Usage: tusfs [options] STORE MOUNTPOINT\n"
	      "       tusfs [options] --no-mount STORE\n"
	      "Serve resumable uploads (tus 1.0.0) over HTTP, and show each as a "
	      "file.\n"
	      "STORE is the folder that keeps them; it is made if it is absent.\n"
	      "\n"
	      "Options, with defaults in brackets. Those with two dashes can also be "
	      "given as\n"
	      "-o name=value,... and as lines of a file.\n",
	      out);
	for (size_t i = 0; i < settings_count; i++)
		help_setting(out, &settings[i]);
	fputs("  -f                     stay in the foreground\n"
	      "  -d                     the same, and print debugging lines\n"
	      "  -h, --help             print this and exit\n"
	      "  -V, --version          print the version and exit\n"
	      "\n"
	      "Without -f, tusfs returns 0 once HTTP is served and the mount is "
	      "there.\n"
	      "Exit status: 0 after an orderly stop, 1 if it cannot start, 2 for wrong "
	      "usage.\n",
	      out);
}
