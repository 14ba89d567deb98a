/* The command line and the environment: every option's value, default and range, and the lines about bad ones. */
#include "server/config.h"
#include "server/log.h"
#include "server/options.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { ARGS_MAX = 16 };

static unsigned heavy_ms = 20000;
static const char *db = "default.db";
static bool is_verbose;
static const hoist_option heavy_option = {
    .name = "heavy-ms", .value = &heavy_ms, .min = 0, .max = 3600000, .arg = "MS", .help = "how long heavy_func works"};
static const hoist_option db_option = {
    .name = "db", .type = HOIST_OPTION_STRING, .value = &db, .arg = "FILE", .help = "the database"};
static const hoist_option verbose_option = {
    .name = "verbose", .type = HOIST_OPTION_BOOL, .value = &is_verbose, .help = "say more"};
static const hoist_option *const own_options[] = {&heavy_option, &db_option, &verbose_option, NULL};
static const hoist_program program = {.name = "app", .version = "1", .options = own_options};

/* What a line about something unknown shows of it, and two bytes less. */
#define FIFTY_EIGHT "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define SIXTY FIFTY_EIGHT "xx"

#if SIZE_MAX > UINT32_MAX
#define MOST_MEMORY "1024G"
#else
#define MOST_MEMORY "4294967295"
#endif

static struct options options;
static char error[256];

static void forget_environment(void)
{
    clearenv();
}

TestSuite(options, .init = forget_environment);

/* Reads a command line whose arguments are divided by one space each. */
static int read_line(const hoist_program *of, const char *line)
{
    static char copy[1024];
    char command[] = "serve", *argv[ARGS_MAX] = {command}, *rest = copy, *arg;
    int argc = 1;

    cr_assert_lt(strlen(line), sizeof(copy));
    strcpy(copy, line);
    while ((arg = strsep(&rest, " ")) != NULL && line[0] != '\0') {
        cr_assert_lt(argc, ARGS_MAX - 1);
        argv[argc++] = arg;
    }
    strcpy(error, "");
    if (options_check_program(of, error, sizeof(error)) < 0)
        return -EINVAL;
    return options_read(&options, of, argc, argv, error, sizeof(error));
}

static void read_good(const char *line)
{
    int err = read_line(&program, line);

    cr_assert_eq(err, 0, "%s: %s", line, error);
}

Test(options, defaults_are_those_of_an_app_but_for_two_ports)
{
    hoist_config expected = {.port = 8000};

    read_good("");
    config_set_defaults(&expected);
    expected.workers = expected.workers_max = uv_available_parallelism();
    cr_expect_str_eq(options.config.admin, "127.0.0.1:8001");
    expected.admin = options.config.admin;

    cr_expect_eq(memcmp(&options.config, &expected, sizeof(expected)), 0);
}

/* Processes that share one port cannot share the other; and who takes any port wants no fixed one beside it. */
Test(options, the_admin_address_goes_by_the_port_unless_it_is_given)
{
    read_good("--reuseport");
    cr_expect_str_eq(options.config.admin, "off");
    read_good("--port 0");
    cr_expect_str_eq(options.config.admin, "127.0.0.1:0");
    read_good("--reuseport --admin 127.0.0.1:9");
    cr_expect_str_eq(options.config.admin, "127.0.0.1:9");
}

Test(options, defaults_of_the_process_are_as_documented)
{
    read_good("");

    cr_expect_eq(options.worker_stack, 8 * 1024 * 1024);
    cr_expect_null(options.access_log);
    cr_expect_eq(options.access_log_format, 0);
    cr_expect_eq(options.log_level, LOG_INFO);
}

