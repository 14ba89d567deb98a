/* The listening socket.
 *
 * Happy path: the loop polls it, on_readable() accepts up to ACCEPTS_MAX connections and hands each to tcp_open().
 * libuv's own listener would accept until the backlog is empty and spins when descriptors run out, so this is a
 * uv_poll_t and accept4(2). Failures: no descriptors or memory, or a socket that somebody has shut down: nothing is
 * accepted for BACK_OFF_MS; as many connections as allowed: one makes room, or nothing is accepted until one is gone.
 * Close: listener_close(), which takes the backlog, unless the socket is a supervisor's.
 *
 * Who asks again within keep_alive_ms keeps a connection for ever, at no cost: with as many of those as there may be,
 * nobody else would ever be served. So for each client that waits the connection that was idle longest ends, at once.
 * While none is idle, the first to have answered all that its client had sent by its first answer meanwhile, pipelined
 * or not and however long that takes, says that it ends; another one when its place is taken, or BACK_OFF_MS later. One
 * that was used just now is not closed: its next request may be on its way.
 *
 * Without descriptors, clients wait in the backlog at first: most shortages are short, and a client that is served
 * 100 ms late will not know. But unlike a connection, what took the descriptors has no time limit, and nothing says
 * that they ever come back. So after PATIENCE_MS those that wait are told to come again, by 503: a load balancer asks
 * somebody else then. Each is accepted in the place of the spare descriptor, one after the other.
 */
#include "listener.h"

#include "config.h"
#include "conn.h"
#include "log.h"
#include "server.h"
#include "tcp.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ACCEPTS_MAX = 64, /* a turn of the loop */
    BACK_OFF_MS = 100,
    PATIENCE_MS = 1000, /* of a shortage in which clients are left in the backlog */
    QUIET_MS = 1000,    /* without another error a shortage is over: at the brink there is one every 100 ms */
};

static void on_readable(uv_poll_t *poll, int status, int events);
static bool has_room(const struct server *server);
static bool accept_one(struct listener *listener);
static bool is_of_one_connection(int err);
static bool is_shortage(int err);
static int open_conn(struct listener *listener, int fd);
static void wait_for_room(struct listener *listener);
static void on_no_room(uv_timer_t *timer);
static void resume(struct listener *listener);
static void back_off(struct listener *listener, int err);
static void on_back_off_over(uv_timer_t *timer);
static void on_quiet(uv_timer_t *timer);
static void refuse_waiting(struct listener *listener);
static void refuse(struct listener *listener, int fd);
static int open_spare(void);
static void take_backlog(struct listener *listener);
static void on_reserved(uv_handle_t *handle);
static void on_handle_closed(uv_handle_t *handle);

int listener_bind(struct listener *listener, const char *host, unsigned port, bool reuseport)
{
    union address address;
    socklen_t len = sizeof(address.ip4);
    int err = 0, yes = 1;

    listener->fd = listener->spare = -1;
    memset(&address, 0, sizeof(address));
    if (uv_ip4_addr(host, (int)port, &address.ip4) < 0) {
        if (uv_ip6_addr(host, (int)port, &address.ip6) < 0)
            return -EINVAL;
        len = sizeof(address.ip6);
    }
    listener->fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener->fd < 0)
        return -errno;
    /* A restart must not wait for the old connections' TIME_WAIT. */
    setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if ((reuseport && setsockopt(listener->fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof(yes)) < 0) ||
        bind(listener->fd, &address.any, len) < 0 || listen(listener->fd, LISTENER_BACKLOG) < 0) {
        err = -errno;
        close(listener->fd);
        listener->fd = -1;
    }
    return err;
}

int listener_bind_unix(struct listener *listener, const char *path)
{
    int fd = unix_socket_listen(&listener->file, path, LISTENER_BACKLOG);

    listener->fd = fd < 0 ? -1 : fd;
    listener->spare = -1;
    return fd < 0 ? fd : 0;
}

