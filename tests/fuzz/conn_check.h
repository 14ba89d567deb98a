/* What holds of connections between any two steps of fuzz_conn.c, whatever is at the other end: asserts. */
#ifndef TESTS_FUZZ_CONN_CHECK_H
#define TESTS_FUZZ_CONN_CHECK_H

#include "server/conn.h"
#include "server/server.h"

#include <assert.h>

/* All are in the list, and those that wait for a request in the order in which they began; a drain begins their waits
 * anew. */
static void check_list(const struct server *server)
{
    const struct conn *last = NULL;
    uint64_t ms, last_ms = UINT64_MAX;
    unsigned n = 0;

    for (const struct conn *conn = server->conns; conn != NULL; conn = conn->next) {
        assert(conn->prev == last);
        last = conn;
        n++;
        if (conn->wait != WAIT_REQUEST || server->is_draining)
            continue;
        ms = uv_now(server->loop) - conn->since_ms;
        assert(ms <= last_ms);
        last_ms = ms;
    }
    assert(server->conns_last == last);
    assert(server->n_conns == n);
}

/* It waits for what its state says, and what settle() has to act on is not left behind. */
static void check_conn(const struct conn *conn)
{
    assert(conn->parsed <= conn->received);
    switch (conn->state) {
    case CONN_READING:
        assert(conn->wait == WAIT_REQUEST || conn->wait == WAIT_HEAD || conn->wait == WAIT_BODY);
        assert(!conn->has_lost);
        assert(!conn->is_answered);
        break;
    case CONN_WRITING:
        assert(conn->wait == WAIT_WRITE);
        break;
    case CONN_LINGERING:
        assert(conn->wait == WAIT_LINGER);
        break;
    case CONN_HANDLING:
    case CONN_STREAMING:
    case CONN_CLOSING:
        assert(conn->wait == WAIT_NONE);
        break;
    }
}

#endif
