/* POST /echo: answers with the body, and the type, that it got. */
#include "hoist.h"

static int echo(hoist_req *req, hoist_res *res)
{
    const char *type = hoist_req_header(req, "Content-Type");
    size_t len;
    const char *body = hoist_req_body(req, &len);

    return hoist_reply_copy(res, 200, type != NULL ? type : "application/octet-stream", body, len);
}

const hoist_route echo_route = {.method = HOIST_POST, .path = "/echo", .handler = echo, .run = HOIST_INLINE};
