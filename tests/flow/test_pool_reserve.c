/* How many threads libuv is told to make, and with which stack: from 1.45 on it gives each 8 MiB. */
#include "pool/pool.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <uv.h>

enum { MIB = 1024 * 1024 };

static rlim_t stack_limit(void)
{
    struct rlimit limit;

    cr_assert_eq(getrlimit(RLIMIT_STACK, &limit), 0);
    return limit.rlim_cur;
}

Test(pool_reserve, the_stack_is_fixed_from_libuv_1_45_on)
{
    cr_expect_eq(pool_stack_is_fixed(), uv_version() >= 0x012d00);
}

Test(pool_reserve, tells_libuv_how_many_threads_to_make)
{
    rlim_t before = stack_limit();

    cr_expect_eq(pool_reserve_threads(12, 0), 0);

    cr_expect_str_eq(getenv("UV_THREADPOOL_SIZE"), "12");
    cr_expect_eq(stack_limit(), before);
}

Test(pool_reserve, sets_the_limit_of_the_stack_where_libuv_goes_by_it)
{
    rlim_t before = stack_limit();

    cr_expect_eq(pool_reserve_threads(12, 256 * 1024), 0);

    cr_expect_str_eq(getenv("UV_THREADPOOL_SIZE"), "12");
    cr_expect_eq(stack_limit(), pool_stack_is_fixed() ? before : 256 * 1024);
}

Test(pool_reserve, more_stack_than_the_hard_limit_is_an_error_where_it_would_be_set)
{
    const struct rlimit limit = {.rlim_cur = MIB, .rlim_max = MIB};

    cr_assert_eq(setrlimit(RLIMIT_STACK, &limit), 0);

    cr_expect_eq(pool_reserve_threads(1, 2 * MIB), pool_stack_is_fixed() ? 0 : -EINVAL);
}

Test(pool_reserve, more_stack_than_libuv_gives_is_an_error_where_it_goes_by_no_limit)
{
    const struct rlimit limit = {.rlim_cur = 8 * MIB, .rlim_max = 16 * MIB};

    cr_assert_eq(setrlimit(RLIMIT_STACK, &limit), 0);

    cr_expect_eq(pool_reserve_threads(1, 9 * MIB), pool_stack_is_fixed() ? -ENOTSUP : 0);
    cr_expect_eq(stack_limit(), pool_stack_is_fixed() ? 8 * MIB : 9 * MIB);
}
