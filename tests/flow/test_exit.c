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

static const hoist_route use_route = {.path = "/use", .handler = use};
static const hoist_route *const routes[] = {&use_route, NULL};
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
