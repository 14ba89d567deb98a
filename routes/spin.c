/* GET /spin/:ms: burns ms milliseconds of CPU time on a worker, however long that takes when others want the CPU too.
 */
#include "heavy.h"

#include <errno.h>
#include <stdint.h>
#include <time.h>

static int64_t cpu_time_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int spin(hoist_req *req, hoist_res *res)
{
    int64_t until_ns = cpu_time_ns();
    long ms;
    int err;

    err = hoist_req_long(req, "ms", 0, HEAVY_MS_MAX, &ms);
    if (err < 0)
        return err;
    until_ns += (int64_t)ms * 1000000;
    while (cpu_time_ns() < until_ns) {
        if (hoist_req_cancelled(req))
            return -ECANCELED;
        for (volatile unsigned i = 0; i < 1000; i++)
            ;
    }
    return hoist_reply_printf(res, 200, "application/json", "{\"spun_ms\":%ld}", ms);
}

const hoist_route spin_route = {.path = "/spin/:ms", .handler = spin, .timeout_ms = HOIST_NO_LIMIT};
