/* What is counted, at every step of a scripted run, and what is told of each request afterwards. */
#include "lib/app_fixture.h"
#include "lib/gate.h"
#include "server/live.h"
#include "server/totals.h"

#include <errno.h>
#include <string.h>

enum { PEERS = 8, QUEUE = 3, STEP_NS = 2000000 };

static struct app_fixture f;
static struct gate gate;
static struct peer peers[PEERS];

static int held(hoist_req *req, hoist_res *res)
{
    gate_pass(&gate, 0);
    return hoist_reply_text(res, 200, hoist_req_query(req));
}

static struct {
    uint64_t begun_ns, called_ns;
} calls[2]; /* of dummy() */
static unsigned n_calls;

static int dummy(hoist_req *req, hoist_res *res)
{
    if (n_calls < 2) {
        calls[n_calls].begun_ns = exchange_of_req(req)->begun_ns;
        calls[n_calls++].called_ns = uv_hrtime();
    }
    return hoist_reply_text(res, 200, "dummy");
}

static uint64_t let_go_ns;

static void let_go(void *arg)
{
    (void)arg;
    let_go_ns = uv_hrtime();
}

/* Lets go of its body, or of what its end hook has. */
static int owner(hoist_req *req, hoist_res *res)
{
    if (strcmp(hoist_req_query(req), "body") == 0)
        return hoist_reply_give(res, 200, "text/x", &let_go_ns, 1, let_go);
    cr_expect_eq(hoist_on_end(req, let_go, NULL), 0);
    return hoist_reply_text(res, 200, "owner");
}

static hoist_req *pending; /* what /pend waits with */
static hoist_res *pending_res;

static int pend(hoist_req *req, hoist_res *res)
{
    pending = req;
    pending_res = res;
    return HOIST_PENDING;
}

static uint64_t first_step_ns;

/* What is next stands in the query. */
static int step(hoist_req *req, hoist_res *res)
{
    const char *next = hoist_req_query(req);

    (void)res;
    first_step_ns = uv_hrtime();
    while (uv_hrtime() < first_step_ns + STEP_NS)
        ;
    if (strcmp(next, "offload") == 0)
        return hoist_offload(req, dummy);
    if (strcmp(next, "wait") == 0)
        return hoist_later(req, 3600000, dummy);
    return hoist_later(req, 0, strcmp(next, "pend") == 0 ? pend : dummy);
}

static const hoist_route routes[] = {
    {.path = "/held", .handler = held},
    {.path = "/dummy", .handler = dummy, .run = HOIST_INLINE},
    {.path = "/owner", .handler = owner, .run = HOIST_INLINE},
    {.path = "/pend", .handler = pend, .run = HOIST_ASYNC},
    {.path = "/step", .handler = step, .run = HOIST_ASYNC},
};

static void open_all(void)
{
    app_fixture_serve(&f, &(hoist_config){.workers = 1, .max_waiting = QUEUE}, routes,
                      sizeof(routes) / sizeof(routes[0]));
    cr_assert_eq(spans_init(&f.app->server.job_spans, 64), 0);
    cr_assert_eq(spans_init(&f.app->server.loop_spans, 64), 0);
    gate_open(&gate, &f.loop);
}

static void close_all(void)
{
    app_fixture_close_with(&f, &gate);
}

TestSuite(figures, .init = open_all, .fini = close_all, .timeout = 30);

static struct job_figures now(void)
{
    struct job_figures figures;

    totals_of_route(f.app, f.app->routes, &figures);
    return figures;
}

/* Asks, and turns the loop until the job is in its lane. */
static void ask(unsigned i)
{
    uint64_t admitted = now().jobs.admitted;

    peer_open(&peers[i], &f);
    peer_get(&peers[i], "/held");
    LOOP_RUN_UNTIL(&f.loop, now().jobs.admitted == admitted + 1);
}

