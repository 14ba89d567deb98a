/* A connection's answers: gathered for one write, and written.
 *
 * Happy path: conn_answer() puts head and small body into the server's out buffer; conn_flush() tries to write all of
 * it at once, or conn_hold() leaves it there until conn_write_held(). Failures: a write that fails, or memory for what
 * did not fit into the socket: the connection closes. Close: nothing to do here; a body that is being written belongs
 * to its exchange, which conn_close() lets go.
 */
#include "conn_internal.h"

#include "access.h"
#include "dispatch.h"
#include "exchange.h"
#include "log.h"
#include "server.h"
#include "stream.h"

#include <assert.h>
#include <string.h>

static void prepare_stream(struct conn *conn);
static bool note_last(struct conn *conn, bool is_stream);
static void gather(struct conn *conn, const struct reply *reply);
static void write_out(struct conn *conn, char *out, size_t out_len);
static void write_rest(struct conn *conn, const char *out, size_t out_len, size_t taken);
static void release_body(struct conn *conn);
static void release_exchange(struct conn *conn);

void conn_answer(struct conn *conn, const struct reply *reply)
{
    struct stream *stream = reply->stream; /* the reply is the exchange's, and goes with it */

    assert(conn->state == CONN_HANDLING);
    assert(!conn->is_answered);
    if (!conn->is_turning) {
        assert(conn->server->out_len == conn->server->out_begin); /* no other connection gathers */
        conn_make_room(conn);
    }
    if (stream != NULL)
        prepare_stream(conn);
    if (conn->keep_alive && note_last(conn, stream != NULL))
        conn->keep_alive = false;
    conn->is_answered = !conn->keep_alive;
    gather(conn, reply);
    figures_answered(conn->server, conn->exchange, reply->status);
    if (log_access_wanted() && !conn->server->is_quiet) {
        access_log(conn, conn->exchange, reply);
        conn->server->left_ns = 0;
    }
    conn_set_state(conn, CONN_READING);
    if (stream != NULL && conn->exchange->req.message.method == HOIST_HEAD) {
        stream->closed(stream);
        stream = NULL;
    }
    if (conn->body.len > 0 || stream != NULL)
        conn_flush(conn);
    if (conn->body.len == 0)
        release_exchange(conn);
    if (stream != NULL)
        conn_begin_stream(conn, stream);
    if (!conn->is_turning)
        conn_go_on(conn);
}

/* An HTTP/1.0 client knows its end by the connection's (RFC 9112, section 6.3). */
static void prepare_stream(struct conn *conn)
{
    conn->is_chunked = conn->exchange->req.message.minor > 0;
    if (!conn->is_chunked)
        conn->keep_alive = false;
}

/* In a drain, or while another client waits for a place: requests that were there at its first answer, or waited in the
 * socket, are answered, too; those that come later, which may be without end, are not. For the other client the first
 * connection to come so far is enough; it may have begun to when one before that waited. */
static bool note_last(struct conn *conn, bool is_stream)
{
    struct server *server = conn->server;
    bool is_wanted = server->is_draining || server->is_crowded;

    if (is_stream)
        return server->is_draining;
    if (is_wanted && conn->last_at == 0)
        conn->last_at = conn->received + conn->io->unread(conn);
    if (conn->last_at == 0 || conn->parsed < conn->last_at)
        return false;
    conn->last_at = 0;
    server->is_crowded = false;
    return is_wanted;
}

/* Puts the head, and a small body, behind what is gathered already; a large body stays where it is. */
static void gather(struct conn *conn, const struct reply *reply)
{
    struct server *server = conn->server;
    const struct exchange *x = conn->exchange;
    const struct message *message = exchange_message(x);
    size_t body_len = exchange_body_len(x, reply);
    char *out = server->out + server->out_len;
    struct reply_framing framing = {
        .date = server->clock.date,
        .is_last = !conn->keep_alive,
        .is_http10 = message != NULL && message->minor == 0,
        .is_stream = reply->stream != NULL,
    };

    assert(OUT_BUFFER - server->out_len >= ANSWER_MAX);
    assert(conn->body.len == 0);
    reply_clock_tick(&server->clock, uv_now(server->loop));
    if (server->config->server_timing && x != NULL) {
        framing.has_timing = true;
        framing.wait_ns = x->wait_ns;
        framing.run_ns = x->run_ns;
    }
    out += reply_write_head(out, reply, &framing);
    if (body_len > SMALL_BODY) {
        conn->body = (uv_buf_t){.base = (char *)(uintptr_t)reply->body, .len = body_len};
    } else if (body_len > 0) {
        memcpy(out, reply->body, body_len);
        out += body_len;
    }
    server->out_len = (size_t)(out - server->out);
}

