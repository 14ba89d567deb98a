/* A timerfd in the loop; where there is none, uv_timer_t.
 *
 * Happy path: alarm_set() arms it for a point of uv_hrtime(), which is CLOCK_MONOTONIC. Failures: no descriptor is
 * left. Close: the descriptor goes at once, the handle with the loop's next turn.
 */
#include "alarm.h"

static void on_close(uv_handle_t *handle)
{
    struct alarm *alarm = handle->data;

    alarm->is_open = false;
}

#ifdef __linux__
#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct alarm *alarm = poll->data;
    uint64_t times;

    (void)status;
    (void)events;
    if (read(alarm->fd, &times, sizeof(times)) == sizeof(times))
        alarm->on_alarm(alarm->arg);
}

int alarm_open(struct alarm *alarm, uv_loop_t *loop, void (*on_alarm)(void *arg), void *arg)
{
    int err;

    alarm->on_alarm = on_alarm;
    alarm->arg = arg;
    alarm->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (alarm->fd < 0)
        return -errno;
    err = uv_poll_init(loop, &alarm->uv.poll, alarm->fd);
    if (err < 0) {
        close(alarm->fd);
        return err;
    }
    alarm->uv.poll.data = alarm;
    alarm->is_open = true;
    return uv_poll_start(&alarm->uv.poll, UV_READABLE, on_readable); /* fails for a closing handle only */
}

void alarm_set(struct alarm *alarm, uint64_t at_ns)
{
    /* All zeros would disarm it. */
    struct itimerspec spec = {
        .it_value = {.tv_sec = (time_t)(at_ns / 1000000000), .tv_nsec = (long)(at_ns % 1000000000)}};

    if (at_ns == 0)
        spec.it_value.tv_nsec = 1;
    timerfd_settime(alarm->fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

void alarm_close(struct alarm *alarm)
{
    uv_poll_stop(&alarm->uv.poll);
    close(alarm->fd);
    uv_close(&alarm->uv.handle, on_close);
}

#else

static void on_timer(uv_timer_t *timer)
{
    struct alarm *alarm = timer->data;

    alarm->on_alarm(alarm->arg);
}

int alarm_open(struct alarm *alarm, uv_loop_t *loop, void (*on_alarm)(void *arg), void *arg)
{
    alarm->on_alarm = on_alarm;
    alarm->arg = arg;
    alarm->uv.timer.data = alarm;
    alarm->is_open = true;
    return uv_timer_init(loop, &alarm->uv.timer);
}

void alarm_set(struct alarm *alarm, uint64_t at_ns)
{
    uint64_t now_ns = uv_hrtime();

    uv_timer_start(&alarm->uv.timer, on_timer, at_ns > now_ns ? (at_ns - now_ns) / 1000000 : 0, 0);
}

void alarm_close(struct alarm *alarm)
{
    uv_close(&alarm->uv.handle, on_close);
}

#endif
