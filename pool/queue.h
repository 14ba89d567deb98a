/* Jobs and lanes, and which job comes next. Plain data: no lock, no thread, no libuv; pool.c calls it under its lock.
 *
 * A lane is a bounded FIFO of jobs with a limit on how many of them run at once. The queue goes round robin over the
 * lanes that are runnable: a job waits there and the lane may run one more. Every operation is O(1).
 */
#ifndef POOL_QUEUE_H
#define POOL_QUEUE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum pool_job_state { POOL_JOB_IDLE, POOL_JOB_WAITING, POOL_JOB_RUNNING, POOL_JOB_FINISHED };

/* What has become of the jobs that name it: the caller's to embed, zeroed at first. Written under the pool's lock with
 * every move of such a job, so that at any moment waiting + running = admitted - finished - cancelled. */
struct pool_tally {
    uint64_t admitted, finished, cancelled;
    unsigned waiting, running;
    uint64_t busy_ns, cpu_ns; /* of finished jobs in work(): by the clock, and of CPU time */
};

/* Zero it, set work and done, submit it. */
struct pool_job {
    void (*work)(struct pool_job *job); /* worker thread */
    void (*done)(struct pool_job *job); /* loop thread: the job is the caller's again */
    struct pool_tally *tally;           /* where it is counted; NULL: nowhere */
    uint64_t submitted_ns;              /* uv_hrtime() of each step, valid in done() */
    uint64_t started_ns;                /* valid in work() too */
    uint64_t finished_ns;
    uint64_t elsewhere_ns; /* CPU time that was spent for it in another process; work() may set it */
    /* That its thread spent in work(), to 0.1 ms, of less than 10 us the whole time; and elsewhere. Valid in done(). */
    uint64_t cpu_ns;
    unsigned seat;   /* which worker ran it, 0 to workers_max - 1; valid in work() and done() */
    unsigned behind; /* jobs that waited in its lane when it ended; valid in done() */

    /* the pool's own, under its lock */
    struct pool_job *prev, *next;
    struct pool_lane *lane;
    enum pool_job_state state;
};

/* All the pool's own, under its lock; callers embed it. */
struct pool_lane {
    struct pool_job *first, *last;
    struct pool_lane *prev, *next; /* in the ring of runnable lanes; NULL when not there */
    struct queue *queue;
    unsigned max_waiting, max_concurrency;
    atomic_uint waiting; /* written under the lock, read anywhere: the loop looks at it for each job */
    unsigned running;
    unsigned runnable; /* min(waiting, max_concurrency - running) */
};

/* Zero it. */
struct queue {
    struct pool_lane *turn;              /* the runnable lane that is served next */
    unsigned waiting, running, runnable; /* over all lanes */
};

/* max_waiting at least 1; max_concurrency 0: no limit. */
void lane_init(struct pool_lane *lane, struct queue *queue, unsigned max_waiting, unsigned max_concurrency);

/* Jobs that wait in it; without the lock, how many they were a moment ago. */
static inline unsigned lane_waiting(const struct pool_lane *lane)
{
    return atomic_load_explicit(&lane->waiting, memory_order_relaxed);
}

/* Of so many idle workers, is there one for a job more in it, beside those that are about to take what waits? */
bool lane_has_taker(const struct pool_lane *lane, unsigned idle);

/* Up to max_waiting jobs wait beyond those that idle workers, of which there are so many, are about to take. -EBUSY:
 * the lane is full. */
int queue_push(struct pool_lane *lane, struct pool_job *job, unsigned idle);

/* Takes back a waiting job. */
void queue_remove(struct pool_job *job);

/* The job to run next, which counts as running from now on; NULL when none is runnable. */
struct pool_job *queue_take(struct queue *queue);

/* A running job has ended. Makes at most one other job runnable. */
void queue_finish(struct pool_job *job);

#endif
