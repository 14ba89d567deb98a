/* Deadlines on a real loop: what expires, and in which order; no test looks at a clock. */
#include "hoist.h"
#include "lib/fail_malloc.h"
#include "lib/loop.h"
#include "server/deadlines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Writes the letters of what expires, in order. */
struct fixture {
    uv_loop_t loop;
    struct deadlines deadlines;
    char expired[64];
    size_t n_expired;
    bool is_closed;
};

struct watched {
    char letter;
    struct fixture *fixture;
    struct deadline deadline;
    void (*then)(struct watched *watched); /* may be NULL */
    struct watched *other;
};

static void on_expired(struct deadline *deadline)
{
    struct watched *watched = (struct watched *)((char *)deadline - offsetof(struct watched, deadline));
    struct fixture *f = watched->fixture;

    cr_assert_not(deadline_is_armed(deadline));
    cr_assert_lt(f->n_expired, sizeof(f->expired) - 1);
    f->expired[f->n_expired++] = watched->letter;
    if (watched->then != NULL)
        watched->then(watched);
}

static void on_closed(void *arg)
{
    struct fixture *f = arg;

    f->is_closed = true;
}

static void start(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    cr_assert_eq(uv_loop_init(&f->loop), 0);
    cr_assert_eq(deadlines_init(&f->deadlines, &f->loop), 0);
    cr_assert_eq(deadlines_prepare(&f->deadlines, 1), 0);
    cr_assert_eq(deadlines_prepare(&f->deadlines, 20), 0);
    cr_assert_eq(deadlines_prepare(&f->deadlines, 3600000), 0);
}

static void stop(struct fixture *f)
{
    deadlines_close(&f->deadlines, on_closed, f);
    cr_expect_not(f->is_closed);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    cr_expect(f->is_closed);
    cr_expect_eq(uv_loop_close(&f->loop), 0);
}

static struct watched watch(struct fixture *f, char letter)
{
    return (struct watched){.letter = letter, .fixture = f, .deadline = {.expired = on_expired}};
}

TestSuite(deadlines, .timeout = 60);

/* The timer alone lets the loop end, so something else keeps it. */
static void run_until_expired(struct fixture *f, size_t n)
{
    uv_ref((uv_handle_t *)&f->deadlines.timer);
    LOOP_SPIN_UNTIL(&f->loop, f->n_expired >= n);
    uv_unref((uv_handle_t *)&f->deadlines.timer);
}

Test(deadlines, expire_in_the_order_of_their_time)
{
    struct fixture f;
    struct watched a, b, c;

    start(&f);
    a = watch(&f, 'a');
    b = watch(&f, 'b');
    c = watch(&f, 'c');
    deadline_arm(&f.deadlines, &a.deadline, 20);
    deadline_arm(&f.deadlines, &b.deadline, 1);
    deadline_arm(&f.deadlines, &c.deadline, 20);
    run_until_expired(&f, 3);

    cr_expect_str_eq(f.expired, "bac");
    stop(&f);
}

Test(deadlines, expire_in_order_without_a_list_of_their_own)
{
    struct fixture f;
    struct watched w[5];
    static const unsigned durations[5] = {40, 10, 30, 10, 50};

    start(&f);
    for (unsigned i = 0; i < 5; i++) {
        w[i] = watch(&f, (char)('a' + i));
        deadline_arm(&f.deadlines, &w[i].deadline, durations[i]);
    }
    run_until_expired(&f, 5);

    cr_expect_str_eq(f.expired, "bdcae");
    stop(&f);
}

Test(deadlines, a_disarmed_one_never_expires)
{
    struct fixture f;
    struct watched a, b, c;

    start(&f);
    a = watch(&f, 'a');
    b = watch(&f, 'b');
    c = watch(&f, 'c');
    deadline_arm(&f.deadlines, &a.deadline, 1);
    deadline_arm(&f.deadlines, &b.deadline, 1);
    deadline_arm(&f.deadlines, &c.deadline, 20);
    deadline_disarm(&a.deadline);
    deadline_disarm(&a.deadline);
    cr_expect_not(deadline_is_armed(&a.deadline));
    run_until_expired(&f, 2);

    cr_expect_str_eq(f.expired, "bc");
    stop(&f);
}

