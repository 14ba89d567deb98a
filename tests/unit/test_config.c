/* An app's configuration: defaults and ranges. */
#include "server/config.h"
#include "server/listener.h"

#include "server/app.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/resource.h>

static char error[256];

static int resolve(hoist_config *config, const hoist_config *given)
{
    error[0] = '\0';
    return config_resolve(config, given, error, sizeof(error));
}

static void allow_descriptors(unsigned n)
{
    struct rlimit limit;

    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = n;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

Test(config, fills_every_field_that_is_zero_with_its_default)
{
    const hoist_config none = {0};
    hoist_config config;

    cr_assert_eq(resolve(&config, &none), 0);

    cr_expect_str_eq(config.host, "127.0.0.1");
    cr_expect_eq(config.port, 0);
    cr_expect_eq(config.workers, uv_available_parallelism());
    cr_expect_eq(config.workers_max, config.workers);
    cr_expect_eq(config.executor, HOIST_EXECUTOR_POOL);
    cr_expect_eq(config.half_close, HOIST_HALF_CLOSE_CANCEL);
    cr_expect_eq(config.max_waiting, 256);
    cr_expect_eq(config.timeout_ms, 30000);
    cr_expect_eq(config.queue_timeout_ms, HOIST_NO_LIMIT);
    cr_expect_eq(config.max_body, 1024 * 1024);
    cr_expect_eq(config.max_reply, 16 * 1024 * 1024);
    cr_expect_eq(config.header_timeout_ms, 10000);
    cr_expect_eq(config.body_timeout_ms, 20000);
    cr_expect_eq(config.write_timeout_ms, 20000);
    cr_expect_eq(config.keep_alive_ms, 5000);
    cr_expect_eq(config.drain_ms, 30000);
    cr_expect_eq(config.worker_nice, 10);
    cr_expect_not(config.server_timing);
    cr_expect_eq(config.max_memory, 0);
    cr_expect_null(config.admin);
    cr_expect_eq(config.ready_full_ms, 5000);
    cr_expect_eq(config.stuck_exit_ms, HOIST_NO_LIMIT);
    cr_expect_not(config.reuseport);
}

Test(config, keeps_what_is_given)
{
    const hoist_config given = {
        .host = "::1",
        .port = 65535,
        .workers = 3,
        .workers_max = 1024,
        .executor = HOIST_EXECUTOR_INLINE,
        .half_close = HOIST_HALF_CLOSE_FINISH,
        .max_waiting = 1,
        .timeout_ms = HOIST_NO_LIMIT,
        .queue_timeout_ms = 2,
        .max_connections = 5,
        .max_body = 6,
        .max_reply = 7,
        .header_timeout_ms = 8,
        .body_timeout_ms = HOIST_NO_LIMIT,
        .write_timeout_ms = 9,
        .keep_alive_ms = HOIST_NO_LIMIT,
        .drain_ms = 11,
        .worker_nice = HOIST_NO_LIMIT,
        .server_timing = true,
        .max_memory = 12,
        .admin = "unix:/a",
        .ready_full_ms = 13,
        .stuck_exit_ms = 14,
        .reuseport = true,
    };
    hoist_config config;

    allow_descriptors(10000);
    cr_assert_eq(resolve(&config, &given), 0, "%s", error);

    cr_expect_eq(memcmp(&config, &given, sizeof(config)), 0);
}

Test(config, takes_off_for_no_admin_listener)
{
    hoist_config config;

    cr_assert_eq(resolve(&config, &(hoist_config){.admin = "off"}), 0);
    cr_expect_null(config.admin);
}

Test(config, has_no_limit_of_bytes_for_hoist_no_limit)
{
    const hoist_config given = {
        .workers = 1, .max_body = HOIST_NO_LIMIT, .max_reply = HOIST_NO_LIMIT, .max_memory = HOIST_NO_LIMIT};
    hoist_config config;

    cr_assert_eq(resolve(&config, &given), 0, "%s", error);
    cr_expect_eq(config.max_body, SIZE_MAX);
    cr_expect_eq(config.max_reply, SIZE_MAX);
    cr_expect_eq(config.max_memory, 0);
    cr_expect_eq(config_bytes(HOIST_NO_LIMIT, 7), SIZE_MAX);
    cr_expect_eq(config_bytes(0, 7), 7);
    cr_expect_eq(config_bytes(6, 7), 6);
}

Test(config, lets_workers_max_follow_the_workers)
{
    const hoist_config given = {.workers = 7};
    hoist_config config;

    cr_assert_eq(resolve(&config, &given), 0);

    cr_expect_eq(config.workers_max, 7);
}

Test(config, lets_the_workers_be_no_more_than_workers_max)
{
    const hoist_config given = {.workers_max = 1};
    hoist_config config;

    cr_assert_eq(resolve(&config, &given), 0, "%s", error);

    cr_expect_eq(config.workers, 1);
    cr_expect_eq(config.workers_max, 1);
}

Test(config, refuses_a_value_out_of_range_and_names_it)
{
    static const struct {
        hoist_config config;
        const char *names, *value;
    } rows[] = {
        {{.port = 65536}, "port", "65536"},
        {{.workers = 1025}, "workers", "1025"},
        {{.workers = 2, .workers_max = 1025}, "workers_max", "1025"},
        {{.workers_max = 1025}, "workers_max", "1025"},
        {{.workers = 3, .workers_max = 2}, "workers", "3"},
        {{.worker_nice = 20}, "worker_nice", "20"},
        {{.max_connections = 2000000000}, "max_connections", "2000000000"},
        {{.executor = (enum hoist_executor)2}, "executor", "2"},
        {{.half_close = (enum hoist_half_close)2}, "half_close", "2"},
    };
    hoist_config config;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_expect_eq(resolve(&config, &rows[i].config), -EINVAL, "%s", rows[i].names);
        cr_expect_not_null(strstr(error, rows[i].names), "%s: %s", rows[i].names, error);
        cr_expect_not_null(strstr(error, rows[i].value), "%s: %s", rows[i].names, error);
    }
}

