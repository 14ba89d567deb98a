/* Asynchronous routes: later, on a worker, finished by somebody else; and every way in which they end. */
#include "lib/app_fixture.h"
#include "lib/gate.h"
#include "server/server.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { CROWD = 64, HOUR_MS = 3600000 };

static struct app_fixture f;
static struct gate gate;
static struct peer p, q;
static hoist_req *pending; /* what /pend waits with */
static hoist_res *pending_res;
static pthread_t loop_thread;

static void finish_pending(int err)
{
    hoist_req *req = pending;

    cr_assert_not_null(req);
    pending = NULL;
    hoist_finish(req, err);
}

static void reply_pending(const char *text)
{
    finish_pending(hoist_reply_text(pending_res, 200, text));
}

/* ---- the endings, as on_end hooks see them ---- */

static char endings[256];

static void on_end(void *arg)
{
    cr_expect(pthread_equal(pthread_self(), loop_thread));
    strcat(endings, arg);
}

static void expect_endings(const char *text)
{
    cr_expect_str_eq(endings, text);
    endings[0] = '\0';
}

static int watch_end(hoist_req *req)
{
    static char first[] = "1", second[] = "2";
    int err = hoist_on_end(req, on_end, first);

    return err < 0 ? err : hoist_on_end(req, on_end, second);
}

/* ---- handlers ---- */

static unsigned calls; /* of say() */

static int say(hoist_req *req, hoist_res *res)
{
    calls++;
    return hoist_reply_text(res, 200, hoist_req_query(req));
}

/* GET /later?ms */
static int later(hoist_req *req, hoist_res *res)
{
    (void)res;
    (void)watch_end(req);
    return hoist_later(req, (unsigned)atoi(hoist_req_query(req)), say);
}

static int held(hoist_req *req, hoist_res *res)
{
    cr_expect_not(pthread_equal(pthread_self(), loop_thread));
    gate_pass(&gate, 0);
    return hoist_reply_text(res, 200, hoist_req_query(req));
}

static int offload(hoist_req *req, hoist_res *res)
{
    (void)res;
    (void)watch_end(req);
    return hoist_offload(req, held);
}

static int go_offload(hoist_req *req, hoist_res *res)
{
    (void)res;
    return hoist_offload(req, held);
}

/* GET /then?ms: later, then on a worker */
static int then(hoist_req *req, hoist_res *res)
{
    (void)res;
    return hoist_later(req, (unsigned)atoi(hoist_req_query(req)), go_offload);
}

static int pend(hoist_req *req, hoist_res *res)
{
    cr_expect_null(pending);
    (void)watch_end(req);
    pending = req;
    pending_res = res;
    return HOIST_PENDING;
}

/* Finishes at once and still says that it goes on later. */
static int finish_here(hoist_req *req, hoist_res *res)
{
    (void)watch_end(req);
    hoist_finish(req, hoist_reply_text(res, 200, "here"));
    return HOIST_PENDING;
}

static int fail_here(hoist_req *req, hoist_res *res)
{
    (void)res;
    hoist_finish(req, -EACCES);
    return HOIST_PENDING;
}

/* Twice later, then on a worker, each step seeing the same request. */
static int third(hoist_req *req, hoist_res *res)
{
    (void)res;
    return hoist_later(req, 1, go_offload);
}

static int second(hoist_req *req, hoist_res *res)
{
    (void)res;
    return hoist_later(req, 0, third);
}

static int chain(hoist_req *req, hoist_res *res)
{
    (void)res;
    return hoist_later(req, 1, second);
}

/* An inline route that wakes the one that waits. */
static int wake(hoist_req *req, hoist_res *res)
{
    (void)req;
    reply_pending("woken");
    return hoist_reply_text(res, 200, "wake");
}

static void wake_at_end(void *arg)
{
    (void)arg;
    reply_pending("woken");
}

static int wake_later(hoist_req *req, hoist_res *res)
{
    (void)hoist_on_end(req, wake_at_end, NULL);
    return hoist_reply_text(res, 200, "wake");
}

