/* GET /dummy: answered on the loop, at once, whatever the workers do. */
#include "hoist.h"

static int dummy(hoist_req *req, hoist_res *res)
{
    static const char json[] = "{\"message\":\"async power\"}";

    (void)req;
    return hoist_reply_static(res, 200, "application/json", json, sizeof(json) - 1);
}

const hoist_route dummy_route = {.path = "/dummy", .handler = dummy, .run = HOIST_INLINE};
