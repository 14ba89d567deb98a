/* A connection's life: what it reads, when it answers, how it ends.
 *
 * Happy path: conn_on_bytes() -> turn(): parse, dispatch, gather answers -> conn_flush() -> settle(): wait for
 * more. Failures: refuse() answers what is wrong and ends the connection. Close: conn_close(), conn_on_closed().
 */
#include "conn.h"

#include "conn_internal.h"
#include "dispatch.h"
#include "exchange.h"
#include "pool/owner.h"
#include "server.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    AHEAD_MAX = 64 * 1024,  /* bytes read ahead of the request in hand; then reading stops */
    LINGERS_MAX = 30,       /* at a body's rate; otherwise, or in a drain, once more than it must */
    BODY_BYTES_PER_S = 500, /* a body, or what is thrown away, that comes slower is not waited for */
    DRAIN_HEAD_MS = 1000,
};

static void on_deadline(struct deadline *deadline);
static size_t turn(struct conn *conn, char *bytes, size_t len, bool may_hold);
static void keep_ahead(struct conn *conn, const char *bytes, size_t len);
static bool receive(struct conn *conn, char *bytes, size_t len, size_t *used);
static void receive_more(struct conn *conn);
__attribute__((cold)) static void refuse(struct conn *conn, int status, const char *reason);
static bool is_between_requests(const struct conn *conn);
static bool is_unwanted(struct conn *conn);
static void settle(struct conn *conn);
static void set_reading(struct conn *conn, bool on);
static void wait_for_bytes(struct conn *conn, bool is_idle);
static void leave(struct conn *conn);
static void linger(struct conn *conn);
static bool is_owed(const struct conn *conn);

/* ---- states ---- */

void conn_set_state(struct conn *conn, enum conn_state state)
{
#define TO(state) (1U << (state))
    static const unsigned allowed[] = {
        [CONN_READING] =
            TO(CONN_HANDLING) | TO(CONN_WRITING) | TO(CONN_STREAMING) | TO(CONN_LINGERING) | TO(CONN_CLOSING),
        [CONN_HANDLING] = TO(CONN_READING) | TO(CONN_CLOSING),
        [CONN_WRITING] = TO(CONN_READING) | TO(CONN_CLOSING),
        [CONN_STREAMING] = TO(CONN_READING) | TO(CONN_WRITING) | TO(CONN_CLOSING),
        [CONN_LINGERING] = TO(CONN_CLOSING),
        [CONN_CLOSING] = 0,
    };
#undef TO

    assert(allowed[conn->state] & (1U << state));
    conn->state = state;
}

void conn_open(struct conn *conn, struct server *server, const struct conn_io *io)
{
    conn->io = io;
    conn->server = server;
    conn->ahead.budget = conn->unsent.budget = &server->budget;
    conn->next = server->conns;
    if (conn->next != NULL)
        conn->next->prev = conn;
    server->conns = conn;
    server->n_conns++;
    server->figures.accepted++;
    conn->deadline.expired = on_deadline;
    conn_wait_for(conn, WAIT_HEAD, server->config->header_timeout_ms);
    io->read(conn, true);
}

void conn_close(struct conn *conn, bool reset)
{
    struct exchange *exchange = conn->exchange;

    if (conn->state == CONN_CLOSING)
        return;
    conn_set_state(conn, CONN_CLOSING);
    conn_wait_for(conn, WAIT_NONE, 0);
    conn->exchange = NULL;
    if (exchange != NULL)
        dispatch_cancel(exchange);
    conn_end_stream(conn);
    conn->io->close(conn, reset);
}

void conn_on_closed(struct conn *conn)
{
    struct server *server = conn->server;

    assert(conn->state == CONN_CLOSING);
    assert(conn->exchange == NULL);
    assert(!conn->is_held);
    buffer_close(&conn->ahead);
    buffer_close(&conn->unsent);
    *(conn->prev != NULL ? &conn->prev->next : &server->conns) = conn->next;
    if (conn->next != NULL)
        conn->next->prev = conn->prev;
    server->n_conns--;
    server->on_change(server->arg);
}

