/* Memory that runs out at every single place: an error, a 503 or a closed connection, never a crash nor a leak, and all
 * is well afterwards. */
#include "lib/conn_fixture.h"
#include "lib/fail_malloc.h"
#include "server/server.h"

#include <errno.h>
#include <string.h>

/* for (walk_begin(); walk_next();) {
 *     ... the first, the second, ... allocation here fails, until none does ...
 *     walk_over();
 *     ... and here none does: walk_failed tells whether one did ...
 * }
 */
static unsigned walk_n;
static bool walk_failed;

static void walk_begin(void)
{
    walk_n = 0;
    walk_failed = true;
}

static bool walk_next(void)
{
    if (!walk_failed) {
        cr_expect_gt(walk_n, 1, "nothing was allocated: nothing was tested");
        return false;
    }
    fail_malloc_at(++walk_n);
    return true;
}

static void walk_over(void)
{
    walk_failed = fail_malloc_failed();
    fail_malloc_at(0);
}

/* ---- a whole request through a connection ---- */

static void open_app(void)
{
    app_fixture_serve_wires(&f, &(hoist_config){.workers = 1}, conn_routes, conn_routes_n);
    gate_open(&conn_gate, &f.loop);
    gate_let_all_go(&conn_gate);
}

static void close_app(void)
{
    cr_expect_eq(f.app->server.n_conns, 0);
    cr_expect_eq(f.app->server.n_exchanges, 0);
    gate_close(&conn_gate);
    app_fixture_close(&f);
}

TestSuite(malloc_request, .init = open_app, .fini = close_app, .timeout = 30);

/* Sends text in pieces; then room bytes of the answer are taken at once and the others later. Expects the answer to be
 * whole, a refusal, or none and a closed connection. */
static void request(const char *text, size_t len, size_t step, size_t room)
{
    wire_open(&w, &f);
    w.room = room;
    wire_send_cut(&w, text, len, step);
    LOOP_SPIN_UNTIL(&f.loop, w.has_write || w.is_closed || wire_answers(&w) > 0);
    while (w.has_write && !w.is_closing)
        wire_take(&w, 1000);
    walk_over();
    if (wire_answers(&w) > 0 && !w.is_closing) {
        int status = wire_answer(&w, 0)->status;

        cr_expect(status == 503 ? walk_failed : status == 200, "allocation %u: %d", walk_n, status);
    } else {
        cr_expect(walk_failed);
    }
    wire_close(&w);
    cr_expect_eq(f.app->server.n_exchanges, 0, "allocation %u", walk_n);
    cr_expect_eq(server_memory(&f.app->server), 0, "allocation %u", walk_n);
}

static void walk_request(const char *text, size_t step, size_t room)
{
    for (walk_begin(); walk_next();)
        request(text, strlen(text), step, room);

    cr_expect_eq(w.answer.status, 200);
}

/* Each exchange is kept for the next request: one that starts without any walks over its own making, too. */
static void forget_exchanges(void)
{
    exchange_close_all(&f.app->server);
}

Test(malloc_request, is_answered_or_refused_inline)
{
    for (walk_begin(); walk_next();) {
        forget_exchanges();
        request(GET("/say/x"), strlen(GET("/say/x")), 0, SIZE_MAX);
    }
}

Test(malloc_request, is_answered_or_refused_in_pieces)
{
    for (walk_begin(); walk_next();) {
        forget_exchanges();
        request(GET("/say/x"), strlen(GET("/say/x")), 10, SIZE_MAX);
    }
}

Test(malloc_request, is_answered_or_refused_on_a_worker)
{
    for (walk_begin(); walk_next();) {
        forget_exchanges();
        request(GET("/work?x"), strlen(GET("/work?x")), 0, SIZE_MAX);
    }
}

Test(malloc_request, is_answered_or_refused_with_a_long_head)
{
    static char text[8000];
    size_t len = (size_t)sprintf(text, "GET /work?x HTTP/1.1\r\nHost: t\r\nX-Long: ");

    memset(text + len, 'x', 4000);
    strcpy(text + len + 4000, "\r\n\r\n");

    walk_request(text, 0, SIZE_MAX);
    walk_request(text, 100, SIZE_MAX);
}

Test(malloc_request, is_answered_or_refused_with_a_body)
{
    walk_request("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello", 0, SIZE_MAX);
    walk_request("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello", 3, SIZE_MAX);
}

Test(malloc_request, is_answered_or_refused_with_a_large_chunked_body)
{
    static char text[20000];
    size_t len = (size_t)sprintf(text, "POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n");

    for (unsigned i = 0; i < 8; i++)
        len += (size_t)sprintf(text + len, "7d0\r\n%02000u\r\n", i);
    strcpy(text + len, "0\r\n\r\n");

    walk_request(text, 0, SIZE_MAX);
    walk_request(text, 1000, SIZE_MAX);
}

