/* Handlers that block in a system call: the call is broken once nobody waits for them, and nobody else's is. */
#include "lib/app_fixture.h"
#include "lib/errors.h"
#include "lib/gate.h"
#include "lib/pool_fixture.h"
#include "server/server.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { PEERS = 2, RETRIES = 3 };

static struct app_fixture f;
static struct gate gate;
static struct peer peers[PEERS];
static int pipes[PEERS][2]; /* the handler of peer i reads from pipe i */
static int ended[PEERS];    /* what that read said: bytes, or -errno; the handler's until its exchange is gone */
static unsigned tries;      /* of /retry, likewise */

static unsigned number_of(hoist_req *req)
{
    return (unsigned)atoi(hoist_req_query(req)) % PEERS;
}

static int read_byte(unsigned i)
{
    char byte;
    ssize_t n = read(pipes[i][0], &byte, 1);

    return n < 0 ? -errno : (int)n;
}

/* GET /marked?i, /unmarked?i: the legacy library waits for a byte. */
static int wait_for_byte(hoist_req *req, hoist_res *res)
{
    unsigned i = number_of(req);

    gate_pass(&gate, i);
    ended[i] = read_byte(i);
    return hoist_reply_printf(res, 200, "text/plain", "%s", ended[i] == -EINTR ? "interrupted" : "read");
}

/* GET /retry?i: a loop around EINTR, as in many libraries. It gives up only so that the test comes to an end. */
static int wait_stubbornly(hoist_req *req, hoist_res *res)
{
    unsigned i = number_of(req);

    (void)res;
    gate_pass(&gate, i);
    do {
        ended[i] = read_byte(i);
    } while (ended[i] == -EINTR && ++tries < RETRIES);
    return ended[i];
}

static int start_on_loop(hoist_req *req, hoist_res *res)
{
    (void)res;
    return hoist_offload(req, wait_for_byte);
}

static const hoist_route routes[] = {
    {.path = "/marked", .handler = wait_for_byte, .interrupt = true},
    {.path = "/retry", .handler = wait_stubbornly, .interrupt = true},
    {.path = "/async", .handler = start_on_loop, .run = HOIST_ASYNC, .interrupt = true},
    {.path = "/unmarked", .handler = wait_for_byte},
};

static void serve(const hoist_config *config)
{
    for (unsigned i = 0; i < PEERS; i++)
        cr_assert_eq(pipe(pipes[i]), 0);
    app_fixture_serve(&f, config, routes, sizeof(routes) / sizeof(routes[0]));
    gate_open(&gate, &f.loop);
    gate_let_all_go(&gate);
}

static void open_app(void)
{
    serve(&(hoist_config){.workers = 1});
}

static void give_byte(unsigned i)
{
    cr_assert_eq(write(pipes[i][1], "x", 1), 1);
}

static void close_app(void)
{
    LOOP_RUN_UNTIL(&f.loop, f.app->server.n_exchanges == 0);
    gate_close(&gate);
    app_fixture_close(&f);
}

TestSuite(interrupt, .init = open_app, .fini = close_app, .timeout = 30);

/* Peer i asks for target; returns once its handler is about to read. */
static void ask(unsigned i, const char *target)
{
    unsigned came = gate_came(&gate);
    char text[64];

    (void)snprintf(text, sizeof(text), "%s?%u", target, i);
    peer_open(&peers[i], &f);
    peer_get(&peers[i], text);
    LOOP_RUN_UNTIL(&f.loop, gate_came(&gate) == came + 1);
}

/* The server has seen it when this returns; its handler may have ended by then. */
static void leave(unsigned i)
{
    unsigned n = f.app->server.n_conns;

    peer_reset(&peers[i]);
    LOOP_RUN_UNTIL(&f.loop, f.app->server.n_conns < n);
}

static void run_until_none_is_abandoned(void)
{
    LOOP_RUN_UNTIL(&f.loop, app_fixture_abandoned(&f) == 0);
}

static void leave_and_run_until_gone(unsigned i)
{
    leave(i);
    run_until_none_is_abandoned();
}

/* The one worker takes the next job, undisturbed. */
static void expect_worker_is_free(void)
{
    give_byte(1);
    ask(1, "/marked");
    cr_expect(answer_body_is(peer_answer(&peers[1], 0), "read"));
}