Test(options, each_goes_to_its_field)
{
    read_good("--host ::1 --port 0 --workers 2 --workers-max 4 --executor inline --queue 7 --timeout-ms 200");
    cr_expect_str_eq(options.config.host, "::1");
    cr_expect_eq(options.config.port, 0);
    cr_expect_eq(options.config.workers, 2);
    cr_expect_eq(options.config.workers_max, 4);
    cr_expect_eq(options.config.executor, HOIST_EXECUTOR_INLINE);
    cr_expect_eq(options.config.max_waiting, 7);
    cr_expect_eq(options.config.timeout_ms, 200);

    read_good("--queue-timeout-ms 1 --max-connections 2 --max-body 3 --max-reply 4 --header-timeout-ms 5 "
              "--body-timeout-ms 6 --write-timeout-ms 7");
    cr_expect_eq(options.config.queue_timeout_ms, 1);
    cr_expect_eq(options.config.max_connections, 2);
    cr_expect_eq(options.config.max_body, 3);
    cr_expect_eq(options.config.max_reply, 4);
    cr_expect_eq(options.config.header_timeout_ms, 5);
    cr_expect_eq(options.config.body_timeout_ms, 6);
    cr_expect_eq(options.config.write_timeout_ms, 7);

    read_good("--keep-alive-ms 8 --half-close finish --drain-ms 9 --access-log - --log-level debug --worker-nice 19");
    cr_expect_eq(options.config.keep_alive_ms, 8);
    cr_expect_eq(options.config.half_close, HOIST_HALF_CLOSE_FINISH);
    cr_expect_eq(options.config.drain_ms, 9);
    cr_expect_str_eq(options.access_log, "-");
    cr_expect_eq(options.log_level, LOG_DEBUG);
    cr_expect_eq(options.config.worker_nice, 19);

    read_good("--worker-stack 64K --server-timing --log-level error");
    cr_expect_eq(options.worker_stack, 64 * 1024);
    cr_expect(options.config.server_timing);
    cr_expect_eq(options.log_level, LOG_ERROR);
}

Test(options, a_value_may_follow_an_equals_sign)
{
    read_good("--workers=3 --host=::1 --server-timing=0");

    cr_expect_eq(options.config.workers, 3);
    cr_expect_str_eq(options.config.host, "::1");
    cr_expect_not(options.config.server_timing);
}

Test(options, zero_means_no_limit_where_it_may_be_given)
{
    read_good("--timeout-ms 0 --queue-timeout-ms 0 --worker-nice 0");

    cr_expect_eq(options.config.timeout_ms, HOIST_NO_LIMIT);
    cr_expect_eq(options.config.queue_timeout_ms, HOIST_NO_LIMIT);
    cr_expect_eq(options.config.worker_nice, HOIST_NO_LIMIT);
}

Test(options, sizes_take_suffixes)
{
    static const struct {
        const char *line;
        size_t size;
    } rows[] = {
        {"--max-body 1", 1},
        {"--max-body 2k", 2048},
        {"--max-body 2K", 2048},
        {"--max-body 3m", 3 * 1024 * 1024},
        {"--max-body 3M", 3 * 1024 * 1024},
        {"--max-body 1g", 1024 * 1024 * 1024},
        {"--max-body 1073741824", 1024 * 1024 * 1024},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        read_good(rows[i].line);
        cr_expect_eq(options.config.max_body, rows[i].size, "%s: %zu", rows[i].line, options.config.max_body);
    }
}

Test(options, the_last_one_wins)
{
    read_good("--workers 2 --workers=3");

    cr_expect_eq(options.config.workers, 3);
}

Test(options, the_environment_is_read_and_the_command_line_wins)
{
    setenv("HOIST_WORKERS", "3", 1);
    setenv("HOIST_QUEUE", "5", 1);
    setenv("HOIST_SERVER_TIMING", "1", 1);
    setenv("HOIST_HEAVY_MS", "50", 1);
    read_good("--queue 6");

    cr_expect_eq(options.config.workers, 3);
    cr_expect_eq(options.config.max_waiting, 6);
    cr_expect(options.config.server_timing);
    cr_expect_eq(heavy_ms, 50);
}

Test(options, an_empty_variable_counts_for_nothing)
{
    setenv("HOIST_PORT", "", 1);
    read_good("");

    cr_expect_eq(options.config.port, 8000);
}

Test(options, the_programs_own_are_set)
{
    read_good("--heavy-ms 0 --db=x.db --verbose");

    cr_expect_eq(heavy_ms, 0);
    cr_expect_str_eq(db, "x.db");
    cr_expect(is_verbose);
}

