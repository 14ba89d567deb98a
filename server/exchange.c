/* Exchanges: made once, used again, and the moves of their memory.
 *
 * Happy path: exchange_new() takes one off the free list, a connection fills it, dispatch answers it, exchange_free()
 * puts it back. Failures: no memory for a new one. Close: exchange_close_all(), after the last one in use is back.
 */
#include "exchange.h"

#include "async.h"
#include "crash.h"
#include "guard.h"
#include "log.h"
#include "server.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { KEPT_MAX = 64 }; /* exchanges on the free list: about what one turn of a busy loop needs at once */

static void on_interrupt(struct deadline *deadline);
static struct exchange *exchange_alloc(struct server *server);
static size_t arena_max(size_t max_reply);
static int on_body(void *arg, const char *bytes, size_t len);
static void clear_reply(hoist_res *res);
static void on_timer_closed(uv_handle_t *handle);

struct exchange *exchange_new(struct server *server, struct conn *conn)
{
    struct exchange *x = server->free_exchanges;

    if (x != NULL) {
        server->free_exchanges = x->next;
        server->n_free_exchanges--;
    } else {
        x = exchange_alloc(server);
        if (x == NULL)
            return NULL;
    }
    assert(x->state == EXCHANGE_ENDED);
    x->state = EXCHANGE_RECEIVING;
    x->conn = conn;
    x->id = ++server->next_id;
    x->req.route = NULL; /* not earlier: exchange_check_live() names it to whoever comes too late */
    x->req.path = NULL;
    x->req.deadline_ns = 0;
    x->req.worker_data = NULL;
    x->req.end_hooks = NULL;
    atomic_init(&x->req.cancelled, false);
    clear_reply(&x->res);
    x->begun_ns = x->ended_ns = x->wait_ns = x->run_ns = 0;
    x->outcome = SPAN_ANSWERED;
    x->status = 0;
    x->is_work = x->was_queued = false;
    x->is_kept = false;
    x->step = STEP_NONE;
    parser_init(&x->parser, &x->req.message, on_body, x);
    x->prev = NULL;
    x->next = server->exchanges;
    if (x->next != NULL)
        x->next->prev = x;
    server->exchanges = x;
    server->n_exchanges++;
    return x;
}

/* A reply's bytes, and the head of the request beside them. max_reply may be SIZE_MAX, for no limit. */
static size_t arena_max(size_t max_reply)
{
    const size_t heads = HEAD_MAX + REPLY_FIELDS_MAX;

    return max_reply < SIZE_MAX - heads ? max_reply + heads : SIZE_MAX;
}

/* The large parts, message, arena and parser, are written when they are used and never zeroed whole. */
static struct exchange *exchange_alloc(struct server *server)
{
    struct exchange *x = malloc(sizeof(*x));

    if (x == NULL)
        return NULL;
    memset(&x->req.message, 0, offsetof(struct message, fields)); /* padding, too, which goes to processes */
    memset(&x->job, 0, sizeof(x->job));
    memset(&x->deadline, 0, sizeof(x->deadline));
    memset(&x->queue_deadline, 0, sizeof(x->queue_deadline));
    memset(&x->interrupt, 0, sizeof(x->interrupt));
    memset(&x->watch, 0, sizeof(x->watch));
    x->interrupt.expired = on_interrupt;
    x->server = server;
    x->state = EXCHANGE_ENDED;
    arena_init(&x->req.arena, x->first, sizeof(x->first), SIZE_MAX); /* until exchange_route() */
    x->budget = (struct budget){.in = &server->budget};
    x->req.arena.budget = &x->budget;
    x->req.body = (struct buffer){.budget = &x->budget};
    x->req.is_live = false;
    uv_timer_init(server->loop, &x->timer);
    return x;
}

void exchange_free(struct exchange *x)
{
    struct server *server = x->server;

    assert(x->state != EXCHANGE_QUEUED && !async_will_go_on(x));
    figures_ended(x);
    deadline_disarm(&x->deadline);
    deadline_disarm(&x->queue_deadline);
    deadline_disarm(&x->interrupt);
    if (x->req.end_hooks != NULL || x->res.free_body != NULL) {
        guard_call_end(x);
        server->left_ns = 0;
    }
    if (x->res.free_body != NULL)
        budget_sub(&x->budget, x->res.reply.body_len);
    if (x->res.print.file != NULL)
        fclose(x->res.print.file);
    buffer_close(&x->res.print.bytes);
    buffer_close(&x->req.body);
    arena_reset(&x->req.arena);
    assert(budget_used(&x->budget) == 0);
    x->req.is_live = false;
    x->state = EXCHANGE_ENDED;

    *(x->prev != NULL ? &x->prev->next : &server->exchanges) = x->next;
    if (x->next != NULL)
        x->next->prev = x->prev;
    server->n_exchanges--;
    if (x->conn == NULL)
        x->req.route->figures.abandoned--;
    if (server->n_free_exchanges < KEPT_MAX) {
        x->next = server->free_exchanges;
        server->free_exchanges = x;
        server->n_free_exchanges++;
    } else {
        uv_close((uv_handle_t *)&x->timer, on_timer_closed);
    }
    server->on_change(server->arg);
}