static void expect(unsigned step, unsigned waiting, unsigned running, uint64_t finished, uint64_t cancelled)
{
    struct job_figures figures = now();
    struct totals totals;

    cr_expect_eq(figures.jobs.waiting, waiting, "step %u: %u wait", step, figures.jobs.waiting);
    cr_expect_eq(figures.jobs.running, running, "step %u: %u run", step, figures.jobs.running);
    cr_expect_eq(figures.jobs.finished, finished, "step %u", step);
    cr_expect_eq(figures.jobs.cancelled, cancelled, "step %u", step);
    cr_expect_eq(figures.jobs.waiting + figures.jobs.running,
                 figures.jobs.admitted - figures.jobs.finished - figures.jobs.cancelled, "step %u", step);
    totals_read(f.app, &totals);
    cr_expect_eq(totals.all.jobs.waiting, totals.pool.waiting, "step %u", step);
    cr_expect_eq(totals.all.jobs.running, totals.pool.busy, "step %u", step);
    cr_expect_eq(totals.all.jobs.cancelled, cancelled, "step %u", step);
}

Test(figures, waiting_and_running_are_what_was_admitted_and_has_not_ended)
{
    expect(0, 0, 0, 0, 0);
    ask(0);
    gate_run_until_inside(&gate, 1);
    expect(1, 0, 1, 0, 0);
    ask(1);
    ask(2);
    ask(3);
    expect(2, 3, 1, 0, 0);
    peer_open(&peers[4], &f);
    peer_get(&peers[4], "/held");
    cr_expect_eq(peer_answer(&peers[4], 0)->status, 503);
    expect(3, 3, 1, 0, 0);
    cr_expect_eq(now().shed, 1);
    peer_reset(&peers[2]);
    LOOP_RUN_UNTIL(&f.loop, now().jobs.cancelled == 1);
    expect(4, 2, 1, 0, 1);
    gate_let_go(&gate, 1);
    LOOP_RUN_UNTIL(&f.loop, gate_came(&gate) == 2 && now().jobs.finished == 1);
    expect(5, 1, 1, 1, 1);
    peer_reset(&peers[1]);
    LOOP_RUN_UNTIL(&f.loop, now().abandoned == 1);
    expect(6, 1, 1, 1, 1);
    gate_let_all_go(&gate);
    LOOP_RUN_UNTIL(&f.loop, now().jobs.finished == 3 && now().abandoned == 0);
    expect(7, 0, 0, 3, 1);
}

/* Of two that follow each other one ends where the next begins; not of these. */
Test(figures, the_run_of_a_handler_has_nothing_in_it_that_was_answered_before)
{
    enum { BETWEEN = 100 };
    char text[(BETWEEN + 2) * sizeof(GET("/nowhere"))] = GET("/dummy");

    for (unsigned i = 0; i < BETWEEN; i++)
        strcat(text, GET("/nowhere"));
    strcat(text, GET("/dummy"));
    peer_open(&peers[0], &f);
    peer_send(&peers[0], text);
    cr_expect_eq(peer_answer(&peers[0], BETWEEN + 1)->status, 200);

    cr_expect_lt(calls[1].called_ns - calls[1].begun_ns, calls[1].begun_ns - calls[0].called_ns);
}

Test(figures, the_run_of_a_handler_has_nothing_in_it_of_what_the_one_before_let_go)
{
    static const char *const texts[] = {GET("/owner?body") GET("/dummy"), GET("/owner?hook") GET("/dummy")};

    for (unsigned i = 0; i < 2; i++) {
        peer_open(&peers[i], &f);
        peer_send(&peers[i], texts[i]);
        cr_expect_eq(peer_answer(&peers[i], 1)->status, 200);
        cr_expect_gt(let_go_ns, 0);
        cr_expect_geq(calls[i].begun_ns, let_go_ns, "%s", texts[i]);
        let_go_ns = 0;
    }
}

/* The span number n from the end. */
static const struct span *last(uint64_t n)
{
    const struct spans *spans = &f.app->server.job_spans;

    cr_assert_gt(spans->next, n);
    return spans_at(spans, spans->next - 1 - n);
}

Test(figures, the_span_of_an_answer_has_all_its_times_in_order)
{
    const struct span *span;

    ask(0);
    gate_let_all_go(&gate);
    cr_expect_eq(peer_answer(&peers[0], 0)->status, 200);

    LOOP_RUN_UNTIL(&f.loop, f.app->server.job_spans.next == 1);
    span = last(0);
    cr_expect_eq(span->outcome, SPAN_ANSWERED);
    cr_expect_eq(span->status, 200);
    cr_expect_eq(span->seat, 0);
    cr_expect(0 < span->received_ns && span->received_ns <= span->queued_ns && span->queued_ns <= span->started_ns &&
              span->started_ns <= span->ended_ns);
    cr_expect_eq(f.app->routes->figures.wait.count, 1);
    cr_expect_eq(f.app->routes->figures.wait.sum_ns, span->started_ns - span->queued_ns);
    cr_expect_eq(f.app->routes->figures.run.sum_ns, span->ended_ns - span->started_ns);
}

