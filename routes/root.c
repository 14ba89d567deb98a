/* GET /: the blocking work, on a worker. */
#include "heavy.h"

static int root(hoist_req *req, hoist_res *res)
{
    const unsigned *wait_ms = hoist_req_data(req);

    heavy_func(*wait_ms);
    return hoist_reply_json(res, 200, "{\"message\":\"done\"}");
}

const hoist_route root_route = {
    .path = "/",
    .handler = root,
    .data = &heavy_ms,
    .timeout_ms = HOIST_NO_LIMIT, /* eight waits of 20 s on one worker must all end */
};