Test(config, refuses_more_connections_than_there_may_be_whatever_descriptors_allow)
{
    const hoist_config given = {.workers = 1, .max_connections = 1000001};
    hoist_config config;

    cr_expect_eq(resolve(&config, &given), -EINVAL);
    cr_expect_str_eq(error, "max_connections: 1000001 is not a number from 1 to 1000000", "%s", error);
}

Test(config, leaves_descriptors_to_workers_and_to_the_program)
{
    const hoist_config few = {.workers = 4}, many = {.workers = 4, .workers_max = 64};
    hoist_config config;

    allow_descriptors(1024);
    cr_assert_eq(resolve(&config, &few), 0, "%s", error);
    cr_expect_eq(config.max_connections, 1024 - 64 - 8 * 4);
    cr_assert_eq(resolve(&config, &many), 0, "%s", error);
    cr_expect_eq(config.max_connections, 1024 - 64 - 8 * 64);
}

Test(config, asks_for_no_more_than_ten_thousand_connections_by_itself)
{
    const hoist_config given = {.workers = 1};
    struct rlimit limit;
    hoist_config config;

    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < 20000)
        cr_skip_test("the system does not allow 20000 descriptors");
    allow_descriptors(20000);
    cr_assert_eq(resolve(&config, &given), 0, "%s", error);

    cr_expect_eq(config.max_connections, 10000);
}

static int fd_max_of(unsigned max_connections)
{
    const hoist_config given = {.workers = 1, .max_connections = max_connections};
    hoist_config config;

    cr_assert_eq(resolve(&config, &given), 0, "%s", error);
    return config_fd_max(&config);
}

/* libuv makes room for 8192 - 2, the last of which is 8189. */
Test(config, has_a_use_for_as_many_descriptors_as_there_is_room_for_anyway_with_a_backlog)
{
    allow_descriptors(17000);

    cr_expect_eq(fd_max_of(100), 8189);
    cr_expect_eq(fd_max_of(8189 - LISTENER_BACKLOG - 64 - 8), 8189);
    cr_expect_eq(fd_max_of(8190 - LISTENER_BACKLOG - 64 - 8), 16381);
    allow_descriptors(8189);
    cr_expect_eq(fd_max_of(100), 8188);
    allow_descriptors(200);
    cr_expect_eq(fd_max_of(100), 199);
}

Test(config, takes_no_limit_of_connections_for_as_many_as_descriptors_allow)
{
    const hoist_config given = {.workers = 1, .max_connections = HOIST_NO_LIMIT};
    hoist_config config;

    allow_descriptors(1024);
    cr_assert_eq(resolve(&config, &given), 0, "%s", error);

    cr_expect_eq(config.max_connections, 1024 - 64 - 8);
    allow_descriptors(64 + 8 + 63);
    cr_expect_eq(resolve(&config, &given), -EINVAL);
    cr_expect_not_null(strstr(error, "136"), "%s", error);
}

