/* Connections over sockets, TCP's and Unix ones: conn.h's transport on libuv streams. Loop thread only. */
#ifndef SERVER_TCP_H
#define SERVER_TCP_H

#include <netinet/in.h>
#include <sys/un.h>

struct server;

union address {
    struct sockaddr any;
    struct sockaddr_in ip4;
    struct sockaddr_in6 ip6;
    struct sockaddr_un local;
};

/* Takes the accepted, non-blocking socket fd, also on failure. -errno: no memory, or what libuv answers; fd is closed
 * then. */
int tcp_open(struct server *server, int fd);

#endif
