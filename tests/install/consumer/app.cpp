// The headers, from C++: a route, its test client, and an app that listens.
#include <cstring>
#include <hoist.h>
#include <hoist_test.h>
#include <hoist_uv.h>

static int hello(hoist_req *, hoist_res *res)
{
    return hoist_reply_text(res, 200, "hello");
}

int main()
{
    hoist_route route = {};
    hoist_config config = {};
    hoist_app *app;

    route.path = "/hello";
    route.handler = hello;
    hoist_test *t = hoist_test_new(&route);
    if (std::strcmp(hoist_test_get(t, "/hello")->body, "hello") != 0)
        return 1;
    hoist_test_free(t);
    if (hoist_app_new(&app, &config) < 0 || hoist_app_route(app, &route) < 0 || hoist_app_listen(app) < 0)
        return 1;
    return hoist_app_free(app) == 0 ? 0 : 1;
}
