/* Jobs that run on though nobody waits for them: counted, named at growing intervals, traced, and too many of them. */
#include "lib/app_fixture.h"
#include "lib/errors.h"
#include "lib/gate.h"
#include "pool/worker.h"
#include "server/server.h"
#include "server/totals.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PEERS = 2 };

static struct app_fixture f;
static struct gate gate;
static struct peer peers[PEERS];
static int sink[2];   /* what the handlers of /read and /vfork read from */
static int read_said; /* bytes or -errno; the handler's until its exchange is gone */

static int held(hoist_req *req, hoist_res *res)
{
    (void)req;
    gate_pass(&gate, 0);
    return hoist_reply_text(res, 200, "held");
}

static int read_byte(hoist_req *req, hoist_res *res)
{
    char byte;
    ssize_t n;

    (void)req;
    gate_pass(&gate, 0);
    n = read(sink[0], &byte, 1);
    read_said = n < 0 ? -errno : (int)n;
    return hoist_reply_text(res, 200, "read");
}

/* The parent of a vfork(2) sleeps uninterruptibly until its child is done: here, until there is a byte to read. */
static int sleep_deeply(hoist_req *req, hoist_res *res)
{
    pid_t child;

    (void)req;
    gate_pass(&gate, 0);
    child = vfork();
    if (child == 0) {
        char byte;

        close(sink[1]);
        _exit(read(sink[0], &byte, 1) == 1 ? 0 : 1);
    }
    waitpid(child, NULL, 0);
    return hoist_reply_text(res, 200, "slept");
}

static int pause_once(hoist_req *req, hoist_res *res)
{
    (void)req;
    gate_pass(&gate, 0);
    pause(); /* ends behind any signal that has an action */
    return hoist_reply_text(res, 200, "paused");
}

static const hoist_route routes[] = {
    {.path = "/held", .handler = held},
    {.path = "/read", .handler = read_byte},
    {.path = "/vfork", .handler = sleep_deeply},
    {.path = "/pause", .handler = pause_once},
};

/* Before log_start() a line is written by its caller: it is there when the call is over. */
static void serve(const hoist_config *config)
{
    errors_catch();
    cr_assert_eq(pipe(sink), 0);
    app_fixture_serve(&f, config, routes, sizeof(routes) / sizeof(routes[0]));
    gate_open(&gate, &f.loop);
}

static void open_app(void)
{
    serve(&(hoist_config){.workers = 1});
}

static void let_all_end(void)
{
    gate_let_all_go(&gate);
    cr_assert_eq(write(sink[1], "xx", 2), 2);
    LOOP_RUN_UNTIL(&f.loop, f.app->server.n_exchanges == 0);
}

static void close_app(void)
{
    let_all_end();
    cr_expect_eq(stuck_count(&f.app->server), 0);
    gate_close(&gate);
    app_fixture_close(&f);
    errors_release();
}

TestSuite(stuck, .init = open_app, .fini = close_app, .timeout = 30);
TestSuite(all_stuck, .fini = close_app, .timeout = 30);

#define EXPECT_LOGGED(part) cr_expect_not_null(strstr(errors_text(), part), "'%s' is not in: %s", part, errors_text())
#define EXPECT_NOT_LOGGED(part) cr_expect_null(strstr(errors_text(), part), "'%s' is in: %s", part, errors_text())

static struct server *server(void)
{
    return &f.app->server;
}

/* Peer i's handler runs. */
static void ask(unsigned i, const char *path)
{
    unsigned came = gate_came(&gate);

    peer_open(&peers[i], &f);
    peer_get(&peers[i], path);
    LOOP_RUN_UNTIL(&f.loop, gate_came(&gate) == came + 1);
}

static void leave(unsigned i)
{
    unsigned n = stuck_count(server());

    peer_reset(&peers[i]);
    LOOP_RUN_UNTIL(&f.loop, stuck_count(server()) == n + 1);
}

static void ask_and_be_late(unsigned i, const char *path)
{
    ask(i, path);
    app_fixture_hurry_deadlines(&f);
    cr_expect_eq(peer_answer(&peers[i], 0)->status, 504);
}

