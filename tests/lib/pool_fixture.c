#include "pool_fixture.h"

#include <limits.h>
#include <string.h>

static void work(struct pool_job *job);
static void done(struct pool_job *job);
static void on_moved(uv_async_t *moved);
static void on_stopped(void *arg);

void fixture_open(struct fixture *f)
{
    unsigned i;

    memset(f, 0, sizeof *f);
    cr_assert_eq(uv_loop_init(&f->loop), 0);
    cr_assert_eq(uv_mutex_init(&f->lock), 0);
    cr_assert_eq(uv_cond_init(&f->gate), 0);
    cr_assert_eq(uv_async_init(&f->loop, &f->moved, on_moved), 0);
    uv_unref((uv_handle_t *)&f->moved);
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

unsigned fixture_inside(struct fixture *f)
{
    unsigned inside;

    uv_mutex_lock(&f->lock);
    inside = f->inside;
    uv_mutex_unlock(&f->lock);
    return inside;
}

void fixture_run_until_inside(struct fixture *f, unsigned n)
{
    LOOP_RUN_UNTIL(&f->loop, fixture_inside(f) == n);
}

void fixture_let_go(struct fixture *f, unsigned n)
{
    uv_mutex_lock(&f->lock);
    f->let_go = n;
    uv_cond_broadcast(&f->gate);
    uv_mutex_unlock(&f->lock);
}

void fixture_let_all_go(struct fixture *f)
{
    fixture_let_go(f, UINT_MAX);
}

void fixture_run_until_done(struct fixture *f, unsigned n)
{
    LOOP_RUN_UNTIL(&f->loop, f->done_calls >= n);
    cr_expect_eq(f->done_calls, n);
}

void fixture_stop(struct fixture *f)
{
    fixture_let_all_go(f);
    if (f->pool == NULL)
        return;
    pool_stop(f->pool, on_stopped, f);
    LOOP_RUN_UNTIL(&f->loop, f->is_stopped);
    f->pool = NULL;
}

void fixture_close(struct fixture *f)
{
    fixture_stop(f);
    uv_close((uv_handle_t *)&f->moved, NULL);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    cr_expect_eq(uv_loop_close(&f->loop), 0, "something is left in the loop");
    uv_cond_destroy(&f->gate);
    uv_mutex_destroy(&f->lock);
}

/* Worker thread. */
static void work(struct pool_job *job)
{
    struct fixture_job *self = (struct fixture_job *)job;
    struct fixture *f = self->fixture;
    unsigned place;

    uv_mutex_lock(&f->lock);
    self->work_calls++;
    place = f->came++;
    f->order[place % FIXTURE_JOBS] = (unsigned)(self - f->jobs);
    if (++f->inside > f->inside_max)
        f->inside_max = f->inside;
    uv_async_send(&f->moved);
    while (place >= f->let_go)
        uv_cond_wait(&f->gate, &f->lock);
    f->inside--;
    uv_mutex_unlock(&f->lock);
}

static void done(struct pool_job *job)
{
    struct fixture_job *self = (struct fixture_job *)job;

    self->done_calls++;
    self->fixture->done_calls++;
}

static void on_moved(uv_async_t *moved)
{
    (void)moved;
}

static void on_stopped(void *arg)
{
    ((struct fixture *)arg)->is_stopped = true;
}
