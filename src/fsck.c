/* fsck.tusfs: the command line around check.h. */
#include "tusfs/check.h"
#include "tusfs/log.h"

#include <getopt.h>

/* As fsck(8). */
enum exit_status {
	EXIT_CLEAN = 0,
	EXIT_MENDED = 1,
	EXIT_ERRORS = 4,
	EXIT_FAILED = 8,
	EXIT_USAGE = 16,
};

static const struct option names[] = {
	{.name = "repair", .val = 'r'},
	{.name = "help", .val = 'h'},
	{.name = "version", .val = 'V'},
	{.name = NULL},
};

static int help(void)
{
	fputs("Usage: fsck.tusfs [--repair] STORE\n"
	      "Check the folder STORE of tusfs, while no daemon has it open.\n"
	      "\n"
	      "  --repair       mend what is wrong; without it, nothing is changed\n"
	      "  -h, --help     print this and exit\n"
	      "  -V, --version  print the version and exit\n"
	      "\n"
	      "Exit status: 0 nothing is wrong, 1 errors were mended, 4 errors are "
	      "left,\n"
	      "8 the check failed, 16 wrong usage.\n",
	      stdout);
	return EXIT_CLEAN;
}

static int refuse(const char *store, int r)
{
	if (r == REFUSED_BUSY)
		log_error("a running tusfs has %s open", store);
	if (r == REFUSED_NOT_FOUND)
		log_error("%s is not a store of tusfs", store);
	return EXIT_FAILED;
}

static int check(const char *store, bool repair)
{
	struct check_result result;
	int r = check_store(store, repair, stdout, &result);

	if (fflush(stdout) == EOF || r)
		return refuse(store, r);
	if (!result.found)
		return EXIT_CLEAN;
	if (result.left) {
		fprintf(stderr, "fsck.tusfs: %s: %llu errors are left%s\n", store,
			(unsigned long long)result.left,
			repair ? "" : "; --repair mends them");
		return EXIT_ERRORS;
	}
	fprintf(stderr, "fsck.tusfs: %s: mended\n", store);
	return EXIT_MENDED;
}

int main(int argc, char **argv)
{
	bool repair = false;
	int option;

	while ((option = getopt_long(argc, argv, "hV", names, NULL)) >= 0) {
		switch (option) {
		case 'r':
			repair = true;
			break;
		case 'h':
			return help();
		case 'V':
			puts("fsck.tusfs " TUSFS_VERSION);
			return EXIT_CLEAN;
		default:
			return EXIT_USAGE;
		}
	}
	if (argc - optind != 1) {
		fputs("fsck.tusfs: one STORE is needed; see fsck.tusfs --help\n",
		      stderr);
		return EXIT_USAGE;
	}
	return check(argv[optind], repair);
}
