#include "listen.h"

#include "tusfs/log.h"
#include "tusfs/text.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_INHERITED 3 /* SD_LISTEN_FDS_START */

/* As with a port on loopback, anybody on this machine may connect to a Unix socket,
 * which takes write permission: a proxy has a user of its own. The umask, which all
 * threads share, has cut the mode; nobody can connect before listen(). */
static int listen_at(int fd, const struct sockaddr *address, socklen_t size)
{
	if (bind(fd, address, size) < 0)
		return -1;
	if (address->sa_family == AF_UNIX &&
	    chmod(((const struct sockaddr_un *)address)->sun_path, 0666) < 0)
		return -1;
	return listen(fd, SOMAXCONN);
}

static int open_socket(int family, const struct sockaddr *address, socklen_t size,
		       const char *text, int *fd)
{
	SCOPED(scoped_close)
	int made = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;

	if (made < 0)
		return failure(-errno, "make a socket for %s", text);
	/* never SO_REUSEPORT: a second daemon would take half of the connections */
	if (family != AF_UNIX)
		setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (listen_at(made, address, size) < 0)
		return failure(-errno, "listen on %s", text);
	*fd = made;
	made = -1;
	return 0;
}

/* ---- TCP ---- */

static int bad_address(const char *text)
{
	log_error("listen on %s: not ADDR:PORT, [v6]:PORT or unix:PATH", text);
	return REFUSED_INVALID;
}

/* Splits at the last colon; brackets around the host go away. False if it cannot be. */
static bool split_address(char *text, char **host, char **port)
{
	char *colon = strrchr(text, ':');
	uint64_t number;

	if (!colon || !text_to_u64(colon + 1, strlen(colon + 1), &number) ||
	    number > UINT16_MAX)
		return false;
	*colon = '\0';
	*port = colon + 1;
	*host = text;
	if (text[0] == '[' && colon > text + 1 && colon[-1] == ']') {
		colon[-1] = '\0';
		*host = text + 1;
		return true;
	}
	return !strpbrk(text, ":[]");
}

static int open_tcp(const char *text, int *fd)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
				 .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	struct addrinfo *found;
	SCOPED(scoped_free) char *copy = strdup(text);
	char *host, *port;
	int r;

	if (!copy)
		return failure(-ENOMEM, "listen on %s", text);
	if (!split_address(copy, &host, &port))
		return bad_address(text);
	r = getaddrinfo(*host && strcmp(host, "*") != 0 ? host : NULL, port, &hints,
			&found);
	if (r) {
		log_error("listen on %s: %s", text, gai_strerror(r));
		return REFUSED_INVALID;
	}
	r = open_socket(found->ai_family, found->ai_addr, found->ai_addrlen, text, fd);
	freeaddrinfo(found);
	return r;
}

/* ---- Unix sockets ---- */

/* Whether something answers there. */
static bool is_served(const struct sockaddr_un *address)
{
	SCOPED(scoped_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 &&
	       connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0;
}

/* A socket that a dead daemon left is in the way; anything else is not ours. */
static void remove_stale(const struct sockaddr_un *address)
{
	struct stat st;

	if (lstat(address->sun_path, &st) == 0 && S_ISSOCK(st.st_mode) &&
	    !is_served(address))
		unlink(address->sun_path);
}

static int open_unix(const char *text, const char *path, struct listener *listener)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	SCOPED(scoped_free) char *copy = strdup(path);
	int r;

	if (!copy)
		return failure(-ENOMEM, "listen on %s", text);
	if (!*path || strlen(path) >= sizeof(address.sun_path))
		return bad_address(text);
	memcpy(address.sun_path, path, strlen(path) + 1);
	remove_stale(&address);
	r = open_socket(AF_UNIX, (struct sockaddr *)&address, sizeof(address), text,
			&listener->fd);
	if (!r)
		listener->unix_path = STEAL(copy);
	return r;
}

/* ---- from systemd ---- */

static uint64_t environment_number(const char *name)
{
	const char *text = getenv(name);
	uint64_t number;

	return text && text_to_u64(text, strlen(text), &number) ? number : 0;
}

void http_inherit_from_parent(void)
{
	char pid[24];

	if (environment_number("LISTEN_PID") != (uint64_t)getppid())
		return;
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
}

static size_t inherited_count(void)
{
	uint64_t count = environment_number("LISTEN_FDS");

	if (environment_number("LISTEN_PID") != (uint64_t)getpid())
		return 0;
	return count < 64 ? count : 64;
}

static int take_inherited(size_t i, struct listener *listener)
{
	int fd = FIRST_INHERITED + (int)i, listening = 0;
	socklen_t size = sizeof(listening);

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) < 0 ||
	    !listening) {
		log_error("descriptor %d, handed over by LISTEN_FDS, does not listen",
			  fd);
		return REFUSED_INVALID;
	}
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	listener->fd = fd;
	listener->inherited = true;
	return 0;
}

/* ---- all ---- */

/* The kernel has chosen one, and nobody could know it otherwise. That of the first
 * listener is told when all is ready. */
static void tell_port(const char *text, const struct listener *listener)
{
	const char *port = strrchr(text, ':');
	uint64_t number;

	if (port && text_to_u64(port + 1, strlen(port + 1), &number) && !number)
		log_info("listening on %s: port %u", text, listener_port(listener));
}

static int open_listener(const char *text, struct listener *listener)
{
	return strncmp(text, "unix:", 5) == 0 ? open_unix(text, text + 5, listener)
					      : open_tcp(text, &listener->fd);
}

int listeners_open(const struct http_config *config, struct listener **listeners,
		   size_t *count)
{
	size_t inherited = inherited_count();
	size_t n = inherited ? inherited : config->listen_count;
	SCOPED(scoped_free) struct listener *made = calloc(n ? n : 1, sizeof(*made));
	int r = 0;

	if (!made)
		return failure(-ENOMEM, "listen");
	for (size_t i = 0; i < n; i++)
		made[i].fd = -1;
	for (size_t i = 0; i < n && !r; i++)
		r = inherited ? take_inherited(i, &made[i])
			      : open_listener(config->listen[i], &made[i]);
	for (size_t i = 1; i < n && !r && !inherited; i++)
		tell_port(config->listen[i], &made[i]);
	if (r) {
		for (size_t i = 0; i < n; i++)
			listener_release(&made[i]);
		return r;
	}
	*listeners = STEAL(made);
	*count = n;
	return 0;
}

void listener_stop(struct listener *listener)
{
	/* A shutdown would close the door for whoever else holds an inherited socket,
	 * such as the next daemon: there, newcomers wait in the backlog for it. */
	if (!listener->inherited)
		shutdown(listener->fd, SHUT_RDWR);
}

void listener_release(struct listener *listener)
{
	if (listener->fd >= 0)
		close(listener->fd);
	if (listener->unix_path)
		unlink(listener->unix_path);
	free(listener->unix_path);
	*listener = (struct listener){.fd = -1};
}

uint16_t listener_port(const struct listener *listener)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);

	if (getsockname(listener->fd, (struct sockaddr *)&address, &size) < 0)
		return 0;
	switch (address.ss_family) {
	case AF_INET:
		return ntohs(((struct sockaddr_in *)&address)->sin_port);
	case AF_INET6:
		return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
	default:
		return 0;
	}
}