static const hoist_route routes[] = {
    {.path = "/later", .handler = later, .run = HOIST_ASYNC},
    {.path = "/offload", .handler = offload, .run = HOIST_ASYNC, .max_waiting = 1},
    {.path = "/then", .handler = then, .run = HOIST_ASYNC},
    {.path = "/pend", .handler = pend, .run = HOIST_ASYNC, .max_waiting = 1},
    {.path = "/finish", .handler = finish_here, .run = HOIST_ASYNC},
    {.path = "/fail", .handler = fail_here, .run = HOIST_ASYNC},
    {.path = "/chain", .handler = chain, .run = HOIST_ASYNC},
    {.path = "/say", .handler = say, .run = HOIST_INLINE},
    {.path = "/wake", .handler = wake, .run = HOIST_INLINE},
    {.path = "/wake-later", .handler = wake_later, .run = HOIST_INLINE},
};

static void open_app(void)
{
    loop_thread = pthread_self();
    app_fixture_serve(&f, &(hoist_config){.workers = 1}, routes, sizeof(routes) / sizeof(routes[0]));
    gate_open(&gate, &f.loop);
}

static void close_app(void)
{
    app_fixture_close_with(&f, &gate);
}

TestSuite(async, .init = open_app, .fini = close_app, .timeout = 30);

static void ask(struct peer *peer, const char *target)
{
    peer_open(peer, &f);
    peer_get(peer, target);
}

static void run_until_pending(void)
{
    LOOP_RUN_UNTIL(&f.loop, pending != NULL && app_fixture_count(&f, EXCHANGE_PENDING) == 1);
}

static void expect_body(struct peer *peer, unsigned n, const char *text)
{
    cr_expect_eq(peer_answer(peer, n)->status, 200);
    cr_expect(answer_body_is(&peer->answer, text), "'%.*s' is not '%s'", (int)peer->answer.body_len, peer->answer.body,
              text);
}

/* ---- later ---- */

Test(async, replies_later)
{
    ask(&p, "/later?1");
    expect_body(&p, 0, "1");
    peer_get(&p, "/later?0");
    expect_body(&p, 1, "0");
}

Test(async, goes_on_on_a_worker_after_a_wait)
{
    gate_let_all_go(&gate);
    ask(&p, "/then?1");
    expect_body(&p, 0, "1");
    ask(&q, "/chain?x");
    expect_body(&q, 0, "x");
}

Test(async, lets_a_crowd_wait_at_once_with_one_worker)
{
    static struct peer crowd[CROWD];
    char target[32];

    snprintf(target, sizeof(target), "/later?%d", HOUR_MS);
    for (unsigned i = 0; i < CROWD; i++)
        ask(&crowd[i], target);
    LOOP_RUN_UNTIL(&f.loop, app_fixture_count(&f, EXCHANGE_TIMED) == CROWD);
    ask(&p, "/say?now");
    expect_body(&p, 0, "now");
    app_fixture_hurry_timers(&f);

    for (unsigned i = 0; i < CROWD; i++)
        cr_expect_eq(peer_answer(&crowd[i], 0)->status, 200);
}

/* ---- finished by somebody else ---- */

static void on_other_handle(uv_timer_t *timer)
{
    reply_pending("from a timer");
    uv_close((uv_handle_t *)timer, NULL);
}

Test(async, is_finished_from_a_callback_of_another_handle)
{
    uv_timer_t timer;

    ask(&p, "/pend");
    run_until_pending();
    uv_timer_init(&f.loop, &timer);
    uv_timer_start(&timer, on_other_handle, 1, 0);

    expect_body(&p, 0, "from a timer");
    expect_endings("21");
}

Test(async, is_finished_inside_its_own_handler)
{
    ask(&p, "/finish");
    expect_body(&p, 0, "here");
    expect_endings("21");
    peer_get(&p, "/fail");
    cr_expect_eq(peer_answer(&p, 1)->status, 403);
}

