/* Requests that take too long, and clients that leave: what waits never runs, what runs is abandoned. */
#include "lib/app_fixture.h"
#include "lib/gate.h"
#include "server/server.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { PEERS = 4 };

static struct app_fixture f;
static struct gate gate;
static struct peer peers[PEERS];
static atomic_bool was_cancelled;
static hoist_req *pending; /* what /pend waits with */

/* Stops at the gate with the number in its query, and sees behind it whether anybody still waits. */
static int held(hoist_req *req, hoist_res *res)
{
    gate_pass(&gate, (unsigned)atoi(hoist_req_query(req)));
    atomic_store(&was_cancelled, hoist_req_cancelled(req));
    return hoist_reply_text(res, 200, hoist_req_query(req));
}

/* Goes on when the test says so. */
static int pend(hoist_req *req, hoist_res *res)
{
    (void)res;
    pending = req;
    return HOIST_PENDING;
}

/* Heeds its deadline: gives up, or has something to say after all. */
static int heed(hoist_req *req, hoist_res *res)
{
    while (!hoist_req_cancelled(req))
        ;
    return hoist_req_query(req)[0] == 'g' ? -ECANCELED : hoist_reply_text(res, 200, "late");
}

static int dummy(hoist_req *req, hoist_res *res)
{
    (void)req;
    return hoist_reply_text(res, 200, "dummy");
}

/* "blocker" takes the worker; the others wait behind it. */
static const hoist_route routes[] = {
    {.path = "/dummy", .handler = dummy, .run = HOIST_INLINE},
    {.path = "/blocker", .handler = held, .timeout_ms = HOIST_NO_LIMIT},
    {.path = "/held", .handler = held, .lane = "held"},
    {.path = "/pend", .handler = pend, .run = HOIST_ASYNC, .lane = "held"},
    {.path = "/serial", .handler = held, .max_concurrency = 1},
    {.path = "/pair", .handler = held, .max_concurrency = 2},
    {.path = "/short", .handler = held, .timeout_ms = 1},
    {.path = "/heed", .handler = heed, .timeout_ms = 1},
    {.path = "/short-queue", .handler = held, .queue_timeout_ms = 1},
    {.path = "/long-queue", .handler = held, .queue_timeout_ms = 3600000},
};

static void serve(const hoist_config *config)
{
    app_fixture_serve(&f, config, routes, sizeof(routes) / sizeof(routes[0]));
    gate_open(&gate, &f.loop);
}

static void open_app(void)
{
    serve(&(hoist_config){.workers = 1, .server_timing = true});
}

static void close_app(void)
{
    app_fixture_close_with(&f, &gate);
}

TestSuite(late, .init = open_app, .fini = close_app, .timeout = 30);
TestSuite(late_not, .fini = close_app, .timeout = 30);
TestSuite(late_heed, .fini = close_app, .timeout = 30);
TestSuite(leave, .init = open_app, .fini = close_app, .timeout = 30);
TestSuite(half_close, .fini = close_app, .timeout = 30);

/* Peer i connects and asks for target with its number as the query. */
static void ask(unsigned i, const char *target)
{
    char text[256];

    snprintf(text, sizeof(text), "%s?%u", target, i);
    peer_open(&peers[i], &f);
    peer_get(&peers[i], text);
}

static void ask_and_run(unsigned i, const char *target)
{
    ask(i, target);
    gate_run_until_inside(&gate, 1);
}

static void ask_and_wait(unsigned i, const char *target)
{
    unsigned n = app_fixture_count(&f, EXCHANGE_QUEUED);

    ask(i, target);
    LOOP_RUN_UNTIL(&f.loop, app_fixture_count(&f, EXCHANGE_QUEUED) == n + 1);
}

static unsigned busy(void)
{
    struct pool_figures figures;

    pool_figures(f.app->pool, &figures);
    return figures.busy;
}

/* The loop is still there, and the connection, too. */
static void expect_still_open(unsigned i, unsigned n)
{
    peer_get(&peers[i], "/dummy");
    cr_expect(answer_body_is(peer_answer(&peers[i], n), "dummy"));
    cr_expect_eq(peer_answers(&peers[i]), n + 1);
}

static void let_go_and_run_until_idle(void)
{
    gate_let_all_go(&gate);
    LOOP_RUN_UNTIL(&f.loop, f.app->server.n_exchanges == 0);
}

/* ---- too late ---- */