/* ---- who is interrupted ---- */

Test(interrupt, frees_the_worker_of_a_client_that_left)
{
    ask(0, "/marked");
    leave_and_run_until_gone(0);

    cr_expect_eq(ended[0], -EINTR);
    expect_worker_is_free();
}

Test(interrupt, frees_the_worker_of_an_asynchronous_request)
{
    ask(0, "/async");
    leave_and_run_until_gone(0);

    cr_expect_eq(ended[0], -EINTR);
    expect_worker_is_free();
}

Test(interrupt, comes_after_the_504_when_the_deadline_is_over)
{
    ask(0, "/marked");
    app_fixture_hurry_deadlines(&f);

    cr_expect_eq(peer_answer(&peers[0], 0)->status, 504);
    LOOP_RUN_UNTIL(&f.loop, f.app->server.n_exchanges == 0);
    cr_expect_eq(ended[0], -EINTR);
    expect_worker_is_free();
}

/* /retry ends with -EINTR then, which is no error of the program. */
Test(interrupt, is_logged_as_no_error)
{
    errors_catch();
    ask(0, "/retry");
    peer_end(&peers[0]);
    cr_expect_eq(peer_answer(&peers[0], 0)->status, 500);
    cr_expect_eq(errors_count("its handler failed"), 1, "%s", errors_text());
    cr_expect_eq(errors_count("error"), 0, "%s", errors_text());
    errors_release();
}

Test(interrupt, leaves_a_client_that_only_stopped_sending_its_answer)
{
    ask(0, "/marked");
    peer_end(&peers[0]);

    cr_expect(answer_body_is(peer_answer(&peers[0], 0), "interrupted"));
    LOOP_RUN_UNTIL(&f.loop, peers[0].at_end);
}

Test(interrupt, comes_again_until_the_handler_returns)
{
    ask(0, "/retry");
    leave_and_run_until_gone(0);

    cr_expect_eq(tries, RETRIES);
    cr_expect_eq(ended[0], -EINTR);
    expect_worker_is_free();
}

/* Else those of a thousand handlers would be sorted into what others wait for, again and again. */
Test(interrupt, comes_by_a_list_of_deadlines_of_its_own)
{
    const struct deadline *others = &f.app->server.deadlines.others, *interrupt;

    ask(0, "/retry");
    leave(0);
    interrupt = &f.app->server.exchanges->interrupt;
    cr_expect(deadline_is_armed(interrupt));
    for (const struct deadline *deadline = others->next; deadline != others; deadline = deadline->next)
        cr_expect_neq(deadline, interrupt);
    run_until_none_is_abandoned();
}

/* ---- who is not ---- */

Test(interrupt, does_not_come_to_a_route_that_did_not_ask_for_it)
{
    ask(0, "/unmarked");
    leave(0);
    cr_expect_not(deadline_is_armed(&f.app->server.exchanges->interrupt), "nor will it come");
    give_byte(0);
    run_until_none_is_abandoned();

    cr_expect_eq(ended[0], 1);
}

Test(interrupt, does_not_come_while_the_client_waits)
{
    ask(0, "/marked");
    cr_expect_not(deadline_is_armed(&f.app->server.exchanges->interrupt));
    give_byte(0);

    cr_expect(answer_body_is(peer_answer(&peers[0], 0), "read"));
}

Test(interrupt_others, are_left_alone, .fini = close_app, .timeout = 30)
{
    serve(&(hoist_config){.workers = 2});
    ask(0, "/retry");
    ask(1, "/marked");
    leave_and_run_until_gone(0);
    cr_expect_eq(tries, RETRIES);
    ask(0, "/marked");
    leave_and_run_until_gone(1); /* the other way round */
    cr_expect_eq(ended[1], -EINTR);
    give_byte(0);

    cr_expect(answer_body_is(peer_answer(&peers[0], 0), "read"));
}

Test(interrupt, does_not_outlive_its_job)
{
    ask(0, "/marked");
    leave_and_run_until_gone(0);
    cr_expect_not(deadline_is_armed(&f.app->server.free_exchanges->interrupt));
    ask(1, "/marked");
    cr_expect_not(deadline_is_armed(&f.app->server.exchanges->interrupt));
    give_byte(1);

    cr_expect(answer_body_is(peer_answer(&peers[1], 0), "read"));
}

