/* A timerfd in the loop.
 *
 * Happy path: alarm_set() arms it for a point of uv_hrtime(), which is CLOCK_MONOTONIC. Failures: no descriptor is
 * left. Close: the descriptor goes at once, the handle with the loop's next turn.
 */
#include "alarm.h"

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
    err = uv_poll_init(loop, &alarm->poll, alarm->fd);
    if (err < 0) {
        close(alarm->fd);
        return err;
    }
    alarm->poll.data = alarm;
    alarm->is_open = true;
    return uv_poll_start(&alarm->poll, UV_READABLE, on_readable); /* fails for a closing handle only */
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

static void on_close(uv_handle_t *handle)
{
    struct alarm *alarm = handle->data;

    alarm->is_open = false;
}

void alarm_close(struct alarm *alarm)
{
    uv_poll_stop(&alarm->poll);
    close(alarm->fd);
    uv_close((uv_handle_t *)&alarm->poll, on_close);
}
