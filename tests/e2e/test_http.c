/* The surface of HTTP: methods, paths, connections that stay and end, pipelines, and what is refused. */
#include "lib/client.h"
#include "lib/process.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct process server;

static void set_up(void)
{
    process_start(&server, "--workers", "2", "--heavy-ms", "1");
}

static void tear_down(void)
{
    client_close_all();
    process_close(&server);
}

TestSuite(http, .init = set_up, .fini = tear_down);

static const struct response *fetch(const char *path)
{
    struct client *client = client_open(&server);

    client_get(client, path);
    return client_receive(client);
}

/* The head without its Date, which may change from one answer to the next. */
static void copy_undated(char *to, const char *head)
{
    const char *date = strstr(head, "\r\nDate: ");

    cr_assert_not_null(date);
    (void)sprintf(to, "%.*s%s", (int)(date - head), head, strstr(date + 2, "\r\n"));
}

Test(http, head_gets_the_head_of_get_and_no_body)
{
    static const char *const paths[] = {"/dummy", "/", "/nowhere"};
    struct client *client = client_open(&server);
    char of_get[1024], of_head[1024], request[128];

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        client_get(client, paths[i]);
        copy_undated(of_get, client_receive(client)->head);
        (void)sprintf(request, "HEAD %s HTTP/1.1\r\nHost: h\r\n\r\n", paths[i]);
        client_send(client, request);
        copy_undated(of_head, client_receive_head(client)->head);
        cr_expect_str_eq(of_head, of_get);
    }
}

Test(http, a_path_without_a_route_is_404_and_named)
{
    const struct response *response = fetch("/no/such/path");

    cr_expect_eq(response->status, 404);
    cr_expect_str_eq(response_field(response, "Content-Type"), "application/json");
    cr_expect_not_null(strstr(response->body, "{\"error\":"), "%s", response->body);
    cr_expect_not_null(strstr(response->body, "/no/such/path"), "%s", response->body);
}

Test(http, a_method_that_the_path_lacks_is_405_with_those_it_has)
{
    struct client *client = client_open(&server);
    const struct response *response;

    client_send(client, "DELETE /dummy HTTP/1.1\r\nHost: h\r\n\r\n");
    response = client_receive(client);
    cr_expect_eq(response->status, 405);
    cr_expect_str_eq(response_field(response, "Allow"), "GET, HEAD, OPTIONS");
    client_get(client, "/echo");
    response = client_receive(client);
    cr_expect_eq(response->status, 405);
    cr_expect_str_eq(response_field(response, "Allow"), "POST, OPTIONS");
}

Test(http, options_tells_the_methods_of_a_path_and_of_all)
{
    struct client *client = client_open(&server);
    const struct response *response;

    client_send(client, "OPTIONS /echo HTTP/1.1\r\nHost: h\r\n\r\n");
    response = client_receive(client);
    cr_expect_eq(response->status, 204);
    cr_expect_str_eq(response_field(response, "Allow"), "POST, OPTIONS");
    client_send(client, "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n");
    response = client_receive(client);
    cr_expect_eq(response->status, 204);
    cr_expect_not_null(response_field(response, "Allow"));
}

Test(http, a_bad_argument_is_400_with_its_name_value_and_range)
{
    static const char *const values[] = {"abc", "-1", "3600001", "99999999999999999999", "1x"};

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        const struct response *response;
        char path[64];

        (void)snprintf(path, sizeof(path), "/sleep/%s", values[i]);
        response = fetch(path);
        cr_expect_eq(response->status, 400, "%s", path);
        cr_expect(strstr(response->body, "ms") != NULL && strstr(response->body, values[i]) != NULL &&
                      strstr(response->body, "3600000") != NULL,
                  "%s: %s", path, response->body);
    }
}