Test(figures, the_spans_of_those_that_never_ran_say_why)
{
    ask(0);
    gate_run_until_inside(&gate, 1);
    ask(1);
    ask(2);
    ask(3);
    peer_open(&peers[4], &f);
    peer_get(&peers[4], "/held");
    peer_answer(&peers[4], 0);
    cr_expect_eq(last(0)->outcome, SPAN_SHED);
    cr_expect_eq(last(0)->status, 503);
    cr_expect_eq(last(0)->queued_ns, 0);
    peer_reset(&peers[3]);
    LOOP_RUN_UNTIL(&f.loop, now().jobs.cancelled == 1);
    cr_expect_eq(last(0)->outcome, SPAN_CANCELLED);
    cr_expect_eq(last(0)->status, 0);
    cr_expect_eq(last(0)->started_ns, 0);
    cr_expect_eq(last(0)->seat, SPAN_ON_LOOP);
    app_fixture_hurry_deadlines(&f);
    LOOP_SPIN_UNTIL(&f.loop, peer_answers(&peers[1]) == 1 && peer_answers(&peers[2]) == 1);

    for (uint64_t n = 0; n < 2; n++) {
        cr_expect_eq(last(n)->outcome, SPAN_EXPIRED);
        cr_expect_eq(last(n)->status, 503);
        cr_expect_neq(last(n)->queued_ns, 0);
        cr_expect_eq(last(n)->started_ns, 0);
        cr_expect_eq(last(n)->seat, SPAN_ON_LOOP);
    }
    cr_expect_eq(f.app->routes->figures.wait.count, 3, "time in the queue counts, however it ends");
    cr_expect_eq(f.app->routes->figures.run.count, 0);
}

Test(figures, the_span_of_an_abandoned_one_ends_when_its_handler_does)
{
    ask(0);
    gate_run_until_inside(&gate, 1);
    app_fixture_hurry_deadlines(&f);
    LOOP_SPIN_UNTIL(&f.loop, peer_answers(&peers[0]) == 1);
    cr_expect_eq(now().abandoned, 1);
    cr_expect_eq(f.app->server.job_spans.next, 0);
    gate_let_all_go(&gate);
    LOOP_RUN_UNTIL(&f.loop, f.app->server.job_spans.next == 1);

    cr_expect_eq(last(0)->outcome, SPAN_ABANDONED);
    cr_expect_eq(last(0)->status, 504);
    cr_expect_eq(last(0)->seat, 0);
    cr_expect_eq(f.app->routes->figures.run.sum_ns, last(0)->ended_ns - last(0)->started_ns);
    cr_expect_eq(now().abandoned, 0);
}

/* It has the exchange of one that was answered. */
Test(figures, the_span_of_one_whose_client_left_has_no_status)
{
    peer_open(&peers[0], &f);
    peer_get(&peers[0], "/dummy");
    peer_answer(&peers[0], 0);
    peer_close(&peers[0]);
    ask(1);
    gate_run_until_inside(&gate, 1);
    peer_reset(&peers[1]);
    LOOP_RUN_UNTIL(&f.loop, now().abandoned == 1);
    gate_let_all_go(&gate);
    LOOP_RUN_UNTIL(&f.loop, f.app->server.job_spans.next == 1);

    cr_expect_eq(last(0)->outcome, SPAN_ABANDONED);
    cr_expect_eq(last(0)->status, 0);
}

/* It has the exchange of one that was refused. */
Test(figures, the_span_of_an_answer_behind_a_refusal_says_so)
{
    for (unsigned i = 0; i <= QUEUE; i++)
        ask(i);
    peer_open(&peers[QUEUE + 1], &f);
    peer_get(&peers[QUEUE + 1], "/held");
    cr_expect_eq(peer_answer(&peers[QUEUE + 1], 0)->status, 503);
    peer_get(&peers[QUEUE + 1], "/dummy");
    cr_expect_eq(peer_answer(&peers[QUEUE + 1], 1)->status, 200);

    cr_assert_eq(f.app->server.loop_spans.next, 1);
    cr_expect_eq(spans_at(&f.app->server.loop_spans, 0)->outcome, SPAN_ANSWERED);
}