/* ---- the pool's part: between a job's end and its done() ---- */

static struct fixture pool;
static int pool_pipe[2], pool_ended;
static atomic_uint signals;

static void read_in_pool(struct pool_job *job)
{
    char byte;

    (void)job;
    gate_pass(&gate, 0);
    pool_ended = read(pool_pipe[0], &byte, 1) < 0 ? -errno : 1;
}

static void count_signal(int number)
{
    (void)number;
    atomic_fetch_add(&signals, 1);
}

Test(pool_interrupt, hits_the_job_that_is_meant_and_not_the_next_one_on_its_thread, .timeout = 30)
{
    const struct pool_options options = {.workers = 1, .workers_max = 1, .interrupts = true};
    const struct sigaction counting = {.sa_handler = count_signal};

    cr_assert_eq(pipe(pool_pipe), 0);
    cr_assert_eq(pool_reserve_threads(1, 0), 0);
    fixture_open(&pool);
    fixture_start_as(&pool, &options);
    cr_assert_eq(sigaction(SIGURG, &counting, NULL), 0);
    gate_open(&gate, &pool.loop);
    pool.jobs[1].job.work = read_in_pool;
    fixture_submit(&pool, &pool.lane, 0, 2);
    gate_run_until_inside(&pool.gate, 1);
    gate_let_all_go(&pool.gate);
    gate_run_until_inside(&gate, 1);
    pool_interrupt(pool.pool, &pool.jobs[0].job);
    gate_let_all_go(&gate);
    cr_assert_eq(write(pool_pipe[1], "x", 1), 1);
    fixture_run_until_done(&pool, 2);
    pool_interrupt(pool.pool, &pool.jobs[1].job);
    cr_expect_eq(pool_ended, 1);
    cr_expect_eq(atomic_load(&signals), 0);

    fixture_submit(&pool, &pool.lane, 1, 1);
    while (pool.done_calls < 3) {
        pool_interrupt(pool.pool, &pool.jobs[1].job);
        uv_run(&pool.loop, UV_RUN_NOWAIT);
    }
    cr_expect_eq(pool_ended, -EINTR);
    cr_expect_gt(atomic_load(&signals), 0);
    gate_close(&gate);
    fixture_close(&pool);
}

/* ---- the signal's action ---- */

static void on_urgent(int number)
{
    (void)number;
}

static void (*action_now(void))(int)
{
    struct sigaction now;

    cr_assert_eq(sigaction(SIGURG, NULL, &now), 0);
    return now.sa_handler;
}

Test(interrupt_signal, has_its_old_action_again_after_the_stop, .timeout = 30)
{
    const struct sigaction own = {.sa_handler = on_urgent};

    cr_assert_eq(sigaction(SIGURG, &own, NULL), 0);
    app_fixture_serve(&f, &(hoist_config){.workers = 1}, routes, 1);
    cr_expect_neq(action_now(), on_urgent);
    cr_expect_neq(action_now(), SIG_DFL);
    app_fixture_close(&f);

    cr_expect_eq(action_now(), on_urgent);
}

Test(interrupt_signal, is_not_touched_when_no_route_asks_for_it, .timeout = 30)
{
    const hoist_route unmarked = {.path = "/", .handler = wait_for_byte};
    const struct sigaction own = {.sa_handler = on_urgent};

    cr_assert_eq(sigaction(SIGURG, &own, NULL), 0);
    app_fixture_serve(&f, &(hoist_config){.workers = 1}, &unmarked, 1);
    cr_expect_eq(action_now(), on_urgent);
    app_fixture_close(&f);

    cr_expect_eq(action_now(), on_urgent);
}

Test(interrupt_route, is_refused_inline)
{
    const hoist_route route = {.path = "/x", .handler = wait_for_byte, .run = HOIST_INLINE, .interrupt = true};

    app_fixture_open(&f, NULL, NULL, 0);
    cr_expect_eq(hoist_app_route(f.app, &route), -EINVAL);
    cr_expect_str_eq(hoist_app_error(f.app), "route /x: it runs inline: there is nobody to interrupt it");
    app_fixture_close(&f);
}