Test(malloc_request, is_answered_or_refused_with_a_large_reply)
{
    walk_request(GET("/medium/x"), 0, SIZE_MAX);
    walk_request(GET("/give"), 0, SIZE_MAX);
    walk_request(GET("/give"), 0, 100);
}

Test(malloc_request, is_answered_or_refused_with_a_printed_reply)
{
    walk_request(GET("/print"), 0, SIZE_MAX);
}

Test(malloc_request, is_answered_or_refused_when_the_socket_takes_little)
{
    walk_request(GET("/say/x"), 0, 0);
    walk_request(GET("/big"), 0, 10);
}

Test(malloc_request, is_answered_or_refused_behind_one_that_waits)
{
    for (walk_begin(); walk_next();) {
        wire_open(&w, &f);
        wire_send(&w, GET("/work?x"));
        wire_send(&w, GET("/say/y"));
        LOOP_SPIN_UNTIL(&f.loop, w.is_closed || wire_answers(&w) == 2 || w.is_shut);
        walk_over();
        cr_expect(walk_failed || wire_answer(&w, 1)->status == 200);
        wire_close(&w);
        LOOP_SPIN_UNTIL(&f.loop, f.app->server.n_exchanges == 0);
    }
}

/* ---- what handlers call ---- */

static void free_nothing(void *body)
{
    (void)body;
}

static void on_end(void *arg)
{
    (void)arg;
}

static int of(const void *memory)
{
    return memory != NULL ? 0 : -ENOMEM;
}

#define CALLS(X)                                                                                                       \
    X(path, of(hoist_req_path(req)))                                                                                   \
    X(path_arg, of(hoist_req_arg(req, "text")))                                                                        \
    X(query_arg, of(hoist_req_arg(req, "q")))                                                                          \
    X(alloc, of(hoist_req_alloc(req, 1)))                                                                              \
    X(large_alloc, of(hoist_req_alloc(req, 100000)))                                                                   \
    X(json_string, of(hoist_json_string(req, "text")))                                                                 \
    X(reply_text, hoist_reply_text(res, 200, "text"))                                                                  \
    X(reply_json, hoist_reply_json(res, 200, "{}"))                                                                    \
    X(reply_printf, hoist_reply_printf(res, 200, "text/x", "%d", 1))                                                   \
    X(reply_copy, hoist_reply_copy(res, 200, "text/x", "text", 4))                                                     \
    X(reply_static, hoist_reply_static(res, 200, "text/x", "text", 4))                                                 \
    X(reply_give, hoist_reply_give(res, 200, "text/x", NULL, 0, free_nothing))                                         \
    X(reply_error, hoist_reply_error(res, 400, "text"))                                                                \
    X(res_header, hoist_res_header(res, "Name", "value"))                                                              \
    X(res_type, hoist_res_type(res, 200, "text/x"))                                                                    \
    X(long_header, hoist_res_header(res, long_text, long_text))                                                        \
    X(on_end, hoist_on_end(req, on_end, NULL))

static char long_text[3000];

#define DEFINE(name, call)                                                                                             \
    static int call_##name(hoist_req *req, hoist_res *res)                                                             \
    {                                                                                                                  \
        (void)req;                                                                                                     \
        (void)res;                                                                                                     \
        return call;                                                                                                   \
    }
CALLS(DEFINE)
#undef DEFINE

static const struct {
    const char *name;
    hoist_handler *call;
} calls[] = {
#define ROW(name, call) {#name, call_##name},
    CALLS(ROW)
#undef ROW
};

static size_t call_now;

/* Uses up the memory that an exchange has of its own; then the call alone must do with what it gets. */
static int try_call(hoist_req *req, hoist_res *res)
{
    int err;

    while (req->arena.at < req->arena.end)
        cr_assert_not_null(hoist_req_alloc(req, 1));
    fail_malloc_at(walk_n);
    err = calls[call_now].call(req, res);
    walk_over();
    cr_expect_eq(err, walk_failed ? -ENOMEM : 0, "%s, allocation %u: %d", calls[call_now].name, walk_n, err);
    if (walk_failed) /* it may be tried again */
        cr_expect_eq(calls[call_now].call(req, res), 0, "%s, after allocation %u", calls[call_now].name, walk_n);
    return res->reply.status != 0 ? 0 : hoist_reply_text(res, 200, "");
}

Test(malloc_call, answers_no_memory_and_can_be_tried_again, .timeout = 30)
{
    const hoist_route route = {.path = "/:text", .handler = try_call, .run = HOIST_INLINE};

    memset(long_text, 'n', sizeof(long_text) - 1);
    app_fixture_serve_wires(&f, &(hoist_config){.executor = HOIST_EXECUTOR_INLINE}, &route, 1);
    for (call_now = 0; call_now < sizeof(calls) / sizeof(calls[0]); call_now++)
        for (walk_begin(); walk_next();) {
            fail_malloc_at(0);
            wire_open(&w, &f);
            wire_send(&w, GET("/text?q=query"));
            cr_expect_eq(wire_answers(&w), 1);
            wire_close(&w);
        }
    app_fixture_close(&f);
}

