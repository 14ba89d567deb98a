/* Where handlers run, how many at once, and what becomes of what they return; over real sockets, with workers that a
 * gate holds. */
#include "lib/app_fixture.h"
#include "lib/gate.h"
#include "server/server.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { PEERS = 16 };

static struct app_fixture f;
static struct gate gate;
static struct peer peers[PEERS];

/* Stops at the gate with the number in its query, and answers it. */
static int held(hoist_req *req, hoist_res *res)
{
    gate_pass(&gate, (unsigned)atoi(hoist_req_query(req)));
    return hoist_reply_text(res, 200, hoist_req_query(req));
}

static int dummy(hoist_req *req, hoist_res *res)
{
    (void)req;
    return hoist_reply_text(res, 200, "dummy");
}

static const hoist_route dummy_route = {.path = "/dummy", .handler = dummy, .run = HOIST_INLINE};
static const hoist_route held_route = {.path = "/held", .handler = held};

static void serve(unsigned workers, const hoist_route *routes, size_t n)
{
    app_fixture_serve(&f, &(hoist_config){.workers = workers}, routes, n);
    gate_open(&gate, &f.loop);
}

static void close_all(void)
{
    app_fixture_close_with(&f, &gate);
}

/* Peers from to from + n - 1 connect and ask for target with their number as the query. */
static void ask(unsigned from, unsigned n, const char *target)
{
    char text[256];

    for (unsigned i = from; i < from + n; i++) {
        snprintf(text, sizeof(text), "%s?%u", target, i);
        peer_open(&peers[i], &f);
        peer_get(&peers[i], text);
    }
}

/* Turns the loop until n requests are in lanes or on workers, so that those to come are behind them. */
static void run_until_queued(unsigned n)
{
    LOOP_RUN_UNTIL(&f.loop, app_fixture_count(&f, EXCHANGE_QUEUED) == n);
}

static void expect_own_answer(unsigned i)
{
    char text[16];

    snprintf(text, sizeof(text), "%u", i);
    cr_expect_eq(peer_answer(&peers[i], 0)->status, 200);
    cr_expect(answer_body_is(&peers[i].answer, text), "peer %u", i);
}

/* ---- workers ---- */

Test(dispatch, answers_an_inline_request_before_eight_that_wait_for_one_worker, .timeout = 30)
{
    const hoist_route routes[] = {dummy_route, held_route};

    serve(1, routes, 2);
    ask(0, 8, "/held");
    gate_run_until_inside(&gate, 1);
    run_until_queued(8);
    ask(8, 1, "/dummy");

    cr_expect(answer_body_is(peer_answer(&peers[8], 0), "dummy"));
    for (unsigned i = 0; i < 8; i++)
        cr_expect_eq(peers[i].in_len, 0);
    gate_let_all_go(&gate);
    for (unsigned i = 0; i < 8; i++)
        expect_own_answer(i);
    close_all();
}

Test(dispatch, runs_eight_requests_one_after_the_other_on_one_worker, .timeout = 30)
{
    serve(1, &held_route, 1);
    for (unsigned i = 0; i < 8; i++) {
        ask(i, 1, "/held");
        run_until_queued(i + 1);
    }
    for (unsigned i = 0; i < 8; i++) {
        gate_run_until_inside(&gate, 1);
        cr_expect_eq(gate_came(&gate), i + 1);
        gate_let_go(&gate, i + 1);
        expect_own_answer(i);
    }

    cr_expect_eq(gate.inside_max, 1);
    for (unsigned i = 0; i < 8; i++)
        cr_expect_eq(gate.order[i], i);
    close_all();
}

Test(dispatch, runs_eight_requests_at_once_on_eight_workers, .timeout = 30)
{
    serve(8, &held_route, 1);
    ask(0, 8, "/held");
    gate_run_until_inside(&gate, 8);
    gate_let_all_go(&gate);

    for (unsigned i = 0; i < 8; i++)
        expect_own_answer(i);
    close_all();
}

