/* Heads of requests, good and bad, each at every chunking. Sections are RFC 9112's unless another RFC is named. */
#include "lib/parser_rows.h"

#include <errno.h>

Test(parser, takes_the_requests_that_a_server_must_take)
{
    static const struct row rows[] = {
        {"the shortest", "GET / HTTP/1.1\r\n" HOST "\r\n", "GET /;"},
        {"4 empty lines: 2.2", "\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n", "GET /;"},
        {"every method",
         "HEAD / HTTP/1.1\r\n" HOST "\r\nPOST / HTTP/1.1\r\n" HOST "\r\nPUT / HTTP/1.1\r\n" HOST
         "\r\nPATCH / HTTP/1.1\r\n" HOST "\r\nDELETE / HTTP/1.1\r\n" HOST "\r\nOPTIONS / HTTP/1.1\r\n" HOST "\r\n",
         "HEAD /;POST /;PUT /;PATCH /;DELETE /;OPTIONS /;"},
        {"TRACE", "TRACE / HTTP/1.1\r\n" HOST "\r\n", "GET / unknown;"},
        {"field names in any case: RFC 9110, 5.1", "POST / HTTP/1.1\r\nhOST: h\r\ncONTENT-lENGTH: 2\r\n\r\nab",
         "POST / [ab];"},
        {"no space behind a colon", "POST / HTTP/1.1\r\nHost:h\r\nContent-Length:2\r\n\r\nab", "POST / [ab];"},
        {"white space around values: 5.1",
         "POST / HTTP/1.1\r\nHost: \t h \t\r\nContent-Length:\t 2 \t\r\nConnection:\tclose\t\r\n\r\nab",
         "POST / close [ab];"},
        {"a tab behind chunked", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked \t \r\n\r\n0\r\n\r\n",
         "POST /;"},
        {"empty values", "GET / HTTP/1.1\r\n" HOST "A:\r\nB: \r\nC:\t\r\n\r\n", "GET /;"},
        {"an empty value before Host", "GET / HTTP/1.1\r\nA:\r\nHost: h\r\n\r\n", "GET /;"},
        {"an empty value before Content-Length", "POST / HTTP/1.1\r\n" HOST "A:\r\nContent-Length: 1\r\n\r\na",
         "POST / [a];"},
        {"tab and obs-text in values: RFC 9110, 5.5", "GET / HTTP/1.1\r\n" HOST "A: a\tb\x80\xff\r\n\r\n", "GET /;"},
        {"every byte of a token", "GET / HTTP/1.1\r\n" HOST "!#$%&'*+-.^_`|~09azAZ: x\r\n\r\n", "GET /;"},
        {"Upgrade is ignored, and nothing behind it lost",
         "GET /u HTTP/1.1\r\n" HOST "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n", "GET /u;"},
        {"Upgrade with a chunked body",
         "POST /u HTTP/1.1\r\n" HOST "Connection: upgrade\r\nUpgrade: x\r\nTransfer-Encoding: chunked\r\n\r\n"
         "1\r\na\r\n0\r\n\r\n",
         "POST /u [a];"},
    };

    CHECK(rows);
}

