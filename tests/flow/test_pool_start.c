/* The start and the stop: threads, hooks, priorities, and everything that can go wrong there. */
#include "lib/fail_malloc.h"
#include "lib/pool_fixture.h"
#include "pool/worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { THREADS = 4 };

static struct fixture f;

/* ---- hooks ------------------------------------------------------------------------------------------------------- */

/* Counts what hooks do; its address is a hook's data. */
struct ledger {
    atomic_uint inits, finis, wrong_threads, at_once;
    unsigned fail_at; /* the init that fails, from 1; 0: none */
};

/* A hook's value. */
struct handle {
    pthread_t thread;
    struct ledger *ledger;
};

static struct ledger ledger;

static int init(void *data, void **ret_value)
{
    struct ledger *into = data;
    struct handle *handle = calloc(1, sizeof *handle);

    if (atomic_fetch_add(&into->at_once, 1) != 0)
        atomic_fetch_add(&into->wrong_threads, 1);
    handle->thread = pthread_self();
    handle->ledger = into;
    atomic_fetch_sub(&into->at_once, 1);
    if (atomic_fetch_add(&into->inits, 1) + 1 == into->fail_at) {
        free(handle);
        return -ENOENT;
    }
    *ret_value = handle;
    return 0;
}

static void fini(void *value)
{
    struct handle *handle = value;

    atomic_fetch_add(&handle->ledger->finis, 1);
    if (!pthread_equal(handle->thread, pthread_self()))
        atomic_fetch_add(&handle->ledger->wrong_threads, 1);
    free(handle);
}

static const struct pool_hook hooks[] = {{.name = "plain", .init = init, .data = &ledger},
                                         {.name = "whole", .init = init, .fini = fini, .data = &ledger}};

static struct pool_options with_hook(unsigned workers)
{
    return (struct pool_options){.workers = workers, .workers_max = workers, .hooks = &hooks[1], .n_hooks = 1};
}

static void open_with_threads(unsigned threads)
{
    pool_reserve_threads(threads, 0);
    fixture_open(&f);
}

Test(pool_start, hooks_run_once_on_each_thread_and_end_on_the_same, .timeout = 30)
{
    struct pool_options options = with_hook(THREADS);

    open_with_threads(THREADS);
    fixture_start_as(&f, &options);
    cr_expect_eq(ledger.inits, THREADS);
    cr_expect_eq(ledger.finis, 0);

    fixture_close(&f);

    cr_expect_eq(ledger.finis, THREADS);
    cr_expect_eq(ledger.wrong_threads, 0);
}

Test(pool_start, hooks_run_on_every_thread_that_libuv_has, .timeout = 30)
{
    struct pool_options options = with_hook(1);

    open_with_threads(THREADS);
    fixture_start_as(&f, &options);
    cr_expect_eq(ledger.inits, THREADS);
    fixture_close(&f);

    cr_expect_eq(ledger.finis, THREADS);
}

static void work_with_value(struct pool_job *job)
{
    struct handle *handle = pool_worker_data(0);

    (void)job;
    if (!pthread_equal(handle->thread, pthread_self()))
        atomic_fetch_add(&handle->ledger->wrong_threads, 1);
}

Test(pool_start, a_job_sees_its_own_threads_value, .timeout = 30)
{
    struct pool_options options = with_hook(THREADS);
    unsigned i;

    open_with_threads(THREADS);
    fixture_start_as(&f, &options);
    for (i = 0; i < 100; i++)
        f.jobs[i].job.work = work_with_value;
    fixture_submit(&f, &f.lane, 0, 100);
    fixture_run_until_done(&f, 100);

    cr_expect_eq(ledger.wrong_threads, 0);
    fixture_close(&f);
}

Test(pool_start, a_failing_hook_fails_the_start_and_undoes_the_others, .timeout = 30)
{
    struct pool_options options = with_hook(THREADS);

    open_with_threads(THREADS);
    ledger.fail_at = 3;
    fixture_start_as(&f, &options);

    cr_expect_eq(f.err, -ENOENT);
    cr_expect(strstr(f.error, "whole") != NULL && strstr(f.error, "no such file") != NULL, "%s", f.error);
    cr_expect_eq(ledger.inits, 3);
    cr_expect_eq(ledger.finis, 2);
    cr_expect_eq(ledger.wrong_threads, 0);
    fixture_close(&f);
}

