/* Spans and samples as rows: what a trace tells of each, and what an answer leaves out. */
#include "lib/app_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SPANS_KEPT = 8, LIVE_MOST = 4096 };

static struct app_fixture f;
static struct wire w;

static int quick(hoist_req *req, hoist_res *res)
{
    (void)req;
    return hoist_reply_text(res, 200, "quick");
}

static void serve(enum hoist_executor executor)
{
    static const hoist_route routes[] = {{.path = "/quick", .handler = quick}};

    app_fixture_serve(&f, &(hoist_config){.workers = 2, .executor = executor, .admin = "127.0.0.1:0"}, routes, 1);
    wire_open_on(&w, &f, &f.app->admin.server);
}

static void hang_up(void)
{
    wire_close(&w);
    app_fixture_close(&f);
}

static void ask(const char *target)
{
    char text[128];

    (void)snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", target);
    wire_send(&w, text);
}

static unsigned count(const char *text)
{
    const char *end = w.out + w.out_len, *p = w.out;
    unsigned n = 0;

    while ((p = memmem(p, (size_t)(end - p), text, strlen(text))) != NULL) {
        p += strlen(text);
        n++;
    }
    return n;
}

static void await_end(void)
{
    LOOP_SPIN_UNTIL(&f.loop, count("0\r\n\r\n") > 0 || w.is_closed);
}

/* Of a job, in milliseconds since the server began; 0: it did not come to that. */
static void put_job(unsigned queued_ms, unsigned started_ms, unsigned ended_ms, enum span_outcome outcome)
{
    uint64_t begun_ns = f.app->admin.begun_ns;
    const struct span span = {
        .id = 1,
        .received_ns = begun_ns + queued_ms * 1000000,
        .queued_ns = begun_ns + queued_ms * 1000000,
        .started_ns = started_ms > 0 ? begun_ns + started_ms * 1000000 : 0,
        .ended_ns = begun_ns + ended_ms * 1000000,
        .outcome = (uint8_t)outcome,
    };

    spans_put(&f.app->server.job_spans, &span);
}

Test(rows, a_row_has_all_of_a_span, .timeout = 60)
{
    struct span span;

    serve(HOIST_EXECUTOR_POOL);
    put_job(1, 3, 7, SPAN_ABANDONED);
    span = *spans_at(&f.app->server.job_spans, 0);
    span.seat = 1;
    span.status = 504;
    span.cpu_ns = 2345678901;
    spans_put(&f.app->server.job_spans, &span);
    ask("/spans");
    await_end();

    cr_expect_eq(count("\n1,GET,/quick,offload,1,504,abandoned,0.001000,0.003000,0.007000,2.345678,0.001000\n"), 1,
                 "%.*s", (int)w.out_len, w.out);
    hang_up();
}

Test(rows, the_longest_pattern_is_shown_whole, .timeout = 60)
{
    char path[ROUTER_PATTERN_MAX] = "/";
    const hoist_route long_route = {.path = path, .handler = quick};
    struct lane *lane;

    for (size_t len = 1; len < ROUTER_PATTERN_MAX - 1; len += 2)
        memcpy(path + len, "\xc3\xa9", 3);
    app_fixture_serve(&f, &(hoist_config){.workers = 2, .admin = "127.0.0.1:0"}, &long_route, 1);
    wire_open_on(&w, &f, &f.app->admin.server);
    put_job(1, 3, 7, SPAN_ANSWERED);
    ask("/trace");
    await_end();
    cr_expect_eq(count(path), 3);
    w.out_len = 0;
    ask("/spans");
    await_end();
    cr_expect_eq(count(path), 1);
    w.out_len = 0;
    ask("/metrics");
    LOOP_SPIN_UNTIL(&f.loop, count("hoist_ready 1\n") > 0);
    cr_expect_geq(count(path), 1);
    w.out_len = 0;
    lane = f.app->routes->lane;
    lane_note_refusal(lane, 1); /* long ago; all of its places are still taken */
    atomic_store(&lane->queue.waiting, lane->max_waiting);
    ask("/ready");
    atomic_store(&lane->queue.waiting, 0);
    cr_expect_eq(count(path), 1);
    cr_expect_eq(count(" has been full for "), 1);
    hang_up();
}

