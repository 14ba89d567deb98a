/* The ring of the latest requests. */
#include "lib/fail_malloc.h"
#include "server/spans.h"

#include <criterion/criterion.h>
#include <errno.h>

enum { SIZE = 8 };

static struct spans s;

static void put(uint64_t from, uint64_t n)
{
    for (uint64_t id = from; id < from + n; id++)
        spans_put(&s, &(struct span){.id = id, .ended_ns = id * 10});
}

Test(spans, keeps_them_by_number)
{
    cr_assert_eq(spans_init(&s, SIZE), 0);
    put(0, 3);

    cr_expect_eq(spans_first(&s), 0);
    cr_expect_eq(s.next, 3);
    cr_expect_eq(spans_at(&s, 2)->id, 2);
    spans_close(&s);
}

Test(spans, forgets_the_oldest)
{
    cr_assert_eq(spans_init(&s, SIZE), 0);
    put(0, SIZE + 3);

    cr_expect_eq(spans_first(&s), 3);
    for (uint64_t n = 3; n < SIZE + 3; n++)
        cr_expect_eq(spans_at(&s, n)->id, n);
    spans_close(&s);
}

Test(spans, finds_where_a_period_begins)
{
    cr_assert_eq(spans_init(&s, SIZE), 0);
    cr_expect_eq(spans_since(&s, 0), 0);
    put(0, SIZE + 3);

    cr_expect_eq(spans_since(&s, 50), 5);
    cr_expect_eq(spans_since(&s, 51), 6);
    cr_expect_eq(spans_since(&s, 0), 3, "no further back than they are kept");
    cr_expect_eq(spans_since(&s, 1000), SIZE + 3);
    spans_close(&s);
}

Test(spans, finds_it_behind_one_that_ended_long_before_it_was_put)
{
    cr_assert_eq(spans_init(&s, SIZE), 0);
    put(0, 3);
    spans_put(&s, &(struct span){.id = 3, .ended_ns = 1});
    put(4, 5);

    cr_expect_eq(spans_since(&s, 20), 2);
    cr_expect_eq(spans_since(&s, 40), 4);
    spans_close(&s);
}

Test(spans, without_memory_none_are_kept)
{
    fail_malloc_at(1);
    cr_expect_eq(spans_init(&s, SIZE), -ENOMEM);
    fail_malloc_at(0);
    put(0, 1);

    cr_expect_eq(s.next, 0);
    spans_close(&s);
}
