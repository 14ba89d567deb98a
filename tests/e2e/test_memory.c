/* --max-memory: clients that make the server hold much are not refused what they have, new ones are, until there is
 * room again. */
#include "lib/client.h"
#include "lib/process.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { SLOW = 4, ROUNDS_MAX = 10000, MIB = 1024 * 1024 };

static struct process server;

static void tear_down(void)
{
    client_close_all();
    process_close(&server);
}

TestSuite(memory, .fini = tear_down);

static void start(void)
{
    process_start(&server, "--workers", "1", "--max-memory", "4M", "--max-body", "8M", "--max-connections", "100");
}

/* Asks anew until the status is that: what was sent before may not be read yet. */
static struct client *ask_until(int status)
{
    for (unsigned i = 0; i < ROUNDS_MAX; i++) {
        struct client *client = client_ask(&server, "/dummy");

        if (client_receive(client)->status == status)
            return client;
        client_close(client);
    }
    cr_assert_fail("no %d in %d rounds", status, ROUNDS_MAX);
    return NULL;
}

static void expect_refused(void)
{
    struct client *client = ask_until(503);

    client_close(client);
    client = client_ask(&server, "/dummy");
    cr_expect_str_eq(response_field(client_receive(client), "Retry-After"), "1");
    cr_expect_eq(client_end(client), CLIENT_EOF);
    client_close(client);
}

/* Asks the admin listener, which is not refused anything, until nothing is held. */
static void expect_nothing_held(void)
{
    struct client *client = client_open_admin(&server);
    const char *line = NULL;

    for (unsigned i = 0; i < ROUNDS_MAX && (line == NULL || strncmp(line, "\nhoist_memory_bytes 0\n", 22) != 0); i++) {
        client_send(client, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
        line = strstr(client_receive(client)->body, "\nhoist_memory_bytes ");
        cr_assert_not_null(line);
    }
    cr_expect_eq(strncmp(line, "\nhoist_memory_bytes 0\n", 22), 0, "%.40s", line);
}

Test(memory, of_bodies_that_come_slowly_refuses_new_requests_until_their_clients_leave)
{
    enum { SENT = 900 * 1024 };
    char *body = calloc(1, SENT);
    struct client *slow[SLOW];

    cr_assert_not_null(body);
    start();
    for (unsigned i = 0; i < SLOW; i++) {
        slow[i] = client_open(&server);
        client_send(slow[i], "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 8388608\r\n\r\n");
        client_send_bytes(slow[i], body, SENT);
    }
    expect_refused();
    for (unsigned i = 0; i < SLOW; i++)
        client_reset(slow[i]);

    ask_until(200);
    expect_nothing_held();
    free(body);
}

Test(memory, of_a_reply_that_is_not_read_refuses_new_requests_until_it_is)
{
    enum { LEN = 3 * MIB };
    char *body = calloc(1, LEN);
    const struct response *response;
    struct client *slow;

    cr_assert_not_null(body);
    start();
    slow = client_open_small(&server, CLIENT_LEAST);
    client_send(slow, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3145728\r\n\r\n");
    client_send_bytes(slow, body, LEN);
    expect_refused();
    response = client_receive(slow);
    cr_expect_eq(response->status, 200);
    cr_expect_eq(response->body_len, (size_t)LEN);

    ask_until(200);
    expect_nothing_held();
    free(body);
}
