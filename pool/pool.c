/* Who hires, who parks, who goes home: the loop's side. The workers' side is in worker.c.
 *
 * Happy path: a submit pushes a job and asks for staffing; once a turn staff() calls parked workers, or hires them
 * by uv_queue_work(); they drain the lanes by themselves, park when they find nothing, and are sent home by the
 * sweep.
 * Short jobs: a wake-up costs more than the job. So while such jobs end and others wait, the loop looks once a
 * millisecond; then it wakes few workers a turn, and one that goes on after a short job does not ring. A job that takes
 * long after all keeps the news of those before it for that millisecond, and those behind it for a few.
 * Failures: those of pool_start(), which undoes what it did; a full lane.
 * Close: pool_stop() waits for the workers, then for the threads' fini hooks, then for the handles.
 *
 * The lock is held for a few pointer moves: no allocation, no user code and no system call under it, but for the
 * signals of interrupt.c and trace.c. What must hold:
 * I1 After staff() every runnable job has a worker that comes for it; or as many as may are at work; or all seats
 * below the limit are taken, then a worker has left one and its on_left() staffs again; or the loop looks, and staffs
 * again. So no wake-up is lost.
 * I2 A worker parks or leaves only in the critical section in which it saw no runnable job, or too many at work, or
 * its dismissal.
 * I3 A seat's request is used again only after its on_left().
 * I4 An end makes at most one job runnable, and who ended takes the next one in the same critical section: it need
 * not wake anybody.
 * I5 coming <= employed - parked, and employed <= workers_max.
 */
#include "pool.h"
#include "worker.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SWEEP_MS = 500, LOOK_MS = 1 };

static atomic_flag exists = ATOMIC_FLAG_INIT;

static struct pool *pool_new(const struct pool_options *options);
static void pool_free(struct pool *pool);
static void open_handles(struct pool *pool, uv_loop_t *loop);
static unsigned count_idle(const struct pool *pool);
static void staff_soon(struct pool *pool);
static void on_idle(uv_idle_t *idle);
static void on_check(uv_check_t *check);
static void staff(struct pool *pool);
static bool begins_to_look(const struct pool *pool);
static unsigned needed(const struct pool *pool, unsigned coming);
static unsigned min(unsigned a, unsigned b);
static unsigned max(unsigned a, unsigned b);
static void hire(struct pool *pool, unsigned n);
static void on_left(uv_work_t *work, int status);
static void collect(void *arg);
static void on_look(uv_timer_t *timer);
static void on_sweep(uv_timer_t *timer);
static unsigned send_home(struct pool *pool);
static void wake(struct pool *pool, unsigned n);
static unsigned free_seats(const struct pool *pool, unsigned below);
static void dismiss_threads(struct pool *pool);
static void on_threads_left(void *arg);
static void on_closed(uv_handle_t *handle);

int pool_start(struct pool **ret_pool, uv_loop_t *loop, const struct pool_options *options, char *error,
               size_t error_size)
{
    struct pool *pool;
    int err;

    assert(options->nice < 20);
    if (options->workers < 1 || options->workers > options->workers_max || options->workers_max > POOL_WORKERS_MAX) {
        snprintf(error, error_size, "%u of at most %u workers: must be 1 to %d", options->workers, options->workers_max,
                 POOL_WORKERS_MAX);
        return -EINVAL;
    }
    if (atomic_flag_test_and_set(&exists)) {
        snprintf(error, error_size, "there is a pool already");
        return -EBUSY;
    }
    snprintf(error, error_size, "no memory");
    err = -ENOMEM;
    pool = pool_new(options);
    if (pool == NULL)
        goto err_exists;
    err = bell_init(&pool->finished);
    if (err < 0) {
        snprintf(error, error_size, "no descriptor: %s", strerror(-err));
        goto err_free;
    }
    err = workers_start(&pool->workers, options, error, error_size);
    if (err < 0)
        goto err_bell;
    open_handles(pool, loop);
    if (options->interrupts)
        interrupts_start(pool);
    /* Not earlier: libuv's threads would inherit it. */
    pool->short_turns = options->nice > 0 && priority_set_turns(POOL_TURN_NS, &pool->turn_ns);
    *ret_pool = pool;
    error[0] = '\0';
    return 0;

err_bell:
    bell_close(&pool->finished, NULL);
err_free:
    pool_free(pool);
err_exists:
    atomic_flag_clear(&exists);
    return err;
}