static int init_with_a_number(void *data, void **ret_value)
{
    (void)data;
    (void)ret_value;
    return 17;
}

Test(pool_start, a_hook_s_result_that_is_no_errno_is_named, .timeout = 30)
{
    const struct pool_hook hook = {.name = "odd", .init = init_with_a_number};
    struct pool_options options = {.workers = THREADS, .workers_max = THREADS, .hooks = &hook, .n_hooks = 1};

    open_with_threads(THREADS);
    fixture_start_as(&f, &options);

    cr_expect_eq(f.err, -EINVAL);
    cr_expect_str_eq(f.error, "odd: init returned 17, which is neither 0 nor a negative errno");
    fixture_close(&f);
}

Test(pool_start, a_failing_second_hook_ends_the_first_of_its_thread, .timeout = 30)
{
    struct ledger second = {.fail_at = 2};
    struct pool_hook two[] = {hooks[1], {.name = "second", .init = init, .fini = fini, .data = &second}};
    struct pool_options options = {.workers = THREADS, .workers_max = THREADS, .hooks = two, .n_hooks = 2};

    open_with_threads(THREADS);
    fixture_start_as(&f, &options);

    cr_expect_eq(f.err, -ENOENT);
    cr_expect_eq(ledger.finis, 2);
    cr_expect_eq(second.finis, 1);
    fixture_close(&f);
}

Test(pool_start, it_succeeds_after_a_hook_that_failed, .timeout = 30)
{
    struct pool_options options = with_hook(THREADS);

    open_with_threads(THREADS);
    ledger.fail_at = 1;
    fixture_start_as(&f, &options);
    cr_assert_eq(f.err, -ENOENT);

    fixture_start_as(&f, &options);

    cr_expect_eq(f.err, 0, "%s", f.error);
    fixture_close(&f);
    cr_expect_eq(ledger.finis, THREADS);
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

Test(pool_start, too_few_threads_are_an_error_with_numbers, .timeout = 30)
{
    struct pool_options options = {.workers = 8, .workers_max = 8};

    open_with_threads(4);
    fixture_start_as(&f, &options);

    cr_expect_eq(f.err, -EAGAIN);
    cr_expect_str_eq(f.error, "4 of 8 threads: libuv's pool was used before, or UV_THREADPOOL_SIZE says 4");
    fixture_close(&f);
}

Test(pool_start, the_environment_is_read_as_libuv_reads_it, .timeout = 30)
{
    static const struct {
        const char *text;
        const char *error;
    } rows[] = {{NULL, "4 of 1024 "}, {"nonsense", "1 of 1024 "}, {"0", "1 of 1024 "}, {"7 dwarfs", "7 of 1024 "}};
    struct pool_options options = {.workers = 1, .workers_max = POOL_WORKERS_MAX};
    size_t i;

    fixture_open(&f);
    for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsetenv("UV_THREADPOOL_SIZE");
        if (rows[i].text != NULL)
            setenv("UV_THREADPOOL_SIZE", rows[i].text, 1);
        fixture_start_as(&f, &options);
        cr_expect_eq(f.err, -EAGAIN);
        cr_expect_eq(strncmp(f.error, rows[i].error, strlen(rows[i].error)), 0, "%s", f.error);
    }
    fixture_close(&f);
}

static atomic_bool is_held;

static void hold_thread(uv_work_t *work)
{
    (void)work;
    while (atomic_load(&is_held))
        sched_yield();
}

/* A busy machine may keep some of most from coming in time. */
static void expect_too_few(unsigned most, unsigned of)
{
    char text[128];
    unsigned came = most + 1;

    (void)sscanf(f.error, "%u", &came);
    (void)snprintf(text, sizeof(text), "%u of %u threads after 50 ms: libuv's pool was used before, or is busy", came,
                   of);
    cr_expect_str_eq(f.error, text);
    cr_expect_leq(came, most, "%s", f.error);
}

