/* `hoist experiment` as a command: what it measures, what it says, what it leaves behind. */
#include "experiment/experiment.h"
#include "lib/client.h"
#include "lib/fail_malloc.h"
#include "lib/process.h"
#include "lib/terminal.h"

#include <criterion/criterion.h>
#include <locale.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct process program;
static struct terminal terminal;

static void tear_down(void)
{
    client_close_all();
    terminal_close(&terminal);
    process_close(&program);
}

TestSuite(experiment, .fini = tear_down);

/* The number behind the n-th "key": in text; NAN would be null. */
static double number_of(const char *text, const char *key, unsigned n)
{
    char words[64];

    (void)snprintf(words, sizeof(words), "\"%s\":", key);
    for (;; n--) {
        text = strstr(text, words);
        cr_assert_not_null(text, "no %s", key);
        text += strlen(words);
        if (n == 0)
            return strtod(text, NULL);
    }
}

/* On a machine that has other things to do a makespan may well be off; the exit status must say so then. */
Test(experiment, a_burst_takes_what_theory_says_and_more_workers_are_faster)
{
    int status =
        process_run(&program, "experiment", "--workers", "1,4", "--route", "/sleep/200", "--jobs", "8", "--json");
    double ratios[2];

    for (unsigned i = 0; i < 2; i++) {
        ratios[i] = number_of(program.out_text, "makespan_s", i) / number_of(program.out_text, "predicted_s", i);
        cr_expect(ratios[i] > 0.8 && ratios[i] < 2, "setting %u: %g\n%s", i, ratios[i], program.out_text);
        cr_expect_geq(number_of(program.out_text, "run_mean_s", i), 0.2);
        cr_expect_eq(number_of(program.out_text, "shed", i), 0);
    }
    cr_expect_gt(number_of(program.out_text, "speedup", 1), 2);
    cr_expect_gt(number_of(program.out_text, "wait_max_s", 0), 2 * number_of(program.out_text, "wait_max_s", 1));
    cr_expect_eq(status, ratios[0] > 1.1 || ratios[1] > 1.1 ? 1 : 0);
    cr_expect_not_null(strstr(program.out_text, "\"littles_law\":"));
    cr_expect_not_null(strstr(program.out_text, "\"verdict\":\"4 workers answer 8 requests"), "%s", program.out_text);
}

/* Whether a makespan is off is the machine's business. */
Test(experiment, what_its_server_refused_is_no_answer)
{
    cr_expect_leq(process_run(&program, "experiment", "--workers", "1,8", "--route", "/sleep/200", "--jobs", "8",
                              "--json", "--", "--queue", "2"),
                  1);
    cr_expect_not_null(strstr(program.out_text, "\"verdict\":\"Not all requests were answered"), "%s",
                       program.out_text);
    cr_expect_not_null(strstr(program.out_text, "\"speedup\":null"));
}

Test(experiment, only_handlers_on_the_loop_keep_dummy_waiting)
{
    process_run(&program, "experiment", "--workers", "1", "--compare", "inline,async", "--route", "/sleep/200",
                "--jobs", "3", "--json");

    cr_expect_gt(number_of(program.out_text, "dummy_max_s", 1), 4 * number_of(program.out_text, "dummy_p50_s", 0));
    cr_expect_gt(number_of(program.out_text, "dummy_max_s", 1), 0.3);
    cr_expect_lt(number_of(program.out_text, "makespan_s", 2), number_of(program.out_text, "makespan_s", 0));
}

Test(experiment, a_stream_is_compared_with_erlangs_formula)
{
    cr_expect_eq(process_run(&program, "experiment", "--workers", "1,4", "--route", "/sleep/20", "--rate", "35",
                             "--for", "2s", "--json"),
                 0, "%s", process_errors(&program));
    for (unsigned i = 0; i < 2; i++) {
        cr_expect_gt(number_of(program.out_text, "requests", i), 50);
        cr_expect_geq(number_of(program.out_text, "delayed_predicted", i), 0);
    }
    cr_expect_gt(number_of(program.out_text, "offered", 0), 2 * number_of(program.out_text, "offered", 1));
    cr_expect_null(strstr(program.out_text, "\"speedup\":1"), "a stream takes as long as it does: %s",
                   program.out_text);
    cr_expect_not_null(strstr(program.out_text, "\"speedup\":null"));
}

