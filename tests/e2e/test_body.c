/* Bodies: however they come, as large as they may be, and refused when they are larger. */
#include "lib/client.h"
#include "lib/process.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { LARGE = 8 * 1024 * 1024, EVERY_BYTE = 256 };

static struct process server;

static void set_up(void)
{
    process_start(&server, "--workers", "1", "--max-body", "8M");
}

static void tear_down(void)
{
    client_close_all();
    process_close(&server);
}

TestSuite(body, .init = set_up, .fini = tear_down);

static void start_with_small_bodies(void)
{
    process_stop(&server);
    process_start(&server, "--workers", "1", "--max-body", "1K");
}

/* A head and len bytes behind it that count up; freed by the caller. */
static char *make_request(const char *head, size_t len, size_t *ret_len)
{
    size_t head_len = strlen(head);
    char *bytes = malloc(head_len + len);

    cr_assert_not_null(bytes);
    memcpy(bytes, head, head_len);
    for (size_t i = 0; i < len; i++)
        bytes[head_len + i] = (char)(i * 7 + i / 256);
    *ret_len = head_len + len;
    return bytes;
}

Test(body, with_a_content_length_comes_back_however_it_was_cut)
{
    static const size_t steps[] = {1, 3, 7, 1000};
    struct client *client = client_open(&server);
    size_t len;
    char *request = make_request("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Type: x/y\r\nContent-Length: 256\r\n\r\n",
                                 EVERY_BYTE, &len);

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        const struct response *response;

        client_send_cut(client, request, len, steps[i]);
        response = client_receive(client);
        cr_expect_eq(response->status, 200);
        cr_expect_str_eq(response_field(response, "Content-Type"), "x/y");
        cr_assert_eq(response->body_len, (size_t)EVERY_BYTE);
        cr_expect_arr_eq(response->body, request + len - EVERY_BYTE, EVERY_BYTE, "in pieces of %zu", steps[i]);
    }
    free(request);
}

Test(body, in_chunks_comes_back_however_it_was_cut)
{
    static const char request[] = "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                                  "5\r\nhello\r\n1;name=value\r\n,\r\n00A\r\n wide wide\r\n6\r\n world\r\n"
                                  "0\r\nTrailer: yes\r\n\r\n";
    static const size_t steps[] = {1, 3, 7, 1000};
    struct client *client = client_open(&server);

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        client_send_cut(client, request, sizeof(request) - 1, steps[i]);
        cr_expect_str_eq(client_receive(client)->body, "hello, wide wide world", "in pieces of %zu", steps[i]);
    }
}

