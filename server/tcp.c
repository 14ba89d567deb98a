/* Connections over sockets. libuv's TCP handle reads and writes any stream socket; what a Unix one has not, no delays
 * and an address of its peer, is left out.
 *
 * Happy path: one read buffer for all connections of the loop, so an idle one has none; a write is tried at once and
 * queued only when the socket is full. Failures: any error of a read or write is the connection's end. Close:
 * uv_close(), then conn_on_closed(), then the memory goes.
 */
#include "tcp.h"

#include "conn.h"
#include "pool/owner.h"
#include "rdhup.h"
#include "server.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

struct tcp {
    struct conn conn;
    uv_tcp_t handle;
    uv_write_t *write;        /* only while one is under way */
    struct rdhup_watch watch; /* only while nothing is read; else its callback is NULL */
};

static const struct conn_io tcp_io;

static void begin_watch(struct tcp *tcp);
static void on_rdhup(struct rdhup_watch *watch, bool is_gone);
static void end_watch(struct tcp *tcp);

static struct tcp *tcp_of_conn(const struct conn *conn)
{
    return OWNER_OF(conn, struct tcp, conn);
}

static uv_stream_t *stream_of(struct tcp *tcp)
{
    return (uv_stream_t *)&tcp->handle;
}

static void on_refused(uv_handle_t *handle)
{
    free(handle->data);
}

int tcp_open(struct server *server, int fd)
{
    struct tcp *tcp = calloc(1, sizeof(*tcp));
    int err;

    if (tcp == NULL) {
        close(fd);
        return -ENOMEM;
    }
    err = uv_tcp_init(server->loop, &tcp->handle);
    if (err < 0) {
        close(fd);
        free(tcp);
        return err;
    }
    tcp->handle.data = tcp;
    err = uv_tcp_open(&tcp->handle, fd);
    if (err < 0) {
        close(fd);
        uv_close((uv_handle_t *)&tcp->handle, on_refused);
        return err;
    }
    uv_tcp_nodelay(&tcp->handle, 1); /* a Unix socket refuses it, and needs it not */
    conn_open(&tcp->conn, server, &tcp_io);
    return 0;
}

/* libuv would read one socket up to 32 times before the next one, as long as the buffer comes back full: with pipelined
 * requests that is tens of thousands of them. Without a buffer it goes on with the others, and on_read() is told
 * UV_ENOBUFS. */
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct tcp *tcp = handle->data;
    struct server *server = tcp->conn.server;

    (void)suggested;
    *buf = uv_buf_init(server->read_buffer, server->reader == &tcp->conn ? 0 : READ_BUFFER);
    server->reader = &tcp->conn;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct tcp *tcp = stream->data;

    if (n > 0) {
        conn_on_bytes(&tcp->conn, buf->base, (size_t)n);
    } else if (n == UV_EOF) {
        conn_on_eof(&tcp->conn);
        begin_watch(tcp); /* libuv has stopped reading */
    } else if (n < 0 && n != UV_ENOBUFS) {
        conn_on_error(&tcp->conn);
    }
}

static void tcp_read(struct conn *conn, bool on)
{
    struct tcp *tcp = tcp_of_conn(conn);

    if (on) {
        end_watch(tcp);
        uv_read_start(stream_of(tcp), on_alloc, on_read);
    } else {
        uv_read_stop(stream_of(tcp));
        begin_watch(tcp);
    }
}

static int fd_of(const struct tcp *tcp)
{
    uv_os_fd_t fd = -1;

    uv_fileno((const uv_handle_t *)&tcp->handle, &fd);
    return fd;
}

/* Best effort: a client that is not watched is missed when its answer is written. */
static void begin_watch(struct tcp *tcp)
{
    if (!uv_is_closing((uv_handle_t *)&tcp->handle) &&
        rdhup_begin(tcp->conn.server->rdhup, fd_of(tcp), tcp->conn.at_eof, &tcp->watch) == 0)
        tcp->watch.on_rdhup = on_rdhup;
}

