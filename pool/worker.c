/* A worker: one of libuv's threads, from its hiring until it leaves.
 *
 * Happy path: takes a job, runs it, and takes the next one in the critical section that ends it; parks when there is
 * none. What pool.c says of the protocol holds for this half of it.
 * Failures: none; a job that does not return keeps its worker.
 * Close: it leaves when it is sent home, when too many are at work, or when the pool stops.
 */
#include "worker.h"

#include <assert.h>
#include <time.h>

static bool is_wanted(const struct pool *pool);
static struct pool_job *take(struct seat *seat);
static void run(struct pool_job *job, uint64_t *cpu_ns);
static uint64_t thread_cpu_ns(void);
static void finish(struct seat *seat, struct pool_job *job);
static bool park(struct pool *pool);

void worker_drain(uv_work_t *work)
{
    struct seat *seat = work->data;
    struct pool *pool = seat->pool;
    struct pool_job *job;
    uint64_t cpu_ns = 0;   /* the thread's, at the end of its last job; 0: it has rested since */
    bool has_news = false; /* a finished job of which the loop was not told */

    trace_sit(seat);
    uv_mutex_lock(&pool->lock);
    seat->thread = pthread_self();
    pool->coming--;
    while (is_wanted(pool)) {
        job = take(seat);
        if (job == NULL && !has_news) {
            if (!park(pool))
                break;
            cpu_ns = 0;
            continue;
        }
        uv_mutex_unlock(&pool->lock);
        if (has_news)
            bell_ring(&pool->finished);
        if (job != NULL)
            run(job, &cpu_ns);
        uv_mutex_lock(&pool->lock);
        has_news = job != NULL;
        if (has_news)
            finish(seat, job);
    }
    pool->employed--;
    uv_mutex_unlock(&pool->lock);
    trace_sit(NULL);
    /* News that is left goes with on_left(), for which libuv wakes the loop. */
}

/* Parked ones do not count: else a shrink could send home the last one at work. Under the lock, as the next four. */
static bool is_wanted(const struct pool *pool)
{
    return !pool->stopping && pool->employed - pool->parked <= pool->limit;
}

static struct pool_job *take(struct seat *seat)
{
    struct pool_job *job = queue_take(&seat->pool->queue);

    if (job != NULL) {
        job->seat = (unsigned)(seat - seat->pool->seats);
        job->started_ns = uv_hrtime();
        seat->job = job;
    }
    return job;
}

static void finish(struct seat *seat, struct pool_job *job)
{
    struct pool *pool = seat->pool;
    unsigned runnable = pool->queue.runnable;

    queue_finish(job);
    assert(pool->queue.runnable <= runnable + 1); /* I4 */
    seat->job = NULL;
    job->next = NULL;
    *pool->done_end = job;
    pool->done_end = &job->next;
}

/* Waits for a call, true, or a dismissal. Whoever called or dismissed has taken one off parked, not necessarily this
 * one. */
static bool park(struct pool *pool)
{
    assert(pool->queue.runnable == 0); /* I2 */
    pool->parked++;
    uv_mutex_unlock(&pool->lock);
    uv_sem_wait(&pool->wake);
    uv_mutex_lock(&pool->lock);
    if (pool->calls > 0) {
        pool->calls--;
        pool->coming--;
        return true;
    }
    assert(pool->homes > 0);
    pool->homes--;
    return false;
}

/* One reading of the thread's CPU time, a system call, serves as the end of this job and the beginning of the next. */
static void run(struct pool_job *job, uint64_t *cpu_ns)
{
    uint64_t begin_ns = *cpu_ns > 0 ? *cpu_ns : thread_cpu_ns();

    job->work(job);
    job->finished_ns = uv_hrtime();
    *cpu_ns = thread_cpu_ns();
    job->cpu_ns = *cpu_ns - begin_ns;
}

static uint64_t thread_cpu_ns(void)
{
    struct timespec used = {0};

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}