void pool_lane_init(struct pool *pool, struct pool_lane *lane, unsigned max_waiting, unsigned max_concurrency)
{
    lane_init(lane, &pool->queue, max_waiting, max_concurrency);
}

int pool_submit(struct pool *pool, struct pool_lane *lane, struct pool_job *job)
{
    int err;

    assert(job->work != NULL);
    assert(job->done != NULL);
    if (pool->stopping)
        return -EBUSY;
    job->submitted_ns = uv_hrtime();
    uv_mutex_lock(&pool->lock);
    err = queue_push(lane, job, count_idle(pool));
    uv_mutex_unlock(&pool->lock);
    if (err == 0)
        staff_soon(pool);
    return err;
}

bool pool_has_taker(struct pool *pool, const struct pool_lane *lane)
{
    bool has_taker;

    uv_mutex_lock(&pool->lock);
    has_taker = lane_has_taker(lane, count_idle(pool));
    uv_mutex_unlock(&pool->lock);
    return has_taker;
}

/* Under the lock. */
static unsigned count_idle(const struct pool *pool)
{
    return pool->limit > pool->queue.running ? pool->limit - pool->queue.running : 0;
}

int pool_cancel(struct pool *pool, struct pool_job *job)
{
    bool waits;

    uv_mutex_lock(&pool->lock);
    assert(job->state != POOL_JOB_IDLE);
    waits = job->state == POOL_JOB_WAITING;
    if (waits)
        queue_remove(job);
    uv_mutex_unlock(&pool->lock);
    return waits ? 0 : -EBUSY;
}

unsigned pool_workers(const struct pool *pool)
{
    return pool->limit;
}

int pool_resize(struct pool *pool, unsigned workers)
{
    if (workers < 1 || workers > pool->workers_max)
        return -EINVAL;
    uv_mutex_lock(&pool->lock);
    pool->limit = workers;
    uv_mutex_unlock(&pool->lock);
    pool->free_below_limit = free_seats(pool, workers);
    staff_soon(pool);
    return 0;
}

void pool_figures(struct pool *pool, struct pool_figures *ret_figures)
{
    uv_mutex_lock(&pool->lock);
    *ret_figures = (struct pool_figures){
        .workers = pool->limit,
        .workers_max = pool->workers_max,
        .threads = workers_count(pool->workers),
        .busy = pool->queue.running,
        .parked = pool->parked,
        .waiting = pool->queue.waiting,
        .runnable = pool->queue.runnable,
        .short_turns = pool->short_turns,
    };
    uv_mutex_unlock(&pool->lock);
}

void pool_tally(struct pool *pool, const struct pool_tally *tally, struct pool_tally *ret_tally)
{
    uv_mutex_lock(&pool->lock);
    *ret_tally = *tally;
    uv_mutex_unlock(&pool->lock);
}

void pool_job_look(struct pool *pool, const struct pool_job *job, struct pool_job *ret_job)
{
    uv_mutex_lock(&pool->lock);
    *ret_job = (struct pool_job){
        .state = job->state,
        .seat = job->seat,
        .submitted_ns = job->submitted_ns,
        .started_ns = job->state != POOL_JOB_WAITING ? job->started_ns : 0,
    };
    uv_mutex_unlock(&pool->lock);
}

void pool_stop(struct pool *pool, void (*on_stopped)(void *arg), void *arg)
{
    unsigned homes;

    assert(!pool->stopping);
    assert(on_stopped != NULL);
    pool->on_stopped = on_stopped;
    pool->arg = arg;
    uv_mutex_lock(&pool->lock);
    assert(pool->queue.waiting == 0);
    pool->stopping = true;
    homes = send_home(pool);
    uv_mutex_unlock(&pool->lock);
    wake(pool, homes);
    /* Else the last on_left() does it. */
    if (free_seats(pool, pool->workers_max) == pool->workers_max)
        dismiss_threads(pool);
}

static struct pool *pool_new(const struct pool_options *options)
{
    struct pool *pool = line_alloc(sizeof(*pool));
    unsigned i;

