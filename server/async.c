/* Steps of asynchronous handlers: see async.h.
 *
 * Happy path: hoist_later(), hoist_offload() and hoist_finish() set the step; on_idle() or async_go_on() takes it.
 * Failures: may_go_on() tells misuse. Close: the idle handle.
 */
#include "async.h"

#include "conn.h"
#include "dispatch_internal.h"
#include "log.h"
#include "server.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static bool may_go_on(const struct exchange *x);
static void check_once(const struct exchange *x);
static int go_on_with(struct exchange *x, hoist_handler *next, enum exchange_step step, unsigned ms);
static void end_reply(struct exchange *x);
static void start_timer(struct exchange *x, unsigned ms);
static bool skip_wait(struct exchange *x, unsigned ms);
static void on_timer(uv_timer_t *timer);
static void make_due(struct exchange *x);
static void take_due(struct exchange *x);
static void on_idle(uv_idle_t *idle);
static void on_idle_closed(uv_handle_t *handle);

int async_init(struct server *server)
{
    server->due_turn = malloc(sizeof(*server->due_turn));
    if (server->due_turn == NULL)
        return -ENOMEM;
    uv_idle_init(server->loop, server->due_turn);
    server->due_turn->data = server;
    return 0;
}

void async_close(struct server *server)
{
    assert(server->n_due == 0);
    if (server->due_turn != NULL)
        uv_close((uv_handle_t *)server->due_turn, on_idle_closed);
    server->due_turn = NULL;
}

static void on_idle_closed(uv_handle_t *handle)
{
    free(handle);
}

/* ---- what handlers call ---- */

/* False after a line, but for a worker's handler: there hoist_later() and hoist_offload() do nothing, and the
 * dispatcher says what is wrong. */
static bool may_go_on(const struct exchange *x)
{
    const char *path;

    exchange_check_live(&x->req);
    if (x->is_work)
        return false;
    path = x->req.route->given.path;
    if (!pthread_equal(x->server->thread, pthread_self()))
        log_write(LOG_ERROR, "%s: its request was to go on, or end, by another thread than the loop's", path);
    else if (async_will_go_on(x))
        log_write(LOG_ERROR, "%s: its request was to go on, or end, while %s waits", path,
                  x->step == STEP_OFFLOAD ? "hoist_offload()" : "hoist_later()");
    else
        return true;
    return false;
}

static void check_once(const struct exchange *x)
{
    if (x->step != STEP_NONE && x->state == EXCHANGE_ON_LOOP)
        log_write(LOG_ERROR, "%s: its handler said twice how to go on; the last one counts", x->req.route->given.path);
}

static int go_on_with(struct exchange *x, hoist_handler *next, enum exchange_step step, unsigned ms)
{
    if (!may_go_on(x))
        return HOIST_PENDING;
    if (next == NULL)
        return response_fail(&x->res, -EFAULT, "the handler would go on with NULL in the place of a handler");
    check_once(x);
    x->handler = next;
    x->step = step;
    x->later_ms = ms;
    if (x->state == EXCHANGE_PENDING)
        make_due(x);
    return HOIST_PENDING;
}

int hoist_later(hoist_req *req, unsigned ms, hoist_handler *next)
{
    return go_on_with(exchange_of_req(req), next, STEP_LATER, ms);
}

int hoist_offload(hoist_req *req, hoist_handler *next)
{
    return go_on_with(exchange_of_req(req), next, STEP_OFFLOAD, 0);
}

void hoist_finish(hoist_req *req, int err)
{
    struct exchange *x = exchange_of_req(req);

    if (!may_go_on(x)) {
        if (x->is_work)
            log_write(LOG_ERROR, "%s: hoist_finish() was called on a worker, where returning is what ends a request",
                      x->req.route->given.path);
        return;
    }
    check_once(x);
    if (err > 0) {
        log_write(LOG_ERROR, "%s: hoist_finish() was told %d, which is neither 0 nor a negative errno",
                  x->req.route->given.path, err);
        err = x->res.told_err = -EPROTO;
    }
    x->result = err;
    x->ended_ns = uv_hrtime();
    x->step = STEP_FINISH;
    if (x->state != EXCHANGE_PENDING)
        return; /* its handler runs, and may still use it */
    end_reply(x);
    make_due(x);
}

