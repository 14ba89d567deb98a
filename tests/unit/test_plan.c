/* The command line of the experiment: what it makes of options, and what it refuses. */
#include "experiment/plan.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

enum { ARGS_MAX = 12 };

static const hoist_route root = {.path = "/"}, async = {.path = "/async"}, other = {.path = "/report"};
static const hoist_route *const article_routes[] = {&root, &async, NULL}, *const other_routes[] = {&other, NULL};
static const hoist_route dummy = {.path = "/dummy", .run = HOIST_INLINE}, slow_dummy = {.path = "/dummy"};
static unsigned heavy_ms;
static const hoist_option heavy = {.name = "heavy-ms", .type = HOIST_OPTION_UINT, .value = &heavy_ms};
static const hoist_option *const article_options[] = {&heavy, NULL};
static const hoist_program article = {.name = "hoist", .routes = article_routes, .options = article_options};
static const hoist_program foreign = {.name = "mine", .routes = other_routes};

static struct plan plan;
static char error[256];

/* As main() would be called, with these behind the command. */
static int read_plan(const hoist_program *program, const char *const *args)
{
    static char *argv[ARGS_MAX + 3];
    int argc = 2;

    argv[0] = argv[1] = (char *)(uintptr_t) "experiment";
    while (*args != NULL && argc < ARGS_MAX + 2)
        argv[argc++] = (char *)(uintptr_t)*args++;
    argv[argc] = NULL;
    return plan_read(&plan, program, argc, argv, error, sizeof(error));
}

#define READ(program, ...) read_plan(program, (const char *const[]){__VA_ARGS__, NULL})

static void expect_setting(size_t i, enum executor executor, unsigned workers)
{
    cr_assert_lt(i, plan.n_settings);
    cr_expect_eq(plan.settings[i].executor, executor, "setting %zu", i);
    cr_expect_eq(plan.settings[i].workers, workers, "setting %zu: %u", i, plan.settings[i].workers);
}

Test(plan, without_options_is_the_articles_four_systems)
{
    cr_assert_eq(read_plan(&article, (const char *const[]){NULL}), 0, "%s", error);

    cr_expect_eq(plan.n_settings, 4);
    expect_setting(0, EXECUTOR_POOL, 1);
    expect_setting(1, EXECUTOR_POOL, 8);
    expect_setting(2, EXECUTOR_INLINE, 0);
    expect_setting(3, EXECUTOR_ASYNC, 1);
    cr_expect_eq(plan.jobs, 8);
    cr_expect_eq(plan.clients, 8);
    cr_expect_eq(plan.heavy_ms, 2000);
    cr_expect_str_eq(plan.route, "/");
    cr_expect_eq(plan.rate, 0);
}

Test(plan, probes_are_answered_on_the_loop)
{
    const hoist_route *const on_loop[] = {&other, &dummy, NULL}, *const on_workers[] = {&other, &slow_dummy, NULL};
    const hoist_program fast = {.name = "mine", .routes = on_loop}, slow = {.name = "mine", .routes = on_workers};

    cr_assert_eq(READ(&fast, "--route", "/report"), 0, "%s", error);
    cr_expect_str_eq(plan_probe(&plan), "/dummy");
    cr_assert_eq(READ(&fast, "--route", "/report", "--async-route", "/dummy"), 0, "%s", error);
    cr_expect_str_eq(plan_probe(&plan), "/dummy", "async is not tried");
    cr_assert_eq(READ(&slow, "--route", "/report"), 0, "%s", error);
    cr_expect_str_eq(plan_probe(&plan), "OPTIONS *");
    cr_assert_eq(READ(&foreign, "--route", "/report"), 0, "%s", error);
    cr_expect_str_eq(plan_probe(&plan), "OPTIONS *");
}

Test(plan, a_probe_is_none_of_the_requests_however_they_are_written)
{
    static const hoist_route *const on_loop[] = {&other, &dummy, NULL};
    static const hoist_program fast = {.name = "mine", .routes = on_loop};
    static const char *const args[][7] = {
        {"--route", "/dummy"},
        {"--route", "/dummy?x=1"},
        {"--route", "/dumm%79"},
        {"--route", "/report", "--compare", "async", "--async-route", "/dummy"},
    };

    for (size_t i = 0; i < sizeof(args) / sizeof(args[0]); i++) {
        cr_assert_eq(read_plan(&fast, args[i]), 0, "%s", error);
        cr_expect_str_eq(plan_probe(&plan), "OPTIONS *", "row %zu", i);
    }
}

