/* What those who write routes and programs get wrong: each mistake is told in one line that says where and what. */
#include "hoist_test.h"
#include "lib/app_fixture.h"
#include "lib/client.h"
#include "lib/errors.h"
#include "lib/process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MANY_OPTIONS = 65 };

static struct app_fixture f;
static struct process server;

static int hello(hoist_req *req, hoist_res *res)
{
    (void)req;
    return hoist_reply_text(res, 200, "hello");
}

static const hoist_route hello_route = {.path = "/hello", .handler = hello};

/* ---- routes ---- */

Test(route_mistake, is_named_with_its_route)
{
    static const struct {
        hoist_route route;
        int err;
        const char *line;
    } rows[] = {
        {{.handler = hello}, -EINVAL, "route number 2: it has no path"},
        {{.path = "/x"}, -EINVAL, "route /x: it has no handler"},
        {{.path = "/hello", .handler = hello}, -EEXIST, "path '/hello': another route has this method and path"},
        {{.path = "x", .handler = hello}, -EINVAL, "path 'x': it must begin with '/'"},
        {{.path = "", .handler = hello}, -EINVAL, "path '': it must begin with '/'"},
        {{.path = "/a//b", .handler = hello}, -EINVAL, "path '/a//b': two '/' in a row"},
        {{.path = "/:", .handler = hello}, -EINVAL, "path '/:': ':' needs a name"},
        {{.path = "/:a/:a", .handler = hello}, -EINVAL, "path '/:a/:a': an argument's name comes twice"},
        {{.path = "/*/a", .handler = hello}, -EINVAL, "path '/*/a': '*' must be the whole last segment"},
    };

    app_fixture_open(&f, NULL, &hello_route, 1);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_expect_eq(hoist_app_route(f.app, &rows[i].route), rows[i].err, "row %zu", i);
        cr_expect_str_eq(hoist_app_error(f.app), rows[i].line, "%s", hoist_app_error(f.app));
    }
    app_fixture_close(&f);
}

/* ---- programs ---- */

static int run_main(const hoist_program *program, const char *arg)
{
    char name[] = "app", own[64];
    char *argv[] = {name, own, NULL};

    (void)snprintf(own, sizeof(own), "%s", arg);
    return hoist_main(2, argv, program);
}

TestSuite(program_mistake, .init = errors_catch, .fini = errors_release, .timeout = 30);

Test(program_mistake, no_routes)
{
    static const hoist_route *const none[] = {NULL};

    cr_expect_eq(run_main(&(hoist_program){.name = "app", .version = "1"}, "--help"), 2);
    errors_expect_one_line("app: the program has no routes\n");
    cr_expect_eq(run_main(&(hoist_program){.name = "app", .version = "1", .routes = none}, "--port=0"), 2);
    cr_expect_eq(errors_count("app: the program has no routes"), 2);
}

Test(program_mistake, no_name)
{
    static const hoist_route *const routes[] = {&hello_route, NULL};

    cr_expect_eq(run_main(&(hoist_program){.routes = routes}, "--port=0"), 2);
    errors_expect_one_line("hoist_main: the program has no name or no version\n");
}

Test(program_mistake, an_option_whose_name_is_taken)
{
    static const hoist_route *const routes[] = {&hello_route, NULL};
    static const char *text;
    static const hoist_option port = {.name = "port", .type = HOIST_OPTION_STRING, .value = &text};
    static const hoist_option *const options[] = {&port, NULL};
    const hoist_program program = {.name = "app", .version = "1", .routes = routes, .options = options};

    cr_expect_eq(run_main(&program, "--help"), 2);
    errors_expect_one_line("app: the program's option --port: the name is taken\n");
}

Test(program_mistake, more_options_than_there_is_room_for)
{
    static const hoist_route *const routes[] = {&hello_route, NULL};
    static char names[MANY_OPTIONS][16];
    static unsigned value;
    static hoist_option options[MANY_OPTIONS];
    static const hoist_option *list[MANY_OPTIONS + 1];
    const hoist_program program = {.name = "app", .version = "1", .routes = routes, .options = list};

    for (unsigned i = 0; i < MANY_OPTIONS; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "option-%u", i);
        options[i] = (hoist_option){.name = names[i], .value = &value};
        list[i] = &options[i];
    }
    cr_expect_eq(run_main(&program, "--port=0"), 2);
    errors_expect_one_line("app: the program has more than 64 options of its own\n");

    list[MANY_OPTIONS - 1] = NULL;
    cr_expect_eq(run_main(&program, "--no-such-option"), 2);
    cr_expect_eq(errors_count("unknown option '--no-such-option'"), 1);
}

Test(program_mistake, two_routes_of_one_path)
{
    static const hoist_route *const routes[] = {&hello_route, &hello_route, NULL};

    cr_expect_eq(run_main(&(hoist_program){.name = "app", .version = "1", .routes = routes}, "--port=0"), 1);
    errors_expect_one_line(" error path '/hello': another route has this method and path\n");
}

/* ---- starts ---- */

static int tell_input(hoist_req *req, hoist_res *res)
{
    char file[64] = "";

    (void)req;
    return readlink("/proc/self/fd/0", file, sizeof(file) - 1) < 0 ? -errno : hoist_reply_text(res, 200, file);
}

static void close_input(void)
{
    process_clear_actions();
    close(STDIN_FILENO);
}

/* Of a client's connection it would be read; what the log writes, as number 2, would be sent. */
Test(start_mistake, a_closed_standard_descriptor_becomes_nobody_s, .timeout = 30)
{
    static const hoist_route input_route = {.path = "/input", .handler = tell_input};
    static const hoist_route *const routes[] = {&input_route, NULL};
    static const hoist_program program = {.name = "app", .version = "1", .routes = routes};

    process_fork(&server, &program, close_input, "--workers", "1");
    client_expect(&server, "/input", 200, "/dev/null");
    client_close_all();
    process_close(&server);
}

static void block_signals(void)
{
    sigset_t all;

    process_clear_actions();
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
}

/* As whoever started it had them. */
Test(start_mistake, blocked_signals_stop_it_all_the_same, .timeout = 30)
{
    static const hoist_route *const routes[] = {&hello_route, NULL};
    static const hoist_program program = {.name = "app", .version = "1", .routes = routes};

    process_fork(&server, &program, block_signals, "--workers", "1");
    cr_expect_eq(process_stop(&server), 0);
}

Test(start_mistake, a_blocked_sighup_opens_the_access_log_anew_all_the_same, .timeout = 30)
{
    static const hoist_route *const routes[] = {&hello_route, NULL};
    static const hoist_program program = {.name = "app", .version = "1", .routes = routes};
    char path[] = "/tmp/hoist-access-XXXXXX";
    struct client *client;
    int fd = mkstemp(path);

    cr_assert_geq(fd, 0);
    close(fd);
    process_fork(&server, &program, block_signals, "--workers", "1", "--access-log", path);
    client = client_open(&server);
    cr_assert_eq(unlink(path), 0);
    process_signal(&server, SIGHUP);
    while (access(path, F_OK) != 0) { /* which a line may have to bring about */
        client_get(client, "/hello");
        cr_assert_eq(client_receive(client)->status, 200);
    }

    cr_assert_eq(unlink(path), 0);
    client_close_all();
    process_close(&server);
}
