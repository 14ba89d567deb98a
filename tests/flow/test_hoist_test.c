/* The test client of hoist_test.h, which tests of routes rely on. */
#include "hoist_test.h"
#include "lib/errors.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int echo(hoist_req *req, hoist_res *res)
{
    size_t len;
    const char *body = hoist_req_body(req, &len), *field = hoist_req_header(req, "X-Field");

    if (field != NULL)
        (void)hoist_res_header(res, "X-Echo", field);
    return hoist_reply_copy(res, 200, "text/x", body, len);
}

static const hoist_route get_route = {.path = "/echo", .handler = echo};
static const hoist_route post_route = {.path = "/echo", .handler = echo, .method = HOIST_POST};
static const hoist_route put_route = {.path = "/echo", .handler = echo, .method = HOIST_PUT};

/* ---- requests and replies ---- */

Test(hoist_test, gives_status_body_and_fields)
{
    hoist_test *t = hoist_test_new(&post_route);
    const hoist_test_reply *reply = hoist_test_post(t, "/echo", "a\0b", 3);

    cr_expect_eq(reply->status, 200);
    cr_expect_eq(reply->body_len, 3);
    cr_expect_eq(memcmp(reply->body, "a\0b", 4), 0);
    cr_expect_eq(reply->waited_ms, 0);
    cr_expect_str_eq(hoist_test_reply_header(reply, "content-type"), "text/x");
    cr_expect_str_eq(hoist_test_reply_header(reply, "CONTENT-LENGTH"), "3");
    cr_expect_not_null(hoist_test_reply_header(reply, "Date"));
    cr_expect_null(hoist_test_reply_header(reply, "Content"));
    cr_expect_null(hoist_test_reply_header(reply, "X-Echo"));
    hoist_test_free(t);
}

Test(hoist_test, gives_what_the_server_answers_by_itself)
{
    hoist_test *t = hoist_test_new(&get_route);

    cr_expect_eq(hoist_test_get(t, "/none")->status, 404);
    cr_expect_eq(hoist_test_post(t, "/echo", "", 0)->status, 405);
    cr_expect_eq(hoist_test_get(t, "/%zz")->status, 400);
    cr_expect_eq(hoist_test_get(t, "/echo")->status, 200);
    hoist_test_free(t);
}

Test(hoist_test, sends_any_method)
{
    hoist_test *t = hoist_test_new(&put_route), *get = hoist_test_new(&get_route);
    const hoist_test_reply *reply = hoist_test_request(t, "PUT", "/echo", "put", 3);

    cr_expect_str_eq(reply->body, "put");
    reply = hoist_test_request(get, "HEAD", "/echo", NULL, 0);
    cr_expect_eq(reply->status, 200);
    cr_expect_eq(reply->body_len, 0);
    hoist_test_free(t);
    hoist_test_free(get);
}

Test(hoist_test, adds_header_fields_to_the_next_request_only)
{
    hoist_test *t = hoist_test_new(&get_route);
    char value[] = "copied";

    hoist_test_header(t, "X-Field", value);
    memset(value, '#', sizeof(value));
    hoist_test_header(t, "X-Other", "2");

    cr_expect_str_eq(hoist_test_reply_header(hoist_test_get(t, "/echo"), "X-Echo"), "copied");
    cr_expect_null(hoist_test_reply_header(hoist_test_get(t, "/echo"), "X-Echo"));
    hoist_test_free(t);
}

Test(hoist_test, sends_a_large_body)
{
    static char body[500000];
    hoist_test *t = hoist_test_new(&post_route);
    const hoist_test_reply *reply;

    memset(body, 'b', sizeof(body));
    reply = hoist_test_post(t, "/echo", body, sizeof(body));

    cr_expect_eq(reply->body_len, sizeof(body));
    cr_expect_eq(memcmp(reply->body, body, sizeof(body)), 0);
    cr_expect_eq(hoist_test_post(t, "/echo", NULL, 0)->body_len, 0);
    hoist_test_free(t);
}

Test(hoist_test, passes_over_an_interim_answer)
{
    hoist_test *t = hoist_test_new(&post_route);
    const hoist_test_reply *reply;

    hoist_test_header(t, "Expect", "100-continue");
    reply = hoist_test_post(t, "/echo", "b", 1);

    cr_expect_eq(reply->status, 200);
    cr_expect_str_eq(reply->body, "b");
    hoist_test_free(t);
}