Test(plan, in_full_waits_the_articles_twenty_seconds)
{
    cr_assert_eq(READ(&article, "--full"), 0, "%s", error);
    cr_expect_eq(plan.heavy_ms, 20000);
}

Test(plan, a_route_of_its_own_is_tried_on_the_pool_alone_with_two_rounds_of_jobs)
{
    cr_assert_eq(READ(&foreign, "--route", "/report?year=2024", "--workers=2,4"), 0, "%s", error);

    cr_expect_eq(plan.n_settings, 2);
    expect_setting(1, EXECUTOR_POOL, 4);
    cr_expect_eq(plan.jobs, 8);
    cr_expect_not(plan.sets_heavy_ms);
    cr_expect_str_eq(plan_target(&plan, &plan.settings[0]), "/report?year=2024");
}

Test(plan, async_waits_for_as_long_as_the_route_sleeps)
{
    cr_assert_eq(READ(&article, "--route", "/sleep/150", "--compare", "async"), 0, "%s", error);

    cr_expect_eq(plan.heavy_ms, 150);
    cr_expect(plan.sets_heavy_ms);
    cr_expect_str_eq(plan_target(&plan, &plan.settings[2]), "/async");
}

Test(plan, async_waits_for_no_time_when_the_route_does_not_sleep)
{
    cr_assert_eq(READ(&article, "--route", "/sleep/0", "--compare", "async"), 0, "%s", error);

    cr_expect(plan.sets_heavy_ms);
    cr_expect_eq(plan.heavy_ms, 0);
}

Test(plan, a_time_takes_s_or_ms_behind_it)
{
    cr_assert_eq(READ(&article, "--rate", "2.5", "--for", "1500ms", "--target-p99", "0.25s"), 0, "%s", error);

    cr_expect_float_eq(plan.rate, 2.5, 1e-9);
    cr_expect_float_eq(plan.for_s, 1.5, 1e-9);
    cr_expect_float_eq(plan.target_p99_s, 0.25, 1e-9);
}

Test(plan, takes_the_ends_of_a_range)
{
    char workers[2 * PLAN_SETTINGS_MAX] = "1";

    cr_expect_eq(READ(&article, "--jobs", "1000000", "--clients", "1", "--probe-rate", "10000"), 0, "%s", error);
    cr_expect_eq(READ(&article, "--rate", "1000000", "--for", "0.1"), 0, "%s", error);
    while (strlen(workers) < sizeof(workers) - 1)
        strcat(workers, ",1");
    cr_assert_eq(READ(&article, "--workers", workers, "--compare", "none"), 0, "%s", error);
    cr_expect_eq(plan.n_settings, PLAN_SETTINGS_MAX);
}

Test(plan, what_follows_two_dashes_is_the_servers)
{
    cr_assert_eq(READ(&article, "--jobs", "3", "--", "--queue", "7", "--help"), 0, "%s", error);

    cr_expect_eq(plan.jobs, 3);
    cr_expect_str_eq(plan.server_args[0], "--queue");
    cr_expect_str_eq(plan.server_args[2], "--help");
    cr_expect_null(plan.server_args[3]);
}

Test(plan, the_servers_take_a_hundred_words_more)
{
    char *argv[PLAN_SERVER_ARGS_MAX + 5];
    int argc = 0;

    argv[argc++] = error;
    argv[argc++] = error;
    argv[argc++] = (char *)(uintptr_t) "--";
    while (argc < PLAN_SERVER_ARGS_MAX + 4)
        argv[argc++] = (char *)(uintptr_t) "x";
    argv[argc] = NULL;
    cr_expect_lt(plan_read(&plan, &article, argc, argv, error, sizeof(error)), 0);
    cr_expect_str_eq(error, "more than 100 words for the servers follow --");
    argv[--argc] = NULL;
    cr_expect_eq(plan_read(&plan, &article, argc, argv, error, sizeof(error)), 0, "%s", error);
}

Test(plan, no_more_are_served_at_once_than_there_are_clients)
{
    cr_assert_eq(READ(&article, "--workers", "8", "--compare", "inline,async", "--jobs", "9", "--clients", "3"), 0);

    cr_expect_eq(plan_servers(&plan, &plan.settings[0]), 3);
    cr_expect_eq(plan_servers(&plan, &plan.settings[1]), 1);
    cr_expect_eq(plan_servers(&plan, &plan.settings[2]), 3);
}

Test(plan, a_burst_has_no_client_without_a_job_and_no_more_than_there_can_be)
{
    cr_assert_eq(READ(&article, "--jobs", "4", "--clients", "10"), 0, "%s", error);
    cr_expect_eq(plan.clients, 4);
    cr_assert_eq(READ(&article, "--jobs", "20000"), 0, "%s", error);
    cr_expect_eq(plan.clients, 10000);
}