    if (pool == NULL)
        return NULL;
    pool->seats = calloc(options->workers_max, sizeof(pool->seats[0]));
    if (pool->seats == NULL || uv_mutex_init(&pool->lock) < 0)
        goto err_free;
    if (uv_sem_init(&pool->wake, 0) < 0)
        goto err_lock;
    pool->done_end = &pool->done;
    pool->limit = pool->free_below_limit = options->workers;
    pool->workers_max = options->workers_max;
    for (i = 0; i < pool->workers_max; i++) {
        pool->seats[i].work.data = &pool->seats[i];
        pool->seats[i].pool = pool;
        pool->seats[i].is_free = true;
    }
    return pool;

err_lock:
    uv_mutex_destroy(&pool->lock);
err_free:
    free(pool->seats);
    free(pool);
    return NULL;
}

static void pool_free(struct pool *pool)
{
    uv_sem_destroy(&pool->wake);
    uv_mutex_destroy(&pool->lock);
    free(pool->seats);
    free(pool);
}

static void open_handles(struct pool *pool, uv_loop_t *loop)
{
    uv_idle_init(loop, &pool->idle);
    uv_check_init(loop, &pool->check);
    uv_timer_init(loop, &pool->look);
    uv_timer_init(loop, &pool->sweep);
    bell_hang(&pool->finished, loop, collect, pool);
    pool->idle.data = pool->check.data = pool->look.data = pool->sweep.data = pool;
    pool->open_handles = 5;
    /* An idle pool lets the loop end. Jobs do not: first the idle handle keeps it alive, then the workers' requests. */
    uv_unref((uv_handle_t *)&pool->look);
    uv_unref((uv_handle_t *)&pool->sweep);
}

/* In this turn, before it sleeps in poll: a submit from poll is staffed by check, one from a timer by idle, and one
 * from anywhere else finds a poll that does not sleep, for an idle handle is active. */
static void staff_soon(struct pool *pool)
{
    uv_idle_start(&pool->idle, on_idle);
    uv_check_start(&pool->check, on_check);
}

static void on_idle(uv_idle_t *idle)
{
    staff(idle->data);
}

static void on_check(uv_check_t *check)
{
    staff(check->data);
}

/* Calls and hires as many workers as there are runnable jobs that nobody comes for, within the limit. While the loop
 * looks, one, for it does many short jobs before a second one is awake; or as many as are at work already: their jobs
 * are not that short. A hired worker may have to wait for a thread that the program's own work holds; so a parked one
 * is called even if somebody was hired for the same job. */
static void staff(struct pool *pool)
{
    unsigned most, calls, hires;

    uv_idle_stop(&pool->idle);
    uv_check_stop(&pool->check);
    uv_mutex_lock(&pool->lock);
    if (begins_to_look(pool)) {
        pool->looks = true;
        pool->short_ns = 0; /* until a job of now is */
        uv_timer_start(&pool->look, on_look, LOOK_MS, LOOK_MS);
    }
    most = pool->looks ? max(pool->employed - pool->parked, 1) : pool->workers_max;
    calls = min(min(needed(pool, pool->calls), pool->parked), most);
    pool->parked -= calls;
    pool->calls += calls;
    pool->coming += calls;
    hires = min(min(needed(pool, pool->coming), pool->free_below_limit), most - calls);
    pool->employed += hires;
    pool->coming += hires;
    assert(pool->looks || needed(pool, pool->coming) == 0 || pool->free_below_limit == hires); /* I1 */
    assert(pool->coming <= pool->employed - pool->parked);                                     /* I5 */
    assert(pool->employed <= pool->workers_max);
    uv_mutex_unlock(&pool->lock);
    wake(pool, calls);
    hire(pool, hires);
}

/* A short job that ended longer ago says nothing of those that wait now. Under the lock. */
static bool begins_to_look(const struct pool *pool)
{
    return pool->queue.runnable > 1 && !pool->looks && pool->short_ns != 0 &&
           uv_hrtime() - pool->short_ns < LOOK_MS * UINT64_C(1000000);
}

/* Beside those who come. Under the lock. */
static unsigned needed(const struct pool *pool, unsigned coming)
{
    unsigned at_work = pool->employed - pool->parked;

    if (pool->queue.runnable <= coming || pool->limit <= at_work)
        return 0;
    return min(pool->queue.runnable - coming, pool->limit - at_work);
}