Test(parser, refuses_bytes_that_others_would_read_differently)
{
    static const struct row rows[] = {
        {"lines end with LF alone", "GET / HTTP/1.1\nHost: h\n\n", "400"},
        {"the head ends with LF alone", "GET / HTTP/1.1\r\nHost: h\r\n\n", "400"},
        {"LF behind a field", "GET / HTTP/1.1\r\nHost: h\n\r\n", "400"},
        {"an empty line is LF alone", "\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
        {"5 empty lines", "\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"CR in front of the request line", "\rGET / HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"CR in a value: CVE-2023-30589", "GET / HTTP/1.1\r\n" HOST "x:\rTransfer-Encoding: chunked\r\n\r\n", "400"},
        {"CR in the last line: CVE-2025-23167", "GET / HTTP/1.1\r\n" HOST "\rX", "400"},
        {"CR CR LF", "GET / HTTP/1.1\r\n" HOST "\r\r\n", "400"},
        {"CR CR LF behind a value", "GET / HTTP/1.1\r\nHost: h\r\r\n\r\n", "400"},
        {"obs-fold: 5.2", "GET / HTTP/1.1\r\n" HOST "A: b\r\n c\r\n\r\n", "400"},
        {"obs-fold with a tab", "GET / HTTP/1.1\r\n" HOST "A: b\r\n\tc\r\n\r\n", "400"},
        {"a folded Content-Length: CVE-2024-27982", "POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n 2\r\n\r\nab",
         "400"},
        {"a folded Transfer-Encoding", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
         "400"},
        {"white space before the first field: 2.2", "GET / HTTP/1.1\r\n Host: h\r\n\r\n", "400"},
        {"a line of white space", "GET / HTTP/1.1\r\n" HOST " \r\n\r\n", "400"},
        {"space before the colon: 5.1", "GET / HTTP/1.1\r\nHost : h\r\n\r\n", "400"},
        {"tab before the colon", "GET / HTTP/1.1\r\nHost\t: h\r\n\r\n", "400"},
        {"an empty field name", "GET / HTTP/1.1\r\n" HOST ": x\r\n\r\n", "400"},
        {"no colon", "GET / HTTP/1.1\r\n" HOST "A\r\n\r\n", "400"},
        {"not a token", "GET / HTTP/1.1\r\n" HOST "A(b): x\r\n\r\n", "400"},
        {"obs-text in a name", "GET / HTTP/1.1\r\n" HOST "A\x80: x\r\n\r\n", "400"},
        {"a control byte in a value", "GET / HTTP/1.1\r\n" HOST "A: \x01\r\n\r\n", "400"},
        {"DEL in a value", "GET / HTTP/1.1\r\n" HOST "A: \x7f\r\n\r\n", "400"},
        {"a TLS hello", "\x16\x03\x01\x02", "400"},
    };

    CHECK(rows);
}

Test(parser, refuses_a_nul_anywhere_in_the_head)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    static const struct row row = {"a NUL byte", NULL, "400"};

    for (size_t at = 0; at + 1 < sizeof(request); at++) {
        char copy[sizeof(request)];

        memcpy(copy, request, sizeof(copy));
        copy[at] = '\0';
        check_bytes(&row, copy, sizeof(copy) - 1);
    }
}