static int pend(hoist_req *req, hoist_res *res)
{
    (void)req;
    (void)res;
    return HOIST_PENDING;
}

Test(hoist_test, has_no_reply_behind_an_interim_answer_alone)
{
    hoist_test *t =
        hoist_test_new(&(hoist_route){.method = HOIST_POST, .path = "/", .handler = pend, .run = HOIST_ASYNC});
    const hoist_test_reply *reply;

    hoist_test_header(t, "Expect", "100-continue");
    reply = hoist_test_post(t, "/", "b", 1);

    cr_expect_eq(reply->status, 0);
    cr_expect_str_empty(reply->body);
    hoist_test_free(t);
}

Test(hoist_test, gives_a_refusal_of_a_body_that_was_not_read)
{
    static char body[100];
    const hoist_route route = {.path = "/", .handler = echo, .method = HOIST_POST, .max_body = 10};
    hoist_test *t = hoist_test_new(&route);

    cr_expect_eq(hoist_test_post(t, "/", body, sizeof(body))->status, 413);
    cr_expect_eq(hoist_test_post(t, "/", body, 10)->status, 200);
    hoist_test_free(t);
}

Test(hoist_test, keeps_replies_until_it_is_freed)
{
    hoist_test *t = hoist_test_new(&post_route);
    const hoist_test_reply *replies[20];

    for (size_t i = 0; i < 20; i++)
        replies[i] = hoist_test_post(t, "/echo", "aaaaaaaaaaaaaaaaaaaa", i);

    for (size_t i = 0; i < 20; i++) {
        cr_expect_eq(replies[i]->status, 200);
        cr_expect_eq(replies[i]->body_len, i);
        cr_expect_not_null(hoist_test_reply_header(replies[i], "Date"));
    }
    hoist_test_free(t);
}

static int name(hoist_req *req, hoist_res *res)
{
    return hoist_reply_text(res, 200, hoist_req_data(req));
}

Test(hoist_test, lives_side_by_side_with_others)
{
    char a[] = "a", b[] = "b";
    const hoist_route route_a = {.path = "/", .handler = name, .data = a},
                      route_b = {.path = "/", .handler = name, .data = b};
    hoist_test *ta = hoist_test_new(&route_a), *tb = hoist_test_new(&route_b);

    cr_expect_str_eq(hoist_test_get(ta, "/")->body, "a");
    cr_expect_str_eq(hoist_test_get(tb, "/")->body, "b");
    cr_expect_str_eq(hoist_test_get(ta, "/")->body, "a");
    hoist_test_free(ta);
    cr_expect_str_eq(hoist_test_get(tb, "/")->body, "b");
    hoist_test_free(tb);
}

Test(hoist_test, may_be_freed_unused_or_not_at_all_there)
{
    hoist_test_free(hoist_test_new(&get_route));
    hoist_test_free(NULL);
}

Test(hoist_test, gives_a_reply_whose_copy_has_its_fields)
{
    hoist_test *t = hoist_test_new(&get_route);
    hoist_test_reply copy = *hoist_test_get(t, "/echo");

    cr_expect_str_eq(hoist_test_reply_header(&copy, "Content-Type"), "text/x");
    hoist_test_free(t);
}

static int say_host(hoist_req *req, hoist_res *res)
{
    return hoist_reply_text(res, 200, hoist_req_header(req, "Host"));
}

Test(hoist_test, sends_the_host_that_is_given)
{
    hoist_test *t = hoist_test_new(&(hoist_route){.path = "/", .handler = say_host});

    hoist_test_header(t, "host", "example.org");
    cr_expect_str_eq(hoist_test_get(t, "/")->body, "example.org");
    cr_expect_str_eq(hoist_test_get(t, "/")->body, "test");
    hoist_test_free(t);
}

/* ---- routes that are not taken ---- */

struct newer_route {
    hoist_route route;
    unsigned unknown;
};

Test(hoist_test, takes_no_route_that_an_app_would_refuse)
{
    const hoist_route bad = {.path = "no slash", .handler = echo};
    const struct newer_route newer = {.route = {.path = "/", .handler = echo}, .unknown = 1};

    cr_expect_null(hoist_test_new(&bad));
    cr_expect_null(hoist_test_new_sized(&newer.route, sizeof(newer)));
}

static unsigned inits, finis;

static int init(void *data, void **ret_worker_data)
{
    inits++;
    *ret_worker_data = data;
    return 0;
}

static void fini(void *worker_data)
{
    (void)worker_data;
    finis++;
}