static struct exchange *stuck_one(void)
{
    struct exchange *x = server()->exchanges;

    cr_assert_not_null(x);
    cr_assert(deadline_is_armed(&x->watch.next));
    return x;
}

static bool has_ended(void)
{
    return server()->n_exchanges == 0;
}

/* The next look comes now, and no other one. */
static void look(void)
{
    struct exchange *x = stuck_one();
    uint64_t due_ms;

    deadline_arm(&server()->deadlines, &x->watch.next, 1);
    due_ms = x->watch.next.due_ms;
    LOOP_SPIN_UNTIL(&f.loop, x->watch.next.due_ms != due_ms || has_ended());
}

/* Until the log has what came of the signal. */
static void await_told(void)
{
    LOOP_SPIN_UNTIL(&f.loop, !stuck_one()->watch.is_asked);
}

/* Of a thread that takes signals, however late it gets a CPU: while the loop does not turn, it does not lose patience.
 */
static void await_trace(void)
{
    const struct seat *seat = &f.app->pool->seats[stuck_one()->job.seat];

    while (atomic_load(&seat->trace.is_due))
        sched_yield();
    await_told();
}

/* ---- counted ---- */

Test(stuck, is_counted_from_its_deadline_until_it_returns)
{
    ask(0, "/held");
    cr_expect_eq(stuck_count(server()), 0);
    app_fixture_hurry_deadlines(&f);
    cr_expect_eq(peer_answer(&peers[0], 0)->status, 504);
    cr_expect_eq(stuck_count(server()), 1);

    let_all_end();
    cr_expect_eq(stuck_count(server()), 0);
    EXPECT_LOGGED("an abandoned request has ended after ");
}

Test(stuck, is_counted_when_its_client_has_left)
{
    ask(0, "/held");
    leave(0);
    cr_expect_eq(stuck_count(server()), 1);
}

Test(stuck, is_not_what_still_waited_when_its_client_left)
{
    ask(0, "/held");
    peer_open(&peers[1], &f);
    peer_get(&peers[1], "/held");
    LOOP_RUN_UNTIL(&f.loop, app_fixture_count(&f, EXCHANGE_QUEUED) == 2);
    peer_reset(&peers[1]);
    LOOP_RUN_UNTIL(&f.loop, app_fixture_count(&f, EXCHANGE_QUEUED) == 1);

    cr_expect_eq(stuck_count(server()), 0);
}

/* ---- named ---- */

Test(stuck, is_named_at_once_when_its_time_is_over)
{
    ask_and_be_late(0, "/held");

    EXPECT_LOGGED("warning stuck: /held, request 1, ");
    EXPECT_LOGGED(" s old, worker 0, thread hoist-w0 (");
}

Test(stuck, is_not_named_at_once_when_its_client_has_left)
{
    uint64_t before_ms;

    ask(0, "/held");
    before_ms = uv_now(&f.loop);
    leave(0);

    EXPECT_NOT_LOGGED("stuck: ");
    cr_expect_geq(stuck_one()->watch.next.due_ms, before_ms + 10000);
    look();
    EXPECT_LOGGED("stuck: /held, request 1, ");
    cr_expect_geq(stuck_one()->watch.next.due_ms, before_ms + 50000, "and then at the same intervals");
}

Test(stuck, is_named_again_at_growing_intervals)
{
    static const unsigned seconds[] = {1, 9, 50, 540, 3000, 3600, 3600, 3600};

    uint64_t before_ms = uv_now(&f.loop);

    ask(0, "/held");
    app_fixture_hurry_deadlines(&f);
    LOOP_SPIN_UNTIL(&f.loop, stuck_count(server()) == 1);
    for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
        uint64_t due_ms = stuck_one()->watch.next.due_ms;

        cr_expect_geq(due_ms, before_ms + seconds[i] * UINT64_C(1000), "look %zu", i);
        cr_expect_leq(due_ms, uv_now(&f.loop) + seconds[i] * UINT64_C(1000), "look %zu", i);
        before_ms = uv_now(&f.loop);
        errors_forget();
        look();
        EXPECT_LOGGED("stuck: /held, request 1, ");
    }
    cr_expect_eq(peer_answer(&peers[0], 0)->status, 504);
}