Test(parser, takes_only_request_lines_of_one_shape)
{
    static const struct row rows[] = {
        {"HTTP/0.9", "GET /\r\n\r\n", "400"},
        {"HTTP/0.9 by number", "GET / HTTP/0.9\r\n\r\n", "505"},
        {"HTTP/2.0", "GET / HTTP/2.0\r\n" HOST "\r\n", "505"},
        {"the HTTP/2 preface: RFC 9113, 3.4", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"},
        {"PRI in HTTP/1.1", "PRI * HTTP/1.1\r\n" HOST "\r\n", "501"},
        {"HTTP/1.2", "GET / HTTP/1.2\r\n" HOST "\r\n", "400"},
        {"HTTP/1.10", "GET / HTTP/1.10\r\n" HOST "\r\n", "400"},
        {"HTTP/01.1", "GET / HTTP/01.1\r\n" HOST "\r\n", "400"},
        {"HTTP/22.0", "GET / HTTP/22.0\r\n" HOST "\r\n", "400"},
        {"HTTP/2", "GET / HTTP/2\r\n" HOST "\r\n", "505"},
        {"HTTP/11", "GET / HTTP/11\r\n" HOST "\r\n", "400"},
        {"lower case", "GET / http/1.1\r\n" HOST "\r\n", "400"},
        {"RTSP", "DESCRIBE /x RTSP/1.0\r\n\r\n", "400"},
        {"ICE", "SOURCE /x ICE/1.0\r\n\r\n", "400"},
        {"two spaces before the target", "GET  / HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"two spaces behind the target", "GET /  HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"a space behind the version", "GET / HTTP/1.1 \r\n" HOST "\r\n", "400"},
        {"a space before the method", " GET / HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"a tab for a space", "GET\t/ HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"a space in the target", "GET /a b HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"no target", "GET HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"a method that is no token", "G(T / HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"an unknown method: RFC 9110, 9.1", "BREW / HTTP/1.1\r\n" HOST "\r\n", "501"},
        {"methods have a case", "get / HTTP/1.1\r\n" HOST "\r\n", "501"},
        {"the beginning of a method", "GE / HTTP/1.1\r\n" HOST "\r\n", "501"},
        {"more than a method", "GETS / HTTP/1.1\r\n" HOST "\r\n", "501"},
        {"known to llhttp alone", "M-SEARCH / HTTP/1.1\r\n" HOST "\r\n", "501"},
        {"RTSP's method in HTTP", "DESCRIBE / HTTP/1.1\r\n" HOST "\r\n", "501"},
    };

    CHECK(rows);
}

Test(parser, takes_the_forms_of_a_target_where_they_belong)
{
    static const struct row rows[] = {
        {"query", "GET /p?q=1?&r HTTP/1.1\r\n" HOST "\r\n", "GET /p?q=1?&r;"},
        {"an empty query", "GET /p? HTTP/1.1\r\n" HOST "\r\n", "GET /p;"},
        {"escapes stay as sent", "GET /%41%2f?%2B+ HTTP/1.1\r\n" HOST "\r\n", "GET /%41%2f?%2B+;"},
        {"all that is visible", "GET /\"<>\\^`{|}[]@:!$&'()*+,;= HTTP/1.1\r\n" HOST "\r\n",
         "GET /\"<>\\^`{|}[]@:!$&'()*+,;=;"},
        {"absolute: 3.2.2", "GET http://x/p?q HTTP/1.1\r\n" HOST "\r\n", "GET /p?q;"},
        {"absolute, any case, a port", "GET HTTP://X:80/p HTTP/1.1\r\n" HOST "\r\n", "GET /p;"},
        {"absolute, no path", "GET http://x HTTP/1.1\r\n" HOST "\r\n", "GET /;"},
        {"absolute, only a query", "GET http://x?q HTTP/1.1\r\n" HOST "\r\n", "GET /?q;"},
        {"absolute, IPv6", "GET http://[::1]:8/p HTTP/1.1\r\n" HOST "\r\n", "GET /p;"},
        {"absolute in HTTP/1.0", "GET http://x/p HTTP/1.0\r\n\r\n", "GET /p close;"},
        {"the server: 3.2.4", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "OPTIONS *;"},
        {"the server, absolute", "OPTIONS http://x HTTP/1.1\r\n" HOST "\r\n", "OPTIONS *;"},
        {"not the server", "OPTIONS http://x/ HTTP/1.1\r\n" HOST "\r\n", "OPTIONS /;"},
        {"not the server, only a query", "OPTIONS http://x?q HTTP/1.1\r\n" HOST "\r\n", "OPTIONS /?q;"},
        {"CONNECT: 3.2.3", "CONNECT x:443 HTTP/1.1\r\n" HOST "\r\n", "GET * close unknown;"},
        {"CONNECT, IPv6", "CONNECT [::1]:443 HTTP/1.1\r\n" HOST "\r\n", "GET * close unknown;"},
        {"CONNECT has no body", "CONNECT x:443 HTTP/1.1\r\n" HOST "Content-Length: 9\r\nExpect: 100-continue\r\n\r\n",
         "GET * close unknown;"},
        {"CONNECT has no chunks",
         "CONNECT x:443 HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n",
         "GET * close unknown;"},
        {"CONNECT without a port", "CONNECT x HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"CONNECT with an empty port", "CONNECT x: HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"CONNECT, IPv6 without a port", "CONNECT [::1] HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"CONNECT to a path", "CONNECT /p HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"CONNECT without a Host", "CONNECT x:443 HTTP/1.1\r\n\r\n", "400"},
        {"* for another method", "GET * HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"more than *", "OPTIONS *x HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"no host", "GET http:///p HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"userinfo: RFC 9110, 4.2.4", "GET http://u@x/p HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"another scheme", "GET ftp://x/p HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"https", "GET https://x/p HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"a word", "GET p HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"a bad escape", "GET /%zz HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"half an escape", "GET /%4 HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"half an escape before a query", "GET /%4?1 HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"a bad escape in the query", "GET /?a=%g1 HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"%00", "GET /%00 HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"%00 in the query", "GET /?%00 HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"a fragment", "GET /#f HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"a fragment in the query", "GET /?q#f HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"climbing", "GET /a/../b HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"climbing, escaped", "GET /a/%2e%2E/b HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"climbing, absolute", "GET http://x/.. HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"dots in a query are no path", "GET /?a=/../ HTTP/1.1\r\n" HOST "\r\n", "GET /?a=/../;"},
        {"a tab", "GET /\t HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"0x80", "GET /\x80 HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"DEL", "GET /\x7f HTTP/1.1\r\n" HOST "\r\n", "400"},
    };

    CHECK(rows);
}

Test(parser, wants_exactly_one_valid_host)
{
    static const struct row rows[] = {
        {"a port", "GET / HTTP/1.1\r\nHost: h:80\r\n\r\n", "GET /;"},
        {"an empty port: RFC 3986, 3.2.3", "GET / HTTP/1.1\r\nHost: h:\r\n\r\n", "GET /;"},
        {"IPv4", "GET / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n", "GET /;"},
        {"IPv6", "GET / HTTP/1.1\r\nHost: [::1]:8000\r\n\r\n", "GET /;"},
        {"none in HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", "GET / close;"},
        {"one in HTTP/1.0", "GET / HTTP/1.0\r\n" HOST "\r\n", "GET / close;"},
        {"none: 3.2", "GET / HTTP/1.1\r\n\r\n", "400"},
        {"none with an absolute target", "GET http://x/ HTTP/1.1\r\n\r\n", "400"},
        {"two", "GET / HTTP/1.1\r\n" HOST HOST "\r\n", "400"},
        {"two in HTTP/1.0", "GET / HTTP/1.0\r\n" HOST HOST "\r\n", "400"},
        {"empty", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "400"},
        {"only a port", "GET / HTTP/1.1\r\nHost: :80\r\n\r\n", "400"},
        {"invalid in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a b\r\n\r\n", "400"},
        {"a list", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", "400"},
        {"userinfo", "GET / HTTP/1.1\r\nHost: u@h\r\n\r\n", "400"},
        {"a path", "GET / HTTP/1.1\r\nHost: h/p\r\n\r\n", "400"},
        {"a port that is none", "GET / HTTP/1.1\r\nHost: h:8x\r\n\r\n", "400"},
    };

    CHECK(rows);
}

/* 9.3; RFC 9110, 7.6.1 and 5.6.1.2. */
Test(parser, reads_connection_as_a_list_of_tokens)
{
    static const struct row rows[] = {
        {"HTTP/1.1", "GET / HTTP/1.1\r\n" HOST "\r\n", "GET /;"},
        {"close", "GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", "GET / close;"},
        {"in any case", "GET / HTTP/1.1\r\n" HOST "connection: CLOSE\r\n\r\n", "GET / close;"},
        {"among others, and empty ones", "GET / HTTP/1.1\r\n" HOST "Connection: , te,\t,close\t,x\r\n\r\n",
         "GET / close;"},
        {"in the second line", "GET / HTTP/1.1\r\n" HOST "Connection: te\r\nConnection: close\r\n\r\n", "GET / close;"},
        {"not a part of a word", "GET / HTTP/1.1\r\n" HOST "Connection: closed, enclose, close x\r\n\r\n", "GET /;"},
        {"nothing", "GET / HTTP/1.1\r\n" HOST "Connection:\r\n\r\n", "GET /;"},
        {"HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", "GET / close;"},
        {"HTTP/1.0, kept", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET /;"},
        {"close wins", "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", "GET / close;"},
    };

    CHECK(rows);
}

/* RFC 9110, 10.1.1. */
Test(parser, expects_only_100_continue)
{
    static const struct row rows[] = {
        {"in any case", "POST / HTTP/1.1\r\n" HOST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\na",
         "POST / expect [a];"},
        {"chunked", "POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         "POST / expect;"},
        {"no body", "POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n\r\n", "POST /;"},
        {"HTTP/1.0", "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na", "POST / close [a];"},
        {"something else", "POST / HTTP/1.1\r\n" HOST "Expect: coffee\r\nContent-Length: 1\r\n\r\na", "417"},
        {"something more", "POST / HTTP/1.1\r\n" HOST "Expect: 100-continue, coffee\r\nContent-Length: 1\r\n\r\na",
         "417"},
    };

    CHECK(rows);
}

/* ---- the contract with the connection ---- */

struct sink {
    int err;
    unsigned calls;
};

static int count_body(void *arg, const char *bytes, size_t len)
{
    struct sink *sink = arg;

    (void)bytes;
    (void)len;
    sink->calls++;
    return sink->err;
}

/* Feeds a whole text, until something else than PARSER_HEAD or PARSER_MORE comes or the text is over. */
static enum parser_result feed_text(struct parser *parser, char *text)
{
    size_t len = strlen(text), at = 0, used;
    enum parser_result result;

    do {
        result = parser_feed(parser, text + at, len - at, &used);
        at += used;
    } while (result == PARSER_HEAD);
    return result;
}

Test(parser, takes_nothing_of_a_head_but_empty_lines_before_it_is_complete)
{
    char text[] = "\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\nGET";
    size_t head_end = sizeof(text) - 1 - strlen("GET"), at = 0, used;
    struct message message;
    struct parser parser;

    parser_init(&parser, &message, count_body, NULL);

    for (size_t end = 0; end < head_end; end++) {
        cr_assert_eq(parser_feed(&parser, text + at, end - at, &used), PARSER_MORE);
        at += used;
        cr_expect_eq(at, end < 2 ? 0 : end < 4 ? 2 : 4);
    }
    cr_expect_eq(parser_feed(&parser, text + at, sizeof(text) - 1 - at, &used), PARSER_HEAD);
    cr_expect_eq(at + used, head_end);
}

Test(parser, is_between_requests_until_the_first_byte_of_one)
{
    char text[] = "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n";
    struct message message;
    struct parser parser;
    size_t used;

    parser_init(&parser, &message, count_body, NULL);

    cr_expect(parser_is_between(&parser));
    parser_feed(&parser, text, 2, &used);
    cr_expect(parser_is_between(&parser));
    parser_feed(&parser, text + 2, 1, &used);
    cr_expect_not(parser_is_between(&parser));
    cr_expect_eq(parser_feed(&parser, text + 2, sizeof(text) - 3, &used), PARSER_HEAD);
    cr_expect_not(parser_is_between(&parser));
}

Test(parser, knows_head_by_its_method_alone)
{
    static const struct {
        const char *bytes;
        bool is_for_head;
    } rows[] = {
        {"HEAD", false}, /* HEADS, maybe */
        {"HEAD ", true},      {"\r\nHEAD /", true},        {"HEAD /#", true}, {"HEAD / HTTP/2.0", true},
        {"HEAD /\r\n", true}, {"HEADS / HTTP/1.1", false}, {"GET /", false},  {"head / ", false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char bytes[32];
        size_t len = strlen(rows[i].bytes), at = 0, used = 0;
        struct message message;
        struct parser parser;

        memcpy(bytes, rows[i].bytes, len);
        parser_init(&parser, &message, count_body, NULL);
        for (size_t end = 1; end <= len && parser.status == 0; end++, at += used)
            parser_feed(&parser, bytes + at, end - at, &used);
        cr_expect_eq(parser_is_for_head(&parser), rows[i].is_for_head, "'%s'", rows[i].bytes);
    }
}

Test(parser, knows_when_a_body_has_begun)
{
    static const char *const heads[] = {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n",
                                        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"};

    for (size_t i = 0; i < 2; i++) {
        char bytes[100], first[] = "5";
        struct message message;
        struct parser parser;
        struct sink sink = {0};
        size_t used;

        memcpy(bytes, heads[i], strlen(heads[i]));
        parser_init(&parser, &message, count_body, &sink);
        parser.body_max = 5;
        cr_assert_eq(parser_feed(&parser, bytes, strlen(heads[i]), &used), PARSER_HEAD);
        cr_expect_not(parser_has_body_begun(&parser), "%s", heads[i]);
        cr_assert_eq(parser_feed(&parser, NULL, 0, &used), PARSER_MORE);
        cr_expect_not(parser_has_body_begun(&parser), "%s", heads[i]);
        cr_assert_eq(parser_feed(&parser, first, 1, &used), PARSER_MORE);
        cr_expect(parser_has_body_begun(&parser), "%s", heads[i]);
    }
}

Test(parser, ends_a_request_without_a_body_in_a_call_without_bytes)
{
    char text[] = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    struct message message;
    struct parser parser;
    size_t used = 1;

    parser_init(&parser, &message, count_body, NULL);
    cr_assert_eq(parser_feed(&parser, text, sizeof(text) - 1, &used), PARSER_HEAD);

    cr_expect_eq(parser_feed(&parser, NULL, 0, &used), PARSER_DONE);
    cr_expect_eq(used, 0);
}

Test(parser, refuses_a_body_over_the_limit_set_at_the_head_in_a_call_without_bytes)
{
    char text[] = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    struct message message;
    struct parser parser;
    size_t used;

    for (uint64_t body_max = 4; body_max <= 5; body_max++) {
        char copy[sizeof(text)];

        memcpy(copy, text, sizeof(text));
        parser_init(&parser, &message, count_body, NULL);
        cr_assert_eq(parser_feed(&parser, copy, sizeof(text) - 1, &used), PARSER_HEAD);
        parser.body_max = body_max;

        cr_expect_eq(parser_feed(&parser, NULL, 0, &used), body_max < 5 ? PARSER_FAILED : PARSER_MORE);
        cr_expect_eq(parser.status, body_max < 5 ? 413 : 0);
        cr_expect(parser_has_head(&parser));
    }
}

Test(parser, takes_no_body_until_a_limit_is_set)
{
    char text[] = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\na";
    struct sink sink = {0};
    struct message message;
    struct parser parser;

    parser_init(&parser, &message, count_body, &sink);

    cr_expect_eq(feed_text(&parser, text), PARSER_FAILED);
    cr_expect_eq(parser.status, 413);
    cr_expect_eq(sink.calls, 0);
}

Test(parser, answers_503_when_the_sink_has_no_memory)
{
    static const char *const texts[] = {
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n",
    };

    for (size_t i = 0; i < 2; i++) {
        struct sink sink = {.err = -ENOMEM};
        struct message message;
        struct parser parser;
        char *text = strdup(texts[i]);

        parser_init(&parser, &message, count_body, &sink);
        parser.body_max = 10;

        cr_expect_eq(feed_text(&parser, text), PARSER_FAILED);
        cr_expect_eq(parser.status, 503);
        cr_expect_eq(sink.calls, 1);
        cr_expect(parser_has_head(&parser));
        free(text);
    }
}

Test(parser, leaves_trimmed_strings_that_end_with_nul)
{
    char text[] = "GET http://h:1/p?q=1 HTTP/1.0\r\nHost: \th \t\r\nA:\r\nB: c \t d \r\n\r\n";
    struct message message;
    struct parser parser;
    size_t used;

    parser_init(&parser, &message, count_body, NULL);
    cr_assert_eq(parser_feed(&parser, text, sizeof(text) - 1, &used), PARSER_HEAD);

    cr_expect_str_eq(message.target, "http://h:1/p");
    cr_expect_str_eq(message.path, "/p");
    cr_expect_str_eq(message.query, "q=1");
    cr_expect_eq(message.minor, 0);
    cr_assert_eq(message.n_fields, 3);
    for (unsigned i = 0; i < 3; i++) {
        static const char *const names[] = {"Host", "A", "B"};
        static const char *const values[] = {"h", "", "c \t d"};

        cr_expect_str_eq(message.fields[i].name, names[i]);
        cr_expect_str_eq(message.fields[i].value, values[i]);
        cr_expect_eq(message.fields[i].name_len, strlen(names[i]));
        cr_expect_eq(message.fields[i].value_len, strlen(values[i]));
    }
}

Test(parser, says_what_was_wrong)
{
    static const struct {
        const char *text, *reason;
    } rows[] = {
        {"GET / HTTP/1.1\r\nHost: h\r\n x\r\n\r\n", "obs-fold: a header line begins with white space"},
        {"GET / HTTP/1.1\r\nHost: h\r\n\tx\r\n\r\n", "obs-fold: a header line begins with white space"},
        {"GET / HTTP/1.1\r\nHost: h\nA: b\r\n\r\n", "bare LF"},
        {"GET / HTTP/1.1\rHost: h\r\n\r\n", "bare CR"},
        {"GET / HTTP/1.1\r\n\r\n", "no Host"},
        {"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n", "Invalid character in Content-Length"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct message message;
        struct parser parser;
        char *text = strdup(rows[i].text);

        parser_init(&parser, &message, count_body, NULL);
        cr_expect_eq(feed_text(&parser, text), PARSER_FAILED);
        cr_expect_str_eq(parser.reason, rows[i].reason);
        free(text);
    }
}
