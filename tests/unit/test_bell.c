/* The bell: whatever was done before a ring, the loop hears of it. */
#include "pool/bell.h"

#include "lib/loop.h"

#include <sched.h>

enum { RINGS = 100 * 1000 };

static uv_loop_t loop;
static struct bell bell;
static unsigned heard_calls, rings_in_call; /* rung by heard() itself, in the call of that number */

static atomic_uint done, heard_of; /* by the thread that rings, and by the loop */

static void open_bell(void (*heard)(void *arg))
{
    cr_assert_eq(uv_loop_init(&loop), 0);
    cr_assert_eq(bell_init(&bell), 0);
    bell_hang(&bell, &loop, heard, NULL);
    uv_ref((uv_handle_t *)&bell.poll); /* there is nothing else that keeps the loop alive */
}

static void close_bell(void)
{
    bell_close(&bell, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    cr_expect_eq(uv_loop_close(&loop), 0);
}

static void ring_within(void *arg)
{
    (void)arg;
    if (++heard_calls == rings_in_call)
        bell_ring(&bell);
}

Test(bell, a_ring_while_it_is_heard_is_heard_behind_it)
{
    for (rings_in_call = 1; rings_in_call <= 4; rings_in_call++) {
        heard_calls = 0;
        open_bell(ring_within);
        for (unsigned rings = 1; heard_calls < rings_in_call; rings++) {
            cr_assert_leq(rings, rings_in_call);
            bell_ring(&bell);
            uv_run(&loop, UV_RUN_NOWAIT);
        }
        uv_run(&loop, UV_RUN_NOWAIT);
        cr_expect_gt(heard_calls, rings_in_call, "rung in call %u", rings_in_call);
        close_bell();
    }
}

/* It does the next thing as soon as the loop has heard of the last one: while the loop is still at it. */
static void ring_again_and_again(void *arg)
{
    (void)arg;
    for (unsigned i = 1; i <= RINGS; i++) {
        atomic_store(&done, i);
        bell_ring(&bell);
        while (atomic_load(&heard_of) < i)
            sched_yield();
    }
}

static void hear(void *arg)
{
    (void)arg;
    atomic_store(&heard_of, atomic_load(&done));
}

/* When one is lost, both wait for ever. */
Test(bell, no_ring_of_another_thread_is_lost, .timeout = 30)
{
    uv_thread_t ringer;

    open_bell(hear);
    cr_assert_eq(uv_thread_create(&ringer, ring_again_and_again, NULL), 0);
    while (atomic_load(&heard_of) < RINGS)
        uv_run(&loop, UV_RUN_ONCE);
    uv_thread_join(&ringer);
    close_bell();
}
