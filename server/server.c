/* What all connections of one loop share.
 *
 * Happy path: server_init(), connections and exchanges come and go, server_drain(), and when server_is_empty(),
 * server_close(). Failures: no memory at start. Close: server_abort() for those that do not want to wait.
 */
#include "server.h"

#include "async.h"
#include "conn.h"
#include "exchange.h"
#include "rdhup.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

const char server_no_room[] = "the server has no memory left for this request";

static bool has_begun(const struct exchange *x);
static int begin_to_check(struct server *server);
static void on_check(uv_check_t *check);
static void on_check_closed(uv_handle_t *handle);
static int prepare_deadlines(struct server *server);

int server_init(struct server *server, uv_loop_t *loop, const hoist_config *config, const struct router *router)
{
    int err;

    server->loop = loop;
    server->thread = pthread_self();
    server->config = config;
    server->router = router;
    server->read_buffer = malloc(READ_BUFFER);
    server->out = malloc(OUT_BUFFER);
    err = deadlines_init(&server->deadlines, loop);
    if (err == 0)
        err = server->read_buffer == NULL || server->out == NULL ? -ENOMEM : prepare_deadlines(server);
    if (err == 0)
        err = rdhup_open(&server->rdhup, loop);
    if (err == 0)
        err = async_init(server);
    return err == 0 ? begin_to_check(server) : err;
}

static int begin_to_check(struct server *server)
{
    server->check = malloc(sizeof(*server->check));
    if (server->check == NULL)
        return -ENOMEM;
    uv_check_init(server->loop, server->check);
    uv_check_start(server->check, on_check);
    uv_unref((uv_handle_t *)server->check);
    server->check->data = server;
    return 0;
}

static void on_check(uv_check_t *check)
{
    struct server *server = check->data;

    conn_write_held(server);
    server->reader = NULL;
}

static void on_check_closed(uv_handle_t *handle)
{
    free(handle);
}

/* What a connection or a job may wait for: there are many of these, in no order of their durations. */
static int prepare_deadlines(struct server *server)
{
    const hoist_config *config = server->config;
    const unsigned durations[] = {
        CONN_LINGER_MS,           EXCHANGE_INTERRUPT_MS, config->header_timeout_ms, config->body_timeout_ms,
        config->write_timeout_ms, config->keep_alive_ms, config->timeout_ms,        config->queue_timeout_ms,
    };
    int err = 0;

    for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]) && err == 0; i++)
        err = deadlines_prepare(&server->deadlines, durations[i]);
    return err;
}

void server_close(struct server *server, void (*on_closed)(void *arg), void *arg)
{
    assert(server_is_empty(server));
    assert(server_memory(server) == 0);
    exchange_close_all(server);
    spans_close(&server->job_spans);
    spans_close(&server->loop_spans);
    free(server->read_buffer);
    free(server->out);
    server->read_buffer = server->out = NULL;
    if (server->check != NULL)
        uv_close((uv_handle_t *)server->check, on_check_closed);
    server->check = NULL;
    async_close(server);
    rdhup_close(server->rdhup);
    server->rdhup = NULL;
    deadlines_close(&server->deadlines, on_closed, arg);
}

void server_begin_drain(struct server *server)
{
    unsigned drain_ms = server->config->drain_ms;

    server->is_draining = true;
    server->drain_due_ms = drain_ms == HOIST_NO_LIMIT ? UINT64_MAX : uv_now(server->loop) + drain_ms;
    for (struct conn *conn = server->conns; conn != NULL; conn = conn->next)
        conn->last_at = 0; /* what came since a client waited for a place is answered, too */
}

void server_drain(struct server *server)
{
    struct conn *next;

    assert(server->is_draining);
    for (struct conn *conn = server->conns; conn != NULL; conn = next) {
        next = conn->next;
        conn_drain(conn);
    }
}

void server_abort(struct server *server)
{
    struct conn *next;

    server->is_quiet = true; /* it is not the clients who leave */
    for (struct conn *conn = server->conns; conn != NULL; conn = next) {
        next = conn->next;
        conn_close(conn, true);
    }
}

static bool has_begun(const struct exchange *x)
{
    struct pool_job job;

    if (x->state != EXCHANGE_QUEUED)
        return x->state != EXCHANGE_RECEIVED;
    pool_job_look(x->server->pool, &x->job, &job);
    return job.state != POOL_JOB_WAITING;
}

/* Who was answered has a line in the access log. */
const char *server_cut_off_text(const struct server *server, char text[SERVER_CUT_OFF_TEXT])
{
    unsigned half_sent = 0, running = 0, waiting = 0, not_taken = 0;

    for (const struct exchange *x = server->exchanges; x != NULL; x = x->next) {
        if (x->conn == NULL || x->status != 0)
            continue;
        if (x->state == EXCHANGE_RECEIVING)
            half_sent++;
        else if (has_begun(x))
            running++;
        else
            waiting++;
    }
    for (const struct conn *conn = server->conns; conn != NULL; conn = conn->next)
        not_taken += conn->state == CONN_WRITING;
    snprintf(text, SERVER_CUT_OFF_TEXT,
             "connections cut off: %u, requests: %u running, %u waiting, %u half sent, answers not taken: %u",
             server->n_conns, running, waiting, half_sent, not_taken);
    return text;
}

bool server_is_empty(const struct server *server)
{
    return server->n_conns == 0 && server->n_exchanges == 0;
}

size_t server_memory(const struct server *server)
{
    return budget_used(&server->budget) + server->n_exchanges * sizeof(struct exchange);
}

bool server_is_over_memory(const struct server *server)
{
    return server->config->max_memory != 0 && server_memory(server) > server->config->max_memory;
}

bool server_is_over_memory_without(const struct server *server, size_t own)
{
    size_t max = server->config->max_memory;
    size_t used = max != 0 ? budget_used(&server->budget) : 0;

    return used > max && used - max > own;
}
