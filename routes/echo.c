/* POST /echo: answers with the body that it got, and its type if that is one. */
#include "hoist.h"

#include <string.h>

enum { TYPE_MAX = 200 };

static int echo(hoist_req *req, hoist_res *res)
{
    const char *type = hoist_req_header(req, "Content-Type");
    size_t len;
    const char *body = hoist_req_body(req, &len);

    if (type == NULL || strchr(type, '/') == NULL || strlen(type) > TYPE_MAX)
        type = "application/octet-stream";
    return hoist_reply_copy(res, 200, type, body, len);
}

const hoist_route echo_route = {.method = HOIST_POST, .path = "/echo", .handler = echo, .run = HOIST_INLINE};
