#include "hoist_test.h"

#include <criterion/criterion.h>

extern const hoist_route load_route, slow_route;

Test(embed, answers_from_the_loops_own_data)
{
    hoist_test *t = hoist_test_new(&load_route);
    const hoist_test_reply *reply = hoist_test_get(t, "/load");

    cr_expect_eq(reply->status, 200);
    cr_expect_str_eq(reply->body, "{\"load\":0.00,\"samples\":0}");
    hoist_test_free(t);
}

Test(embed, reads_the_loops_data_on_the_loop_and_blocks_elsewhere)
{
    cr_assert_eq(load_route.run, HOIST_INLINE);
    cr_assert_eq(slow_route.run, HOIST_OFFLOAD);
}

Test(embed, takes_no_other_method)
{
    hoist_test *t = hoist_test_new(&load_route);

    cr_expect_eq(hoist_test_post(t, "/load", "x", 1)->status, 405);
    hoist_test_free(t);
}
