/* How the loop feels: how late it is (lag), and how much of its time it works (utilisation). Loop thread only. */
#ifndef SERVER_LOOP_WATCH_H
#define SERVER_LOOP_WATCH_H

#include "histogram.h"

#include <uv.h>

struct loop_watch {
    struct histogram lag; /* of a timer: late by so much */
    uint64_t busy_ns;     /* outside of poll, since begun_ns */
    uint64_t begun_ns;

    uv_prepare_t prepare;
    uv_check_t check;
    uv_timer_t timer;
    uint64_t turn_ns;                              /* when the loop last came out of poll */
    uint64_t due_ns;                               /* when the timer should fire */
    void (*on_sample)(uint64_t lag_ns, void *arg); /* ten times a second */
    void *sample_arg;
    unsigned n_open;
    void (*on_closed)(void *arg);
    void *arg;
};

/* Takes a watch that is zeroed but for on_sample and its argument. Its handles do not keep the loop alive. */
void loop_watch_start(struct loop_watch *watch, uv_loop_t *loop);

/* Then on_closed(arg). */
void loop_watch_close(struct loop_watch *watch, void (*on_closed)(void *arg), void *arg);

#endif
