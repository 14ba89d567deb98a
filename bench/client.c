/* One request at a time over a blocking socket. */
#include "client.h"

#include "answer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { SILENCE_S = 15 };

uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

unsigned number(const char *text, unsigned max)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (end == text || *end != '\0' || *text == '-' || value > max) {
        fprintf(stderr, "%s: not a number up to %u\n", text, max);
        exit(2);
    }
    return (unsigned)value;
}

size_t client_request(char *buffer, size_t size, const char *path)
{
    int n = snprintf(buffer, size, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", path);

    if (n < 0 || (size_t)n >= size) {
        fprintf(stderr, "the path is too long\n");
        exit(2);
    }
    return (size_t)n;
}

int client_connect(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct timeval silence = {.tv_sec = SILENCE_S};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &silence, sizeof(silence));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof(silence));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        int err = -errno;
        close(fd);
        return err;
    }
    return fd;
}

int client_get(int fd, const char *path)
{
    char text[8192];
    struct answer_shape shape = {0};
    struct answer answer;
    size_t n = client_request(text, sizeof(text), path), have = 0;
    int got = 0;

    if (send(fd, text, n, MSG_NOSIGNAL) != (ssize_t)n)
        return -EPIPE;
    while (got == 0 && have < sizeof(text)) {
        ssize_t more = recv(fd, text + have, sizeof(text) - have, 0);
        if (more <= 0)
            return more == 0 ? -ECONNRESET : -errno;
        have += (size_t)more;
        got = answer_read(&shape, text, have, &answer);
    }
    return got == 1 ? (int)answer.status : -EPROTO;
}