Test(dispatch, answers_pipelined_requests_in_order_wherever_they_run, .timeout = 30)
{
    const hoist_route routes[] = {dummy_route, held_route};

    serve(2, routes, 2);
    peer_open(&peers[0], &f);
    peer_send(&peers[0], "GET /dummy HTTP/1.1\r\nHost: t\r\n\r\nGET /held?1 HTTP/1.1\r\nHost: t\r\n\r\n"
                         "GET /held?2 HTTP/1.1\r\nHost: t\r\n\r\nGET /dummy HTTP/1.1\r\nHost: t\r\n\r\n");
    cr_expect(answer_body_is(peer_answer(&peers[0], 0), "dummy"), "it does not wait for the one behind it");
    gate_run_until_inside(&gate, 1);
    gate_let_all_go(&gate);

    cr_expect(answer_body_is(peer_answer(&peers[0], 1), "1"));
    cr_expect(answer_body_is(peer_answer(&peers[0], 2), "2"));
    cr_expect(answer_body_is(peer_answer(&peers[0], 3), "dummy"));
    cr_expect_eq(gate.inside_max, 1);
    close_all();
}

/* What a request points into is gone when the answers before it are taken. */
Test(dispatch, keeps_a_request_that_waits_for_the_answers_before_it, .timeout = 30)
{
    static struct wire w;
    const hoist_route routes[] = {dummy_route, held_route};

    app_fixture_serve_wires(&f, &(hoist_config){.workers = 1}, routes, 2);
    gate_open(&gate, &f.loop);
    gate_let_all_go(&gate);
    wire_open(&w, &f);
    w.room = 0;
    wire_send(&w, "GET /dummy HTTP/1.1\r\nHost: t\r\n\r\nGET /held?7 HTTP/1.1\r\nHost: t\r\n\r\n");
    cr_expect_eq(app_fixture_count(&f, EXCHANGE_RECEIVED), 1);
    w.room = SIZE_MAX;
    wire_take(&w, SIZE_MAX);

    cr_expect(answer_body_is(wire_answer(&w, 0), "dummy"));
    cr_expect_eq(wire_answer(&w, 1)->status, 200);
    cr_expect(answer_body_is(&w.answer, "7"), "%.*s", (int)w.answer.body_len, w.answer.body);
    wire_close(&w);
    close_all();
}

/* ---- lanes ---- */

Test(dispatch, sheds_what_a_full_lane_does_not_hold_and_keeps_the_connection, .timeout = 30)
{
    const hoist_route routes[] = {dummy_route, {.path = "/held", .handler = held, .max_waiting = 2}};
    char value[32];

    serve(1, routes, 2);
    ask(0, 1, "/held");
    gate_run_until_inside(&gate, 1);
    ask(1, 2, "/held");
    run_until_queued(3);
    ask(3, 1, "/held");

    cr_expect_eq(peer_answer(&peers[3], 0)->status, 503);
    cr_expect_str_eq(answer_field(&peers[3].answer, "Retry-After", value, sizeof(value)), "1");
    cr_expect_null(answer_field(&peers[3].answer, "Connection", value, sizeof(value)));
    peer_get(&peers[3], "/dummy");
    cr_expect(answer_body_is(peer_answer(&peers[3], 1), "dummy"));
    gate_let_all_go(&gate);
    for (unsigned i = 0; i < 3; i++)
        expect_own_answer(i);
    cr_expect_eq(gate_came(&gate), 3);
    close_all();
}

Test(dispatch, never_runs_two_at_once_of_a_lane_that_allows_one, .timeout = 30)
{
    const hoist_route route = {.path = "/held", .handler = held, .max_concurrency = 1};

    serve(4, &route, 1);
    ask(0, 6, "/held");
    run_until_queued(6);
    gate_run_until_inside(&gate, 1);
    gate_let_all_go(&gate);

    for (unsigned i = 0; i < 6; i++)
        expect_own_answer(i);
    cr_expect_eq(gate.inside_max, 1);
    close_all();
}

Test(dispatch, never_runs_two_at_once_of_two_routes_that_share_such_a_lane, .timeout = 30)
{
    char lane[] = "legacy", same_lane[] = "legacy";
    const hoist_route routes[] = {{.path = "/a", .handler = held, .lane = lane, .max_concurrency = 1},
                                  {.path = "/b", .handler = held, .lane = same_lane, .max_concurrency = 1}};

    serve(4, routes, 2);
    ask(0, 3, "/a");
    ask(3, 3, "/b");
    run_until_queued(6);
    gate_run_until_inside(&gate, 1);
    gate_let_all_go(&gate);

    for (unsigned i = 0; i < 6; i++)
        expect_own_answer(i);
    cr_expect_eq(gate.inside_max, 1);
    close_all();
}

