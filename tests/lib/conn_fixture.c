#include "conn_fixture.h"

#include "loop.h"
#include "server/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

char conn_big[BIG + 1];
unsigned conn_calls, conn_freed;
hoist_req *conn_pending;
struct gate conn_gate;

struct app_fixture f;
struct wire w;

static hoist_res *pending_res;

/* GET /say/:text */
static int say(hoist_req *req, hoist_res *res)
{
    conn_calls++;
    return hoist_reply_text(res, 200, hoist_req_arg(req, "text"));
}

/* POST /echo */
static int echo(hoist_req *req, hoist_res *res)
{
    const char *type = hoist_req_header(req, "Content-Type");
    size_t len;
    const char *body = hoist_req_body(req, &len);

    conn_calls++;
    return hoist_reply_copy(res, 200, type != NULL ? type : "text/x", body, len);
}

/* GET /medium/:text, in so many bytes that only a few fit into one write */
static int medium(hoist_req *req, hoist_res *res)
{
    conn_calls++;
    return hoist_reply_printf(res, 200, "text/x", "%*s", (int)MEDIUM, hoist_req_arg(req, "text"));
}

/* GET /big */
static int big(hoist_req *req, hoist_res *res)
{
    (void)req;
    conn_calls++;
    for (size_t i = 0; i < BIG; i++)
        conn_big[i] = (char)('a' + i % 23);
    return hoist_reply_static(res, 200, "text/x", conn_big, BIG);
}

static void count_free(void *body)
{
    conn_freed++;
    free(body);
}

/* GET /give */
static int give(hoist_req *req, hoist_res *res)
{
    char *body = malloc(BIG);

    (void)req;
    conn_calls++;
    if (body == NULL)
        return -ENOMEM;
    memset(body, 'g', BIG);
    return hoist_reply_give(res, 200, "text/x", body, BIG, count_free);
}

/* GET /print: what comes through the stream is large, too */
static int print(hoist_req *req, hoist_res *res)
{
    FILE *file = hoist_res_file(res);

    (void)req;
    conn_calls++;
    if (file == NULL || hoist_res_type(res, 200, "text/y") < 0)
        return -ENOMEM;
    fprintf(file, "%*d", MEDIUM, 1);
    return 0;
}

/* GET /work, on a worker, answers its query */
static int work(hoist_req *req, hoist_res *res)
{
    gate_pass(&conn_gate, 0);
    return hoist_reply_text(res, 200, hoist_req_query(req));
}

/* GET /pend */
static int pend(hoist_req *req, hoist_res *res)
{
    conn_calls++;
    conn_pending = req;
    pending_res = res;
    return HOIST_PENDING;
}

static void finish(const char *text)
{
    hoist_req *req = conn_pending;

    cr_assert_not_null(req);
    conn_pending = NULL;
    hoist_finish(req, hoist_reply_text(pending_res, 200, text));
}

void conn_finish(const char *text)
{
    finish(text);
    LOOP_RUN_UNTIL(&f.loop, f.app->server.n_due == 0);
}

/* GET /wake finishes what /pend waits with, which is another connection's. */
static int wake(hoist_req *req, hoist_res *res)
{
    (void)req;
    conn_calls++;
    finish("woken");
    return hoist_reply_text(res, 200, "wake");
}

/* GET /wait, for an hour */
static int wait_long(hoist_req *req, hoist_res *res)
{
    (void)res;
    conn_calls++;
    return hoist_later(req, 3600000, wake);
}

const hoist_route conn_routes[] = {
    {.path = "/say/:text", .handler = say, .run = HOIST_INLINE},
    {.method = HOIST_POST, .path = "/echo", .handler = echo, .run = HOIST_INLINE, .max_body = 1000000},
    {.path = "/medium/:text", .handler = medium, .run = HOIST_INLINE},
    {.path = "/big", .handler = big, .run = HOIST_INLINE},
    {.path = "/give", .handler = give, .run = HOIST_INLINE},
    {.path = "/print", .handler = print, .run = HOIST_INLINE},
    {.path = "/work", .handler = work},
    {.path = "/pend", .handler = pend, .run = HOIST_ASYNC},
    {.path = "/wake", .handler = wake, .run = HOIST_INLINE},
    {.path = "/wait", .handler = wait_long, .run = HOIST_ASYNC},
};
const size_t conn_routes_n = sizeof(conn_routes) / sizeof(conn_routes[0]);

void conn_fixture_open(const hoist_config *given)
{
    hoist_config config = *given;

    config.executor = HOIST_EXECUTOR_INLINE;
    app_fixture_serve_wires(&f, &config, conn_routes, conn_routes_n);
    wire_open(&w, &f);
}

void conn_fixture_open_plain(void)
{
    conn_fixture_open(&(hoist_config){0});
}

void conn_fixture_close(void)
{
    wire_close(&w);
    if (conn_pending != NULL)
        conn_finish("late");
    cr_expect_eq(f.app->server.n_conns, 0);
    cr_expect_eq(f.app->server.n_exchanges, 0);
    cr_expect_eq(app_fixture_abandoned(&f), 0);
    cr_expect_eq(server_memory(&f.app->server), 0);
    app_fixture_close(&f);
}

void conn_hurry(void)
{
    cr_assert(deadline_is_armed(&w.conn.deadline));
    deadline_arm(&f.app->server.deadlines, &w.conn.deadline, 1);
}

void conn_hurry_and_pass(void)
{
    uint64_t due_ms;

    conn_hurry();
    due_ms = w.conn.deadline.due_ms;
    LOOP_SPIN_UNTIL(&f.loop, w.conn.deadline.due_ms != due_ms || w.is_closing);
}