Test(config, refuses_a_limit_of_descriptors_that_leaves_too_few_connections)
{
    const hoist_config given = {.workers = 1}, more = {.workers = 1, .max_connections = 65};
    hoist_config config;

    allow_descriptors(64 + 8 + 63);
    cr_expect_eq(resolve(&config, &given), -EINVAL);
    cr_expect_not_null(strstr(error, "136"), "%s", error);
    cr_expect_not_null(strstr(error, "135"), "%s", error);
    allow_descriptors(64 + 8 + 64);
    cr_expect_eq(resolve(&config, &given), 0, "%s", error);
    cr_expect_eq(resolve(&config, &more), -EINVAL);
    cr_expect_not_null(strstr(error, "137"), "%s", error);
}

Test(config, names_what_was_given_when_descriptors_are_too_few)
{
    static const struct {
        hoist_config given;
        const char *error;
    } rows[] = {
        {{.workers = 1024}, "workers: 1024 workers and 64 connections need 8320 descriptors; RLIMIT_NOFILE is 200"},
        {{.workers = 1, .workers_max = 64, .max_connections = HOIST_NO_LIMIT},
         "workers_max: 64 workers and 64 connections need 640 descriptors; RLIMIT_NOFILE is 200"},
        {{.workers = 1, .max_connections = 300},
         "max_connections: 300 connections and 1 workers need 372 descriptors; RLIMIT_NOFILE is 200"},
        {{.workers = 10, .max_connections = 10}, /* as many as the least there must be room for */
         "max_connections: 10 connections and 10 workers need 208 descriptors; RLIMIT_NOFILE is 200"},
    };
    hoist_config config;

    allow_descriptors(200);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_expect_eq(resolve(&config, &rows[i].given), -EINVAL);
        cr_expect_str_eq(error, rows[i].error, "%s", error);
    }
}

/* ---- a program that was compiled with another version's struct ---- */

struct newer_config {
    hoist_config config;
    unsigned unknown;
};

Test(config, takes_a_larger_struct_whose_unknown_fields_are_zero)
{
    const struct newer_config newer = {.config = {.workers = 3}};
    hoist_app *app;

    cr_assert_eq(hoist_app_new_sized(&app, &newer.config, sizeof(newer)), 0);

    cr_expect_eq(app->config.workers, 3);
    cr_expect_eq(hoist_app_free(app), 0);
}

Test(config, refuses_a_larger_struct_that_sets_an_unknown_field)
{
    const struct newer_config newer = {.unknown = 1};
    hoist_app *app = NULL;

    cr_expect_eq(hoist_app_new_sized(&app, &newer.config, sizeof(newer)), -E2BIG);
    cr_expect_null(app);
}

Test(config, takes_a_smaller_struct_and_defaults_for_the_rest)
{
    const hoist_config given = {.host = "::1", .port = 7, .workers = 3, .timeout_ms = 1};
    hoist_app *app;

    cr_assert_eq(hoist_app_new_sized(&app, &given, offsetof(hoist_config, workers)), 0);

    cr_expect_str_eq(app->config.host, "::1");
    cr_expect_eq(app->config.port, 7);
    cr_expect_eq(app->config.workers, uv_available_parallelism());
    cr_expect_eq(app->config.timeout_ms, 30000);
    cr_expect_eq(hoist_app_free(app), 0);
}

Test(config, copies_the_host)
{
    char host[] = "::1";
    const hoist_config given = {.host = host};
    hoist_app *app;

    cr_assert_eq(hoist_app_new(&app, &given), 0);
    host[0] = '\0';

    cr_expect_str_eq(app->config.host, "::1");
    cr_expect_eq(hoist_app_free(app), 0);
}

Test(config, copies_the_admin_address)
{
    char admin[] = "127.0.0.1:0";
    hoist_app *app;

    cr_assert_eq(hoist_app_new(&app, &(hoist_config){.admin = admin}), 0);
    admin[0] = '\0';

    cr_expect_str_eq(app->config.admin, "127.0.0.1:0");
    cr_expect_eq(hoist_app_free(app), 0);
}

Test(config, makes_no_app_from_a_bad_value)
{
    const hoist_config given = {.port = 65536};
    hoist_app *app = NULL;

    cr_expect_eq(hoist_app_new(&app, &given), -EINVAL);
    cr_expect_null(app);
}
