/* An app before it runs: its routes, its port, its start; and what is refused on the way. */
#include "lib/app_fixture.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static struct app_fixture f;
static struct peer p;

static int hello(hoist_req *req, hoist_res *res)
{
    (void)req;
    return hoist_reply_text(res, 200, "hello");
}

static const hoist_route hello_route = {.path = "/hello", .handler = hello, .run = HOIST_INLINE};
static const hoist_route offloaded_route = {.path = "/offloaded", .handler = hello};

static const hoist_config one_worker = {.workers = 1};

/* ---- routes ---- */

static int init(void *data, void **ret_worker_data)
{
    *ret_worker_data = data;
    return 0;
}

static void fini(void *worker_data)
{
    (void)worker_data;
}

Test(app_route, is_refused_when_it_makes_no_sense_and_says_why)
{
    static const struct {
        const char *says;
        hoist_route route;
        int err;
    } rows[] = {
        {"no path", {.handler = hello}, -EINVAL},
        {"no handler", {.path = "/x"}, -EINVAL},
        {"HEAD", {.path = "/x", .handler = hello, .method = HOIST_HEAD}, -EINVAL},
        {"run", {.path = "/x", .handler = hello, .run = (enum hoist_run)(HOIST_PROCESS + 1)}, -EINVAL},
        {"inline", {.path = "/x", .handler = hello, .run = HOIST_INLINE, .lane = "x"}, -EINVAL},
        {"inline", {.path = "/x", .handler = hello, .run = HOIST_INLINE, .max_concurrency = 1}, -EINVAL},
        {"inline", {.path = "/x", .handler = hello, .run = HOIST_INLINE, .max_waiting = 1}, -EINVAL},
        {"inline", {.path = "/x", .handler = hello, .run = HOIST_INLINE, .timeout_ms = 1}, -EINVAL},
        {"inline", {.path = "/x", .handler = hello, .run = HOIST_INLINE, .queue_timeout_ms = 1}, -EINVAL},
        {"worker_init", {.path = "/x", .handler = hello, .run = HOIST_INLINE, .worker_init = init}, -EINVAL},
        {"worker_init", {.path = "/x", .handler = hello, .worker_fini = fini}, -EINVAL},
        {"worker_init", {.path = "/x", .handler = hello, .run = HOIST_PROCESS, .worker_init = init}, -EINVAL},
        {"nobody to interrupt", {.path = "/x", .handler = hello, .run = HOIST_PROCESS, .interrupt = true}, -EINVAL},
        {"/x", {.path = "/x/*/y", .handler = hello}, -EINVAL},
        {"x", {.path = "x", .handler = hello}, -EINVAL},
        {"/hello", {.path = "/hello", .handler = hello}, -EEXIST},
        {"lane \"shared\"", {.path = "/x", .handler = hello, .lane = "shared", .max_concurrency = 2}, -EINVAL},
        {"lane \"shared\"",
         {.path = "/x", .handler = hello, .lane = "shared", .max_concurrency = 1, .max_waiting = 9},
         -EINVAL},
    };
    const hoist_route shared = {.path = "/shared", .handler = hello, .lane = "shared", .max_concurrency = 1};

    app_fixture_open(&f, &one_worker, &hello_route, 1);
    cr_assert_eq(hoist_app_route(f.app, &shared), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *path = rows[i].route.path;

        cr_expect_eq(hoist_app_route(f.app, &rows[i].route), rows[i].err, "row %zu", i);
        cr_expect_not_null(strstr(hoist_app_error(f.app), rows[i].says), "row %zu: %s", i, hoist_app_error(f.app));
        cr_expect(path == NULL || strstr(hoist_app_error(f.app), path) != NULL, "row %zu: %s", i,
                  hoist_app_error(f.app));
    }
    app_fixture_close(&f);
}