/* It has given no answer with which its own time would have ended. */
Test(figures, the_run_of_a_handler_has_nothing_in_it_since_a_step_that_waits)
{
    uint64_t before_ns;

    peer_open(&peers[0], &f);
    peer_get(&peers[0], "/step?pend");
    LOOP_RUN_UNTIL(&f.loop, pending != NULL);
    before_ns = uv_hrtime();
    peer_open(&peers[1], &f);
    peer_get(&peers[1], "/dummy");
    cr_expect_eq(peer_answer(&peers[1], 0)->status, 200);

    cr_expect_geq(calls[0].begun_ns, before_ns);
    hoist_finish(pending, hoist_reply_text(pending_res, 200, "late"));
    cr_expect_eq(peer_answer(&peers[0], 0)->status, 200);
}

Test(figures, the_span_of_what_goes_on_later_begins_with_its_first_step)
{
    peer_open(&peers[0], &f);
    peer_get(&peers[0], "/step");
    cr_expect_eq(peer_answer(&peers[0], 0)->status, 200);
    LOOP_RUN_UNTIL(&f.loop, f.app->server.job_spans.next == 1);

    cr_expect_leq(last(0)->received_ns, first_step_ns);
    cr_expect_leq(last(0)->started_ns, first_step_ns);
}

Test(figures, the_run_of_what_goes_on_later_is_that_of_all_its_steps)
{
    static const char *const targets[] = {"/step", "/step?offload"};
    const struct route *route = f.app->routes;

    while (strcmp(route->given.path, "/step") != 0)
        route = route->next;
    peer_open(&peers[0], &f);
    for (unsigned i = 0; i < 2; i++) {
        peer_get(&peers[0], targets[i]);
        cr_expect_eq(peer_answer(&peers[0], i)->status, 200);
        LOOP_RUN_UNTIL(&f.loop, f.app->server.job_spans.next == i + 1);
        cr_expect_geq(route->figures.run.sum_ns, (i + 1) * (uint64_t)STEP_NS, "%s", targets[i]);
    }
}

Test(figures, the_span_of_what_is_finished_later_ends_then)
{
    uint64_t before_ns;

    peer_open(&peers[0], &f);
    peer_get(&peers[0], "/pend");
    LOOP_RUN_UNTIL(&f.loop, pending != NULL);
    before_ns = uv_hrtime();
    hoist_finish(pending, hoist_reply_text(pending_res, 200, "late"));
    cr_expect_eq(peer_answer(&peers[0], 0)->status, 200);

    LOOP_RUN_UNTIL(&f.loop, f.app->server.job_spans.next == 1);
    cr_expect_geq(last(0)->ended_ns, before_ns);
}

Test(figures, the_span_of_what_is_pending_when_its_client_leaves_begins_when_it_came)
{
    peer_open(&peers[0], &f);
    peer_get(&peers[0], "/pend");
    LOOP_RUN_UNTIL(&f.loop, pending != NULL);
    peer_reset(&peers[0]);
    LOOP_RUN_UNTIL(&f.loop, hoist_req_cancelled(pending));
    hoist_finish(pending, -ECANCELED);
    LOOP_RUN_UNTIL(&f.loop, f.app->server.job_spans.next == 1);

    cr_expect_eq(last(0)->outcome, SPAN_ABANDONED);
    cr_expect_neq(last(0)->started_ns, 0);
    cr_expect_eq(last(0)->started_ns, last(0)->received_ns);
}

Test(figures, the_span_of_what_waits_for_its_time_when_its_client_leaves_ends_then)
{
    uint64_t before_ns;

    peer_open(&peers[0], &f);
    peer_get(&peers[0], "/step?wait");
    LOOP_RUN_UNTIL(&f.loop, app_fixture_count(&f, EXCHANGE_TIMED) == 1);
    before_ns = uv_hrtime();
    peer_reset(&peers[0]);
    LOOP_RUN_UNTIL(&f.loop, f.app->server.job_spans.next == 1);

    cr_expect_eq(last(0)->outcome, SPAN_CANCELLED);
    cr_expect_geq(last(0)->ended_ns, before_ns);
}

