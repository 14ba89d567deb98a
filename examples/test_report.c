#include "hoist_test.h"

#include <criterion/criterion.h>

extern const hoist_route report_route;

static hoist_test *t;

static void set_up(void)
{
    t = hoist_test_new(&report_route);
}

static void tear_down(void)
{
    hoist_test_free(t);
}

TestSuite(report, .init = set_up, .fini = tear_down);

Test(report, answers_with_what_the_old_code_prints)
{
    const hoist_test_reply *reply = hoist_test_get(t, "/report/2024/2");

    cr_assert_eq(reply->status, 200);
    cr_assert_str_eq(hoist_test_reply_header(reply, "Content-Type"), "text/plain; charset=utf-8");
    cr_assert_str_eq(reply->body, "      2024-02\n"
                                  "Mo Tu We Th Fr Sa Su\n"
                                  "          1  2  3  4\n"
                                  " 5  6  7  8  9 10 11\n"
                                  "12 13 14 15 16 17 18\n"
                                  "19 20 21 22 23 24 25\n"
                                  "26 27 28 29\n");
}

Test(report, refuses_what_is_no_month)
{
    static const char *const targets[] = {"/report/2024/0", "/report/2024/13", "/report/2024/May", "/report/1582/1",
                                          "/report/10000/1"};

    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
        cr_expect_eq(hoist_test_get(t, targets[i])->status, 400, "%s", targets[i]);
}

Test(report, is_bounded_by_max_reply)
{
    hoist_route route = report_route;
    hoist_test *small;

    route.max_reply = 100;
    small = hoist_test_new(&route);
    cr_expect_eq(hoist_test_get(small, "/report/2024/2")->status, 500);
    hoist_test_free(small);
}
