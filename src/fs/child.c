#include "child.h"

#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Nothing of the daemon's may live on here: not its terminal or pipes, which others
 * wait to see closed, and above all not the lock on its store. */
static int keep_only(int fd)
{
	int null = open("/dev/null", O_RDWR), first = STDERR_FILENO + 1;

	if (null >= 0)
		for (int standard = 0; standard <= STDERR_FILENO; standard++)
			dup2(null, standard);
	if (fd >= 0 && dup2(fd, first) < 0)
		_exit(1);
	close_range(fd >= 0 ? (unsigned int)first + 1 : (unsigned int)first, ~0U, 0);
	return fd >= 0 ? first : -1;
}

int child_begin(const char *name, pid_t parent, int death_signal, int fd)
{
	static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	prctl(PR_SET_NAME, name);
	prctl(PR_SET_PDEATHSIG, death_signal);
	if (getppid() != parent || chdir("/") < 0)
		_exit(1);
	return keep_only(fd);
}
