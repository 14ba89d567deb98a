/* A timer that is as exact as the system's: uv_timer_t counts whole milliseconds, which is longer than most answers
 * take. Loop thread only.
 */
#ifndef EXPERIMENT_ALARM_H
#define EXPERIMENT_ALARM_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct alarm {
    uv_poll_t poll;
    int fd;
    bool is_open;
    void (*on_alarm)(void *arg);
    void *arg;
};

/* 0, or a negative errno and nothing to close. */
int alarm_open(struct alarm *alarm, uv_loop_t *loop, void (*on_alarm)(void *arg), void *arg);

/* At that uv_hrtime(), or at once if it has passed. Replaces what was set. */
void alarm_set(struct alarm *alarm, uint64_t at_ns);

/* *alarm must stay until the loop has made is_open false. */
void alarm_close(struct alarm *alarm);

#endif
