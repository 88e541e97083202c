/* tusfs-backup: the command line around check_backup(). */
#include "tusfs/check.h"
#include "tusfs/log.h"

#include <getopt.h>

static const struct option names[] = {
	{.name = "help", .val = 'h'},
	{.name = "version", .val = 'V'},
	{.name = NULL},
};

static int help(void)
{
	fputs("Usage: tusfs-backup STORE FILE\n"
	      "Copy the catalog of the folder STORE to FILE, while tusfs goes on.\n"
	      "\n"
	      "  -h, --help     print this and exit\n"
	      "  -V, --version  print the version and exit\n"
	      "\n"
	      "Exit status: 0 the copy is on disk, 1 it failed, 2 wrong usage.\n",
	      stdout);
	return 0;
}

int main(int argc, char **argv)
{
	int option, r;

	while ((option = getopt_long(argc, argv, "hV", names, NULL)) >= 0) {
		if (option == 'h')
			return help();
		if (option != 'V')
			return 2;
		puts("tusfs-backup " TUSFS_VERSION);
		return 0;
	}
	if (argc - optind != 2) {
		fputs("tusfs-backup: STORE and FILE are needed; see tusfs-backup "
		      "--help\n",
		      stderr);
		return 2;
	}
	r = check_backup(argv[optind], argv[optind + 1]);
	if (r == REFUSED_GONE)
		log_error("the catalog of %s is damaged: see fsck.tusfs(8)",
			  argv[optind]);
	return r ? 1 : 0;
}
