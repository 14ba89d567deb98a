/* How long the server waits for a client, and what it does then. */
#include "lib/client.h"
#include "lib/dialog.h"
#include "lib/process.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <string.h>

static struct process server;

static void tear_down(void)
{
    client_close_all();
    process_close(&server);
}

TestSuite(timeouts, .fini = tear_down);

static void expect_408(struct client *client)
{
    const struct response *response = client_receive(client);

    cr_expect_eq(response->status, 408);
    cr_expect_str_eq(response_field(response, "Connection"), "close");
    cr_expect_eq(client_end(client), CLIENT_EOF);
}

/* What a client says before it falls silent. */
struct beginning {
    const char *bytes;
    int before; /* the status of an answer that comes first; 0: none */
};

/* Each on a connection of its own, and all before the first one's time is over, so that they wait it out together. */
static void begin(struct client **clients, const struct beginning *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        clients[i] = client_open(&server);
        client_send(clients[i], rows[i].bytes);
    }
    for (size_t i = 0; i < n; i++)
        if (rows[i].before != 0)
            cr_expect_eq(client_receive(clients[i])->status, rows[i].before, "'%s'", rows[i].bytes);
}

Test(timeouts, a_head_that_comes_too_slowly_is_408)
{
    struct client *client;

    process_start(&server, "--workers", "1", "--header-timeout-ms", "500");
    client = client_open(&server);
    client_send(client, "GET /dummy HTTP/1.1\r\nHo");

    expect_408(client);
}

Test(timeouts, a_second_head_that_comes_too_slowly_is_408)
{
    struct client *client;

    process_start(&server, "--workers", "1", "--header-timeout-ms", "500");
    client = client_open(&server);
    client_get(client, "/dummy");
    client_receive(client);
    client_send(client, "G");

    expect_408(client);
}

Test(timeouts, a_body_that_comes_too_slowly_is_408)
{
    struct client *client;

    process_start(&server, "--workers", "1", "--body-timeout-ms", "500");
    client = client_open(&server);
    client_send(client, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");

    expect_408(client);
}

/* RFC 9110, section 15.5.9. */
Test(timeouts, a_request_that_stops_anywhere_is_408)
{
    static const struct beginning rows[] = {
        {"G", 0},
        {"GET /dummy HTTP/1.1\r\n", 0},
        {"GET /dummy HTTP/1.1\r\nHost: h\r\n\r", 0},
        {"\r\nGET", 0},
        {"\r", 0},
        {GET("/dummy") "G", 200},
        {GET("/sleep/1") "\r\nG", 200},
        {POST_WITH("Content-Length: 2\r\n"), 0},
        {POST_WITH("Content-Length: 2\r\n") "x", 0},
        {POST_WITH("Content-Length: 2\r\nExpect: 100-continue\r\n"), 100},
        {POST_WITH("Transfer-Encoding: chunked\r\n"), 0},
        {POST_WITH("Transfer-Encoding: chunked\r\n") "2", 0},
        {POST_WITH("Transfer-Encoding: chunked\r\n") "2;a=\"", 0},
        {POST_WITH("Transfer-Encoding: chunked\r\n") "2\r\nx", 0},
        {POST_WITH("Transfer-Encoding: chunked\r\n") "2\r\nxx\r\n0\r\n", 0},
        {POST_WITH("Transfer-Encoding: chunked\r\n") "2\r\nxx\r\n0\r\nA: b\r\n\r", 0},
        {"POST /nowhere HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nx", 0},
    };

    enum { ROWS = sizeof(rows) / sizeof(rows[0]) };
    struct client *clients[ROWS];

    process_start(&server, "--workers", "1", "--header-timeout-ms", "1000", "--body-timeout-ms", "1000");
    begin(clients, rows, ROWS);
    for (size_t i = 0; i < ROWS; i++)
        expect_408(clients[i]);
}

Test(timeouts, a_request_for_head_that_stops_is_408_without_a_body)
{
    struct client *client;

    process_start(&server, "--workers", "1", "--header-timeout-ms", "500");
    client = client_open(&server);
    client_send(client, "HEAD /dummy");

    cr_expect_eq(client_receive_head(client)->status, 408);
    cr_expect_eq(client_end(client), CLIENT_EOF);
}

/* At most 100 bytes a second; the less the slower this machine is. */
static void trickle_until_answered(struct client *client, const char *piece)
{
    for (unsigned n = 0; !client_has_bytes(client); n++) {
        cr_assert_lt(n, 500, "'%s' may trickle for ever", piece);
        client_send(client, piece);
        (void)poll(NULL, 0, 10 * (int)strlen(piece));
    }
}

/* A head has one limit for all of it; a body must come at 500 bytes a second. */
Test(timeouts, a_request_that_trickles_is_408_all_the_same)
{
    static const struct {
        const char *bytes, *piece;
    } rows[] = {
        {"GET /", "x"},
        {"GET /dummy HTTP/1.1\r\nHost: h\r\n", "A: b\r\n"},
        {POST_WITH("Content-Length: 1000\r\n"), "x"},
        {POST_WITH("Transfer-Encoding: chunked\r\n"), "1\r\nx\r\n"},
        {POST_WITH("Transfer-Encoding: chunked\r\n") "1;a=", "b"},
        {POST_WITH("Transfer-Encoding: chunked\r\n") "0\r\n", "A: b\r\n"},
    };

    process_start(&server, "--workers", "1", "--header-timeout-ms", "500", "--body-timeout-ms", "500");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct client *client = client_open(&server);

        client_send(client, rows[i].bytes);
        trickle_until_answered(client, rows[i].piece);
        expect_408(client);
        client_close(client);
    }
}

