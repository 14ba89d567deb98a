/* libuv's threads: they are gathered at the start and discharged at the stop. In between worker.c has them.
 *
 * Happy path: trial threads first. Then one task for each thread, none of which goes on before all have begun, so
 * that every thread gets one: name, signals, nice value, init hooks, record. This runs on a private loop, for the
 * pool's does not turn yet, and need not after a failure. At the end the same once more for the fini hooks, on the
 * pool's loop and without blocking it.
 * Failures: libuv aborts when it cannot create a thread, so that is tried first. When not all threads come in time,
 * or a hook fails, those that came are let go, and what was initialised is finished.
 * Close: workers_stop().
 */
#include "worker.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum {
    GATHER_MS = 5000,
    LIBUV_THREADS = 4, /* without UV_THREADPOOL_SIZE */
    /* From this version on libuv's threads have this stack whatever the limit is: its documentation, "Thread pool work
     * scheduling". */
    STACK_IS_FIXED = 0x012d00,
    LIBUV_STACK = 8 * 1024 * 1024,
};

/* One of libuv's threads; nobody else touches it between the gathering and the stop. */
struct worker {
    uv_work_t task;
    struct workers *all;
    void **values;
    size_t n_values; /* hooks whose init went well */
};

struct workers {
    uv_mutex_t lock; /* held by the thread that runs hooks, too */
    uv_cond_t met;
    unsigned came, meetings; /* to the next meeting of all threads; how many were held */
    bool given_up;
    int err;     /* of the first init hook that failed */
    char *error; /* during the start only */
    size_t error_size;
    struct pool_hook *hooks;
    size_t n_hooks;
    void **values; /* n_hooks for each thread */
    int nice;
    bool set_nice;
    unsigned left; /* threads, after their fini hooks; loop thread */
    void (*on_left)(void *arg);
    void *arg;
    unsigned n;
    struct worker worker[];
};

/* libuv reads the environment once; this is what it made of it. 0: its threads were never gathered. */
static unsigned libuv_threads;

static _Thread_local struct worker *self;

static unsigned expected_threads(void);
static int try_threads(unsigned n, char *error, size_t error_size);
static void pass_gate(void *gate);
static struct workers *workers_new(const struct pool_options *options, unsigned n);
static void workers_free(struct workers *all);
static int gather(struct workers *all, unsigned gather_ms);
static void wait_for_all(struct workers *all, unsigned gather_ms);
static bool meet(struct workers *all);
static void enlist(uv_work_t *task);
static void settle_in(const struct worker *worker);
static void run_init_hooks(struct worker *worker);
static void run_fini_hooks(struct worker *worker);
static void discharge(uv_work_t *task);
static void on_discharged(uv_work_t *task, int status);

int pool_reserve_threads(unsigned threads, size_t stack)
{
    char text[16];
    struct rlimit limit;

    snprintf(text, sizeof(text), "%u", threads);
    if (setenv("UV_THREADPOOL_SIZE", text, 1) != 0)
        return -errno;
    if (stack == 0)
        return 0;
    if (pool_stack_is_fixed())
        return stack <= LIBUV_STACK ? 0 : -ENOTSUP;
    if (getrlimit(RLIMIT_STACK, &limit) != 0)
        return -errno;
    limit.rlim_cur = stack;
    return setrlimit(RLIMIT_STACK, &limit) == 0 ? 0 : -errno;
}

bool pool_stack_is_fixed(void)
{
    return uv_version() >= STACK_IS_FIXED;
}

int workers_start(struct workers **ret_workers, const struct pool_options *options, char *error, size_t error_size)
{
    unsigned n = libuv_threads > 0 ? libuv_threads : expected_threads();
    struct workers *all;
    int err;

    if (n < options->workers_max) {
        snprintf(error, error_size, "%u of %u threads: libuv's pool was used before, or UV_THREADPOOL_SIZE says %u", n,
                 options->workers_max, n);
        return -EAGAIN;
    }
    err = libuv_threads > 0 ? 0 : try_threads(n, error, error_size);
    if (err < 0)
        return err;
    all = workers_new(options, n);
    if (all == NULL)
        return -ENOMEM;
    all->error = error;
    all->error_size = error_size;
    err = gather(all, options->gather_ms > 0 ? options->gather_ms : GATHER_MS);
    if (err < 0) {
        workers_free(all);
        return err;
    }
    *ret_workers = all;
    return 0;
}

void workers_stop(struct workers *workers, uv_loop_t *loop, void (*on_left)(void *arg), void *arg)
{
    unsigned i;

    workers->on_left = on_left;
    workers->arg = arg;
    for (i = 0; i < workers->n; i++)
        uv_queue_work(loop, &workers->worker[i].task, discharge, on_discharged);
}

