#include "app_fixture.h"

#include "gate.h"

#include <string.h>

static void on_stopped(hoist_app *app, int err, void *arg)
{
    struct app_fixture *f = arg;

    cr_expect_eq(app, f->app);
    f->stopped_calls++;
    f->result = err;
}

void app_fixture_open(struct app_fixture *f, const hoist_config *config, const hoist_route *routes, size_t n)
{
    memset(f, 0, sizeof(*f));
    cr_assert_eq(uv_loop_init(&f->loop), 0);
    cr_assert_eq(hoist_app_new(&f->app, config), 0);
    cr_assert_eq(pool_reserve_threads(f->app->config.workers_max, 0), 0);
    for (size_t i = 0; i < n; i++)
        cr_assert_eq(hoist_app_route(f->app, &routes[i]), 0, "%s", hoist_app_error(f->app));
}

void app_fixture_start(struct app_fixture *f)
{
    int err = hoist_app_start(f->app, &f->loop, on_stopped, f);

    cr_assert_eq(err, 0, "%s", hoist_app_error(f->app));
    f->is_started = true;
}

static void start_unheard(struct app_fixture *f)
{
    int err = app_start(f->app, &f->loop);

    cr_assert_eq(err, 0, "%s", hoist_app_error(f->app));
    f->app->on_stopped = on_stopped;
    f->app->arg = f;
    f->is_started = true;
}

void app_fixture_serve(struct app_fixture *f, const hoist_config *config, const hoist_route *routes, size_t n)
{
    app_fixture_open(f, config, routes, n);
    app_fixture_start(f);
}

void app_fixture_serve_wires(struct app_fixture *f, const hoist_config *config, const hoist_route *routes, size_t n)
{
    app_fixture_open(f, config, routes, n);
    start_unheard(f);
}

void app_fixture_stop(struct app_fixture *f)
{
    if (!f->is_started)
        return;
    hoist_app_stop(f->app);
    LOOP_RUN_UNTIL(&f->loop, f->stopped_calls > 0);
    f->is_started = false;
}

void app_fixture_close(struct app_fixture *f)
{
    app_fixture_stop(f);
    while (f->peers != NULL)
        peer_close(f->peers);
    cr_expect_leq(f->stopped_calls, 1);
    cr_expect_eq(hoist_app_free(f->app), 0);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    cr_expect_eq(uv_loop_close(&f->loop), 0, "something is left in the loop");
}

void app_fixture_close_with(struct app_fixture *f, struct gate *gate)
{
    gate_let_all_go(gate);
    LOOP_RUN_UNTIL(&f->loop, f->app->server.n_exchanges == 0);
    cr_expect_eq(app_fixture_abandoned(f), 0);
    gate_close(gate);
    app_fixture_close(f);
}

void app_fixture_hurry_deadlines(struct app_fixture *f)
{
    for (struct exchange *x = f->app->server.exchanges; x != NULL; x = x->next)
        if (deadline_is_armed(&x->deadline))
            deadline_arm(&x->server->deadlines, &x->deadline, 1);
}

void app_fixture_hurry_queue_deadlines(struct app_fixture *f)
{
    for (struct exchange *x = f->app->server.exchanges; x != NULL; x = x->next)
        if (deadline_is_armed(&x->queue_deadline))
            deadline_arm(&x->server->deadlines, &x->queue_deadline, 1);
}

void app_fixture_hurry_timers(struct app_fixture *f)
{
    for (struct exchange *x = f->app->server.exchanges; x != NULL; x = x->next) {
        if (x->state != EXCHANGE_TIMED)
            continue;
        uv_timer_set_repeat(&x->timer, 1);
        uv_timer_again(&x->timer);
        uv_timer_set_repeat(&x->timer, 0);
    }
}

unsigned app_fixture_count(const struct app_fixture *f, enum exchange_state state)
{
    unsigned n = 0;

    for (const struct exchange *x = f->app->server.exchanges; x != NULL; x = x->next)
        n += x->state == state;
    return n;
}

unsigned app_fixture_abandoned(const struct app_fixture *f)
{
    unsigned n = 0;

    for (const struct route *route = f->app->routes; route != NULL; route = route->next)
        n += route->figures.abandoned;
    return n;
}

