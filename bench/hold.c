/* hold PORT PATH CONNECTIONS SECONDS: many connections that asked once and then say nothing.
 *
 * Happy path: opens them one after the other, each gets its answer; prints "holding N"; keeps them until its stdin ends
 * or the time is over; closes them all. Failures: the first one ends the program with 1; what was opened closes with
 * it.
 */
#include "client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 20000, SECONDS_MAX = 120 };

static void fail(const char *what, unsigned i, int err)
{
    fprintf(stderr, "hold: connection %u, %s: %s\n", i, what, strerror(-err));
    exit(1);
}

int main(int argc, char **argv)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    unsigned port, n, seconds;

    if (argc != 5) {
        fprintf(stderr, "usage: hold PORT PATH CONNECTIONS SECONDS\n");
        return 2;
    }
    port = number(argv[1], PORT_MAX);
    n = number(argv[3], CONNECTIONS_MAX);
    seconds = number(argv[4], SECONDS_MAX);
    alarm(2 * SECONDS_MAX);
    for (unsigned i = 0; i < n; i++) {
        int fd = client_connect(port), status;
        if (fd < 0)
            fail("connect", i, fd);
        status = client_get(fd, argv[2]);
        if (status != 200)
            fail("answer", i, status < 0 ? status : -EPROTO);
    }
    printf("holding %u\n", n);
    fflush(stdout);
    poll(&input, 1, (int)seconds * 1000);
    return 0;
}
