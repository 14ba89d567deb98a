/* The listening socket: accepts at most as many connections as the server may have, in the place of idle ones if need
 * be, and as gently as the machine needs.
 *
 * Happy path: listener_bind(), listener_reserve() once a loop, listener_start(). Failures: errors at start; later,
 * descriptors that run out make clients wait, and after a while they get 503. Close: listener_close(). Loop thread
 * only. */
#ifndef SERVER_LISTENER_H
#define SERVER_LISTENER_H

#include "hoist.h"
#include "unix_socket.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct server;
union address;

/* Connections that the kernel keeps until they are accepted; a stop takes them all, whatever max_connections says, but
 * an adopted socket's. */
enum { LISTENER_BACKLOG = 4096 };

/* Room for any address as text. */
enum { LISTENER_TEXT = sizeof("unix:") + sizeof(((struct unix_socket *)0)->path) };

struct listener {
    int fd;                  /* -1: none */
    struct unix_socket file; /* its file, if it made one */
    int spare;               /* a descriptor to refuse clients with when there is no other; -1: none */
    struct server *server;
    uv_poll_t poll;
    uv_timer_t no_room;      /* until those that are idle are looked at again */
    uv_timer_t back_off;     /* after an error of accept4(2) that only time mends */
    uint64_t short_since_ms; /* on the loop's clock: since when there are such errors; 0: there are none */
    unsigned n_refused;      /* clients, in this shortage */
    bool is_adopted;         /* fd is also its maker's, who may give it to another process */
    bool is_started, is_full;
    unsigned n_open; /* handles to close */
    void (*on_closed)(void *arg);
    void *arg;
};

/* Binds to host, a numeric address, and port, 0 for any free one, and listens; with reuseport the port may be shared
 * with other processes that say so, too. What socket(2), bind(2) and listen(2) answer; -EINVAL: host is not a numeric
 * address. */
int listener_bind(struct listener *listener, const char *host, unsigned port, bool reuseport);

/* Makes the loop ready to poll each descriptor up to *ret_fd_max, which is enough for config's connections beside what
 * else the process has open. Bound, before any start. -ENOMEM; -EMFILE. */
int listener_reserve(struct listener *listener, uv_loop_t *loop, const hoist_config *config, int *ret_fd_max);

/* Binds to a socket that is a file, for this user alone, and listens. Errors as of unix_socket_listen(). */
int listener_bind_unix(struct listener *listener, const char *path);

/* Takes fd, a socket that listens already, whoever made it: IPv4, IPv6 or Unix. On failure fd stays the caller's.
 * -ENOTSOCK, -EBADF; -EPROTOTYPE: not a stream; -EAFNOSUPPORT: neither kind; -EINVAL: it does not listen. */
int listener_adopt(struct listener *listener, int fd);

/* Where the socket fd is bound. Its length; 0: to none that this server knows. */
socklen_t listener_address(int fd, union address *ret_address);

/* "127.0.0.1:8000", "[::1]:8000" or "unix:PATH": where it really listens. */
const char *listener_text(const struct listener *listener, char *text, size_t size);

/* The port in use; 0: a Unix socket has none. */
unsigned listener_port(const struct listener *listener);

/* Begins to accept for server. -ENOMEM; -EMFILE. */
int listener_start(struct listener *listener, struct server *server);

/* A connection is gone: accepting goes on if it paused because there were too many. */
void listener_on_room(struct listener *listener);

/* Accepts what is in the backlog already, stops listening, closes, and calls on_closed(arg). What waits at an adopted
 * socket is left to whoever accepts there next. Without a start, closes at once and calls nothing. */
void listener_close(struct listener *listener, void (*on_closed)(void *arg), void *arg);

#endif
