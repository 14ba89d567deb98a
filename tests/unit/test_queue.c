/* Which job comes next: lanes, the ring, and the count of runnable jobs. */
#include "pool/queue.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

enum { JOBS = 64 };

static struct queue queue;
static struct pool_lane a, b, c;
static struct pool_job jobs[JOBS];

static void push(struct pool_lane *lane, unsigned from, unsigned n)
{
    unsigned i;

    for (i = from; i < from + n; i++)
        cr_assert_eq(queue_push(lane, &jobs[i], 0), 0);
}

/* The number of the next job; JOBS when there is none. */
static unsigned take(void)
{
    struct pool_job *job = queue_take(&queue);

    return job != NULL ? (unsigned)(job - jobs) : JOBS;
}

Test(queue, an_empty_one_has_no_job)
{
    cr_expect_eq(take(), JOBS);
}

Test(queue, a_lane_is_first_in_first_out)
{
    lane_init(&a, &queue, 8, 0);
    push(&a, 0, 3);

    cr_expect_eq(take(), 0);
    cr_expect_eq(take(), 1);
    cr_expect_eq(take(), 2);
    cr_expect_eq(take(), JOBS);
}

Test(queue, a_full_lane_refuses_a_job)
{
    lane_init(&a, &queue, 2, 0);
    push(&a, 0, 2);

    cr_expect_eq(queue_push(&a, &jobs[2], 0), -EBUSY);
    cr_expect_eq(jobs[2].state, POOL_JOB_IDLE);
    cr_expect_eq(queue.waiting, 2);
}

Test(queue, running_jobs_do_not_fill_a_lane)
{
    lane_init(&a, &queue, 1, 0);
    push(&a, 0, 1);
    take();

    cr_expect_eq(queue_push(&a, &jobs[1], 0), 0);
}

Test(queue, jobs_that_idle_workers_will_take_do_not_fill_a_lane)
{
    lane_init(&a, &queue, 1, 0);
    push(&a, 0, 1);

    cr_expect_eq(queue_push(&a, &jobs[1], 2), 0);
    cr_expect_eq(queue_push(&a, &jobs[2], 2), 0);
    cr_expect_eq(queue_push(&a, &jobs[3], 2), -EBUSY);
}

Test(queue, idle_workers_that_other_lanes_need_are_not_counted_on)
{
    lane_init(&a, &queue, 1, 0);
    lane_init(&b, &queue, 8, 0);
    push(&b, 10, 2);
    push(&a, 0, 1);

    cr_expect_eq(queue_push(&a, &jobs[1], 2), -EBUSY);
    cr_expect_eq(queue_push(&a, &jobs[1], 3), 0);
    cr_expect_eq(queue_push(&a, &jobs[2], 3), -EBUSY);
}

Test(queue, a_lane_that_may_not_run_more_counts_on_no_idle_worker)
{
    lane_init(&a, &queue, 1, 1);
    push(&a, 0, 1);
    take();
    push(&a, 1, 1);

    cr_expect_eq(queue_push(&a, &jobs[2], 8), -EBUSY);
}

Test(queue, a_lane_has_a_taker_for_one_more_while_more_workers_idle_than_jobs_wait)
{
    lane_init(&a, &queue, 8, 0);
    push(&a, 0, 2);

    cr_expect(lane_has_taker(&a, 3));
    cr_expect_not(lane_has_taker(&a, 2));
    cr_expect_not(lane_has_taker(&a, 0));
}

Test(queue, lanes_take_turns_however_long_they_are)
{
    static const unsigned order[] = {0, 10, 20, 1, 11, 2, 3, 4};
    size_t i;

    lane_init(&a, &queue, 8, 0);
    lane_init(&b, &queue, 8, 0);
    lane_init(&c, &queue, 8, 0);
    push(&a, 0, 5);
    push(&b, 10, 2);
    push(&c, 20, 1);

    for (i = 0; i < sizeof order / sizeof order[0]; i++)
        cr_expect_eq(take(), order[i], "place %zu", i);
    cr_expect_eq(take(), JOBS);
}

Test(queue, a_lane_that_comes_back_goes_behind_the_others)
{
    lane_init(&a, &queue, 8, 1);
    lane_init(&b, &queue, 8, 0);
    push(&a, 0, 2);
    push(&b, 10, 2);
    take();

    queue_finish(&jobs[0]);

    cr_expect_eq(take(), 10);
    cr_expect_eq(take(), 1);
    cr_expect_eq(take(), 11);
}

Test(queue, a_lane_runs_no_more_than_its_limit)
{
    lane_init(&a, &queue, 8, 2);
    push(&a, 0, 4);

    cr_expect_eq(queue.runnable, 2);
    take();
    take();
    cr_expect_eq(take(), JOBS);

    queue_finish(&jobs[1]);
    cr_expect_eq(queue.runnable, 1);
    cr_expect_eq(take(), 2);
    cr_expect_eq(take(), JOBS);
}

Test(queue, a_job_is_taken_back_from_any_place)
{
    static const unsigned places[] = {0, 1, 2};
    size_t i;

    for (i = 0; i < sizeof places / sizeof places[0]; i++) {
        unsigned n, removed = places[i];

        lane_init(&a, &queue, 8, 0);
        push(&a, 0, 3);
        queue_remove(&jobs[removed]);

        cr_expect_eq(jobs[removed].state, POOL_JOB_IDLE);
        for (n = 0; n < 3; n++) {
            if (n == removed)
                continue;
            cr_expect_eq(take(), n, "without %u", removed);
            queue_finish(&jobs[n]);
            jobs[n].state = POOL_JOB_IDLE;
        }
        cr_expect_eq(take(), JOBS);
    }
}

