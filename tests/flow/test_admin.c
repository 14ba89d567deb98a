/* The admin listener from inside: memory that runs out at every place, clients that do not read, what its
 * answers leave out, and its close. */
#include "lib/app_fixture.h"
#include "lib/fail_malloc.h"
#include "lib/gate.h"
#include "server/totals.h"

#include <stdlib.h>
#include <string.h>

enum { JOBS = 50, SPANS_KEPT = 8 };

static const uint64_t second_ns = 1000000000;

static struct app_fixture f;
static struct gate gate;
static struct wire w;

static int quick(hoist_req *req, hoist_res *res)
{
    (void)req;
    return hoist_reply_text(res, 200, "quick");
}

static int later(hoist_req *req, hoist_res *res)
{
    (void)res;
    return hoist_later(req, 1000000, quick);
}

static int held(hoist_req *req, hoist_res *res)
{
    (void)req;
    gate_pass(&gate, 0);
    return hoist_reply_text(res, 200, "held");
}

static const hoist_route routes[] = {
    {.path = "/quick", .handler = quick},
    {.path = "/a,b", .handler = later, .run = HOIST_ASYNC},
    {.path = "/held", .handler = held},
    {.path = "/said", .handler = quick, .method = HOIST_POST},
};

static void open_all(void)
{
    app_fixture_serve(&f, &(hoist_config){.workers = 2, .admin = "127.0.0.1:0"}, routes,
                      sizeof(routes) / sizeof(routes[0]));
    gate_open(&gate, &f.loop);
}

static void close_all(void)
{
    gate_close(&gate);
    app_fixture_close(&f);
}

TestSuite(admin, .init = open_all, .fini = close_all, .timeout = 60);

static void open_admin(void)
{
    wire_open_on(&w, &f, &f.app->admin.server);
}

static void ask(const char *request)
{
    char text[256];

    (void)snprintf(text, sizeof(text), "%s HTTP/1.1\r\nHost: localhost\r\n\r\n", request);
    wire_send(&w, text);
}

static bool says(const char *text)
{
    return memmem(w.out, w.out_len, text, strlen(text)) != NULL;
}

static void await(const char *text)
{
    LOOP_SPIN_UNTIL(&f.loop, says(text) || w.is_closed);
    cr_expect(says(text), "'%s' is not in: %.*s", text, (int)w.out_len, w.out);
}

/* As many jobs have been served. */
static void serve_some(unsigned n)
{
    char text[64];

    (void)snprintf(text, sizeof(text), "POST /requests?path=/quick&n=%u", n);
    open_admin();
    ask(text);
    LOOP_RUN_UNTIL(&f.loop, f.app->routes->figures.run.count == n && f.app->admin.n_asks == 0);
    wire_close(&w);
}

Test(admin, survives_an_allocation_that_fails_anywhere)
{
    static const struct {
        const char *request, *end;
    } rows[] = {
        {"GET /stats", "]}\n"},      {"GET /metrics", "process_resident_memory_bytes"},
        {"GET /spans", "0\r\n\r\n"}, {"GET /trace", "0\r\n\r\n"},
        {"GET /ready", "true}"},
    };

    serve_some(JOBS);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bool has_failed = true;

        for (unsigned n = 1; has_failed; n++) {
            open_admin();
            fail_malloc_at(n);
            ask(rows[i].request);
            LOOP_SPIN_UNTIL(&f.loop, says(rows[i].end) || says(" 503 ") || w.is_closed);
            has_failed = fail_malloc_failed();
            fail_malloc_at(0);
            cr_expect(has_failed || says(rows[i].end), "%s, allocation %u", rows[i].request, n);
            if (!w.is_closed)
                wire_close(&w);
        }
    }
    cr_expect_null(f.app->admin.rows.first);
}

/* A request that is kept until its body is here takes, with a head of one length or another, all that an exchange has,
 * so that to refuse it takes more. */
