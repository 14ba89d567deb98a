#include <hoist.h>

static int hello(hoist_req *req, hoist_res *res)
{
    const char *name = hoist_req_arg(req, "name");

    return hoist_reply_printf(res, 200, "text/plain", "hello %s\n", name != NULL ? name : "you");
}

const hoist_route hello_route = {.path = "/hello", .handler = hello};

#ifndef TESTED
int main(int argc, char **argv)
{
    const hoist_route *const routes[] = {&hello_route, NULL};

    return hoist_main(argc, argv, &(hoist_program){.name = "app", .version = "1", .routes = routes});
}
#endif
