/* hoist_on_end(): its hooks are called once, on the loop, however an exchange ends. */
#include "lib/app_fixture.h"
#include "lib/gate.h"
#include "server/server.h"

#include <pthread.h>
#include <string.h>

static struct app_fixture f;
static struct gate gate;
static struct peer p, q;
static pthread_t loop_thread;
static char endings[256];

static void on_end(void *arg)
{
    cr_expect(pthread_equal(pthread_self(), loop_thread));
    strcat(endings, arg);
}

/* What has ended since the last time: "21" for each exchange with the two hooks of watch_end(). */
static void expect_endings(const char *text)
{
    cr_expect_str_eq(endings, text);
    endings[0] = '\0';
}

static void watch_end(hoist_req *req)
{
    static char first[] = "1", second[] = "2";

    cr_expect_eq(hoist_on_end(req, on_end, first), 0);
    cr_expect_eq(hoist_on_end(req, on_end, second), 0);
}

static int plain(hoist_req *req, hoist_res *res)
{
    watch_end(req);
    return hoist_reply_text(res, 200, "plain");
}

static int fail(hoist_req *req, hoist_res *res)
{
    (void)res;
    watch_end(req);
    return -EIO;
}

static int large(hoist_req *req, hoist_res *res)
{
    watch_end(req);
    return hoist_reply_printf(res, 200, "text/x", "%20000d", 1);
}

static int held(hoist_req *req, hoist_res *res)
{
    watch_end(req);
    gate_pass(&gate, 0);
    return hoist_reply_text(res, 200, "held");
}

static const hoist_route routes[] = {
    {.path = "/plain", .handler = plain, .run = HOIST_INLINE},
    {.path = "/fail", .handler = fail, .run = HOIST_INLINE},
    {.path = "/large", .handler = large, .run = HOIST_INLINE},
    {.path = "/held", .handler = held},
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

TestSuite(on_end, .init = open_app, .fini = close_app, .timeout = 30);

static void ask(struct peer *peer, const char *target)
{
    peer_open(peer, &f);
    peer_get(peer, target);
}

Test(on_end, is_called_after_a_reply_of_the_loop)
{
    static const char *const targets[] = {"/plain", "/fail", "/large"};

    peer_open(&p, &f);
    for (unsigned i = 0; i < 3; i++) {
        peer_get(&p, targets[i]);
        cr_expect_neq(peer_answer(&p, i)->status, 0);
        expect_endings("21");
    }
}

Test(on_end, is_called_after_a_reply_of_a_worker)
{
    ask(&p, "/held");
    gate_run_until_inside(&gate, 1);
    expect_endings("");
    gate_let_all_go(&gate);

    cr_expect_eq(peer_answer(&p, 0)->status, 200);
    expect_endings("21");
}

Test(on_end, waits_for_a_job_that_was_answered_504)
{
    ask(&p, "/held");
    gate_run_until_inside(&gate, 1);
    app_fixture_hurry_deadlines(&f);
    cr_expect_eq(peer_answer(&p, 0)->status, 504);
    expect_endings("");
    gate_let_all_go(&gate);
    LOOP_RUN_UNTIL(&f.loop, f.app->server.n_exchanges == 0);

    expect_endings("21");
}

Test(on_end, waits_for_a_job_whose_client_has_left)
{
    ask(&p, "/held");
    gate_run_until_inside(&gate, 1);
    peer_reset(&p);
    LOOP_RUN_UNTIL(&f.loop, f.app->server.n_conns == 0);
    expect_endings("");
    gate_let_all_go(&gate);
    LOOP_RUN_UNTIL(&f.loop, f.app->server.n_exchanges == 0);

    expect_endings("21");
}

Test(on_end, is_not_called_for_a_handler_that_never_ran)
{
    ask(&p, "/held");
    gate_run_until_inside(&gate, 1);
    ask(&q, "/held");
    LOOP_RUN_UNTIL(&f.loop, app_fixture_count(&f, EXCHANGE_QUEUED) == 2);
    peer_reset(&q);
    LOOP_RUN_UNTIL(&f.loop, f.app->server.n_exchanges == 1);

    expect_endings("");
}
