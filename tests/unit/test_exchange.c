/* Exchanges: made once, used again, abandoned while something runs. */
#include "lib/app_fixture.h"
#include "lib/fail_malloc.h"
#include "server/server.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MORE_THAN_KEPT = 70 };

static struct app_fixture f;
static struct conn conn;
static struct server *server;

static int handle(hoist_req *req, hoist_res *res)
{
    (void)req;
    return hoist_reply_text(res, 200, "");
}

static void open_server(void)
{
    static const hoist_config config = {.workers = 1};
    static const hoist_route route = {.path = "/:name/*", .handler = handle};

    app_fixture_serve_wires(&f, &config, &route, 1);
    server = &f.app->server;
}

static void close_server(void)
{
    app_fixture_close(&f);
}

TestSuite(exchange, .init = open_server, .fini = close_server);

static struct exchange *new_exchange(void)
{
    struct exchange *x = exchange_new(server, &conn);

    cr_assert_not_null(x);
    return x;
}

Test(exchange, is_used_again_after_it_was_freed)
{
    struct exchange *x = new_exchange();

    cr_expect_eq(server->n_exchanges, 1);
    exchange_free(x);
    cr_expect_eq(server->n_exchanges, 0);

    cr_expect_eq(new_exchange(), x);
    exchange_free(x);
}

Test(exchange, has_a_number_that_no_other_has)
{
    struct exchange *x = new_exchange();
    uint64_t id = x->id;

    exchange_free(x);
    x = new_exchange();
    cr_expect_eq(x->id, id + 1);
    exchange_free(x);
}

Test(exchange, keeps_a_bounded_number_for_later)
{
    struct exchange *all[MORE_THAN_KEPT];

    for (size_t i = 0; i < MORE_THAN_KEPT; i++)
        all[i] = new_exchange();
    cr_expect_eq(server->n_exchanges, MORE_THAN_KEPT);
    for (size_t i = 0; i < MORE_THAN_KEPT; i++)
        exchange_free(all[i]);

    cr_expect_eq(server->n_free_exchanges, 64);
    cr_expect_eq(server->n_exchanges, 0);
}

static void free_body(void *body)
{
    (*(unsigned *)body)++;
}

Test(exchange, is_clean_when_it_is_used_again)
{
    struct exchange *x = new_exchange();
    unsigned freed = 0;

    x->req.is_live = true;
    x->req.route = f.app->routes;
    cr_expect_eq(buffer_append(&x->req.body, "body", 4, 100), 0);
    cr_expect_eq(hoist_res_header(&x->res, "X-A", "1"), 0);
    cr_expect_eq(hoist_reply_give(&x->res, 200, "text/x", &freed, 1, free_body), 0);
    cr_expect_not_null(hoist_req_alloc(&x->req, 100000));
    x->req.deadline_ns = 1;
    x->req.worker_data = x;
    x->req.cancelled = true;
    x->wait_ns = x->run_ns = 1;
    exchange_free(x);
    cr_expect_eq(freed, 1);

    cr_assert_eq(new_exchange(), x);
    cr_expect_eq(x->state, EXCHANGE_RECEIVING);
    cr_expect_eq(x->req.body.len, 0);
    cr_expect_eq(x->req.arena.used, 0);
    cr_expect_null(x->req.route);
    cr_expect_null(x->req.path);
    cr_expect_null(x->req.worker_data);
    cr_expect_null(x->req.end_hooks);
    cr_expect_eq(x->req.deadline_ns, 0);
    cr_expect_not(x->req.is_live);
    cr_expect_not(hoist_req_cancelled(&x->req));
    cr_expect_eq(x->res.reply.status, 0);
    cr_expect_null(x->res.reply.fields);
    cr_expect_null(x->res.free_body);
    cr_expect_null(x->res.reason);
    cr_expect_eq(x->wait_ns + x->run_ns, 0);
    exchange_free(x);
    cr_expect_eq(freed, 1);
}

static void reply_copy(hoist_res *res)
{
    (void)hoist_reply_copy(res, 200, "text/x", "a", 1);
}

static void reply_static(hoist_res *res)
{
    (void)hoist_reply_static(res, 200, "text/x", "a", 1);
}

static void reply_with_error(hoist_res *res)
{
    (void)hoist_reply_error(res, 400, "a");
}

/* A handler that replies too late may find the next request there, which has no route yet. */
Test(exchange, ends_the_program_when_a_handler_replies_in_the_next_one)
{
    static void (*const replies[])(hoist_res * res) = {reply_copy, reply_static, reply_with_error};
    struct exchange *x = new_exchange();

    for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
        pid_t pid = fork();
        int status;

        if (pid == 0) {
            signal(SIGABRT, SIG_DFL);
            replies[i](&x->res);
            _exit(EXIT_SUCCESS);
        }
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "reply %zu: status %#x", i, (unsigned)status);
    }
    exchange_free(x);
}

