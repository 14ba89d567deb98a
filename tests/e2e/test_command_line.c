/* The command line and the environment: what is printed, what is refused, what counts. */
#include "lib/client.h"
#include "lib/process.h"
#include "pool/pool.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static struct process server;

static void tear_down(void)
{
    client_close_all();
    process_close(&server);
}

TestSuite(command_line, .fini = tear_down);

/* Exactly one line, with each of words in it. */
static void expect_line(const char *text, const char *const *words, size_t n)
{
    const char *end = strchr(text, '\n');

    cr_expect(end != NULL && end[1] == '\0', "not one line: '%s'", text);
    for (size_t i = 0; i < n && words[i] != NULL; i++)
        cr_expect_not_null(strstr(text, words[i]), "no '%s' in '%s'", words[i], text);
}

Test(command_line, help_names_the_options_of_the_server_and_of_the_program)
{
    static const char *const names[] = {"--port", "--workers", "--executor", "--queue", "--drain-ms", "--heavy-ms"};

    cr_expect_eq(process_run(&server, "--help"), 0);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        cr_expect_not_null(strstr(server.out_text, names[i]), "%s", names[i]);
    cr_expect_str_empty(process_errors(&server));
}

Test(command_line, help_is_given_wherever_it_is_asked_for)
{
    cr_expect_eq(process_run(&server, "serve", "--help"), 0);
    cr_expect_not_null(strstr(server.out_text, "--workers N"), "%s", process_errors(&server));
    cr_expect_eq(process_run(&server, "--workers", "2", "--help"), 0);
    cr_expect_not_null(strstr(server.out_text, "--workers N"), "%s", process_errors(&server));
}

Test(command_line, version_is_one_line)
{
    static const char *const words[] = {"hoist ", "libuv "};

    cr_expect_eq(process_run(&server, "--version"), 0);
    expect_line(server.out_text, words, 2);
}

Test(command_line, routes_lists_method_path_and_way_to_run)
{
    static const char *const paths[] = {"/", "/dummy", "/async", "/sleep/:ms", "/spin/:ms", "/echo"};
    static const char *const runs[] = {"offload", "inline", "async", "offload", "offload", "inline"};
    char line[80];

    cr_expect_eq(process_run(&server, "routes"), 0);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        (void)snprintf(line, sizeof(line), "%-8s%-24s%s\n", i < 5 ? "GET" : "POST", paths[i], runs[i]);
        cr_expect_not_null(strstr(server.out_text, line), "no '%s' in '%s'", line, server.out_text);
    }
}

static void expect_unwritten(const char *script, int status)
{
    cr_expect_eq(process_run_script(&server, script), status, "%s", script);
    cr_expect_not_null(strstr(process_errors(&server), "cannot write to stdout: No space left on device"), "%s: %s",
                       script, server.err_text);
}

Test(command_line, help_that_cannot_be_written_is_an_error)
{
    expect_unwritten("exec \"$0\" --help >/dev/full", 1);
}

Test(command_line, help_for_an_experiment_that_cannot_be_written_is_an_error)
{
    expect_unwritten("exec \"$0\" experiment --help >/dev/full", 1);
}

Test(command_line, a_version_that_cannot_be_written_is_an_error)
{
    expect_unwritten("exec \"$0\" --version >/dev/full", 1);
}

Test(command_line, routes_that_cannot_be_written_are_an_error)
{
    expect_unwritten("exec \"$0\" routes >/dev/full", 1);
}

/* Else nobody would know which port it is. */
Test(command_line, a_first_line_that_cannot_be_written_is_in_the_log)
{
    static const char script[] = "sh -c 'echo $$; exec \"$0\" --port 0 --admin off 2>&1 >/dev/full' \"$0\" |"
                                 "{ read -r pid; read -r line; kill \"$pid\"; echo \"$line\" >&2; cat; }";

    expect_unwritten(script, 0);
    cr_expect_not_null(strstr(server.err_text, "; listening on 127.0.0.1:"), "%s", server.err_text);
}

