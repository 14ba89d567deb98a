/* Jobs, lanes and workers: who runs what, how many at once, and in which order. */
#include "lib/pool_fixture.h"
#include "pool/worker.h"

#include <errno.h>

static struct fixture f;

/* Runs `jobs` jobs and counts how many times the workers come back to the gate together. */
static unsigned waves(unsigned workers, unsigned jobs)
{
    unsigned n = 0, gone = 0;

    fixture_start(&f, workers);
    fixture_submit(&f, &f.lane, 0, jobs);
    while (gone < jobs) {
        gate_run_until_inside(&f.gate, workers < jobs - gone ? workers : jobs - gone);
        gone += gate_inside(&f.gate);
        gate_let_go(&f.gate, gone);
        fixture_run_until_done(&f, gone);
        n++;
    }
    cr_expect_eq(f.gate.inside_max, workers);
    fixture_close(&f);
    return n;
}

Test(pool, eight_jobs_take_eight_turns_on_one_worker, .timeout = 30)
{
    cr_expect_eq(waves(1, 8), 8);
}

Test(pool, eight_jobs_take_one_turn_on_eight_workers, .timeout = 30)
{
    cr_expect_eq(waves(8, 8), 1);
}

Test(pool, as_many_jobs_run_at_once_as_there_are_workers, .timeout = 30)
{
    static const unsigned workers[] = {1, 2, 8, 64};
    size_t i;

    pool_reserve_threads(64, 0);
    fixture_open(&f);
    for (i = 0; i < sizeof workers / sizeof workers[0]; i++) {
        struct pool_options options = {.workers = workers[i], .workers_max = 64};
        unsigned done = f.done_calls;

        f.gate.came = f.gate.let_go = f.gate.inside_max = 0;
        fixture_start_as(&f, &options);
        fixture_submit(&f, &f.lane, 0, 100);
        gate_run_until_inside(&f.gate, workers[i]);
        gate_let_all_go(&f.gate);
        fixture_run_until_done(&f, done + 100);
        cr_expect_leq(f.gate.inside_max, workers[i]);
        fixture_stop(&f);
    }
    fixture_close(&f);
}

Test(pool, a_thousand_and_twenty_four_jobs_run_at_once, .timeout = 30)
{
    if (sizeof(void *) < 8)
        cr_skip_test("their stacks need more addresses than there are");
    cr_expect_eq(waves(1024, 1024), 1);
}

Test(pool, every_job_runs_once_and_is_done_once, .timeout = 30)
{
    unsigned i;

    fixture_start(&f, 4);
    gate_let_all_go(&f.gate);
    fixture_submit(&f, &f.lane, 0, FIXTURE_JOBS);
    fixture_run_until_done(&f, FIXTURE_JOBS);

    for (i = 0; i < FIXTURE_JOBS; i++) {
        cr_assert_eq(f.jobs[i].work_calls, 1);
        cr_assert_eq(f.jobs[i].done_calls, 1);
    }
    fixture_close(&f);
}

Test(pool, jobs_that_workers_take_by_themselves_are_done_before_the_last_ends, .timeout = 30)
{
    fixture_start(&f, 1);
    gate_let_go(&f.gate, 3);
    fixture_submit(&f, &f.lane, 0, 4);

    fixture_run_until_done(&f, 3);

    gate_run_until_inside(&f.gate, 1);
    fixture_close(&f);
}

Test(pool, more_workers_take_up_work_at_once, .timeout = 30)
{
    struct pool_options options = {.workers = 1, .workers_max = 8};

    pool_reserve_threads(8, 0);
    fixture_open(&f);
    fixture_start_as(&f, &options);
    fixture_submit(&f, &f.lane, 0, 8);
    gate_run_until_inside(&f.gate, 1);

    cr_expect_eq(pool_resize(f.pool, 3), 0);
    gate_run_until_inside(&f.gate, 3);
    cr_expect_eq(pool_resize(f.pool, 8), 0);
    gate_run_until_inside(&f.gate, 8);

    cr_expect_eq(f.gate.inside_max, 8);
    fixture_close(&f);
}

Test(pool, fewer_workers_take_no_more_than_they_may, .timeout = 30)
{
    fixture_start(&f, 8);
    fixture_submit(&f, &f.lane, 0, 40);
    gate_run_until_inside(&f.gate, 8);

    cr_expect_eq(pool_resize(f.pool, 2), 0);
    gate_let_go(&f.gate, 8);
    fixture_run_until_done(&f, 8);
    gate_run_until_inside(&f.gate, 2);
    f.gate.inside_max = 0; /* both stand at the gate, and nobody else may come */
    gate_let_all_go(&f.gate);
    fixture_run_until_done(&f, 40);

    cr_expect_leq(f.gate.inside_max, 2);
    fixture_close(&f);
}

