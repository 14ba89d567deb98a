/* Turning a loop in a test until something is so, with a bound instead of a clock. */
#ifndef TESTS_LIB_LOOP_H
#define TESTS_LIB_LOOP_H

#include <criterion/criterion.h>
#include <uv.h>

/* A turn blocks until there is something to do, so a bound this high is never met by a test that goes well. */
enum { LOOP_TURNS_MAX = 100000 };

/* Fails the test when the loop has nothing left to do, or after LOOP_TURNS_MAX turns, and condition still does not
 * hold. */
#define LOOP_RUN_UNTIL(loop, condition)                                                                                \
    do {                                                                                                               \
        unsigned loop_turns_ = 0;                                                                                      \
        int loop_alive_ = 1;                                                                                           \
        while (!(condition)) {                                                                                         \
            cr_assert(loop_alive_, "the loop has ended before: %s", #condition);                                       \
            cr_assert_lt(loop_turns_, (unsigned)LOOP_TURNS_MAX, "not after %u turns: %s", loop_turns_, #condition);    \
            loop_turns_++;                                                                                             \
            loop_alive_ = uv_run((loop), UV_RUN_ONCE);                                                                 \
        }                                                                                                              \
    } while (0)

/* As LOOP_RUN_UNTIL() for what a timer alone brings about: a turn that calls it would then block for the next one. Only
 * the test's own timeout ends it when the condition never holds. */
#define LOOP_SPIN_UNTIL(loop, condition)                                                                               \
    do {                                                                                                               \
        while (!(condition))                                                                                           \
            uv_run((loop), UV_RUN_NOWAIT);                                                                             \
    } while (0)

#endif
