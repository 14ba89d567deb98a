#include "hoist_test.h"

#include <criterion/criterion.h>

extern const hoist_route dummy_route;

static hoist_test *t;

static void set_up(void)
{
    t = hoist_test_new(&dummy_route);
}

static void tear_down(void)
{
    hoist_test_free(t);
}

TestSuite(dummy, .init = set_up, .fini = tear_down);

Test(dummy, answers_at_once)
{
    const hoist_test_reply *reply = hoist_test_get(t, "/dummy");

    cr_assert_eq(reply->status, 200);
    cr_assert_str_eq(reply->body, "{\"message\":\"async power\"}");
    cr_assert_str_eq(hoist_test_reply_header(reply, "Content-Type"), "application/json");
}

Test(dummy, answers_head_without_a_body)
{
    const hoist_test_reply *reply = hoist_test_request(t, "HEAD", "/dummy", NULL, 0);

    cr_assert_eq(reply->status, 200);
    cr_assert_eq(reply->body_len, 0);
    cr_assert_str_eq(hoist_test_reply_header(reply, "Content-Length"), "25");
}

Test(dummy, takes_no_other_method)
{
    const hoist_test_reply *reply = hoist_test_post(t, "/dummy", "x", 1);

    cr_assert_eq(reply->status, 405);
    cr_assert_str_eq(hoist_test_reply_header(reply, "Allow"), "GET, HEAD, OPTIONS");
}