static int fail_init(void *data, void **ret_worker_data)
{
    (void)data;
    (void)ret_worker_data;
    return -ECONNREFUSED;
}

static int worker_name(hoist_req *req, hoist_res *res)
{
    return hoist_reply_text(res, 200, hoist_req_worker_data(req));
}

Test(hoist_test, runs_worker_init_and_worker_fini_once)
{
    char data[] = "handle";
    const hoist_route route = {
        .path = "/", .handler = worker_name, .data = data, .worker_init = init, .worker_fini = fini};
    hoist_test *t = hoist_test_new(&route);

    cr_expect_eq(inits, 1);
    cr_expect_str_eq(hoist_test_get(t, "/")->body, "handle");
    cr_expect_str_eq(hoist_test_get(t, "/")->body, "handle");
    cr_expect_eq(inits, 1);
    cr_expect_eq(finis, 0);
    hoist_test_free(t);
    cr_expect_eq(finis, 1);
}

Test(hoist_test, takes_no_route_whose_worker_init_fails)
{
    const hoist_route route = {.path = "/", .handler = echo, .worker_init = fail_init, .worker_fini = fini};

    cr_expect_null(hoist_test_new(&route));
    cr_expect_eq(finis, 0);
}

static const void *loop_s_data;

static int offload_worker_name(hoist_req *req, hoist_res *res)
{
    (void)res;
    loop_s_data = hoist_req_worker_data(req);
    return hoist_offload(req, worker_name);
}

Test(hoist_test, has_a_worker_s_data_for_its_step_alone)
{
    char data[] = "handle";
    hoist_test *t = hoist_test_new(&(hoist_route){
        .path = "/", .handler = offload_worker_name, .run = HOIST_ASYNC, .data = data, .worker_init = init});

    loop_s_data = data;
    cr_expect_str_eq(hoist_test_get(t, "/")->body, "handle");
    cr_expect_null(loop_s_data);
    hoist_test_free(t);
}

/* ---- time ---- */

static int second_step(hoist_req *req, hoist_res *res)
{
    (void)req;
    return hoist_reply_text(res, 200, "done");
}

static int offload_step(hoist_req *req, hoist_res *res)
{
    (void)res;
    return hoist_offload(req, second_step);
}

static int first_step(hoist_req *req, hoist_res *res)
{
    (void)res;
    return hoist_later(req, 5000, offload_step);
}

static int later(hoist_req *req, hoist_res *res)
{
    (void)res;
    return hoist_later(req, 20000, first_step);
}

Test(hoist_test, lets_time_pass_at_once_and_counts_it, .timeout = 30)
{
    const hoist_route route = {.path = "/", .handler = later, .run = HOIST_ASYNC, .timeout_ms = HOIST_NO_LIMIT};
    hoist_test *t = hoist_test_new(&route);

    for (unsigned i = 0; i < 2; i++) {
        const hoist_test_reply *reply = hoist_test_get(t, "/");

        cr_expect_eq(reply->status, 200);
        cr_expect_str_eq(reply->body, "done");
        cr_expect_eq(reply->waited_ms, 25000);
    }
    hoist_test_free(t);
}

static int say_what_is_left(hoist_req *req, hoist_res *res)
{
    return hoist_reply_printf(res, 200, "text/plain", "%u", hoist_req_remaining_ms(req));
}

static int wait_600_ms(hoist_req *req, hoist_res *res)
{
    (void)res;
    return hoist_later(req, 600, say_what_is_left);
}

Test(hoist_test, counts_time_that_it_lets_pass_against_the_limit, .timeout = 30)
{
    hoist_test *t =
        hoist_test_new(&(hoist_route){.path = "/", .handler = wait_600_ms, .run = HOIST_ASYNC, .timeout_ms = 3600000});
    long left_ms = strtol(hoist_test_get(t, "/")->body, NULL, 10);

    cr_expect_leq(left_ms, 3600000 - 600);
    cr_expect_gt(left_ms, 3600000 / 2);
    hoist_test_free(t);
}

static int wait_again(hoist_req *req, hoist_res *res)
{
    (void)res;
    return hoist_later(req, 1, wait_again);
}