/* ---- traced ---- */

Test(stuck, gets_no_signal_unless_the_program_allows_it)
{
    ask_and_be_late(0, "/held");
    look();

    cr_expect_not(stuck_one()->watch.is_asked);
    EXPECT_NOT_LOGGED("backtrace");
}

#ifdef __GLIBC__

Test(stuck, tells_its_backtrace_a_moment_after_its_name)
{
    cr_assert(pool_trace_enable());
    ask_and_be_late(0, "/held");
    EXPECT_NOT_LOGGED("backtrace");
    look();
    await_trace();

    EXPECT_LOGGED("stuck: request 1, backtrace: ");
    EXPECT_LOGGED("cond_wait+0x"); /* uv_cond_wait, in the gate */
}

Test(stuck, has_its_system_call_restarted_behind_the_backtrace)
{
    cr_assert(pool_trace_enable());
    gate_let_all_go(&gate);
    ask_and_be_late(0, "/read");
    do { /* it gets there in its time */
        errors_forget();
        look();
        await_trace();
        EXPECT_LOGGED("backtrace: ");
    } while (strstr(errors_text(), "read+0x") == NULL);
    let_all_end();

    cr_expect_eq(read_said, 1, "%d", read_said);
}

Test(stuck, in_an_uninterruptible_sleep_is_named_without_a_backtrace)
{
    cr_assert(pool_trace_enable());
    gate_let_all_go(&gate);
    ask_and_be_late(0, "/vfork");
    do {
        errors_forget();
        look();
    } while (strstr(errors_text(), "uninterruptible") == NULL);
    await_told();
    errors_forget();
    look();
    await_told();

    EXPECT_LOGGED("is in an uninterruptible sleep");
    EXPECT_LOGGED("stuck: request 1, no backtrace: its thread takes no signal");
}

Test(stuck, is_listed_with_its_backtrace_before_the_program_leaves)
{
    cr_assert(pool_trace_enable());
    ask(0, "/held");
    leave(0);
    do { /* a busy machine may keep the thread from its answer */
        errors_forget();
        stuck_list(server());
    } while (strstr(errors_text(), "no backtrace") != NULL);

    EXPECT_LOGGED("error stuck: /held, request 1, ");
    EXPECT_LOGGED("error stuck: request 1, backtrace: ");
}

Test(stuck, tells_its_backtrace_when_the_signal_has_ended_it)
{
    cr_assert(pool_trace_enable());
    gate_let_all_go(&gate);
    ask_and_be_late(0, "/pause");
    do { /* it gets there in its time */
        errors_forget();
        look();
        LOOP_SPIN_UNTIL(&f.loop, has_ended() || !stuck_one()->watch.is_asked);
    } while (!has_ended());

    EXPECT_LOGGED("stuck: request 1, backtrace: ");
    EXPECT_LOGGED("pause+0x");
    EXPECT_LOGGED("an abandoned request has ended after ");
    EXPECT_LOGGED(" s, interrupted for its backtrace\n");
}

Test(stuck, is_listed_with_its_backtrace_when_the_signal_has_ended_it)
{
    cr_assert(pool_trace_enable());
    gate_let_all_go(&gate);
    ask_and_be_late(0, "/pause");
    do {
        errors_forget();
        stuck_list(server());
    } while (strstr(errors_text(), "pause+0x") == NULL);

    EXPECT_LOGGED("error stuck: request 1, backtrace: ");
}

/* The thread that was asked may have gone on to the next job before the signal reached it. */
Test(stuck, leaves_no_backtrace_to_the_next_request_on_its_worker)
{
    cr_assert(pool_trace_enable());
    ask_and_be_late(0, "/held");
    look();
    await_trace();
    let_all_end();
    errors_forget();
    gate_close(&gate);
    gate_open(&gate, &f.loop);
    ask_and_be_late(1, "/held");
    look();

    EXPECT_NOT_LOGGED("backtrace");
    await_trace();
    EXPECT_LOGGED("stuck: request 2, backtrace: ");
}

