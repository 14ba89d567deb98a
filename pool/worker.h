/* Inside the pool: its state, and what pool.c, on the loop, wants of threads.c and worker.c, on libuv's threads. */
#ifndef POOL_WORKER_H
#define POOL_WORKER_H

#include "bell.h"
#include "line.h"
#include "pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

/* What pool_interrupt() sends: nobody else is likely to use it, and without an action it is ignored. */
#define POOL_SIGNAL SIGURG

/* What pool_trace_ask() sends: Linux has it and never uses it. Not POOL_SIGNAL, which must break system calls. */
#ifdef SIGSTKFLT
#define POOL_TRACE_SIGNAL SIGSTKFLT
#else
#define POOL_TRACE_SIGNAL POOL_SIGNAL
#endif

struct workers;

/* Frames on their way from a thread to the loop. */
struct trace {
    atomic_bool is_due;         /* true: the loop has asked, and the rest is the thread's; false: it is the loop's */
    const struct pool_job *job; /* that it was at */
    char text[POOL_TRACE_MAX];
};

/* One hired worker at a time sits here. */
struct seat {
    uv_work_t work;
    struct pool *pool;
    bool is_free;     /* the loop's own */
    pthread_t thread; /* of who sits here; under the lock */
    int thread_id;    /* its number in the kernel, 0 where it has none; set before its first job */
    /* What the thread is at, for a signal's action on it; NULL between two jobs. */
    _Atomic(const struct pool_job *) job;
    struct trace trace;
};

struct pool { /* NOLINT(clang-analyzer-optin.performance.Padding): it is for the lines */
    /* under the lock, the first two in one line; what only the loop writes it reads without */
    _Alignas(LINE) uv_mutex_t lock;
    struct queue queue;
    struct pool_job *done, **done_end; /* finished, for the loop to collect, oldest first */
    unsigned limit;                    /* workers at work at once; the loop writes it */
    unsigned employed;                 /* hired and not left, parked ones too */
    unsigned parked;                   /* and neither called nor sent home */
    unsigned coming;                   /* hired or called, and not yet looking for a job */
    unsigned calls, homes;             /* wake-ups on their way: to take a job, to leave */
    uint64_t short_ns; /* when the last job ended, if it was short and the loop has not looked since; 0 */
    bool looks;        /* the loop looks for news by itself; it writes it */
    bool stopping;     /* the loop writes it */

    /* One for each of calls and homes. Who waits for a condition ends with the lock contended, and its unlock is a
     * system call. */
    _Alignas(LINE) uv_sem_t wake;

    /* the loop's own */
    _Alignas(LINE) uv_idle_t idle; /* with check: active while there is something to staff */
    uv_check_t check;
    uv_timer_t look;  /* active while the loop looks */
    uv_timer_t sweep; /* active while somebody is employed */
    struct bell finished;
    struct workers *workers;
    bool interrupts;
    struct sigaction old_action; /* of POOL_SIGNAL */
    bool short_turns;
    uint64_t turn_ns; /* of the loop's thread before the start */
    void (*on_stopped)(void *arg);
    void *arg;
    unsigned open_handles;
    unsigned free_below_limit; /* seats */
    unsigned workers_max;
    struct seat *seats;
};

/* Gathers all of libuv's threads and runs the init hooks on them; what pool_start() says of threads and hooks. */
int workers_start(struct workers **ret_workers, const struct pool_options *options, char *error, size_t error_size);

/* Runs the fini hooks on every thread, frees workers and calls on_left(arg) on the loop. Nobody may be at work. */
void workers_stop(struct workers *workers, uv_loop_t *loop, void (*on_left)(void *arg), void *arg);

/* How many threads there are. */
unsigned workers_count(const struct workers *workers);

/* A worker's whole life, from its hiring until it leaves; on a libuv thread, work is a seat's. */
void worker_drain(uv_work_t *work);

/* Both in interrupt.c: POOL_SIGNAL does nothing but break system calls; as it was before. */
void interrupts_start(struct pool *pool);
void interrupts_stop(struct pool *pool);

/* In trace.c: the calling thread sits there from now on, before its first job; NULL: nowhere, after its last. */
void trace_sit(struct seat *seat);

/* Both in priority.c, for the calling thread and best effort. The first is true when the system does it; ret may be
 * NULL. */
enum { POOL_TURN_NS = 100 * 1000 };
bool priority_set_turns(uint64_t turn_ns, uint64_t *ret_turn_ns_before);
void priority_set_nice(int nice);

#endif