Test(deadlines, one_that_is_armed_again_starts_anew)
{
    struct fixture f;
    struct watched a, b;

    start(&f);
    a = watch(&f, 'a');
    b = watch(&f, 'b');
    deadline_arm(&f.deadlines, &a.deadline, 1);
    deadline_arm(&f.deadlines, &b.deadline, 10);
    deadline_arm(&f.deadlines, &a.deadline, 20);
    run_until_expired(&f, 2);

    cr_expect_str_eq(f.expired, "ba");
    stop(&f);
}

Test(deadlines, no_limit_only_disarms)
{
    struct fixture f;
    struct watched a;

    start(&f);
    a = watch(&f, 'a');
    deadline_arm(&f.deadlines, &a.deadline, 20);
    deadline_arm(&f.deadlines, &a.deadline, HOIST_NO_LIMIT);

    cr_expect_not(deadline_is_armed(&a.deadline));
    cr_expect_eq(deadlines_prepare(&f.deadlines, HOIST_NO_LIMIT), 0);
    stop(&f);
}

Test(deadlines, do_not_keep_the_loop_alive)
{
    struct fixture f;
    struct watched a;

    start(&f);
    a = watch(&f, 'a');
    deadline_arm(&f.deadlines, &a.deadline, 3600000);

    cr_expect_eq(uv_run(&f.loop, UV_RUN_DEFAULT), 0);

    deadline_disarm(&a.deadline);
    stop(&f);
}

Test(deadlines, an_earlier_one_is_not_kept_waiting_by_a_later_one)
{
    struct fixture f;
    struct watched a, b;

    start(&f);
    a = watch(&f, 'a');
    b = watch(&f, 'b');
    deadline_arm(&f.deadlines, &a.deadline, 3600000);
    deadline_arm(&f.deadlines, &b.deadline, 20);
    run_until_expired(&f, 1);

    cr_expect_str_eq(f.expired, "b");
    deadline_disarm(&a.deadline);
    stop(&f);
}

Test(deadlines, arming_a_later_one_leaves_the_timer_alone)
{
    struct fixture f;
    struct watched a, b;
    uint64_t start_id;

    start(&f);
    a = watch(&f, 'a');
    b = watch(&f, 'b');
    deadline_arm(&f.deadlines, &a.deadline, 1);
    start_id = f.deadlines.timer.start_id; /* libuv counts its calls of uv_timer_start() */

    deadline_arm(&f.deadlines, &b.deadline, 20);

    cr_expect_eq(f.deadlines.timer.start_id, start_id);
    run_until_expired(&f, 2);
    cr_expect_str_eq(f.expired, "ab");
    stop(&f);
}

/* Longer than what counts as late. */
static void hold(uv_idle_t *idle)
{
    (void)idle;
    uv_sleep(70);
}

/* Whatever is armed is late from the first turn on, and in each: how fast the machine is does not matter. */
static void hold_each_turn(struct fixture *f, uv_idle_t *idle, uv_idle_cb in_turn)
{
    uv_idle_init(&f->loop, idle);
    uv_idle_start(idle, in_turn);
    hold(idle);
}

Test(deadlines, a_loop_that_is_always_late_puts_them_off_only_once)
{
    struct fixture f;
    struct watched a;
    uv_idle_t idle;

    start(&f);
    a = watch(&f, 'a');
    deadline_arm(&f.deadlines, &a.deadline, 1);
    hold_each_turn(&f, &idle, hold);
    uv_run(&f.loop, UV_RUN_NOWAIT);
    cr_expect_str_eq(f.expired, "");
    uv_run(&f.loop, UV_RUN_NOWAIT);

    cr_expect_str_eq(f.expired, "a");
    deadline_disarm(&a.deadline);
    uv_close((uv_handle_t *)&idle, NULL);
    stop(&f);
}

static struct watched *newcomer;

static void arm_newcomer_and_hold(uv_idle_t *idle)
{
    if (newcomer->fixture->n_expired == 0 && newcomer->fixture->deadlines.last_ms != 0)
        deadline_arm(&newcomer->fixture->deadlines, &newcomer->deadline, 20);
    hold(idle);
}