unsigned workers_count(const struct workers *workers)
{
    return workers->n;
}

void *pool_worker_data(size_t hook)
{
    assert(self != NULL);
    assert(hook < self->n_values);
    return self->values[hook];
}

/* As libuv reads it. */
static unsigned expected_threads(void)
{
    const char *text = getenv("UV_THREADPOOL_SIZE");
    unsigned n = text != NULL ? (unsigned)strtol(text, NULL, 10) : LIBUV_THREADS;

    if (n == 0)
        return 1;
    return n < POOL_WORKERS_MAX ? n : POOL_WORKERS_MAX;
}

/* All alive at once, with the stack that libuv will give its own; with an older one that is any thread's. Readers
 * of the gate pass it together: one after the other, each would wait for those before it to get a CPU. */
static int try_threads(unsigned n, char *error, size_t error_size)
{
    uv_thread_t *threads = calloc(n, sizeof(*threads));
    uv_thread_options_t like_libuvs = {.flags = UV_THREAD_NO_FLAGS};
    uv_rwlock_t gate;
    char reason[80];
    unsigned made = 0;
    int err;

    if (threads == NULL)
        return -ENOMEM;
    err = uv_rwlock_init(&gate);
    if (err < 0)
        goto out_free;
    if (pool_stack_is_fixed())
        like_libuvs = (uv_thread_options_t){.flags = UV_THREAD_HAS_STACK_SIZE, .stack_size = LIBUV_STACK};
    uv_rwlock_wrlock(&gate);
    while (made < n && (err = uv_thread_create_ex(&threads[made], &like_libuvs, pass_gate, &gate)) == 0)
        made++;
    uv_rwlock_wrunlock(&gate);
    if (err < 0)
        snprintf(error, error_size, "%u of %u threads: %s", made, n, uv_strerror_r(err, reason, sizeof(reason)));
    while (made > 0)
        uv_thread_join(&threads[--made]);
    uv_rwlock_destroy(&gate);
out_free:
    free(threads);
    return err;
}

static void pass_gate(void *gate)
{
    uv_rwlock_rdlock(gate);
    uv_rwlock_rdunlock(gate);
}

static struct workers *workers_new(const struct pool_options *options, unsigned n)
{
    struct workers *all = calloc(1, sizeof(*all) + n * sizeof(all->worker[0]));
    unsigned i;

    if (all == NULL)
        return NULL;
    all->n = n;
    all->n_hooks = options->n_hooks;
    all->set_nice = options->nice > 0;
    all->nice = getpriority(PRIO_PROCESS, 0) + (int)options->nice;
    /* One more, for calloc(0) may be NULL. */
    all->hooks = calloc(all->n_hooks + 1, sizeof(*all->hooks));
    all->values = calloc(all->n_hooks * n + 1, sizeof(*all->values));
    if (all->hooks == NULL || all->values == NULL || uv_mutex_init(&all->lock) < 0)
        goto err_free;
    if (uv_cond_init(&all->met) < 0)
        goto err_mutex;
    for (i = 0; i < all->n_hooks; i++)
        all->hooks[i] = options->hooks[i];
    for (i = 0; i < n; i++) {
        all->worker[i].task.data = &all->worker[i];
        all->worker[i].all = all;
        all->worker[i].values = all->values + i * all->n_hooks;
    }
    return all;

err_mutex:
    uv_mutex_destroy(&all->lock);
err_free:
    free(all->values);
    free(all->hooks);
    free(all);
    return NULL;
}

static void workers_free(struct workers *all)
{
    uv_cond_destroy(&all->met);
    uv_mutex_destroy(&all->lock);
    free(all->values);
    free(all->hooks);
    free(all);
}

static int gather(struct workers *all, unsigned gather_ms)
{
    uv_loop_t loop;
    char reason[80];
    unsigned i;
    int err = uv_loop_init(&loop);

    if (err < 0) {
        snprintf(all->error, all->error_size, "no loop: %s", uv_strerror_r(err, reason, sizeof(reason)));
        return err;
    }
    for (i = 0; i < all->n; i++)
        uv_queue_work(&loop, &all->worker[i].task, enlist, NULL);
    wait_for_all(all, gather_ms);
    uv_run(&loop, UV_RUN_DEFAULT);
    err = uv_loop_close(&loop);
    assert(err == 0);
    if (all->given_up)
        return -EAGAIN;
    libuv_threads = all->n;
    return all->err;
}

