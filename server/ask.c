/* POST /requests: the server asks itself, over loopback and the data listener, so that a page can show twenty requests
 * at once, where a browser would open six connections.
 *
 * Happy path: connect, send, throw away what comes until its end. Failures: a connection that fails is let go; the
 * spans show what was served. Close: ask_close_all().
 */
#include "admin.h"

#include "app.h"
#include "tcp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ASKS_MAX = 1000, REQUEST_MAX = 2048 };

struct ask {
    uv_tcp_t socket;
    uv_connect_t connect;
    uv_write_t write;
    struct admin *admin;
    struct ask *prev, *next;
    size_t len;
    char request[];
};

static int ask_one(struct admin *admin, const struct sockaddr *to, const char *request, size_t len);
static void on_connected(uv_connect_t *connect, int err);
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf);
static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);
static void end(struct ask *ask);
static void on_closed(uv_handle_t *handle);

/* Visible ASCII and no more: it stands in a request line. */
static bool is_target(const char *text)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < len; i++)
        if (text[i] < 0x21 || text[i] > 0x7e)
            return false;
    return text[0] == '/' && len < REQUEST_MAX / 2;
}

/* Where the data listener is to be reached from here: any address is also loopback. */
static int find_data_listener(const struct admin *admin, union address *ret_address)
{
    struct in6_addr *ip6 = &ret_address->ip6.sin6_addr;
    struct in_addr *ip4 = &ret_address->ip4.sin_addr;

    if (listener_address(admin->app->listener.fd, ret_address) == 0 || ret_address->any.sa_family == AF_UNIX)
        return -EAFNOSUPPORT;
    if (ret_address->any.sa_family == AF_INET && ip4->s_addr == htonl(INADDR_ANY))
        ip4->s_addr = htonl(INADDR_LOOPBACK);
    else if (ret_address->any.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(ip6))
        *ip6 = in6addr_loopback;
    return 0;
}

int admin_requests(hoist_req *req, hoist_res *res)
{
    struct admin *admin = admin_of(req);
    const char *target = hoist_req_arg(req, "path");
    union address to;
    char request[REQUEST_MAX];
    long n = 1;
    int len, err;

    if (target == NULL || !is_target(target))
        return hoist_reply_error(res, 400, "path is needed: visible ASCII from '/' on, shorter than %d bytes",
                                 REQUEST_MAX / 2);
    if (hoist_req_arg(req, "n") != NULL && hoist_req_long(req, "n", 1, ASKS_MAX, &n) < 0)
        return -EINVAL;
    if (admin->n_asks + (unsigned)n > ASKS_MAX)
        return hoist_reply_error(res, 429, "%u requests are on their way already", admin->n_asks);
    if (admin->app->state != APP_SERVING)
        return hoist_reply_error(res, 409, "the server is draining");
    err = find_data_listener(admin, &to);
    if (err < 0)
        return hoist_reply_error(res, 409, "the data listener cannot be reached from here: %s", uv_strerror(err));
    len = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", target);
    for (long i = 0; i < n && err == 0; i++)
        err = ask_one(admin, &to.any, request, (size_t)len);
    return err < 0 ? err : hoist_reply_printf(res, 202, "application/json", "{\"requests\":%ld}", n);
}

static int ask_one(struct admin *admin, const struct sockaddr *to, const char *request, size_t len)
{
    struct ask *ask = calloc(1, sizeof(*ask) + len);
    int err;

    if (ask == NULL)
        return -ENOMEM;
    err = uv_tcp_init(admin->server.loop, &ask->socket);
    if (err < 0) {
        free(ask);
        return err;
    }
    ask->socket.data = ask->connect.data = ask;
    ask->admin = admin;
    ask->len = len;
    memcpy(ask->request, request, len);
    ask->next = admin->asks;
    if (ask->next != NULL)
        ask->next->prev = ask;
    admin->asks = ask;
    admin->n_asks++;
    err = uv_tcp_connect(&ask->connect, &ask->socket, to, on_connected);
    if (err < 0)
        end(ask);
    return err;
}

static void on_connected(uv_connect_t *connect, int err)
{
    struct ask *ask = connect->data;
    uv_buf_t buf = uv_buf_init(ask->request, (unsigned)ask->len);

    if (err == 0)
        err = uv_write(&ask->write, (uv_stream_t *)&ask->socket, &buf, 1, NULL);
    if (err == 0)
        err = uv_read_start((uv_stream_t *)&ask->socket, on_alloc, on_read);
    if (err < 0)
        end(ask);
}

/* Nobody reads what comes: one place serves all. */
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    static char nowhere[4096];

    (void)handle;
    (void)suggested;
    *buf = uv_buf_init(nowhere, sizeof(nowhere));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    (void)buf;
    if (n < 0)
        end(stream->data);
}

static void end(struct ask *ask)
{
    if (!uv_is_closing((uv_handle_t *)&ask->socket))
        uv_close((uv_handle_t *)&ask->socket, on_closed);
}

static void on_closed(uv_handle_t *handle)
{
    struct ask *ask = handle->data;
    struct admin *admin = ask->admin;

    *(ask->prev != NULL ? &ask->prev->next : &admin->asks) = ask->next;
    if (ask->next != NULL)
        ask->next->prev = ask->prev;
    admin->n_asks--;
    free(ask);
    admin_on_ask_closed(admin);
}

void ask_close_all(struct admin *admin)
{
    for (struct ask *ask = admin->asks; ask != NULL; ask = ask->next)
        end(ask);
}