Test(app_route, is_refused_with_the_reason_behind_the_longest_path)
{
    char path[ROUTER_PATTERN_MAX + 1] = "/";
    const hoist_route route = {.path = path, .handler = hello, .worker_fini = fini};

    memset(path + 1, 'x', ROUTER_PATTERN_MAX - 1);
    app_fixture_open(&f, &one_worker, NULL, 0);
    cr_expect_eq(hoist_app_route(f.app, &route), -EINVAL);
    cr_expect_not_null(strstr(hoist_app_error(f.app), "a worker_fini and no worker_init"));
    app_fixture_close(&f);
}

Test(app_route, leaves_the_app_as_it_was_when_it_is_refused, .timeout = 20)
{
    const hoist_route bad = {.path = "/x/*/y", .handler = hello, .lane = "made for it", .worker_init = init};
    const hoist_route good = {.path = "/x", .handler = hello, .lane = "made for it", .max_concurrency = 1};

    app_fixture_open(&f, &one_worker, &hello_route, 1);
    cr_expect_eq(hoist_app_route(f.app, &bad), -EINVAL);
    cr_expect_eq(hoist_app_route(f.app, &good), 0, "%s", hoist_app_error(f.app));
    app_fixture_start(&f);
    peer_open(&p, &f);
    peer_get(&p, "/x");
    peer_get(&p, "/hello");

    cr_expect_eq(peer_answer(&p, 0)->status, 200);
    cr_expect_eq(peer_answer(&p, 1)->status, 200);
    app_fixture_close(&f);
}

struct newer_route {
    hoist_route route;
    unsigned unknown;
};

Test(app_route, may_come_from_a_program_with_more_or_fewer_fields)
{
    struct newer_route newer = {.route = {.path = "/newer", .handler = hello}};
    const hoist_route older = {.path = "/older", .handler = hello, .max_concurrency = 7};

    app_fixture_open(&f, &one_worker, NULL, 0);
    cr_expect_eq(hoist_app_route_sized(f.app, &newer.route, sizeof(newer)), 0);
    newer.route.path = "/newest";
    newer.unknown = 1;
    cr_expect_eq(hoist_app_route_sized(f.app, &newer.route, sizeof(newer)), -E2BIG);
    cr_expect_str_eq(hoist_app_error(f.app),
                     "route /newest sets a field that libhoist " HOIST_VERSION " does not have");
    newer.route.path = NULL;
    cr_expect_eq(hoist_app_route_sized(f.app, &newer.route, sizeof(newer)), -E2BIG);
    cr_expect_str_eq(hoist_app_error(f.app),
                     "route (no path) sets a field that libhoist " HOIST_VERSION " does not have");
    cr_expect_eq(hoist_app_route_sized(f.app, &older, offsetof(hoist_route, max_concurrency)), 0);
    cr_expect_eq(f.app->routes->next->given.max_concurrency, 0);
    app_fixture_close(&f);
}

Test(app_route, takes_what_it_does_not_say_from_the_config)
{
    const hoist_config config = {
        .workers = 1, .max_waiting = 2, .timeout_ms = 3, .queue_timeout_ms = 4, .max_body = 5, .max_reply = 6};
    const hoist_route own = {.path = "/own",
                             .handler = hello,
                             .max_waiting = 12,
                             .timeout_ms = 13,
                             .queue_timeout_ms = 14,
                             .max_body = 15,
                             .max_reply = 16};
    const hoist_route *route;

    app_fixture_open(&f, &config, &offloaded_route, 1);
    cr_assert_eq(hoist_app_route(f.app, &own), 0);

    route = &f.app->routes->given;
    cr_expect_eq(route->max_waiting, 2);
    cr_expect_eq(route->timeout_ms, 3);
    cr_expect_eq(route->queue_timeout_ms, 4);
    cr_expect_eq(route->max_body, 5);
    cr_expect_eq(route->max_reply, 6);
    route = &f.app->routes->next->given;
    cr_expect_eq(route->max_waiting, 12);
    cr_expect_eq(route->timeout_ms, 13);
    cr_expect_eq(route->queue_timeout_ms, 14);
    cr_expect_eq(route->max_body, 15);
    cr_expect_eq(route->max_reply, 16);
    app_fixture_close(&f);
}

