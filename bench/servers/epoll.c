/* epoll PORT: the limit of what one thread and this kernel can answer. It parses nothing: all requests are taken to be
 * as long as the first one, and each gets the same answer.
 *
 * Happy path: level-triggered epoll, one read and one write for whatever a client pipelined.
 * Failures: a client whose answers do not fit into its socket is closed.
 */
#include "client.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, BATCH_MAX = 256, BACKLOG = 4096 };

static const char ANSWER[] = "HTTP/1.1 200 OK\r\n"
                             "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
                             "Content-Type: application/json\r\n"
                             "Content-Length: 25\r\n"
                             "\r\n"
                             "{\"message\":\"async power\"}";

static char answers[BATCH_MAX * sizeof(ANSWER)];
static char requests[64 * 1024];
static size_t request_bytes;
static int epoll_fd;

static int start_listening(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct epoll_event event = {.events = EPOLLIN, .data.fd = -1};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, BACKLOG) < 0) {
        perror("epoll");
        exit(1);
    }
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
    return fd;
}

static void take_connections(int listen_fd)
{
    int fd;

    while ((fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
    }
}

static void answer(int fd)
{
    ssize_t n = read(fd, requests, sizeof(requests) - 1);
    size_t count, bytes;

    if (n <= 0) {
        close(fd);
        return;
    }
    requests[n] = '\0';
    if (request_bytes == 0)
        request_bytes = (size_t)(strstr(requests, "\r\n\r\n") + 4 - requests);
    count = (size_t)n / request_bytes;
    bytes = (count < BATCH_MAX ? count : BATCH_MAX) * (sizeof(ANSWER) - 1);
    if (write(fd, answers, bytes) != (ssize_t)bytes)
        close(fd);
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS];
    int listen_fd;

    if (argc != 2)
        return 2;
    for (size_t i = 0; i < BATCH_MAX; i++)
        memcpy(answers + i * (sizeof(ANSWER) - 1), ANSWER, sizeof(ANSWER) - 1);
    epoll_fd = epoll_create1(0);
    listen_fd = start_listening(number(argv[1], PORT_MAX));
    for (;;) {
        int n = epoll_wait(epoll_fd, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd < 0)
                take_connections(listen_fd);
            else
                answer(events[i].data.fd);
        }
    }
}
