/* What handlers get wrong: each mistake is told in one line that says where and what. */
#include "hoist_test.h"
#include "lib/app_fixture.h"
#include "lib/errors.h"
#include "lib/gate.h"
#include "server/server.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LATE ": a handler used its request or reply after it had returned"

enum { LATE_MS = 10, HELD_MS = 120, SHORT_MS = 30, KEEP_ALIVE_MS = 3600000 }; /* the first: the loop's clock, at most */

static struct app_fixture f;
static struct gate gate;
static struct peer p, q;

static int hello(hoist_req *req, hoist_res *res)
{
    (void)req;
    return hoist_reply_text(res, 200, "hello");
}

/* The value came from outside, say; the handler returns what it was told. */
static int split_header(hoist_req *req, hoist_res *res)
{
    int err = hoist_res_header(res, "X-Name", hoist_req_query(req)[0] == 'r' ? "a\rb" : "a\nSet-Cookie: b");

    return err < 0 ? err : hoist_reply_text(res, 200, "sent");
}

static int reply_twice(hoist_req *req, hoist_res *res)
{
    (void)hoist_reply_text(res, 200, "first");
    (void)hoist_reply_text(res, 200, "second");
    return hoist_req_query(req)[0] == 'r' ? hoist_reply_text(res, 200, "third") : 0;
}

static int reply_never(hoist_req *req, hoist_res *res)
{
    (void)req;
    (void)res;
    return 0;
}

static int return_length(hoist_req *req, hoist_res *res)
{
    return hoist_reply_text(res, 200, hoist_req_query(req)) == 0 ? 17 : -ENOMEM;
}

static int reply_oddly(hoist_req *req, hoist_res *res)
{
    (void)req;
    return hoist_reply_copy(res, 0, "text/plain", "", 0);
}

static int set_our_field(hoist_req *req, hoist_res *res)
{
    (void)req;
    return hoist_res_header(res, "Date", "today");
}

static int pass_over_a_failed_reply(hoist_req *req, hoist_res *res)
{
    (void)req;
    (void)hoist_reply_text(res, 200, NULL);
    return 0;
}

static int go_on_with_nothing(hoist_req *req, hoist_res *res)
{
    (void)res;
    switch (hoist_req_query(req)[0]) {
    case 'l':
        return hoist_later(req, 1, NULL);
    case 'o':
        return hoist_offload(req, NULL);
    default:
        return hoist_on_end(req, NULL, NULL);
    }
}

static int go_on_later(hoist_req *req, hoist_res *res)
{
    (void)res;
    return hoist_later(req, 1, hello);
}

static int go_on_offloaded(hoist_req *req, hoist_res *res)
{
    (void)res;
    return hoist_offload(req, go_on_later);
}

static int finish_on_a_worker(hoist_req *req, hoist_res *res)
{
    int err = hoist_reply_text(res, 200, "finished");

    hoist_finish(req, err);
    return err;
}

/* An optional number that is none, and then another error. */
static int pass_over(hoist_req *req, hoist_res *res)
{
    long n = 0;

    (void)res;
    return hoist_req_long(req, "n", 0, 9, &n) == -EINVAL ? -ENOENT : 0;
}

/* Says where it runs by its route's path. */
static int hold(hoist_req *req, hoist_res *res)
{
    (void)poll(NULL, 0, HELD_MS);
    return hoist_reply_text(res, 200, hoist_req_path(req));
}

static uint64_t left_ms; /* on uv_now()'s clock */

static int hold_shortly(hoist_req *req, hoist_res *res)
{
    (void)req;
    (void)poll(NULL, 0, SHORT_MS);
    left_ms = uv_hrtime() / 1000000;
    return hoist_reply_text(res, 200, "held");
}

/* "/keep": the request is used when it is over; by "/late", whose exchange is older and thus another one. */
static hoist_req *kept;

static int keep(hoist_req *req, hoist_res *res)
{
    kept = req;
    return hoist_reply_text(res, 200, "kept");
}

static int late(hoist_req *req, hoist_res *res)
{
    (void)req;
    gate_pass(&gate, 0);
    return hoist_reply_text(res, 200, hoist_req_body(kept, NULL));
}