void conn_drain(struct conn *conn)
{
    if (conn->is_held)
        conn_write_held(conn->server);
    if (conn->stream != NULL)
        conn_close(conn, false);
    if (conn->state != CONN_READING)
        return;
    deadline_disarm(&conn->deadline);
    settle(conn);
}

/* ---- bytes in ---- */

void conn_on_bytes(struct conn *conn, char *bytes, size_t len)
{
    size_t used = 0;

    assert(conn->server->out_len == conn->server->out_begin);
    conn->server->figures.received += len;
    conn->received += len;
    if (conn->state == CONN_CLOSING)
        return;
    if (conn->state == CONN_LINGERING) {
        conn->progress += len;
        return;
    }
    if (conn->state == CONN_READING && conn->ahead.len == 0) {
        used = turn(conn, bytes, len, true);
        keep_ahead(conn, bytes + used, len - used);
        settle(conn);
    } else {
        keep_ahead(conn, bytes, len);
        conn_go_on(conn);
    }
}

static void keep_ahead(struct conn *conn, const char *bytes, size_t len)
{
    if (conn->state == CONN_CLOSING || conn->is_answered)
        return;
    if (buffer_append(&conn->ahead, bytes, len, AHEAD_MAX + READ_BUFFER) < 0)
        conn_close(conn, true);
}

void conn_go_on(struct conn *conn)
{
    size_t used = turn(conn, conn->ahead.data, conn->ahead.len, false);

    if (conn->ahead.len > 0 && conn->state != CONN_CLOSING)
        buffer_drop(&conn->ahead, used);
    settle(conn);
}

/* Parses what can be parsed, answers what can be answered at once, and writes that in one go or holds it. Returns the
 * bytes used. */
static size_t turn(struct conn *conn, char *bytes, size_t len, bool may_hold)
{
    bool more = len > 0;
    size_t used = 0;

    assert(!conn->is_turning);
    if (conn->is_held)
        conn_write_held(conn->server);
    conn->is_turning = true;
    while (more && conn->state == CONN_READING && !conn->is_answered) {
        conn_make_room(conn);
        if (conn->state != CONN_READING)
            break; /* a write was short, or failed */
        more = receive(conn, bytes, len, &used);
    }
    if (!may_hold || !conn_hold(conn))
        conn_flush(conn);
    conn->is_turning = false;
    return used;
}

/* One step of the parser. False: nothing more can be done with these bytes. */
static bool receive(struct conn *conn, char *bytes, size_t len, size_t *used)
{
    struct exchange *x = conn->exchange;
    enum parser_result result;
    size_t n = 0;

    if (x == NULL) {
        if (*used == len)
            return false;
        x = exchange_new(conn->server, conn);
        if (x == NULL) {
            refuse(conn, 503, "out of memory");
            return false;
        }
        conn->exchange = x;
    }
    result = parser_feed(&x->parser, bytes + *used, len - *used, &n);
    *used += n;
    conn->parsed += n;
    switch (result) {
    case PARSER_HEAD:
        exchange_route(x);
        conn->keep_alive = x->req.message.keep_alive;
        if (!server_is_over_memory(conn->server))
            return true;
        refuse(conn, 503, "the server has no memory left for this request");
        return false;
    case PARSER_MORE:
        receive_more(conn);
        return false;
    case PARSER_DONE:
        conn_begin(conn);
        return true;
    case PARSER_FAILED:
        refuse(conn, x->parser.status, x->parser.reason);
        return false;
    }
    abort();
}

/* The request goes on behind the bytes at hand: nothing may point into them any more. */
static void receive_more(struct conn *conn)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct exchange *x = conn->exchange;
    struct message *message = &x->req.message;
    struct server *server = conn->server;

    if (!parser_has_head(&x->parser))
        return;
    if (exchange_keep(x) < 0) {
        refuse(conn, 503, "out of memory");
        return;
    }
    if (message->expects_continue && !parser_has_body_begun(&x->parser)) {
        message->expects_continue = false;
        if (x->req.route == NULL) { /* no body is wanted for what will be refused (RFC 9110, section 10.1.1) */
            conn->keep_alive = false;
            conn_begin(conn);
            return;
        }
        memcpy(server->out + server->out_len, go_on, sizeof(go_on) - 1);
        server->out_len += sizeof(go_on) - 1;
    }
}