Test(http, what_is_not_http_is_refused_and_ends_the_connection)
{
    static const struct {
        const char *bytes;
        int status;
    } rows[] = {
        {"hello\r\n\r\n", 400},
        {"GET /dummy HTTP/1.1\r\n\r\n", 400},
        {"GET /dummy HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
        {"GET /dummy HTTP/1.1\nHost: h\n\n", 400},
        {"GET /dummy HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n", 400},
        {"GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        {"GET /a/../b HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        {"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", 400},
        {"BREW /dummy HTTP/1.1\r\nHost: h\r\n\r\n", 501},
        {"GET /dummy HTTP/2.0\r\nHost: h\r\n\r\n", 505},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct client *client = client_open(&server);
        const struct response *response;

        client_send(client, rows[i].bytes);
        response = client_receive(client);
        cr_expect_eq(response->status, rows[i].status, "'%s': %d", rows[i].bytes, response->status);
        cr_expect_str_eq(response_field(response, "Connection"), "close", "'%s'", rows[i].bytes);
        cr_expect_not_null(strstr(response->body, "{\"error\":"), "'%s': %s", rows[i].bytes, response->body);
        cr_expect_eq(client_end(client), CLIENT_EOF, "'%s'", rows[i].bytes);
    }
}

Test(http, a_head_too_large_is_431_and_a_target_too_long_414)
{
    static char bytes[64 * 1024];
    struct client *client = client_open(&server);
    int at;

    at = sprintf(bytes, "GET /dummy HTTP/1.1\r\nHost: h\r\nX: ");
    memset(bytes + at, 'x', 40 * 1024);
    client_send(client, bytes);
    cr_expect_eq(client_receive(client)->status, 431);
    cr_expect_eq(client_end(client), CLIENT_EOF);

    client = client_open(&server);
    memset(bytes, 0, sizeof(bytes));
    at = sprintf(bytes, "GET /");
    memset(bytes + at, 'x', 10 * 1024);
    client_send(client, bytes);
    cr_expect_eq(client_receive(client)->status, 414);
    cr_expect_eq(client_end(client), CLIENT_EOF);
}

/* ---- connections ---- */

Test(http, a_connection_serves_one_request_after_the_other)
{
    static const char *const paths[] = {"/dummy", "/", "/nowhere", "/async", "/sleep/x", "/dummy"};
    static const int statuses[] = {200, 200, 404, 200, 400, 200};
    struct client *client = client_open(&server);

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        const struct response *response;

        client_get(client, paths[i]);
        response = client_receive(client);
        cr_expect_eq(response->status, statuses[i], "%s", paths[i]);
        cr_expect_null(response_field(response, "Connection"), "%s", paths[i]);
        cr_expect_not_null(response_field(response, "Date"), "%s", paths[i]);
    }
}

Test(http, a_connection_ends_when_the_client_says_close_in_any_case)
{
    static const char *const fields[] = {"Connection: close", "connection:CLOSE", "Connection: x, Close ",
                                         "Connection: close\t"};

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        struct client *client = client_open(&server);
        const struct response *response;
        char request[128];

        (void)sprintf(request, "GET / HTTP/1.1\r\nHost: h\r\n%s\r\n\r\n", fields[i]);
        client_send(client, request);
        response = client_receive(client);
        cr_expect_eq(response->status, 200, "%s", fields[i]);
        cr_expect_str_eq(response_field(response, "Connection"), "close", "%s", fields[i]);
        cr_expect_eq(client_end(client), CLIENT_EOF, "%s", fields[i]);
    }
}