Test(dispatch, runs_routes_with_lanes_of_their_own_side_by_side, .timeout = 30)
{
    const hoist_route routes[] = {{.path = "/a", .handler = held, .max_concurrency = 1},
                                  {.path = "/b", .handler = held, .max_concurrency = 1}};

    serve(4, routes, 2);
    ask(0, 2, "/a");
    ask(2, 2, "/b");
    gate_run_until_inside(&gate, 2);

    cr_expect_neq(gate.order[0] / 2, gate.order[1] / 2);
    close_all();
}

/* ---- what handlers return ---- */

/* Returns the negative of the number in its query. */
static int fail(hoist_req *req, hoist_res *res)
{
    (void)res;
    return -atoi(hoist_req_query(req));
}

Test(dispatch, answers_each_errno_with_its_status, .timeout = 30)
{
    static const struct {
        int err, status;
    } rows[] = {
        {EINVAL, 400}, {EACCES, 403}, {ENOENT, 404},    {EFBIG, 413},     {EAGAIN, 503}, {EBUSY, 503},
        {ENOMEM, 503}, {EIO, 500},    {ECANCELED, 503}, {ETIMEDOUT, 504}, {EPERM, 500},  {9999, 500},
    };
    static const char *const paths[] = {"/offload", "/inline", "/async"};
    const hoist_route routes[] = {{.path = "/offload", .handler = fail},
                                  {.path = "/inline", .handler = fail, .run = HOIST_INLINE},
                                  {.path = "/async", .handler = fail, .run = HOIST_ASYNC}};
    unsigned n = 0;
    char target[64], value[32], text[64];

    serve(1, routes, 3);
    peer_open(&peers[0], &f);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (size_t j = 0; j < 3; j++) {
            snprintf(target, sizeof(target), "%s?%d", paths[j], rows[i].err);
            peer_get(&peers[0], target);
            cr_expect_eq(peer_answer(&peers[0], n++)->status, rows[i].status, "%s", target);
            uv_strerror_r(-rows[i].err, text, sizeof(text));
            cr_expect(answer_says(&peers[0].answer, text), "%s", target);
            cr_expect_str_eq(answer_field(&peers[0].answer, "Content-Type", value, sizeof(value)), "application/json");
            cr_expect_eq(answer_field(&peers[0].answer, "Retry-After", value, sizeof(value)) != NULL,
                         rows[i].status == 503, "%s", target);
        }
    close_all();
}

static int replies_and_fails(hoist_req *req, hoist_res *res)
{
    (void)req;
    (void)hoist_reply_text(res, 200, "not sent");
    return -EACCES;
}

static int replies_twice(hoist_req *req, hoist_res *res)
{
    (void)req;
    (void)hoist_reply_text(res, 200, "first");
    return hoist_reply_text(res, 200, "second") == -EALREADY ? 0 : -EIO;
}

static int returns_query(hoist_req *req, hoist_res *res)
{
    (void)res;
    return atoi(hoist_req_query(req));
}

Test(dispatch, answers_500_when_a_handler_returns_what_it_must_not, .timeout = 30)
{
    static const char *const targets[] = {"/offload?0",  "/offload?1",    "/offload?200", "/offload?32767", "/inline?0",
                                          "/inline?200", "/inline?32767", "/async?0",     "/async?1"};
    const hoist_route routes[] = {{.path = "/offload", .handler = returns_query},
                                  {.path = "/inline", .handler = returns_query, .run = HOIST_INLINE},
                                  {.path = "/async", .handler = returns_query, .run = HOIST_ASYNC}};

    serve(1, routes, 3);
    peer_open(&peers[0], &f);
    for (unsigned i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        peer_get(&peers[0], targets[i]);
        cr_expect_eq(peer_answer(&peers[0], i)->status, 500, "%s", targets[i]);
    }
    close_all();
}

Test(dispatch, answers_an_error_in_place_of_a_reply_and_a_first_reply_in_place_of_a_second, .timeout = 30)
{
    const hoist_route routes[] = {{.path = "/error", .handler = replies_and_fails},
                                  {.path = "/twice", .handler = replies_twice}};

    serve(1, routes, 2);
    peer_open(&peers[0], &f);
    peer_get(&peers[0], "/error");
    cr_expect_eq(peer_answer(&peers[0], 0)->status, 403);
    peer_get(&peers[0], "/twice");
    cr_expect(answer_body_is(peer_answer(&peers[0], 1), "first"));
    close_all();
}