static int keep_and_wait(hoist_req *req, hoist_res *res)
{
    (void)res;
    kept = req;
    return hoist_later(req, HOIST_NO_LIMIT - 1, hello);
}

static int pend(hoist_req *req, hoist_res *res)
{
    (void)res;
    kept = req;
    return HOIST_PENDING;
}

static const hoist_route routes[] = {
    {.path = "/hello", .handler = hello, .run = HOIST_INLINE},
    {.path = "/header", .handler = split_header},
    {.path = "/twice", .handler = reply_twice},
    {.path = "/never", .handler = reply_never},
    {.path = "/never-inline", .handler = reply_never, .run = HOIST_INLINE},
    {.path = "/length", .handler = return_length},
    {.path = "/oddly", .handler = reply_oddly},
    {.path = "/our-field", .handler = set_our_field},
    {.path = "/failed-reply", .handler = pass_over_a_failed_reply},
    {.path = "/nothing", .handler = go_on_with_nothing, .run = HOIST_ASYNC},
    {.path = "/later", .handler = go_on_later},
    {.path = "/later-inline", .handler = go_on_later, .run = HOIST_INLINE},
    {.path = "/later-offloaded", .handler = go_on_offloaded, .run = HOIST_ASYNC},
    {.path = "/finish", .handler = finish_on_a_worker},
    {.path = "/pass-over", .handler = pass_over},
    {.path = "/hold-inline", .handler = hold, .run = HOIST_INLINE},
    {.path = "/hold-shortly", .handler = hold_shortly, .run = HOIST_INLINE},
    {.path = "/hold", .handler = hold},
    {.path = "/keep", .handler = keep},
    {.path = "/late", .handler = late},
    {.path = "/wait", .handler = keep_and_wait, .run = HOIST_ASYNC},
    {.path = "/pend", .handler = pend, .run = HOIST_ASYNC, .timeout_ms = 1},
};

static void open_with(enum hoist_executor executor)
{
    const hoist_config config = {.executor = executor, .workers = 2, .keep_alive_ms = KEEP_ALIVE_MS};

    errors_catch();
    app_fixture_serve(&f, &config, routes, sizeof(routes) / sizeof(routes[0]));
    gate_open(&gate, &f.loop);
}

static void open_app(void)
{
    open_with(HOIST_EXECUTOR_POOL);
}

static void open_inline_app(void)
{
    open_with(HOIST_EXECUTOR_INLINE);
}

static void close_app(void)
{
    gate_close(&gate);
    app_fixture_close(&f);
    errors_release();
}

TestSuite(handler_mistake, .init = open_app, .fini = close_app, .timeout = 30);
TestSuite(inline_executor, .init = open_inline_app, .fini = close_app, .timeout = 30);

static const struct answer *ask(const char *target)
{
    peer_open(&p, &f);
    peer_get(&p, target);
    return peer_answer(&p, 0);
}

/* The server and the connection go on. */
static void expect_life(void)
{
    peer_get(&p, "/hello");
    cr_expect(answer_body_is(peer_answer(&p, 1), "hello"));
}

static void expect(const char *target, int status, const char *says, const char *line)
{
    cr_expect_eq(ask(target)->status, status, "%d", p.answer.status);
    cr_expect(answer_says(&p.answer, says), "%.*s", (int)p.answer.body_len, p.answer.body);
    errors_expect_one_line(line);
    expect_life();
}

Test(handler_mistake, a_line_end_in_a_header_field)
{
    static const char *const targets[] = {"/header?r", "/header?n"};
    char value[64];

    for (unsigned i = 0; i < 2; i++) {
        cr_expect_eq(ask(targets[i])->status, 400);
        cr_expect(answer_says(&p.answer, "to what cannot be sent: 'X-Name'"), "%.*s", (int)p.answer.body_len,
                  p.answer.body);
        cr_expect_null(answer_field(&p.answer, "Set-Cookie", value, sizeof(value)));
        cr_expect_null(answer_field(&p.answer, "X-Name", value, sizeof(value)));
        peer_close(&p);
    }
    cr_expect_str_empty(errors_text(), "it may be the client's doing");
}

Test(handler_mistake, two_replies)
{
    expect("/twice", 200, "first", " error /twice: its handler replied twice\n");
}

