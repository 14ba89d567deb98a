/* max_memory: who had room when the head was read and has none when the handler's turn comes is refused then. */
#include "lib/conn_fixture.h"
#include "lib/loop.h"
#include "server/server.h"
#include "server/totals.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { KIB = 1024, LIMIT = 300 * KIB, LARGE = 400 * KIB, WIRES = 3 };

static struct wire wires[WIRES];
static char bytes[LARGE];

TestSuite(memory_late, .timeout = 30);
TestSuite(memory_late_on_a_worker, .timeout = 30);

static void expect_no_room(struct wire *wire, unsigned n)
{
    char value[32];

    cr_expect_eq(wire_answer(wire, n)->status, 503);
    cr_expect_not_null(strstr(wire->answer.body, "no memory left"));
    cr_expect_not_null(answer_field(&wire->answer, "Retry-After", value, sizeof(value)));
    cr_expect_null(answer_field(&wire->answer, "Connection", value, sizeof(value)), "the next one may have room");
}

static void open_limited(void)
{
    conn_fixture_open(&(hoist_config){.max_memory = LIMIT});
}

static void send_post(struct wire *wire, size_t len, size_t now)
{
    char head[128];

    snprintf(head, sizeof(head), "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: %zu\r\n\r\n", len);
    wire_send(wire, head);
    wire_send_cut(wire, bytes, now, 0);
}

/* Holds more than the limit until it is closed. */
static void fill_memory(struct wire *wire)
{
    wire_open(wire, &f);
    send_post(wire, LARGE, LARGE - 1);
    cr_assert_gt(server_memory(&f.app->server), (size_t)LIMIT);
}

Test(memory_late, ends_a_wait_of_an_asynchronous_handler, .init = open_limited, .fini = conn_fixture_close)
{
    struct totals totals;

    wire_send(&w, GET("/wait"));
    fill_memory(&wires[0]);
    app_fixture_hurry_timers(&f);

    expect_no_room(&w, 0);
    cr_expect_eq(conn_calls, 1);
    totals_read(f.app, &totals);
    cr_expect_eq(totals.all.shed, 1);
    wire_close(&wires[0]);
    wire_send(&w, GET("/say/x"));
    wire_expect_body(&w, 1, "x");
}

/* Which fits into what its buffer has already. */
Test(memory_late, meets_the_end_of_a_body, .init = open_limited, .fini = conn_fixture_close)
{
    send_post(&w, 5, 4);
    fill_memory(&wires[0]);
    wire_send(&w, "x");

    expect_no_room(&w, 0);
    cr_expect_eq(conn_calls, 0);
    wire_close(&wires[0]);
}

Test(memory_late, is_not_for_what_the_request_itself_holds, .init = open_limited, .fini = conn_fixture_close)
{
    send_post(&w, LARGE, LARGE - 1);
    cr_expect_gt(server_memory(&f.app->server), (size_t)LIMIT);
    wire_send(&w, "x");

    cr_expect_eq(wire_answer(&w, 0)->status, 200);
    cr_expect_eq(w.answer.body_len, (size_t)LARGE);
}

static int end_async(hoist_req *req, hoist_res *res)
{
    (void)req;
    (void)res;
    return 0;
}

static int print_and_wait(hoist_req *req, hoist_res *res)
{
    fprintf(hoist_res_file(res), "%*d", LARGE, 1);
    return hoist_later(req, 0, end_async);
}

static void leave_bytes(void *body)
{
    (void)body;
}

static int give_and_wait(hoist_req *req, hoist_res *res)
{
    cr_expect_eq(hoist_reply_give(res, 200, "text/x", bytes, sizeof(bytes), leave_bytes), 0);
    return hoist_later(req, 0, end_async);
}

