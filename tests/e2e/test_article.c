/* What the comparison of servers with and without threads is about: who waits behind the heavy function, and how long.
 */
#include "lib/client.h"
#include "lib/process.h"
#include "lib/wait.h"

#include <criterion/criterion.h>
#include <string.h>

enum { CLIENTS_MAX = 64 };

static struct process server;

static void tear_down(void)
{
    client_close_all();
    process_close(&server);
}

TestSuite(article, .fini = tear_down);

/* From the first of n requests, each on a connection of its own, to the last answer. */
static uint64_t makespan_ns(const char *path, unsigned n)
{
    struct client *clients[CLIENTS_MAX];
    uint64_t begun;

    for (unsigned i = 0; i < n; i++)
        clients[i] = client_open(&server);
    begun = wait_clock_ns();
    for (unsigned i = 0; i < n; i++)
        client_get(clients[i], path);
    for (unsigned i = 0; i < n; i++)
        cr_assert_eq(client_receive(clients[i])->status, 200);
    return wait_clock_ns() - begun;
}

Test(article, dummy_is_answered_before_eight_heavy_requests_on_one_worker)
{
    struct client *heavy[8], *dummy;

    process_start(&server, "--workers", "1", "--heavy-ms", "3600000");
    for (unsigned i = 0; i < 8; i++) {
        heavy[i] = client_open(&server);
        client_get(heavy[i], "/");
    }
    client_fence(&server);

    dummy = client_open(&server);
    client_get(dummy, "/dummy");
    cr_expect_str_eq(client_receive(dummy)->body, "{\"message\":\"async power\"}");
    for (unsigned i = 0; i < 8; i++)
        cr_expect_not(client_has_bytes(heavy[i]), "heavy request %u", i);
    process_kill(&server);
}

Test(article, eight_requests_take_eight_turns_on_one_worker_and_one_on_eight)
{
    uint64_t on_one_ns, on_eight_ns;

    process_start(&server, "--workers", "1", "--heavy-ms", "250");
    on_one_ns = makespan_ns("/", 8);
    cr_expect_eq(process_stop(&server), 0);
    process_start(&server, "--workers", "8", "--heavy-ms", "250");
    on_eight_ns = makespan_ns("/", 8);

    cr_expect_gt(on_one_ns, on_eight_ns * 3, "%.3f s and %.3f s", (double)on_one_ns / 1e9, (double)on_eight_ns / 1e9);
}

Test(article, sixty_four_async_requests_take_one_turn_on_one_worker)
{
    uint64_t one_ns, all_ns;

    process_start(&server, "--workers", "1", "--heavy-ms", "500");
    one_ns = makespan_ns("/async", 1);
    all_ns = makespan_ns("/async", 64);

    cr_expect_lt(all_ns, one_ns * 3, "%.3f s and %.3f s", (double)one_ns / 1e9, (double)all_ns / 1e9);
}

Test(article, the_inline_executor_makes_dummy_wait_behind_the_heavy_request)
{
    struct client *heavy, *dummy;

    process_start(&server, "--executor", "inline", "--heavy-ms", "100");
    heavy = client_open(&server);
    dummy = client_open(&server);
    client_fence(&server);

    client_get(heavy, "/");
    client_get(dummy, "/dummy");
    cr_expect_str_eq(client_receive(dummy)->body, "{\"message\":\"async power\"}");
    cr_expect(client_has_bytes(heavy), "dummy was answered first");
    cr_expect_str_eq(client_receive(heavy)->body, "{\"message\":\"done\"}");
}

Test(article, the_inline_executor_has_no_thread_but_the_loop)
{
    struct client *client;

    process_start(&server, "--executor", "inline", "--access-log", "-");
    client = client_open(&server);
    client_get(client, "/dummy");
    client_receive(client);

    cr_expect_not_null(strstr(process_line(&server), " threads=1 busy=0"), "%s", server.line);
}

Test(article, its_routes_answer_what_they_do_in_the_article)
{
    static const struct {
        const char *path, *body;
    } rows[] = {
        {"/", "{\"message\":\"done\"}"},
        {"/async", "{\"message\":\"done\"}"},
        {"/dummy", "{\"message\":\"async power\"}"},
    };
    struct client *client;

    process_start(&server, "--workers", "1", "--heavy-ms", "1");
    client = client_open(&server);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct response *response;

        client_get(client, rows[i].path);
        response = client_receive(client);
        cr_expect_eq(response->status, 200, "%s", rows[i].path);
        cr_expect_str_eq(response->body, rows[i].body, "%s", rows[i].path);
        cr_expect_str_eq(response_field(response, "Content-Type"), "application/json", "%s", rows[i].path);
    }
}

Test(article, the_log_line_of_dummy_counts_threads_and_busy_workers)
{
    struct client *held[3];

    process_start(&server, "--workers", "8", "--access-log", "-");
    for (unsigned i = 0; i < 3; i++)
        held[i] = client_hold_worker(&server, i + 1);

    cr_expect_not_null(strstr(server.line, " threads=9 busy=3"), "%s", server.line);
    for (unsigned i = 0; i < 3; i++)
        client_reset(held[i]);
}
