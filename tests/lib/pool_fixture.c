#include "pool_fixture.h"

#include <string.h>

static void work(struct pool_job *job);
static void done(struct pool_job *job);
static void on_stopped(void *arg);

void fixture_open(struct fixture *f)
{
    unsigned i;

    memset(f, 0, sizeof *f);
    cr_assert_eq(uv_loop_init(&f->loop), 0);
    gate_open(&f->gate, &f->loop);
    for (i = 0; i < FIXTURE_JOBS; i++)
        f->jobs[i] = (struct fixture_job){.job = {.work = work, .done = done}, .fixture = f};
}

void fixture_start_as(struct fixture *f, const struct pool_options *options)
{
    f->pool = NULL;
    f->is_stopped = false;
    f->error[0] = '\0';
    f->err = pool_start(&f->pool, &f->loop, options, f->error, sizeof f->error);
    if (f->err == 0)
        pool_lane_init(f->pool, &f->lane, FIXTURE_JOBS, 0);
}

void fixture_start(struct fixture *f, unsigned workers)
{
    struct pool_options options = {.workers = workers, .workers_max = workers, .gather_ms = 60000};

    cr_assert_eq(pool_reserve_threads(workers, 0), 0);
    fixture_open(f);
    fixture_start_as(f, &options);
    cr_assert_eq(f->err, 0, "%s", f->error);
}

void fixture_submit(struct fixture *f, struct pool_lane *lane, unsigned from, unsigned n)
{
    unsigned i;

    for (i = from; i < from + n; i++)
        cr_assert_eq(pool_submit(f->pool, lane, &f->jobs[i].job), 0, "job %u", i);
}

void fixture_run_until_done(struct fixture *f, unsigned n)
{
    LOOP_RUN_UNTIL(&f->loop, f->done_calls >= n);
    cr_expect_eq(f->done_calls, n);
}

void fixture_stop(struct fixture *f)
{
    gate_let_all_go(&f->gate);
    if (f->pool == NULL)
        return;
    pool_stop(f->pool, on_stopped, f);
    LOOP_RUN_UNTIL(&f->loop, f->is_stopped);
    f->pool = NULL;
}

void fixture_close(struct fixture *f)
{
    fixture_stop(f);
    gate_close(&f->gate);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    cr_expect_eq(uv_loop_close(&f->loop), 0, "something is left in the loop");
}

/* Worker thread. */
static void work(struct pool_job *job)
{
    struct fixture_job *self = (struct fixture_job *)job;
    struct fixture *f = self->fixture;

    self->work_calls++;
    gate_pass(&f->gate, (unsigned)(self - f->jobs));
}

static void done(struct pool_job *job)
{
    struct fixture_job *self = (struct fixture_job *)job;

    self->done_calls++;
    self->fixture->done_calls++;
}

static void on_stopped(void *arg)
{
    ((struct fixture *)arg)->is_stopped = true;
}
