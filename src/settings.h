/* The table of all options that have a name: what each takes, and how it is set.
 * Not for the outside: options.h is. */
#ifndef TUSFS_SETTINGS_H
#define TUSFS_SETTINGS_H

#include "options.h"

enum place {
	PLACE_LONG = 1,	 /* --name value */
	PLACE_MOUNT = 2, /* -o name=value */
	PLACE_FILE = 4,	 /* name = value, in the file that --config names */
	PLACE_ALL = 7,
	PLACE_NOT_LONG = PLACE_MOUNT | PLACE_FILE,
	PLACE_NOT_FILE = PLACE_LONG | PLACE_MOUNT,
};

struct setting {
	const char *name;
	const char *argument; /* NULL: a switch, whose value is yes or no */
	const char *expects;  /* what an acceptable value is */
	const char *help;     /* lines */
	int places;
	bool repeats; /* a list: a place's first value replaces an earlier place's */
	/* False for a value that is not acceptable. NULL: --config itself. */
	bool (*set)(struct options *options, const char *value);
};

extern const struct setting settings[];
extern const size_t settings_count;
#define SETTINGS_MAX 32 /* settings_count is not above it */

/* NULL for a name that is unknown in that place. */
const struct setting *settings_find(const char *name, enum place place);
/* Whether `name` is one of those that mount(8) and fstab(5) pass along, and that are so
 * anyway or do not matter. */
bool settings_ignored(const char *name);

/* Keeps a copy of PREFIX and `path` made absolute as long as the options live. NULL
 * when memory is short or there is no current folder. */
const char *settings_keep_path(struct options *options, const char *prefix,
			       const char *path);

#endif