#endif

/* ---- all workers ---- */

static bool exit_is_due(void)
{
    return deadline_is_armed(&server()->stuck.exit);
}

Test(all_stuck, counts_the_time_from_the_last_one_and_stops_when_one_returns)
{
    serve(&(hoist_config){.workers = 2, .stuck_exit_ms = 3600000});
    ask(0, "/held");
    leave(0);
    cr_expect_not(exit_is_due());
    ask(1, "/held");
    cr_expect_not(exit_is_due(), "somebody waits for the second one");
    leave(1);
    cr_expect(exit_is_due());

    gate_let_go(&gate, 1);
    LOOP_RUN_UNTIL(&f.loop, stuck_count(server()) == 1);
    cr_expect_not(exit_is_due());
}

Test(all_stuck, depends_on_how_many_workers_there_are)
{
    serve(&(hoist_config){.workers = 2, .workers_max = 2, .stuck_exit_ms = 3600000});
    ask(0, "/held");
    leave(0);
    cr_expect_eq(hoist_app_resize(f.app, 1), 0);
    cr_expect(exit_is_due());

    cr_expect_eq(hoist_app_resize(f.app, 2), 0);
    cr_expect_not(exit_is_due());
}

Test(all_stuck, is_not_ready_when_it_is_half_of_them)
{
    struct totals totals;

    serve(&(hoist_config){.workers = 2});
    ask_and_be_late(0, "/held");
    totals_read(f.app, &totals);

    cr_expect_str_eq(totals.not_ready, "1 of 2 workers are stuck");
}

Test(all_stuck, never_ends_an_app_without_that_limit)
{
    serve(&(hoist_config){.workers = 1});
    ask(0, "/held");
    leave(0);

    cr_expect_not(exit_is_due());
}

static bool takes_connections(unsigned port)
{
    struct sockaddr_in address;
    int fd = socket(AF_INET, SOCK_STREAM, 0), err;

    uv_ip4_addr("127.0.0.1", (int)port, &address);
    err = connect(fd, (struct sockaddr *)&address, sizeof(address));
    close(fd);
    return err == 0;
}

Test(all_stuck, stops_the_app_as_a_drain_that_is_over)
{
    unsigned port;

    serve(&(hoist_config){.workers = 1, .stuck_exit_ms = 1});
    port = hoist_app_port(f.app);
    peer_open(&peers[1], &f);
    ask(0, "/held");
    leave(0);
    LOOP_SPIN_UNTIL(&f.loop, f.stopped_calls > 0);

    cr_expect_eq(f.result, -ETIMEDOUT);
    cr_expect_str_eq(hoist_app_error(f.app),
                     "every worker (1) was stuck for longer than stuck-exit-ms allows; "
                     "connections cut off: 1, requests: 0 running, 0 waiting, 0 half sent, answers not taken: 0");
    EXPECT_LOGGED("error every worker (1) was stuck for longer than stuck-exit-ms allows; connections cut off: 1, ");
    cr_expect_not(takes_connections(port), "there is nobody to serve them");
    LOOP_RUN_UNTIL(&f.loop, peers[1].at_end);
    cr_expect_eq(hoist_app_free(f.app), -EBUSY);
    gate_let_all_go(&gate);
    LOOP_RUN_UNTIL(&f.loop, f.app->state == APP_STOPPED);
    cr_expect_eq(f.stopped_calls, 1);
}

Test(all_stuck, ends_a_drain_that_waits_for_others)
{
    serve(&(hoist_config){.workers = 1, .stuck_exit_ms = 1, .drain_ms = 3600000});
    ask(0, "/held");
    hoist_app_stop(f.app);
    LOOP_RUN_UNTIL(&f.loop, f.app->state == APP_DRAINING);
    leave(0);
    LOOP_SPIN_UNTIL(&f.loop, f.stopped_calls > 0);

    cr_expect_eq(f.result, -ETIMEDOUT);
    gate_let_all_go(&gate);
    LOOP_RUN_UNTIL(&f.loop, f.app->state == APP_STOPPED);
}