Test(admin, lets_no_stranger_in_for_want_of_memory)
{
    char request[4096];
    unsigned n_most = 0;

    for (int len = 1; len < EXCHANGE_ARENA; len += 16) {
        bool has_failed = true;

        (void)snprintf(request, sizeof(request),
                       "GET /stats HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 1\r\nX: %0*d\r\n\r\n", len, 0);
        for (unsigned n = 1; has_failed; n++) {
            open_admin();
            wire_send(&w, request);
            fail_malloc_at(n);
            wire_send(&w, "x");
            has_failed = fail_malloc_failed();
            fail_malloc_at(0);

            cr_expect_eq(wire_answer(&w, 0)->status, has_failed ? 503 : 403, "%d, allocation %u", len, n);
            wire_close(&w);
            n_most = n > n_most ? n : n_most;
        }
    }
    cr_expect_gt(n_most, 2, "only the body's");
}

Test(admin, tells_its_page_that_events_were_missed)
{
    uv_timer_t *tick = &f.app->admin.events.timer;

    open_admin();
    ask("GET /events");
    await("\"missed\":0");
    uv_timer_set_repeat(tick, 1);
    uv_timer_again(tick);
    w.room = 10;
    LOOP_SPIN_UNTIL(&f.loop, f.app->admin.events.first->missed > 0); /* a tick finds the one before it unsent */
    w.room = SIZE_MAX;
    wire_take(&w, SIZE_MAX);
    w.out_len = 0;

    LOOP_SPIN_UNTIL(&f.loop, says("\"missed\":"));
    cr_expect_not(says("\"missed\":0"));
    w.out_len = 0;
    await("\"missed\":0"); /* told once */
    wire_close(&w);
    cr_expect_null(f.app->admin.events.first);
    cr_expect_not(uv_is_active((uv_handle_t *)&f.app->admin.events.timer), "nobody listens: nothing ticks");
}

Test(admin, tells_of_what_waits_and_runs_now)
{
    serve_some(1);
    open_admin();
    ask("POST /requests?path=/a,b&n=2");
    LOOP_RUN_UNTIL(&f.loop, app_fixture_count(&f, EXCHANGE_TIMED) == 2);
    w.out_len = 0;
    ask("GET /spans");
    await("0\r\n\r\n");

    cr_expect(says(",GET,\"/a,b\",async,-1,0,,"));
    w.out_len = 0;
    ask("GET /trace");
    await("0\r\n\r\n");
    cr_expect(says("\"cat\":\"async\""));
    cr_expect(says("\"name\":\"/a,b\""));
    wire_close(&w);
    server_abort(&f.app->server); /* nobody waits a thousand seconds */
}

Test(admin, tells_of_one_that_is_abandoned_while_it_still_runs)
{
    static struct peer client;

    peer_open(&client, &f);
    peer_get(&client, "/held");
    gate_run_until_inside(&gate, 1);
    peer_reset(&client);
    LOOP_RUN_UNTIL(&f.loop, app_fixture_abandoned(&f) == 1);
    open_admin();
    ask("GET /spans");
    await("0\r\n\r\n");

    cr_expect(says(",GET,/held,offload,0,0,abandoned,"), "%.*s", (int)w.out_len, w.out);
    wire_close(&w);
    gate_let_all_go(&gate);
    LOOP_RUN_UNTIL(&f.loop, f.app->server.n_exchanges == 0);
}

/* ---- what is kept, and for how long ---- */

/* Requests for /quick have ended so long ago. */
static void put_spans(struct spans *spans, unsigned n, uint64_t ago_ns)
{
    const struct span span = {.received_ns = uv_hrtime() - ago_ns, .ended_ns = uv_hrtime() - ago_ns};

    for (unsigned i = 0; i < n; i++)
        spans_put(spans, &span);
}

static void keep_few_spans(struct spans *spans)
{
    spans_close(spans);
    cr_assert_eq(spans_init(spans, SPANS_KEPT), 0);
}

Test(admin, tells_how_many_its_spans_lack_for_want_of_room)
{
    keep_few_spans(&f.app->server.job_spans);
    keep_few_spans(&f.app->server.loop_spans);
    put_spans(&f.app->server.job_spans, SPANS_KEPT + 20, 0);
    put_spans(&f.app->server.loop_spans, SPANS_KEPT + 3, 0);
    open_admin();
    ask("GET /spans");
    await("0\r\n\r\n");

    cr_expect(says("# dropped 23\n"), "%.*s", (int)w.out_len, w.out);
    wire_close(&w);
}