Test(hoist_test, ends_a_wait_at_the_limit, .timeout = 30)
{
    hoist_handler *const handlers[] = {wait_600_ms, wait_again};

    for (size_t i = 0; i < 2; i++) {
        hoist_test *t =
            hoist_test_new(&(hoist_route){.path = "/", .handler = handlers[i], .run = HOIST_ASYNC, .timeout_ms = 500});
        const hoist_test_reply *reply = hoist_test_get(t, "/");

        cr_expect_eq(reply->status, 504);
        cr_expect_leq(reply->waited_ms, 500);
        cr_expect_eq(hoist_test_get(t, "/")->status, 504, "once more");
        hoist_test_free(t);
    }
}

static int work_until_cancelled(hoist_req *req, hoist_res *res)
{
    while (!hoist_req_cancelled(req))
        ;
    return hoist_req_arg(req, "gives-up") != NULL ? -ECANCELED : hoist_reply_text(res, 200, "in time");
}

/* Nobody else can: it has the loop's thread. */
Test(hoist_test, tells_a_handler_that_its_deadline_is_over, .timeout = 30)
{
    hoist_test *t = hoist_test_new(&(hoist_route){.path = "/", .handler = work_until_cancelled, .timeout_ms = 1});

    cr_expect_str_eq(hoist_test_get(t, "/")->body, "in time");
    cr_expect_eq(hoist_test_get(t, "/?gives-up=1")->status, 504);
    hoist_test_free(t);
}

static unsigned ended;

static void on_end(void *arg)
{
    (void)arg;
    ended++;
}

static int never(hoist_req *req, hoist_res *res)
{
    (void)res;
    cr_expect_eq(hoist_on_end(req, on_end, NULL), 0);
    return HOIST_PENDING;
}

Test(hoist_test, gives_status_0_and_a_line_for_what_is_never_finished, .init = errors_catch, .timeout = 30)
{
    const hoist_route route = {.path = "/", .handler = never, .run = HOIST_ASYNC};
    hoist_test *t = hoist_test_new(&route);

    for (unsigned i = 0; i < 3; i++) {
        const hoist_test_reply *reply = hoist_test_get(t, "/");

        cr_expect_eq(reply->status, 0);
        cr_expect_str_eq(reply->body, "");
        cr_expect_null(hoist_test_reply_header(reply, "Date"));
        cr_expect_eq(
            errors_count("/: its handler left the request to be ended later, and nothing is left that could\n"), i + 1);
    }
    hoist_test_free(t);
    cr_expect_eq(ended, 3);
}

/* ---- a client that leaves ---- */

static bool was_cancelled;

static int look(hoist_req *req, hoist_res *res)
{
    was_cancelled = hoist_req_cancelled(req);
    return hoist_reply_text(res, 200, "nobody reads this");
}

Test(hoist_test, can_leave_before_the_handler_runs)
{
    static const enum hoist_run runs[] = {HOIST_OFFLOAD, HOIST_INLINE, HOIST_ASYNC};

    for (size_t i = 0; i < 3; i++) {
        const hoist_route route = {.path = "/", .handler = look, .run = runs[i]};
        hoist_test *t = hoist_test_new(&route);
        const hoist_test_reply *reply;

        hoist_test_cancel(t);
        reply = hoist_test_get(t, "/");
        cr_expect(was_cancelled);
        cr_expect_eq(reply->status, 0);
        cr_expect_str_eq(reply->body, "");
        cr_expect_null(hoist_test_reply_header(reply, "Date"));
        cr_expect_eq(hoist_test_get(t, "/")->status, 200);
        cr_expect_not(was_cancelled);
        hoist_test_free(t);
    }
}

static unsigned went_on;

static int go_on(hoist_req *req, hoist_res *res)
{
    went_on++;
    return look(req, res);
}

static int wait_first(hoist_req *req, hoist_res *res)
{
    (void)res;
    return hoist_later(req, 1, go_on);
}

static int work_first(hoist_req *req, hoist_res *res)
{
    (void)res;
    return hoist_offload(req, go_on);
}

Test(hoist_test, goes_on_later_for_nobody_who_has_left)
{
    hoist_handler *const handlers[] = {wait_first, work_first};

    for (size_t i = 0; i < 2; i++) {
        hoist_test *t = hoist_test_new(&(hoist_route){.path = "/", .handler = handlers[i], .run = HOIST_ASYNC});

        hoist_test_cancel(t);
        cr_expect_eq(hoist_test_get(t, "/")->status, 0);
        cr_expect_eq(went_on, i);
        cr_expect_eq(hoist_test_get(t, "/")->status, 200);
        cr_expect_eq(went_on, i + 1);
        hoist_test_free(t);
    }
}