/* The request and its reply are nobody's any more. */
static void end_reply(struct exchange *x)
{
    x->result = response_end_file(&x->res, x->result);
    x->req.is_live = false;
}

/* ---- going on ---- */

void async_go_on(struct exchange *x)
{
    switch (x->step) {
    case STEP_NONE:
        x->state = EXCHANGE_PENDING;
        break;
    case STEP_LATER:
        start_timer(x, x->later_ms);
        break;
    case STEP_CALL:
        dispatch_call(x, uv_hrtime());
        break;
    case STEP_OFFLOAD:
        dispatch_submit(x);
        break;
    case STEP_FINISH:
        if (x->req.is_live)
            end_reply(x);
        dispatch_conclude(x, x->result);
        break;
    }
}

static void start_timer(struct exchange *x, unsigned ms)
{
    struct server *server = x->server;

    if (async_end_if_left(x))
        return;
    x->state = EXCHANGE_TIMED;
    if (server->is_virtual) {
        if (skip_wait(x, ms))
            return;
        ms = 0;
    }
    uv_update_time(server->loop); /* the turn may have taken long; the wait begins now */
    uv_timer_start(&x->timer, on_timer, ms, 0);
}

/* On the virtual clock: the wait is over at once, or the request's deadline came first, true. */
static bool skip_wait(struct exchange *x, unsigned ms)
{
    unsigned left_ms = hoist_req_remaining_ms(&x->req);
    bool is_late = ms > left_ms;

    x->server->virtual_ms += is_late ? left_ms : ms;
    if (is_late)
        x->deadline.expired(&x->deadline);
    else if (left_ms != HOIST_NO_LIMIT)
        x->req.deadline_ns -= (uint64_t)ms * 1000000;
    return is_late;
}

/* libuv goes on calling timers while any is due, and one that is started here, or finds the time updated, may be. */
static void on_timer(uv_timer_t *timer)
{
    struct exchange *x = OWNER_OF(timer, struct exchange, timer);

    assert(x->state == EXCHANGE_TIMED);
    x->step = STEP_CALL;
    make_due(x);
}

bool async_will_go_on(const struct exchange *x)
{
    return x->state == EXCHANGE_TIMED || x->state == EXCHANGE_DUE;
}

void async_stop(struct exchange *x)
{
    if (x->state == EXCHANGE_TIMED)
        uv_timer_stop(&x->timer);
    else if (x->state == EXCHANGE_DUE)
        take_due(x);
}

bool async_end_if_left(struct exchange *x)
{
    if (x->conn == NULL) {
        dispatch_conclude(x, -ECANCELED);
        return true;
    }
    if (x->step == STEP_NONE || !atomic_load_explicit(&x->req.cancelled, memory_order_relaxed))
        return false;
    dispatch_give_up(x, SPAN_CANCELLED); /* it half-closed: dispatch_half_close() would have taken back what waits */
    conn_drop(x->conn);
    return true;
}

/* ---- those that are due ---- */

static void make_due(struct exchange *x)
{
    struct server *server = x->server;

    x->state = EXCHANGE_DUE;
    x->due_prev = server->due_last;
    x->due_next = NULL;
    *(x->due_prev != NULL ? &x->due_prev->due_next : &server->due_first) = x;
    server->due_last = x;
    if (server->n_due++ == 0)
        uv_idle_start(server->due_turn, on_idle);
}

static void take_due(struct exchange *x)
{
    struct server *server = x->server;

    *(x->due_prev != NULL ? &x->due_prev->due_next : &server->due_first) = x->due_next;
    *(x->due_next != NULL ? &x->due_next->due_prev : &server->due_last) = x->due_prev;
    x->state = EXCHANGE_PENDING;
    if (--server->n_due == 0)
        uv_idle_stop(server->due_turn);
}

static void on_idle(uv_idle_t *idle)
{
    struct server *server = idle->data;
    struct exchange *x;

    for (unsigned n = server->n_due; n > 0 && server->n_due > 0; n--) {
        x = server->due_first;
        take_due(x);
        async_go_on(x);
    }
}