Test(admin, tells_how_many_were_pushed_out_before_they_could_be_told)
{
    keep_few_spans(&f.app->server.job_spans);
    put_spans(&f.app->server.job_spans, SPANS_KEPT, 0);
    open_admin();
    ask("GET /spans"); /* its rows come in the loop's next turns */
    put_spans(&f.app->server.job_spans, SPANS_KEPT / 2, 0);
    await("0\r\n\r\n");

    cr_expect(says("# dropped 4\n"), "%.*s", (int)w.out_len, w.out);
    wire_close(&w);
}

/* Is /quick among the spans that the request is answered with? */
static bool spans_tell(const char *request)
{
    bool found;

    open_admin();
    ask(request);
    await("0\r\n\r\n");
    found = says(",GET,/quick,");
    wire_close(&w);
    return found;
}

Test(admin, tells_of_the_last_ten_seconds_unless_asked_for_more)
{
    f.app->admin.begun_ns -= 60 * second_ns;
    put_spans(&f.app->server.job_spans, 1, 11 * second_ns);

    cr_expect_not(spans_tell("GET /spans"));
    cr_expect_not(spans_tell("GET /spans?seconds=10"));
    cr_expect(spans_tell("GET /spans?seconds=60"));
}

/* A billion seconds: more than there can be, but not more than can be counted in nanoseconds. */
Test(admin, tells_of_all_that_it_has_to_who_asks_for_very_many_seconds)
{
    f.app->admin.begun_ns -= 60 * second_ns;
    put_spans(&f.app->server.job_spans, 1, 59 * second_ns);
    cr_expect(spans_tell("GET /spans?seconds=1000000000"));
    open_admin();
    ask("GET /spans?seconds=1000000001");

    await("seconds: '1000000001' is not a number from 1 to 1000000000");
    wire_close(&w);
}

Test(admin, a_trace_has_no_samples_from_before_its_time)
{
    f.app->admin.begun_ns -= 60 * second_ns;
    cr_assert_gt(f.app->admin.n_samples, 0);
    f.app->admin.samples[0].at_ns -= 11 * second_ns;
    f.app->admin.samples[0].waiting = 7777;
    open_admin();
    ask("GET /trace");
    await("0\r\n\r\n");
    cr_expect_not(says("\"waiting\":7777"));
    w.out_len = 0;
    ask("GET /trace?seconds=60");
    await("0\r\n\r\n");

    cr_expect(says("\"waiting\":7777"));
    wire_close(&w);
}

Test(admin, lets_its_requests_to_itself_go_when_it_closes)
{
    open_admin();
    ask("POST /requests?path=/a,b&n=2");
    LOOP_RUN_UNTIL(&f.loop, app_fixture_count(&f, EXCHANGE_TIMED) == 2);
    ask("GET /events");
    cr_expect_eq(f.app->admin.n_asks, 2);
    server_abort(&f.app->server);
    app_fixture_stop(&f);

    cr_expect(w.is_closed);
    cr_expect_not(w.is_reset, "what was written arrives");
}

/* max_reply is for the app's routes. */
Test(admin, tells_all_however_little_the_apps_routes_may_reply)
{
    close_all();
    app_fixture_serve(&f, &(hoist_config){.workers = 2, .admin = "127.0.0.1:0", .max_reply = 1}, routes,
                      sizeof(routes) / sizeof(routes[0]));
    gate_open(&gate, &f.loop);
    open_admin();
    ask("GET /stats");
    cr_expect_eq(wire_answer(&w, 0)->status, 200);
    ask("GET /metrics");
    cr_expect_eq(wire_answer(&w, 1)->status, 200);
    ask("GET /");
    cr_expect_eq(wire_answer(&w, 2)->status, 200);
    wire_close(&w);
}