Test(async, is_answered_with_the_errno_that_it_was_finished_with)
{
    ask(&p, "/pend");
    run_until_pending();
    finish_pending(-ENOENT);

    cr_expect_eq(peer_answer(&p, 0)->status, 404);
}

Test(async, goes_on_later_or_on_a_worker_after_it_was_pending)
{
    gate_let_all_go(&gate);
    ask(&p, "/pend?a");
    run_until_pending();
    cr_expect_eq(hoist_later(pending, 1, say), HOIST_PENDING);
    pending = NULL;
    expect_body(&p, 0, "a");

    peer_get(&p, "/pend?b");
    run_until_pending();
    cr_expect_eq(hoist_offload(pending, held), HOIST_PENDING);
    pending = NULL;
    expect_body(&p, 1, "b");
}

/* Who finishes it may hold a lock that they take. */
Test(async, calls_no_handler_from_within_the_finish)
{
    ask(&p, "/pend");
    run_until_pending();
    peer_get(&p, "/say?behind");
    ask(&q, "/say?fence");
    expect_body(&q, 0, "fence");
    calls = 0;
    reply_pending("first");
    cr_expect_eq(calls, 0);
    expect_endings("");

    expect_body(&p, 0, "first");
    expect_body(&p, 1, "behind");
}

/* Answers are gathered in one buffer, and another connection may be gathering there. */
Test(async, is_finished_by_the_handler_of_another_request)
{
    ask(&p, "/pend");
    run_until_pending();
    peer_open(&q, &f);
    peer_send(&q, "GET /say?1 HTTP/1.1\r\nHost: t\r\n\r\nGET /wake HTTP/1.1\r\nHost: t\r\n\r\n"
                  "GET /say?2 HTTP/1.1\r\nHost: t\r\n\r\n");

    expect_body(&q, 0, "1");
    expect_body(&q, 1, "wake");
    expect_body(&q, 2, "2");
    expect_body(&p, 0, "woken");
    cr_expect_eq(peer_answers(&p), 1);
    cr_expect_eq(peer_answers(&q), 3);
}

Test(async, is_finished_when_another_exchange_ends)
{
    ask(&p, "/pend");
    run_until_pending();
    ask(&q, "/wake-later");

    expect_body(&q, 0, "wake");
    expect_body(&p, 0, "woken");
    cr_expect_eq(peer_answers(&p), 1);
    cr_expect_eq(peer_answers(&q), 1);
}

Test(async, may_find_its_lane_full)
{
    static struct peer r;

    ask(&p, "/offload");
    gate_run_until_inside(&gate, 1);
    ask(&q, "/offload");
    LOOP_RUN_UNTIL(&f.loop, app_fixture_count(&f, EXCHANGE_QUEUED) == 2);
    ask(&r, "/offload");
    cr_expect_eq(peer_answer(&r, 0)->status, 503);
    expect_endings("21");

    gate_let_all_go(&gate);
    cr_expect_eq(peer_answer(&p, 0)->status, 200);
    cr_expect_eq(peer_answer(&q, 0)->status, 200);
    expect_endings("2121");
}

/* ---- the client leaves ---- */

Test(async, never_goes_on_later_when_its_client_has_left)
{
    char target[32];

    snprintf(target, sizeof(target), "/later?%d", HOUR_MS);
    ask(&p, target);
    LOOP_RUN_UNTIL(&f.loop, app_fixture_count(&f, EXCHANGE_TIMED) == 1);
    peer_reset(&p);
    LOOP_RUN_UNTIL(&f.loop, f.app->server.n_exchanges == 0);

    expect_endings("21");
    cr_expect_eq(calls, 0);
}

Test(async, never_goes_on_later_when_its_client_has_half_closed)
{
    char target[32];

    snprintf(target, sizeof(target), "/later?%d", HOUR_MS);
    ask(&p, target);
    LOOP_RUN_UNTIL(&f.loop, app_fixture_count(&f, EXCHANGE_TIMED) == 1);
    peer_end(&p);
    LOOP_RUN_UNTIL(&f.loop, p.at_end);

    expect_endings("21");
    cr_expect_eq(calls, 0);
    cr_expect_eq(p.in_len, 0);
}