/* Empty lines before a request are nothing, so this is silence. */
Test(timeouts, a_connection_without_a_request_is_closed_without_a_word)
{
    static const struct beginning rows[] = {
        {"", 0},
        {"\r\n", 0},
        {GET("/dummy"), 200},
        {GET("/sleep/1") "\r\n", 200},
        {POST_WITH("Content-Length: 1\r\n") "x\r\n\r\n", 200},
    };

    enum { ROWS = sizeof(rows) / sizeof(rows[0]) };
    struct client *clients[ROWS];

    process_start(&server, "--workers", "1", "--header-timeout-ms", "1000", "--keep-alive-ms", "1000");
    begin(clients, rows, ROWS);
    for (size_t i = 0; i < ROWS; i++)
        cr_expect_eq(client_end(clients[i]), CLIENT_EOF, "'%s'", rows[i].bytes);
}

Test(timeouts, a_client_that_never_says_anything_is_closed_without_a_word)
{
    struct client *client;

    process_start(&server, "--workers", "1", "--header-timeout-ms", "500");
    client = client_open(&server);

    cr_expect_eq(client_end(client), CLIENT_EOF);
}

Test(timeouts, an_idle_connection_is_closed_without_a_word)
{
    struct client *client;

    process_start(&server, "--workers", "1", "--keep-alive-ms", "200");
    client = client_open(&server);
    client_get(client, "/dummy");
    cr_expect_eq(client_receive(client)->status, 200);

    cr_expect_eq(client_end(client), CLIENT_EOF);
}

Test(timeouts, the_time_of_a_handler_is_not_the_clients)
{
    struct client *client;

    process_start(&server, "--workers", "1", "--header-timeout-ms", "500", "--body-timeout-ms", "500",
                  "--keep-alive-ms", "500", "--write-timeout-ms", "500");
    client = client_open(&server);
    client_get(client, "/sleep/1200");

    cr_expect_eq(client_receive(client)->status, 200);
}

/* The request comes in time, while the loop is held for the second time; when it goes on, the silence is too long. */
Test(timeouts, the_time_that_a_handler_holds_the_loop_is_not_the_clients)
{
    struct client *first, *second, *other;

    process_start(&server, "--executor", "inline", "--heavy-ms", "800", "--keep-alive-ms", "1400");
    first = client_open(&server);
    second = client_open(&server);
    other = client_open(&server);
    client_get(other, "/dummy");
    client_receive(other);
    client_fence(&server);
    client_get(first, "/");
    client_get(second, "/");
    cr_expect_eq(client_receive(first)->status, 200);
    client_get(other, "/dummy");

    cr_expect_eq(client_receive(second)->status, 200);
    cr_expect_eq(client_receive(other)->status, 200);
}

Test(timeouts, a_client_that_does_not_read_its_answer_is_cut_off)
{
    process_start(&server, "--workers", "1", "--max-body", "8M", "--write-timeout-ms", "200");

    client_await_reset(client_ask_for_large(&server));
}

Test(timeouts, one_client_that_is_late_costs_the_others_nothing)
{
    struct client *late, *other;

    process_start(&server, "--workers", "1", "--header-timeout-ms", "500");
    late = client_open(&server);
    client_send(late, "GET /dummy HTTP/1.1\r\n");
    other = client_open(&server);
    client_get(other, "/dummy");
    client_receive(other);

    cr_expect_eq(client_receive(late)->status, 408);
    client_get(other, "/dummy");
    cr_expect_eq(client_receive(other)->status, 200);
}
