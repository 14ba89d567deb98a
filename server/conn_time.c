/* How long a connection waits, and its last wait, for a client that has not got all: see conn.h.
 *
 * Happy path: one deadline, armed for what comes next. Failures: what is over is refused or closed. Close: nothing is
 * owned.
 */
#include "conn_internal.h"

#include "exchange.h"
#include "pool/owner.h"
#include "server.h"

#include <assert.h>

enum {
    LINGERS_MAX = 30,     /* at a body's rate; otherwise, or in a drain, once more than it must */
    BYTES_PER_S = 500,    /* a body, what is thrown away, or a reply that moves slower is not waited for */
    LOOKS_MAX = 60,       /* DRAIN_IDLE_MS apart or more, at a client that has not got all: then it is idle, too */
    DRAIN_IDLE_MS = 250,  /* in a drain, for a request on its way, */
    DRAIN_HEAD_MS = 1000, /* ... for the rest of its head, */
    DRAIN_BODY_MS = 1000, /* ... and from one look to the next at its body */
};

static_assert(LOOKS_MAX < 1 << 6, "struct conn counts them in n_looks");

static unsigned shorter_in_drain(const struct conn *conn, unsigned ms, unsigned most_ms);
static unsigned body_wait_ms(const struct conn *conn);
static bool is_owed(const struct conn *conn);
static uint64_t least_bytes(unsigned ms);
static void on_deadline(struct deadline *deadline);
static bool look_if_taking(struct conn *conn);

void conn_wait_for(struct conn *conn, enum conn_wait wait, unsigned ms)
{
    bool goes_on = wait == WAIT_REQUEST || wait == WAIT_HEAD || wait == WAIT_BODY; /* whatever comes meanwhile */
    uint64_t unsent;

    if (goes_on && wait == conn->wait && (ms == HOIST_NO_LIMIT || deadline_is_armed(&conn->deadline)))
        return;
    if (wait == WAIT_REQUEST && conn->wait != WAIT_REQUEST) {
        conn_go_last(conn);
        conn->n_looks = 0;
    }
    conn->wait = wait;
    conn->progress = 0;
    switch (wait) {
    case WAIT_NONE:
        deadline_disarm(&conn->deadline);
        return;
    case WAIT_REQUEST:
    case WAIT_HEAD:
        conn->since_ms = uv_now(conn->server->loop);
        break;
    case WAIT_BODY:
        conn->progress = conn->exchange->req.body.len + least_bytes(ms);
        break;
    case WAIT_WRITE:
        unsent = conn->io->unsent(conn);
        conn->progress = unsent > least_bytes(ms) ? unsent - least_bytes(ms) : 0;
        break;
    case WAIT_LINGER:
        break;
    }
    conn->deadline.expired = on_deadline;
    deadline_arm(&conn->server->deadlines, &conn->deadline, ms > 0 ? ms : 1);
}

void conn_wait_for_bytes(struct conn *conn)
{
    const hoist_config *config = conn->server->config;
    bool is_idle = conn_is_between_requests(conn);

    if (is_idle && (conn->wait != WAIT_HEAD || conn->server->is_draining))
        conn_wait_for(conn, WAIT_REQUEST, shorter_in_drain(conn, config->keep_alive_ms, DRAIN_IDLE_MS));
    else if (exchange_message(conn->exchange) != NULL)
        conn_wait_for(conn, WAIT_BODY, body_wait_ms(conn));
    else /* on a new connection one limit for its first byte and the head */
        conn_wait_for(conn, WAIT_HEAD, shorter_in_drain(conn, config->header_timeout_ms, DRAIN_HEAD_MS));
}

/* In a drain no more than most_ms, nor than half of what is left of it: the other half is for what follows. */
static unsigned shorter_in_drain(const struct conn *conn, unsigned ms, unsigned most_ms)
{
    const struct server *server = conn->server;
    uint64_t now_ms, half_ms;

    if (!server->is_draining)
        return ms;
    now_ms = uv_now(server->loop);
    half_ms = server->drain_due_ms > now_ms ? (server->drain_due_ms - now_ms) / 2 : 0;
    if (most_ms < ms)
        ms = most_ms;
    return half_ms < ms ? (unsigned)half_ms : ms;
}

