/* A connection's life: what it reads, when it answers, how it ends.
 *
 * Happy path: conn_on_bytes() -> turn(): parse, dispatch, gather answers -> conn_flush() -> settle(): wait for
 * more. Failures: conn_refuse() answers what is wrong and ends the connection. Close: conn_close(), conn_on_closed().
 */
#include "conn.h"

#include "conn_internal.h"
#include "dispatch.h"
#include "exchange.h"
#include "log.h"
#include "server.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { AHEAD_MAX = 64 * 1024 }; /* bytes read ahead of the request in hand; then reading stops */

static size_t turn(struct conn *conn, char *bytes, size_t len, bool may_hold);
static void keep_ahead(struct conn *conn, const char *bytes, size_t len);
static bool receive(struct conn *conn, char *bytes, size_t len, size_t *used);
static void receive_more(struct conn *conn);
static bool tell_half_close(struct conn *conn);
static void settle(struct conn *conn);
static void unlink_conn(struct conn *conn);

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
    *(conn->next != NULL ? &conn->next->prev : &server->conns_last) = conn;
    server->conns = conn;
    server->n_conns++;
    server->figures.accepted++;
    conn_wait_for(conn, WAIT_HEAD, server->config->header_timeout_ms);
    io->read(conn, true);
}

void conn_go_last(struct conn *conn)
{
    struct server *server = conn->server;

    if (conn->next == NULL)
        return;
    unlink_conn(conn);
    conn->next = NULL;
    conn->prev = server->conns_last;
    conn->prev->next = conn;
    server->conns_last = conn;
}

static void unlink_conn(struct conn *conn)
{
    struct server *server = conn->server;

    *(conn->prev != NULL ? &conn->prev->next : &server->conns) = conn->next;
    *(conn->next != NULL ? &conn->next->prev : &server->conns_last) = conn->prev;
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
    unlink_conn(conn);
    server->n_conns--;
    server->on_change(server->arg);
}

void conn_drain(struct conn *conn)
{
    if (conn->is_held)
        conn_write_held(conn->server);
    if (conn->stream != NULL)
        conn_close(conn, false);
    if (conn->state == CONN_LINGERING)
        conn_linger_on(conn); /* since before the drain, which may be over sooner */
    if (conn->state != CONN_READING)
        return;
    if (conn_is_between_requests(conn) && !conn_was_used_just_now(conn)) {
        conn_leave(conn);
        return;
    }
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
        if (conn->has_lost && conn->is_held)
            conn_write_held(conn->server); /* settle() refuses it behind them, when they are written */
        settle(conn);
    } else {
        keep_ahead(conn, bytes, len);
        conn_go_on(conn);
    }
}

/* What there is no memory for is thrown away and no more is read: settle() refuses it when all before it is answered.
 * So it is with what comes behind a request in hand while the others hold more than max_memory: what this client holds
 * itself is gone by then. */
static void keep_ahead(struct conn *conn, const char *bytes, size_t len)
{
    size_t own = conn->ahead.cap + conn->unsent.cap;

    if (len == 0 || conn->state == CONN_CLOSING || conn->is_answered)
        return;
    if (conn->exchange != NULL)
        own += budget_used(&conn->exchange->budget);
    if ((conn->state != CONN_READING && server_is_over_memory_without(conn->server, own)) ||
        buffer_append(&conn->ahead, bytes, len, AHEAD_MAX + READ_BUFFER) < 0)
        conn->has_lost = true;
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
            conn_refuse(conn, 503, "out of memory");
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
        conn_refuse(conn, 503, server_no_room);
        return false;
    case PARSER_MORE:
        receive_more(conn);
        return false;
    case PARSER_DONE:
        conn_begin(conn);
        return true;
    case PARSER_FAILED:
        conn_refuse(conn, x->parser.status, x->parser.reason);
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

    if (!parser_has_head(&x->parser)) {
        if (server_is_over_memory(server))
            conn_refuse(conn, 503, server_no_room);
        return;
    }
    if (exchange_keep(x) < 0) {
        conn_refuse(conn, 503, "out of memory");
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
            conn_refuse(conn, 503, "out of memory");
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
    if (conn->state == CONN_LINGERING || tell_half_close(conn))
        conn_close(conn, false);
    else if (conn->state == CONN_READING)
        settle(conn);
}

void conn_on_leaving(struct conn *conn)
{
    conn->is_leaving = true;
    if (!tell_half_close(conn))
        return;
    if (conn->stream != NULL)
        conn_close(conn, false);
    else
        conn_drop(conn);
}

/* The client has ended its sending side, which may cancel what it is at. True: no answer is wanted any more. */
static bool tell_half_close(struct conn *conn)
{
    if (conn->stream != NULL)
        return conn->server->config->half_close == HOIST_HALF_CLOSE_CANCEL;
    return conn->state == CONN_HANDLING && dispatch_half_close(conn->exchange);
}

void conn_on_error(struct conn *conn)
{
    conn_close(conn, true);
}

bool conn_is_between_requests(const struct conn *conn)
{
    return conn->ahead.len == 0 && (conn->exchange == NULL || parser_is_between(&conn->exchange->parser));
}

/* Nothing more can be done with what was received: waits for what comes next, or ends. */
static void settle(struct conn *conn)
{
    if (conn->state != CONN_READING) {
        conn_set_reading(conn, conn->ahead.len < AHEAD_MAX && !conn->has_lost);
    } else if (conn->is_answered) {
        conn_linger(conn);
    } else if (conn->has_lost) {
        conn->has_lost = false;
        conn_refuse(conn, 503, server_no_room);
    } else if (conn->at_eof && conn_is_between_requests(conn)) {
        conn_leave(conn);
    } else if (!conn->at_eof) {
        conn_set_reading(conn, true);
        conn_wait_for_bytes(conn);
    } else {
        conn_refuse(conn, 400, "the request was cut off");
    }
}

void conn_set_reading(struct conn *conn, bool on)
{
    if (on != conn->is_stalled || conn->state == CONN_CLOSING)
        return;
    conn->is_stalled = !on;
    conn->io->read(conn, on);
}

void conn_refuse(struct conn *conn, int status, const char *reason)
{
    static const struct reply_field again = {.name = "Retry-After", .value = "1"};
    char body[REPLY_ERROR_MAX], peer[CONN_PEER_MAX];
    struct reply reply;

    log_write(LOG_DEBUG, "refused %s with %d: %s", conn->io->peer(conn, peer, sizeof(peer)), status, reason);
    conn->keep_alive = false;
    reply_error(&reply, status, reason, body);
    if (status == 503)
        reply.fields = &again;
    conn_set_state(conn, CONN_HANDLING);
    conn_answer(conn, &reply);
}
