/* What a program has registered for its end, and who still uses what that takes down: a library with something of each
 * thread's own, which is given back when the thread ends.
 */
#include "hoist.h"
#include "lib/client.h"
#include "lib/process.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct process server;

static void tear_down(void)
{
    client_close_all();
    process_close(&server);
}

TestSuite(exit, .fini = tear_down, .timeout = 60);

/* ---- the library ---- */

static pthread_key_t key;

static void say(const char *line)
{
    (void)!write(STDERR_FILENO, line, strlen(line));
}

static void give_back(void *own)
{
    (void)own;
    say("given back\n");
}

/* What is behind it is the test runner's, and a sanitizer's. */
static void end_library(int status, void *arg)
{
    (void)arg;
    say("ended\n");
    _exit(status);
}

static void begin_library(void)
{
    cr_assert_eq(pthread_key_create(&key, give_back), 0);
    cr_assert_eq(on_exit(end_library, NULL), 0);
}

/* ---- its routes ---- */

static int use(hoist_req *req, hoist_res *res)
{
    (void)req;
    return pthread_setspecific(key, &key) == 0 ? hoist_reply_text(res, 200, "used") : -ENOMEM;
}

static void end_own(void)
{
    say("ended its own\n");
}

static int leave(hoist_req *req, hoist_res *res)
{
    (void)req;
    if (atexit(end_own) < 0)
        return hoist_reply_text(res, 200, "stayed");
    exit(EXIT_FAILURE); /* NOLINT(concurrency-mt-unsafe): one thread */
}

static const hoist_route use_route = {.path = "/use", .handler = use};
static const hoist_route leave_route = {.path = "/leave", .handler = leave, .run = HOIST_PROCESS};
static const hoist_route *const routes[] = {&use_route, &leave_route, NULL};
static const hoist_program program = {.name = "app", .version = "1", .routes = routes};

/* Does not return to a caller that would end it by _exit(). */
static void be_the_program(void)
{
    static const char *const args[] = {"app", "--port", "0", "--admin", "127.0.0.1:0", "--workers", "1"};

    process_clear_actions();
    begin_library();
    exit(hoist_main(sizeof(args) / sizeof(args[0]), (char **)(uintptr_t)args, &program));
}

Test(exit, ends_the_workers_before_what_the_program_has_registered_is_called)
{
    process_fork(&server, &program, be_the_program, NULL);
    client_expect(&server, "/use", 200, "used");

    cr_expect_eq(process_stop(&server), 0);
    process_expect_said(&server, "given back\nended\n");
}

Test(exit, of_a_call_in_its_process_leaves_alone_what_the_program_has_registered)
{
    process_fork(&server, &program, be_the_program, NULL);
    client_expect(&server, "/leave", 502, "ended with exit status 1");

    cr_expect_not_null(strstr(process_errors(&server), "ended its own\n"), "%s", server.err_text);
    cr_expect_null(strstr(server.err_text, "ended\n"), "%s", server.err_text);
}