/* 0.29 times 100 is a little less than 29. */
Test(plan, a_stream_has_as_many_requests_as_people_count)
{
    cr_assert_eq(READ(&article, "--rate", "0.29", "--for", "100s"), 0, "%s", error);
    cr_expect_eq(plan.jobs, 29);
}

Test(plan, a_stream_is_as_long_as_its_probe_can_be)
{
    cr_expect_eq(READ(&article, "--rate", "1", "--for", "10000s"), 0, "%s", error);
    cr_expect_eq(READ(&article, "--rate", "1", "--for", "86400", "--probe-rate", "11"), 0, "%s", error);
}

Test(plan, a_bad_value_is_refused_with_its_option_value_and_range)
{
    static const struct {
        const hoist_program *program;
        const char *args[5], *words[3];
    } rows[] = {
        {&article, {"--workers", "0"}, {"--workers:", "'0'", "1 to 1024"}},
        {&article, {"--workers", "1,2000"}, {"--workers:", "'2000'", "1 to 1024"}},
        {&article, {"--workers", "two"}, {"--workers:", "'two'"}},
        {&article, {"--workers"}, {"--workers:", "value"}},
        {&article, {"--compare", "fork"}, {"--compare:", "'fork'", "inline, async"}},
        {&article, {"--jobs", "0"}, {"--jobs:", "'0'", "1 to 1000000"}},
        {&article, {"--rate", "0"}, {"--rate:", "'0'", "0.01 to 1000000"}},
        {&article, {"--rate", "1e3"}, {"--rate:", "'1e3'"}},
        {&article, {"--rate", "nan"}, {"--rate:", "'nan'"}},
        {&article, {"--rate", "10s"}, {"--rate:", "'10s'", "not a number"}},
        {&article, {"--rate", "5", "--for", "3h"}, {"--for:", "'3h'", "0.1 to 86400"}},
        {&article, {"--rate", "5", "--jobs", "3"}, {"--jobs:", "'3'", "--rate"}},
        {&article, {"--rate", "1000000", "--for", "2"}, {"--rate:", "'1e+06'", "1000000"}},
        {&article, {"--rate", "1", "--for", "10001"}, {"--probe-rate:", "'100'", "10001 s is more than 1000000"}},
        {&article, {"--for", "3"}, {"--for:", "'3'", "--rate"}},
        {&article, {"--rate", "0.4", "--for", "1"}, {"--for:", "1 s", "not one is due"}},
        {&article, {"--clients", "10001"}, {"--clients:", "'10001'", "1 to 10000"}},
        {&article, {"--route", "sleep"}, {"--route:", "'sleep'", "/"}},
        {&article, {"--route", "/a b"}, {"--route:", "'/a b'"}},
        {&article, {"--route", "/spin/9", "--compare", "async"}, {"--compare:", "'async'", "--async-route"}},
        {&article, {"--json=yes"}, {"--json:", "'yes'"}},
        {&article, {"--wrokers", "3"}, {"'--wrokers'", "--help"}},
        {&article, {"bake"}, {"'bake'", "--help"}},
        {&foreign, {NULL}, {"--route is needed:", "mine has no /"}},
        {&foreign, {"--route", "/report", "--full"}, {"--full:", "--heavy-ms"}},
        {&article, {"--route", "/sleep/200", "--full"}, {"--full:", "/sleep/200"}},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_expect_lt(read_plan(rows[i].program, rows[i].args), 0, "row %zu", i);
        for (size_t k = 0; k < 3 && rows[i].words[k] != NULL; k++)
            cr_expect_not_null(strstr(error, rows[i].words[k]), "row %zu: no %s in '%s'", i, rows[i].words[k], error);
    }
}

Test(plan, a_body_has_64_KiB_at_most)
{
    static char body[PLAN_BODY_MAX + 2];

    memset(body, 'x', PLAN_BODY_MAX);
    cr_expect_eq(READ(&article, "--body", body), 0, "%s", error);
    body[PLAN_BODY_MAX] = 'x';
    cr_expect_lt(READ(&article, "--body", body), 0);
    cr_expect_str_eq(error, "--body: more than 65536 bytes");
}

Test(plan, help_is_asked_for_before_the_servers_options_only)
{
    char *before[] = {error, error, (char *)(uintptr_t) "--help", NULL};
    char *behind[] = {error, error, (char *)(uintptr_t) "--", (char *)(uintptr_t) "--help", NULL};

    cr_expect(plan_wants_help(3, before));
    cr_expect_not(plan_wants_help(4, behind));
}
