/* What the load generators share: sockets on the loopback interface, and the few
 * requests of tus that they make. Any failure ends the program with a line on standard
 * error: a measurement with an error in it is none. Thread-safe. */
#ifndef TUSFS_BENCH_CLIENT_H
#define TUSFS_BENCH_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLIENT_PATH_SIZE 128
#define CLIENT_HEAD_MAX	 8192

struct answer {
	unsigned int status;
	char path[CLIENT_PATH_SIZE]; /* of Location, without scheme and host; or "" */
	size_t size;		     /* of the whole answer, in bytes */
};

/* Reads an answer from the start of `bytes`, which end with a NUL behind `size`; false
 * while it is not all there. `head`: it answers HEAD, so it has no body. */
bool answer_parse(const char *bytes, size_t size, bool head, struct answer *answer);

int client_connect(uint16_t port);
/* `address` is a port, or the path of a Unix socket, which begins with a slash. */
int client_connect_to(const char *address);
void client_send(int fd, const void *bytes, size_t size);
/* Waits for one whole answer. */
void client_receive(int fd, bool head, struct answer *answer);
void client_expect(const struct answer *answer, unsigned int status);
/* An unsigned number of the command line; `what` is for the message. */
uint64_t client_number(const char *text, const char *what);

/* POST with the given field lines, each ended by CRLF: a new upload, whose path is
 * written. */
void client_create(int fd, const char *fields, char path[CLIENT_PATH_SIZE]);
/* Writes the head of a PATCH from offset 0 whose body has `size` bytes; returns its
 * length. */
size_t client_patch_head(char *head, size_t room, const char *path, uint64_t size,
			 const char *fields);
/* A field line with a file name, another one for each number, in this process. */
void client_metadata(uint64_t number, char *line, size_t room);
void client_delete(int fd, const char *path);

#define CLIENT_PIECE (256 * 1024)
/* Bytes that bodies are made of, again and again: the piece at offset 0 of a body is
 * the one at every multiple of CLIENT_PIECE. */
const char *client_piece(void);
/* Sends a body of `size` bytes. */
void client_send_body(int fd, uint64_t size);

/* Of sorted values. */
double client_quantile(const double *sorted, size_t count, double q);
void client_sort(double *values, size_t count);

#endif