static char ended[8];

static void on_end(void *arg)
{
    strncat(ended, arg, 1);
}

Test(exchange, calls_its_end_hooks_once_the_last_one_first)
{
    struct exchange *x = new_exchange();
    char a[] = "a", b[] = "b", c[] = "c";

    x->req.is_live = true;
    cr_expect_eq(hoist_on_end(&x->req, on_end, a), 0);
    cr_expect_eq(hoist_on_end(&x->req, on_end, b), 0);
    cr_expect_eq(hoist_on_end(&x->req, on_end, c), 0);
    cr_expect_str_eq(ended, "");
    exchange_free(x);
    cr_expect_str_eq(ended, "cba");

    exchange_free(new_exchange());
    cr_expect_str_eq(ended, "cba");
}

Test(exchange, is_freed_by_its_connection_when_nothing_runs)
{
    static const enum exchange_state states[] = {EXCHANGE_RECEIVING, EXCHANGE_RECEIVED, EXCHANGE_ENDED};

    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        struct exchange *x = new_exchange();

        x->state = states[i];
        exchange_release(x);
        cr_expect_eq(server->n_exchanges, 0, "state %d", states[i]);
    }
}

Test(exchange, is_abandoned_by_its_connection_while_something_runs)
{
    static const enum exchange_state states[] = {EXCHANGE_QUEUED, EXCHANGE_PENDING};

    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        struct exchange *x = new_exchange();

        x->state = states[i];
        x->req.route = f.app->routes;
        exchange_release(x);
        cr_expect_eq(server->n_exchanges, 1);
        cr_expect_eq(app_fixture_abandoned(&f), 1);
        cr_expect_null(x->conn);
        cr_expect(hoist_req_cancelled(&x->req));
        cr_expect_eq(stuck_count(server), states[i] == EXCHANGE_QUEUED);

        if (states[i] == EXCHANGE_QUEUED)
            stuck_end(x);
        x->state = EXCHANGE_ENDED;
        exchange_free(x);
        cr_expect_eq(server->n_exchanges, 0);
        cr_expect_eq(app_fixture_abandoned(&f), 0);
    }
}

Test(exchange, keeps_its_head_and_arguments_when_the_bytes_go)
{
    char bytes[] = "GET /a%20b/c/d?q=1 HTTP/1.1\r\nHost: t\r\nX-A: v\r\n\r\n";
    struct exchange *x = new_exchange();
    size_t used;

    cr_assert_eq(parser_feed(&x->parser, bytes, strlen(bytes), &used), PARSER_HEAD);
    exchange_route(x);
    cr_assert_not_null(x->req.route);
    cr_expect_eq(exchange_keep(x), 0);
    memset(bytes, '#', sizeof(bytes));
    cr_expect_eq(exchange_keep(x), 0);

    x->req.is_live = true;
    cr_expect_str_eq(hoist_req_path(&x->req), "/a b/c/d");
    cr_expect_str_eq(hoist_req_query(&x->req), "q=1");
    cr_expect_str_eq(hoist_req_arg(&x->req, "name"), "a b");
    cr_expect_str_eq(hoist_req_arg(&x->req, "*"), "c/d");
    cr_expect_str_eq(hoist_req_arg(&x->req, "q"), "1");
    cr_expect_str_eq(hoist_req_header(&x->req, "x-a"), "v");
    exchange_free(x);
}

/* Of a route whose replies may have so many bytes. */
static struct exchange *new_routed_exchange(size_t max_reply)
{
    static char bytes[] = "GET /a/b HTTP/1.1\r\nHost: t\r\n\r\n";
    struct exchange *x = new_exchange();
    size_t used;

    f.app->routes->given.max_reply = max_reply;
    cr_assert_eq(parser_feed(&x->parser, bytes, strlen(bytes), &used), PARSER_HEAD);
    exchange_route(x);
    return x;
}

Test(exchange, has_room_for_its_head_beside_the_smallest_reply)
{
    struct exchange *x = new_routed_exchange(1);

    cr_expect_eq(exchange_keep(x), 0);
    exchange_free(x);
}

Test(exchange, may_have_a_reply_of_any_size)
{
    struct exchange *x = new_routed_exchange(SIZE_MAX);

    x->req.is_live = true;
    cr_expect_not_null(hoist_req_alloc(&x->req, 1024 * 1024));
    exchange_free(x);
}

Test(exchange, is_not_made_without_memory)
{
    fail_malloc_at(1);
    cr_expect_null(exchange_new(server, &conn));
    cr_expect(fail_malloc_failed());
    fail_malloc_at(0);

    cr_expect_eq(server->n_exchanges, 0);
    exchange_free(new_exchange());
}
