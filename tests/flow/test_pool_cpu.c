/* What CPU time a job is charged with: its own, whatever ran before it on the same thread. */
#include "lib/pool_fixture.h"
#include "pool/worker.h"

#include <time.h>

enum { LONG_NS = 20 * 1000 * 1000, SHORT_JOBS = 50, JOBS = 4 * (SHORT_JOBS + 1) };
enum { SHORT_NS = 4000, NAP_NS = 500 * 1000, NAPS = 40, RESTS = 10, SHORT_JOBS_BETWEEN_RESTS = 10 };
enum { ELSEWHERE_NS = 1000 * 1000 * 1000, SHORT_WAIT_NS = 60 * 1000, MANY_SHORT_JOBS = 100 };

static struct fixture f;
static uint64_t burned_ns[JOBS]; /* by job, as its own thread saw it */

static uint64_t own_cpu_ns(void)
{
    struct timespec used;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

static void sleep_ns(long ns)
{
    const struct timespec time = {.tv_nsec = ns};

    nanosleep(&time, NULL);
}

/* Worker thread. */
static void block(struct pool_job *job)
{
    (void)job;
    sleep_ns(LONG_NS);
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

/* Worker thread. */
static void burn_shortly(struct pool_job *job)
{
    uint64_t begin_ns = uv_hrtime();

    (void)job;
    while (uv_hrtime() - begin_ns < SHORT_NS)
        continue;
}

/* Worker thread. */
static void nap(struct pool_job *job)
{
    (void)job;
    sleep_ns(NAP_NS);
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

static unsigned parked(void)
{
    struct pool_figures figures;

    pool_figures(f.pool, &figures);
    return figures.parked;
}

static void run_until_parked(void)
{
    /* Nobody tells the loop. The sweep may have sent them home meanwhile. */
    LOOP_SPIN_UNTIL(&f.loop, f.pool->employed == f.pool->parked);
}

static void run_jobs(unsigned from, unsigned n)
{
    const unsigned done_calls = f.done_calls + n;

    fixture_submit(&f, &f.lane, from, n);
    fixture_run_until_done(&f, done_calls);
    run_until_parked();
}

Test(pool_cpu, short_jobs_before_a_rest_are_not_charged_to_the_job_behind_it, .timeout = 30)
{
    const struct pool_job *napped = &f.jobs[SHORT_JOBS_BETWEEN_RESTS].job;
    uint64_t cpu_ns = 0, ns = 0;

    fixture_start(&f, 1);
    for (unsigned i = 0; i < SHORT_JOBS_BETWEEN_RESTS; i++)
        f.jobs[i].job.work = burn_shortly;
    f.jobs[SHORT_JOBS_BETWEEN_RESTS].job.work = nap;
    for (unsigned i = 0; i < NAPS; i++) {
        for (unsigned rest = 0; rest < RESTS; rest++)
            run_jobs(0, SHORT_JOBS_BETWEEN_RESTS);
        run_jobs(SHORT_JOBS_BETWEEN_RESTS, 1);
        cpu_ns += napped->cpu_ns;
        ns += napped->finished_ns - napped->started_ns;
    }

    cr_expect_lt(cpu_ns, ns / 4);
    fixture_close(&f);
}

Test(pool_cpu, what_a_thread_burned_is_not_charged_to_the_worker_hired_next, .timeout = 30)
{
    fixture_start(&f, 1);
    f.jobs[0].job.work = burn;
    f.jobs[1].job.work = block;
    run_jobs(0, 1);
    LOOP_RUN_UNTIL(&f.loop, parked() == 0); /* sent home */
    run_jobs(1, 1);

    expect_little(1);
    fixture_close(&f);
}

/* Worker thread. */
static void burn_elsewhere(struct pool_job *job)
{
    sleep_ns(NAP_NS); /* not so short that nothing is measured */
    job->elsewhere_ns = ELSEWHERE_NS;
}

Test(pool_cpu, what_was_burned_elsewhere_is_not_charged_to_the_next_use_of_a_job, .timeout = 30)
{
    fixture_start(&f, 1);
    f.jobs[0].job.work = burn_elsewhere;
    run_jobs(0, 1);
    cr_expect_geq(f.jobs[0].job.cpu_ns, ELSEWHERE_NS);
    f.jobs[0].job.work = block;
    run_jobs(0, 1);

    expect_little(0);
    fixture_close(&f);
}

static uv_sem_t begun, locked;

/* Worker thread. */
static void end_when_locked(struct pool_job *job)
{
    (void)job;
    uv_sem_post(&begun);
    uv_sem_wait(&locked);
}

/* Between jobs 0 and 1 their worker waits for the pool's lock, for so long or longer. */
static void run_around_a_wait(void (*work)(struct pool_job *job), uint64_t wait_ns)
{
    const unsigned done_calls = f.done_calls + 2;
    uint64_t since_ns;

    f.jobs[0].job.work = end_when_locked;
    f.jobs[1].job.work = work;
    fixture_submit(&f, &f.lane, 0, 2);
    LOOP_SPIN_UNTIL(&f.loop, uv_sem_trywait(&begun) == 0);
    uv_mutex_lock(&f.pool->lock);
    since_ns = uv_hrtime();
    uv_sem_post(&locked);
    while (uv_hrtime() - since_ns < wait_ns)
        continue;
    uv_mutex_unlock(&f.pool->lock);
    fixture_run_until_done(&f, done_calls);
}

static void start_to_wait(void)
{
    cr_assert_eq(uv_sem_init(&begun, 0), 0);
    cr_assert_eq(uv_sem_init(&locked, 0), 0);
    fixture_start(&f, 1);
}

static void close_to_wait(void)
{
    fixture_close(&f);
    uv_sem_destroy(&begun);
    uv_sem_destroy(&locked);
}

Test(pool_cpu, a_wait_between_two_jobs_is_not_taken_off_the_second, .timeout = 30)
{
    start_to_wait();

    run_around_a_wait(burn, 2 * (uint64_t)LONG_NS);

    expect_what_it_burned(1);
    close_to_wait();
}

/* Nor when it has used less than that. */
Test(pool_cpu, a_job_is_not_charged_more_than_its_time_behind_a_short_wait, .timeout = 30)
{
    const struct pool_job *napped = &f.jobs[1].job;

    start_to_wait();
    for (unsigned i = 0; i < NAPS; i++) {
        run_around_a_wait(nap, SHORT_WAIT_NS);
        cr_expect_leq(napped->cpu_ns, napped->finished_ns - napped->started_ns);
    }
    close_to_wait();
}

Test(pool_cpu, short_jobs_without_a_rest_are_not_charged_to_the_job_behind_them, .timeout = 30)
{
    uint64_t cpu_ns = 0;

    fixture_start(&f, 1);
    for (unsigned i = 0; i < MANY_SHORT_JOBS; i++)
        f.jobs[i].job.work = burn_shortly;
    f.jobs[MANY_SHORT_JOBS].job.work = nap;
    for (unsigned i = 0; i < NAPS; i++) {
        run_jobs(0, MANY_SHORT_JOBS + 1);
        cpu_ns += f.jobs[MANY_SHORT_JOBS].job.cpu_ns;
    }

    cr_expect_lt(cpu_ns, (uint64_t)NAPS * MANY_SHORT_JOBS * SHORT_NS / 2);
    fixture_close(&f);
}
