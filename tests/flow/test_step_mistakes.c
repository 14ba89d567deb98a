/* What handlers get wrong about how they go on: each mistake is told in one line. */
#include "hoist_test.h"
#include "lib/errors.h"

#include <criterion/criterion.h>

TestSuite(step_mistake, .init = errors_catch, .timeout = 30);

static int hello(hoist_req *req, hoist_res *res)
{
    (void)req;
    return hoist_reply_text(res, 200, "hello");
}

static int go_on_twice(hoist_req *req, hoist_res *res)
{
    (void)res;
    (void)hoist_offload(req, hello);
    return hoist_later(req, 1, hello);
}

static int finish_twice(hoist_req *req, hoist_res *res)
{
    (void)hoist_reply_text(res, 200, "finished");
    hoist_finish(req, 0);
    hoist_finish(req, 0);
    return HOIST_PENDING;
}

static int go_on_and_reply(hoist_req *req, hoist_res *res)
{
    (void)hoist_later(req, 1, hello);
    return hoist_reply_text(res, 200, "now");
}

static void expect_mistake(hoist_handler *handler, const char *body, const char *line)
{
    hoist_test *t = hoist_test_new(&(hoist_route){.path = "/steps", .handler = handler, .run = HOIST_ASYNC});

    cr_expect_str_eq(hoist_test_get(t, "/steps")->body, body);
    hoist_test_free(t);
    errors_expect_one_line(line);
}

Test(step_mistake, two_ways_to_go_on)
{
    expect_mistake(go_on_twice, "hello", "/steps: its handler said twice how to go on; the last one counts\n");
}

Test(step_mistake, two_ends)
{
    expect_mistake(finish_twice, "finished", "/steps: its handler said twice how to go on; the last one counts\n");
}

static int finish_with_a_number(hoist_req *req, hoist_res *res)
{
    (void)hoist_reply_text(res, 200, "finished");
    hoist_finish(req, HOIST_PENDING);
    return HOIST_PENDING;
}

Test(step_mistake, an_end_with_a_number)
{
    expect_mistake(finish_with_a_number, "{\"error\":\"protocol error\"}",
                   "/steps: hoist_finish() was told 32767, which is neither 0 nor a negative errno\n");
}

Test(step_mistake, a_way_to_go_on_and_a_reply)
{
    expect_mistake(go_on_and_reply, "now",
                   "/steps: its handler said how to go on, and returned something else than HOIST_PENDING\n");
}

static int wait_again(hoist_req *req, hoist_res *res)
{
    (void)res;
    return hoist_later(req, 1, wait_again);
}

static int offload_again(hoist_req *req, hoist_res *res)
{
    (void)res;
    return hoist_offload(req, wait_again);
}

static int finish_and_return(hoist_req *req, hoist_res *res)
{
    (void)hoist_reply_text(res, 200, "finished");
    hoist_finish(req, 0);
    return 0;
}

static int offload_end(hoist_req *req, hoist_res *res)
{
    (void)res;
    return hoist_offload(req, finish_and_return);
}

/* Under either executor. */
Test(step_mistake, a_way_to_go_on_from_a_worker)
{
    expect_mistake(offload_again, "{\"error\":\"the handler gave no reply\"}",
                   "/steps: its handler returned HOIST_PENDING; only one with .run = HOIST_ASYNC may, on the loop\n");
}

Test(step_mistake, an_end_by_hoist_finish_on_a_worker)
{
    expect_mistake(offload_end, "finished",
                   "/steps: hoist_finish() was called on a worker, where returning is what ends a request\n");
}