static int want_long(hoist_req *req, hoist_res *res)
{
    long value;

    (void)res;
    while (req->arena.at < req->arena.end)
        cr_assert_not_null(hoist_req_alloc(req, 1));
    fail_malloc_at(walk_n);
    return hoist_req_long(req, "n", 0, 9, &value);
}

Test(malloc_call, still_refuses_a_bad_number, .timeout = 30)
{
    const hoist_route route = {.path = "/:n", .handler = want_long, .run = HOIST_INLINE};

    app_fixture_serve_wires(&f, &(hoist_config){.executor = HOIST_EXECUTOR_INLINE}, &route, 1);
    for (walk_begin(); walk_next();) {
        fail_malloc_at(0);
        wire_open(&w, &f);
        wire_send(&w, GET("/ten"));
        walk_over();
        cr_expect_eq(wire_answer(&w, 0)->status, 400);
        wire_close(&w);
    }
    app_fixture_close(&f);
}

/* ---- an app ---- */

static int hello(hoist_req *req, hoist_res *res)
{
    (void)req;
    return hoist_reply_text(res, 200, "hello");
}

static int init(void *data, void **ret_worker_data)
{
    *ret_worker_data = data;
    return 0;
}

static const hoist_route hello_route = {
    .path = "/hello/:name/*", .handler = hello, .lane = "lane", .worker_init = init};

Test(malloc_app, is_not_made)
{
    hoist_app *app;

    for (walk_begin(); walk_next();) {
        int err = hoist_app_new(&app, NULL);

        walk_over();
        cr_expect_eq(err, walk_failed ? -ENOMEM : 0);
        if (err == 0)
            cr_expect_eq(hoist_app_free(app), 0);
    }
}

Test(malloc_app, takes_no_route_and_can_be_asked_again)
{
    hoist_app *app;

    for (walk_begin(); walk_next();) {
        int err;

        fail_malloc_at(0);
        cr_assert_eq(hoist_app_new(&app, NULL), 0);
        fail_malloc_at(walk_n);
        err = hoist_app_route(app, &hello_route);
        walk_over();
        cr_expect_eq(err, walk_failed ? -ENOMEM : 0);
        if (err < 0) {
            cr_expect_neq(hoist_app_error(app)[0], '\0', "allocation %u", walk_n);
            cr_expect_eq(hoist_app_route(app, &hello_route), 0, "allocation %u", walk_n);
        }
        cr_expect_eq(hoist_app_free(app), 0);
    }
}

static void walk_start(const hoist_config *config)
{
    const hoist_route routes[] = {hello_route,
                                  {.path = "/b", .handler = hello, .timeout_ms = 1, .queue_timeout_ms = 2}};

    for (walk_begin(); walk_next();) {
        int err;

        fail_malloc_at(0);
        app_fixture_open(&f, config, routes, 2);
        fail_malloc_at(walk_n);
        err = hoist_app_start(f.app, &f.loop, NULL, NULL);
        walk_over();
        cr_expect_eq(err, walk_failed ? -ENOMEM : 0, "allocation %u: %d", walk_n, err);
        if (err < 0)
            cr_expect_neq(hoist_app_error(f.app)[0], '\0', "allocation %u", walk_n);
        else
            hoist_app_stop(f.app);
        while (hoist_app_free(f.app) == -EBUSY)
            uv_run(&f.loop, UV_RUN_ONCE);
        uv_run(&f.loop, UV_RUN_DEFAULT);
        cr_expect_eq(uv_loop_close(&f.loop), 0, "allocation %u: something is left in the loop", walk_n);
    }
}

Test(malloc_app, does_not_start, .timeout = 60)
{
    walk_start(&(hoist_config){.workers = 1});
}

Test(malloc_app, does_not_start_without_threads_either, .timeout = 30)
{
    walk_start(&(hoist_config){.executor = HOIST_EXECUTOR_INLINE});
}

/* ---- over a socket ---- */

Test(malloc_socket, costs_a_connection_and_not_the_server, .timeout = 30)
{
    static struct peer p;
    const hoist_route route = {.path = "/", .handler = hello};

    app_fixture_serve(&f, &(hoist_config){.workers = 1}, &route, 1);
    for (walk_begin(); walk_next();) {
        fail_malloc_at(walk_n);
        peer_open(&p, &f);
        peer_get(&p, "/");
        LOOP_RUN_UNTIL(&f.loop, peer_answers(&p) == 1 || p.at_end);
        walk_over();
        if (!walk_failed || peer_answers(&p) == 1)
            cr_expect_eq(peer_answer(&p, 0)->status, walk_failed ? 503 : 200, "allocation %u", walk_n);
        peer_close(&p);
    }
    app_fixture_close(&f);
}
