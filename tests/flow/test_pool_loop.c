/* The pool and its loop: what keeps it alive, what wakes it, and that no job waits for a worker while it sleeps. */
#include "lib/pool_fixture.h"
#include "pool/worker.h"

#include <sched.h>

static struct fixture f;

Test(pool_loop, an_idle_pool_lets_its_loop_end, .timeout = 30)
{
    fixture_start(&f, 4);
    cr_expect_eq(uv_run(&f.loop, UV_RUN_DEFAULT), 0);

    gate_let_all_go(&f.gate);
    fixture_submit(&f, &f.lane, 0, 8);
    cr_expect_eq(uv_run(&f.loop, UV_RUN_DEFAULT), 0);

    cr_expect_eq(f.done_calls, 8);
    cr_expect_not(uv_has_ref((uv_handle_t *)&f.pool->look));
    cr_expect_not(uv_has_ref((uv_handle_t *)&f.pool->sweep));
    fixture_close(&f);
}

Test(pool_loop, the_sweep_sends_parked_workers_home, .timeout = 30)
{
    struct pool_figures figures;

    fixture_start(&f, 4);
    fixture_submit(&f, &f.lane, 0, 4);
    gate_run_until_inside(&f.gate, 4);
    gate_let_all_go(&f.gate);

    uv_run(&f.loop, UV_RUN_DEFAULT);

    pool_figures(f.pool, &figures);
    cr_expect_eq(figures.parked, 0);
    cr_expect_eq(figures.busy, 0);
    fixture_close(&f);
}

Test(pool_loop, the_sweep_ends_when_all_have_gone_home, .timeout = 30)
{
    fixture_start(&f, 1);
    gate_let_all_go(&f.gate);
    fixture_submit(&f, &f.lane, 0, 1);
    fixture_run_until_done(&f, 1);
    uv_ref((uv_handle_t *)&f.pool->sweep); /* now the loop ends no sooner */

    cr_expect_eq(uv_run(&f.loop, UV_RUN_DEFAULT), 0);
    fixture_close(&f);
}

/* Without the sweep, which would send it home after a while. */
Test(pool_loop, a_parked_worker_is_called_when_work_comes, .timeout = 30)
{
    unsigned i;

    fixture_start(&f, 1);
    gate_let_all_go(&f.gate);
    for (i = 1; i <= 20; i++) {
        fixture_submit(&f, &f.lane, 0, 1);
        fixture_run_until_done(&f, i);
        uv_timer_stop(&f.pool->sweep);
    }
    fixture_close(&f);
}

static void wait_for_leave(uv_work_t *own)
{
    uv_sem_wait(own->data);
}

/* Of two threads one does something else, so that the second worker, once hired, does not come. */
Test(pool_loop, a_parked_worker_is_called_while_a_hired_one_waits_for_a_thread, .timeout = 30)
{
    uv_sem_t leave;
    uv_work_t own = {.data = &leave};
    unsigned i;

    cr_assert_eq(uv_sem_init(&leave, 0), 0);
    fixture_start(&f, 2);
    uv_queue_work(&f.loop, &own, wait_for_leave, NULL);
    gate_let_all_go(&f.gate);
    fixture_submit(&f, &f.lane, 0, 2);
    fixture_run_until_done(&f, 2);
    for (i = 3; i <= 20; i++) {
        uv_timer_stop(&f.pool->sweep);
        fixture_submit(&f, &f.lane, 0, 1);
        fixture_run_until_done(&f, i);
    }
    uv_sem_post(&leave);
    fixture_close(&f);
    uv_sem_destroy(&leave);
}

/* What a thread does for the program until it may leave. */
struct errand {
    uv_work_t work;
    uv_sem_t came, leave;
};

static void run_errand(uv_work_t *work)
{
    struct errand *errand = work->data;

    uv_sem_post(&errand->came);
    uv_sem_wait(&errand->leave);
}

/* Takes one of the pool's threads. */
static void begin_errand(struct errand *errand)
{
    errand->work.data = errand;
    cr_assert_eq(uv_sem_init(&errand->came, 0), 0);
    cr_assert_eq(uv_sem_init(&errand->leave, 0), 0);
    uv_queue_work(&f.loop, &errand->work, run_errand, NULL);
    uv_sem_wait(&errand->came);
}

/* Job 0 of so many before it; it is held. */
static int thread_of_next_run(unsigned runs)
{
    int thread;

    fixture_submit(&f, &f.lane, 0, 1);
    gate_run_until_inside(&f.gate, 1);
    thread = pool_job_thread(f.pool, &f.jobs[0].job);
    gate_let_go(&f.gate, runs + 1);
    fixture_run_until_done(&f, runs + 1);
    return thread;
}

/* Of two threads one does something else, and then the other one. */
Test(pool_loop, a_worker_that_is_hired_again_is_known_by_its_new_thread, .timeout = 30)
{
    struct errand first, second;
    int thread;

    fixture_start(&f, 2);
    begin_errand(&first);
    thread = thread_of_next_run(0);
    cr_expect_gt(thread, 0);
    LOOP_RUN_UNTIL(&f.loop, f.pool->employed == 0); /* sent home */
    begin_errand(&second);
    uv_sem_post(&first.leave);

    cr_expect_neq(thread_of_next_run(1), thread);
    uv_sem_post(&second.leave);
    fixture_close(&f);
}

