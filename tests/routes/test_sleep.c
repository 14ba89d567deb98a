#include "hoist_test.h"

#include <criterion/criterion.h>

extern const hoist_route sleep_route;

static hoist_test *t;

static void set_up(void)
{
    t = hoist_test_new(&sleep_route);
}

static void tear_down(void)
{
    hoist_test_free(t);
}

TestSuite(sleep, .init = set_up, .fini = tear_down);

Test(sleep, says_how_long_it_slept)
{
    const hoist_test_reply *reply = hoist_test_get(t, "/sleep/1");

    cr_assert_eq(reply->status, 200);
    cr_assert_str_eq(reply->body, "{\"slept_ms\":1}");
}

Test(sleep, names_what_is_wrong_with_the_number)
{
    static const struct {
        const char *target, *error;
    } rows[] = {
        {"/sleep/soon", "{\"error\":\"ms: 'soon' is not a number from 0 to 3600000\"}"},
        {"/sleep/-1", "{\"error\":\"ms: '-1' is not a number from 0 to 3600000\"}"},
        {"/sleep/3600001", "{\"error\":\"ms: '3600001' is not a number from 0 to 3600000\"}"},
        {"/sleep/+1", "{\"error\":\"ms: '+1' is not a number from 0 to 3600000\"}"},
        {"/sleep/%201", "{\"error\":\"ms: ' 1' is not a number from 0 to 3600000\"}"},
        {"/sleep/1e3", "{\"error\":\"ms: '1e3' is not a number from 0 to 3600000\"}"},
        {"/sleep/99999999999999999999", "{\"error\":\"ms: '99999999999999999999' is not a number from 0 to 3600000\"}"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const hoist_test_reply *reply = hoist_test_get(t, rows[i].target);

        cr_expect_eq(reply->status, 400, "%s", rows[i].target);
        cr_expect_str_eq(reply->body, rows[i].error, "%s", rows[i].target);
    }
}

/* Were the flag not looked at, this would run into the time limit of the test. */
Test(sleep, ends_early_when_nobody_waits)
{
    hoist_test_cancel(t);

    cr_assert_eq(hoist_test_get(t, "/sleep/3600000")->status, 0);
}
