#include "settings.h"

#include "tusfs/clock.h"
#include "tusfs/text.h"

#include <ctype.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>

#define CONNECTIONS_MAX 100000

struct kept {
	struct kept *next;
	char *text;
};

/* Keeps a text as long as the options live. NULL when memory is short. */
PRINTF_LIKE(2, 3)
static const char *keep(struct options *options, const char *format, ...)
{
	struct kept *kept = malloc(sizeof(*kept));
	va_list arguments;
	int length;

	if (!kept)
		return NULL;
	va_start(arguments, format);
	length = vasprintf(&kept->text, format, arguments);
	va_end(arguments);
	if (length < 0) {
		free(kept);
		return NULL;
	}
	kept->next = options->kept;
	options->kept = kept;
	return kept->text;
}

void options_release(struct options *options)
{
	struct kept *kept = options->kept;

	while (kept) {
		struct kept *next = kept->next;

		free(kept->text);
		free(kept);
		kept = next;
	}
	options->kept = NULL;
}

/* The daemon changes to the root folder, so a path must not depend on the current
 * one. */
const char *settings_keep_path(struct options *options, const char *prefix,
			       const char *path)
{
	SCOPED(scoped_free) char *cwd = NULL;

	if (path[0] == '/')
		return keep(options, "%s%s", prefix, path);
	cwd = getcwd(NULL, 0);
	return cwd ? keep(options, "%s%s/%s", prefix, cwd, path) : NULL;
}

/* ---- one function a value: false when it is not acceptable ---- */

static bool parse_switch(const char *value, bool *on)
{
	static const char *const yes[] = {"yes", "true", "on", "1"};
	static const char *const no[] = {"no", "false", "off", "0"};

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		if (strcasecmp(value, yes[i]) == 0 || strcasecmp(value, no[i]) == 0) {
			*on = strcasecmp(value, yes[i]) == 0;
			return true;
		}
	}
	return false;
}

static bool parse_number(const char *value, uint64_t min, uint64_t max,
			 uint64_t *number)
{
	return text_to_u64(value, strlen(value), number) && *number >= min &&
	       *number <= max;
}

/* NULL if it is none. Whether there is such an address is found out when it is used. */
static const char *keep_address(struct options *options, const char *value)
{
	const char *colon = strrchr(value, ':');
	uint64_t port;

	if (strncmp(value, "unix:", 5) == 0)
		return value[5] ? settings_keep_path(options, "unix:", value + 5)
				: NULL;
	if (!colon || colon == value || !parse_number(colon + 1, 0, 65535, &port))
		return NULL;
	return keep(options, "%s", value);
}

static bool set_listen(struct options *options, const char *value)
{
	size_t count = options->http.listen_count;

	if (count == OPTIONS_LISTEN_MAX)
		return false;
	options->listen[count] = keep_address(options, value);
	if (!options->listen[count])
		return false;
	options->http.listen_count++;
	return true;
}

static bool set_base_path(struct options *options, const char *value)
{
	const char *kept;

	if (value[0] != '/' || strstr(value, "//"))
		return false;
	for (const char *c = value; *c; c++) {
		if (!isalnum((unsigned char)*c) && !strchr("/-._~", *c))
			return false;
	}
	kept = keep(options, "%s%s", value, value[strlen(value) - 1] == '/' ? "" : "/");
	options->http.base_path = options->fs.base_path = kept;
	return kept != NULL;
}

static bool set_max_size(struct options *options, const char *value)
{
	if (!text_to_bytes(value, &options->uploads.max_size))
		return false;
	options->http.max_size = options->uploads.max_size;
	return true;
}

/* So that times can be added to it: a century. */
#define EXPIRE_AFTER_MAX (INT64_C(36525) * 24 * 3600 * CLOCK_SECOND)

static bool set_expire_after(struct options *options, const char *value)
{
	return text_to_span(value, &options->uploads.expire_after) &&
	       options->uploads.expire_after <= EXPIRE_AFTER_MAX;
}

/* Which of the words it is; -1 if it is none. */
static int find_word(const char *const words[], size_t count, const char *value)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(value, words[i]) == 0)
			return (int)i;
	return -1;
}

static bool set_sync(struct options *options, const char *value)
{
	static const char *const levels[] = {
		[SYNC_ALWAYS] = "always",
		[SYNC_FINISH] = "finish",
		[SYNC_NEVER] = "never",
	};
	int level = find_word(levels, sizeof(levels) / sizeof(levels[0]), value);

	if (level >= 0)
		options->uploads.sync = (enum sync_level)level;
	return level >= 0;
}

