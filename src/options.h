/* The command line: options into one plain struct, which main hands to the modules.
 * Pure but for reading the file that --config names. Not thread-safe (getopt). */
#ifndef TUSFS_OPTIONS_H
#define TUSFS_OPTIONS_H

#include "tusfs/fs.h"
#include "tusfs/http.h"
#include "tusfs/uploads.h"

#include <stdbool.h>
#include <stdio.h>

#define OPTIONS_LISTEN_MAX 16

struct kept; /* strings that the options own */

struct options {
	bool help;
	bool version;
	bool foreground;
	bool no_mount;
	bool debug;
	const char *store; /* absolute */
	struct uploads_config uploads;
	struct http_config http; /* its `listen` points to the array below */
	struct fs_config fs;	 /* mountpoint: absolute; NULL with no_mount */
	const char *listen[OPTIONS_LISTEN_MAX];
	struct kept *kept;
};

struct problem {
	char text[512]; /* one line */
};

/* Fills *options, which the caller then releases, whatever the result. False for wrong
 * usage: *problem says what. With help or version, nothing else is looked at. */
bool options_parse(int argc, char **argv, struct options *options,
		   struct problem *problem);
void options_release(struct options *options);
/* What --help prints. */
void options_help(FILE *out);

#endif