/* ---- what a worker has of its own ---- */

enum { THREADS = 4 };

struct handle {
    pthread_t thread;
};

static atomic_uint opened, closed, on_wrong_thread;

static int open_handle(void *data, void **ret_worker_data)
{
    struct handle *handle = malloc(sizeof(*handle));

    cr_assert_not_null(handle);
    cr_expect_str_eq(data, "the route's");
    handle->thread = pthread_self();
    atomic_fetch_add(&opened, 1);
    *ret_worker_data = handle;
    return 0;
}

static void close_handle(void *worker_data)
{
    struct handle *handle = worker_data;

    if (!pthread_equal(handle->thread, pthread_self()))
        atomic_fetch_add(&on_wrong_thread, 1);
    atomic_fetch_add(&closed, 1);
    free(handle);
}

static struct handle *seen[PEERS];

static int use_handle(hoist_req *req, hoist_res *res)
{
    struct handle *handle = hoist_req_worker_data(req);
    unsigned i = (unsigned)atoi(hoist_req_query(req));

    if (!pthread_equal(handle->thread, pthread_self()))
        atomic_fetch_add(&on_wrong_thread, 1);
    seen[i] = handle;
    return held(req, res);
}

static void serve_handles(const hoist_config *config, enum hoist_run run)
{
    static char data[] = "the route's";
    const hoist_route routes[] = {{.path = "/held", .handler = held, .worker_init = NULL},
                                  {.path = "/use",
                                   .handler = use_handle,
                                   .run = run,
                                   .data = data,
                                   .worker_init = open_handle,
                                   .worker_fini = close_handle}};

    app_fixture_serve(&f, config, routes, 2);
    gate_open(&gate, &f.loop);
}

Test(dispatch, gives_each_worker_a_handle_of_its_own, .timeout = 30)
{
    serve_handles(&(hoist_config){.workers = THREADS}, HOIST_OFFLOAD);
    cr_expect_eq(opened, THREADS);
    for (unsigned round = 0; round < 4; round++) {
        ask(round * THREADS, THREADS, "/use");
        gate_run_until_inside(&gate, THREADS);
        for (unsigned i = 0; i < THREADS; i++)
            for (unsigned j = 0; j < i; j++)
                cr_expect_neq(seen[round * THREADS + i], seen[round * THREADS + j]);
        gate_let_go(&gate, (round + 1) * THREADS);
        for (unsigned i = round * THREADS; i < (round + 1) * THREADS; i++)
            expect_own_answer(i);
    }
    close_all();

    cr_expect_eq(opened, THREADS);
    cr_expect_eq(closed, THREADS);
    cr_expect_eq(on_wrong_thread, 0);
}

/* ---- the inline executor ---- */

Test(dispatch, runs_every_handler_on_the_loop_when_told_to, .timeout = 30)
{
    serve_handles(&(hoist_config){.executor = HOIST_EXECUTOR_INLINE}, HOIST_OFFLOAD);
    gate_let_all_go(&gate);
    cr_expect_eq(opened, 1);
    ask(0, 2, "/use");
    expect_own_answer(0);
    expect_own_answer(1);
    cr_expect_eq(seen[0], seen[1]);
    cr_expect(pthread_equal(seen[0]->thread, pthread_self()));
    close_all();

    cr_expect_eq(closed, 1);
    cr_expect_eq(on_wrong_thread, 0);
}

Test(dispatch, tells_how_long_a_request_waited_and_ran_when_told_to, .timeout = 30)
{
    char value[64];

    app_fixture_serve(&f, &(hoist_config){.workers = 1, .server_timing = true}, &held_route, 1);
    gate_open(&gate, &f.loop);
    gate_let_all_go(&gate);
    ask(0, 1, "/held");

    expect_own_answer(0);
    cr_assert_not_null(answer_field(&peers[0].answer, "Server-Timing", value, sizeof(value)));
    cr_expect_eq(strncmp(value, "wait;dur=", 9), 0);
    cr_expect_not_null(strstr(value, ", run;dur="));
    cr_expect_gt(atof(strstr(value, "run;dur=") + 8), 0);
    close_all();
}