void conn_begin(struct conn *conn)
{
    struct exchange *x = conn->exchange;

    x->state = EXCHANGE_RECEIVED;
    if (conn->server->out_len > conn->server->out_begin && !exchange_is_inline(x)) {
        if (exchange_keep(x) < 0) { /* it may have to wait, and the bytes it points into will not */
            refuse(conn, 503, "out of memory");
            return;
        }
        conn_flush(conn);
        if (conn->state != CONN_READING)
            return; /* conn_on_written() begins it */
    }
    if ((conn->at_eof || conn->is_leaving) && !exchange_is_inline(x) &&
        conn->server->config->half_close == HOIST_HALF_CLOSE_CANCEL) {
        conn_drop(conn); /* like a job that waits already */
        return;
    }
    conn_set_state(conn, CONN_HANDLING);
    conn_wait_for(conn, WAIT_NONE, 0);
    dispatch_begin(x);
}

void conn_drop(struct conn *conn)
{
    struct exchange *x = conn->exchange;

    if (conn->at_eof) {
        conn_close(conn, false);
        return;
    }
    if (conn->state == CONN_HANDLING)
        conn_set_state(conn, CONN_READING);
    conn->exchange = NULL;
    dispatch_cancel(x);
    conn->is_answered = true;
    if (!conn->is_turning)
        settle(conn);
}

void conn_on_eof(struct conn *conn)
{
    if (conn->is_held)
        conn_write_held(conn->server);
    conn->at_eof = true;
    if (conn->state == CONN_LINGERING || is_unwanted(conn))
        conn_close(conn, false);
    else if (conn->state == CONN_READING)
        settle(conn);
}

void conn_on_leaving(struct conn *conn)
{
    conn->is_leaving = true;
    if (!is_unwanted(conn))
        return;
    if (conn->stream != NULL)
        conn_close(conn, false);
    else
        conn_drop(conn);
}

/* A half-close ends what it is at. */
static bool is_unwanted(struct conn *conn)
{
    if (conn->stream != NULL)
        return conn->server->config->half_close == HOIST_HALF_CLOSE_CANCEL;
    return conn->state == CONN_HANDLING && dispatch_half_close(conn->exchange);
}

void conn_on_error(struct conn *conn)
{
    conn_close(conn, true);
}

/* Nothing of a request is here; an empty line before one is nothing (RFC 9112, section 2.2). */
static bool is_between_requests(const struct conn *conn)
{
    return conn->ahead.len == 0 && (conn->exchange == NULL || parser_is_between(&conn->exchange->parser));
}

/* Nothing more can be done with what was received: waits for what comes next, or ends. */
static void settle(struct conn *conn)
{
    bool is_idle = is_between_requests(conn);

    if (conn->state != CONN_READING) {
        set_reading(conn, conn->ahead.len < AHEAD_MAX);
    } else if (conn->is_answered) {
        linger(conn);
    } else if (is_idle && (conn->at_eof || conn->server->is_draining)) {
        leave(conn);
    } else if (!conn->at_eof) {
        set_reading(conn, true);
        wait_for_bytes(conn, is_idle);
    } else {
        refuse(conn, 400, "the request was cut off");
    }
}

/* A client that leaves is only noticed while we read, so reading stops for a full buffer and nothing else. */
static void set_reading(struct conn *conn, bool on)
{
    if (on != conn->is_stalled || conn->state == CONN_CLOSING)
        return;
    conn->is_stalled = !on;
    conn->io->read(conn, on);
}

static void wait_for_bytes(struct conn *conn, bool is_idle)
{
    const hoist_config *config = conn->server->config;
    bool is_draining = conn->server->is_draining;

    if (is_idle && conn->wait == WAIT_HEAD) /* accepted, and nothing came yet: one limit for both */
        conn_wait_for(conn, WAIT_HEAD, config->header_timeout_ms);
    else if (is_idle)
        conn_wait_for(conn, WAIT_REQUEST, config->keep_alive_ms);
    else if (conn->exchange != NULL && parser_has_head(&conn->exchange->parser))
        conn_wait_for(conn, WAIT_BODY, config->body_timeout_ms);
    else
        conn_wait_for(conn, WAIT_HEAD, is_draining ? DRAIN_HEAD_MS : config->header_timeout_ms);
}