/* ---- a client's socket ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct peer *peer = handle->data;

    (void)suggested;
    *buf = uv_buf_init(peer->in + peer->in_len, (unsigned)(sizeof(peer->in) - peer->in_len));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct peer *peer = stream->data;

    (void)buf;
    if (n >= 0) {
        peer->in_len += (size_t)n;
        return;
    }
    peer->at_end = true;
    peer->end = (int)n;
    uv_read_stop(stream);
}

static void on_connect(uv_connect_t *connect, int err)
{
    struct peer *peer = connect->data;

    cr_assert_eq(err, 0, "connect: %s", uv_strerror(err));
    peer->is_connected = true;
    cr_assert_eq(uv_read_start(connect->handle, on_alloc, on_read), 0);
}

static void on_peer_closed(uv_handle_t *handle)
{
    struct peer *peer = handle->data;

    peer->is_open = false;
}

void peer_open(struct peer *peer, struct app_fixture *f)
{
    struct sockaddr_in address;

    memset(peer, 0, sizeof(*peer));
    peer->f = f;
    cr_assert_eq(uv_tcp_init(&f->loop, &peer->socket), 0);
    peer->socket.data = peer->connect.data = peer;
    peer->is_open = true;
    peer->next = f->peers;
    f->peers = peer;
    cr_assert_eq(uv_ip4_addr("127.0.0.1", (int)hoist_app_port(f->app), &address), 0);
    cr_assert_eq(uv_tcp_connect(&peer->connect, &peer->socket, (struct sockaddr *)&address, on_connect), 0);
    LOOP_RUN_UNTIL(&f->loop, peer->is_connected);
}

void peer_send(struct peer *peer, const char *text)
{
    uv_buf_t buf = {.base = (char *)(uintptr_t)text, .len = strlen(text)};

    cr_assert_eq(uv_try_write((uv_stream_t *)&peer->socket, &buf, 1), (int)buf.len);
}

void peer_get(struct peer *peer, const char *target)
{
    char text[512];

    snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: t\r\n\r\n", target);
    peer_send(peer, text);
}

unsigned peer_answers(const struct peer *peer)
{
    return answer_count(peer->in, peer->in_len);
}

const struct answer *peer_answer(struct peer *peer, unsigned n)
{
    LOOP_RUN_UNTIL(&peer->f->loop, answer_find(peer->in, peer->in_len, n, &peer->answer) || peer->at_end);
    cr_assert(answer_find(peer->in, peer->in_len, n, &peer->answer), "the connection ended (%s) before answer %u: %.*s",
              uv_strerror(peer->end), n, (int)peer->in_len, peer->in);
    return &peer->answer;
}

void peer_end(struct peer *peer)
{
    uv_os_fd_t fd;

    cr_assert_eq(uv_fileno((uv_handle_t *)&peer->socket, &fd), 0);
    cr_assert_eq(shutdown(fd, SHUT_WR), 0);
}

static void leave(struct peer *peer, bool reset)
{
    struct peer **at = &peer->f->peers;

    while (*at != peer)
        at = &(*at)->next;
    *at = peer->next;
    if (!reset || uv_tcp_close_reset(&peer->socket, on_peer_closed) < 0)
        uv_close((uv_handle_t *)&peer->socket, on_peer_closed);
    LOOP_RUN_UNTIL(&peer->f->loop, !peer->is_open);
}

void peer_close(struct peer *peer)
{
    leave(peer, false);
}

void peer_reset(struct peer *peer)
{
    leave(peer, true);
}

/* ---- a connection without a socket ---- */

static struct wire *wire_of(const struct conn *conn)
{
    return (struct wire *)((uintptr_t)conn - offsetof(struct wire, conn));
}

static void wire_read(struct conn *conn, bool on)
{
    wire_of(conn)->is_reading = on;
}

static void arrive(struct wire *wire, const char *bytes, size_t len)
{
    cr_assert_leq(len, sizeof(wire->out) - wire->out_len);
    if (len > 0)
        memcpy(wire->out + wire->out_len, bytes, len);
    wire->out_len += len;
}

static ssize_t wire_try_write(struct conn *conn, const uv_buf_t *bufs, unsigned n)
{
    struct wire *wire = wire_of(conn);
    size_t taken = 0;

    cr_assert(!wire->has_write);
    cr_assert(!wire->is_shut);
    wire->tries++;
    if (wire->error < 0)
        return wire->error;
    for (unsigned i = 0; i < n; i++) {
        size_t len = bufs[i].len < wire->room ? bufs[i].len : wire->room;

        arrive(wire, bufs[i].base, len);
        taken += len;
        if (wire->room != SIZE_MAX)
            wire->room -= len;
    }
    return (ssize_t)taken;
}

static int wire_write(struct conn *conn, const uv_buf_t *bufs, unsigned n)
{
    struct wire *wire = wire_of(conn);

    cr_assert(!wire->has_write);
    cr_assert_leq(n, 2);
    wire->writes++;
    if (wire->error < 0)
        return wire->error;
    wire->has_write = true;
    wire->queued_len = 0;
    for (unsigned i = 0; i < 2; i++) {
        wire->queued[i] = i < n ? bufs[i] : uv_buf_init(NULL, 0);
        wire->queued_len += wire->queued[i].len;
    }
    return 0;
}