/* Each holds more than the limit when its second step comes. */
Test(memory_late, is_not_for_what_a_step_before_it_left)
{
    static const hoist_route steps[] = {
        {.path = "/print", .handler = print_and_wait, .run = HOIST_ASYNC},
        {.path = "/give", .handler = give_and_wait, .run = HOIST_ASYNC},
    };
    static const char *const requests[] = {GET("/print"), GET("/give")};

    app_fixture_serve_wires(&f, &(hoist_config){.executor = HOIST_EXECUTOR_INLINE, .max_memory = LIMIT}, steps,
                            sizeof(steps) / sizeof(steps[0]));
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        wire_open(&w, &f);
        wire_send(&w, requests[i]);
        LOOP_RUN_UNTIL(&f.loop, wire_answers(&w) == 1);
        cr_expect_eq(wire_answer(&w, 0)->status, 200, "row %zu: %d", i, w.answer.status);
        cr_expect_eq(w.answer.body_len, (size_t)LARGE, "row %zu", i);
        wire_close(&w);
    }
    app_fixture_close(&f);
}

/* ---- on a worker ---- */

static struct gate gate;

static int reply_much(hoist_req *req, hoist_res *res)
{
    (void)req;
    gate_pass(&gate, 0);
    return hoist_reply_copy(res, 200, "text/x", bytes, sizeof(bytes));
}

static int reply_nothing(hoist_req *req, hoist_res *res)
{
    (void)req;
    return hoist_reply_text(res, 200, "");
}

static int reply_later(hoist_req *req, hoist_res *res)
{
    (void)res;
    return hoist_offload(req, reply_nothing);
}

static const hoist_route routes[] = {
    {.path = "/much", .handler = reply_much},
    {.path = "/offload", .handler = reply_later, .run = HOIST_ASYNC},
};

/* Of each route one waited. It counts in no run time and in no lane's pace: so short it would make that too fast. */
static void expect_one_is_shed_of_each(void)
{
    for (const struct route *route = f.app->routes; route != NULL; route = route->next) {
        bool has_run = strcmp(route->given.path, "/much") == 0;
        struct job_figures figures;

        totals_of_route(f.app, route, &figures);
        cr_expect_eq(figures.shed, 1, "%s", route->given.path);
        cr_expect_eq(figures.jobs.finished, figures.jobs.admitted, "%s", route->given.path);
        cr_expect_eq(route->figures.run.count, has_run, "%s: %" PRIu64, route->given.path, route->figures.run.count);
        cr_expect_eq(route->figures.wait.count, has_run + 1, "%s", route->given.path);
        cr_expect_eq(route->lane->n_drains, 0, "%s", route->given.path);
    }
}

/* Each reply of those that run is more than the limit, and nobody reads it: without a bound where they begin, requests
 * that wait would add theirs one by one. */
Test(memory_late_on_a_worker, refuses_what_waited)
{
    static const char *const waiting[] = {GET("/much"), GET("/offload")};

    app_fixture_serve_wires(&f, &(hoist_config){.workers = 1, .max_memory = LIMIT}, routes,
                            sizeof(routes) / sizeof(routes[0]));
    gate_open(&gate, &f.loop);
    wire_open(&wires[0], &f);
    wires[0].room = 10;
    wire_send(&wires[0], GET("/much"));
    gate_run_until_inside(&gate, 1);
    for (size_t i = 0; i < WIRES - 1; i++) {
        wire_open(&wires[i + 1], &f);
        wire_send(&wires[i + 1], waiting[i]);
    }
    gate_let_all_go(&gate);

    for (size_t i = 0; i < WIRES - 1; i++)
        expect_no_room(&wires[i + 1], 0);
    cr_expect_eq(gate_came(&gate), 1);
    wire_take(&wires[0], SIZE_MAX);
    cr_expect_eq(wire_answer(&wires[0], 0)->body_len, (size_t)LARGE);
    expect_one_is_shed_of_each();
    wire_send(&wires[1], GET("/offload"));
    cr_expect_eq(wire_answer(&wires[1], 1)->status, 200);
    for (size_t i = 0; i < WIRES; i++)
        wire_close(&wires[i]);
    app_fixture_close_with(&f, &gate);
}
