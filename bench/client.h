/* What the small programs here share: numbers, the time, and one blocking request over the loopback address, the only
 * one that they know. Failures: -errno. */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <stddef.h>
#include <stdint.h>

enum { PORT_MAX = 65535 };

uint64_t now_ns(void);

/* A whole number from the command line, or exit 2. */
unsigned number(const char *text, unsigned max);

/* Writes a GET of path; returns its length, or exits: it must fit. */
size_t client_request(char *buffer, size_t size, const char *path);

/* A connected socket that gives up after some seconds of silence. */
int client_connect(unsigned port);

/* Asks once; the status. */
int client_get(int fd, const char *path);

#endif