Test(experiment, the_table_names_every_setting)
{
    process_run(&program, "experiment", "--workers", "1,2", "--compare", "inline,async", "--route", "/sleep/10",
                "--jobs", "4");
    cr_expect_not_null(strstr(program.out_text, "GET /sleep/10: 4 requests at once from 4 clients"), "%s",
                       program.out_text);
    cr_expect_not_null(strstr(program.out_text, "\n2 workers "));
    cr_expect_not_null(strstr(program.out_text, "\ninline "));
    cr_expect_not_null(strstr(program.out_text, "\nasync "));
    cr_expect_not_null(strstr(program.out_text, "--out DIR"));
    cr_expect_not_null(strstr(process_errors(&program), "4 of 4: async, /async"), "%s", program.err_text);
}

static size_t size_of(const char *folder, const char *name)
{
    char path[256];
    struct stat info;

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    cr_assert_eq(stat(path, &info), 0, "%s", path);
    unlink(path);
    return (size_t)info.st_size;
}

/* The route stands in its warnings, too. */
Test(experiment, the_page_the_picture_and_the_data_are_written_to_a_folder)
{
    static char page[256 * 1024];
    char folder[] = "/tmp/hoist-experiment-XXXXXX", inner[64], path[128];
    FILE *file;

    cr_assert_not_null(mkdtemp(folder));
    (void)snprintf(inner, sizeof(inner), "%s/new", folder);
    process_run(&program, "experiment", "--workers", "1", "--route", "/async?<hr>", "--jobs", "2", "--out", inner, "--",
                "--heavy-ms", "1");
    (void)snprintf(path, sizeof(path), "%s/index.html", inner);
    file = fopen(path, "r");
    cr_assert_not_null(file, "%s", process_errors(&program));
    page[fread(page, 1, sizeof(page) - 1, file)] = '\0';
    fclose(file);

    cr_expect_not_null(strstr(page, "is an asynchronous route: it holds neither"));
    cr_expect_null(strstr(page, "<hr>"));
    cr_expect_gt(size_of(inner, "index.html"), size_of(inner, "lanes.svg"));
    cr_expect_gt(size_of(inner, "data.json"), 0);
    rmdir(inner);
    rmdir(folder);
}

/* The last of three is where its file would be made. */
Test(experiment, a_page_that_cannot_be_written_leaves_nothing_half_done)
{
    char folder[] = "/tmp/hoist-experiment-XXXXXX", last[64];

    cr_assert_not_null(mkdtemp(folder));
    (void)snprintf(last, sizeof(last), "%s/index.html.part", folder);
    cr_assert_eq(mkdir(last, 0700), 0);
    cr_expect_eq(
        process_run(&program, "experiment", "--workers", "1", "--route", "/sleep/10", "--jobs", "2", "--out", folder),
        1);

    cr_expect_not_null(strstr(process_errors(&program), folder), "%s", program.err_text);
    cr_expect_eq(rmdir(last), 0);
    cr_expect_eq(rmdir(folder), 0, "something is left in it");
}

Test(experiment, a_folder_that_cannot_be_made_is_named_before_anything_is_measured)
{
    cr_expect_eq(process_run(&program, "experiment", "--workers", "1", "--route", "/sleep/1", "--jobs", "1", "--out",
                             "/nowhere/at/all"),
                 1);
    cr_expect_not_null(strstr(process_errors(&program), "/nowhere/at/all"), "%s", program.err_text);
    cr_expect_str_empty(program.out_text);
}

Test(experiment, its_server_takes_every_client_at_once_whatever_it_was_told)
{
    process_run(&program, "experiment", "--workers", "1", "--route", "/sleep/10", "--jobs", "5", "--json", "--",
                "--max-connections", "3");

    cr_expect_eq(number_of(program.out_text, "requests", 0), 5);
}