/* Part i of Server-Timing, 0 being the wait. */
static double timing_ms(const struct answer *answer, unsigned i)
{
    char value[64];
    double ms[2];

    cr_assert_not_null(answer_field(answer, "Server-Timing", value, sizeof(value)));
    cr_assert_eq(sscanf(value, "wait;dur=%lf, run;dur=%lf", &ms[0], &ms[1]), 2, "%s", value);
    return ms[i];
}

Test(late, answers_503_to_one_that_waits_and_never_runs_it)
{
    char value[32];

    ask_and_run(0, "/blocker");
    ask(1, "/short");

    cr_expect_eq(peer_answer(&peers[1], 0)->status, 503);
    cr_expect_not_null(answer_field(&peers[1].answer, "Retry-After", value, sizeof(value)));
    cr_expect_gt(timing_ms(&peers[1].answer, 0), 0);
    expect_still_open(1, 1);
    let_go_and_run_until_idle();
    cr_expect_eq(gate_came(&gate), 1);
}

Test(late, answers_504_to_one_that_runs_and_abandons_it)
{
    ask_and_run(0, "/held");
    app_fixture_hurry_deadlines(&f);

    cr_expect_eq(peer_answer(&peers[0], 0)->status, 504);
    cr_expect_gt(timing_ms(&peers[0].answer, 1), 0);
    expect_still_open(0, 1);
    cr_expect_eq(app_fixture_abandoned(&f), 1);
    cr_expect_eq(busy(), 1);
    let_go_and_run_until_idle();
    cr_expect(atomic_load(&was_cancelled));
    expect_still_open(0, 2);
}

Test(late, keeps_a_worker_until_its_abandoned_job_has_ended)
{
    ask_and_run(0, "/held");
    app_fixture_hurry_deadlines(&f);
    cr_expect_eq(peer_answer(&peers[0], 0)->status, 504);
    ask_and_wait(1, "/held");
    expect_still_open(0, 1);
    cr_expect_eq(gate_came(&gate), 1);

    gate_let_all_go(&gate);
    cr_expect_eq(peer_answer(&peers[1], 0)->status, 200);
}

Test(late, counts_a_limit_for_waiting_alone)
{
    ask_and_run(0, "/blocker");
    ask(1, "/short-queue");
    cr_expect_eq(peer_answer(&peers[1], 0)->status, 503);
    expect_still_open(1, 1);

    let_go_and_run_until_idle();
    cr_expect_eq(gate_came(&gate), 1);
}

Test(late, has_no_limit_for_waiting_once_it_runs)
{
    ask_and_run(0, "/long-queue");
    app_fixture_hurry_queue_deadlines(&f);
    LOOP_SPIN_UNTIL(&f.loop, !deadline_is_armed(&f.app->server.exchanges->queue_deadline));

    ask(1, "/dummy");
    cr_expect_eq(peer_answer(&peers[1], 0)->status, 200);
    cr_expect_eq(peers[0].in_len, 0);
    gate_let_all_go(&gate);
    cr_expect_eq(peer_answer(&peers[0], 0)->status, 200);
}

Test(late, has_no_limit_at_all_when_there_is_none)
{
    ask_and_run(0, "/blocker");

    cr_expect_not(deadline_is_armed(&f.app->server.exchanges->deadline));
    cr_expect_not(deadline_is_armed(&f.app->server.exchanges->queue_deadline));
}

Test(late, is_refused_on_arrival_when_it_could_not_be_served_in_time)
{
    char value[32];

    ask_and_run(0, "/held");
    ask_and_wait(1, "/held");
    f.app->server.exchanges->req.route->lane->drain_ns = 60000000000; /* one job a minute, and the limit is 30 s */
    ask(2, "/held");

    cr_expect_eq(peer_answer(&peers[2], 0)->status, 503);
    cr_expect_str_eq(answer_field(&peers[2].answer, "Retry-After", value, sizeof(value)), "60");
    expect_still_open(2, 1);
    let_go_and_run_until_idle();
    cr_expect_eq(gate_came(&gate), 2);
}

/* Also where a job that ends leaves none waiting behind the next: there is no more in the lane when its pace is bad. */
Test(late, the_pace_is_measured_whenever_a_job_waits_behind_another)
{
    struct lane *lane;

    ask_and_run(0, "/held");
    ask_and_wait(1, "/held");
    lane = f.app->server.exchanges->req.route->lane;
    lane->drain_ns = 60000000000;
    let_go_and_run_until_idle();

    cr_expect_eq(lane->n_drains, 1);
    cr_expect_lt(lane->drain_ns, 60000000000);
}