/* ---- listen ---- */

Test(app_listen, refuses_a_port_that_is_in_use, .timeout = 20)
{
    hoist_config config = {.workers = 1};
    hoist_app *other;
    char port[16];

    app_fixture_serve(&f, &one_worker, &hello_route, 1);
    config.port = hoist_app_port(f.app);
    cr_assert_eq(hoist_app_new(&other, &config), 0);

    cr_expect_eq(hoist_app_listen(other), -EADDRINUSE);
    snprintf(port, sizeof(port), "port %u", config.port);
    cr_expect_not_null(strstr(hoist_app_error(other), port), "%s", hoist_app_error(other));
    cr_expect_eq(hoist_app_free(other), 0);
    app_fixture_close(&f);
}

Test(app_listen, refuses_a_host_that_is_no_address)
{
    const hoist_config config = {.workers = 1, .host = "localhost"};

    app_fixture_open(&f, &config, NULL, 0);
    cr_expect_eq(hoist_app_listen(f.app), -EINVAL);
    cr_expect_not_null(strstr(hoist_app_error(f.app), "not a numeric"), "%s", hoist_app_error(f.app));
    cr_expect_not_null(strstr(hoist_app_error(f.app), "localhost"), "%s", hoist_app_error(f.app));
    app_fixture_close(&f);
}

Test(app_listen, tells_the_port_before_the_start, .timeout = 20)
{
    unsigned port;

    app_fixture_open(&f, &one_worker, &hello_route, 1);
    cr_assert_eq(hoist_app_listen(f.app), 0);
    port = hoist_app_port(f.app);
    cr_expect_neq(port, 0);
    app_fixture_start(&f);
    cr_expect_eq(hoist_app_port(f.app), port);
    peer_open(&p, &f);
    peer_get(&p, "/hello");

    cr_expect_eq(peer_answer(&p, 0)->status, 200);
    app_fixture_close(&f);
}

Test(app_listen, holds_no_port_when_the_admin_address_is_in_use, .timeout = 20)
{
    char admin[32];
    hoist_config config = {.workers = 1, .admin = admin};
    hoist_app *other;

    app_fixture_serve(&f, &one_worker, &hello_route, 1);
    snprintf(admin, sizeof(admin), "127.0.0.1:%u", hoist_app_port(f.app));
    cr_assert_eq(hoist_app_new(&other, &config), 0);
    cr_expect_eq(hoist_app_listen(other), -EADDRINUSE);
    cr_expect_eq(hoist_app_listen(other), -EADDRINUSE, "it can be tried again");
    cr_expect_eq(hoist_app_free(other), 0);
    app_fixture_close(&f);
}

Test(app_listen, may_be_all_there_was)
{
    app_fixture_open(&f, &one_worker, &hello_route, 1);
    cr_expect_eq(hoist_app_listen(f.app), 0);
    app_fixture_close(&f);
}

Test(app_listen, comes_once)
{
    app_fixture_open(&f, &one_worker, &hello_route, 1);
    cr_expect_eq(hoist_app_listen(f.app), 0);
    cr_expect_eq(hoist_app_listen(f.app), -EALREADY);
    cr_expect_str_eq(hoist_app_error(f.app), "it listens already");
    app_fixture_close(&f);
}

/* ---- starts that fail ---- */

static int init_with_a_number(void *data, void **ret_value)
{
    (void)data;
    (void)ret_value;
    return 17;
}

static void expect_no_start(hoist_app *app, int err, const char *says)
{
    cr_expect_eq(hoist_app_start(app, &f.loop, NULL, NULL), err);
    cr_expect_not_null(strstr(hoist_app_error(app), says), "%s", hoist_app_error(app));
}

