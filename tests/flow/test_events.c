/* What an event tells of a program with more or longer routes than it has room for; how it gets over more spans than
 * that; and the loop's share. */
#include "lib/app_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUTES = 100, PATH_BYTES = ROUTER_PATTERN_MAX - 5, SPANS_KEPT = 8 };

static struct app_fixture f;
static struct wire w;
static char paths[ROUTES][PATH_BYTES + 8];

static int quick(hoist_req *req, hoist_res *res)
{
    (void)req;
    return hoist_reply_text(res, 200, "quick");
}

/* An app with that many routes, whose paths have some more bytes than that. */
static void serve(unsigned n, unsigned path_bytes)
{
    hoist_route routes[ROUTES] = {{.path = NULL}};

    for (unsigned i = 0; i < n; i++) {
        (void)snprintf(paths[i], sizeof(paths[i]), "/%03u/%0*d", i, (int)path_bytes, 0);
        routes[i] = (hoist_route){.path = paths[i], .handler = quick};
    }
    app_fixture_serve(&f, &(hoist_config){.workers = 1, .admin = "127.0.0.1:0"}, routes, n);
}

/* Its first event. */
static void listen_to_it(void)
{
    wire_open_on(&w, &f, &f.app->admin.server);
    wire_send(&w, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    LOOP_SPIN_UNTIL(&f.loop, memmem(w.out, w.out_len, "}\n\n", 3) != NULL || w.is_closed);
}

static void hear(unsigned n, unsigned path_bytes)
{
    serve(n, path_bytes);
    listen_to_it();
}

static unsigned count(const char *text)
{
    const char *p = w.out, *end = w.out + w.out_len;
    unsigned n = 0;

    for (; (p = memmem(p, (size_t)(end - p), text, strlen(text))) != NULL; p += strlen(text))
        n++;
    return n;
}

static bool says(const char *text)
{
    return count(text) > 0;
}

/* From now on an event each millisecond. What was told before is forgotten. */
static void hear_fast(void)
{
    uv_timer_t *tick = &f.app->admin.events.timer;

    uv_timer_set_repeat(tick, 1);
    uv_timer_again(tick);
    w.out_len = 0;
}

static void put(struct spans *spans, unsigned id, uint64_t at_ns)
{
    spans_put(spans, &(struct span){.id = id, .received_ns = at_ns, .started_ns = at_ns, .ended_ns = at_ns});
}

static void put_jobs(unsigned first, unsigned n)
{
    uint64_t now_ns = uv_hrtime();

    for (unsigned id = first; id < first + n; id++)
        put(&f.app->server.job_spans, id, now_ns);
}

static void hang_up(void)
{
    wire_close(&w);
    app_fixture_close(&f);
}

Test(events, tells_the_first_routes_and_how_many_there_are, .timeout = 60)
{
    hear(ROUTES, 10);

    cr_expect(says("\"path\":\"/063"));
    cr_expect_not(says("\"path\":\"/064"));
    cr_expect(says("],\"n_routes\":100,"));
    hang_up();
}

Test(events, comes_however_long_the_paths_are, .timeout = 60)
{
    hear(64, PATH_BYTES);

    cr_expect(says("data: {\"t\":"));
    cr_expect(says("\"path\":\"/000"));
    cr_expect_not(says("\"path\":\"/063"));
    cr_expect(says("}],\"n_routes\":64,\"spans\":[],"));
    hang_up();
}

Test(events, tells_a_proxy_to_pass_each_one_on, .timeout = 60)
{
    hear(1, 1);

    cr_expect(says("\r\nX-Accel-Buffering: no\r\n"));
    hang_up();
}

/* The one that came last goes first. */
Test(events, lets_streams_go_in_any_order, .timeout = 60)
{
    static struct wire later;

    hear(1, 1);
    wire_open_on(&later, &f, &f.app->admin.server);
    wire_send(&later, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    cr_assert_not_null(f.app->admin.events.first->next);
    wire_close(&later);
    cr_expect_eq(ticker_count(&f.app->admin.events), 1);
    wire_close(&w);
    cr_expect_null(f.app->admin.events.first);
    app_fixture_close(&f);
}

/* ---- spans ---- */

Test(events, has_room_for_spans_beside_the_longest_paths, .timeout = 60)
{
    serve(64, PATH_BYTES);
    put_jobs(1, 10);
    listen_to_it();

    cr_expect(says("\"spans\":[[1,"));
    cr_expect(says(",[10,"));
    hang_up();
}

Test(events, goes_on_with_the_oldest_that_is_left_when_others_were_pushed_out, .timeout = 60)
{
    serve(1, 1);
    spans_close(&f.app->server.job_spans);
    cr_assert_eq(spans_init(&f.app->server.job_spans, SPANS_KEPT), 0);
    listen_to_it();
    put_jobs(1, 20);
    hear_fast();
    LOOP_SPIN_UNTIL(&f.loop, says("}\n\n"));

    cr_expect(says("\"spans\":[[13,"));
    cr_expect(says(",[20,"));
    cr_expect(says("],\"skipped\":12,"));
    hang_up();
}

/* Each event has room for 500, and twenty of them are for the past. */
Test(events, comes_to_the_present_however_much_there_is_of_the_past, .timeout = 60)
{
    serve(1, 1);
    put_jobs(1, 15000);
    listen_to_it();
    hear_fast();
    LOOP_SPIN_UNTIL(&f.loop, says("[15000,"));
    LOOP_SPIN_UNTIL(&f.loop, says("],\"skipped\":"));

    cr_expect_gt(count("],\"skipped\":"), count("],\"skipped\":0,"), "it has told them all");
    hang_up();
}

/* Of the first event there: how many spans it tells, and says that it has skipped. */
static void count_spans(uint64_t *ret_told, uint64_t *ret_skipped)
{
    static const char spans[] = "\"spans\":[", skipped[] = "],\"skipped\":";
    const char *at = memmem(w.out, w.out_len, spans, strlen(spans));
    const char *end = memmem(w.out, w.out_len, skipped, strlen(skipped));

    cr_assert(at != NULL && end != NULL);
    *ret_skipped = strtoul(end + strlen(skipped), NULL, 10);
    for (*ret_told = 0, at += strlen(spans); at < end; at++)
        *ret_told += *at == '[';
}

Test(events, begins_with_what_jobs_and_the_loop_did_of_late, .timeout = 60)
{
    serve(1, 1);
    for (unsigned i = 0; i < 2; i++) {
        struct spans *spans = i == 0 ? &f.app->server.job_spans : &f.app->server.loop_spans;

        put(spans, 10 * i + 1, 1);
        put(spans, 10 * i + 2, uv_hrtime());
    }
    listen_to_it();

    cr_expect(says("\"spans\":[[2,"), "%.*s", (int)w.out_len, w.out);
    cr_expect(says(",[12,"), "%.*s", (int)w.out_len, w.out);
    cr_expect_not(says("[11,"), "it was too long ago");
    cr_expect(says("],\"skipped\":0,"));
    hang_up();
}

/* There is room for 500 in an event. */
Test(events, tells_of_the_past_from_its_beginning_and_of_the_present_what_has_room, .timeout = 60)
{
    uint64_t told, skipped;

    serve(1, 1);
    put_jobs(1, 1000);
    listen_to_it();
    count_spans(&told, &skipped);
    cr_expect(says("\"spans\":[[1,"));
    cr_expect_eq(skipped, 0);
    hear_fast();
    LOOP_SPIN_UNTIL(&f.loop, says("\"spans\":[],")); /* that was all of it */
    put_jobs(1001, 1000);
    w.out_len = 0;
    LOOP_SPIN_UNTIL(&f.loop, says("[2000,") && says("}\n\n"));

    count_spans(&told, &skipped);
    cr_expect_eq(told + skipped, 1000, "%ju and %ju", (uintmax_t)told, (uintmax_t)skipped);
    cr_expect_gt(told, 100);
    hang_up();
}

/* ---- the loop ---- */

/* The watch's own timer may come after the event's. */
Test(events, tells_the_lag_that_there_is_without_waiting_for_the_watch, .timeout = 60)
{
    struct loop_watch *watch;

    hear(1, 1);
    watch = &f.app->admin.watch;
    uv_timer_stop(&watch->timer);
    watch->due_ns -= UINT64_C(7000000000);
    hear_fast();
    LOOP_SPIN_UNTIL(&f.loop, says("\"lag_s\":"));

    cr_expect_not(says("\"lag_s\":0."), "%.*s", (int)w.out_len, w.out);
    hang_up();
}

Test(events, tells_the_longest_lag_since_the_event_before, .timeout = 60)
{
    static const uint64_t lags_s[] = {0, 7, 0};
    struct admin *admin;

    hear(1, 1);
    admin = &f.app->admin;
    hear_fast();
    for (size_t i = 0; i < 3; i++)
        admin->samples[admin->n_samples++ % ADMIN_SAMPLES] = (struct sample){.lag_ns = lags_s[i] * 1000000000};
    LOOP_SPIN_UNTIL(&f.loop, says("\"lag_s\":"));

    cr_expect(says("\"lag_s\":7"), "%.*s", (int)w.out_len, w.out);
    hang_up();
}

/* This one polls and never waits, so an event after another one has nothing but work between them. */
Test(events, tells_the_loop_s_share_of_the_time_since_the_event_before, .timeout = 60)
{
    hear(1, 1);
    hear_fast();
    LOOP_SPIN_UNTIL(&f.loop, count("\"loop\":") >= 20);
    w.out_len = 0;
    LOOP_SPIN_UNTIL(&f.loop, says("\"loop\":1.0000,"));
    hang_up();
}

Test(events, tells_of_the_loop_s_work_since_the_event_before, .timeout = 60)
{
    struct loop_watch *watch;

    serve(1, 1);
    watch = &f.app->admin.watch;
    watch->begun_ns -= UINT64_C(1000000000000); /* before the first event it had worked for a long time */
    listen_to_it();
    watch->begun_ns += UINT64_C(1000000000000);
    hear_fast();
    LOOP_SPIN_UNTIL(&f.loop, says("\"loop\":0.0000,"));
    w.out_len = 0;
    LOOP_SPIN_UNTIL(&f.loop, count("\"loop\":") > count("\"loop\":0.0000,"));
    hang_up();
}
