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

enum {
    SHORT_NS = 10 * 1000,  /* a job that blocks takes longer: falling asleep and waking up alone do */
    FRESH_NS = 100 * 1000, /* for so long the last reading will do, and that far cpu_ns may be wrong */
};

/* The thread's CPU time as it was read last, and when on uv_hrtime()'s clock; 0: before a rest that has lasted until
 * now. */
struct cpu_clock {
    uint64_t cpu_ns, at_ns;
};

static bool is_wanted(const struct pool *pool);
static struct pool_job *take(struct seat *seat);
static bool run(struct pool_job *job, struct cpu_clock *clock, uint64_t begun_ns);
static void read_cpu_clock(struct cpu_clock *clock, uint64_t now_ns);
static void finish(struct pool *pool, struct pool_job *job, bool was_short);
static bool park(struct pool *pool, struct cpu_clock *clock);

void worker_drain(uv_work_t *work)
{
    struct seat *seat = work->data;
    struct pool *pool = seat->pool;
    struct pool_job *job;
    struct cpu_clock clock;
    bool rings, was_short = false;
    bool has_news = false; /* a finished job of which the loop was not told */

    trace_sit(seat);
    read_cpu_clock(&clock, 0);
    uv_mutex_lock(&pool->lock);
    seat->thread = pthread_self();
    pool->coming--;
    while (is_wanted(pool)) {
        job = take(seat);
        if (job == NULL && !has_news) {
            if (!park(pool, &clock))
                break;
            continue;
        }
        rings = has_news && (job == NULL || !pool->looks || !was_short);
        uv_mutex_unlock(&pool->lock);
        if (rings)
            bell_ring(&pool->finished);
        if (job != NULL) { /* whoever rings may have been preempted by the loop */
            atomic_store_explicit(&seat->job, job, memory_order_relaxed);
            was_short = run(job, &clock, rings ? uv_hrtime() : job->started_ns);
            atomic_store_explicit(&seat->job, NULL, memory_order_relaxed);
        }
        uv_mutex_lock(&pool->lock);
        has_news = job != NULL;
        if (has_news)
            finish(pool, job, was_short);
    }
    pool->employed--;
    uv_mutex_unlock(&pool->lock);
    trace_sit(NULL);
    /* News that is left goes with on_left(), for which libuv wakes the loop. */
}

/* Parked ones do not count: else a shrink could send home the last one at work. Under the lock, as take(), finish() and
 * park(). */
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
    }
    return job;
}

static void finish(struct pool *pool, struct pool_job *job, bool was_short)
{
    unsigned runnable = pool->queue.runnable;

    queue_finish(job);
    pool->short_ns = was_short ? job->finished_ns : 0;
    assert(pool->queue.runnable <= runnable + 1); /* I4 */
    job->next = NULL;
    *pool->done_end = job;
    pool->done_end = &job->next;
}

/* Waits for a call, true, or a dismissal. Whoever called or dismissed has taken one off parked, not necessarily this
 * one. */
static bool park(struct pool *pool, struct cpu_clock *clock)
{
    assert(pool->queue.runnable == 0); /* I2 */
    pool->parked++;
    uv_mutex_unlock(&pool->lock);
    read_cpu_clock(clock, 0); /* later somebody waits */
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

/* A reading of the thread's CPU time is a system call, which some jobs are shorter than. Those that are too short to
 * have blocked are charged the time they took; and since the last reading, if it is fresh, the thread was at work.
 * True: it was short. */
static bool run(struct pool_job *job, struct cpu_clock *clock, uint64_t begun_ns)
{
    struct cpu_clock before;
    uint64_t used_ns, between_ns;

    if (clock->at_ns == 0)
        clock->at_ns = begun_ns;
    else if (begun_ns - clock->at_ns > FRESH_NS)
        read_cpu_clock(clock, begun_ns);
    job->elsewhere_ns = 0;
    job->work(job);
    job->finished_ns = uv_hrtime();
    job->cpu_ns = job->finished_ns - begun_ns;
    if (job->cpu_ns < SHORT_NS)
        return true;
    before = *clock;
    read_cpu_clock(clock, job->finished_ns);
    used_ns = clock->cpu_ns - before.cpu_ns;
    between_ns = begun_ns - before.at_ns;
    job->cpu_ns = (used_ns > between_ns ? used_ns - between_ns : 0) + job->elsewhere_ns;
    return false;
}

static void read_cpu_clock(struct cpu_clock *clock, uint64_t now_ns)
{
    struct timespec used = {0};

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    clock->cpu_ns = (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
    clock->at_ns = now_ns;
}
