/* Handlers in processes of their own: what is told of them. */
#include "hoist.h"
#include "lib/client.h"
#include "lib/process.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BURN_NS = 50 * 1000 * 1000 };

static struct process server;

static void tear_down(void)
{
    client_close_all();
    process_close(&server);
}

TestSuite(process_told, .fini = tear_down, .timeout = 60);

/* Replies with the CPU time that it has used, in seconds. */
static int burn(hoist_req *req, hoist_res *res)
{
    struct timespec used = {0};

    (void)req;
    while (used.tv_sec == 0 && used.tv_nsec < BURN_NS)
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return hoist_reply_printf(res, 200, "text/plain", "%ld.%09ld", (long)used.tv_sec, used.tv_nsec);
}

static const hoist_route burn_route = {.path = "/burn", .handler = burn, .run = HOIST_PROCESS};
static const hoist_route *const routes[] = {&burn_route, NULL};
static const hoist_program program = {.name = "app", .version = "1", .routes = routes};

static void start(void)
{
    process_fork(&server, &program, process_clear_actions, "--workers", "1");
}

Test(process_told, is_charged_what_it_burned)
{
    static const char name[] = "hoist_handler_cpu_seconds_total{method=\"GET\",route=\"/burn\"} ";
    struct client *admin;
    const char *figure;
    double burned;

    start();
    burned = strtod(client_receive(client_ask(&server, "/burn"))->body, NULL);
    admin = client_open_admin(&server);
    client_send(admin, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    figure = strstr(client_receive(admin)->body, name);

    cr_assert_not_null(figure);
    cr_expect_geq(strtod(figure + sizeof(name) - 1, NULL), burned);
}