/* Threads that do something else let no worker come. */
Test(pool_loop, no_worker_is_hired_twice_for_a_job, .timeout = 30)
{
    struct errand errands[4];
    unsigned i;

    fixture_start(&f, 4);
    for (i = 0; i < 4; i++)
        begin_errand(&errands[i]);
    for (i = 0; i < 2; i++) {
        fixture_submit(&f, &f.lane, i, 1);
        uv_run(&f.loop, UV_RUN_NOWAIT);
        cr_expect_eq(f.pool->employed, i + 1);
    }

    for (i = 0; i < 4; i++)
        uv_sem_post(&errands[i].leave);
    gate_let_all_go(&f.gate);
    fixture_run_until_done(&f, 2);
    fixture_close(&f);
}

Test(pool_loop, a_stop_wakes_parked_workers, .timeout = 30)
{
    struct pool_options options = {.workers = 1, .workers_max = 1};
    unsigned i;

    fixture_start(&f, 1);
    for (i = 1; i <= 20; i++) {
        gate_let_all_go(&f.gate);
        fixture_submit(&f, &f.lane, 0, 1);
        fixture_run_until_done(&f, i);
        uv_timer_stop(&f.pool->sweep);
        fixture_stop(&f);
        fixture_start_as(&f, &options);
    }
    fixture_close(&f);
}

static void submit_first(void)
{
    fixture_submit(&f, &f.lane, 0, 1);
}

static void on_timer(uv_timer_t *timer)
{
    (void)timer;
    submit_first();
}

static void on_prepare(uv_prepare_t *prepare)
{
    uv_prepare_stop(prepare);
    submit_first();
}

static void on_check(uv_check_t *check)
{
    uv_check_stop(check);
    submit_first();
}

static void on_hour(uv_timer_t *timer)
{
    (void)timer;
    cr_assert_fail("the loop slept");
}

/* Its poll would sleep for an hour when a submit went unnoticed. Handles that are started before the pool's are called
 * after them, and the other way round. */
static void expect_no_sleep(bool before, bool timer, bool prepare, bool check)
{
    uv_timer_t timer_handle, hour;
    uv_prepare_t prepare_handle;
    uv_check_t check_handle;
    struct pool_options options = {.workers = 1, .workers_max = 1};

    pool_reserve_threads(1, 0);
    fixture_open(&f);
    gate_let_all_go(&f.gate);
    uv_timer_init(&f.loop, &hour);
    uv_timer_start(&hour, on_hour, 3600 * 1000, 0);
    if (!before)
        fixture_start_as(&f, &options);
    uv_timer_init(&f.loop, &timer_handle);
    uv_prepare_init(&f.loop, &prepare_handle);
    uv_check_init(&f.loop, &check_handle);
    if (timer)
        uv_timer_start(&timer_handle, on_timer, 0, 0);
    if (prepare)
        uv_prepare_start(&prepare_handle, on_prepare);
    if (check) {
        uv_check_start(&check_handle, on_check);
        uv_async_send(&f.gate.moved);
    }
    if (before)
        fixture_start_as(&f, &options);

    fixture_run_until_done(&f, 1);

    uv_close((uv_handle_t *)&timer_handle, NULL);
    uv_close((uv_handle_t *)&prepare_handle, NULL);
    uv_close((uv_handle_t *)&check_handle, NULL);
    uv_close((uv_handle_t *)&hour, NULL);
    fixture_close(&f);
}

static void on_async(uv_async_t *async)
{
    uv_close((uv_handle_t *)async, NULL);
    submit_first();
}

Test(pool_loop, a_submit_from_the_poll_is_staffed_in_the_same_turn, .timeout = 30)
{
    uv_async_t async;

    fixture_start(&f, 1);
    uv_async_init(&f.loop, &async, on_async);
    uv_async_send(&async);
    while (f.jobs[0].job.submitted_ns == 0)
        uv_run(&f.loop, UV_RUN_ONCE);
    while (gate_inside(&f.gate) == 0)
        sched_yield();

    gate_let_all_go(&f.gate);
    fixture_run_until_done(&f, 1);
    fixture_close(&f);
}

Test(pool_loop, a_submit_from_a_timer_is_not_slept_through, .timeout = 30)
{
    expect_no_sleep(false, true, false, false);
}

Test(pool_loop, a_submit_from_an_older_prepare_handle_is_not_slept_through, .timeout = 30)
{
    expect_no_sleep(true, false, true, false);
}

Test(pool_loop, a_submit_from_a_younger_prepare_handle_is_not_slept_through, .timeout = 30)
{
    expect_no_sleep(false, false, true, false);
}

Test(pool_loop, a_submit_from_an_older_check_handle_is_not_slept_through, .timeout = 30)
{
    expect_no_sleep(true, false, false, true);
}

Test(pool_loop, a_submit_from_a_younger_check_handle_is_not_slept_through, .timeout = 30)
{
    expect_no_sleep(false, false, false, true);
}
