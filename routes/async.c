/* GET /async: waits as long as "/" does, but on the loop's timer, where any number of requests wait at once; only the
 * work after that takes a worker. */
#include "heavy.h"

static int work(hoist_req *req, hoist_res *res)
{
    (void)req;
    heavy_func(0);
    return hoist_reply_json(res, 200, "{\"message\":\"done\"}");
}

static int after_wait(hoist_req *req, hoist_res *res)
{
    (void)res;
    return hoist_offload(req, work);
}

static int wait(hoist_req *req, hoist_res *res)
{
    const unsigned *wait_ms = hoist_req_data(req);

    (void)res;
    return hoist_later(req, *wait_ms, after_wait);
}

const hoist_route async_route = {
    .path = "/async",
    .handler = wait,
    .data = &heavy_ms,
    .run = HOIST_ASYNC,
    .timeout_ms = HOIST_NO_LIMIT,
};
