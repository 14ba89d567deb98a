/* The program on a terminal: what somebody who has just started it sees. */
#include "lib/client.h"
#include "lib/process.h"
#include "lib/terminal.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct terminal terminal;

static void tear_down(void)
{
    client_close_all();
    terminal_close(&terminal);
}

TestSuite(terminal, .fini = tear_down);

Test(terminal, gets_the_access_log_unasked)
{
    static struct process server; /* for its clients, who look at the port */

    terminal_start(&terminal, "--port", "0", "--admin", "off", "--workers", "1");
    terminal_await(&terminal, ", 1 worker");
    cr_assert_eq(sscanf(terminal.text, "listening on 127.0.0.1:%u", &server.port), 1, "%s", terminal.text);
    client_expect(&server, "/dummy", 200, "");

    terminal_await(&terminal, "\"GET /dummy HTTP/1.1\" 200 ");
}