Test(options, the_programs_own_keep_their_defaults)
{
    read_good("");

    cr_expect_eq(heavy_ms, 20000);
    cr_expect_str_eq(db, "default.db");
    cr_expect_not(is_verbose);
}

Test(options, fewer_workers_than_cpus_may_be_the_most)
{
    read_good("--workers-max 1");

    cr_expect_eq(options.config.workers, 1);
    cr_expect_eq(options.config.workers_max, 1);
}

Test(options, a_bad_value_is_named_with_what_it_should_be)
{
    static const struct {
        const char *line, *error;
    } rows[] = {
        {"--workers 0", "--workers: '0' is not a number from 1 to 1024"},
        {"--workers 1025", "--workers: '1025' is not a number from 1 to 1024"},
        {"--workers=-1", "--workers: '-1' is not a number from 1 to 1024"},
        {"--workers=+1", "--workers: '+1' is not a number from 1 to 1024"},
        {"--workers 0x10", "--workers: '0x10' is not a number from 1 to 1024"},
        {"--workers 1K", "--workers: '1K' is not a number from 1 to 1024"},
        {"--workers 4294967297", "--workers: '4294967297' is not a number from 1 to 1024"},
        {"--workers 18446744073709551617", "--workers: '18446744073709551617' is not a number from 1 to 1024"},
        {"--port 65536", "--port: '65536' is not a number from 0 to 65535"},
        {"--drain-ms 0", "--drain-ms: '0' is not a number from 1 to 86400000"},
        {"--max-body 0", "--max-body: '0' is not a size from 1 to 1G"},
        {"--max-body K", "--max-body: 'K' is not a size from 1 to 1G"},
        {"--max-body 1x", "--max-body: '1x' is not a size from 1 to 1G"},
        {"--max-body 1KK", "--max-body: '1KK' is not a size from 1 to 1G"},
        {"--max-body 17179869185G", "--max-body: '17179869185G' is not a size from 1 to 1G"},
        {"--max-memory 4294967297G", "--max-memory: '4294967297G' is not a size from 0 to " MOST_MEMORY},
        {"--max-memory 1025G", "--max-memory: '1025G' is not a size from 0 to " MOST_MEMORY},
        {"--worker-stack 65535", "--worker-stack: '65535' is not a size from 64K to 1G"},
        {"--executor poo", "--executor: 'poo' is none of pool|inline"},
        {"--executor pool|inline", "--executor: 'pool|inline' is none of pool|inline"},
        {"--admin here", "--admin: 'here' is none of HOST:PORT|unix:PATH|off"},
        {"--admin localhost:8001", "--admin: 'localhost:8001' has no numeric IPv4 or IPv6 address"},
        {"--admin 127.0.0.1:99999", "--admin: '127.0.0.1:99999' has a port over 65535"},
        {"--server-timing=2", "--server-timing: '2' is not a number from 0 to 1"},
        {"--heavy-ms 3600001", "--heavy-ms: '3600001' is not a number from 0 to 3600000"},
        {"--workers", "--workers: needs a value"},
        {"--workers=", "--workers: needs a value"},
        {"--workers --port 1", "--workers: needs a value"},
        {"--host=", "--host: needs a value"},
        {"--workers 9 --workers-max 8",
         "--workers (or HOIST_WORKERS): 9 is more than --workers-max (or HOIST_WORKERS_MAX), which is 8"},
        {"--wrokers 8", "unknown option '--wrokers', did you mean --workers?"},
        {"--worker=8", "unknown option '--worker', did you mean --workers?"},
        {"--heavyms 8", "unknown option '--heavyms', did you mean --heavy-ms?"},
        {"--nothing-like-it", "unknown option '--nothing-like-it', see --help"},
        {"--queuequeue 1", "unknown option '--queuequeue', see --help"},
        {"--" SIXTY "1", "unknown option '--" FIFTY_EIGHT "', see --help"},
        {"--", "unknown option '--', see --help"},
        {"--=1", "unknown option '--', see --help"},
        {"-p 1", "unknown option '-p', see --help"},
        {"-", "unknown option '-', see --help"},
        {"8", "unexpected '8', see --help"},
        {SIXTY "1", "unexpected '" SIXTY "', see --help"},
        {"--port 1 2", "unexpected '2', see --help"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_expect_eq(read_line(&program, rows[i].line), -EINVAL, "%s", rows[i].line);
        cr_expect_str_eq(error, rows[i].error, "%s: %s", rows[i].line, error);
    }
}

Test(options, a_bad_variable_is_named)
{
    setenv("HOIST_WORKERS_MAX", "x", 1);

    cr_expect_eq(read_line(&program, ""), -EINVAL);
    cr_expect_str_eq(error, "HOIST_WORKERS_MAX: 'x' is not a number from 1 to 1024");
}

Test(options, a_failure_leaves_the_result_alone)
{
    read_good("--workers 5");
    cr_expect_eq(read_line(&program, "--workers 6 --port x"), -EINVAL);

    cr_expect_eq(options.config.workers, 5);
}

Test(options, a_program_s_option_that_cannot_be_is_refused)
{
    static const struct {
        hoist_option option;
        const char *error;
    } rows[] = {
        {{.name = "port", .value = &heavy_ms}, "the program's option --port: the name is taken"},
        {{.name = "db", .value = &heavy_ms}, "the program's option --db: the name is taken"},
        {{.name = "help", .value = &heavy_ms}, "the program's option --help: the name is taken"},
        {{.name = "Db", .value = &heavy_ms}, "the program's option 'Db': a name is of a-z, 0-9 and '-'"},
        {{.name = "--db", .value = &heavy_ms}, "the program's option '--db': a name is of a-z, 0-9 and '-'"},
        {{.name = "", .value = &heavy_ms}, "the program's option '': a name is of a-z, 0-9 and '-'"},
        {{.value = &heavy_ms}, "the program's option '': a name is of a-z, 0-9 and '-'"},
        {{.name = SIXTY "1234", .value = &heavy_ms},
         "the program's option '" SIXTY "1234': a name is of a-z, 0-9 and '-'"},
        {{.name = "x"}, "the program's option --x: no value, or an unknown type"},
        {{.name = "x", .value = &heavy_ms, .type = (enum hoist_option_type)3},
         "the program's option --x: no value, or an unknown type"},
        {{.name = "x", .value = &heavy_ms, .min = 2, .max = 1}, "the program's option --x: its min is over its max"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const hoist_option *const list[] = {&db_option, &rows[i].option, NULL};

        cr_expect_eq(read_line(&(hoist_program){.name = "app", .options = list}, ""), -EINVAL);
        cr_expect_str_eq(error, rows[i].error, "%s", error);
    }
}

Test(options, a_program_may_have_none_and_a_number_no_maximum)
{
    static const hoist_option option = {.name = "n", .value = &heavy_ms};
    const hoist_option *const list[] = {&option, NULL};

    cr_expect_eq(read_line(&(hoist_program){.name = "app"}, "--port 1"), 0);
    cr_expect_eq(read_line(&(hoist_program){.name = "app", .options = list}, "--n 4294967295"), 0);
    cr_expect_eq(heavy_ms, 4294967295);
    cr_expect_eq(read_line(&(hoist_program){.name = "app", .options = list}, "--n 4294967296"), -EINVAL);
}

Test(options, a_number_of_a_program_may_have_a_minimum_and_no_maximum)
{
    static const hoist_option option = {.name = "n", .value = &heavy_ms, .min = 2};
    const hoist_program with = {.name = "app", .options = (const hoist_option *const[]){&option, NULL}};

    cr_expect_eq(read_line(&with, "--n 4294967295"), 0, "%s", error);
    cr_expect_eq(heavy_ms, 4294967295);
    cr_expect_eq(read_line(&with, "--n 1"), -EINVAL);
    cr_expect_str_eq(error, "--n: '1' is not a number from 2 to 4294967295", "%s", error);
}

Test(options, a_range_is_of_numbers_alone)
{
    static const hoist_option option = {
        .name = "b", .type = HOIST_OPTION_BOOL, .value = &is_verbose, .min = 1, .max = 9};
    const hoist_program with = {.name = "app", .options = (const hoist_option *const[]){&option, NULL}};

    cr_expect_eq(read_line(&with, "--b=0"), 0, "%s", error);
    cr_expect_eq(read_line(&with, "--b=2"), -EINVAL);
}

/* What --help prints, in memory of malloc(). */
static char *help_of(const hoist_program *whose)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    cr_assert_not_null(out);
    options_print_help(whose, out);
    fclose(out);
    return text;
}

static char *help(void)
{
    return help_of(&program);
}

Test(options, help_fits_into_100_columns)
{
    char *text = help();

    for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1)
        cr_expect_leq(strcspn(line, "\n"), 100, "%.*s", (int)strcspn(line, "\n"), line);
    free(text);
}

