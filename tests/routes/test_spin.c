#include "hoist_test.h"

#include <criterion/criterion.h>

extern const hoist_route spin_route;

static hoist_test *t;

static void set_up(void)
{
    t = hoist_test_new(&spin_route);
}

static void tear_down(void)
{
    hoist_test_free(t);
}

TestSuite(spin, .init = set_up, .fini = tear_down);

Test(spin, says_how_long_it_burned_the_cpu)
{
    const hoist_test_reply *reply = hoist_test_get(t, "/spin/1");

    cr_assert_eq(reply->status, 200);
    cr_assert_str_eq(reply->body, "{\"spun_ms\":1}");
}

Test(spin, names_what_is_wrong_with_the_number)
{
    static const struct {
        const char *target, *error;
    } rows[] = {
        {"/spin/soon", "{\"error\":\"ms: 'soon' is not a number from 0 to 3600000\"}"},
        {"/spin/3600001", "{\"error\":\"ms: '3600001' is not a number from 0 to 3600000\"}"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const hoist_test_reply *reply = hoist_test_get(t, rows[i].target);

        cr_expect_eq(reply->status, 400, "%s", rows[i].target);
        cr_expect_str_eq(reply->body, rows[i].error, "%s", rows[i].target);
    }
}

/* Were the flag not looked at, this would run into the time limit of the test. */
Test(spin, ends_early_when_nobody_waits)
{
    hoist_test_cancel(t);

    cr_assert_eq(hoist_test_get(t, "/spin/3600000")->status, 0);
}