Test(pool_start, threads_that_others_hold_are_not_waited_for_for_ever, .timeout = 30)
{
    static const unsigned held[] = {1, 4};
    struct pool_options options = with_hook(THREADS);
    uv_work_t work[THREADS];
    size_t i;
    unsigned n;

    open_with_threads(THREADS);
    options.gather_ms = 50;
    for (i = 0; i < sizeof held / sizeof held[0]; i++) {
        atomic_store(&is_held, true);
        for (n = 0; n < held[i]; n++)
            uv_queue_work(&f.loop, &work[n], hold_thread, NULL);
        fixture_start_as(&f, &options);
        atomic_store(&is_held, false);
        uv_run(&f.loop, UV_RUN_DEFAULT);
        cr_expect_eq(f.err, -EAGAIN);
        expect_too_few(THREADS - held[i], THREADS);
    }
    cr_expect_eq(ledger.inits, 0);

    options.gather_ms = 0;
    fixture_start_as(&f, &options);

    cr_expect_eq(f.err, 0, "%s", f.error);
    fixture_close(&f);
}

Test(pool_start, a_pool_that_libuv_made_smaller_before_is_an_error, .timeout = 30)
{
    struct pool_options options = {.workers = 8, .workers_max = 8, .gather_ms = 50};
    uv_work_t first;

    open_with_threads(4);
    uv_queue_work(&f.loop, &first, hold_thread, NULL);
    uv_run(&f.loop, UV_RUN_DEFAULT);
    pool_reserve_threads(8, 0);
    fixture_start_as(&f, &options);

    cr_expect_eq(f.err, -EAGAIN);
    expect_too_few(4, 8);
    fixture_close(&f);
}

/* AddressSanitizer needs more address space than the test leaves. */
#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__
#endif
#endif
#ifndef __SANITIZE_ADDRESS__
Test(pool_start, threads_that_cannot_be_created_are_an_error_and_no_abort, .timeout = 30)
{
    struct pool_options options = {.workers = 1, .workers_max = POOL_WORKERS_MAX};
    struct rlimit space = {.rlim_cur = 1024 * 1024 * 1024, .rlim_max = RLIM_INFINITY};

    open_with_threads(POOL_WORKERS_MAX);
    cr_assert_eq(setrlimit(RLIMIT_AS, &space), 0);
    fixture_start_as(&f, &options);

    cr_expect_eq(f.err, -EAGAIN);
    cr_expect(strstr(f.error, " of 1024 threads: ") != NULL, "%s", f.error);
    fixture_close(&f);
}
#endif

static struct {
    char name[16];
    int nice;
    uint64_t turn_ns;
    bool blocks_term, blocks_segv, blocks_chld;
} seen;

static void look_at_thread(struct pool_job *job)
{
    sigset_t blocked;

    (void)job;
    pthread_getname_np(pthread_self(), seen.name, sizeof seen.name);
    seen.nice = getpriority(PRIO_PROCESS, 0);
    priority_set_turns(1000000, &seen.turn_ns);
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    seen.blocks_term = sigismember(&blocked, SIGTERM);
    seen.blocks_segv = sigismember(&blocked, SIGSEGV);
    seen.blocks_chld = sigismember(&blocked, SIGCHLD);
}

/* There is none above 19, also for tests that are run at a high one. */
static int nicer(int nice, int by)
{
    return nice + by < 19 ? nice + by : 19;
}

Test(pool_start, threads_have_a_name_and_a_nice_value_and_leave_signals_to_others, .timeout = 30)
{
    struct pool_options options = {.workers = 1, .workers_max = 1, .nice = 3};
    struct pool_figures figures;
    int own_nice = nicer(getpriority(PRIO_PROCESS, 0), 1); /* not 0, which adds nothing */

    cr_assert_eq(setpriority(PRIO_PROCESS, 0, own_nice), 0);
    open_with_threads(1);
    fixture_start_as(&f, &options);
    f.jobs[0].job.work = look_at_thread;
    fixture_submit(&f, &f.lane, 0, 1);
    fixture_run_until_done(&f, 1);
    pool_figures(f.pool, &figures);

    cr_expect_str_eq(seen.name, "hoist-w0");
    cr_expect_eq(seen.nice, nicer(own_nice, 3));
    cr_expect_eq(seen.turn_ns, figures.short_turns ? POOL_TURN_NS : 0);
    cr_expect_eq(getpriority(PRIO_PROCESS, 0), own_nice);
    cr_expect(seen.blocks_term);
    cr_expect_not(seen.blocks_segv);
    cr_expect_not(seen.blocks_chld, "a shell that a handler starts waits for it");
    fixture_close(&f);
}