Test(options, help_shows_defaults_and_ranges_the_programs_too)
{
    static const char *const parts[] = {
        "--port N ",
        "default: 8000; 0 to 65535",
        "--worker-stack BYTES ",
        "; libuv 1.45 and newer: 8M; default: 8M; 64K to 1G",
        "--db FILE ",
        "default: default.db",
        "default: 20000; 0 to 3600000",
        "default: info",
        "--executor pool|inline",
    };
    char *text = help();

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        cr_expect_not_null(strstr(text, parts[i]), "%s", parts[i]);
    free(text);
}

Test(options, help_shows_no_default_of_a_number_that_is_out_of_its_range)
{
    static unsigned none = UINT_MAX;
    static const hoist_option option = {.name = "limit-n", .value = &none, .max = 100};
    char *text = help_of(&(hoist_program){.name = "app", .options = (const hoist_option *const[]){&option, NULL}});
    const char *line = strstr(text, "  --limit-n ");

    cr_assert_not_null(line);
    cr_expect_null(strstr(line, "default"), "%s", line);
    cr_expect_not_null(strstr(line, " 0 to 100\n"), "%s", line);
    free(text);
}

/* The second one's name and argument end where the help begins. */
Test(options, help_has_words_for_what_a_program_does_not_say)
{
    static const hoist_option option = {.name = "n", .value = &heavy_ms, .max = 1};
    static const hoist_option full = {.name = "up-to-the-column", .value = &heavy_ms, .max = 1, .arg = "123456789"};
    char *text =
        help_of(&(hoist_program){.name = "app", .options = (const hoist_option *const[]){&option, &full, NULL}});

    cr_expect_not_null(strstr(text, "  --n VALUE                   (no description)"), "%s", text);
    cr_expect_not_null(strstr(text, "  --up-to-the-column 123456789\n                              (no description)"),
                       "%s", text);
    free(text);
}