Test(admin, tells_in_stats_what_memory_requests_hold_and_how_long_workers_worked)
{
    char text[64];

    serve_some(1);
    open_admin();
    ask("POST /requests?path=/a,b&n=2");
    LOOP_RUN_UNTIL(&f.loop, app_fixture_count(&f, EXCHANGE_TIMED) == 2);
    budget_add(&f.app->server.budget, 1000);
    (void)snprintf(text, sizeof(text), ",\"memory_bytes\":%zu,", server_memory(&f.app->server));
    ask("GET /stats");
    await("]}\n");
    budget_sub(&f.app->server.budget, 1000);

    cr_expect(says(text), "'%s' is not in: %.*s", text, (int)w.out_len, w.out);
    cr_expect(says(",\"busy_s\":"));
    wire_close(&w);
    server_abort(&f.app->server); /* or the drain would wait for the two */
}

static struct route *last_route(void)
{
    struct route *route = f.app->routes;

    while (route->next != NULL)
        route = route->next;
    return route;
}

/* Each figure has a value of its own. */
static void set_figures(struct route_figures *figures)
{
    *figures->jobs = (struct pool_tally){.admitted = 11,
                                         .finished = 12,
                                         .cancelled = 13,
                                         .waiting = 14,
                                         .running = 15,
                                         .busy_ns = 16 * second_ns,
                                         .cpu_ns = 17 * second_ns};
    figures->shed = 18;
    figures->abandoned = 19;
    figures->answers.by_status[0] = 1;
    figures->answers.by_status[FIGURES_STATUS_MAX - FIGURES_STATUS_MIN] = 20;
    for (unsigned i = 0; i < 2; i++)
        histogram_add(&figures->wait, second_ns);
    for (unsigned i = 0; i < 3; i++)
        histogram_add(&figures->run, 4 * second_ns);
}

Test(admin, tells_in_stats_each_figure_of_a_route_by_its_name)
{
    struct route_figures *figures = &last_route()->figures;

    set_figures(figures);
    open_admin();
    ask("GET /stats");
    await("]}\n");
    *figures->jobs = (struct pool_tally){0};
    figures->abandoned = 0;

    cr_expect(says("{\"method\":\"POST\",\"path\":\"/said\",\"run\":\"offload\",\"requests\":{\"200\":1,\"599\":20},"
                   "\"waiting\":14,\"running\":15,\"abandoned\":19,\"admitted\":11,\"finished\":12,\"cancelled\":13,"
                   "\"shed\":18,\"busy_s\":16.000000,\"cpu_s\":17.000000,\"wait_s\":{\"count\":2,\"sum\":2.000000,"
                   "\"mean\":1.000000,\"p50\":1.000000,\"p90\":1.000000,\"p99\":1.000000,\"max\":1.000000},"
                   "\"run_s\":{\"count\":3,\"sum\":12.000000,\"mean\":4.000000,\"p50\":4.000000,\"p90\":4.000000,"
                   "\"p99\":4.000000,\"max\":4.000000}}]}"),
              "%.*s", (int)w.out_len, w.out);
    wire_close(&w);
}

static double figure_of(const char *name)
{
    const char *at = memmem(w.out, w.out_len, name, strlen(name));

    return at != NULL ? strtod(at + strlen(name), NULL) : -1;
}

Test(admin, tells_in_stats_what_no_route_took_and_how_busy_process_and_loop_are)
{
    double cpu_s = (double)totals_cpu_ns() / (double)second_ns;

    f.app->server.figures.answers = 21;
    f.app->server.figures.unrouted.by_status[404 - FIGURES_STATUS_MIN] = 22;
    f.app->admin.watch.begun_ns -= 600 * second_ns; /* in which it was not idle */
    f.app->admin.begun_ns -= 600 * second_ns;
    open_admin();
    ask("GET /stats");
    await("]}\n");
    f.app->admin.watch.begun_ns += 600 * second_ns;

    cr_expect(says(",\"answers\":21,\"unrouted\":{\"404\":22},"), "%.*s", (int)w.out_len, w.out);
    cr_expect(figure_of("\"unrouted\":{\"404\":22},\"cpu_s\":") >= cpu_s);
    cr_expect_leq(figure_of("\"unrouted\":{\"404\":22},\"cpu_s\":"), (double)totals_cpu_ns() / (double)second_ns);
    cr_expect_gt(figure_of("\"utilisation\":"), 0.8);
    cr_expect_leq(figure_of("\"utilisation\":"), 1);
    wire_close(&w);
}