Test(queue, taking_back_the_last_job_takes_the_lane_out_of_the_round)
{
    lane_init(&a, &queue, 8, 0);
    lane_init(&b, &queue, 8, 0);
    push(&a, 0, 1);
    push(&b, 10, 2);

    queue_remove(&jobs[0]);

    cr_expect_eq(take(), 10);
    cr_expect_eq(take(), 11);
    cr_expect_eq(take(), JOBS);
}

Test(queue, a_job_that_ends_knows_how_many_wait_in_its_lane)
{
    lane_init(&a, &queue, 8, 0);
    lane_init(&b, &queue, 8, 0);
    push(&a, 0, 3);
    push(&b, 10, 1);
    take();

    queue_finish(&jobs[0]);

    cr_expect_eq(jobs[0].behind, 2);
}

/* What the counters must be, counted from the jobs themselves. */
static void expect_counters(const struct pool_lane *const *lanes, size_t n_lanes)
{
    unsigned waiting = 0, running = 0, runnable = 0;
    size_t i, j;

    for (i = 0; i < n_lanes; i++) {
        unsigned in_lane = 0, lane_running = 0, room;

        for (j = 0; j < JOBS; j++) {
            in_lane += jobs[j].lane == lanes[i] && jobs[j].state == POOL_JOB_WAITING;
            lane_running += jobs[j].lane == lanes[i] && jobs[j].state == POOL_JOB_RUNNING;
        }
        cr_assert_leq(lane_running, lanes[i]->max_concurrency);
        cr_assert_leq(in_lane, lanes[i]->max_waiting);
        room = lanes[i]->max_concurrency - lane_running;
        waiting += in_lane;
        running += lane_running;
        runnable += in_lane < room ? in_lane : room;
    }
    cr_assert_eq(queue.waiting, waiting);
    cr_assert_eq(queue.running, running);
    cr_assert_eq(queue.runnable, runnable);
}

Test(queue, its_counters_are_right_after_any_operation)
{
    struct pool_lane *const lanes[] = {&a, &b, &c};
    const struct pool_lane *const seen[] = {&a, &b, &c};
    unsigned short random[3] = {1, 2, 3};
    unsigned i;

    lane_init(&a, &queue, 16, 1);
    lane_init(&b, &queue, 8, 3);
    lane_init(&c, &queue, 32, 0);
    for (i = 0; i < 20000; i++) {
        struct pool_job *job = &jobs[nrand48(random) % JOBS];

        if (job->state == POOL_JOB_IDLE)
            queue_push(lanes[nrand48(random) % 3], job, 0);
        else if (job->state == POOL_JOB_FINISHED)
            job->state = POOL_JOB_IDLE;
        else if (job->state == POOL_JOB_RUNNING)
            queue_finish(job);
        else if (nrand48(random) % 4 == 0)
            queue_remove(job);
        else
            queue_take(&queue);
        expect_counters(seen, 3);
    }
}

/* ---- tallies ---- */

static struct pool_tally tally;

static void expect_tally(unsigned step, uint64_t admitted, uint64_t finished, uint64_t cancelled, unsigned running)
{
    cr_expect_eq(tally.admitted, admitted, "step %u", step);
    cr_expect_eq(tally.finished, finished, "step %u", step);
    cr_expect_eq(tally.cancelled, cancelled, "step %u", step);
    cr_expect_eq(tally.running, running, "step %u", step);
    cr_expect_eq(tally.waiting + tally.running, admitted - finished - cancelled, "step %u", step);
}

Test(queue, a_tally_holds_together_at_every_step)
{
    lane_init(&a, &queue, 3, 0);
    for (unsigned i = 0; i < 5; i++)
        jobs[i].tally = &tally;
    push(&a, 0, 3);
    expect_tally(1, 3, 0, 0, 0);
    queue_push(&a, &jobs[3], 0); /* refused */
    expect_tally(2, 3, 0, 0, 0);
    take();
    expect_tally(3, 3, 0, 0, 1);
    queue_remove(&jobs[2]);
    expect_tally(4, 3, 0, 1, 1);
    push(&a, 4, 1);
    expect_tally(5, 4, 0, 1, 1);
    jobs[0].started_ns = 10;
    jobs[0].finished_ns = 30;
    jobs[0].cpu_ns = 5;
    queue_finish(&jobs[0]);
    expect_tally(6, 4, 1, 1, 0);
    cr_expect_eq(tally.busy_ns, 20);
    cr_expect_eq(tally.cpu_ns, 5);
    take();
    take();
    queue_finish(&jobs[1]);
    queue_finish(&jobs[4]);
    expect_tally(7, 4, 3, 1, 0);
}

Test(queue, counts_only_jobs_that_name_a_tally)
{
    lane_init(&a, &queue, 3, 0);
    jobs[1].tally = &tally;
    push(&a, 0, 2);

    cr_expect_eq(tally.admitted, 1);
    take();
    cr_expect_eq(tally.running, 0);
}