Test(http, version_1_0_ends_the_connection_unless_it_asks_to_keep_it)
{
    struct client *client = client_open(&server);
    const struct response *response;

    client_send(client, "GET /dummy HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    response = client_receive(client);
    cr_expect_eq(response->status, 200);
    cr_expect_str_eq(response_field(response, "Connection"), "keep-alive");
    client_send(client, "GET / HTTP/1.0\r\n\r\n");
    cr_expect_eq(client_receive(client)->status, 200);
    cr_expect_eq(client_end(client), CLIENT_EOF);
}

Test(http, more_connections_than_allowed_wait_until_one_is_gone)
{
    struct client *first, *second, *third;

    process_stop(&server);
    process_start(&server, "--workers", "1", "--max-connections", "2", PROCESS_PATIENT);
    first = client_open(&server);
    client_send(first, "GET /dummy HTTP/1.1\r\n");
    second = client_open(&server);
    client_send(second, "GET /dummy HTTP/1.1\r\n");
    third = client_open(&server);
    client_get(third, "/dummy");
    client_send(second, "Host: h\r\n\r\nG");
    cr_expect_eq(client_receive(second)->status, 200);

    cr_expect_not(client_has_bytes(third));
    client_close(first);
    cr_expect_eq(client_receive(third)->status, 200);
}

/* ---- pipelines ---- */

Test(http, a_hundred_pipelined_requests_are_answered_in_order)
{
    struct client *client = client_open(&server);
    static char requests[16 * 1024];
    char want[32];
    int len = 0;

    for (int i = 0; i < 100; i++)
        len += sprintf(requests + len, "GET /number/%d. HTTP/1.1\r\nHost: h\r\n\r\n", i);
    client_send(client, requests);

    for (int i = 0; i < 100; i++) {
        const struct response *response = client_receive(client);

        (void)sprintf(want, "/number/%d.", i);
        cr_assert_eq(response->status, 404, "answer %d", i);
        cr_assert_not_null(strstr(response->body, want), "answer %d is '%s'", i, response->body);
    }
    cr_expect_not(client_has_bytes(client));
}

Test(http, pipelined_requests_for_loop_and_workers_are_answered_in_order)
{
    static const char *const paths[] = {"/sleep/60", "/a", "/sleep/1", "/async", "/b", "/", "/sleep/2", "/dummy"};
    static const char *const bodies[] = {"slept_ms\":60", "/a",         "slept_ms\":1}", "done", "/b", "done",
                                         "slept_ms\":2}", "async power"};
    struct client *client = client_open(&server);
    char requests[1024];
    int len = 0;

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        len += sprintf(requests + len, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", paths[i]);
    client_send(client, requests);

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        const struct response *response = client_receive(client);

        cr_expect_not_null(strstr(response->body, bodies[i]), "answer %zu is '%s'", i, response->body);
    }
}

Test(http, an_answer_does_not_wait_for_the_slow_request_behind_it)
{
    struct client *client = client_open(&server);

    client_send(client, "GET /dummy HTTP/1.1\r\nHost: h\r\n\r\nGET /sleep/3600000 HTTP/1.1\r\nHost: h\r\n\r\n");

    cr_expect_eq(client_receive(client)->status, 200);
    client_reset(client);
}

Test(http, what_is_pipelined_behind_close_is_not_answered)
{
    struct client *client = client_open(&server);

    client_send(client, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
                        "GET /b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
                        "GET /c HTTP/1.1\r\nHost: h\r\n\r\n");

    cr_expect_not_null(strstr(client_receive(client)->body, "/a"));
    cr_expect_not_null(strstr(client_receive(client)->body, "/b"));
    cr_expect_eq(client_end(client), CLIENT_EOF);
}

Test(http, a_flood_of_pipelined_requests_is_answered_whole)
{
    enum { BATCHES = 40, BATCH = 100 };
    struct client *client = client_open_small(&server, 16 * 1024);
    static char requests[8 * 1024];
    int len = 0;

    for (int i = 0; i < BATCH; i++)
        len += sprintf(requests + len, "GET /dummy HTTP/1.1\r\nHost: h\r\n\r\n");
    for (int i = 0; i < BATCHES; i++)
        client_send(client, requests);
    client_fence(&server);

    for (int i = 0; i < BATCHES * BATCH; i++)
        cr_assert_eq(client_receive(client)->status, 200, "answer %d", i);
}
