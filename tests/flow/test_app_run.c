/* An app while it runs, and its stop: on a loop of its own, on a caller's, and with a job that does not end. */
#include "lib/app_fixture.h"
#include "lib/gate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct app_fixture f;
static struct gate gate;
static struct peer p;

static int hello(hoist_req *req, hoist_res *res)
{
    (void)req;
    return hoist_reply_text(res, 200, "hello");
}

static int held(hoist_req *req, hoist_res *res)
{
    (void)req;
    gate_pass(&gate, 0);
    return hoist_reply_text(res, 200, "held");
}

static const hoist_route hello_route = {.path = "/hello", .handler = hello, .run = HOIST_INLINE};
static const hoist_route both[] = {{.path = "/hello", .handler = hello, .run = HOIST_INLINE},
                                   {.path = "/held", .handler = held}};

static const hoist_config one_worker = {.workers = 1};

/* ---- hoist_app_run() ---- */

static hoist_app *new_app(const hoist_route *route)
{
    hoist_app *app;

    cr_assert_eq(pool_reserve_threads(1, 0), 0);
    cr_assert_eq(hoist_app_new(&app, &one_worker), 0);
    cr_assert_eq(hoist_app_route(app, route), 0);
    cr_assert_eq(hoist_app_listen(app), 0);
    return app;
}

/* A client's socket that asks for /hello, on any thread. */
static int connect_to(const hoist_app *app)
{
    static const char request[] = "GET /hello HTTP/1.1\r\nHost: t\r\n\r\n";
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_port = htons((uint16_t)hoist_app_port(app));
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(write(fd, request, strlen(request)), (ssize_t)strlen(request));
    return fd;
}

/* A client on a thread of its own: one request, then it stops the app. */
static void ask_and_stop(void *arg)
{
    char reply[512] = "";
    int fd = connect_to(arg);

    cr_expect_gt(read(fd, reply, sizeof(reply) - 1), 0);
    cr_expect_eq(strncmp(reply, "HTTP/1.1 200 ", 13), 0, "%s", reply);
    hoist_app_stop(arg);
    hoist_app_stop(arg);
    cr_expect_eq(read(fd, reply, sizeof(reply)), 0, "the idle connection is closed");
    close(fd);
}

static void run_and_free(void)
{
    hoist_app *app = new_app(&hello_route);
    uv_thread_t client;

    cr_assert_eq(uv_thread_create(&client, ask_and_stop, app), 0);
    cr_expect_eq(hoist_app_run(app), 0);
    uv_thread_join(&client);
    hoist_app_stop(app);
    cr_expect_eq(hoist_app_free(app), 0);
}

Test(app_run, serves_until_another_thread_stops_it, .timeout = 20)
{
    run_and_free();
}

Test(app_run, can_be_done_again_with_a_new_app, .timeout = 20)
{
    run_and_free();
    run_and_free();
}

Test(app_run, returns_at_once_when_it_was_stopped_before, .timeout = 20)
{
    hoist_app *app = new_app(&hello_route);

    hoist_app_stop(app);
    cr_expect_eq(hoist_app_run(app), 0);
    cr_expect_eq(hoist_app_free(app), 0);
}

Test(app_run, answers_why_it_did_not_start, .timeout = 20)
{
    hoist_app *app = new_app(&hello_route), *second = new_app(&hello_route);

    cr_assert_eq(pool_reserve_threads(1, 0), 0);
    second->config.workers_max = 2;
    cr_expect_eq(hoist_app_run(second), -EAGAIN);
    cr_expect_not_null(strstr(hoist_app_error(second), "1 of 2"), "%s", hoist_app_error(second));
    cr_expect_eq(hoist_app_free(second), 0);
    cr_expect_eq(hoist_app_free(app), 0);
}

static bool was_turned;

static void on_turned(uv_timer_t *timer)
{
    was_turned = true;
    uv_close((uv_handle_t *)timer, NULL);
}

/* Where it is run, the loop would be turned within its own turn. */
static int run_and_free_within(hoist_req *req, hoist_res *res)
{
    static uv_timer_t timer;
    hoist_app *app = *(hoist_app **)hoist_req_data(req);

    uv_timer_init(app->loop, &timer);
    uv_timer_start(&timer, on_turned, 0, 0);
    cr_expect_eq(hoist_app_run(app), -EALREADY);
    cr_expect_eq(hoist_app_free(app), -EBUSY);
    cr_expect_not_null(strstr(hoist_app_error(app), "has not stopped"), "%s", hoist_app_error(app));
    cr_expect_not(was_turned);
    return hoist_reply_text(res, 200, "as before");
}