/* Nothing of its client was read yet: the loop is held behind the accept, in the turn to which others are put off. */
Test(deadlines, one_that_is_armed_while_others_are_put_off_is_put_off_as_well)
{
    struct fixture f;
    struct watched a, b;
    uv_idle_t idle;

    start(&f);
    a = watch(&f, 'a');
    b = watch(&f, 'b');
    newcomer = &b;
    deadline_arm(&f.deadlines, &a.deadline, 1);
    hold_each_turn(&f, &idle, arm_newcomer_and_hold);
    uv_run(&f.loop, UV_RUN_NOWAIT); /* a is put off */
    uv_run(&f.loop, UV_RUN_NOWAIT);
    cr_expect_str_eq(f.expired, "a");
    uv_run(&f.loop, UV_RUN_NOWAIT);

    cr_expect_str_eq(f.expired, "ab");
    uv_close((uv_handle_t *)&idle, NULL);
    stop(&f);
}

static void arm_again(struct watched *watched)
{
    if (watched->fixture->n_expired < 5)
        deadline_arm(&watched->fixture->deadlines, &watched->deadline, 1);
}

Test(deadlines, one_may_arm_itself_when_it_expires)
{
    struct fixture f;
    struct watched a;

    start(&f);
    a = watch(&f, 'a');
    a.then = arm_again;
    deadline_arm(&f.deadlines, &a.deadline, 1);
    run_until_expired(&f, 5);

    cr_expect_str_eq(f.expired, "aaaaa");
    stop(&f);
}

static void disarm_other(struct watched *watched)
{
    deadline_disarm(&watched->other->deadline);
}

Test(deadlines, one_may_disarm_the_next_when_it_expires)
{
    struct fixture f;
    struct watched a, b, c;

    start(&f);
    a = watch(&f, 'a');
    b = watch(&f, 'b');
    c = watch(&f, 'c');
    a.then = disarm_other;
    a.other = &b;
    deadline_arm(&f.deadlines, &a.deadline, 1);
    deadline_arm(&f.deadlines, &b.deadline, 1);
    deadline_arm(&f.deadlines, &c.deadline, 1);
    run_until_expired(&f, 2);

    cr_expect_str_eq(f.expired, "ac");
    stop(&f);
}

static void free_itself(struct watched *watched)
{
    free(watched);
}

Test(deadlines, one_may_be_freed_when_it_expires)
{
    struct fixture f;
    struct watched *a = malloc(sizeof(*a)), b;

    cr_assert_not_null(a);
    start(&f);
    *a = watch(&f, 'a');
    a->then = free_itself;
    b = watch(&f, 'b');
    deadline_arm(&f.deadlines, &a->deadline, 1);
    deadline_arm(&f.deadlines, &b.deadline, 1);
    run_until_expired(&f, 2);

    cr_expect_str_eq(f.expired, "ab");
    stop(&f);
}

static void close_all(struct watched *watched)
{
    deadlines_close(&watched->fixture->deadlines, on_closed, watched->fixture);
}

Test(deadlines, may_be_closed_by_one_that_expires)
{
    struct fixture f;
    struct watched a;

    start(&f);
    a = watch(&f, 'a');
    a.then = close_all;
    deadline_arm(&f.deadlines, &a.deadline, 1);
    uv_ref((uv_handle_t *)&f.deadlines.timer);
    LOOP_RUN_UNTIL(&f.loop, f.is_closed);

    cr_expect_str_eq(f.expired, "a");
    cr_expect_eq(uv_loop_close(&f.loop), 0);
}

Test(deadlines, a_duration_is_prepared_once)
{
    struct fixture f;

    start(&f);
    fail_malloc_at(1);
    cr_expect_eq(deadlines_prepare(&f.deadlines, 20), 0);
    cr_expect_eq(deadlines_prepare(&f.deadlines, 21), -ENOMEM);
    fail_malloc_at(0);
    cr_expect_eq(deadlines_prepare(&f.deadlines, 21), 0);
    stop(&f);
}

Test(deadlines, arming_needs_no_memory)
{
    struct fixture f;
    struct watched a, b;

    start(&f);
    a = watch(&f, 'a');
    b = watch(&f, 'b');
    fail_malloc_at(1);
    deadline_arm(&f.deadlines, &a.deadline, 20);
    deadline_arm(&f.deadlines, &b.deadline, 10);

    cr_expect_not(fail_malloc_failed());
    fail_malloc_at(0);
    run_until_expired(&f, 2);
    cr_expect_str_eq(f.expired, "ba");
    stop(&f);
}