/* Part by part, which are plain stores; clearing all of it at once takes longer than the rest of exchange_new(). */
static void clear_reply(hoist_res *res)
{
    res->reply = (struct reply){0};
    res->print = (struct printing){0};
    res->last_field = NULL;
    res->fields_len = 0;
    res->free_body = NULL;
    res->given_body = NULL;
    res->told_err = 0;
    res->reason_err = 0;
    res->reason = NULL;
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(OWNER_OF((uv_timer_t *)handle, struct exchange, timer));
}

int hoist_on_end(hoist_req *req, void (*on_end)(void *arg), void *arg)
{
    struct end_hook *hook;

    exchange_check_live(req);
    if (on_end == NULL)
        return response_fail(&exchange_of_req(req)->res, -EFAULT, "the handler added NULL in the place of an end hook");
    hook = arena_alloc(&req->arena, sizeof(*hook));
    if (hook == NULL)
        return -ENOMEM;
    *hook = (struct end_hook){.next = req->end_hooks, .call = on_end, .arg = arg};
    req->end_hooks = hook;
    return 0;
}

static int on_body(void *arg, const char *bytes, size_t len)
{
    struct exchange *x = arg;
    int err;

    if (len + 1 > x->req.body.cap - x->req.body.len && server_is_over_memory(x->server))
        return -ENOMEM; /* a body that comes slowly began when there was room */
    /* The parser holds the route's limit; one more byte is for the NUL behind the body. */
    err = buffer_reserve(&x->req.body, len + 1, SIZE_MAX);
    return err < 0 ? err : buffer_append(&x->req.body, bytes, len, SIZE_MAX);
}

void exchange_release(struct exchange *x)
{
    if (x->state != EXCHANGE_QUEUED && x->state != EXCHANGE_PENDING) {
        exchange_free(x);
        return;
    }
    x->conn = NULL;
    x->outcome = SPAN_ABANDONED;
    x->req.route->figures.abandoned++;
    if (x->state == EXCHANGE_QUEUED)
        stuck_begin(x);
    exchange_cancel(x);
}

void exchange_cancel(struct exchange *x)
{
    atomic_store_explicit(&x->req.cancelled, true, memory_order_relaxed);
    if (x->state == EXCHANGE_QUEUED && x->req.route->given.interrupt && !deadline_is_armed(&x->interrupt))
        on_interrupt(&x->interrupt);
}

static void on_interrupt(struct deadline *deadline)
{
    struct exchange *x = OWNER_OF(deadline, struct exchange, interrupt);

    pool_interrupt(x->server->pool, &x->job);
    deadline_arm(&x->server->deadlines, deadline, EXCHANGE_INTERRUPT_MS);
}

void exchange_check_live(const hoist_req *req)
{
    if (req->is_live)
        return;
    log_write(LOG_ERROR, "%s: a handler used its request or reply after it had returned",
              req->route != NULL ? req->route->given.path : "a route");
    log_stop();
    abort();
}

void exchange_route(struct exchange *x)
{
    const struct message *message = &x->req.message;
    const hoist_config *config = x->server->config;
    enum hoist_method method = message->method_is_known ? message->method : ROUTER_OTHER_METHOD;
    struct route *route = NULL;

    x->req.match.methods = 0;
    if (message->path[0] == '/' && router_find(x->server->router, method, message->path, &x->req.match))
        route = x->req.match.route;
    x->req.route = route;
    x->parser.body_max = route != NULL ? route->given.max_body : config->max_body;
    x->req.arena.max = arena_max(route != NULL ? route->given.max_reply : config->max_reply);
}

const struct message *exchange_message(const struct exchange *x)
{
    return x != NULL && parser_has_head(&x->parser) ? &x->req.message : NULL;
}

size_t exchange_body_len(const struct exchange *x, const struct reply *reply)
{
    bool is_for_head = x != NULL && parser_is_for_head(&x->parser);

    return is_for_head || !reply_may_have_body(reply->status) ? 0 : reply->body_len;
}

bool exchange_is_inline(const struct exchange *x)
{
    return x->req.route == NULL || x->req.route->given.run == HOIST_INLINE;
}

int exchange_call(struct exchange *x)
{
    struct exchange *before = crash_enter(x);
    int result;

    x->req.is_live = true;
    result = guard_call(x);
    crash_leave(before);
    if (result == HOIST_PENDING && x->req.route->given.run == HOIST_ASYNC)
        return result;
    result = response_end_file(&x->res, result);
    x->req.is_live = false;
    return result;
}

enum log_level exchange_failure_level(const struct exchange *x)
{
    return atomic_load_explicit(&x->req.cancelled, memory_order_relaxed) ? LOG_INFO : LOG_ERROR;
}

int exchange_keep(struct exchange *x)
{
    struct message *message = &x->req.message;
    const char *path = message->path;
    char *copy;

    if (x->is_kept)
        return 0;
    copy = arena_alloc(&x->req.arena, message->head_len);
    if (copy == NULL)
        return -ENOMEM;
    memcpy(copy, message->head, message->head_len);
    message_rebase(message, copy);
    if (x->req.route != NULL)
        router_rebase(&x->req.match, path, message->path);
    x->is_kept = true;
    return 0;
}

void exchange_close_all(struct server *server)
{
    struct exchange *next;

    assert(server->n_exchanges == 0);
    for (struct exchange *x = server->free_exchanges; x != NULL; x = next) {
        next = x->next;
        uv_close((uv_handle_t *)&x->timer, on_timer_closed);
    }
    server->free_exchanges = NULL;
    server->n_free_exchanges = 0;
}
