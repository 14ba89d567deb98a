#include "hoist_test.h"
#include "routes/heavy.h"

#include <criterion/criterion.h>

extern const hoist_route root_route;

static hoist_test *t;

static void set_up(void)
{
    heavy_ms = 1;
    t = hoist_test_new(&root_route);
}

static void tear_down(void)
{
    hoist_test_free(t);
}

TestSuite(root, .init = set_up, .fini = tear_down);

Test(root, answers_when_the_work_is_done)
{
    const hoist_test_reply *reply = hoist_test_get(t, "/");

    cr_assert_eq(reply->status, 200);
    cr_assert_str_eq(reply->body, "{\"message\":\"done\"}");
}

Test(root, runs_on_a_worker_and_is_never_timed_out)
{
    cr_assert_eq(root_route.run, HOIST_OFFLOAD);
    cr_assert_eq(root_route.timeout_ms, HOIST_NO_LIMIT);
}