Test(app_run, and_free_turn_no_loop_that_is_run_already, .timeout = 20)
{
    static hoist_app *app;
    const hoist_route route = {.path = "/hello", .handler = run_and_free_within, .run = HOIST_INLINE, .data = &app};
    uv_thread_t client;

    app = new_app(&route);
    cr_assert_eq(uv_thread_create(&client, ask_and_stop, app), 0);
    cr_expect_eq(hoist_app_run(app), 0);
    uv_thread_join(&client);
    cr_expect(was_turned);
    cr_expect_eq(hoist_app_free(app), 0);
}

Test(app_run, comes_once, .timeout = 20)
{
    hoist_app *app = new_app(&hello_route);

    hoist_app_stop(app);
    cr_expect_eq(hoist_app_run(app), 0);
    cr_expect_eq(hoist_app_run(app), -EALREADY);
    cr_expect_str_eq(hoist_app_error(app), "it was started before; an app is started once");
    cr_expect_eq(hoist_app_route(app, &hello_route), -EALREADY);
    cr_expect_eq(hoist_app_free(app), 0);
}

static unsigned open_descriptors(void)
{
    unsigned n = 0;

    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

Test(app_run, can_be_tried_again_after_a_failure_and_leaves_nothing_open, .timeout = 20)
{
    hoist_app *app;
    unsigned before;

    run_and_free(); /* libuv keeps some descriptors of its first loop */
    before = open_descriptors();
    app = new_app(&hello_route);
    app->config.workers_max = 2;
    cr_expect_eq(hoist_app_run(app), -EAGAIN);
    app->config.workers_max = 1;
    hoist_app_stop(app);
    cr_expect_eq(hoist_app_run(app), 0);
    cr_expect_eq(hoist_app_free(app), 0);

    cr_expect_eq(open_descriptors(), before);
}

/* ---- on a caller's loop ---- */

Test(app_embedded, tells_once_when_it_has_stopped_and_lets_the_loop_end, .timeout = 20)
{
    app_fixture_serve(&f, &one_worker, both, 2);
    peer_open(&p, &f);
    peer_get(&p, "/hello");
    cr_expect_eq(peer_answer(&p, 0)->status, 200);
    peer_close(&p);

    hoist_app_stop(f.app);
    hoist_app_stop(f.app);
    cr_expect_eq(f.stopped_calls, 0);
    uv_run(&f.loop, UV_RUN_DEFAULT);
    cr_expect_eq(f.stopped_calls, 1);
    cr_expect_eq(f.result, 0);
    hoist_app_stop(f.app);
    uv_run(&f.loop, UV_RUN_DEFAULT);
    cr_expect_eq(f.stopped_calls, 1);
    app_fixture_close(&f);
}

static void free_app(hoist_app *app, int err, void *arg)
{
    *(int *)arg = err;
    cr_expect_eq(hoist_app_free(app), 0);
}

Test(app_embedded, can_be_freed_when_it_tells, .timeout = 20)
{
    int result = 1;

    app_fixture_open(&f, &one_worker, both, 2);
    cr_assert_eq(hoist_app_start(f.app, &f.loop, free_app, &result), 0);
    hoist_app_stop(f.app);
    uv_run(&f.loop, UV_RUN_DEFAULT);

    cr_expect_eq(result, 0);
    cr_expect_eq(uv_loop_close(&f.loop), 0);
}

Test(app_embedded, is_not_freed_while_it_serves, .timeout = 20)
{
    app_fixture_serve(&f, &one_worker, both, 2);
    cr_expect_eq(hoist_app_free(f.app), -EBUSY);
    peer_open(&p, &f);
    peer_get(&p, "/hello");

    cr_expect_eq(peer_answer(&p, 0)->status, 200);
    app_fixture_close(&f);
}

Test(app_embedded, answers_what_is_in_flight_before_it_stops, .timeout = 20)
{
    char value[32];

    app_fixture_serve(&f, &one_worker, both, 2);
    gate_open(&gate, &f.loop);
    peer_open(&p, &f);
    peer_get(&p, "/held");
    gate_run_until_inside(&gate, 1);
    hoist_app_stop(f.app);
    LOOP_RUN_UNTIL(&f.loop, f.app->state == APP_DRAINING);
    gate_let_all_go(&gate);

    cr_expect_eq(peer_answer(&p, 0)->status, 200);
    cr_expect_str_eq(answer_field(&p.answer, "Connection", value, sizeof(value)), "close");
    LOOP_RUN_UNTIL(&f.loop, p.at_end);
    peer_close(&p);
    LOOP_RUN_UNTIL(&f.loop, f.stopped_calls > 0);
    cr_expect_eq(f.result, 0);
    gate_close(&gate);
    app_fixture_close(&f);
}

Test(app_embedded, takes_what_was_in_the_backlog_when_it_was_stopped, .timeout = 20)
{
    app_fixture_serve(&f, &one_worker, both, 2);
    peer_open(&p, &f);
    peer_get(&p, "/hello");
    hoist_app_stop(f.app);

    cr_expect_eq(peer_answer(&p, 0)->status, 200);
    app_fixture_close(&f);
}

Test(app_stuck, is_not_freed_until_its_job_has_ended, .timeout = 20)
{
    const hoist_config config = {.workers = 1, .drain_ms = 1};

    app_fixture_serve(&f, &config, both, 2);
    gate_open(&gate, &f.loop);
    peer_open(&p, &f);
    peer_get(&p, "/held");
    gate_run_until_inside(&gate, 1);
    hoist_app_stop(f.app);
    LOOP_RUN_UNTIL(&f.loop, f.stopped_calls > 0);
    cr_expect_eq(f.result, -ETIMEDOUT);
    cr_expect_str_eq(hoist_app_error(f.app), "the drain took longer than drain-ms allows; connections cut off: 1, "
                                             "requests: 1 running, 0 waiting, 0 half sent, answers not taken: 0");
    LOOP_RUN_UNTIL(&f.loop, p.at_end);
    cr_expect_eq(hoist_app_free(f.app), -EBUSY);
    peer_close(&p);

    gate_let_all_go(&gate);
    LOOP_RUN_UNTIL(&f.loop, f.app->state == APP_STOPPED);
    cr_expect_eq(f.stopped_calls, 1);
    gate_close(&gate);
    app_fixture_close(&f);
}

static int stop_and_hold(hoist_req *req, hoist_res *res)
{
    hoist_app_stop(*(hoist_app **)hoist_req_data(req));
    return held(req, res);
}

/* A client on a thread of its own that is never answered. */
static void ask_in_vain(void *arg)
{
    int fd = connect_to(arg);
    char byte;

    cr_expect_leq(read(fd, &byte, 1), 0);
    close(fd);
}

Test(app_stuck, makes_run_return_before_its_job_has_ended, .timeout = 20)
{
    static hoist_app *app;
    const hoist_config config = {.workers = 1, .drain_ms = 1};
    const hoist_route route = {.path = "/hello", .handler = stop_and_hold, .data = &app};
    uv_thread_t client;
    uv_loop_t loop; /* for the gate */

    cr_assert_eq(uv_loop_init(&loop), 0);
    gate_open(&gate, &loop);
    cr_assert_eq(pool_reserve_threads(1, 0), 0);
    cr_assert_eq(hoist_app_new(&app, &config), 0);
    cr_assert_eq(hoist_app_route(app, &route), 0);
    cr_assert_eq(hoist_app_listen(app), 0);
    cr_assert_eq(uv_thread_create(&client, ask_in_vain, app), 0);

    cr_expect_eq(hoist_app_run(app), -ETIMEDOUT);
    uv_thread_join(&client);
    cr_expect_eq(hoist_app_free(app), -EBUSY);
    gate_let_all_go(&gate);
    while (hoist_app_free(app) == -EBUSY)
        sched_yield();
    gate_close(&gate);
    cr_expect_eq(uv_loop_close(&loop), 0);
}

static int no_data(void *data, void **ret_worker_data)
{
    *ret_worker_data = data;
    return 0;
}

static void hold_on(void *worker_data)
{
    (void)worker_data;
    gate_pass(&gate, 0);
}

Test(app_stuck, is_told_when_a_worker_fini_does_not_return, .timeout = 20)
{
    const hoist_route route = {
        .path = "/hello", .handler = hello, .worker_init = no_data, .worker_fini = hold_on, .data = &f};

    app_fixture_serve(&f, &one_worker, &route, 1);
    gate_open(&gate, &f.loop);
    hoist_app_stop(f.app);
    gate_run_until_inside(&gate, 1);
    cr_expect_eq(f.stopped_calls, 0);
    uv_timer_start(&f.app->drain, f.app->drain.timer_cb, 1, 0); /* it would be over in 5 s */
    LOOP_RUN_UNTIL(&f.loop, f.stopped_calls > 0);
    cr_expect_eq(f.result, -ETIMEDOUT);
    cr_expect_not_null(strstr(hoist_app_error(f.app), "; a worker_fini"), "%s", hoist_app_error(f.app));
    cr_expect_eq(hoist_app_free(f.app), -EBUSY);

    gate_let_all_go(&gate);
    LOOP_RUN_UNTIL(&f.loop, f.app->state == APP_STOPPED);
    cr_expect_eq(f.stopped_calls, 1);
    gate_close(&gate);
    app_fixture_close(&f);
}

static void let_go(uv_timer_t *timer)
{
    gate_let_all_go(&gate);
    uv_close((uv_handle_t *)timer, NULL);
}

Test(app_stuck, is_not_said_of_a_worker_fini_that_takes_longer_than_a_request_may, .timeout = 20)
{
    const hoist_config config = {.workers = 1, .drain_ms = 1};
    const hoist_route route = {
        .path = "/hello", .handler = hello, .worker_init = no_data, .worker_fini = hold_on, .data = &f};
    uv_timer_t later; /* than a drain would be over */

    app_fixture_serve(&f, &config, &route, 1);
    gate_open(&gate, &f.loop);
    hoist_app_stop(f.app);
    gate_run_until_inside(&gate, 1);
    uv_timer_init(&f.loop, &later);
    uv_timer_start(&later, let_go, 20, 0);
    LOOP_RUN_UNTIL(&f.loop, f.stopped_calls > 0);

    cr_expect_eq(f.result, 0);
    gate_close(&gate);
    app_fixture_close(&f);
}

Test(app_stuck, is_told_once_when_its_drain_was_cut_short, .timeout = 20)
{
    const hoist_config config = {.workers = 1, .stuck_exit_ms = 1, .drain_ms = 3600000};

    app_fixture_serve(&f, &config, both, 2);
    gate_open(&gate, &f.loop);
    peer_open(&p, &f);
    peer_get(&p, "/held");
    gate_run_until_inside(&gate, 1);
    hoist_app_stop(f.app);
    LOOP_RUN_UNTIL(&f.loop, f.app->state == APP_DRAINING);
    peer_reset(&p); /* nobody waits for what the one worker does */
    LOOP_SPIN_UNTIL(&f.loop, f.stopped_calls > 0);

    cr_expect_not(uv_is_active((uv_handle_t *)&f.app->drain), "its end would be told, too");
    gate_let_all_go(&gate);
    LOOP_RUN_UNTIL(&f.loop, f.app->state == APP_STOPPED);
    gate_close(&gate);
    app_fixture_close(&f);
}

/* ---- resize ---- */

static void resize_elsewhere(void *app)
{
    cr_expect_eq(hoist_app_resize(app, 4), -EINVAL);
    cr_expect_str_eq(hoist_app_error(app), "resize is for the loop's thread");
}

Test(app_resize, takes_one_to_workers_max, .timeout = 20)
{
    const hoist_config config = {.workers = 1, .workers_max = 4};
    uv_thread_t thread;

    app_fixture_open(&f, &config, both, 2);
    cr_expect_eq(hoist_app_resize(f.app, 1), -EINVAL, "it does not run yet");
    cr_expect_str_eq(hoist_app_error(f.app), "no pool of it runs");
    app_fixture_start(&f);
    cr_expect_eq(hoist_app_resize(f.app, 0), -EINVAL);
    cr_expect_str_eq(hoist_app_error(f.app), "0 workers: must be 1 to 4");
    cr_expect_eq(hoist_app_resize(f.app, 5), -EINVAL);
    cr_expect_eq(hoist_app_resize(f.app, 4), 0);
    cr_expect_eq(hoist_app_resize(f.app, 1), 0);
    cr_assert_eq(uv_thread_create(&thread, resize_elsewhere, f.app), 0);
    uv_thread_join(&thread);
    app_fixture_stop(&f);
    cr_expect_eq(hoist_app_resize(f.app, 1), -EINVAL, "it runs no more");
    app_fixture_close(&f);
}

Test(app_resize, acts_at_once, .timeout = 20)
{
    const hoist_config config = {.workers = 1, .workers_max = 4};
    static struct peer peers[4];

    app_fixture_serve(&f, &config, both, 2);
    gate_open(&gate, &f.loop);
    for (size_t i = 0; i < 4; i++) {
        peer_open(&peers[i], &f);
        peer_get(&peers[i], "/held");
    }
    gate_run_until_inside(&gate, 1);
    cr_expect_eq(hoist_app_resize(f.app, 4), 0);
    gate_run_until_inside(&gate, 4);

    gate_let_all_go(&gate);
    for (size_t i = 0; i < 4; i++)
        cr_expect_eq(peer_answer(&peers[i], 0)->status, 200);
    gate_close(&gate);
    app_fixture_close(&f);
}