int listener_adopt(struct listener *listener, int fd)
{
    union address address;
    socklen_t len = sizeof(int);
    int flags, type, is_listening;

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
        return -errno;
    if (type != SOCK_STREAM)
        return -EPROTOTYPE;
    if (listener_address(fd, &address) == 0)
        return -EAFNOSUPPORT;
    len = sizeof(int);
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &len) < 0)
        return -errno;
    if (!is_listening)
        return -EINVAL;
    flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return -errno;
    listener->fd = fd;
    listener->spare = -1;
    listener->is_adopted = true;
    return 0;
}

socklen_t listener_address(int fd, union address *ret_address)
{
    socklen_t len = sizeof(*ret_address);

    memset(ret_address, 0, sizeof(*ret_address));
    if (getsockname(fd, &ret_address->any, &len) < 0)
        return 0;
    switch (ret_address->any.sa_family) {
    case AF_INET:
    case AF_INET6:
    case AF_UNIX:
        return len;
    default:
        return 0;
    }
}

unsigned listener_port(const struct listener *listener)
{
    union address address;

    if (listener_address(listener->fd, &address) == 0 || address.any.sa_family == AF_UNIX)
        return 0;
    return ntohs(address.any.sa_family == AF_INET6 ? address.ip6.sin6_port : address.ip4.sin_port);
}

const char *listener_text(const struct listener *listener, char *text, size_t size)
{
    union address address;
    socklen_t len = listener_address(listener->fd, &address);
    char name[INET6_ADDRSTRLEN] = "?";

    if (len != 0 && address.any.sa_family == AF_UNIX) {
        size_t path_len = len - offsetof(struct sockaddr_un, sun_path);
        bool is_abstract = path_len > 0 && address.local.sun_path[0] == '\0'; /* it has no end but its length then */

        snprintf(text, size, "unix:%s%.*s", is_abstract ? "@" : "", (int)path_len - is_abstract,
                 address.local.sun_path + is_abstract);
    } else if (len != 0 && address.any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &address.ip6.sin6_addr, name, sizeof(name));
        snprintf(text, size, "[%s]:%u", name, ntohs(address.ip6.sin6_port));
    } else {
        inet_ntop(AF_INET, &address.ip4.sin_addr, name, sizeof(name));
        snprintf(text, size, "%s:%u", name, ntohs(address.ip4.sin_port));
    }
    return text;
}

/* libuv has an array with a place for each descriptor, grows it when one is polled that has none, and aborts when it
 * cannot. So it grows here, once, and no descriptor above is polled. */
int listener_reserve(struct listener *listener, uv_loop_t *loop, const hoist_config *config, int *ret_fd_max)
{
    int fd_max = config_fd_max(config);
    void *array = malloc(2 * sizeof(void *) * (size_t)fd_max); /* libuv rounds up to a power of two */
    uv_poll_t *poll = malloc(sizeof(*poll));
    int fd = -1, err = array == NULL || poll == NULL ? -ENOMEM : 0;

    free(array);
    while (err == 0 && fd < 0) {
        fd = fcntl(listener->fd, F_DUPFD_CLOEXEC, fd_max);
        if (fd >= 0)
            err = uv_poll_init(loop, poll, fd);
        else if (errno != EMFILE || --fd_max < listener->fd) /* the highest may be in use */
            err = -errno;
    }
    if (err < 0) {
        free(poll);
    } else {
        err = uv_poll_start(poll, UV_READABLE, on_readable);
        uv_close((uv_handle_t *)poll, on_reserved); /* and stops */
    }
    if (fd >= 0)
        close(fd);
    if (err == 0)
        *ret_fd_max = fd_max;
    return err;
}

static void on_reserved(uv_handle_t *handle)
{
    free(handle);
}

