/* tusfs: both doors up, wait for the end, both doors down. */
#include "options.h"

#include "tusfs/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

struct service {
	struct uploads *uploads;
	struct fs *fs;
	struct http *http;
};

/* SIGTERM and SIGINT wait for sigwait(), in every thread and from the start on; a
 * second one stays pending and changes nothing. */
static void block_signals(sigset_t *ends)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	sigemptyset(ends);
	sigaddset(ends, SIGTERM);
	sigaddset(ends, SIGINT);
	pthread_sigmask(SIG_BLOCK, ends, NULL);
}

/* Each connection may need a socket, a blob to write and one to read. As many again are
 * for uploads of several parts, each of which is a blob, and for programs that read in
 * the mount. Root may go beyond the limit that it was given. */
static void raise_file_limit(unsigned int connections)
{
	rlim_t needed = (rlim_t)connections * 3 + 1024, wanted = 2 * needed;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	if (limit.rlim_max < wanted &&
	    setrlimit(RLIMIT_NOFILE, &(struct rlimit){wanted, wanted}) == 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_max < needed)
		log_warning(
			"%llu files can be open at a time, and %u connections may need "
			"%llu",
			(unsigned long long)limit.rlim_max, connections,
			(unsigned long long)needed);
}

static void mount_ended(void *arg)
{
	log_info("the mount has ended");
	kill(getpid(), SIGTERM);
}

static int open_store(struct service *service, const struct options *options)
{
	int r = uploads_open(options->store, &options->uploads, &service->uploads);

	if (r == REFUSED_BUSY)
		log_error("another tusfs has %s open", options->store);
	return r;
}

/* The publisher, which fs_prepare forks, must come before any thread. */
static int start(struct service *service, const struct options *options)
{
	int r = open_store(service, options);

	if (!r && !options->no_mount)
		r = fs_prepare(&options->fs, &service->fs);
	if (!r && service->fs)
		r = fs_start(service->fs, service->uploads, mount_ended, NULL);
	if (!r)
		r = http_start(&options->http, service->uploads, &service->http);
	if (!r)
		r = uploads_start_threads(service->uploads);
	return r;
}

/* The mount goes last: the writers' last commits are told to it. */
static void stop(struct service *service)
{
	if (service->http)
		http_quiesce(service->http);
	if (service->uploads)
		uploads_stop_writers(service->uploads);
	service->http = http_stop(service->http);
	service->fs = fs_stop(service->fs);
	if (service->uploads)
		service->uploads = uploads_close(service->uploads);
}

/* Lets go of the terminal and of the current folder, and tells the parent. */
static void detach(int ready)
{
	int null = open("/dev/null", O_RDWR);

	log_to_syslog();
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		if (null > STDERR_FILENO)
			close(null);
	}
	if (chdir("/") < 0)
		failure(-errno, "change to the root folder");
	if (write(ready, "", 1) < 0)
		failure(-errno, "tell that tusfs is ready");
	close(ready);
}

static void log_ready(const struct service *service, const struct options *options)
{
	const char *mount = options->no_mount ? "no mount" : options->fs.mountpoint;
	unsigned int port = http_port(service->http);

	if (port)
		log_info("ready: port %u, %s", port, mount);
	else
		log_info("ready: no port, %s", mount);
}

/* `ready` is where to tell that both doors are open, or -1 in the foreground. Returns
 * the exit status. */
static int serve(const struct options *options, int ready)
{
	struct service service = {.uploads = NULL};
	sigset_t ends;
	int r, number;

	block_signals(&ends);
	raise_file_limit(options->http.max_connections);
	r = start(&service, options);
	if (!r) {
		if (ready >= 0)
			detach(ready);
		log_ready(&service, options);
		sigwait(&ends, &number);
		log_info("stopping");
	}
	stop(&service);
	return r ? 1 : 0;
}

/* The child's errors went to the standard error that it shares with us. */
static int wait_until_ready(int ready, pid_t child)
{
	ssize_t got;
	int status;
	char byte;

	do
		got = read(ready, &byte, 1);
	while (got < 0 && errno == EINTR);
	if (got == 1)
		return 0;
	if (waitpid(child, &status, 0) == child && WIFSIGNALED(status))
		log_error("killed at the start: %s", strsignal(WTERMSIG(status)));
	return 1;
}

/* So that nothing that is opened gets the number of a standard stream, which detach()
 * replaces, and which others write to. */
static void open_standard_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

static int serve_in_background(const struct options *options)
{
	int ready[2];
	pid_t child;

	if (pipe2(ready, O_CLOEXEC) < 0) {
		failure(-errno, "make a pipe");
		return 1;
	}
	child = fork();
	if (child < 0) {
		failure(-errno, "fork");
		return 1;
	}
	if (child == 0) {
		close(ready[0]);
		setsid();
		http_inherit_from_parent();
		return serve(options, ready[1]);
	}
	close(ready[1]);
	return wait_until_ready(ready[0], child);
}

/* As the kernel will name it. Where a stale mount is, a slash at the end would be asked
 * for; what cannot be resolved all the same is for fs_prepare() to refuse. The caller
 * frees it; NULL without memory. */
static char *resolve(const char *path)
{
	SCOPED(scoped_free) char *bare = strdup(path);
	size_t length = strlen(path);
	char *resolved;

	if (!bare)
		return NULL;
	while (length > 1 && bare[length - 1] == '/')
		bare[--length] = '\0';
	resolved = realpath(bare, NULL);
	return resolved ? resolved : STEAL(bare);
}

int main(int argc, char **argv)
{
	SCOPED(options_release) struct options options = {0};
	SCOPED(scoped_free) char *mountpoint = NULL;
	struct problem problem;

	open_standard_streams();
	if (!options_parse(argc, argv, &options, &problem)) {
		fprintf(stderr, "tusfs: %s\n", problem.text);
		return 2;
	}
	if (options.help) {
		options_help(stdout);
		return 0;
	}
	if (options.version) {
		puts("tusfs " TUSFS_VERSION);
		return 0;
	}
	log_set_debug(options.debug);
	if (!options.no_mount) {
		mountpoint = resolve(options.fs.mountpoint);
		if (!mountpoint) {
			failure(-ENOMEM, "start");
			return 1;
		}
		options.fs.mountpoint = mountpoint;
	}
	return options.foreground ? serve(&options, -1) : serve_in_background(&options);
}
