#include "hoist_test.h"
#include "routes/heavy.h"

#include <criterion/criterion.h>

extern const hoist_route async_route;

static hoist_test *t;

static void set_up(void)
{
    t = hoist_test_new(&async_route);
}

static void tear_down(void)
{
    hoist_test_free(t);
}

TestSuite(async, .init = set_up, .fini = tear_down);

Test(async, waits_heavy_ms_on_the_loops_timer)
{
    const hoist_test_reply *reply;

    heavy_ms = 20000;
    reply = hoist_test_get(t, "/async");

    cr_assert_eq(reply->status, 200);
    cr_assert_str_eq(reply->body, "{\"message\":\"done\"}");
    cr_assert_eq(reply->waited_ms, 20000);
}

Test(async, does_not_answer_a_client_that_left)
{
    hoist_test_cancel(t);

    cr_assert_eq(hoist_test_get(t, "/async")->status, 0);
}
