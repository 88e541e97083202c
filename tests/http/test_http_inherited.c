/* A listening socket that systemd hands over is descriptor 3, so this program makes one
 * before it opens anything else. */
#include "run.h"
#include "server.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static uint16_t port;
static int held; /* systemd's own */

static int inherit(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) < 0 ||
	    listen(fd, 16) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &size) < 0)
		return -1;
	port = ntohs(address.sin_port);
	held = dup(fd);
	return fd == 3 ? 0 : dup2(fd, 3);
}

START_TEST(a_socket_from_systemd_replaces_the_addresses)
{
	SCOPED(scoped_close) int late = -1;
	char pid[24];

	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	server_restart();
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	ck_assert_uint_eq(server.port, port);
	assert_alive();
	server.http = http_stop(server.http);
	ck_assert_int_eq(dup2(held, 3), 3);
	/* a newcomer waits in the backlog for the next daemon */
	late = client_connect(port);
	server.config.listen_count = 0;
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	ck_assert_int_eq(http_start(&server.config, server.uploads, &server.http), 0);
	{
		SCOPED(reply_release)
		struct reply reply =
			client_ask_on(late, "OPTIONS", "/files/", "", NULL);

		ck_assert_int_eq(reply.status, 204);
	}
	server.http = http_stop(server.http);
	ck_assert_int_eq(dup2(held, 3), 3); /* as it was, for the descriptor count */
	unsetenv("LISTEN_PID");
	/* for a parent that went into the background by a fork */
	snprintf(pid, sizeof(pid), "%d", (int)getppid());
	setenv("LISTEN_PID", pid, 1);
	http_inherit_from_parent();
	ck_assert_int_eq(http_start(&server.config, server.uploads, &server.http), 0);
	ck_assert_uint_eq(http_port(server.http), port);
	server.http = http_stop(server.http);
	ck_assert_int_eq(dup2(held, 3), 3);
	setenv("LISTEN_PID", "1", 1); /* not meant for us */
	http_inherit_from_parent();
	server.config.listen_count = 1;
	ck_assert_int_eq(http_start(&server.config, server.uploads, &server.http), 0);
	ck_assert_uint_ne(http_port(server.http), port);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {a_socket_from_systemd_replaces_the_addresses};

	if (inherit() < 0) {
		perror("make a listening socket");
		return EXIT_FAILURE;
	}
	return RUN_TESTS_FOR(tests, server_setup, server_teardown, 150);
}
