/* The loop's lag and utilisation.
 *
 * Happy path: a timer ten times a second compares when it is called with when it should be: what a timer waits, anybody
 * waits whose event comes then, be it for a handler that holds the loop or for a processor. libuv counts the time that
 * it waits for events; all other time is work. Prepare and check handles cannot tell: the callbacks of sockets come
 * between them. Failures: none. Close: loop_watch_close().
 */
#include "loop_watch.h"

#include <assert.h>

enum { SAMPLE_MS = 100, TIMER_NS = 1000 * 1000 }; /* epoll and uv_now() count whole milliseconds: no lag */

static void on_sample(uv_timer_t *timer);
static void on_handle_closed(uv_handle_t *handle);

void loop_watch_start(struct loop_watch *watch, uv_loop_t *loop)
{
    int err = uv_loop_configure(loop, UV_METRICS_IDLE_TIME);

    assert(err == 0); /* it is there since libuv 1.39 */
    (void)err;
    uv_timer_init(loop, &watch->timer);
    watch->timer.data = watch;
    uv_unref((uv_handle_t *)&watch->timer);
    watch->begun_ns = uv_hrtime();
    watch->idle_ns = uv_metrics_idle_time(loop);
    uv_update_time(loop);
    watch->due_ns = (uv_now(loop) + SAMPLE_MS) * UINT64_C(1000000);
    uv_timer_start(&watch->timer, on_sample, SAMPLE_MS, 0);
}

uint64_t loop_watch_busy_ns(const struct loop_watch *watch)
{
    uint64_t passed_ns = uv_hrtime() - watch->begun_ns;

    return passed_ns - (uv_metrics_idle_time(watch->timer.loop) - watch->idle_ns);
}

void loop_watch_sample(struct loop_watch *watch)
{
    if (uv_hrtime() > watch->due_ns)
        on_sample(&watch->timer);
}

/* uv_now() is an earlier uv_hrtime(), in whole milliseconds (libuv, uv__update_time()), so due_ns is on that clock too.
 * It is left alone: moved on while timers are called, it would have them called again before any socket is read. */
static void on_sample(uv_timer_t *timer)
{
    struct loop_watch *watch = timer->data;
    uint64_t now_ns = uv_hrtime();
    uint64_t next_ms = now_ns / 1000000 + SAMPLE_MS;
    uint64_t lag_ns = now_ns > watch->due_ns + TIMER_NS ? now_ns - watch->due_ns - TIMER_NS : 0;

    histogram_add(&watch->lag, lag_ns);
    watch->on_sample(lag_ns, watch->sample_arg);
    watch->due_ns = next_ms * 1000000;
    uv_timer_start(timer, on_sample, next_ms - uv_now(timer->loop), 0);
}

void loop_watch_close(struct loop_watch *watch, void (*on_closed)(void *arg), void *arg)
{
    watch->on_closed = on_closed;
    watch->arg = arg;
    uv_close((uv_handle_t *)&watch->timer, on_handle_closed);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct loop_watch *watch = handle->data;

    watch->on_closed(watch->arg);
}