Test(handler_mistake, two_replies_and_the_error_returned)
{
    expect("/twice?r", 500, "the handler replied twice", " error /twice: its handler replied twice\n");
}

Test(handler_mistake, no_reply)
{
    expect("/never", 500, "the handler gave no reply", " error /never: its handler returned 0 without a reply\n");
}

Test(handler_mistake, no_reply_on_the_loop)
{
    expect("/never-inline", 500, "the handler gave no reply",
           "/never-inline: its handler returned 0 without a reply\n");
}

Test(handler_mistake, a_number_for_a_result)
{
    expect("/length", 500, "the handler failed",
           "/length: its handler returned 17, which is neither 0 nor a negative errno\n");
}

Test(handler_mistake, a_status_that_is_none)
{
    expect("/oddly", 500, "status or content type",
           "/oddly: its handler replied with status 0 and content type 'text/plain'; one of them cannot be sent\n");
}

Test(handler_mistake, a_header_field_of_the_server_s_own)
{
    expect("/our-field", 500, "may not set a header field 'Date'",
           "/our-field: its handler failed: protocol error: the handler may not set a header field 'Date'\n");
}

Test(handler_mistake, a_reply_that_failed_and_was_passed_over)
{
    expect("/failed-reply", 500, "NULL in the place of a text",
           "/failed-reply: its handler returned 0 without a reply: the handler replied with NULL");
}

Test(handler_mistake, going_on_with_no_handler)
{
    static const char *const targets[] = {"/nothing?later", "/nothing?offload", "/nothing?end"};

    for (unsigned i = 0; i < 3; i++) {
        cr_expect_eq(ask(targets[i])->status, 500);
        cr_expect(answer_says(&p.answer, "NULL in the place of"), "%.*s", (int)p.answer.body_len, p.answer.body);
        peer_close(&p);
    }
    cr_expect_eq(errors_count("/nothing: its handler failed: "), 3);
}

Test(handler_mistake, going_on_later_on_a_worker)
{
    expect("/later", 500, "no reply", "/later: its handler returned HOIST_PENDING; only one with .run = HOIST_ASYNC");
}

Test(handler_mistake, going_on_later_inline)
{
    expect("/later-inline", 500, "no reply", "/later-inline: its handler returned HOIST_PENDING");
}

Test(handler_mistake, going_on_later_after_an_offload)
{
    expect("/later-offloaded", 500, "no reply", "/later-offloaded: its handler returned HOIST_PENDING");
}

Test(handler_mistake, a_finish_on_a_worker)
{
    expect("/finish", 200, "finished", "/finish: hoist_finish() was called on a worker");
}

Test(handler_mistake, blocking_on_the_loop)
{
    const char *text;

    expect("/hold-inline", 200, "", "/hold-inline: its handler held the loop for ");
    text = strstr(errors_text(), " for ");
    cr_expect_geq(atoi(text + strlen(" for ")), HELD_MS);
    cr_expect_not_null(strstr(text, " ms; a blocking handler belongs on a worker\n"), "%s", text);
}

/* Each of them takes less than the budget. */
Test(handler_mistake, blocking_on_the_loop_together_takes_nothing_from_who_comes_last)
{
    struct peer peers[3];
    uint64_t due_ms = 0;

    for (unsigned i = 0; i < 3; i++) {
        peer_open(&peers[i], &f);
        peer_get(&peers[i], "/hello");
        cr_expect_eq(peer_answer(&peers[i], 0)->status, 200);
    }
    for (unsigned i = 0; i < 3; i++)
        peer_get(&peers[i], "/hold-shortly"); /* in one turn of the loop */
    for (unsigned i = 0; i < 3; i++)
        cr_expect_eq(peer_answer(&peers[i], 1)->status, 200);
    for (const struct conn *conn = f.app->server.conns; conn != NULL; conn = conn->next)
        due_ms = conn->deadline.due_ms > due_ms ? conn->deadline.due_ms : due_ms;

    cr_expect_geq(due_ms + LATE_MS, left_ms + KEEP_ALIVE_MS);
    for (unsigned i = 0; i < 3; i++)
        peer_close(&peers[i]);
}

Test(handler_mistake, blocking_on_a_worker_is_none)
{
    cr_expect_eq(ask("/hold")->status, 200);
    cr_expect_str_empty(errors_text());
}

