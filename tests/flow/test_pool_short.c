/* Jobs so short that a wake-up costs more: what saves wake-ups holds nothing up. */
#include "lib/pool_fixture.h"
#include "pool/worker.h"

enum { SHORT = 16 };

static struct fixture f;

static void work_at_once(struct pool_job *job)
{
    (void)job;
}

static void work_longer(struct pool_job *job)
{
    (void)job;
    uv_sleep(1);
}

/* Jobs 0 to SHORT - 1 are short, and have been done once, so that the pool expects more like them. */
static void start_with_short_jobs(unsigned workers)
{
    unsigned i;

    fixture_start(&f, workers);
    for (i = 0; i < SHORT; i++)
        f.jobs[i].job.work = work_at_once;
    for (i = 0; i < SHORT; i++) {
        fixture_submit(&f, &f.lane, i, 1);
        fixture_run_until_done(&f, i + 1);
    }
}

Test(pool_short, short_jobs_are_done_while_the_next_one_blocks, .timeout = 30)
{
    start_with_short_jobs(1);

    fixture_submit(&f, &f.lane, 0, SHORT + 1);
    fixture_run_until_done(&f, 2 * SHORT);

    gate_run_until_inside(&f.gate, 1);
    fixture_close(&f);
}

Test(pool_short, jobs_that_block_run_at_once_after_short_ones, .timeout = 30)
{
    start_with_short_jobs(8);

    fixture_submit(&f, &f.lane, SHORT, 8);
    gate_run_until_inside(&f.gate, 8);

    fixture_close(&f);
}

Test(pool_short, a_short_job_of_long_ago_holds_nobody_back, .timeout = 30)
{
    start_with_short_jobs(8);
    f.pool->short_ns = 1;

    fixture_submit(&f, &f.lane, SHORT, 8);
    uv_run(&f.loop, UV_RUN_NOWAIT);

    cr_expect_eq(f.pool->employed - f.pool->parked, 8);
    gate_run_until_inside(&f.gate, 8);
    fixture_close(&f);
}

Test(pool_short, the_loop_looks_for_news_only_while_short_jobs_end, .timeout = 30)
{
    start_with_short_jobs(1);

    fixture_submit(&f, &f.lane, 0, SHORT + 1);
    gate_run_until_inside(&f.gate, 1);
    LOOP_RUN_UNTIL(&f.loop, !uv_is_active((uv_handle_t *)&f.pool->look));

    fixture_close(&f);
}

Test(pool_short, the_loop_expects_no_short_job_when_the_last_one_blocked, .timeout = 30)
{
    start_with_short_jobs(1);
    f.jobs[SHORT].job.work = work_longer;

    fixture_submit(&f, &f.lane, SHORT, 1);
    fixture_run_until_done(&f, SHORT + 1);

    cr_expect_eq(f.pool->short_ns, 0);
    fixture_close(&f);
}

/* It will not: only a ring tells it anything. */
static void pretend_that_the_loop_looks(void)
{
    uv_mutex_lock(&f.pool->lock);
    f.pool->looks = true;
    uv_mutex_unlock(&f.pool->lock);
}

Test(pool_short, a_job_that_blocked_is_told_at_once_though_the_loop_looks, .timeout = 30)
{
    fixture_start(&f, 1);
    f.jobs[0].job.work = work_longer;
    pretend_that_the_loop_looks();

    fixture_submit(&f, &f.lane, 0, 2);
    fixture_run_until_done(&f, 1);

    fixture_close(&f);
}

Test(pool_short, the_last_of_short_jobs_is_told_at_once_though_the_loop_looks, .timeout = 30)
{
    fixture_start(&f, 1);
    for (unsigned i = 0; i < SHORT; i++)
        f.jobs[i].job.work = work_at_once;
    pretend_that_the_loop_looks();

    fixture_submit(&f, &f.lane, 0, SHORT);
    uv_run(&f.loop, UV_RUN_NOWAIT);
    uv_timer_stop(&f.pool->sweep); /* who goes home brings the news, too */
    fixture_run_until_done(&f, SHORT);

    fixture_close(&f);
}