Test(rows, a_trace_has_a_bar_for_the_wait_and_one_for_the_run, .timeout = 60)
{
    serve(HOIST_EXECUTOR_POOL);
    put_job(1, 3, 7, SPAN_ANSWERED);
    ask("/trace");
    await_end();

    cr_expect_eq(
        count("{\"ph\":\"b\",\"cat\":\"wait\",\"id\":1,\"pid\":1,\"tid\":1,\"name\":\"/quick\",\"ts\":1000.000,"), 1);
    cr_expect_eq(
        count("{\"ph\":\"e\",\"cat\":\"wait\",\"id\":1,\"pid\":1,\"tid\":1,\"name\":\"/quick\",\"ts\":3000.000}"), 1);
    cr_expect_eq(count("\"tid\":2,\"name\":\"/quick\",\"ts\":3000.000,\"dur\":4000.000,"), 1);
    hang_up();
}

Test(rows, a_trace_has_no_run_of_a_job_that_only_waited, .timeout = 60)
{
    serve(HOIST_EXECUTOR_POOL);
    put_job(1, 0, 7, SPAN_EXPIRED);
    ask("/trace");
    await_end();

    cr_expect_eq(
        count("{\"ph\":\"e\",\"cat\":\"wait\",\"id\":1,\"pid\":1,\"tid\":1,\"name\":\"/quick\",\"ts\":7000.000}"), 1);
    cr_expect_eq(count("\"cat\":\"run\""), 0);
    hang_up();
}

Test(rows, a_trace_has_a_track_for_each_worker_and_none_without_workers, .timeout = 60)
{
    serve(HOIST_EXECUTOR_POOL);
    ask("/trace");
    await_end();
    cr_expect_eq(count("{\"name\":\"worker "), 2);
    w.out_len = 0;
    hang_up();
    serve(HOIST_EXECUTOR_INLINE);
    ask("/trace");
    await_end();

    cr_expect_eq(count("{\"name\":\"loop\"}"), 1);
    cr_expect_eq(count("{\"name\":\"worker "), 0);
    hang_up();
}

Test(rows, a_trace_has_as_many_samples_as_are_kept, .timeout = 60)
{
    struct admin *admin;

    serve(HOIST_EXECUTOR_POOL);
    admin = &f.app->admin;
    for (unsigned i = 0; i < ADMIN_SAMPLES + 5; i++)
        admin->samples[admin->n_samples++ % ADMIN_SAMPLES] = (struct sample){.at_ns = uv_hrtime()};
    ask("/trace");
    await_end();

    cr_expect_eq(count("\"name\":\"jobs\""), ADMIN_SAMPLES, "%u", count("\"name\":\"jobs\""));
    hang_up();
}

/* What came after it was asked is not its own. */
Test(rows, counts_as_dropped_no_more_than_it_had_to_tell, .timeout = 60)
{
    serve(HOIST_EXECUTOR_POOL);
    spans_close(&f.app->server.job_spans);
    cr_assert_eq(spans_init(&f.app->server.job_spans, SPANS_KEPT), 0);
    for (unsigned i = 0; i < SPANS_KEPT; i++)
        put_job(1, 3, 7, SPAN_ANSWERED);
    ask("/spans");
    for (unsigned i = 0; i < 3 * SPANS_KEPT; i++)
        put_job(1, 3, 7, SPAN_ANSWERED);
    await_end();

    cr_expect_eq(count("# dropped 8\n"), 1, "%.*s", (int)w.out_len, w.out);
    cr_expect_eq(count(",GET,/quick,"), 0);
    hang_up();
}

/* So many that begun a moment ago are in the server's list, as if dispatch had put them there. */
static void begin_many(struct exchange *many, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        many[i].req.route = f.app->routes;
        many[i].begun_ns = uv_hrtime();
        many[i].state = EXCHANGE_TIMED;
        many[i].next = i + 1 < n ? &many[i + 1] : NULL;
    }
    cr_assert_null(f.app->server.exchanges);
    f.app->server.exchanges = many;
}

Test(rows, counts_as_dropped_what_is_in_progress_and_has_no_room, .timeout = 60)
{
    struct exchange *many = calloc(LIVE_MOST + 3, sizeof(*many));

    cr_assert_not_null(many);
    serve(HOIST_EXECUTOR_POOL);
    begin_many(many, LIVE_MOST + 3);
    ask("/spans");
    await_end();
    f.app->server.exchanges = NULL;

    cr_expect_eq(count(",GET,/quick,"), LIVE_MOST);
    cr_expect_eq(count("# dropped 3\n"), 1);
    hang_up();
    free(many);
}