/* The pace is an old one, and what comes in the same turn of the loop counts as waiting. */
static void expect_all_at_work(const char *target, unsigned n)
{
    serve(&(hoist_config){.workers = PEERS});
    for (unsigned i = 0; i < n; i++) {
        ask(i, "/dummy");
        cr_expect_eq(peer_answer(&peers[i], 0)->status, 200);
    }
    for (struct lane *lane = f.app->lanes; lane != NULL; lane = lane->next)
        lane->drain_ns = 60000000000;
    for (unsigned i = 0; i < n; i++)
        peer_get(&peers[i], target);
    gate_run_until_inside(&gate, n);
    gate_let_all_go(&gate);

    for (unsigned i = 0; i < n; i++)
        cr_expect_eq(peer_answer(&peers[i], 1)->status, 200);
}

Test(late_not, refused_while_workers_are_idle)
{
    expect_all_at_work("/held", PEERS);
}

Test(late_not, refused_while_its_lane_has_room_for_it_at_idle_workers)
{
    expect_all_at_work("/pair", 2);
}

Test(late_not, refused_for_what_waits_in_a_serial_lane)
{
    serve(&(hoist_config){.workers = 3});
    ask_and_run(0, "/serial");
    ask_and_wait(1, "/serial");
    for (struct lane *lane = f.app->lanes; lane != NULL; lane = lane->next)
        lane->drain_ns = 60000000000;

    for (unsigned i = 2; i < PEERS; i++) {
        ask(i, "/dummy");
        cr_expect_eq(peer_answer(&peers[i], 0)->status, 200);
    }
    peer_get(&peers[2], "/held");
    peer_get(&peers[3], "/held");
    gate_run_until_inside(&gate, 3);

    let_go_and_run_until_idle();
    cr_expect_eq(gate_came(&gate), 4);
}

Test(late_not, refused_when_it_may_wait_for_ever)
{
    open_app();
    ask_and_run(0, "/blocker");
    ask_and_wait(1, "/blocker");
    f.app->server.exchanges->req.route->lane->drain_ns = 60000000000;
    ask_and_wait(2, "/blocker");

    let_go_and_run_until_idle();
    cr_expect_eq(gate_came(&gate), 3);
}

/* The limit is 30 s; of a request that waited elsewhere less is left than of one that comes. */
Test(late, is_refused_when_what_is_left_of_its_time_is_too_short)
{
    const uint64_t second = 1000000000;

    ask_and_run(0, "/held");
    ask_and_wait(1, "/held");
    f.app->server.exchanges->req.route->lane->drain_ns = 20 * second;
    ask(2, "/pend");
    LOOP_RUN_UNTIL(&f.loop, pending != NULL);
    pending->deadline_ns = uv_hrtime() + 10 * second;
    cr_expect_eq(hoist_offload(pending, held), HOIST_PENDING);

    cr_expect_eq(peer_answer(&peers[2], 0)->status, 503);
    ask_and_wait(3, "/held");
    let_go_and_run_until_idle();
    cr_expect_eq(gate_came(&gate), 3);
}

/* ---- a client that leaves ---- */

Test(leave, takes_a_waiting_job_along)
{
    ask_and_run(0, "/blocker");
    ask_and_wait(1, "/held");
    peer_reset(&peers[1]);
    LOOP_RUN_UNTIL(&f.loop, f.app->server.n_conns == 1);
    cr_expect_eq(f.app->server.n_exchanges, 1);

    let_go_and_run_until_idle();
    cr_expect_eq(gate_came(&gate), 1);
}

Test(leave, of_the_last_that_waits_ends_the_measuring_of_the_pace)
{
    struct lane *lane;

    ask_and_run(0, "/blocker");
    ask_and_wait(1, "/held");
    lane = f.app->server.exchanges->req.route->lane;
    lane->ended_ns = 1;
    peer_reset(&peers[1]);
    LOOP_RUN_UNTIL(&f.loop, f.app->server.n_conns == 1);

    cr_expect_eq(lane->ended_ns, 0);
    let_go_and_run_until_idle();
}

