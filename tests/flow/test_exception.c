/* What unwinds the stack out of a route's code, as a C++ exception does, ends the program there, with a line that names
 * the route, and not in whatever would catch it. */
#include "hoist.h"
#include "lib/client.h"
#include "lib/process.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <unwind.h>

enum { CAUGHT = 3 };

static struct process server;

static void tear_down(void)
{
    client_close_all();
    process_close(&server);
}

TestSuite(exception, .fini = tear_down, .timeout = 60);

/* The end of the stack is who catches it. */
static _Unwind_Reason_Code on_frame(int version, _Unwind_Action actions, _Unwind_Exception_Class class,
                                    struct _Unwind_Exception *exception, struct _Unwind_Context *context, void *arg)
{
    (void)version;
    (void)class;
    (void)exception;
    (void)context;
    (void)arg;
    if ((actions & _UA_END_OF_STACK) != 0)
        _exit(CAUGHT);
    return _URC_NO_REASON;
}

static void throw(void *arg)
{
    static struct _Unwind_Exception exception;

    (void)arg;
    (void)_Unwind_ForcedUnwind(&exception, on_frame, NULL);
}

static int throw_at_once(hoist_req *req, hoist_res *res)
{
    throw(req);
    return hoist_reply_text(res, 200, "not thrown");
}

static int throw_at_the_end(hoist_req *req, hoist_res *res)
{
    int err = hoist_on_end(req, throw, NULL);

    return err < 0 ? err : hoist_reply_text(res, 200, "not yet");
}

static int throw_with_the_body(hoist_req *req, hoist_res *res)
{
    static char body[] = "not yet";

    (void)req;
    return hoist_reply_give(res, 200, "text/plain", body, sizeof(body) - 1, throw);
}

static int throw_later(hoist_req *req, hoist_res *res)
{
    (void)res;
    return hoist_later(req, 0, throw_at_once);
}

static const hoist_route worker_route = {.path = "/worker", .handler = throw_at_once};
static const hoist_route inline_route = {.path = "/inline", .handler = throw_at_once, .run = HOIST_INLINE};
static const hoist_route later_route = {.path = "/later", .handler = throw_later, .run = HOIST_ASYNC};
static const hoist_route end_route = {.path = "/end", .handler = throw_at_the_end};
static const hoist_route body_route = {.path = "/body", .handler = throw_with_the_body};
static const hoist_route process_route = {.path = "/process", .handler = throw_at_once, .run = HOIST_PROCESS};
static const hoist_route process_end_route = {
    .path = "/process-end", .handler = throw_at_the_end, .run = HOIST_PROCESS};
static const hoist_route *const routes[] = {&worker_route, &inline_route,  &later_route,       &end_route,
                                            &body_route,   &process_route, &process_end_route, NULL};
static const hoist_program program = {.name = "app", .version = "1", .routes = routes};

static void expect_line(const char *path)
{
    char line[128];

    (void)snprintf(line, sizeof(line), " error %s: an exception, or pthread_exit(), left its code\n", path);
    process_expect_said(&server, line);
}

Test(exception, ends_the_program_wherever_the_code_runs)
{
    static const struct {
        const char *path, *executor, *place;
    } rows[] = {
        {"/worker", "pool", "/worker, request 1, worker 0\n"},
        {"/worker", "inline", "/worker, request 1, on the loop\n"},
        {"/inline", "pool", "/inline, request 1, on the loop\n"},
        {"/later", "pool", "/later, request 1, on the loop\n"},
        {"/end", "pool", "in no handler\n"},
        {"/body", "pool", "in no handler\n"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        process_fork(&server, &program, process_clear_actions, "--workers", "1", "--executor", rows[i].executor);
        client_ask(&server, rows[i].path);
        cr_expect_eq(process_wait(&server), 128 + SIGABRT, "row %zu", i);
        expect_line(rows[i].path);
        process_expect_said(&server, rows[i].place);
        tear_down();
    }
}

Test(exception, ends_a_process_that_is_a_call_s)
{
    process_fork(&server, &program, process_clear_actions, "--workers", "1");
    client_expect(&server, "/process", 502, "the process of this request ended with signal 6");
    client_expect(&server, "/process-end", 200, "not yet");
    expect_line("/process");
    expect_line("/process-end");
}