static void on_rdhup(struct rdhup_watch *watch, bool is_gone)
{
    struct tcp *tcp = OWNER_OF(watch, struct tcp, watch);

    if (is_gone)
        conn_on_error(&tcp->conn);
    else
        conn_on_leaving(&tcp->conn);
}

static void end_watch(struct tcp *tcp)
{
    if (tcp->watch.on_rdhup == NULL)
        return;
    tcp->watch.on_rdhup = NULL;
    rdhup_end(tcp->conn.server->rdhup, fd_of(tcp));
}

static ssize_t tcp_try_write(struct conn *conn, const uv_buf_t *bufs, unsigned n)
{
    int written = uv_try_write(stream_of(tcp_of_conn(conn)), bufs, n);

    return written == UV_EAGAIN ? 0 : written;
}

static void on_written(uv_write_t *write, int err)
{
    struct tcp *tcp = write->data;

    assert(tcp->write == write);
    tcp->write = NULL;
    free(write);
    conn_on_written(&tcp->conn, err);
}

static int tcp_write(struct conn *conn, const uv_buf_t *bufs, unsigned n)
{
    struct tcp *tcp = tcp_of_conn(conn);
    int err;

    assert(tcp->write == NULL);
    tcp->write = malloc(sizeof(*tcp->write));
    if (tcp->write == NULL)
        return -ENOMEM;
    tcp->write->data = tcp;
    err = uv_write(tcp->write, stream_of(tcp), bufs, n, on_written);
    if (err < 0) {
        free(tcp->write);
        tcp->write = NULL;
    }
    return err;
}

static size_t tcp_unread(const struct conn *conn)
{
    int unread = 0;

    (void)ioctl(fd_of(tcp_of_conn(conn)), SIOCINQ, &unread);
    return (size_t)unread;
}

/* What libuv holds, and what the kernel does (SIOCOUTQ: tcp(7); a Unix socket's is what the peer has not read). */
static size_t tcp_unsent(const struct conn *conn)
{
    struct tcp *tcp = tcp_of_conn(conn);
    int in_kernel = 0;

    (void)ioctl(fd_of(tcp), SIOCOUTQ, &in_kernel);
    return uv_stream_get_write_queue_size(stream_of(tcp)) + (size_t)in_kernel;
}

static void tcp_shut(struct conn *conn)
{
    shutdown(fd_of(tcp_of_conn(conn)), SHUT_WR);
}

static void on_close(uv_handle_t *handle)
{
    struct tcp *tcp = handle->data;

    conn_on_closed(&tcp->conn);
    free(tcp);
}

static void tcp_close(struct conn *conn, bool reset)
{
    struct tcp *tcp = tcp_of_conn(conn);

    end_watch(tcp);
    /* A socket that cannot be told to reset is closed all the same. */
    if (!reset || uv_tcp_close_reset(&tcp->handle, on_close) < 0)
        uv_close((uv_handle_t *)&tcp->handle, on_close);
}

static const char *tcp_peer(const struct conn *conn, char *text, size_t size)
{
    union address address;
    int len = sizeof(address);
    const char *name = NULL;

    if (uv_tcp_getpeername(&tcp_of_conn(conn)->handle, &address.any, &len) < 0)
        return "-";
    if (address.any.sa_family == AF_INET)
        name = inet_ntop(AF_INET, &address.ip4.sin_addr, text, (socklen_t)size);
    else if (address.any.sa_family == AF_INET6)
        name = inet_ntop(AF_INET6, &address.ip6.sin6_addr, text, (socklen_t)size);
    else if (address.any.sa_family == AF_UNIX)
        name = "unix:";
    return name != NULL ? name : "-";
}

static const struct conn_io tcp_io = {
    .read = tcp_read,
    .try_write = tcp_try_write,
    .write = tcp_write,
    .unread = tcp_unread,
    .unsent = tcp_unsent,
    .shut = tcp_shut,
    .close = tcp_close,
    .peer = tcp_peer,
};