/* Answers what the client did wrong, or what the connection cannot do for it, and ends the connection. */
static void refuse(struct conn *conn, int status, const char *reason)
{
    static const struct reply_field again = {.name = "Retry-After", .value = "1"};
    char body[REPLY_ERROR_MAX];
    struct reply reply;

    conn->keep_alive = false;
    reply_error(&reply, status, reason, body);
    if (status == 503)
        reply.fields = &again;
    conn_set_state(conn, CONN_HANDLING);
    conn_answer(conn, &reply);
}

/* Nothing is to be done any more; but the client may not have got all, and what it sends meanwhile must not cost it
 * that. */
static void leave(struct conn *conn)
{
    if (is_owed(conn))
        linger(conn);
    else
        conn_close(conn, false);
}

/* Half-closes, then throws away what the client still sends: closing with unread bytes would send a reset, which may
 * destroy the answer before it is read (RFC 9112, section 9.6), and most clients read it only when they have sent all.
 */
static void linger(struct conn *conn)
{
    buffer_close(&conn->ahead);
    if (conn->at_eof) {
        conn_close(conn, false);
        return;
    }
    conn_set_state(conn, CONN_LINGERING);
    conn->io->shut(conn);
    set_reading(conn, true);
    conn_wait_for(conn, WAIT_LINGER, CONN_LINGER_MS);
}

/* A client that has not got all, and may send something meanwhile, has as long as for a write without progress. */
static bool is_owed(const struct conn *conn)
{
    return !conn->at_eof && (uint64_t)conn->n_lingers * CONN_LINGER_MS < conn->server->config->write_timeout_ms &&
           conn->io->unsent(conn) > 0;
}

/* ---- time ---- */

void conn_wait_for(struct conn *conn, enum conn_wait wait, unsigned ms)
{
    struct deadlines *deadlines = &conn->server->deadlines;

    if (wait == conn->wait && (wait == WAIT_HEAD || wait == WAIT_BODY) && deadline_is_armed(&conn->deadline))
        return;
    conn->wait = wait;
    conn->progress = 0;
    if (wait == WAIT_NONE) {
        deadline_disarm(&conn->deadline);
        return;
    }
    if (wait == WAIT_BODY)
        conn->progress = conn->exchange->req.body.len;
    else if (wait == WAIT_WRITE)
        conn->progress = conn->io->unsent(conn);
    deadline_arm(deadlines, &conn->deadline, ms);
}

static bool is_too_slow(size_t bytes, unsigned ms)
{
    return bytes < ((size_t)BODY_BYTES_PER_S * ms + 999) / 1000;
}

static void on_deadline(struct deadline *deadline)
{
    struct conn *conn = OWNER_OF(deadline, struct conn, deadline);
    const hoist_config *config = conn->server->config;

    switch (conn->wait) {
    case WAIT_HEAD:
        if (is_between_requests(conn))
            conn_close(conn, false);
        else
            refuse(conn, 408, "the head of the request took too long");
        break;
    case WAIT_BODY:
        if (is_too_slow(conn->exchange->req.body.len - conn->progress, config->body_timeout_ms))
            refuse(conn, 408, "the body of the request came too slowly");
        else
            conn_wait_for(conn, WAIT_BODY, config->body_timeout_ms);
        break;
    case WAIT_WRITE:
        if (conn->io->unsent(conn) >= conn->progress)
            conn_close(conn, true);
        else
            conn_wait_for(conn, WAIT_WRITE, config->write_timeout_ms);
        break;
    case WAIT_LINGER:
        conn->n_lingers++;
        if (is_owed(conn) || (conn->n_lingers < LINGERS_MAX && !conn->server->is_draining &&
                              !is_too_slow(conn->progress, CONN_LINGER_MS)))
            conn_wait_for(conn, WAIT_LINGER, CONN_LINGER_MS);
        else
            conn_close(conn, false);
        break;
    case WAIT_NONE:
    case WAIT_REQUEST:
        leave(conn);
        break;
    }
}
