/* The loop's lag and utilisation.
 *
 * Happy path: a timer ten times a second compares when it is called with when it should be: what a timer waits, anybody
 * waits whose event comes then, be it for a handler that holds the loop or for a processor. Time outside of poll is
 * time at work. Failures: none. Close: loop_watch_close().
 */
#include "loop_watch.h"

enum { HANDLES = 3, SAMPLE_MS = 100, TIMER_NS = 1000 * 1000 }; /* epoll and uv_now() count whole milliseconds: no lag */

static void on_prepare(uv_prepare_t *prepare);
static void on_check(uv_check_t *check);
static void on_sample(uv_timer_t *timer);
static void on_handle_closed(uv_handle_t *handle);

void loop_watch_start(struct loop_watch *watch, uv_loop_t *loop)
{
    uv_handle_t *handles[HANDLES] = {(uv_handle_t *)&watch->prepare, (uv_handle_t *)&watch->check,
                                     (uv_handle_t *)&watch->timer};

    uv_prepare_init(loop, &watch->prepare);
    uv_check_init(loop, &watch->check);
    uv_timer_init(loop, &watch->timer);
    watch->n_open = HANDLES;
    for (size_t i = 0; i < HANDLES; i++) {
        handles[i]->data = watch;
        uv_unref(handles[i]);
    }
    watch->begun_ns = watch->turn_ns = uv_hrtime();
    uv_prepare_start(&watch->prepare, on_prepare);
    uv_check_start(&watch->check, on_check);
    uv_update_time(loop);
    watch->due_ns = (uv_now(loop) + SAMPLE_MS) * UINT64_C(1000000);
    uv_timer_start(&watch->timer, on_sample, SAMPLE_MS, 0);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct loop_watch *watch = prepare->data;

    watch->busy_ns += uv_hrtime() - watch->turn_ns;
}

static void on_check(uv_check_t *check)
{
    struct loop_watch *watch = check->data;

    watch->turn_ns = uv_hrtime();
}

/* uv_now() is uv_hrtime() in whole milliseconds (libuv, uv__update_time()), so due_ns is on that clock too. */
static void on_sample(uv_timer_t *timer)
{
    struct loop_watch *watch = timer->data;
    uint64_t now_ns = uv_hrtime();
    uint64_t lag_ns = now_ns > watch->due_ns + TIMER_NS ? now_ns - watch->due_ns - TIMER_NS : 0;

    histogram_add(&watch->lag, lag_ns);
    watch->on_sample(lag_ns, watch->sample_arg);
    watch->due_ns = (uv_now(timer->loop) + SAMPLE_MS) * UINT64_C(1000000);
    uv_timer_start(timer, on_sample, SAMPLE_MS, 0);
}

void loop_watch_close(struct loop_watch *watch, void (*on_closed)(void *arg), void *arg)
{
    watch->on_closed = on_closed;
    watch->arg = arg;
    uv_close((uv_handle_t *)&watch->prepare, on_handle_closed);
    uv_close((uv_handle_t *)&watch->check, on_handle_closed);
    uv_close((uv_handle_t *)&watch->timer, on_handle_closed);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct loop_watch *watch = handle->data;

    if (--watch->n_open == 0)
        watch->on_closed(watch->arg);
}