Test(command_line, a_bad_value_is_refused_with_its_option_value_and_range)
{
    static const struct {
        const char *args[3], *words[3];
    } rows[] = {
        {{"--workers", "0"}, {"--workers:", "'0'", "1 to 1024"}},
        {{"--workers=1025"}, {"--workers:", "'1025'", "1 to 1024"}},
        {{"--workers", "two"}, {"--workers:", "'two'", "1 to 1024"}},
        {{"--workers", "-3"}, {"--workers:", "'-3'", "1 to 1024"}},
        {{"--port", "65536"}, {"--port:", "'65536'", "0 to 65535"}},
        {{"--port", ""}, {"--port:", "value"}},
        {{"--port"}, {"--port:", "value"}},
        {{"--max-body", "2T"}, {"--max-body:", "'2T'", "1 to 1G"}},
        {{"--executor", "fork"}, {"--executor:", "'fork'", "pool|inline"}},
        {{"--heavy-ms", "3600001"}, {"--heavy-ms:", "'3600001'", "0 to 3600000"}},
        {{"--wrokers", "3"}, {"--wrokers", "--workers"}},
        {{"--colour", "red"}, {"--colour", "--help"}},
        {{"-p", "1"}, {"-p", "--help"}},
        {{"bake"}, {"'bake'", "--help"}},
        {{"serv"}, {"'serv'", "did you mean serve?"}},
        {{"route"}, {"'route'", "did you mean routes?"}},
        {{"help"}, {"'help'", "did you mean --help?"}},
        {{"workers", "3"}, {"'workers'", "did you mean --workers?"}},
        {{"serve", "serve"}, {"'serve'", "see --help"}},
        {{"--queue", "3", "serve"}, {"'serve'", "see --help"}},
        {{"routes", "--foo"}, {"routes", "'--foo'", "no arguments"}},
        {{"routes", "/"}, {"routes", "'/'", "no arguments"}},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_expect_eq(process_run_list(&server, rows[i].args), 2, "%s: status %d", rows[i].args[0], server.status);
        cr_expect_str_empty(server.out_text);
        expect_line(process_errors(&server), rows[i].words, 3);
    }
}

Test(command_line, a_host_that_is_no_address_is_refused_as_a_bad_value)
{
    static const char *const words[] = {"--host", "'nowhere'", "address"};

    cr_expect_eq(process_run(&server, "--host", "nowhere", "--port", "0"), 2);
    expect_line(process_errors(&server), words, 3);
}

Test(command_line, a_bad_value_in_the_environment_is_refused_with_its_name)
{
    static const char *const words[] = {"HOIST_WORKERS", "'many'", "1 to 1024"};

    setenv("HOIST_WORKERS", "many", 1);
    cr_expect_eq(process_run(&server, "serve"), 2);
    expect_line(process_errors(&server), words, 3);
}

Test(command_line, the_environment_counts_and_an_option_counts_more)
{
    setenv("HOIST_WORKERS", "3", 1);
    process_start(&server, "--heavy-ms", "1");
    cr_expect_not_null(strstr(server.greeting, ", 3 workers"), "%s", server.greeting);
    process_stop(&server);
    process_start(&server, "--workers", "2");
    cr_expect_not_null(strstr(server.greeting, ", 2 workers"), "%s", server.greeting);
}

Test(command_line, a_variable_that_names_no_option_is_told)
{
    static const char *const words[] = {
        "warning HOIST_WROKERS in the environment names no option, did you mean HOIST_WORKERS?\n",
        "warning HOIST_DIR in the environment names no option\n",
        "warning HOIST_PO in the environment names no option, did you mean HOIST_PORT?\n", /* how that begins */
    };

    setenv("HOIST_WROKERS", "8", 1);
    setenv("HOIST_DIR", "/", 1);
    setenv("HOIST_PO", "1", 1);
    setenv("HOIST_QUEUES", "", 1);
    setenv("HOIST_QUEUE", "7", 1);
    process_start(&server, "--workers", "1");
    client_fence(&server);
    cr_expect_eq(process_stop(&server), 0);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        cr_expect_not_null(strstr(process_errors(&server), words[i]), "%s", process_errors(&server));
    cr_expect_null(strstr(process_errors(&server), "HOIST_QUEUE"), "%s", process_errors(&server));
}

Test(command_line, a_server_without_an_admin_listener_tells_of_none)
{
    cr_expect_eq(process_run_script(&server, "sh -c 'echo $$; exec \"$0\" --port 0 --admin off' \"$0\" |"
                                             "{ read -r pid; read -r line; kill \"$pid\"; cat; }"),
                 0);

    cr_expect_not_null(strstr(process_errors(&server), "draining"), "%s", process_errors(&server));
    cr_expect_str_empty(server.out_text);
}

Test(command_line, options_may_follow_the_command_serve)
{
    static const char *const words[] = {"--workers:", "'0'"};

    cr_expect_eq(process_run(&server, "serve", "--workers", "0"), 2);
    expect_line(process_errors(&server), words, 2);
}

Test(command_line, a_port_in_use_is_named)
{
    struct process second = {0};
    const char *words[] = {"127.0.0.1", NULL, "in use"};
    char port[16];

    process_start(&server, "--workers", "1");
    (void)snprintf(port, sizeof(port), "%u", server.port);
    words[1] = port;

    cr_expect_eq(process_run(&second, "--workers", "1", "--port", port), 1);
    expect_line(process_errors(&second), words, 3);
    client_fence(&server);
}