Test(figures, the_span_of_what_waits_for_its_time_too_long_says_so)
{
    peer_open(&peers[0], &f);
    peer_get(&peers[0], "/step?wait");
    LOOP_RUN_UNTIL(&f.loop, app_fixture_count(&f, EXCHANGE_TIMED) == 1);
    app_fixture_hurry_deadlines(&f);
    cr_expect_eq(peer_answer(&peers[0], 0)->status, 504);
    LOOP_RUN_UNTIL(&f.loop, f.app->server.job_spans.next == 1);

    cr_expect_eq(last(0)->outcome, SPAN_EXPIRED);
}

/* It has the exchange of one that was. */
Test(figures, a_request_that_the_loop_answers_was_not_queued)
{
    gate_let_all_go(&gate);
    ask(0);
    cr_expect_eq(peer_answer(&peers[0], 0)->status, 200);
    peer_get(&peers[0], "/dummy");
    peer_answer(&peers[0], 1);

    cr_assert_eq(f.app->server.loop_spans.next, 1);
    cr_expect_eq(spans_at(&f.app->server.loop_spans, 0)->queued_ns, 0);
    cr_expect_eq(f.app->routes->next->figures.wait.count, 0);
}

Test(figures, the_loops_own_requests_have_spans_of_their_own)
{
    peer_open(&peers[0], &f);
    peer_get(&peers[0], "/dummy");
    peer_answer(&peers[0], 0);

    cr_expect_eq(f.app->server.job_spans.next, 0);
    cr_assert_eq(f.app->server.loop_spans.next, 1);
    cr_expect_eq(spans_at(&f.app->server.loop_spans, 0)->seat, SPAN_ON_LOOP);
    cr_expect_eq(spans_at(&f.app->server.loop_spans, 0)->route, 1);
    cr_expect_eq(f.app->routes->next->figures.run.count, 1);
    cr_expect_eq(f.app->routes->next->figures.wait.count, 0);
}

Test(figures, answers_are_counted_by_status_and_route)
{
    peer_open(&peers[0], &f);
    peer_send(&peers[0], "GET /dummy HTTP/1.1\r\nHost: t\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: t\r\n\r\nBAD\r\n\r\n");
    LOOP_RUN_UNTIL(&f.loop, peer_answers(&peers[0]) == 3);

    cr_expect_eq(f.app->routes->next->figures.answers.by_status[200 - FIGURES_STATUS_MIN], 1);
    cr_expect_eq(f.app->server.figures.unrouted.by_status[404 - FIGURES_STATUS_MIN], 1);
    cr_expect_eq(f.app->server.figures.unrouted.by_status[400 - FIGURES_STATUS_MIN], 1);
    cr_expect_eq(f.app->server.figures.answers, 3);
    cr_expect_eq(f.app->server.figures.accepted, 1);
    cr_expect_gt(f.app->server.figures.received, 60);
}

/* ---- what waits and runs now ---- */

Test(figures, what_runs_comes_before_what_waits)
{
    struct span live[2];

    ask(0);
    gate_run_until_inside(&gate, 1);
    ask(1);
    ask(2);

    cr_expect_eq(live_read(f.app, live, 2), 3);
    cr_expect_neq(live[0].started_ns, 0);
    cr_expect_eq(live[0].seat, 0);
    cr_expect_eq(live[1].started_ns, 0);
}

/* Before the loop has heard of it. */
Test(figures, what_a_worker_has_done_runs_no_more)
{
    struct pool_job job = {.state = POOL_JOB_RUNNING};

    ask(0);
    gate_run_until_inside(&gate, 1);
    cr_expect_eq(live_read(f.app, NULL, 0), 1);
    gate_let_all_go(&gate);
    while (job.state == POOL_JOB_RUNNING)
        pool_job_look(f.app->pool, &f.app->server.exchanges->job, &job);

    cr_expect_eq(job.state, POOL_JOB_FINISHED);
    cr_expect_eq(live_read(f.app, NULL, 0), 0);
}
