/* What requests hold is counted in and out, to the byte. */
#include "lib/fail_malloc.h"
#include "server/arena.h"
#include "server/budget.h"
#include "server/buffer.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>

enum { THREADS = 4, ROUNDS = 10000 };

static struct budget budget;

Test(budget, counts_a_buffers_room_in_and_out)
{
    struct buffer buffer = {.budget = &budget};

    cr_assert_eq(buffer_append(&buffer, "abc", 3, SIZE_MAX), 0);
    cr_expect_eq(budget_used(&budget), buffer.cap);
    cr_assert_eq(buffer_reserve(&buffer, 100000, SIZE_MAX), 0);
    cr_expect_geq(budget_used(&budget), 100003);
    cr_expect_eq(budget_used(&budget), buffer.cap);
    buffer_close(&buffer);

    cr_expect_eq(budget_used(&budget), 0);
}

Test(budget, counts_a_buffer_that_empties_itself_and_is_used_again)
{
    struct buffer buffer = {.budget = &budget};

    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(buffer_append(&buffer, "abc", 3, SIZE_MAX), 0);
        cr_expect_eq(budget_used(&budget), buffer.cap);
        buffer_drop(&buffer, 3);
        cr_expect_eq(budget_used(&budget), 0);
    }
}

Test(budget, counts_nothing_that_a_buffer_did_not_get)
{
    struct buffer buffer = {.budget = &budget};

    cr_expect_eq(buffer_reserve(&buffer, 100, 99), -EFBIG);
    fail_malloc_at(1);
    cr_expect_eq(buffer_reserve(&buffer, 100, SIZE_MAX), -ENOMEM);
    fail_malloc_at(0);
    cr_expect_eq(budget_used(&budget), 0);
    cr_assert_eq(buffer_reserve(&buffer, 100, SIZE_MAX), 0);
    fail_malloc_at(1);
    cr_expect_eq(buffer_reserve(&buffer, 10000, SIZE_MAX), -ENOMEM);
    fail_malloc_at(0);

    cr_expect_eq(budget_used(&budget), buffer.cap);
    buffer_close(&buffer);
    cr_expect_eq(budget_used(&budget), 0);
}

Test(budget, counts_an_arenas_blocks_and_not_its_first)
{
    char first[256];
    struct arena arena;

    arena_init(&arena, first, sizeof(first), SIZE_MAX);
    arena.budget = &budget;
    cr_assert_not_null(arena_alloc(&arena, 100));
    cr_expect_eq(budget_used(&budget), 0);
    cr_assert_not_null(arena_alloc(&arena, 200)); /* a shared block */
    cr_expect_gt(budget_used(&budget), 200);
    cr_assert_not_null(arena_alloc(&arena, 100000)); /* one of its own */
    cr_expect_gt(budget_used(&budget), 100200);
    arena_reset(&arena);

    cr_expect_eq(budget_used(&budget), 0);
}

Test(budget, counts_nothing_that_an_arena_did_not_get)
{
    char first[64];
    struct arena arena;

    arena_init(&arena, first, sizeof(first), 1000);
    arena.budget = &budget;
    cr_expect_null(arena_alloc(&arena, 2000));
    fail_malloc_at(1);
    cr_expect_null(arena_alloc(&arena, 500));
    fail_malloc_at(0);

    cr_expect_eq(budget_used(&budget), 0);
    arena_reset(&arena);
}

static void *use_arenas(void *arg)
{
    char first[64];
    struct arena arena;

    (void)arg;
    arena_init(&arena, first, sizeof(first), SIZE_MAX);
    arena.budget = &budget;
    for (unsigned i = 0; i < ROUNDS; i++) {
        cr_expect_not_null(arena_alloc(&arena, 1000));
        arena_reset(&arena);
    }
    return NULL;
}

Test(budget, is_exact_when_many_threads_use_it)
{
    pthread_t threads[THREADS];

    for (unsigned i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, use_arenas, NULL), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);

    cr_expect_eq(budget_used(&budget), 0);
}

Test(budget, counts_in_the_one_that_it_is_in_too)
{
    struct budget parts[2] = {{.in = &budget}, {.in = &budget}};

    budget_add(&parts[0], 100);
    budget_add(&parts[1], 30);
    budget_sub(&parts[0], 20);

    cr_expect_eq(budget_used(&parts[0]), 80);
    cr_expect_eq(budget_used(&parts[1]), 30);
    cr_expect_eq(budget_used(&budget), 110);
}
