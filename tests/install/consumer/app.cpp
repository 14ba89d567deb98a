// The headers, from C++: a route, its test client, and an app that listens. With an argument: a handler that throws, whose
// exception must not come to the catch in main().
#include <cstring>
#include <hoist.h>
#include <hoist_test.h>
#include <hoist_uv.h>
#include <stdexcept>

static int hello(hoist_req *, hoist_res *res)
{
    return hoist_reply_text(res, 200, "hello");
}

static int throws(hoist_req *, hoist_res *)
{
    throw std::runtime_error("bad");
}

static int catch_it()
{
    hoist_route route = {};

    route.path = "/throws";
    route.handler = throws;
    try {
        hoist_test_get(hoist_test_new(&route), "/throws");
    } catch (const std::exception &) {
        return 3;
    }
    return 4;
}

int main(int argc, char **)
{
    if (argc > 1)
        return catch_it();

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