Test(body, that_is_empty_comes_back_empty)
{
    struct client *client = client_open(&server);
    const struct response *response;

    client_send(client, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"
                        "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                        "POST /echo HTTP/1.1\r\nHost: h\r\n\r\n");

    for (unsigned i = 0; i < 3; i++) {
        response = client_receive(client);
        cr_expect_eq(response->status, 200);
        cr_expect_str_eq(response_field(response, "Content-Length"), "0");
    }
}

Test(body, of_a_request_that_wants_none_is_passed_over)
{
    struct client *client = client_open(&server);

    client_send(client, "GET /dummy HTTP/1.1\r\nHost: h\r\nContent-Length: 33\r\n\r\n"
                        "GET /not/a/request HTTP/1.1\r\n\r\nxx"
                        "GET /behind HTTP/1.1\r\nHost: h\r\n\r\n");

    cr_expect_eq(client_receive(client)->status, 200);
    cr_expect_not_null(strstr(client_receive(client)->body, "/behind"));
}

Test(body, is_asked_for_when_the_client_expects_that)
{
    struct client *client = client_open(&server);

    client_send(client, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    cr_expect_eq(client_receive(client)->status, 100);
    client_send(client, "hello");
    cr_expect_str_eq(client_receive(client)->body, "hello");
}

Test(body, that_comes_unasked_is_not_asked_for)
{
    struct client *client = client_open(&server);

    client_send(client, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello");
    cr_expect_eq(client_receive(client)->status, 200);
}

Test(body, that_nobody_would_read_is_refused_before_it_is_sent)
{
    static const struct {
        const char *request;
        int status;
    } rows[] = {
        {"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1025\r\nExpect: 100-continue\r\n\r\n", 413},
        {"POST /none HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n", 404},
        {"POST /dummy HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n", 405},
        {"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: a-miracle\r\n\r\n", 417},
    };

    start_with_small_bodies();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct client *client = client_open(&server);

        client_send(client, rows[i].request);
        cr_expect_eq(client_receive(client)->status, rows[i].status, "%s", rows[i].request);
        cr_expect_eq(client_end(client), CLIENT_EOF, "%s", rows[i].request);
    }
}

Test(body, as_large_as_allowed_is_taken)
{
    struct client *client;
    size_t len;
    char *request = make_request("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1024\r\n\r\n", 1024, &len);

    start_with_small_bodies();
    client = client_open(&server);
    client_send_bytes(client, request, len);
    cr_expect_eq(client_receive(client)->body_len, 1024U);
    free(request);
}

Test(body, larger_than_allowed_is_413_for_a_length_and_for_chunks)
{
    static const char *const heads[] = {
        "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1025\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551615\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n401\r\n",
        "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n400\r\n",
        "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
    };

    start_with_small_bodies();
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        struct client *client = client_open(&server);
        const struct response *response;

        client_send(client, heads[i]);
        response = client_receive(client);
        cr_expect_eq(response->status, 413, "%s: %d", heads[i], response->status);
        cr_expect_str_eq(response_field(response, "Connection"), "close", "%s", heads[i]);
        cr_expect_not_null(strstr(response->body, "the body is over the limit of 1024 bytes"), "%s: %s", heads[i],
                           response->body);
        cr_expect_eq(client_end(client), CLIENT_EOF, "%s", heads[i]);
    }
}

/* A close with bytes unread would send a reset, which overtakes the answer. */
Test(body, a_refusal_arrives_although_the_client_is_still_sending)
{
    static const char *const heads[] = {
        "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 8388608\r\n\r\n",
        "this is not a request\r\n\r\n",
    };

    start_with_small_bodies();
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        struct client *client = client_open(&server);
        size_t len;
        char *request = make_request(heads[i], LARGE, &len);

        client_send_cut(client, request, len, 100000);
        client_fence(&server);
        cr_expect_neq(client_receive(client)->status, 0, "the answer did not arrive: %s", heads[i]);
        cr_expect_eq(client_end(client), CLIENT_EOF, "%s", heads[i]);
        free(request);
    }
}

Test(body, that_is_large_reaches_a_slow_reader_whole_and_holds_nobody_up)
{
    struct client *client = client_open_small(&server, CLIENT_LEAST);
    const struct response *response;
    size_t len;
    char *request = make_request("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 8388608\r\n\r\n", LARGE, &len);

    client_send_bytes(client, request, len);
    client_fence(&server);
    response = client_receive(client);
    cr_expect_eq(response->status, 200);
    cr_assert_eq(response->body_len, (size_t)LARGE);
    cr_expect_arr_eq(response->body, request + len - LARGE, LARGE);
    free(request);
}

Test(body, that_is_large_is_followed_by_the_next_answer)
{
    struct client *client = client_open_small(&server, CLIENT_LEAST);
    size_t len;
    char *request = make_request("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 8388608\r\n\r\n", LARGE, &len);

    client_get(client, "/dummy");
    client_send_bytes(client, request, len);
    client_get(client, "/sleep/1");
    client_get(client, "/dummy");
    client_fence(&server);

    cr_expect_str_eq(client_receive(client)->body, "{\"message\":\"async power\"}");
    cr_expect_eq(client_receive(client)->body_len, (size_t)LARGE);
    cr_expect_str_eq(client_receive(client)->body, "{\"slept_ms\":1}");
    cr_expect_str_eq(client_receive(client)->body, "{\"message\":\"async power\"}");
    free(request);
}