Test(command_line, an_access_log_that_cannot_be_opened_is_named)
{
    cr_expect_eq(process_run(&server, "--port", "0", "--access-log", "/nowhere/access.log"), 1);
    cr_expect_not_null(strstr(process_errors(&server), "/nowhere/access.log"), "%s", process_errors(&server));
}

/* The stack that the C library gives a thread is as large as this limit: none fits then. */
Test(command_line, a_log_without_a_thread_is_told_without_a_file)
{
    static const char *const words[] = {"cannot start", "unavailable"};
    struct rlimit limit;

    cr_assert_eq(getrlimit(RLIMIT_STACK, &limit), 0);
    if (limit.rlim_max != RLIM_INFINITY)
        cr_skip_test("the system limits the stack");
    if (getenv("HOIST_PROGRAM") != NULL)
        cr_skip_test("another build's program may be one that ThreadSanitizer does not start under such a limit");
    limit.rlim_cur = SIZE_MAX / 4 * 3;
    cr_assert_eq(setrlimit(RLIMIT_STACK, &limit), 0);

    cr_expect_eq(process_run(&server, "--port", "0", "--executor", "inline", "--access-log", "off"), 1);
    expect_line(process_errors(&server), words, 2);
}

Test(command_line, a_stack_that_cannot_be_had_is_named_with_the_limit)
{
    static const char *const words[] = {"--worker-stack", "1073741824", "16777216"};
    static const char *const fixed[] = {"--worker-stack", "libuv", "8 MiB"};
    struct rlimit limit = {.rlim_cur = 8 << 20, .rlim_max = 16 << 20};

    cr_assert_eq(setrlimit(RLIMIT_STACK, &limit), 0);

    cr_expect_eq(process_run(&server, "--port", "0", "--worker-stack", "1G"), 1);
    expect_line(process_errors(&server), pool_stack_is_fixed() ? fixed : words, 3);
}

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__
#endif
#endif
#ifndef __SANITIZE_ADDRESS__ /* which takes more addresses than that */
Test(command_line, threads_that_the_system_refuses_are_told_with_what_asks_for_them)
{
    static const char *const words[] = {"of 200 threads", "--workers-max is 200", "--worker-stack 8M"};
    static const char *const fixed[] = {"of 200 threads", "--workers-max is 200", "libuv's 8 MiB of stack"};
    struct rlimit limit;

    if (getenv("HOIST_PROGRAM") != NULL)
        cr_skip_test("another build's program may be one that takes more addresses than that");
    cr_assert_eq(getrlimit(RLIMIT_AS, &limit), 0);
    limit.rlim_cur = (rlim_t)1 << 30;
    cr_assert_eq(setrlimit(RLIMIT_AS, &limit), 0);
    cr_assert_eq(getrlimit(RLIMIT_STACK, &limit), 0);
    limit.rlim_cur = 512 << 10; /* not what the workers will have */
    cr_assert_eq(setrlimit(RLIMIT_STACK, &limit), 0);

    cr_expect_eq(process_run(&server, "--port", "0", "--workers", "200"), 1);
    expect_line(process_errors(&server), pool_stack_is_fixed() ? fixed : words, 3);
}
#endif

Test(command_line, the_access_log_goes_to_the_file_that_is_named)
{
    char path[] = "/tmp/hoist-access-XXXXXX", text[512];
    int fd = mkstemp(path);
    ssize_t n;

    cr_assert_geq(fd, 0);
    process_start(&server, "--workers", "1", "--access-log", path);
    client_fence(&server);
    cr_expect_eq(process_stop(&server), 0);
    n = read(fd, text, sizeof(text) - 1);
    close(fd);
    unlink(path);

    cr_assert_gt(n, 0);
    text[n] = '\0';
    cr_expect_not_null(strstr(text, "127.0.0.1 - - ["), "%s", text);
    cr_expect_not_null(strstr(text, "\"GET /dummy HTTP/1.1\" 200 25 "), "%s", text);
}

Test(command_line, workers_may_be_a_thousand_and_twenty_four)
{
    enum { CLIENTS = 128 };
    struct client *clients[CLIENTS];
    struct rlimit limit;

    if (sizeof(void *) < 8)
        cr_skip_test("their stacks need more addresses than there are");
    if (getrlimit(RLIMIT_NPROC, &limit) == 0 && limit.rlim_cur < 2048)
        cr_skip_test("this system allows %lu threads", (unsigned long)limit.rlim_cur);
    process_start(&server, "--workers", "1024", "--heavy-ms", "10");
    cr_expect_not_null(strstr(server.greeting, ", 1024 workers"), "%s", server.greeting);
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = client_open(&server);
        client_get(clients[i], "/");
    }
    for (unsigned i = 0; i < CLIENTS; i++)
        cr_expect_eq(client_receive(clients[i])->status, 200);
}