Test(pool, a_shrink_strands_no_job_when_a_worker_is_parked, .timeout = 30)
{
    struct pool_figures figures;

    fixture_start(&f, 2);
    fixture_submit(&f, &f.lane, 0, 2);
    gate_run_until_inside(&f.gate, 2);
    gate_let_go(&f.gate, 1);
    fixture_run_until_done(&f, 1);
    pool_resize(f.pool, 1);
    fixture_submit(&f, &f.lane, 2, 1);

    gate_let_all_go(&f.gate);
    fixture_run_until_done(&f, 3);

    pool_figures(f.pool, &figures);
    cr_expect_eq(figures.workers, 1);
    cr_expect_eq(figures.waiting, 0);
    fixture_close(&f);
}

static unsigned parked(void)
{
    struct pool_figures figures;

    pool_figures(f.pool, &figures);
    return figures.parked;
}

/* Else it would leave, and the job would wait until the loop has called the parked one. */
Test(pool, after_a_shrink_the_worker_at_work_takes_the_next_job_while_another_is_parked, .timeout = 30)
{
    fixture_start(&f, 2);
    fixture_submit(&f, &f.lane, 0, 2);
    gate_run_until_inside(&f.gate, 2);
    uv_timer_stop(&f.pool->sweep); /* would send the parked one home */
    gate_let_go(&f.gate, 1);
    fixture_run_until_done(&f, 1);
    LOOP_SPIN_UNTIL(&f.loop, parked() == 1); /* nobody tells the loop */
    pool_resize(f.pool, 1);
    fixture_submit(&f, &f.lane, 2, 1);

    gate_let_all_go(&f.gate);
    fixture_run_until_done(&f, 3);

    cr_expect_eq(f.jobs[2].job.seat, f.jobs[f.gate.order[1]].job.seat);
    fixture_close(&f);
}

Test(pool, seats_that_a_shrink_has_closed_are_not_offered_when_they_are_left, .timeout = 30)
{
    fixture_start(&f, 2);
    fixture_submit(&f, &f.lane, 0, 2);
    gate_run_until_inside(&f.gate, 2);
    pool_resize(f.pool, 1);

    gate_let_all_go(&f.gate);
    uv_run(&f.loop, UV_RUN_DEFAULT); /* until all have gone home */

    cr_expect(f.pool->seats[1].is_free);
    cr_expect_eq(f.pool->free_below_limit, 1);
    fixture_close(&f);
}

Test(pool, a_full_lane_refuses_a_job_while_more_run_than_may, .timeout = 30)
{
    struct pool_lane lane;

    fixture_start(&f, 2);
    pool_lane_init(f.pool, &lane, 1, 0);
    fixture_submit(&f, &lane, 0, 2);
    gate_run_until_inside(&f.gate, 2);
    pool_resize(f.pool, 1);
    fixture_submit(&f, &lane, 2, 1);

    cr_expect_eq(pool_submit(f.pool, &lane, &f.jobs[3].job), -EBUSY);

    gate_let_all_go(&f.gate);
    fixture_run_until_done(&f, 3);
    fixture_close(&f);
}

Test(pool, a_resize_stays_within_its_bounds, .timeout = 30)
{
    fixture_start(&f, 2);

    cr_expect_eq(pool_resize(f.pool, 0), -EINVAL);
    cr_expect_eq(pool_resize(f.pool, 3), -EINVAL);
    fixture_close(&f);
}

Test(pool, a_full_lane_refuses_a_job_at_once, .timeout = 30)
{
    struct pool_lane lane;

    fixture_start(&f, 1);
    pool_lane_init(f.pool, &lane, 2, 0);
    fixture_submit(&f, &lane, 0, 1);
    gate_run_until_inside(&f.gate, 1);
    fixture_submit(&f, &lane, 1, 2);

    cr_expect_eq(pool_submit(f.pool, &lane, &f.jobs[3].job), -EBUSY);
    cr_expect_eq(lane_waiting(&lane), 2);

    gate_let_all_go(&f.gate);
    fixture_run_until_done(&f, 3);
    cr_expect_eq(f.jobs[3].work_calls, 0);
    fixture_close(&f);
}