static size_t wire_unsent(const struct conn *conn)
{
    return wire_of(conn)->queued_len;
}

static void wire_shut(struct conn *conn)
{
    cr_assert(!wire_of(conn)->has_write);
    wire_of(conn)->is_shut = true;
}

/* As libuv does: first the write that is under way ends, then the handle is closed. */
static void on_wire_closed(uv_handle_t *handle)
{
    struct wire *wire = handle->data;

    if (wire->has_write) {
        wire->has_write = false;
        conn_on_written(&wire->conn, UV_ECANCELED);
    }
    conn_on_closed(&wire->conn);
    wire->is_closed = true;
}

static void wire_do_close(struct conn *conn, bool reset)
{
    struct wire *wire = wire_of(conn);

    cr_assert(!wire->is_closing);
    wire->is_closing = true;
    wire->is_reset = reset;
    uv_close((uv_handle_t *)&wire->closing, on_wire_closed);
}

static size_t wire_unread(const struct conn *conn)
{
    return wire_of(conn)->unread;
}

static const char *wire_peer(const struct conn *conn, char *text, size_t size)
{
    (void)conn;
    (void)text;
    (void)size;
    return "-";
}

static const struct conn_io wire_io = {
    .read = wire_read,
    .try_write = wire_try_write,
    .write = wire_write,
    .unread = wire_unread,
    .unsent = wire_unsent,
    .shut = wire_shut,
    .close = wire_do_close,
    .peer = wire_peer,
};

void wire_open(struct wire *wire, struct app_fixture *f)
{
    wire_open_on(wire, f, &f->app->server);
}

void wire_open_on(struct wire *wire, struct app_fixture *f, struct server *server)
{
    memset(wire, 0, offsetof(struct wire, out));
    wire->out_len = 0;
    wire->f = f;
    wire->room = SIZE_MAX;
    cr_assert_eq(uv_check_init(&f->loop, &wire->closing), 0);
    wire->closing.data = wire;
    conn_open(&wire->conn, server, &wire_io);
}

size_t wire_send_cut(struct wire *wire, const char *bytes, size_t len, size_t step)
{
    static char piece[READ_BUFFER];
    size_t sent = 0, n;

    if (step == 0 || step > sizeof(piece))
        step = sizeof(piece);
    for (; sent < len && wire->is_reading && !wire->is_closing; sent += n) {
        n = len - sent < step ? len - sent : step;
        memcpy(piece, bytes + sent, n);
        conn_on_bytes(&wire->conn, piece, n);
        memset(piece, '#', n); /* the next read, of another connection, would overwrite it */
        conn_write_held(wire->conn.server);
    }
    return sent;
}

size_t wire_send(struct wire *wire, const char *text)
{
    return wire_send_cut(wire, text, strlen(text), 0);
}

void wire_take(struct wire *wire, size_t n)
{
    cr_assert(wire->has_write);
    for (unsigned i = 0; i < 2; i++) {
        uv_buf_t *buf = &wire->queued[i];
        size_t len = buf->len < n ? buf->len : n;

        if (len == 0)
            continue;
        arrive(wire, buf->base, len);
        buf->base += len;
        buf->len -= len;
        wire->queued_len -= len;
        n -= len;
    }
    if (wire->queued_len == 0) {
        wire->has_write = false;
        conn_on_written(&wire->conn, 0);
    }
}

unsigned wire_answers(const struct wire *wire)
{
    return answer_count(wire->out, wire->out_len);
}

const struct answer *wire_answer(struct wire *wire, unsigned n)
{
    LOOP_SPIN_UNTIL(&wire->f->loop, answer_find(wire->out, wire->out_len, n, &wire->answer) || wire->is_closed);
    cr_assert(answer_find(wire->out, wire->out_len, n, &wire->answer), "closed before answer %u", n);
    return &wire->answer;
}

void wire_expect_body(struct wire *wire, unsigned n, const char *text)
{
    const struct answer *answer = wire_answer(wire, n);

    cr_expect_eq(answer->status, 200);
    cr_expect(answer_body_is(answer, text), "answer %u is '%.*s', not '%s'", n, (int)answer->body_len, answer->body,
              text);
}

void wire_expect_last(struct wire *wire, unsigned n, int status)
{
    const struct answer *answer = wire_answer(wire, n);
    char value[32];

    cr_expect_eq(answer->status, status, "%d, not %d", answer->status, status);
    cr_expect_str_eq(answer_field(answer, "Connection", value, sizeof(value)), "close");
    cr_expect_eq(wire_answers(wire), n + 1);
}

void wire_close(struct wire *wire)
{
    conn_close(&wire->conn, false);
    wire_run_until_closed(wire);
}

void wire_run_until_closed(struct wire *wire)
{
    LOOP_SPIN_UNTIL(&wire->f->loop, wire->is_closed);
}