Test(inline_executor, takes_blocking_on_the_loop_for_no_mistake)
{
    cr_expect_eq(ask("/hold")->status, 200);
    cr_expect_str_empty(errors_text());
}

Test(handler_mistake, that_was_passed_over_does_not_stand_in_for_the_next_error)
{
    cr_expect_eq(ask("/pass-over?n=x")->status, 404);
    cr_expect(answer_says(&p.answer, "no such file"), "%.*s", (int)p.answer.body_len, p.answer.body);
}

Test(handler_mistake, a_reply_that_nobody_finishes_in_time)
{
    cr_expect_eq(ask("/pend")->status, 504);

    errors_expect_one_line("/pend: abandoned after 1 ms; it stays until hoist_finish()\n");
    hoist_finish(kept, -ECANCELED);
}

/* ---- a request that is used when it is over ---- */

static const char *last_words;

/* Lets the abort go on, which is what the test waits for, if the line is there. */
static void on_abort(int number)
{
    (void)number;
    if (errors_count(last_words) != 1)
        _exit(EXIT_FAILURE);
}

static void expect_abort(const char *line)
{
    const struct sigaction action = {.sa_handler = on_abort};

    last_words = line;
    cr_assert_eq(sigaction(SIGABRT, &action, NULL), 0);
}

Test(late_use, of_a_request_names_its_route, .init = errors_catch, .signal = SIGABRT)
{
    hoist_test *t = hoist_test_new(&(hoist_route){.path = "/keep", .handler = keep});

    cr_assert_eq(hoist_test_get(t, "/keep")->status, 200);
    expect_abort("/keep" LATE);
    (void)hoist_req_body(kept, NULL);
}

Test(late_use, on_a_worker_names_its_route, .init = open_app, .signal = SIGABRT, .timeout = 30)
{
    peer_open(&q, &f);
    peer_get(&q, "/late");
    gate_run_until_inside(&gate, 1);
    cr_assert_eq(ask("/keep")->status, 200);
    expect_abort("/keep" LATE);
    gate_let_all_go(&gate);
    LOOP_RUN_UNTIL(&f.loop, peer_answers(&q) > 0);
}

Test(late_use, after_the_client_has_left_names_its_route, .init = open_app, .signal = SIGABRT, .timeout = 30)
{
    peer_open(&p, &f);
    peer_get(&p, "/wait");
    LOOP_RUN_UNTIL(&f.loop, kept != NULL);
    peer_close(&p);
    LOOP_RUN_UNTIL(&f.loop, f.app->server.n_exchanges == 0);
    expect_abort("/wait" LATE);
    (void)hoist_req_body(kept, NULL);
}

static void finish_it(void *req)
{
    hoist_finish(req, -ECANCELED);
}

Test(handler_mistake, a_finish_by_another_thread_than_the_loop_s)
{
    hoist_test *t = hoist_test_new(&(hoist_route){.path = "/pend", .handler = pend, .run = HOIST_ASYNC});
    uv_thread_t thread;

    cr_assert_eq(hoist_test_get(t, "/pend")->status, 0);
    cr_assert_eq(uv_thread_create(&thread, finish_it, kept), 0);
    uv_thread_join(&thread);

    cr_expect_eq(errors_count("/pend: its request was to go on, or end, by another thread than the loop's\n"), 1);
    hoist_finish(kept, -ECANCELED);
    hoist_test_free(t);
}

/* Its timer will go on with it. */
Test(handler_mistake, a_finish_while_it_waits)
{
    peer_open(&p, &f);
    peer_get(&p, "/wait");
    LOOP_RUN_UNTIL(&f.loop, kept != NULL);
    hoist_finish(kept, 0);

    errors_expect_one_line("/wait: its request was to go on, or end, while hoist_later() waits\n");
    peer_close(&p);
}

Test(late_use, by_a_second_finish_names_its_route, .init = errors_catch, .signal = SIGABRT)
{
    hoist_test *t = hoist_test_new(&(hoist_route){.path = "/pend", .handler = pend, .run = HOIST_ASYNC});

    cr_assert_eq(hoist_test_get(t, "/pend")->status, 0);
    hoist_finish(kept, -ECANCELED);
    expect_abort("/pend" LATE);
    hoist_finish(kept, -ECANCELED);
}
