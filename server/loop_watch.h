/* How the loop feels: how late it is (lag), and how much of its time it works (utilisation). Loop thread only. */
#ifndef SERVER_LOOP_WATCH_H
#define SERVER_LOOP_WATCH_H

#include "histogram.h"

#include <uv.h>

struct loop_watch {
    struct histogram lag; /* of a timer: late by so much */
    uint64_t begun_ns;

    uv_timer_t timer;
    uint64_t idle_ns;                              /* what libuv had counted by begun_ns */
    uint64_t due_ns;                               /* when the timer should fire */
    void (*on_sample)(uint64_t lag_ns, void *arg); /* ten times a second */
    void *sample_arg;
    void (*on_closed)(void *arg);
    void *arg;
};

/* Takes a watch that is zeroed but for on_sample and its argument. Its handle does not keep the loop alive. */
void loop_watch_start(struct loop_watch *watch, uv_loop_t *loop);

/* Takes the sample that is due, if one is: its timer may be behind the caller's in the same turn of the loop. */
void loop_watch_sample(struct loop_watch *watch);

/* Time at work since begun_ns: all of it that the loop did not wait for events. */
uint64_t loop_watch_busy_ns(const struct loop_watch *watch);

/* Then on_closed(arg). */
void loop_watch_close(struct loop_watch *watch, void (*on_closed)(void *arg), void *arg);

#endif