Test(app_start, takes_no_number_of_worker_init_for_success, .timeout = 20)
{
    const hoist_route odd = {.path = "/odd", .handler = hello, .worker_init = init_with_a_number};
    const hoist_config configs[] = {{.workers = 1}, {.workers = 1, .executor = HOIST_EXECUTOR_INLINE}};

    for (unsigned i = 0; i < 2; i++) {
        app_fixture_open(&f, &configs[i], &odd, 1);
        cr_assert_eq(pool_reserve_threads(1, 0), 0);
        expect_no_start(f.app, -EINVAL, "returned 17, which is neither 0 nor a negative errno");
        app_fixture_close(&f);
    }
}

Test(app_start, needs_as_many_threads_of_libuv_as_workers, .timeout = 20)
{
    const hoist_config config = {.workers = 8};

    app_fixture_open(&f, &config, &hello_route, 1);
    cr_assert_eq(pool_reserve_threads(4, 0), 0);

    expect_no_start(f.app, -EAGAIN, "4 of 8");
    app_fixture_close(&f);
}

/* A line of its own, and none of what failed before. */
Test(app_start, fails_without_descriptors_and_says_so, .timeout = 20)
{
    struct rlimit usual, none;
    int lowest;

    app_fixture_open(&f, &(hoist_config){.executor = HOIST_EXECUTOR_INLINE}, &hello_route, 1);
    cr_assert_eq(hoist_app_listen(f.app), 0);
    cr_expect_eq(hoist_app_route(f.app, &hello_route), -EEXIST);
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &usual), 0);
    none = usual;
    lowest = dup(STDERR_FILENO);
    close(lowest);
    none.rlim_cur = (rlim_t)lowest;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    expect_no_start(f.app, -EMFILE, "cannot start: too many open files");
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &usual), 0);
    uv_run(&f.loop, UV_RUN_DEFAULT); /* what it had begun is closed */
    app_fixture_close(&f);
}

static int fail_init(void *data, void **ret_worker_data)
{
    (void)data;
    (void)ret_worker_data;
    return -ECONNREFUSED;
}

Test(app_start, fails_with_a_worker_init_and_names_its_route_and_the_reason, .timeout = 20)
{
    static const enum hoist_executor executors[] = {HOIST_EXECUTOR_POOL, HOIST_EXECUTOR_INLINE};
    const hoist_route route = {.path = "/db", .handler = hello, .worker_init = fail_init};

    for (size_t i = 0; i < 2; i++) {
        app_fixture_open(&f, &(hoist_config){.workers = 1, .executor = executors[i], .admin = "127.0.0.1:0"}, &route,
                         1);
        expect_no_start(f.app, -ECONNREFUSED, "/db");
        cr_expect(f.app->listener.fd < 0 && f.app->admin.listener.fd < 0, "it listens");
        cr_expect_not_null(strstr(hoist_app_error(f.app), "connection refused"), "%s", hoist_app_error(f.app));
        app_fixture_close(&f);
    }
}

static unsigned inits, finis;

static int count_init(void *data, void **ret_worker_data)
{
    *ret_worker_data = data;
    inits++;
    return 0;
}

static void count_fini(void *worker_data)
{
    cr_expect_eq(worker_data, &finis);
    finis++;
}

/* The hooks of one worker run one at a time. */
Test(app_start, undoes_each_worker_init_that_went_well, .timeout = 20)
{
    static const enum hoist_executor executors[] = {HOIST_EXECUTOR_POOL, HOIST_EXECUTOR_INLINE};
    const hoist_route routes[] = {
        {.path = "/plain", .handler = hello},
        {.path = "/a", .handler = hello, .data = &finis, .worker_init = count_init, .worker_fini = count_fini},
        {.path = "/b", .handler = hello, .data = &finis, .worker_init = count_init, .worker_fini = count_fini},
        {.path = "/bad", .handler = hello, .worker_init = fail_init, .worker_fini = count_fini},
        {.path = "/c", .handler = hello, .data = &finis, .worker_init = count_init, .worker_fini = count_fini},
    };

    for (size_t i = 0; i < 2; i++) {
        inits = finis = 0;
        app_fixture_open(&f, &(hoist_config){.workers = 1, .executor = executors[i]}, routes, 5);
        expect_no_start(f.app, -ECONNREFUSED, "/bad");
        cr_expect_eq(inits, 2);
        cr_expect_eq(finis, 2);
        app_fixture_close(&f);
    }
}