Test(experiment, its_server_gets_all_of_a_hundred_words)
{
    cr_expect_eq(process_run_script(&program, "exec \"$0\" experiment --workers 1 --route /sleep/1 --jobs 1 -- "
                                              "$(for i in $(seq 99); do echo --queue=7; done) --queue=0"),
                 1);
    cr_expect_not_null(strstr(process_errors(&program), "--queue: '0'"), "%s", program.err_text);
}

Test(experiment, a_burst_of_more_than_a_default_queue_is_not_refused)
{
    process_run(&program, "experiment", "--workers", "1", "--route", "/sleep/1", "--jobs", "400", "--json");

    cr_expect_eq(number_of(program.out_text, "shed", 0), 0);
}

Test(experiment, takes_as_many_descriptors_as_it_may)
{
    struct rlimit limit;

    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 256;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    process_run(&program, "experiment", "--workers", "8", "--route", "/sleep/1", "--jobs", "300", "--json");

    cr_expect_eq(number_of(program.out_text, "requests", 0), 300);
}

/* Descriptors are too few for that: the server says so. */
Test(experiment, more_clients_than_its_server_can_take_are_an_error)
{
    const struct rlimit limit = {.rlim_cur = 300, .rlim_max = 300};

    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    cr_expect_eq(process_run(&program, "experiment", "--workers", "1", "--route", "/sleep/1", "--jobs", "240"), 1);
    cr_expect_not_null(strstr(process_errors(&program), "RLIMIT_NOFILE is 300"), "%s", program.err_text);
}

Test(experiment, a_stdout_that_cannot_be_written_to_is_an_error)
{
    cr_expect_eq(process_run_script(&program, "exec \"$0\" experiment --workers 1 --route /sleep/10 --jobs 1 --json "
                                              ">/dev/full"),
                 1);
    cr_expect_not_null(strstr(process_errors(&program), "cannot write to stdout: No space left on device"), "%s",
                       program.err_text);
}

Test(experiment, requests_that_waited_for_a_connection_are_told)
{
    process_run(&program, "experiment", "--workers", "1", "--route", "/sleep/50", "--rate", "40", "--for", "1s",
                "--clients", "1");

    cr_expect_not_null(strstr(program.out_text, " waited for a connection: try more --clients than 1"), "%s",
                       program.out_text);
}

Test(experiment, a_server_that_does_not_start_is_quoted)
{
    cr_expect_eq(process_run(&program, "experiment", "--workers", "1", "--", "--queue", "0"), 1);
    cr_expect_not_null(strstr(process_errors(&program), "--queue: '0'"), "%s", program.err_text);
}

Test(experiment, a_route_that_is_not_there_is_named_with_its_status)
{
    cr_expect_eq(process_run(&program, "experiment", "--workers", "1", "--route", "/slep/1", "--jobs", "2"), 1);
    cr_expect_not_null(strstr(process_errors(&program), "/slep/1"), "%s", program.err_text);
    cr_expect_not_null(strstr(program.err_text, "none of 2 requests was answered with a 2xx; one had 404"), "%s",
                       program.err_text);
}

Test(experiment, a_bad_value_is_one_line_and_status_2)
{
    cr_expect_eq(process_run(&program, "experiment", "--jobs", "none"), 2);
    cr_expect_str_eq(process_errors(&program), "hoist: --jobs: 'none' is not a number from 1 to 1000000\n");
    cr_expect_str_empty(program.out_text);
}

Test(experiment, help_is_its_own)
{
    cr_expect_eq(process_run(&program, "experiment", "--help"), 0);
    cr_expect_not_null(strstr(program.out_text, "--target-p99"));
    cr_expect_null(strstr(program.out_text, "--max-body"));
}