void conn_make_room(struct conn *conn)
{
    struct server *server = conn->server;

    if (OUT_BUFFER - server->out_len < ANSWER_MAX)
        conn_write_held(server);
    if (OUT_BUFFER - server->out_len < ANSWER_MAX)
        conn_flush(conn);
}

/* Only what is followed by nothing but waiting for the next request. */
bool conn_hold(struct conn *conn)
{
    struct server *server = conn->server;
    struct held *held = &server->held[server->n_held];

    if (!server->holds || server->is_draining || conn->state != CONN_READING || conn->is_answered ||
        server->out_len == server->out_begin)
        return false;
    held->conn = conn;
    held->begin = (unsigned)server->out_begin;
    held->len = (unsigned)(server->out_len - server->out_begin);
    conn->is_held = true;
    server->out_begin = server->out_len;
    server->left_ns = 0;
    if (++server->n_held == HELD_MAX)
        conn_write_held(server);
    return true;
}

/* A write that fails closes its connection, which may have this called once more from within. */
void conn_write_held(struct server *server)
{
    while (server->n_written < server->n_held) {
        const struct held *held = &server->held[server->n_written++];

        held->conn->is_held = false;
        write_out(held->conn, server->out + held->begin, held->len);
    }
    if (server->n_held == 0)
        return;
    server->left_ns = 0;
    server->n_held = server->n_written = 0;
    server->out_len -= server->out_begin;
    memmove(server->out, server->out + server->out_begin, server->out_len);
    server->out_begin = 0;
}

void conn_flush(struct conn *conn)
{
    struct server *server = conn->server;
    char *out = server->out + server->out_begin;
    size_t out_len = server->out_len - server->out_begin;

    server->out_len = server->out_begin;
    server->left_ns = 0;
    write_out(conn, out, out_len);
}

/* What was gathered at out, and a large body. */
static void write_out(struct conn *conn, char *out, size_t out_len)
{
    uv_buf_t bufs[2] = {uv_buf_init(out, (unsigned)out_len), conn->body};
    ssize_t taken;

    if ((conn->state != CONN_READING && conn->state != CONN_STREAMING) || out_len + conn->body.len == 0)
        return;
    conn->server->figures.sent += out_len + conn->body.len;
    taken = conn->io->try_write(conn, bufs, conn->body.len > 0 ? 2 : 1);
    if (taken < 0)
        conn_close(conn, true);
    else if ((size_t)taken < out_len + conn->body.len)
        write_rest(conn, out, out_len, (size_t)taken);
    else
        release_body(conn);
}

/* Of out_len bytes gathered and the body behind them, taken bytes are sent; the gathered rest must leave the shared
 * buffer. */
static void write_rest(struct conn *conn, const char *out, size_t out_len, size_t taken)
{
    size_t from_out = taken < out_len ? taken : out_len;
    size_t from_body = taken - from_out;
    uv_buf_t bufs[2];

    conn_set_state(conn, CONN_WRITING);
    if (buffer_append(&conn->unsent, out + from_out, out_len - from_out, OUT_BUFFER) < 0) {
        conn_close(conn, true);
        return;
    }
    bufs[0] = uv_buf_init(conn->unsent.data, (unsigned)conn->unsent.len);
    bufs[1] = conn->body;
    if (from_body > 0) {
        bufs[1].base += from_body;
        bufs[1].len -= from_body;
    }
    if (conn->io->write(conn, bufs, 2) < 0)
        conn_close(conn, true);
    else
        conn_wait_for(conn, WAIT_WRITE, conn->server->config->write_timeout_ms);
}

/* A large body is written: its exchange, which kept it in place, may go. */
static void release_body(struct conn *conn)
{
    if (conn->body.len == 0)
        return;
    conn->body = uv_buf_init(NULL, 0);
    release_exchange(conn);
}

void conn_on_written(struct conn *conn, int err)
{
    if (conn->state == CONN_CLOSING)
        return;
    if (err < 0) {
        conn_close(conn, true);
        return;
    }
    buffer_close(&conn->unsent);
    conn_set_state(conn, CONN_READING);
    conn_wait_for(conn, WAIT_NONE, 0);
    release_body(conn);
    if (conn->stream != NULL) {
        conn_set_state(conn, CONN_STREAMING);
        return;
    }
    if (conn->exchange != NULL && conn->exchange->state == EXCHANGE_RECEIVED)
        conn_begin(conn);
    else
        conn_go_on(conn);
}

/* The connection is done with its exchange; dispatch may not be. */
static void release_exchange(struct conn *conn)
{
    struct exchange *x = conn->exchange;

    conn->exchange = NULL;
    if (x != NULL)
        exchange_release(x);
}