Test(options, help_shows_the_apps_defaults_as_they_would_be_given)
{
    static const struct {
        const char *option, *end; /* of its line */
    } rows[] = {
        {"  --host ", "; default: 127.0.0.1"},
        {"  --ready-full-ms ", "; default: 5000; 1 to 86400000"},
        {"  --workers ", "; default: one for each CPU; 1 to 1024"},
        {"  --executor ", "; default: pool"},
        {"  --worker-nice ", "; default: 10; 0 to 19"},
        {"  --queue ", "; default: 256; 1 to 1000000"},
        {"  --queue-timeout-ms ", "; 0: no limit; default: 0; 0 to 86400000"},
        {"  --max-body ", "; default: 1M; 1 to 1G"},
        {"  --max-memory ", "; 0: no limit; default: 0; 0 to " MOST_MEMORY},
        {"  --max-connections ", "default: what descriptors allow, up to 10000; 1 to 1000000"},
        {"  --server-timing ", "replies say how long they waited and ran"},
    };
    char *text = help();

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *line = strstr(text, rows[i].option), *end;

        cr_assert_not_null(line, "%s", rows[i].option);
        if (strcspn(line, "\n") < 40) /* the help of a long one is on a line of its own */
            line = strchr(line, '\n') + 1;
        end = line + strcspn(line, "\n") - strlen(rows[i].end);
        cr_expect_eq(strncmp(end, rows[i].end, strlen(rows[i].end)), 0, "%.*s", (int)strcspn(line, "\n"), line);
    }
    free(text);
}