Test(pool, idle_workers_leave_a_lane_its_whole_room, .timeout = 30)
{
    struct pool_lane lane;

    fixture_start(&f, 8);
    pool_lane_init(f.pool, &lane, 1, 0);

    fixture_submit(&f, &lane, 0, 9);
    cr_expect_eq(pool_submit(f.pool, &lane, &f.jobs[9].job), -EBUSY);

    gate_let_all_go(&f.gate);
    fixture_run_until_done(&f, 9);
    fixture_close(&f);
}

Test(pool, a_cancelled_job_never_runs, .timeout = 30)
{
    fixture_start(&f, 1);
    fixture_submit(&f, &f.lane, 0, 1);
    gate_run_until_inside(&f.gate, 1);
    fixture_submit(&f, &f.lane, 1, 2);

    cr_expect_eq(pool_cancel(f.pool, &f.jobs[1].job), 0);

    gate_let_all_go(&f.gate);
    fixture_run_until_done(&f, 2);
    cr_expect_eq(f.jobs[1].work_calls, 0);
    cr_expect_eq(f.jobs[1].done_calls, 0);
    cr_expect_eq(f.jobs[2].done_calls, 1);
    fixture_close(&f);
}

Test(pool, a_job_cancelled_before_a_worker_comes_never_runs, .timeout = 30)
{
    fixture_start(&f, 1);
    fixture_submit(&f, &f.lane, 0, 1);

    cr_expect_eq(pool_cancel(f.pool, &f.jobs[0].job), 0);

    uv_run(&f.loop, UV_RUN_DEFAULT);
    cr_expect_eq(f.jobs[0].work_calls, 0);
    fixture_close(&f);
}

Test(pool, a_running_job_cannot_be_cancelled, .timeout = 30)
{
    fixture_start(&f, 1);
    fixture_submit(&f, &f.lane, 0, 1);
    gate_run_until_inside(&f.gate, 1);

    cr_expect_eq(pool_cancel(f.pool, &f.jobs[0].job), -EBUSY);

    gate_let_all_go(&f.gate);
    fixture_run_until_done(&f, 1);
    fixture_close(&f);
}

Test(pool, a_serial_lane_never_runs_two_jobs_at_once, .timeout = 30)
{
    struct pool_lane lane;

    fixture_start(&f, 8);
    pool_lane_init(f.pool, &lane, 500, 1);
    gate_let_all_go(&f.gate);
    fixture_submit(&f, &lane, 0, 500);
    fixture_run_until_done(&f, 500);

    cr_expect_eq(f.gate.inside_max, 1);
    fixture_close(&f);
}

Test(pool, a_serial_lane_leaves_the_other_workers_to_others, .timeout = 30)
{
    struct pool_lane lane;

    fixture_start(&f, 3);
    pool_lane_init(f.pool, &lane, 8, 1);
    fixture_submit(&f, &lane, 0, 8);
    gate_run_until_inside(&f.gate, 1);
    fixture_submit(&f, &f.lane, 8, 2);

    gate_run_until_inside(&f.gate, 3);

    cr_expect_eq(f.jobs[1].work_calls, 0);
    gate_let_all_go(&f.gate);
    fixture_run_until_done(&f, 10);
    fixture_close(&f);
}

Test(pool, lanes_take_turns, .timeout = 30)
{
    static const unsigned order[] = {0, 10, 1, 11, 2, 3};
    struct pool_lane other;
    size_t i;

    fixture_start(&f, 1);
    pool_lane_init(f.pool, &other, 8, 0);
    fixture_submit(&f, &f.lane, 0, 4);
    fixture_submit(&f, &other, 10, 2);
    gate_let_all_go(&f.gate);
    fixture_run_until_done(&f, 6);

    for (i = 0; i < sizeof order / sizeof order[0]; i++)
        cr_expect_eq(f.gate.order[i], order[i], "place %zu", i);
    fixture_close(&f);
}

Test(pool, a_worker_takes_the_lowest_free_seat, .timeout = 30)
{
    unsigned left;

    fixture_start(&f, 4);
    fixture_submit(&f, &f.lane, 0, 3);
    gate_run_until_inside(&f.gate, 3);
    gate_let_go(&f.gate, 1);
    fixture_run_until_done(&f, 1);
    left = f.jobs[f.gate.order[0]].job.seat;
    LOOP_RUN_UNTIL(&f.loop, f.pool->seats[left].is_free);
    fixture_submit(&f, &f.lane, 3, 1);
    gate_run_until_inside(&f.gate, 3);

    cr_expect_lt(left, 3);
    cr_expect_eq(f.jobs[3].job.seat, left);
    fixture_close(&f);
}