int listener_start(struct listener *listener, struct server *server)
{
    int err;

    assert(listener->fd >= 0 && !listener->is_started);
    listener->spare = open_spare();
    if (listener->spare < 0)
        return listener->spare;
    err = uv_poll_init(server->loop, &listener->poll, listener->fd);
    if (err < 0)
        return err;
    uv_timer_init(server->loop, &listener->back_off);
    uv_timer_init(server->loop, &listener->no_room);
    listener->poll.data = listener->back_off.data = listener->no_room.data = listener;
    listener->server = server;
    listener->is_started = true;
    listener->n_open = 3;
    resume(listener);
    return 0;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct listener *listener = poll->data;

    (void)status;
    (void)events;
    if (!has_room(listener->server)) { /* and there is a client that waits */
        wait_for_room(listener);
        return;
    }
    for (int i = 0; i < ACCEPTS_MAX && has_room(listener->server) && accept_one(listener); i++)
        ;
}

static bool has_room(const struct server *server)
{
    return server->n_conns < server->config->max_connections;
}

/* False: there is nothing more to accept now. */
static bool accept_one(struct listener *listener)
{
    int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    int err = fd < 0 ? -errno : open_conn(listener, fd);

    if (fd < 0 && err == -EAGAIN)
        return false;
    if (fd < 0 ? is_of_one_connection(err) : !is_shortage(err))
        return true;
    back_off(listener, err);
    return fd >= 0 && !listener->is_started; /* at the stop there is no later, and the next one is another try */
}

/* Of accept4(2): that one is gone again, or a filter refused it, and the next one may be there. After any other error
 * the next call would fail alike, for ever. */
static bool is_of_one_connection(int err)
{
    switch (-err) {
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case EINTR:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
        return true;
    default:
        return false;
    }
}

static bool is_shortage(int err)
{
    return err == -EMFILE || err == -ENFILE || err == -ENOMEM || err == -ENOBUFS;
}

static int open_conn(struct listener *listener, int fd)
{
    if (fd <= listener->server->fd_max)
        return tcp_open(listener->server, fd);
    refuse(listener, fd);
    return -EMFILE;
}

/* ---- when there are as many connections as allowed ---- */

/* A client waits: a connection that is idle goes, or else the first to have answered all, or one that is idle by then.
 */
static void wait_for_room(struct listener *listener)
{
    listener->is_full = true;
    uv_poll_stop(&listener->poll);
    listener->server->is_crowded = !conn_close_idle(listener->server);
    if (listener->server->is_crowded)
        uv_timer_start(&listener->no_room, on_no_room, BACK_OFF_MS, 0);
}

/* What is answered before the loop polls is answered while the client waits, too. */
static void on_no_room(uv_timer_t *timer)
{
    resume(timer->data);
}

void listener_on_room(struct listener *listener)
{
    if (!listener->is_full || !listener->is_started || !has_room(listener->server))
        return;
    listener->is_full = false;
    listener->server->is_crowded = false;
    uv_timer_stop(&listener->no_room);
    resume(listener);
}

static void resume(struct listener *listener)
{
    uv_poll_start(&listener->poll, UV_READABLE, on_readable);
}

/* ---- when there are no descriptors or no memory, or when nothing can be accepted ---- */

static void back_off(struct listener *listener, int err)
{
    uint64_t now_ms = uv_now(listener->server->loop);
    char address[LISTENER_TEXT];

    if (listener->short_since_ms == 0) {
        listener->short_since_ms = now_ms;
        listener_text(listener, address, sizeof(address));
        if (listener->is_started)
            log_write(LOG_WARNING, "%s: cannot accept: %s; trying again every %d ms", address, uv_strerror(err),
                      BACK_OFF_MS);
        else
            log_write(LOG_WARNING, "%s: cannot accept, at the stop: %s", address, uv_strerror(err));
    } else if (now_ms - listener->short_since_ms >= PATIENCE_MS && (err == -EMFILE || err == -ENFILE)) {
        refuse_waiting(listener);
    }
    uv_poll_stop(&listener->poll);
    uv_timer_start(&listener->back_off, on_back_off_over, BACK_OFF_MS, 0);
}