static char undone[4];

static void tell_fini(void *worker_data)
{
    strcat(undone, worker_data);
}

static int give_data(void *data, void **ret_worker_data)
{
    *ret_worker_data = data;
    return 0;
}

Test(app_start, is_undone_from_the_last_worker_init_to_the_first, .timeout = 20)
{
    static char a[] = "a", b[] = "b", c[] = "c";
    const hoist_route routes[] = {
        {.path = "/a", .handler = hello, .data = a, .worker_init = give_data, .worker_fini = tell_fini},
        {.path = "/b", .handler = hello, .data = b, .worker_init = give_data, .worker_fini = tell_fini},
        {.path = "/c", .handler = hello, .data = c, .worker_init = give_data, .worker_fini = tell_fini},
    };

    app_fixture_open(&f, &one_worker, routes, 3);
    app_fixture_start(&f);
    app_fixture_close(&f);

    cr_expect_str_eq(undone, "cba");
}

Test(app_start, can_be_tried_again_after_a_failure, .timeout = 20)
{
    app_fixture_open(&f, &one_worker, &hello_route, 1);
    cr_assert_eq(pool_reserve_threads(0, 0), 0);
    f.app->config.workers_max = 2;
    expect_no_start(f.app, -EAGAIN, "1 of 2");
    f.app->config.workers_max = 1;
    app_fixture_start(&f);
    peer_open(&p, &f);
    peer_get(&p, "/hello");

    cr_expect_eq(peer_answer(&p, 0)->status, 200);
    app_fixture_close(&f);
}

Test(app_start, leaves_no_error_behind_when_it_went_well, .timeout = 20)
{
    app_fixture_serve(&f, &one_worker, &hello_route, 1);

    cr_expect_str_empty(hoist_app_error(f.app));
    app_fixture_close(&f);
}

Test(app_start, refuses_a_second_app_while_one_runs, .timeout = 20)
{
    hoist_app *second;

    app_fixture_serve(&f, &one_worker, &hello_route, 1);
    cr_assert_eq(hoist_app_new(&second, &one_worker), 0);
    cr_expect_eq(hoist_app_start(second, &f.loop, NULL, NULL), -EBUSY);
    cr_expect_neq(hoist_app_error(second)[0], '\0');
    cr_expect_eq(hoist_app_free(second), 0);

    peer_open(&p, &f);
    peer_get(&p, "/hello");
    cr_expect_eq(peer_answer(&p, 0)->status, 200);
    app_fixture_close(&f);
}

/* ---- replies of any length ---- */

static char long_text[1000 * 1000 + 1];

static int reply_long(hoist_req *req, hoist_res *res)
{
    (void)req;
    return hoist_reply_text(res, 200, long_text);
}

Test(app_reply, may_be_long_when_max_reply_is_the_largest_number, .timeout = 20)
{
    static struct wire w;
    const hoist_route route = {.path = "/long", .handler = reply_long, .run = HOIST_INLINE};

    memset(long_text, 'x', sizeof(long_text) - 1);
    app_fixture_serve_wires(&f, &(hoist_config){.workers = 1, .max_reply = SIZE_MAX}, &route, 1);
    wire_open(&w, &f);
    w.room = SIZE_MAX;
    wire_send(&w, "GET /long HTTP/1.1\r\nHost: t\r\n\r\n");

    cr_expect_eq(wire_answer(&w, 0)->status, 200);
    cr_expect_eq(wire_answer(&w, 0)->body_len, sizeof(long_text) - 1);
    wire_close(&w);
    app_fixture_close(&f);
}
