#include "handler_fixture.h"

#include <criterion/criterion.h>

static hoist_test *t;

const hoist_test_reply *handler_call(hoist_handler *handler, size_t max_reply)
{
    const hoist_route route = {.path = "/", .handler = handler, .max_reply = max_reply};

    hoist_test_free(t);
    t = hoist_test_new(&route);
    cr_assert_not_null(t);
    return hoist_test_get(t, "/");
}

void handler_close(void)
{
    hoist_test_free(t);
}
