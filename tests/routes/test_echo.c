#include "hoist_test.h"

#include <criterion/criterion.h>
#include <string.h>

extern const hoist_route echo_route;

static hoist_test *t;

static void set_up(void)
{
    t = hoist_test_new(&echo_route);
}

static void tear_down(void)
{
    hoist_test_free(t);
}

TestSuite(echo, .init = set_up, .fini = tear_down);

Test(echo, answers_with_the_bytes_it_got)
{
    const char body[] = "a\0b\xff";
    const hoist_test_reply *reply = hoist_test_post(t, "/echo", body, sizeof(body));

    cr_assert_eq(reply->status, 200);
    cr_assert_eq(reply->body_len, sizeof(body));
    cr_assert_eq(memcmp(reply->body, body, sizeof(body)), 0);
    cr_assert_str_eq(hoist_test_reply_header(reply, "Content-Type"), "application/octet-stream");
}

Test(echo, keeps_the_content_type)
{
    hoist_test_header(t, "Content-Type", "text/csv");

    cr_assert_str_eq(hoist_test_reply_header(hoist_test_post(t, "/echo", "a;b", 3), "content-type"), "text/csv");
}

Test(echo, sends_back_no_type_that_is_none)
{
    static const char *const types[] = {"", "text"};
    char long_one[300] = "text/";

    memset(long_one + 5, 'x', sizeof(long_one) - 6);
    for (size_t i = 0; i < 3; i++) {
        hoist_test_header(t, "Content-Type", i < 2 ? types[i] : long_one);
        cr_expect_str_eq(hoist_test_reply_header(hoist_test_post(t, "/echo", "a", 1), "content-type"),
                         "application/octet-stream");
    }
}

Test(echo, answers_an_empty_body_with_an_empty_one)
{
    const hoist_test_reply *reply = hoist_test_post(t, "/echo", NULL, 0);

    cr_assert_eq(reply->status, 200);
    cr_assert_eq(reply->body_len, 0);
}

Test(echo, refuses_a_body_over_the_limit)
{
    static char body[1024 * 1024 + 1];

    cr_expect_eq(hoist_test_post(t, "/echo", body, sizeof(body) - 1)->status, 200);
    cr_expect_eq(hoist_test_post(t, "/echo", body, sizeof(body))->status, 413);
}
