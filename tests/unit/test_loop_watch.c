/* How much of its time a loop works. */
#include "server/loop_watch.h"

#include <criterion/criterion.h>

enum { WORK_MS = 20, WAIT_MS = 50 };
#define MS UINT64_C(1000000)

static uv_loop_t loop;
static struct loop_watch watch;

static unsigned n_samples;
static uint64_t last_lag_ns;

static void on_sample(uint64_t lag_ns, void *arg)
{
    (void)arg;
    n_samples++;
    last_lag_ns = lag_ns;
}

static void on_closed(void *arg)
{
    (void)arg;
}

static void open_watch(void)
{
    cr_assert_eq(uv_loop_init(&loop), 0);
    watch.on_sample = on_sample;
    loop_watch_start(&watch, &loop);
}

static void close_watch(void)
{
    loop_watch_close(&watch, on_closed, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    cr_assert_eq(uv_loop_close(&loop), 0);
}

TestSuite(loop_watch, .init = open_watch, .fini = close_watch);

/* Comes from poll, as what sockets bring does. */
static void on_async(uv_async_t *async)
{
    uint64_t until_ns = uv_hrtime() + WORK_MS * MS;

    while (uv_hrtime() < until_ns)
        ;
    uv_close((uv_handle_t *)async, NULL);
}

Test(loop_watch, counts_what_an_event_has_the_loop_do)
{
    uv_async_t async;

    uv_async_init(&loop, &async, on_async);
    uv_async_send(&async);
    uv_run(&loop, UV_RUN_DEFAULT);

    cr_expect_geq(loop_watch_busy_ns(&watch), WORK_MS * MS);
}

static void on_timer(uv_timer_t *timer)
{
    uv_close((uv_handle_t *)timer, NULL);
}

/* The loop's time may be from long ago on a busy machine: then a timer is due before the loop has waited for it. */
Test(loop_watch, does_not_count_that_the_loop_waits)
{
    uint64_t waited_ns = 0;

    for (unsigned i = 0; i < 100 && waited_ns < WAIT_MS * MS / 2; i++) {
        uint64_t busy_ns;
        uv_timer_t timer;

        uv_timer_init(&loop, &timer);
        uv_timer_start(&timer, on_timer, WAIT_MS, 0);
        uv_run(&loop, UV_RUN_DEFAULT);
        busy_ns = loop_watch_busy_ns(&watch);
        waited_ns = uv_hrtime() - watch.begun_ns - busy_ns;
    }
    cr_expect_geq(waited_ns, WAIT_MS * MS / 2);
}

/* Whoever is called before the sample's timer in the same turn. */
Test(loop_watch, takes_a_sample_that_is_due_when_asked)
{
    uint64_t now_ms = uv_now(&loop), begun_ns = uv_hrtime();

    watch.due_ns = UINT64_MAX;
    loop_watch_sample(&watch);
    cr_expect_eq(n_samples, 0, "none is due");
    watch.due_ns = begun_ns - WORK_MS * MS;
    loop_watch_sample(&watch);
    cr_expect_eq(n_samples, 1);
    cr_expect_geq(last_lag_ns, (WORK_MS - 1) * MS);
    cr_expect_eq(uv_now(&loop), now_ms, "or timers would be called again before sockets are read");
    cr_expect_gt(watch.due_ns, begun_ns, "the next one is due later");
}

/* A timer counts whole milliseconds. */
Test(loop_watch, counts_no_lag_that_a_timer_has_anyway)
{
    uint64_t due_ns = uv_hrtime() - WORK_MS * MS;

    watch.due_ns = due_ns;
    loop_watch_sample(&watch);
    cr_expect_leq(last_lag_ns + MS, uv_hrtime() - due_ns);
}
