/* An exchange is used again for the next request: what went wrong with the one before is not told of that. */
#include "lib/app_fixture.h"
#include "lib/errors.h"

#include <string.h>

static struct app_fixture f;
static struct peer p;

static int pass_over_a_failed_reply(hoist_req *req, hoist_res *res)
{
    (void)req;
    (void)hoist_reply_text(res, 200, NULL);
    return 0;
}

static int reply_never(hoist_req *req, hoist_res *res)
{
    (void)req;
    (void)res;
    return 0;
}

/* Both return one errno; the first is logged as it happens, the second when the handler has returned. */
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

/* Two of them are more than a reply may have. */
static int set_long_field(hoist_req *req, hoist_res *res)
{
    char value[5 * 1024 + 1] = "";

    (void)req;
    memset(value, 'v', sizeof(value) - 1);
    cr_expect_eq(hoist_res_header(res, "X-Long", value), 0);
    return hoist_reply_text(res, 200, "long");
}

static const hoist_route routes[] = {
    {.path = "/failed-reply", .handler = pass_over_a_failed_reply},
    {.path = "/long-field", .handler = set_long_field},
    {.path = "/never", .handler = reply_never},
    {.path = "/oddly", .handler = reply_oddly},
    {.path = "/our-field", .handler = set_our_field},
};

static void open_app(void)
{
    errors_catch();
    app_fixture_serve(&f, &(hoist_config){.workers = 1}, routes, sizeof(routes) / sizeof(routes[0]));
}

static void close_app(void)
{
    app_fixture_close(&f);
    errors_release();
}

TestSuite(reused_exchange, .init = open_app, .fini = close_app, .timeout = 30);

static void ask_for(const char *target, int status)
{
    peer_open(&p, &f);
    peer_get(&p, target);
    cr_expect_eq(peer_answer(&p, 0)->status, status);
    peer_close(&p);
}

static void ask(const char *target)
{
    ask_for(target, 500);
}

Test(reused_exchange, does_not_answer_with_the_reason_of_the_request_before)
{
    ask("/failed-reply");
    ask("/never");

    cr_expect(answer_says(&p.answer, "the handler gave no reply"), "%.*s", (int)p.answer.body_len, p.answer.body);
    cr_expect_eq(errors_count("/never: its handler returned 0 without a reply\n"), 1, "%s", errors_text());
}

Test(reused_exchange, logs_an_errno_that_was_logged_of_the_request_before)
{
    ask("/oddly");
    ask("/our-field");

    cr_expect_eq(errors_count("/our-field: its handler failed: "), 1, "%s", errors_text());
}

Test(reused_exchange, has_room_for_header_fields_as_the_request_before_had)
{
    char value[8 * 1024];

    for (unsigned i = 0; i < 2; i++) {
        ask_for("/long-field", 200);
        cr_expect_not_null(answer_field(&p.answer, "X-Long", value, sizeof(value)), "answer %u lacks it", i);
    }
}