/* In the test's own process. */
static void run_without_memory(void)
{
    static const hoist_route *const routes[] = {NULL};
    static const hoist_program mine = {.name = "mine", .version = "1", .routes = routes};
    char *argv[] = {(char *)(uintptr_t) "mine", (char *)(uintptr_t) "experiment", (char *)(uintptr_t) "--route=/",
                    NULL};

    fail_malloc_at(1);
    cr_expect_eq(experiment_main(3, argv, &mine), EXIT_FAILURE);
    cr_expect(fail_malloc_failed());
    fail_malloc_at(0);
}

Test(experiment, without_memory_it_ends_before_it_begins)
{
    run_without_memory();
}

/* The server's figures have a point, too. */
Test(experiment, reads_and_writes_numbers_with_a_point_whatever_the_program_has_chosen)
{
    if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL)
        cr_skip_test("no locale with a comma is installed");
    cr_assert_str_eq(localeconv()->decimal_point, ",");
    run_without_memory();

    cr_expect_str_eq(localeconv()->decimal_point, ".");
}

Test(experiment, follows_a_route_that_is_written_with_escapes)
{
    cr_expect_leq(
        process_run(&program, "experiment", "--workers", "1", "--route", "/sle%65p/%320", "--jobs", "2", "--json"), 1);
    cr_expect_geq(number_of(program.out_text, "run_mean_s", 0), 0.02);
}

Test(experiment, a_method_that_the_route_does_not_have_is_told_with_the_way_to_another)
{
    cr_expect_eq(process_run(&program, "experiment", "--workers", "1", "--route", "/echo", "--jobs", "2"), 1);
    cr_expect_not_null(strstr(process_errors(&program), "had 405: requests are GET; with --body they are POST"), "%s",
                       program.err_text);
    cr_expect_eq(
        process_run(&program, "experiment", "--workers", "1", "--route", "/dummy", "--jobs", "2", "--body", "x"), 1);
    cr_expect_not_null(strstr(process_errors(&program), "had 405: with --body requests are POST"), "%s",
                       program.err_text);
}

/* ---- no server outlives it ---- */

/* Starts an experiment whose requests never end; its process. */
static pid_t start_endless(void)
{
    const char *named = getenv("HOIST_PROGRAM");
    const char *file = named != NULL ? named : HOIST_PROGRAM_DEFAULT;
    pid_t pid;

    prctl(PR_SET_CHILD_SUBREAPER, 1); /* a server without its parent becomes a child of this process */
    pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execl(file, file, "experiment", "--route", "/sleep/3600000", "--jobs", "1", "--workers", "1", (char *)NULL);
        _exit(127);
    }
    return pid;
}

/* What it was started with, behind each word a space; "" when it has ended. */
static const char *command_line(pid_t pid)
{
    static char text[8192];
    char path[64];
    FILE *file;
    size_t n;

    (void)snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
    file = fopen(path, "r");
    if (file == NULL)
        return "";
    n = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[n] = '\0';
    for (size_t i = 0; i < n; i++)
        if (text[i] == '\0')
            text[i] = ' ';
    return text;
}

/* Waits until it has a child that has become `hoist serve`, and returns that: before, the experiment waits for it and
 * hears nothing. The first child may be a probe of libuv's, which ends at once. */