static bool set_compact(struct options *options, const char *value)
{
	static const char *const modes[] = {
		[COMPACT_OFF] = "off",
		[COMPACT_IDLE] = "idle",
		[COMPACT_ALWAYS] = "always",
	};
	int mode = find_word(modes, sizeof(modes) / sizeof(modes[0]), value);

	if (mode >= 0)
		options->uploads.compact = (enum compact_mode)mode;
	return mode >= 0;
}

static bool set_serve_unfinished(struct options *options, const char *value)
{
	return parse_switch(value, &options->http.serve_unfinished);
}

static bool set_trust_proxy(struct options *options, const char *value)
{
	return parse_switch(value, &options->http.trust_proxy);
}

static bool set_absolute_location(struct options *options, const char *value)
{
	return parse_switch(value, &options->http.absolute_location);
}

static bool set_reserve(struct options *options, const char *value)
{
	return parse_switch(value, &options->uploads.reserve);
}

static bool set_no_cors(struct options *options, const char *value)
{
	bool off;

	if (!parse_switch(value, &off))
		return false;
	options->http.cors = !off;
	return true;
}

static bool set_max_connections(struct options *options, const char *value)
{
	uint64_t number;

	if (!parse_number(value, 1, CONNECTIONS_MAX, &number))
		return false;
	options->http.max_connections = (unsigned int)number;
	return true;
}

static bool set_idle_timeout(struct options *options, const char *value)
{
	return text_to_span(value, &options->http.idle_timeout) &&
	       options->http.idle_timeout > 0;
}

static bool set_no_mount(struct options *options, const char *value)
{
	return parse_switch(value, &options->no_mount);
}

static bool set_allow_other(struct options *options, const char *value)
{
	return parse_switch(value, &options->fs.allow_other);
}

static bool set_noexec(struct options *options, const char *value)
{
	return parse_switch(value, &options->fs.noexec);
}

/* A user's or a group's; chown(2) has a meaning of its own for the highest number. */
static bool parse_id(const char *value, id_t *id)
{
	uint64_t number;

	if (!parse_number(value, 0, UINT32_MAX - 1, &number))
		return false;
	*id = (id_t)number;
	return true;
}

static bool set_uid(struct options *options, const char *value)
{
	return parse_id(value, &options->fs.uid);
}

static bool set_gid(struct options *options, const char *value)
{
	return parse_id(value, &options->fs.gid);
}

static bool set_umask(struct options *options, const char *value)
{
	char *end;
	unsigned long mask = strtoul(value, &end, 8);

	if (!isdigit((unsigned char)value[0]) || *end || mask > 0777)
		return false;
	options->fs.umask = (mode_t)mask;
	return true;
}

/* ---- the table ---- */

