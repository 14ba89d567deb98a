/* The listening socket.
 *
 * Happy path: the loop polls it, on_readable() accepts up to ACCEPTS_MAX connections and hands each to tcp_open().
 * libuv's own listener would accept until the backlog is empty and spins when descriptors run out, so this is a
 * uv_poll_t and accept4(2). Failures: no descriptors or memory: nothing is accepted for BACK_OFF_MS; as many
 * connections as allowed: until one is gone. Close: listener_close(), once the backlog is taken.
 */
#include "listener.h"

#include "log.h"
#include "server.h"
#include "tcp.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 4096, ACCEPTS_MAX = 64, BACK_OFF_MS = 100 };

static void on_readable(uv_poll_t *poll, int status, int events);
static bool accept_one(struct listener *listener);
static void resume(struct listener *listener);
static void on_back_off_over(uv_timer_t *timer);
static void on_handle_closed(uv_handle_t *handle);

int listener_bind(struct listener *listener, const char *host, unsigned port)
{
    union address address;
    socklen_t len = sizeof(address.ip4);
    int err = 0, yes = 1;

    listener->fd = -1;
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
    if (bind(listener->fd, &address.any, len) < 0 || listen(listener->fd, BACKLOG) < 0) {
        err = -errno;
        close(listener->fd);
        listener->fd = -1;
    }
    return err;
}

unsigned listener_port(const struct listener *listener)
{
    union address address;
    socklen_t len = sizeof(address);

    memset(&address, 0, sizeof(address));
    if (getsockname(listener->fd, &address.any, &len) < 0)
        return 0;
    return ntohs(address.any.sa_family == AF_INET6 ? address.ip6.sin6_port : address.ip4.sin_port);
}

int listener_start(struct listener *listener, struct server *server)
{
    int err;

    assert(listener->fd >= 0 && !listener->is_started);
    err = uv_poll_init(server->loop, &listener->poll, listener->fd);
    if (err < 0)
        return err;
    uv_timer_init(server->loop, &listener->back_off);
    listener->poll.data = listener->back_off.data = listener;
    listener->server = server;
    listener->is_started = true;
    listener->n_open = 2;
    resume(listener);
    return 0;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct listener *listener = poll->data;

    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPTS_MAX && accept_one(listener); i++)
        ;
}

/* False: there is nothing more to accept now. */
static bool accept_one(struct listener *listener)
{
    struct server *server = listener->server;
    int fd, err;

    if (server->n_conns >= server->config->max_connections) {
        listener->is_full = true;
        uv_poll_stop(&listener->poll);
        return false;
    }
    fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    err = fd < 0 ? -errno : tcp_open(server, fd);
    if (err == -EAGAIN)
        return false;
    if (err == -EMFILE || err == -ENFILE || err == -ENOMEM || err == -ENOBUFS) {
        log_write(LOG_WARNING, "cannot accept: %s; again in %d ms", uv_strerror(err), BACK_OFF_MS);
        uv_poll_stop(&listener->poll);
        uv_timer_start(&listener->back_off, on_back_off_over, BACK_OFF_MS, 0);
        return false;
    }
    return true; /* else it is that connection's own trouble: gone again, or refused by a filter (accept(2)) */
}

static void resume(struct listener *listener)
{
    uv_poll_start(&listener->poll, UV_READABLE, on_readable);
}

static void on_back_off_over(uv_timer_t *timer)
{
    resume(timer->data);
}

void listener_on_room(struct listener *listener)
{
    if (!listener->is_full || !listener->is_started)
        return;
    listener->is_full = false;
    resume(listener);
}

void listener_close(struct listener *listener, void (*on_closed)(void *arg), void *arg)
{
    if (listener->is_started) {
        listener->is_started = false;
        while (accept_one(listener))
            ;
        listener->on_closed = on_closed;
        listener->arg = arg;
        uv_close((uv_handle_t *)&listener->poll, on_handle_closed);
        uv_close((uv_handle_t *)&listener->back_off, on_handle_closed);
    }
    if (listener->fd >= 0)
        close(listener->fd);
    listener->fd = -1;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct listener *listener = handle->data;

    if (--listener->n_open == 0)
        listener->on_closed(listener->arg);
}