static pid_t await_server(pid_t parent)
{
    char path[64], text[4096] = "";
    pid_t child;

    (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", parent, parent);
    do {
        FILE *file = fopen(path, "r");

        if (file == NULL)
            cr_skip_test("this system does not tell a process's children");
        child = fgets(text, sizeof(text), file) != NULL ? (pid_t)strtol(text, NULL, 10) : 0;
        fclose(file);
    } while (strstr(command_line(child), " serve --") == NULL); /* the program's own path may have blanks, too */
    return child;
}

static void stop_process(pid_t pid)
{
    char path[64], state = '?';

    cr_assert_eq(kill(pid, SIGSTOP), 0);
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    while (state != 'T') { /* before that another signal might come first */
        FILE *file = fopen(path, "r");

        cr_assert_not_null(file, "it has ended");
        (void)!fscanf(file, "%*d (%*[^)]) %c", &state);
        fclose(file);
    }
}

static void await_end(pid_t pid)
{
    int status;

    cr_expect_eq(waitpid(pid, &status, 0), pid);
}

Test(experiment, a_signal_ends_it_and_its_server)
{
    pid_t pid = start_endless(), child = await_server(pid);
    int status;

    cr_assert_eq(kill(pid, SIGTERM), 0);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_expect(WIFEXITED(status), "status %d", status);
    cr_expect_eq(WEXITSTATUS(status), 128 + SIGTERM);
    cr_expect_lt(kill(child, 0), 0, "the server is still there");
}

/* It is killed after CHILD_GRACE_MS. */
Test(experiment, a_signal_ends_it_and_a_server_that_does_not_listen_to_one)
{
    pid_t pid = start_endless(), child = await_server(pid);

    stop_process(child);
    cr_assert_eq(kill(pid, SIGTERM), 0);

    await_end(pid);
    cr_expect_lt(kill(child, 0), 0, "the server is still there");
}

Test(experiment, its_server_ends_even_when_it_is_killed)
{
    pid_t pid = start_endless(), child = await_server(pid);

    cr_assert_eq(kill(pid, SIGKILL), 0);
    await_end(pid);
    await_end(child);
}

/* Else each time it is rewritten it would take more lines. */
Test(experiment, a_long_route_is_cut_in_the_line_that_is_rewritten)
{
    static const char route[] =
        "/sleep/300?of=a-route-with-so-many-letters-that-it-does-not-fit-into-a-line-of-eighty-columns";
    char line[256];

    (void)snprintf(line, sizeof(line), " s, %s\033[?7h", route);
    terminal_start(&terminal, "experiment", "--route", route, "--jobs", "1", "--workers", "1");
    terminal_await(&terminal, "\r\033[K\033[?7l1 of 1: 1 worker: 0 of 1 answered, ");
    terminal_await(&terminal, line);
}

/* Its connections break before the system tells its end. */
Test(experiment, a_server_that_is_killed_has_ended)
{
    terminal_start(&terminal, "experiment", "--route", "/sleep/3600000", "--jobs", "1", "--workers", "1");
    terminal_await(&terminal, " 0 of 1 answered");
    cr_assert_eq(kill(await_server(terminal.pid), SIGKILL), 0);

    terminal_await(&terminal, "hoist: 1 worker: the server has ended with signal 9");
}

/* Else the last of a long burst would not be answered, and a call that is due late would find its connection closed. */
Test(experiment, its_server_gives_up_neither_a_request_nor_a_connection)
{
    pid_t pid = start_endless(), child = await_server(pid);

    cr_expect_not_null(strstr(command_line(child), " --timeout-ms 0 "), "%s", command_line(child));
    cr_expect_not_null(strstr(command_line(child), " --keep-alive-ms 3600000 "), "%s", command_line(child));
    cr_assert_eq(kill(pid, SIGTERM), 0);
    await_end(pid);
}

/* The sleep is what its answers are seen late by. */
Test(experiment, a_makespan_that_is_off_is_an_error)
{
    const struct timespec hold = {.tv_sec = 1};

    terminal_start(&terminal, "experiment", "--route", "/sleep/200", "--jobs", "2", "--workers", "1");
    terminal_await(&terminal, " answered, ");
    stop_process(terminal.pid);
    nanosleep(&hold, NULL);
    cr_assert_eq(kill(terminal.pid, SIGCONT), 0);

    terminal_await(&terminal, "hoist: a makespan is more than 10 % off what theory says");
}

/* The sleep is what it must be late by. */
Test(experiment, a_client_that_was_held_up_says_how_late_it_was)
{
    const struct timespec hold = {.tv_nsec = 200 * 1000 * 1000};

    terminal_start(&terminal, "experiment", "--route", "/sleep/1", "--rate", "50", "--for", "2s", "--workers", "1");
    terminal_await(&terminal, " answered, ");
    stop_process(terminal.pid);
    nanosleep(&hold, NULL);
    cr_assert_eq(kill(terminal.pid, SIGCONT), 0);

    terminal_await(&terminal, "the client itself was up to ");
}
