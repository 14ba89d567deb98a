/* The pool: blocking work on libuv's threads, in bounded lanes, on at most `workers` of them at a time.
 *
 * Happy path: pool_submit() puts a job into a lane; a worker takes it, calls work() and goes on with the next one;
 * done() comes on the loop. Workers are hired by uv_queue_work() when work arrives and none is parked, take the next
 * job by themselves, park when there is none, and are sent home by a sweep twice a second; until then they hold
 * threads that libuv's other work (files, getaddrinfo) may wait for.
 * Failures: a full lane is -EBUSY at once; too few libuv threads or a failing hook are an error of pool_start().
 * Close: pool_stop() lets what runs finish and calls back when every thread has left.
 *
 * Everything here is called on the loop thread, but for pool_worker_data() and pool_trace_self(). One pool at a time in
 * a process. Jobs keep the loop alive until their done(); an idle pool does not, once the sweep has sent its workers
 * home.
 */
#ifndef POOL_POOL_H
#define POOL_POOL_H

#include "queue.h"

#include <stddef.h>
#include <uv.h>

enum { POOL_WORKERS_MAX = 1024 }; /* libuv makes no more threads either */

/* What a route wants on every pool thread. Hooks run one at a time, in order; fini hooks in reverse. The strings and
 * data are the caller's, in place until pool_stop() is over; the array of hooks is copied. */
struct pool_hook {
    const char *name;                          /* for the error text */
    int (*init)(void *data, void **ret_value); /* on the thread, in pool_start(); -errno fails the start */
    void (*fini)(void *value);                 /* on the same thread, in pool_stop(); may be NULL */
    void *data;
};

struct pool_options {
    unsigned workers;     /* at work at once, 1 to workers_max */
    unsigned workers_max; /* threads, 1 to POOL_WORKERS_MAX */
    unsigned nice;        /* added to the threads' nice value, to 19, and all get short turns; 0: neither */
    bool interrupts;      /* pool_interrupt() will be called: SIGURG has an action of the pool's until it stops */
    unsigned gather_ms;   /* how long pool_start() waits for libuv's threads; 0: 5000 */
    const struct pool_hook *hooks;
    size_t n_hooks;
};

struct pool;

/* Tells libuv how many threads to make, by UV_THREADPOOL_SIZE, and with at least which stack, by RLIMIT_STACK's soft
 * limit, which is also how far the main thread's stack may grow from now on; 0 leaves it. Nothing is restored. Before
 * libuv's pool is first used and before other threads exist. -ENOMEM; -EINVAL: more stack than the hard limit;
 * -ENOTSUP: more than the 8 MiB that libuv 1.45 and newer give. */
int pool_reserve_threads(unsigned threads, size_t stack);

/* Is it libuv 1.45 or newer, which gives every thread 8 MiB of stack, also when less was reserved? */
bool pool_stack_is_fixed(void);

/* Starts a pool on loop: tries whether the threads can be had, gathers all of libuv's, names them, runs the hooks.
 * Blocks for as long as that takes, at most gather_ms plus the hooks. On failure nothing is left behind but libuv's
 * threads, and a line in error[error_size]. -EINVAL: an option out of range; -EBUSY: there is a pool already; -EAGAIN:
 * too few threads; -ENOMEM; what a hook answered. */
int pool_start(struct pool **ret_pool, uv_loop_t *loop, const struct pool_options *options, char *error,
               size_t error_size);

/* A lane belongs to its caller, who keeps it in place, and empty, until pool_stop() is over. max_waiting: at least 1;
 * max_concurrency 0: no limit. */
void pool_lane_init(struct pool *pool, struct pool_lane *lane, unsigned max_waiting, unsigned max_concurrency);

/* Queues job, whose work and done are set, at the end of lane. It must stay in place until done(), or until a
 * pool_cancel() that took it back; then it may be submitted again. -EBUSY: the lane is full, or the pool stops; nothing
 * was queued. */
int pool_submit(struct pool *pool, struct pool_lane *lane, struct pool_job *job);

/* Would a job that is submitted now find an idle worker? Those who are about to take what waits are not idle. */
bool pool_has_taker(struct pool *pool, const struct pool_lane *lane);

/* Takes back a job that still waits: neither work() nor done() will be called. -EBUSY: too late, done() will come. */
int pool_cancel(struct pool *pool, struct pool_job *job);

/* Breaks the system call that a running job blocks in: its thread gets a signal without SA_RESTART, so that the call
 * fails with EINTR. Between two calls the signal is lost: repeat it. A job that does not run is left alone. */
void pool_interrupt(struct pool *pool, const struct pool_job *job);

/* Lets pool_trace_ask() work: for the whole process and for good a signal that Linux never sends (SIGSTKFLT) has an
 * action of the pool's. Before other threads exist. False: not on this system. */
bool pool_trace_enable(void);

/* Asks the thread that runs job for a backtrace, by a signal with SA_RESTART: a call that signal(7) never restarts, as
 * poll(2) or nanosleep(2), fails with EINTR. So only for a job whose outcome nobody waits for. False: it does not run,
 * or traces cannot be had. */
bool pool_trace_ask(struct pool *pool, const struct pool_job *job);

/* What came of asking, innermost frame first, also when the job has ended since. False: nothing yet, and nothing ever
 * from a thread in an uninterruptible sleep, or that was asked in the last moment of the job. */
enum { POOL_TRACE_MAX = 1536 };
bool pool_trace_take(struct pool *pool, const struct pool_job *job, char text[POOL_TRACE_MAX]);

/* From a signal's action, on any thread: the frames that it interrupted, in the same form; none where they cannot be
 * had. Async-signal-safe. */
void pool_trace_self(char text[POOL_TRACE_MAX]);

/* The kernel's number of the thread that runs job, as under /proc/self/task; 0: this system has none; -1: it does not
 * run. */
int pool_job_thread(struct pool *pool, const struct pool_job *job);

/* How many may be at work at once, now. */
unsigned pool_workers(const struct pool *pool);

/* 1 to workers_max, else -EINVAL. Acts at once: more are hired, too many leave after the job they are at. */
int pool_resize(struct pool *pool, unsigned workers);

/* A copy of the pool's figures at one moment. */
struct pool_figures {
    unsigned workers, workers_max; /* the limit now, and what it may become */
    unsigned threads;              /* libuv's */
    unsigned busy;                 /* workers in work() */
    unsigned parked;
    unsigned waiting;  /* jobs in all lanes */
    unsigned runnable; /* those of them that their lanes let run */
    bool short_turns;  /* the system let the loop's thread have them (Linux >= 6.12) */
};
void pool_figures(struct pool *pool, struct pool_figures *ret_figures);

/* A copy of a tally at one moment. */
void pool_tally(struct pool *pool, const struct pool_tally *tally, struct pool_tally *ret_tally);

/* Where a submitted job is now: state, seat, submitted_ns and started_ns are set in *ret_job, as far as it has come. */
void pool_job_look(struct pool *pool, const struct pool_job *job, struct pool_job *ret_job);

/* What hook number `hook` left for the calling thread. Worker threads only, inside work(). */
void *pool_worker_data(size_t hook);

/* Stops: jobs that wait must have been cancelled or be finished; what runs finishes and gets its done(); then each
 * thread runs its fini hooks, the pool is freed and on_stopped(arg) is called, not before the loop's next turn. Until
 * then the pool keeps its loop alive; a job that never returns keeps it for ever. */
void pool_stop(struct pool *pool, void (*on_stopped)(void *arg), void *arg);

#endif