Test(pool_start, short_turns_are_given_back, .timeout = 30)
{
    struct pool_options options = {.workers = 1, .workers_max = 1, .nice = 1};
    uint64_t before = 0, during = 0, after = 0;
    struct pool_figures figures;

    open_with_threads(1);
    fixture_start_as(&f, &options);
    pool_figures(f.pool, &figures);
    if (!figures.short_turns) {
        fixture_close(&f);
        cr_skip_test("this system has none");
    }
    fixture_stop(&f);
    cr_expect(priority_set_turns(1000000, &before));
    fixture_start_as(&f, &options);
    cr_expect(priority_set_turns(100000, &during));
    fixture_stop(&f);
    cr_expect(priority_set_turns(1000000, &after));

    cr_expect_neq(before, 100000);
    cr_expect_eq(during, 100000);
    cr_expect_eq(after, 1000000);
    fixture_close(&f);
}

/* ---- one pool ---------------------------------------------------------------------------------------------------- */

Test(pool_start, a_second_pool_is_refused, .timeout = 30)
{
    struct pool_options options = {.workers = 1, .workers_max = 1};
    struct pool *second = NULL;
    char error[100];

    fixture_start(&f, 1);

    cr_expect_eq(pool_start(&second, &f.loop, &options, error, sizeof error), -EBUSY);

    cr_expect_null(second);
    cr_expect_str_eq(error, "there is a pool already");
    fixture_close(&f);
}

Test(pool_start, it_starts_again_after_a_stop, .timeout = 30)
{
    struct pool_options options = with_hook(THREADS);
    unsigned i;

    open_with_threads(THREADS);
    gate_let_all_go(&f.gate);
    for (i = 1; i <= 50; i++) {
        fixture_start_as(&f, &options);
        cr_assert_eq(f.err, 0, "%s", f.error);
        fixture_submit(&f, &f.lane, 0, 20);
        fixture_run_until_done(&f, i * 20);
        fixture_stop(&f);
        cr_expect_eq(ledger.finis, i * THREADS);
    }
    cr_expect_eq(ledger.wrong_threads, 0);
    fixture_close(&f);
}

Test(pool_start, it_remembers_how_many_threads_libuv_has, .timeout = 30)
{
    struct pool_options options = {.workers = 8, .workers_max = 8};

    fixture_start(&f, THREADS);
    fixture_stop(&f);
    pool_reserve_threads(8, 0);
    fixture_start_as(&f, &options);

    cr_expect_eq(f.err, -EAGAIN);
    cr_expect_eq(strncmp(f.error, "4 of 8 threads: ", 16), 0, "%s", f.error);
    fixture_close(&f);
}

Test(pool_start, options_out_of_range_are_refused, .timeout = 30)
{
    static const struct pool_options rows[] = {{.workers = 0, .workers_max = 1},
                                               {.workers = 2, .workers_max = 1},
                                               {.workers = 1, .workers_max = POOL_WORKERS_MAX + 1}};
    size_t i;

    open_with_threads(4);
    for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fixture_start_as(&f, &rows[i]);
        cr_expect_eq(f.err, -EINVAL, "row %zu", i);
    }
    fixture_close(&f);
}

Test(pool_start, it_survives_a_failure_of_any_allocation, .timeout = 30)
{
    struct pool_options options = {.workers = THREADS, .workers_max = THREADS, .hooks = hooks, .n_hooks = 0};
    bool failed = true;
    unsigned n;

    open_with_threads(THREADS);
    for (n = 1; failed; n++) {
        fail_malloc_at(n);
        fixture_start_as(&f, &options);
        failed = fail_malloc_failed();
        fail_malloc_at(0);
        cr_expect_eq(f.err, failed ? -ENOMEM : 0, "allocation %u: %s", n, f.error);
        if (failed)
            cr_expect_str_eq(f.error, "no memory");
    }

    cr_expect_gt(n, 4);
    fixture_close(&f);
}
