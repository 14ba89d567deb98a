/* What CPU time a job is charged with: its own, whatever ran before it on the same thread. */
#include "lib/pool_fixture.h"

#include <time.h>

enum { LONG_NS = 20 * 1000 * 1000, SHORT_JOBS = 50, JOBS = 4 * (SHORT_JOBS + 1) };

static struct fixture f;
static uint64_t burned_ns[JOBS]; /* by job, as its own thread saw it */

static uint64_t own_cpu_ns(void)
{
    struct timespec used;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

/* Worker thread. */
static void block(struct pool_job *job)
{
    const struct timespec time = {.tv_nsec = LONG_NS};

    (void)job;
    nanosleep(&time, NULL);
}

/* Worker thread. */
static void burn(struct pool_job *job)
{
    uint64_t *burned = &burned_ns[(struct fixture_job *)job - f.jobs];
    uint64_t begin_ns = own_cpu_ns();

    do
        *burned = own_cpu_ns() - begin_ns;
    while (*burned < LONG_NS);
}

/* Runs short jobs and long ones in turn, and calls check for each of the long ones. */
static void run_long_between_short(void (*work)(struct pool_job *job), void (*check)(unsigned i))
{
    unsigned i;

    fixture_start(&f, 1);
    gate_let_all_go(&f.gate);
    for (i = SHORT_JOBS; i < JOBS; i += SHORT_JOBS + 1)
        f.jobs[i].job.work = work;
    fixture_submit(&f, &f.lane, 0, JOBS);
    LOOP_RUN_UNTIL(&f.loop, f.done_calls == JOBS);
    for (i = SHORT_JOBS; i < JOBS; i += SHORT_JOBS + 1)
        check(i);
    fixture_close(&f);
}

static void expect_little(unsigned i)
{
    const struct pool_job *job = &f.jobs[i].job;

    cr_expect_lt(job->cpu_ns, (job->finished_ns - job->started_ns) / 4, "job %u", i);
}

Test(pool_cpu, a_job_that_blocks_is_charged_little_of_its_time, .timeout = 30)
{
    run_long_between_short(block, expect_little);
}

static void expect_what_it_burned(unsigned i)
{
    const struct pool_job *job = &f.jobs[i].job;

    cr_expect_gt(job->cpu_ns, burned_ns[i] - burned_ns[i] / 10, "job %u", i);
    cr_expect_lt(job->cpu_ns, burned_ns[i] + burned_ns[i] / 10, "job %u", i);
}

Test(pool_cpu, a_job_that_burns_is_charged_what_it_burned, .timeout = 30)
{
    run_long_between_short(burn, expect_what_it_burned);
}