Test(async, neither_waits_nor_works_once_its_client_has_half_closed)
{
    for (unsigned i = 0; i < 2; i++) {
        ask(&p, "/pend");
        run_until_pending();
        peer_end(&p);
        LOOP_RUN_UNTIL(&f.loop, hoist_req_cancelled(pending));
        cr_expect_eq(i == 0 ? hoist_later(pending, 1, say) : hoist_offload(pending, held), HOIST_PENDING);
        pending = NULL;
        LOOP_RUN_UNTIL(&f.loop, p.at_end);

        expect_endings("21");
        cr_expect_eq(p.in_len, 0, "closed without an answer");
        cr_expect_eq(f.app->server.n_exchanges, 0);
        peer_close(&p);
    }
    cr_expect_eq(calls + gate_came(&gate), 0);
}

Test(async, stays_until_it_is_finished_when_its_client_has_left)
{
    ask(&p, "/pend");
    run_until_pending();
    cr_expect_not(hoist_req_cancelled(pending));
    peer_reset(&p);
    LOOP_RUN_UNTIL(&f.loop, f.app->server.n_conns == 0);

    cr_expect(hoist_req_cancelled(pending));
    expect_endings("");
    reply_pending("nobody reads this");
    expect_endings(""); /* whoever calls may hold a lock that they need */
    LOOP_RUN_UNTIL(&f.loop, f.app->server.n_exchanges == 0);
    expect_endings("21");
}

Test(async, neither_waits_nor_works_once_its_client_has_left)
{
    for (unsigned i = 0; i < 2; i++) {
        ask(&p, "/pend");
        run_until_pending();
        peer_reset(&p);
        LOOP_RUN_UNTIL(&f.loop, f.app->server.n_conns == 0);
        cr_expect_eq(i == 0 ? hoist_later(pending, 1, say) : hoist_offload(pending, held), HOIST_PENDING);
        pending = NULL;
        expect_endings("");
        LOOP_RUN_UNTIL(&f.loop, f.app->server.n_exchanges == 0);
        expect_endings("21");
    }
    cr_expect_eq(calls + gate_came(&gate), 0);
}

Test(async, is_told_on_its_worker_that_its_client_has_left)
{
    ask(&p, "/offload");
    gate_run_until_inside(&gate, 1);
    peer_reset(&p);
    LOOP_RUN_UNTIL(&f.loop, app_fixture_abandoned(&f) == 1);
    cr_expect(hoist_req_cancelled(&f.app->server.exchanges->req));
    expect_endings("");

    gate_let_all_go(&gate);
    LOOP_RUN_UNTIL(&f.loop, f.app->server.n_exchanges == 0);
    expect_endings("21");
}

/* ---- the deadline ---- */

Test(async, is_answered_504_when_its_deadline_is_over)
{
    char target[32];

    snprintf(target, sizeof(target), "/later?%d", HOUR_MS);
    ask(&p, target);
    LOOP_RUN_UNTIL(&f.loop, app_fixture_count(&f, EXCHANGE_TIMED) == 1);
    app_fixture_hurry_deadlines(&f);
    cr_expect_eq(peer_answer(&p, 0)->status, 504);
    expect_endings("21");
    cr_expect_eq(calls, 0);
    peer_get(&p, "/say?on");
    expect_body(&p, 1, "on");
}

Test(async, stays_until_it_is_finished_when_its_deadline_is_over)
{
    ask(&p, "/pend");
    run_until_pending();
    app_fixture_hurry_deadlines(&f);
    cr_expect_eq(peer_answer(&p, 0)->status, 504);
    cr_expect(hoist_req_cancelled(pending));
    expect_endings("");

    reply_pending("too late");
    LOOP_RUN_UNTIL(&f.loop, f.app->server.n_exchanges == 0);
    expect_endings("21");
    peer_get(&p, "/say?on");
    expect_body(&p, 1, "on");
    cr_expect_eq(peer_answers(&p), 2);
}