static void on_back_off_over(uv_timer_t *timer)
{
    struct listener *listener = timer->data;

    uv_timer_start(timer, on_quiet, QUIET_MS, 0);
    if (!listener->is_full)
        resume(listener);
}

static void on_quiet(uv_timer_t *timer)
{
    struct listener *listener = timer->data;
    uint64_t length_ms = uv_now(timer->loop) - listener->short_since_ms - QUIET_MS;
    char address[LISTENER_TEXT];

    listener->short_since_ms = 0;
    if (listener->spare < 0)
        listener->spare = open_spare();
    log_write(LOG_WARNING, "%s: accepting again after %.1f s; %u clients were refused",
              listener_text(listener, address, sizeof(address)), (double)length_ms / 1000, listener->n_refused);
    listener->n_refused = 0;
}

/* A worker may take the spare's place before a client does, or before the spare is back: then clients go on waiting. */
static void refuse_waiting(struct listener *listener)
{
    int fd;

    if (listener->spare >= 0)
        close(listener->spare);
    for (int i = 0; i < (listener->is_started ? (int)ACCEPTS_MAX : LISTENER_BACKLOG + 1); i++) {
        fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            break;
        refuse(listener, fd);
    }
    listener->spare = open_spare();
}

/* Takes fd. It cannot wait for the answer to arrive, so what the client has sent is read first: closing with unread
 * bytes would send a reset, which may destroy the answer (RFC 9112, section 9.6). */
static void refuse(struct listener *listener, int fd)
{
    static const struct reply_field field = {.name = "Retry-After", .value = "1"};
    struct server *server = listener->server;
    struct reply_framing framing = {.date = server->clock.date, .is_last = true};
    char body[REPLY_ERROR_MAX];
    struct reply reply;
    size_t len;

    conn_write_held(server);
    assert(server->out_len == 0);
    reply_clock_tick(&server->clock, uv_now(server->loop));
    reply_error(&reply, 503, "the server has no descriptors left", body);
    reply.fields = &field;
    len = reply_write_head(server->out, &reply, &framing);
    memcpy(server->out + len, reply.body, reply.body_len);
    (void)recv(fd, server->read_buffer, READ_BUFFER, MSG_DONTWAIT);
    (void)send(fd, server->out, len + reply.body_len, MSG_DONTWAIT | MSG_NOSIGNAL);
    close(fd);
    listener->n_refused++;
    figures_answered(server, NULL, 503);
}

/* -errno. */
static int open_spare(void)
{
    int fd = eventfd(0, EFD_CLOEXEC); /* what it is does not matter; this one needs no file */

    return fd < 0 ? -errno : fd;
}

/* ---- */

void listener_close(struct listener *listener, void (*on_closed)(void *arg), void *arg)
{
    unix_socket_remove(&listener->file); /* before the backlog is taken: nobody comes after */
    if (listener->is_started) {
        listener->is_started = false;
        if (!listener->is_adopted)
            take_backlog(listener);
        listener->on_closed = on_closed;
        listener->arg = arg;
        uv_close((uv_handle_t *)&listener->poll, on_handle_closed);
        uv_close((uv_handle_t *)&listener->back_off, on_handle_closed);
        uv_close((uv_handle_t *)&listener->no_room, on_handle_closed);
    }
    if (listener->fd >= 0)
        close(listener->fd);
    if (listener->spare >= 0)
        close(listener->spare);
    listener->fd = listener->spare = -1;
}

/* However many connections there are. */
static void take_backlog(struct listener *listener)
{
    /* The kernel holds one more than the backlog; without a bound errors might be endless. */
    for (int i = 0; i <= LISTENER_BACKLOG && accept_one(listener); i++)
        ;
    if (listener->short_since_ms != 0)
        refuse_waiting(listener);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct listener *listener = handle->data;

    if (--listener->n_open == 0)
        listener->on_closed(listener->arg);
}