/* For the last second of a drain there is no look: in less than half a second a pause would be taken for slowness. */
static unsigned body_wait_ms(const struct conn *conn)
{
    unsigned limit_ms = conn->server->config->body_timeout_ms;
    unsigned ms = shorter_in_drain(conn, limit_ms, DRAIN_BODY_MS);

    return ms < DRAIN_BODY_MS / 2 ? limit_ms : ms;
}

bool conn_was_used_just_now(const struct conn *conn)
{
    assert(conn->wait == WAIT_REQUEST || conn->wait == WAIT_HEAD);
    return uv_now(conn->server->loop) - conn->since_ms < shorter_in_drain(conn, DRAIN_IDLE_MS, DRAIN_IDLE_MS);
}

void conn_leave(struct conn *conn)
{
    if (is_owed(conn))
        conn_linger(conn);
    else
        conn_close(conn, false);
}

void conn_linger(struct conn *conn)
{
    buffer_close(&conn->ahead);
    if (conn->at_eof) {
        conn_close(conn, false);
        return;
    }
    conn_set_state(conn, CONN_LINGERING);
    conn->io->shut(conn);
    conn_set_reading(conn, true);
    conn_linger_on(conn);
}

void conn_linger_on(struct conn *conn)
{
    conn_wait_for(conn, WAIT_LINGER, shorter_in_drain(conn, CONN_LINGER_MS, CONN_LINGER_MS));
}

/* A client that has not got all, and may send something meanwhile, has as long as a write. */
static bool is_owed(const struct conn *conn)
{
    return !conn->at_eof && (uint64_t)conn->n_lingers * CONN_LINGER_MS < conn->server->config->write_timeout_ms &&
           conn->io->unsent(conn) > 0;
}

static uint64_t least_bytes(unsigned ms)
{
    return ((uint64_t)BYTES_PER_S * ms + 999) / 1000;
}

static void on_deadline(struct deadline *deadline)
{
    struct conn *conn = OWNER_OF(deadline, struct conn, deadline);
    const hoist_config *config = conn->server->config;

    switch (conn->wait) {
    case WAIT_HEAD:
        if (conn_is_between_requests(conn))
            conn_close(conn, false);
        else
            conn_refuse(conn, 408, "the head of the request took too long");
        break;
    case WAIT_BODY:
        if (conn->exchange->req.body.len < conn->progress)
            conn_refuse(conn, 408, "the body of the request came too slowly");
        else
            conn_wait_for_bytes(conn);
        break;
    case WAIT_WRITE:
        if (conn->io->unsent(conn) > conn->progress)
            conn_close(conn, true);
        else
            conn_wait_for(conn, WAIT_WRITE, config->write_timeout_ms);
        break;
    case WAIT_LINGER:
        conn->n_lingers++;
        if (is_owed(conn) || (conn->n_lingers < LINGERS_MAX && !conn->server->is_draining &&
                              conn->progress >= least_bytes(CONN_LINGER_MS)))
            conn_linger_on(conn);
        else
            conn_close(conn, false);
        break;
    case WAIT_NONE:
    case WAIT_REQUEST:
        conn_leave(conn);
        break;
    }
}

/* Not by the deadlines' list: without a time limit there is none, and a limit of the same length would be in it, too.
 */
bool conn_close_idle(struct server *server)
{
    struct conn *next;

    for (struct conn *conn = server->conns; conn != NULL; conn = next) {
        next = conn->next;
        if (conn->wait != WAIT_REQUEST)
            continue;
        if (conn_was_used_just_now(conn))
            break;
        if (conn->is_held || conn->io->unread(conn) > 0)
            continue;
        if (!look_if_taking(conn)) {
            conn_leave(conn);
            return conn->state == CONN_CLOSING;
        }
        conn->since_ms = uv_now(server->loop);
        conn_go_last(conn);
    }
    return false;
}

/* It waits since the kernel took its answer, which may be long before its client has it: one that was seen taking it
 * has, when it has got all, as long for its next request as others. */
static bool look_if_taking(struct conn *conn)
{
    bool was_taking = conn->n_looks > 0;

    if (conn->io->unsent(conn) > 0)
        return conn->n_looks++ < LOOKS_MAX;
    conn->n_looks = 0;
    return was_taking;
}
