/* GET /sleep/:ms: holds a worker for ms milliseconds without using the CPU, like a slow disk or database. It looks up
 * now and then whether anybody still waits, as code that you can change should. */
#include "heavy.h"

#include <errno.h>
#include <time.h>

enum { LOOK_UP_MS = 50 };

static int sleep_for(hoist_req *req, hoist_res *res)
{
    struct timespec until;
    long ms;
    int err;

    err = hoist_req_long(req, "ms", 0, HEAVY_MS_MAX, &ms);
    if (err < 0)
        return err;
    clock_gettime(CLOCK_MONOTONIC, &until);
    for (long left = ms; left > 0; left -= LOOK_UP_MS) {
        if (hoist_req_cancelled(req))
            return -ECANCELED;
        until.tv_nsec += (left < LOOK_UP_MS ? left : LOOK_UP_MS) * 1000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
            ;
    }
    return hoist_reply_printf(res, 200, "application/json", "{\"slept_ms\":%ld}", ms);
}

const hoist_route sleep_route = {.path = "/sleep/:ms", .handler = sleep_for, .timeout_ms = HOIST_NO_LIMIT};