/* Until the first meeting. Once that is given up, tasks that have not begun never will. */
static void wait_for_all(struct workers *all, unsigned gather_ms)
{
    uint64_t deadline = uv_hrtime() + gather_ms * UINT64_C(1000000);
    uint64_t now;
    unsigned i;

    uv_mutex_lock(&all->lock);
    while (all->meetings == 0 && (now = uv_hrtime()) < deadline)
        uv_cond_timedwait(&all->met, &all->lock, deadline - now);
    if (all->meetings == 0) {
        all->given_up = true;
        uv_cond_broadcast(&all->met);
        snprintf(all->error, all->error_size, "%u of %u threads after %u ms: libuv's pool was used before, or is busy",
                 all->came, all->n, gather_ms);
        for (i = 0; i < all->n; i++)
            uv_cancel((uv_req_t *)&all->worker[i].task);
    }
    uv_mutex_unlock(&all->lock);
}

/* Waits, under the lock, until all threads are here. False: it was given up. */
static bool meet(struct workers *all)
{
    unsigned meeting = all->meetings;

    if (++all->came == all->n) {
        all->came = 0;
        all->meetings++;
        uv_cond_broadcast(&all->met);
    }
    while (all->meetings == meeting && !all->given_up)
        uv_cond_wait(&all->met, &all->lock);
    return !all->given_up;
}

static void enlist(uv_work_t *task)
{
    struct worker *worker = task->data;
    struct workers *all = worker->all;
    bool is_wanted;

    uv_mutex_lock(&all->lock);
    is_wanted = meet(all);
    uv_mutex_unlock(&all->lock);
    if (!is_wanted)
        return;
    settle_in(worker);
    uv_mutex_lock(&all->lock);
    run_init_hooks(worker);
    if (all->n_hooks > 0)
        meet(all); /* does anybody's fail? */
    if (all->err == 0)
        self = worker;
    else
        run_fini_hooks(worker);
    uv_mutex_unlock(&all->lock);
}

/* A command that a handler starts has the mask, too, and a shell that waits for one of its own needs SIGCHLD. */
static void settle_in(const struct worker *worker)
{
    static const int taken[] = {SIGABRT,           SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP, POOL_SIGNAL,
                                POOL_TRACE_SIGNAL, SIGCHLD};
    char name[16];
    sigset_t blocked;
    size_t i;

    snprintf(name, sizeof(name), "hoist-w%u", (unsigned)(worker - worker->all->worker) % POOL_WORKERS_MAX);
    pthread_setname_np(pthread_self(), name);
    sigfillset(&blocked);
    for (i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
        sigdelset(&blocked, taken[i]);
    pthread_sigmask(SIG_SETMASK, &blocked, NULL);
    if (worker->all->set_nice) {
        priority_set_nice(worker->all->nice);
        (void)priority_set_turns(POOL_TURN_NS, NULL);
    }
}

static void run_init_hooks(struct worker *worker)
{
    struct workers *all = worker->all;
    const struct pool_hook *hook;
    char reason[80];
    int err;

    while (all->err == 0 && worker->n_values < all->n_hooks) {
        hook = &all->hooks[worker->n_values];
        err = hook->init(hook->data, &worker->values[worker->n_values]);
        if (err == 0) {
            worker->n_values++;
            continue;
        }
        all->err = err < 0 ? err : -EINVAL;
        if (err > 0)
            snprintf(all->error, all->error_size, "%s: init returned %d, which is neither 0 nor a negative errno",
                     hook->name, err);
        else
            snprintf(all->error, all->error_size, "%s: init failed on a worker thread: %s", hook->name,
                     uv_strerror_r(err, reason, sizeof(reason)));
    }
}

static void run_fini_hooks(struct worker *worker)
{
    const struct pool_hook *hook;

    while (worker->n_values > 0) {
        worker->n_values--;
        hook = &worker->all->hooks[worker->n_values];
        if (hook->fini != NULL)
            hook->fini(worker->values[worker->n_values]);
    }
}

/* The task says nothing of the thread: libuv gives any task to any of them. */
static void discharge(uv_work_t *task)
{
    struct workers *all = ((struct worker *)task->data)->all;

    assert(self != NULL);
    uv_mutex_lock(&all->lock);
    meet(all);
    run_fini_hooks(self);
    self = NULL;
    uv_mutex_unlock(&all->lock);
}

static void on_discharged(uv_work_t *task, int status)
{
    struct workers *all = ((struct worker *)task->data)->all;
    void (*on_left)(void *arg) = all->on_left;
    void *arg = all->arg;

    assert(status == 0);
    if (++all->left < all->n)
        return;
    workers_free(all);
    on_left(arg);
}
