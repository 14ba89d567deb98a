/* The arena: alignment, its maximum, and what happens when there is no memory. */
#include "lib/fail_malloc.h"
#include "server/arena.h"
#include "server/budget.h"

#include <criterion/criterion.h>
#include <stdalign.h>
#include <stdint.h>
#include <string.h>

static char first[256];

static struct arena arena_of(size_t max)
{
    struct arena arena;

    arena_init(&arena, first, sizeof(first), max);
    return arena;
}

static bool is_in_first(const void *memory)
{
    return (uintptr_t)memory >= (uintptr_t)first && (uintptr_t)memory < (uintptr_t)first + sizeof(first);
}

Test(arena, uses_the_owners_block_before_malloc)
{
    struct arena arena = arena_of(SIZE_MAX);
    char *inside = arena_alloc(&arena, 100), *outside = arena_alloc(&arena, 1000);

    cr_expect(is_in_first(inside));
    cr_assert_not_null(outside);
    cr_expect_not(is_in_first(outside));
    arena_reset(&arena);
}

Test(arena, costs_at_most_a_third_and_64_KiB_more_than_it_hands_out)
{
    for (size_t size = 1000; size < 70000; size += 1000) {
        struct arena arena = arena_of(SIZE_MAX);
        struct budget budget = {0};

        arena.budget = &budget;
        for (size_t i = 0; i < 500; i++) {
            size_t most = arena.used + arena.used / 3 + 64 * 1024 + 64;

            cr_assert_leq(budget_used(&budget), most, "%zu of %zu bytes", i, size);
            cr_assert_not_null(arena_alloc(&arena, i < 200 ? 1000 : size));
        }
        arena_reset(&arena);
    }
}

Test(arena, aligns_for_any_type_even_in_a_crooked_block)
{
    struct arena arena;

    arena_init(&arena, first + 1, sizeof(first) - 1, SIZE_MAX);
    for (size_t size = 0; size < 3000; size += 7) {
        char *memory = arena_alloc(&arena, size);

        cr_assert_not_null(memory);
        cr_assert_eq((uintptr_t)memory % alignof(max_align_t), 0, "size %zu", size);
        memset(memory, 'x', size); /* AddressSanitizer looks on */
    }
    arena_reset(&arena);
}

Test(arena, pieces_do_not_overlap)
{
    struct arena arena = arena_of(SIZE_MAX);
    unsigned char *pieces[500];

    for (size_t i = 0; i < 500; i++) {
        pieces[i] = arena_alloc(&arena, 1 + i * 37 % 5000);
        cr_assert_not_null(pieces[i]);
        memset(pieces[i], (int)(i % 251), 1 + i * 37 % 5000);
    }

    for (size_t i = 0; i < 500; i++)
        for (size_t k = 0; k < 1 + i * 37 % 5000; k++)
            cr_assert_eq(pieces[i][k], i % 251);
    arena_reset(&arena);
}

Test(arena, hands_out_its_maximum_and_no_more)
{
    struct arena arena = arena_of(64 * 1024);

    cr_expect_null(arena_alloc(&arena, 64 * 1024 + 1));
    cr_expect_not_null(arena_alloc(&arena, 32 * 1024));
    cr_expect_not_null(arena_alloc(&arena, 32 * 1024));
    cr_expect_null(arena_alloc(&arena, 1));
    arena_reset(&arena);
}

Test(arena, counts_padding_as_handed_out)
{
    struct arena arena = arena_of(64 * alignof(max_align_t));

    for (size_t i = 0; i < 64; i++)
        cr_expect_not_null(arena_alloc(&arena, 1));
    cr_expect_null(arena_alloc(&arena, 1));
    arena_reset(&arena);
}

Test(arena, a_thousand_small_pieces_take_a_few_mallocs)
{
    struct arena arena = arena_of(SIZE_MAX);

    fail_malloc_at(6); /* 4 + 8 + 16 + 32 + 64 KiB */
    for (size_t i = 0; i < 1000; i++)
        cr_expect_not_null(arena_alloc(&arena, 100));
    cr_expect_not(fail_malloc_failed());
    fail_malloc_at(0);
    arena_reset(&arena);
}

Test(arena, a_maximum_lowered_below_what_is_used_refuses_all)
{
    struct arena arena = arena_of(1000);

    cr_assert_not_null(arena_alloc(&arena, 500));
    arena.max = 100;

    cr_expect_null(arena_alloc(&arena, 1));
    arena_reset(&arena);
}

Test(arena, sizes_near_the_end_of_the_address_space_are_refused)
{
    struct arena arena = arena_of(SIZE_MAX);

    for (size_t less = 0; less < 31; less++) /* what malloc() itself would have to refuse is left out */
        cr_expect_null(arena_alloc(&arena, SIZE_MAX - less));
    cr_expect_null(arena_strndup(&arena, "", SIZE_MAX));
    arena_reset(&arena);
}

Test(arena, is_as_new_after_a_reset)
{
    struct arena arena = arena_of(8192);
    void *before = arena_alloc(&arena, 16);

    cr_assert_not_null(arena_alloc(&arena, 8000));
    arena_reset(&arena);

    cr_expect_eq(arena_alloc(&arena, 16), before);
    cr_expect_not_null(arena_alloc(&arena, 8000));
    arena_reset(&arena);
}

Test(arena, a_large_piece_does_not_waste_the_current_block)
{
    struct arena arena = arena_of(SIZE_MAX);

    cr_assert_not_null(arena_alloc(&arena, 5000));

    cr_expect(is_in_first(arena_alloc(&arena, 16)));
    arena_reset(&arena);
}

Test(arena, copies_text_up_to_its_length)
{
    struct arena arena = arena_of(SIZE_MAX);

    memset(first, 'x', sizeof(first));
    cr_expect_str_eq(arena_strndup(&arena, "hello, world", 5), "hello");
    cr_expect_str_eq(arena_strndup(&arena, "", 0), "");
    arena_reset(&arena);
}

Test(arena, prints_what_does_not_fit_into_the_first_block)
{
    struct arena arena = arena_of(SIZE_MAX);
    const char *text = arena_printf(&arena, "%0500d|%s", 7, "end");

    cr_assert_not_null(text);
    cr_expect_eq(strlen(text), 504);
    cr_expect_str_eq(text + 498, "07|end");
    arena_reset(&arena);
}

Test(arena, prints_nothing_over_its_maximum)
{
    struct arena arena = arena_of(128);

    cr_expect_null(arena_printf(&arena, "%0200d", 7));
    cr_expect_not_null(arena_printf(&arena, "%0100d", 7));
    arena_reset(&arena);
}

Test(arena, survives_each_malloc_that_fails)
{
    bool failed = true;

    for (unsigned n = 1; failed; n++) {
        struct arena arena = arena_of(SIZE_MAX);
        unsigned nulls = 0;

        fail_malloc_at(n);
        for (size_t i = 0; i < 40; i++) {
            nulls += arena_alloc(&arena, 200) == NULL;
            nulls += arena_alloc(&arena, 3000) == NULL;
            nulls += arena_strndup(&arena, "text", 4) == NULL;
            nulls += arena_printf(&arena, "%0300d", 1) == NULL;
        }
        failed = fail_malloc_failed();
        fail_malloc_at(0);

        cr_expect_eq(nulls, failed ? 1 : 0, "malloc number %u", n);
        cr_expect_not_null(arena_alloc(&arena, 3000));
        arena_reset(&arena);
    }
}