Test(pool, a_job_knows_when_it_was_submitted_started_and_finished, .timeout = 30)
{
    const struct pool_job *job = &f.jobs[0].job;
    uint64_t before = uv_hrtime();

    fixture_start(&f, 1);
    fixture_submit(&f, &f.lane, 0, 1);
    gate_let_all_go(&f.gate);
    fixture_run_until_done(&f, 1);

    cr_expect_leq(before, job->submitted_ns);
    cr_expect_leq(job->submitted_ns, job->started_ns);
    cr_expect_leq(job->started_ns, job->finished_ns);
    cr_expect_leq(job->finished_ns, uv_hrtime());
    fixture_close(&f);
}

Test(pool, a_job_that_waits_again_has_not_started, .timeout = 30)
{
    struct pool_job seen;

    fixture_start(&f, 1);
    fixture_submit(&f, &f.lane, 0, 1);
    gate_let_go(&f.gate, 1);
    fixture_run_until_done(&f, 1);
    fixture_submit(&f, &f.lane, 1, 1);
    fixture_submit(&f, &f.lane, 0, 1);
    gate_run_until_inside(&f.gate, 1);

    pool_job_look(f.pool, &f.jobs[0].job, &seen);

    cr_expect_eq(seen.state, POOL_JOB_WAITING);
    cr_expect_eq(seen.started_ns, 0, "that was before");
    gate_let_all_go(&f.gate);
    fixture_run_until_done(&f, 3);
    fixture_close(&f);
}

Test(pool, its_figures_are_those_of_the_moment, .timeout = 30)
{
    struct pool_figures figures;

    fixture_start(&f, 2);
    fixture_submit(&f, &f.lane, 0, 5);
    gate_run_until_inside(&f.gate, 2);

    pool_figures(f.pool, &figures);

    cr_expect_eq(figures.workers, 2);
    cr_expect_eq(figures.workers_max, 2);
    cr_expect_eq(figures.threads, 2);
    cr_expect_eq(figures.busy, 2);
    cr_expect_eq(figures.parked, 0);
    cr_expect_eq(figures.waiting, 3);
    gate_let_all_go(&f.gate);
    fixture_run_until_done(&f, 5);
    fixture_close(&f);
}

static void submit_again(struct pool_job *job)
{
    if (++f.done_calls < 3)
        cr_assert_eq(pool_submit(f.pool, &f.lane, job), 0);
}

Test(pool, a_job_that_is_done_may_be_submitted_at_once, .timeout = 30)
{
    fixture_start(&f, 1);
    gate_let_all_go(&f.gate);
    f.jobs[0].job.done = submit_again;

    fixture_submit(&f, &f.lane, 0, 1);
    fixture_run_until_done(&f, 3);

    cr_expect_eq(f.jobs[0].work_calls, 3);
    fixture_close(&f);
}

static void on_stopped(void *arg)
{
    *(unsigned *)arg = f.done_calls;
}

Test(pool, a_stop_lets_running_jobs_finish_and_takes_no_more, .timeout = 30)
{
    unsigned done_when_stopped = 0;

    fixture_start(&f, 2);
    fixture_submit(&f, &f.lane, 0, 2);
    gate_run_until_inside(&f.gate, 2);
    uv_timer_stop(&f.pool->sweep); /* nobody need wait for it */

    pool_stop(f.pool, on_stopped, &done_when_stopped);
    cr_expect_eq(pool_submit(f.pool, &f.lane, &f.jobs[2].job), -EBUSY);
    gate_let_all_go(&f.gate);
    LOOP_RUN_UNTIL(&f.loop, done_when_stopped > 0);

    cr_expect_eq(done_when_stopped, 2);
    f.pool = NULL;
    fixture_close(&f);
}

static void stop_in_done(struct pool_job *job)
{
    (void)job;
    f.done_calls++;
    pool_stop(f.pool, on_stopped, &f.jobs[0].done_calls);
}

Test(pool, it_may_be_stopped_by_a_job_that_is_done, .timeout = 30)
{
    fixture_start(&f, 2);
    f.jobs[0].job.done = stop_in_done;
    gate_let_all_go(&f.gate);
    fixture_submit(&f, &f.lane, 0, 1);

    LOOP_RUN_UNTIL(&f.loop, f.jobs[0].done_calls == 1);

    f.pool = NULL;
    fixture_close(&f);
}
