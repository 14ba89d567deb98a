/* What connections carry: requests behind requests, their order, where a connection ends, 100 Continue and Upgrade: RFC
 * 9112, section 9, and RFC 9110, sections 7.6.1, 7.8 and 10.1.1. Where the RFCs leave a choice, the comment at the row
 * says which one is taken. */
#include "lib/client.h"
#include "lib/dialog.h"
#include "lib/process.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct process server;

static void set_up(void)
{
    process_start(&server, "--workers", "1", "--heavy-ms", "0", "--max-body", "1024", PROCESS_PATIENT);
}

static void tear_down(void)
{
    client_close_all();
    process_close(&server);
}

TestSuite(conformance_connection, .init = set_up, .fini = tear_down);

#define WITH(line) GET_WITH(HOST line "\r\n")
#define OLD(fields) "GET /dummy HTTP/1.0\r\n" fields "\r\n"
#define POST(body_len, body) POST_WITH("Content-Length: " body_len "\r\n") body
#define CHUNKED POST_WITH("Transfer-Encoding: chunked\r\n")

/* RFC 9112, sections 9.3 and 9.6; RFC 9110, section 7.6.1: a list of tokens, in any case, with empty elements. */
Test(conformance_connection, goes_on_or_ends_as_version_and_options_say)
{
    static const struct dialog rows[] = {
        DIALOG("nothing said", GET("/dummy"), "200"),
        DIALOG("close", WITH("Connection: close"), "200!"),
        DIALOG("close in capitals", WITH("CONNECTION: CLOSE"), "200!"),
        DIALOG("close without white space", WITH("Connection:close"), "200!"),
        DIALOG("close and a HTAB", WITH("Connection: close\t"), "200!"),
        DIALOG("close between HTABs", WITH("Connection:\tclose\t"), "200!"),
        DIALOG("close as a list's last", WITH("Connection: x, close"), "200!"),
        DIALOG("close as a list's first", WITH("Connection: close,x"), "200!"),
        DIALOG("close in a list of white space", WITH("Connection: ,\t, close ,"), "200!"),
        DIALOG("close on a second line", WITH("Connection: x\r\nConnection: close"), "200!"),
        DIALOG("close and keep-alive", WITH("Connection: keep-alive, close"), "200!"),
        DIALOG("keep-alive", WITH("Connection: keep-alive"), "200"),
        DIALOG("an empty list", WITH("Connection:"), "200"),
        DIALOG("a list of nothing", WITH("Connection: , ,"), "200"),
        DIALOG("a word that begins like close", WITH("Connection: closed"), "200"),
        DIALOG("a word that ends like close", WITH("Connection: disclose"), "200"),
        DIALOG("close with a parameter", WITH("Connection: close;x"), "200"),
        DIALOG("close in quotes", WITH("Connection: \"close\""), "200"),
        DIALOG("close in another field", WITH("Proxy-Connection: close"), "200"),
        DIALOG("close and nothing found", "GET /nowhere HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", "404!"),
        DIALOG("close and a worker's answer", "GET /sleep/0 HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", "200!"),
        DIALOG("close and no body", "OPTIONS * HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", "204!"),
        DIALOG("close and HEAD", "HEAD /dummy HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", "h200!"),
        DIALOG("close and a body", POST_WITH("Connection: close\r\nContent-Length: 2\r\n") "xx", "200!"),
        DIALOG("close and chunks", POST_WITH("Connection: close\r\nTransfer-Encoding: chunked\r\n") "0\r\n\r\n",
               "200!"),
        DIALOG("1.0", OLD(""), "200!"),
        DIALOG("1.0 and close", OLD("Connection: close\r\n"), "200!"),
        DIALOG_SAYS("1.0 and keep-alive", OLD("Connection: keep-alive\r\n"), "200", "\r\nConnection: keep-alive\r\n"),
        DIALOG("1.0 and Keep-Alive", OLD("Connection: Keep-Alive\r\n"), "200"),
        DIALOG("1.0 and keep-alive in a list", OLD("Connection: x,keep-alive\r\n"), "200"),
        DIALOG("1.0 and both", OLD("Connection: keep-alive, close\r\n"), "200!"),
        DIALOG("1.0 and both, on two lines", OLD("Connection: close\r\nConnection: keep-alive\r\n"), "200!"),
        DIALOG("1.0 and Keep-Alive, the field", OLD("Keep-Alive: timeout=5\r\n"), "200!"),
        DIALOG("1.0 twice", OLD("Connection: keep-alive\r\n") OLD("") GET("/never"), "200 200!"),
        DIALOG("1.0 and keep-alive for a body",
               "POST /echo HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nxx", "200"),
        DIALOG("1.0 and keep-alive for HEAD", "HEAD /dummy HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "h200"),
        DIALOG("1.0 and keep-alive for nothing", "GET /nowhere HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "404"),
    };

    DIALOGS_HOLD(&server, rows);
}

/* RFC 9112, section 9.3.2: answers in the order of the requests; nothing behind the last one is looked at. */
Test(conformance_connection, carries_pipelines_in_order_up_to_what_ends_it)
{
    static const struct dialog rows[] = {
        DIALOG("loop and workers", GET("/a") GET("/sleep/0") GET("/b") GET("/async") GET("/"), "404 200 404 200 200"),
        DIALOG_SAYS("what was asked last is answered last", GET("/sleep/2") GET("/sleep/1") GET("/last"), "200 200 404",
                    "/last"),
        DIALOG("HEAD between others", GET("/a") "HEAD /dummy HTTP/1.1\r\n" HOST "\r\n" GET("/b"), "404 h200 404"),
        DIALOG("bodies", POST("1", "a") POST("2", "bb") POST("0", "") GET("/a"), "200 200 200 404"),
        DIALOG("chunks", CHUNKED "1\r\na\r\n0\r\n\r\n" CHUNKED "0\r\n\r\n" GET("/a"), "200 200 404"),
        DIALOG("chunks with trailers", CHUNKED "1\r\na\r\n0\r\nA: b\r\n\r\n" GET("/a"), "200 404"),
        DIALOG("a body that nobody wanted",
               "POST /nowhere HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nGET" GET("/dummy"), "404 200"),
        DIALOG("chunks that nobody wanted",
               "POST /dummy HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nGET\r\n0\r\n\r\n" GET("/dummy"),
               "405 200"),
        DIALOG("a body for GET", WITH("Content-Length: 3") "xxx" GET("/a"), "200 404"),
        DIALOG("a body for HEAD", "HEAD /dummy HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nxxx" GET("/a"), "h200 404"),
        DIALOG("a body for a worker", "GET /sleep/0 HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nxxx" GET("/a"),
               "200 404"),
        DIALOG("errors of routing", GET("/a") GET("/echo") GET("/sleep/x") GET("/dummy"), "404 405 400 200"),
        DIALOG("close in the middle", GET("/a") WITH("Connection: close") GET("/b"), "404 200!"),
        DIALOG("close, then what is not HTTP", WITH("Connection: close") "\x01\x02 not HTTP\n", "200!"),
        DIALOG("close, then what is not HTTP, behind a worker",
               "GET /sleep/0 HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n\n\n\n", "200!"),
        DIALOG("a bad request in the middle", GET("/a") GET("/%zz") GET("/b"), "404 400!"),
        DIALOG("a bad request behind a worker's", GET("/sleep/1") "nonsense\r\n\r\n" GET("/b"), "200 400!"),
        DIALOG("a bad request behind one that waits", GET("/async") "nonsense\r\n\r\n", "200 400!"),
        DIALOG("a bad body in the middle", GET("/a") CHUNKED "x\r\n" GET("/b"), "404 400!"),
        DIALOG("a body longer than announced", POST("1", "ab") GET("/a"), "200 501!"),
        DIALOG("bytes behind the last chunk", CHUNKED "0\r\n\r\nx\r\n" GET("/a"), "200 400!"),
        DIALOG("an unknown method in the middle", GET("/a") "BREW / HTTP/1.1\r\n" HOST "\r\n" GET("/b"), "404 501!"),
        DIALOG("CONNECT in the middle", GET("/a") "CONNECT h:1 HTTP/1.1\r\n" HOST "\r\n" GET("/b"), "404 405!"),
        DIALOG("TRACE in the middle", GET("/a") "TRACE / HTTP/1.1\r\n" HOST "\r\n" GET("/b"), "404 405 404"),
        DIALOG("another version in the middle", GET("/a") "GET / HTTP/2.0\r\n\r\n" GET("/b"), "404 505!"),
        DIALOG("too large a body in the middle", GET("/a") POST("1025", "") GET("/b"), "404 413!"),
    };

    DIALOGS_HOLD(&server, rows);
}

/* More than the server reads ahead while the first one is answered. */
Test(conformance_connection, carries_a_pipeline_longer_than_what_is_read_ahead)
{
    enum { N = 4000 };
    static const char request[] = GET("/dummy");
    char *pipeline = malloc(N * sizeof(request));
    struct client *client = client_open(&server);
    size_t len = 0;

    cr_assert_not_null(pipeline);
    for (unsigned i = 0; i < N; i++, len += sizeof(request) - 1)
        memcpy(pipeline + len, request, sizeof(request));

    client_get(client, "/sleep/50");
    client_send_bytes(client, pipeline, len);
    for (unsigned i = 0; i <= N; i++)
        cr_assert_eq(client_receive(client)->status, 200, "answer %u", i);
    cr_expect_not(client_has_bytes(client));
    free(pipeline);
}

/* RFC 9110, section 10.1.1. 100 may be left out when the body is on its way already. What else somebody expects may be
 * ignored or be 417; to ignore it would be a promise. */
Test(conformance_connection, an_expectation_is_met_or_417)
{
#define EXPECT(value, fields) POST_WITH("Expect:" value "\r\n" fields)
    static const struct dialog rows[] = {
        DIALOG_SAYS("with a length", EXPECT(" 100-continue", "Content-Length: 2\r\n") "xx", "100? 200", "xx"),
        DIALOG_SAYS("with chunks", EXPECT(" 100-continue", "Transfer-Encoding: chunked\r\n") "2\r\nxx\r\n0\r\n\r\n",
                    "100? 200", "xx"),
        DIALOG_SAYS("in any case", EXPECT(" 100-CONTINUE", "Content-Length: 2\r\n") "xx", "100? 200", "xx"),
        DIALOG_SAYS("as a list", EXPECT(" , 100-continue ,", "Content-Length: 2\r\n") "xx", "100? 200", "xx"),
        DIALOG_SAYS("before another request", EXPECT(" 100-continue", "Content-Length: 2\r\n") "xx" GET("/next"),
                    "100? 200 404", "/next"),
        DIALOG_SAYS("behind a worker's request", GET("/sleep/1") EXPECT(" 100-continue", "Content-Length: 2\r\n") "xx",
                    "200 100? 200", "xx"),
        DIALOG("without a body", EXPECT(" 100-continue", ""), "200"),
        DIALOG("with a length of zero", EXPECT(" 100-continue", "Content-Length: 0\r\n"), "200"),
        DIALOG("for GET", WITH("Expect: 100-continue"), "200"),
        DIALOG("in HTTP/1.0", "POST /echo HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nxx", "200!"),
        DIALOG("in HTTP/1.0 that stays",
               "POST /echo HTTP/1.0\r\nExpect: 100-continue\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nxx",
               "200"),
        DIALOG("nothing", EXPECT("", "Content-Length: 2\r\n") "xx", "200"),
        DIALOG("something else", EXPECT(" 200-ok", "Content-Length: 2\r\n") "xx", "417!"),
        DIALOG("something else, too", EXPECT(" 100-continue, x", "Content-Length: 2\r\n") "xx", "417!"),
        DIALOG("something else on a second line", EXPECT(" 100-continue", "Expect: x\r\nContent-Length: 2\r\n") "xx",
               "417!"),
        DIALOG("a parameter", EXPECT(" 100-continue;x=y", "Content-Length: 2\r\n") "xx", "417!"),
        DIALOG("one letter less", EXPECT(" 100-continu", "Content-Length: 2\r\n") "xx", "417!"),
        DIALOG("something else for GET", WITH("Expect: x"), "417!"),
        DIALOG("something else behind a good request", GET("/a") EXPECT(" x", ""), "404 417!"),
        DIALOG("with a bad length", EXPECT(" 100-continue", "Content-Length: x\r\n") "xx", "400!"),
        DIALOG("with too long a length", EXPECT(" 100-continue", "Content-Length: 1025\r\n"), "413!"),
    };

    DIALOGS_HOLD(&server, rows);
}

/* A client that waits for 100 gets it, or its final answer, without a byte of the body. */
Test(conformance_connection, waits_for_no_body_that_waits_for_it)
{
    static const struct {
        const char *head;
        int first;
        bool goes_on;
    } rows[] = {
        {EXPECT(" 100-continue", "Content-Length: 2\r\n"), 100, true},
        {GET("/sleep/0") EXPECT(" 100-continue", "Content-Length: 2\r\n"), 200, true},
        {EXPECT(" 100-continue", "Content-Length: 1025\r\n"), 413, false},
        {EXPECT(" 100-continue", "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n"), 400, false},
        {EXPECT(" 101", "Content-Length: 2\r\n"), 417, false},
        {"POST /nowhere HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n", 404, false},
        {"POST /dummy HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n", 405, false},
        {"BREW /dummy HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n", 501, false},
        {"POST /echo HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", 400, false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct client *client = client_open(&server);
        int status;

        client_send(client, rows[i].head);
        status = client_receive(client)->status;
        cr_expect_eq(status, rows[i].first, "%s: %d", rows[i].head, status);
        if (rows[i].goes_on) {
            if (status != 100)
                cr_expect_eq(client_receive(client)->status, 100, "%s", rows[i].head);
            client_send(client, "xx");
            cr_expect_str_eq(client_receive(client)->body, "xx", "%s", rows[i].head);
        } else {
            cr_expect_eq(client_end(client), CLIENT_EOF, "%s", rows[i].head);
        }
        client_close(client);
    }
}

/* Once chunks have begun, a 100 would tell nothing. */
Test(conformance_connection, asks_for_no_chunks_that_have_begun)
{
    struct client *client = client_open(&server);

    client_send(client, EXPECT(" 100-continue", "Transfer-Encoding: chunked\r\n") "2;a=b\r\n");
    client_fence(&server);
    client_fence(&server);
    client_send(client, "xx\r\n0\r\n\r\n");

    cr_expect_eq(client_receive(client)->status, 200);
}

/* RFC 9110, section 7.8: a server may ignore it, and then the request is one like others; what is behind it too. */
Test(conformance_connection, knows_no_protocol_to_upgrade_to)
{
#define UPGRADE "Connection: Upgrade\r\nUpgrade: websocket\r\n"
    static const struct dialog rows[] = {
        DIALOG("websocket", GET_WITH(HOST UPGRADE) GET("/a"), "200 404"),
        DIALOG("with its key", GET_WITH(HOST UPGRADE "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n"),
               "200"),
        DIALOG("h2c",
               GET_WITH(HOST "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n")
                   GET("/a"),
               "200 404"),
        DIALOG("TLS", GET_WITH(HOST "Connection: upgrade\r\nUpgrade: TLS/1.0\r\n") GET("/a"), "200 404"),
        DIALOG("with a body", POST_WITH(UPGRADE "Content-Length: 2\r\n") "xx" GET("/a"), "200 404"),
        DIALOG("with chunks", POST_WITH(UPGRADE "Transfer-Encoding: chunked\r\n") "2\r\nxx\r\n0\r\n\r\n" GET("/a"),
               "200 404"),
        DIALOG("not named in Connection", WITH("Upgrade: websocket") GET("/a"), "200 404"),
        DIALOG("named and not there", WITH("Connection: upgrade") GET("/a"), "200 404"),
        DIALOG("and close", WITH("Connection: close, Upgrade\r\nUpgrade: h2c") GET("/a"), "200!"),
        DIALOG("in HTTP/1.0", OLD(UPGRADE), "200!"),
        DIALOG("for OPTIONS *", "OPTIONS * HTTP/1.1\r\n" HOST UPGRADE "\r\n" GET("/a"), "204 404"),
        DIALOG("then the bytes of the other protocol", GET_WITH(HOST UPGRADE) "\x81\x85\x37\xfa\x21\x3d", "200 400!"),
    };

    DIALOGS_HOLD(&server, rows);
}

/* ---- ends ---- */

/* RFC 9112, section 8: what is cut off by the end of the client's bytes is answered, but never acted upon. */
Test(conformance_connection, a_request_that_is_cut_off_is_400)
{
    static const struct {
        const char *bytes;
        int statuses[2]; /* 0: none */
    } rows[] = {
        {"", {0}},
        {"\r\n", {0}},
        {"\r\n\r\n\r\n\r\n", {0}},
        {"G", {400}},
        {"\r", {400}},
        {"GET /dummy HTTP/1.1", {400}},
        {"GET /dummy HTTP/1.1\r\n", {400}},
        {"GET /dummy HTTP/1.1\r\n" HOST, {400}},
        {"GET /dummy HTTP/1.1\r\n" HOST "\r", {400}},
        {POST("2", ""), {400}},
        {POST("2", "x"), {400}},
        {CHUNKED, {400}},
        {CHUNKED "2", {400}},
        {CHUNKED "2\r\nx", {400}},
        {CHUNKED "2\r\nxx\r\n", {400}},
        {CHUNKED "2\r\nxx\r\n0\r\n", {400}},
        {CHUNKED "2\r\nxx\r\n0\r\nA: b\r\n", {400}},
        {GET("/dummy"), {200}},
        {GET("/dummy") "\r\n", {200}},
        {GET("/dummy") "GET", {200, 400}},
        {GET("/dummy") GET("/a"), {200, 404}},
        {CHUNKED "2\r\nxx\r\n0\r\n\r\n" POST("2", "xx"), {200, 200}},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct client *client = client_open(&server);

        client_send(client, rows[i].bytes);
        client_half_close(client);
        for (size_t n = 0; n < 2 && rows[i].statuses[n] != 0; n++) {
            int status = client_receive(client)->status;

            cr_expect_eq(status, rows[i].statuses[n], "'%s': %d", rows[i].bytes, status);
        }
        cr_expect_eq(client_end(client), CLIENT_EOF, "'%s'", rows[i].bytes);
        client_close(client);
    }
}

/* RFC 9112, section 9.6: closing with bytes unread would reset the connection, and the answer could be lost. */
Test(conformance_connection, every_refusal_arrives_although_the_client_goes_on_sending)
{
    static const struct {
        const char *bytes;
        int status;
    } rows[] = {
        {"nonsense\r\n\r\n", 400},
        {GET("/%zz"), 400},
        {"BREW / HTTP/1.1\r\n" HOST "\r\n", 501},
        {POST("1025", ""), 413},
        {CHUNKED "fffff\r\n", 413},
        {"GET / HTTP/2.0\r\n" HOST "\r\n", 505},
        {EXPECT(" x", ""), 417},
        {CHUNKED "x", 400},
        {"CONNECT h:1 HTTP/1.1\r\n" HOST "\r\n", 405},
        {"GET /", 414},
        {GET_WITH(""), 400},
        {"GET /dummy HTTP/1.1\r\n" HOST "A:", 431},
        {WITH("Connection: close"), 200},
    };
    enum { LEN = 200 * 1000 };
    char *more = malloc(LEN);

    cr_assert_not_null(more);
    memset(more, 'x', LEN);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct client *client = client_open(&server);
        int status;

        client_send(client, rows[i].bytes);
        client_send_cut(client, more, LEN, LEN / 10);
        client_fence(&server);
        status = client_receive(client)->status;
        cr_expect_eq(status, rows[i].status, "'%s': %d", rows[i].bytes, status);
        cr_expect_eq(client_end(client), CLIENT_EOF, "'%s'", rows[i].bytes);
        client_close(client);
    }
    free(more);
}