const struct setting settings[] = {
	{.name = "listen",
	 .argument = "ADDR:PORT",
	 .expects = "ADDR:PORT, [V6ADDR]:PORT or unix:PATH, 16 of them at most",
	 .help = "where to serve HTTP; also [V6ADDR]:PORT or unix:PATH;\n"
		 "may be repeated (127.0.0.1:1080)",
	 .places = PLACE_ALL,
	 .repeats = true,
	 .set = set_listen},
	{.name = "base-path",
	 .argument = "PATH",
	 .expects = "a path such as /files/, of letters, digits and -._~/",
	 .help = "path of the uploads' URLs (/files/)",
	 .places = PLACE_ALL,
	 .set = set_base_path},
	{.name = "max-size",
	 .argument = "BYTES",
	 .expects = "a number of bytes, such as 500M or 2T",
	 .help = "largest upload, with K, M, G, T or P; 0: no limit (0)",
	 .places = PLACE_ALL,
	 .set = set_max_size},
	{.name = "expire-after",
	 .argument = "TIME",
	 .expects = "a time such as 12h or 7d",
	 .help = "remove unfinished uploads, and parts, that nobody has\n"
		 "touched for TIME, with s, m, h or d; 0: never (7d)",
	 .places = PLACE_ALL,
	 .set = set_expire_after},
	{.name = "sync",
	 .argument = "LEVEL",
	 .expects = "always, finish or never",
	 .help = "what a power cut cannot take: all acknowledged bytes\n"
		 "(always), finished uploads (finish) or nothing (never);\n"
		 "a crash of tusfs takes none of them (always)",
	 .places = PLACE_ALL,
	 .set = set_sync},
	{.name = "compact",
	 .argument = "WHEN",
	 .expects = "off, idle or always",
	 .help = "rewrite concatenated uploads to one blob, which is read\n"
		 "faster: while nobody uploads (idle), or at once\n"
		 "(always), or never (off)",
	 .places = PLACE_ALL,
	 .set = set_compact},
	{.name = "serve-unfinished",
	 .expects = "yes or no",
	 .help = "let GET read what has come of unfinished uploads",
	 .places = PLACE_ALL,
	 .set = set_serve_unfinished},
	{.name = "trust-proxy",
	 .expects = "yes or no",
	 .help = "with --absolute-location, take host and protocol from\n"
		 "Forwarded, X-Forwarded-Host and X-Forwarded-Proto",
	 .places = PLACE_ALL,
	 .set = set_trust_proxy},
	{.name = "absolute-location",
	 .expects = "yes or no",
	 .help = "answer the creation of an upload with a whole URL",
	 .places = PLACE_ALL,
	 .set = set_absolute_location},
	{.name = "reserve",
	 .expects = "yes or no",
	 .help = "set aside room for a whole upload with its first bytes",
	 .places = PLACE_ALL,
	 .set = set_reserve},
	{.name = "no-cors",
	 .expects = "yes or no",
	 .help = "do not serve web pages of other origins",
	 .places = PLACE_ALL,
	 .set = set_no_cors},
	{.name = "max-connections",
	 .argument = "N",
	 .expects = "a number from 1 to 100000",
	 .help = "HTTP connections at a time (1024)",
	 .places = PLACE_ALL,
	 .set = set_max_connections},
	{.name = "idle-timeout",
	 .argument = "TIME",
	 .expects = "a time above 0, such as 60s",
	 .help = "close HTTP connections that stall for TIME (60s)",
	 .places = PLACE_ALL,
	 .set = set_idle_timeout},
	{.name = "no-mount",
	 .expects = "yes or no",
	 .help = "serve HTTP only, and take no MOUNTPOINT",
	 .places = PLACE_ALL,
	 .set = set_no_mount},
	{.name = "config",
	 .argument = "FILE",
	 .help = "read options from FILE, a line each: name = value;\n"
		 "the command line overrides them",
	 .places = PLACE_NOT_FILE},
	{.name = "allow_other",
	 .expects = "yes or no",
	 .help = "let other users see the mount",
	 .places = PLACE_NOT_LONG,
	 .set = set_allow_other},
	{.name = "noexec",
	 .expects = "yes or no",
	 .help = "let no program in the mount be run",
	 .places = PLACE_NOT_LONG,
	 .set = set_noexec},
	{.name = "uid",
	 .argument = "N",
	 .expects = "a user's number",
	 .help = "owner of the files (the user who mounts)",
	 .places = PLACE_NOT_LONG,
	 .set = set_uid},
	{.name = "gid",
	 .argument = "N",
	 .expects = "a group's number",
	 .help = "group of the files (the group of the user who mounts)",
	 .places = PLACE_NOT_LONG,
	 .set = set_gid},
	{.name = "umask",
	 .argument = "MODE",
	 .expects = "an octal mode such as 022",
	 .help = "permissions to leave out (022)",
	 .places = PLACE_NOT_LONG,
	 .set = set_umask},
};
const size_t settings_count = sizeof(settings) / sizeof(settings[0]);
_Static_assert(sizeof(settings) / sizeof(settings[0]) <= SETTINGS_MAX, "SETTINGS_MAX");

/* What mount(8) and fstab(5) pass along, and what is so anyway or does not matter. */
static const char *const ignored[] = {
	"rw",
	"dev",
	"nodev",
	"suid",
	"nosuid",
	"exec",
	"auto",
	"noauto",
	"user",
	"nouser",
	"users",
	"owner",
	"group",
	"nofail",
	"_netdev",
	"defaults",
	"async",
	"dirsync",
	"atime",
	"noatime",
	"relatime",
	"norelatime",
	"strictatime",
	"nostrictatime",
	"lazytime",
	"nolazytime",
	"diratime",
	"nodiratime",
	"iversion",
	"noiversion",
	"mand",
	"nomand",
	"silent",
	"loud",
	"default_permissions",
};

bool settings_ignored(const char *name)
{
	if (strncmp(name, "x-", 2) == 0)
		return true;
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++) {
		if (strcmp(name, ignored[i]) == 0)
			return true;
	}
	return false;
}

const struct setting *settings_find(const char *name, enum place place)
{
	for (size_t i = 0; i < settings_count; i++) {
		if (strcmp(settings[i].name, name) == 0 && (settings[i].places & place))
			return &settings[i];
	}
	return NULL;
}
