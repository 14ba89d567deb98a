/* Several processes on one port. */
#include "lib/client.h"
#include "lib/process.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { CLIENTS = 128 };

static struct process first, second;
static char port[16];

static void tear_down(void)
{
    client_close_all();
    process_close(&first);
    process_close(&second);
}

TestSuite(reuseport, .fini = tear_down);

static void start_first(const char *option)
{
    process_start(&first, "--workers", "1", "--admin", "off", option);
    (void)snprintf(port, sizeof(port), "%u", first.port);
}

/* The second one is known by its Server-Timing. That all connections go to one of two is as likely as 1 in 2^127. */
Test(reuseport, lets_two_processes_share_the_clients)
{
    unsigned n_first = 0, n_second = 0;

    start_first("--reuseport");
    process_start(&second, "--workers", "1", "--admin", "off", "--reuseport", "--server-timing", "--port", port);
    cr_assert_eq(second.port, first.port);
    for (unsigned i = 0; i < CLIENTS; i++) {
        const struct response *response = client_receive(client_ask(&first, "/dummy"));

        cr_expect_eq(response->status, 200);
        if (response_field(response, "Server-Timing") != NULL)
            n_second++;
        else
            n_first++;
    }

    cr_expect_gt(n_first, 0);
    cr_expect_gt(n_second, 0);
}

Test(reuseport, leaves_the_clients_to_the_other_when_one_stops)
{
    start_first("--reuseport");
    process_start(&second, "--workers", "1", "--admin", "off", "--reuseport", "--port", port);
    cr_expect_eq(process_stop(&first), 0);

    for (unsigned i = 0; i < CLIENTS; i++)
        cr_expect_eq(client_receive(client_ask(&second, "/dummy"))->status, 200);
}

/* Either that says nothing of it keeps the port for itself. */
Test(reuseport, is_an_error_at_start_when_only_one_asks_for_it)
{
    start_first("--server-timing");
    cr_expect_eq(process_run(&second, "--workers", "1", "--admin", "off", "--reuseport", "--port", port), 1);
    cr_expect_not_null(strstr(process_errors(&second), port), "%s", process_errors(&second));
    cr_expect_not_null(strstr(process_errors(&second), "address already in use; both must ask for reuseport"), "%s",
                       process_errors(&second));
    cr_expect_eq(process_stop(&first), 0);

    start_first("--reuseport");
    cr_expect_eq(process_run(&second, "--workers", "1", "--admin", "off", "--port", port), 1);
    cr_expect_not_null(strstr(process_errors(&second), "address already in use\n"), "%s", process_errors(&second));
}