Test(leave, tells_a_running_job_and_leaves_it_its_worker)
{
    char text[SERVER_CUT_OFF_TEXT];

    ask_and_run(0, "/held");
    peer_reset(&peers[0]);
    LOOP_RUN_UNTIL(&f.loop, f.app->server.n_conns == 0);
    cr_expect_eq(app_fixture_abandoned(&f), 1);
    cr_expect_eq(busy(), 1);
    cr_expect_not_null(strstr(server_cut_off_text(&f.app->server, text), "requests: 0 running"),
                       "a stop cuts off no client of it: %s", text);

    let_go_and_run_until_idle();
    cr_expect(atomic_load(&was_cancelled));
    LOOP_RUN_UNTIL(&f.loop, busy() == 0);
}

Test(leave, does_not_tell_a_job_whose_client_is_there)
{
    ask_and_run(0, "/held");
    gate_let_all_go(&gate);

    cr_expect_eq(peer_answer(&peers[0], 0)->status, 200);
    cr_expect_not(atomic_load(&was_cancelled));
}

Test(leave, forgets_the_deadline_of_what_it_leaves)
{
    ask_and_run(0, "/held");
    peer_reset(&peers[0]);
    LOOP_RUN_UNTIL(&f.loop, app_fixture_abandoned(&f) == 1);

    cr_expect_not(deadline_is_armed(&f.app->server.exchanges->deadline));
}

/* ---- a client that ends its sending side ---- */

Test(half_close, takes_a_waiting_job_along)
{
    serve(&(hoist_config){.workers = 1});
    ask_and_run(0, "/blocker");
    ask_and_wait(1, "/held");
    peer_end(&peers[1]);
    LOOP_RUN_UNTIL(&f.loop, peers[1].at_end);
    cr_expect_eq(peers[1].in_len, 0);

    let_go_and_run_until_idle();
    cr_expect_eq(gate_came(&gate), 1);
}

Test(half_close, tells_a_running_job_and_still_answers)
{
    serve(&(hoist_config){.workers = 1});
    ask_and_run(0, "/held");
    peer_end(&peers[0]);
    LOOP_RUN_UNTIL(&f.loop, hoist_req_cancelled(&f.app->server.exchanges->req));
    gate_let_all_go(&gate);

    cr_expect_eq(peer_answer(&peers[0], 0)->status, 200);
    LOOP_RUN_UNTIL(&f.loop, peers[0].at_end);
    cr_expect(atomic_load(&was_cancelled));
}

/* On the loop nothing can be faster than the handler. */
Test(late_heed, is_504_whatever_the_handler_says_that_was_told_first)
{
    static const char *const paths[] = {"/heed?give-up", "/heed?reply"};

    serve(&(hoist_config){.executor = HOIST_EXECUTOR_INLINE});
    for (unsigned i = 0; i < 2; i++) {
        peer_open(&peers[i], &f);
        peer_get(&peers[i], paths[i]);
        cr_expect_eq(peer_answer(&peers[i], 0)->status, 504, "%s", paths[i]);
    }
}

Test(half_close, leaves_alone_what_runs_and_what_waits_when_told_to)
{
    serve(&(hoist_config){.workers = 1, .half_close = HOIST_HALF_CLOSE_FINISH});
    ask_and_run(0, "/held");
    ask_and_wait(1, "/held");
    peer_end(&peers[0]);
    peer_end(&peers[1]);
    LOOP_RUN_UNTIL(&f.loop, f.app->server.conns->at_eof && f.app->server.conns->next->at_eof);
    gate_let_all_go(&gate);

    cr_expect_eq(peer_answer(&peers[0], 0)->status, 200);
    cr_expect_eq(peer_answer(&peers[1], 0)->status, 200);
    cr_expect_not(atomic_load(&was_cancelled));
}

/* It has ended in one turn of the loop, and is answered in the next. */
Test(half_close, does_not_keep_a_request_that_is_finished_from_its_answer)
{
    serve(&(hoist_config){.workers = 1});
    ask(0, "/pend");
    LOOP_RUN_UNTIL(&f.loop, pending != NULL);
    hoist_finish(pending, -ENOENT);
    cr_expect_eq(app_fixture_count(&f, EXCHANGE_DUE), 1);
    conn_on_eof(f.app->server.conns);

    cr_expect_eq(peer_answer(&peers[0], 0)->status, 404);
}

Test(half_close, does_not_keep_an_inline_request_from_its_answer)
{
    serve(&(hoist_config){.workers = 1});
    peer_open(&peers[0], &f);
    peer_get(&peers[0], "/dummy");
    peer_end(&peers[0]);

    cr_expect(answer_body_is(peer_answer(&peers[0], 0), "dummy"));
    LOOP_RUN_UNTIL(&f.loop, peers[0].at_end);
}