static unsigned min(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static unsigned max(unsigned a, unsigned b)
{
    return a > b ? a : b;
}

/* They take the lowest free seats, which are below the limit. */
static void hire(struct pool *pool, unsigned n)
{
    struct seat *seat;

    if (n > 0 && !uv_is_active((uv_handle_t *)&pool->sweep))
        uv_timer_start(&pool->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    for (seat = pool->seats; n > 0; seat++) {
        if (!seat->is_free) /* I3 */
            continue;
        seat->is_free = false;
        pool->free_below_limit--;
        uv_queue_work(pool->idle.loop, &seat->work, worker_drain, on_left);
        n--;
    }
}

static void on_left(uv_work_t *work, int status)
{
    struct seat *seat = work->data;
    struct pool *pool = seat->pool;

    assert(status == 0);
    collect(pool);
    seat->is_free = true;
    if (seat < &pool->seats[pool->limit])
        pool->free_below_limit++;
    if (!pool->stopping)
        staff_soon(pool);
    else if (free_seats(pool, pool->workers_max) == pool->workers_max)
        dismiss_threads(pool);
}

/* What is done so far; also the bell's, who gives it the pool. */
static void collect(void *arg)
{
    struct pool *pool = arg;
    struct pool_job *job, *next;

    uv_mutex_lock(&pool->lock);
    job = pool->done;
    pool->done = NULL;
    pool->done_end = &pool->done;
    uv_mutex_unlock(&pool->lock);
    for (; job != NULL; job = next) {
        next = job->next;
        job->state = POOL_JOB_IDLE;
        job->done(job);
    }
}

/* In vain when no short job was the last to end since the look before. */
static void on_look(uv_timer_t *timer)
{
    struct pool *pool = timer->data;

    uv_mutex_lock(&pool->lock);
    pool->looks = pool->short_ns != 0;
    pool->short_ns = 0;
    uv_mutex_unlock(&pool->lock);
    if (!pool->looks)
        uv_timer_stop(timer);
    collect(pool);
    staff(pool);
}

static void on_sweep(uv_timer_t *timer)
{
    struct pool *pool = timer->data;
    unsigned homes, employed;

    uv_mutex_lock(&pool->lock);
    homes = send_home(pool);
    employed = pool->employed;
    uv_mutex_unlock(&pool->lock);
    wake(pool, homes);
    if (employed == 0)
        uv_timer_stop(timer);
}

/* Who is parked now. Under the lock. */
static unsigned send_home(struct pool *pool)
{
    unsigned homes = pool->parked;

    pool->parked = 0;
    pool->homes += homes;
    return homes;
}

/* Without the lock, which they take next. */
static void wake(struct pool *pool, unsigned n)
{
    for (; n > 0; n--)
        uv_sem_post(&pool->wake);
}

static unsigned free_seats(const struct pool *pool, unsigned below)
{
    unsigned i, n = 0;

    for (i = 0; i < below; i++)
        n += pool->seats[i].is_free;
    return n;
}

/* Every worker has left: now the threads' fini hooks, then the handles. */
static void dismiss_threads(struct pool *pool)
{
    assert(pool->employed == 0);
    assert(pool->done == NULL);
    workers_stop(pool->workers, pool->idle.loop, on_threads_left, pool);
}

static void on_threads_left(void *arg)
{
    struct pool *pool = arg;

    interrupts_stop(pool);
    if (pool->short_turns)
        priority_set_turns(pool->turn_ns, NULL);
    uv_close((uv_handle_t *)&pool->idle, on_closed);
    uv_close((uv_handle_t *)&pool->check, on_closed);
    uv_close((uv_handle_t *)&pool->look, on_closed);
    uv_close((uv_handle_t *)&pool->sweep, on_closed);
    bell_close(&pool->finished, on_closed);
}

static void on_closed(uv_handle_t *handle)
{
    struct pool *pool = handle->data;
    void (*on_stopped)(void *arg) = pool->on_stopped;
    void *arg = pool->arg;

    if (--pool->open_handles > 0)
        return;
    pool_free(pool);
    atomic_flag_clear(&exists);
    on_stopped(arg);
}
