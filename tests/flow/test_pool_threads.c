/* libuv's threads, where the pool leaves something to them or to its caller. */
#include "lib/pool_fixture.h"

#include <sys/resource.h>

static struct fixture f;
static unsigned init_calls;

/* One thread after the other. */
static int count_init(void *data, void **ret_value)
{
    (void)data;
    *ret_value = NULL;
    init_calls++;
    return 0;
}

Test(pool_threads, a_hook_need_not_have_an_end, .timeout = 30)
{
    const struct pool_hook hook = {.name = "counts", .init = count_init};
    struct pool_options options = {.workers = 2, .workers_max = 2, .hooks = &hook, .n_hooks = 1};

    pool_reserve_threads(2, 0);
    fixture_open(&f);
    fixture_start_as(&f, &options);

    cr_expect_eq(f.err, 0, "%s", f.error);
    cr_expect_eq(init_calls, 2);
    fixture_close(&f);
}

Test(pool_threads, reserving_them_without_a_stack_leaves_them_the_usual_one)
{
    struct rlimit before, after;

    getrlimit(RLIMIT_STACK, &before);

    cr_expect_eq(pool_reserve_threads(2, 0), 0);

    getrlimit(RLIMIT_STACK, &after);
    cr_expect_eq(after.rlim_cur, before.rlim_cur);
}
