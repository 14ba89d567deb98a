/* Bodies, where they end, and limits, each at every chunking. Sections are those of RFC 9112 unless another RFC is
 * named. */
#include "lib/parser_rows.h"

#define POST(fields) "POST / HTTP/1.1\r\n" HOST fields "\r\n"
#define CHUNKED POST("Transfer-Encoding: chunked\r\n")

Test(parser_body, ends_where_the_head_says)
{
    static const struct row rows[] = {
        {"none: 6.3", POST(""), "POST /;"},
        {"of no bytes", POST("Content-Length: 0\r\n"), "POST /;"},
        {"of 4 bytes", POST("Content-Length: 4\r\n") "abcd", "POST / [abcd];"},
        {"with zeros before the length", POST("Content-Length: 00000000000000000000004\r\n") "abcd", "POST / [abcd];"},
        {"of a GET", "GET / HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nab", "GET / [ab];"},
        {"of CRLFs", POST("Content-Length: 4\r\n") "\r\n\r\n", "POST / [\r\n\r\n];"},
        {"the largest",
         POST("Content-Length: 64\r\n") "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
         "POST / [0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef];"},
        {"chunked: 7.1", CHUNKED "4\r\nabcd\r\n0\r\n\r\n", "POST / [abcd];"},
        {"in any case", POST("Transfer-Encoding: Chunked\r\n") "1\r\na\r\n0\r\n\r\n", "POST / [a];"},
        {"chunked, the last request", POST("Connection: close\r\nTransfer-Encoding: chunked\r\n") "1\r\na\r\n0\r\n\r\n",
         "POST / close [a];"},
        {"more than one chunk", CHUNKED "1\r\na\r\n02\r\nbc\r\n3\r\ndef\r\n0\r\n\r\n", "POST / [abcdef];"},
        {"sizes of both cases", CHUNKED "A\r\n0123456789\r\na\r\n0123456789\r\n000\r\n\r\n",
         "POST / [01234567890123456789];"},
        {"CRLF as data", CHUNKED "5\r\n0\r\n\r\n\r\n0\r\n\r\n", "POST / [0\r\n\r\n];"},
    };

    CHECK(rows);
}

Test(parser_body, is_refused_when_its_end_is_in_doubt)
{
    static const struct row rows[] = {
        {"both: 6.1", POST("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n") "0\r\n\r\n", "400"},
        {"both, the other way", POST("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n") "0\r\n\r\n", "400"},
        {"a length and an empty coding", POST("Transfer-Encoding:\r\nContent-Length: 4\r\n") "abcd", "400"},
        {"an empty length and a coding", POST("Content-Length:\r\nTransfer-Encoding: chunked\r\n") "0\r\n\r\n", "400"},
        {"two lengths", POST("Content-Length: 4\r\nContent-Length: 5\r\n") "abcde", "400"},
        {"twice the same length", POST("Content-Length: 4\r\nContent-Length: 4\r\n") "abcd", "400"},
        {"a list of lengths", POST("Content-Length: 4, 4\r\n") "abcd", "400"},
        {"an empty length", POST("Content-Length:\r\n"), "400"},
        {"a negative length", POST("Content-Length: -1\r\n"), "400"},
        {"a signed length", POST("Content-Length: +4\r\n") "abcd", "400"},
        {"a hexadecimal length", POST("Content-Length: 0x4\r\n") "abcd", "400"},
        {"a length in two words", POST("Content-Length: 1 2\r\n") "abcd", "400"},
        {"a length with a comma", POST("Content-Length: 4,\r\n") "abcd", "400"},
        {"a length with obs-text", POST("Content-Length: 4\x80\r\n") "abcd", "400"},
        {"2^64", POST("Content-Length: 18446744073709551616\r\n"), "400"},
        {"2^64 + 4", POST("Content-Length: 18446744073709551620\r\n") "abcd", "400"},
        {"a coding in HTTP/1.0: 6.1", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
        {"an empty coding", POST("Transfer-Encoding:\r\n"), "400"},
        {"an empty element", POST("Transfer-Encoding: , chunked\r\n") "0\r\n\r\n", "400"},
        {"an empty element behind", POST("Transfer-Encoding: chunked,\r\n") "0\r\n\r\n", "400"},
        {"another coding before", POST("Transfer-Encoding: gzip, chunked\r\n") "0\r\n\r\n", "501"},
        {"chunked is not the last: 6.3", POST("Transfer-Encoding: chunked, gzip\r\n") "0\r\n\r\n", "400"},
        {"chunked twice", POST("Transfer-Encoding: chunked, chunked\r\n") "0\r\n\r\n", "400"},
        {"two lines", POST("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n") "0\r\n\r\n", "400"},
        {"two lines that differ", POST("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n") "0\r\n\r\n",
         "400"},
        {"another coding", POST("Transfer-Encoding: gzip\r\n") "abcd", "400"},
        {"a longer word", POST("Transfer-Encoding: xchunked\r\n") "0\r\n\r\n", "400"},
        {"a parameter", POST("Transfer-Encoding: chunked;a=b\r\n") "0\r\n\r\n", "400"},
        {"quotes", POST("Transfer-Encoding: \"chunked\"\r\n") "0\r\n\r\n", "400"},
        {"vertical tab", POST("Transfer-Encoding: \vchunked\r\n") "0\r\n\r\n", "400"},
    };

    CHECK(rows);
}

/* 7.1.1: a recipient must ignore extensions that it does not know, and take white space that should not be there. */
Test(parser_body, ignores_chunk_extensions_that_are_well_formed)
{
    static const struct row rows[] = {
        {"a name", CHUNKED "1;a\r\nx\r\n0;b\r\n\r\n", "POST / [x];"},
        {"a value", CHUNKED "1;a=b;c=d\r\nx\r\n0\r\n\r\n", "POST / [x];"},
        {"white space", CHUNKED "1 ;\ta = b ; c\t;d\r\nx\r\n0\r\n\r\n", "POST / [x];"},
        {"a string", CHUNKED "1;a=\"b;c=\td\\\"\\\\ \x80\";e=\"\" ;f\r\nx\r\n0\r\n\r\n", "POST / [x];"},
        {"hexadecimal digits", CHUNKED "1;5=ff\r\nx\r\n0\r\n\r\n", "POST / [x];"},
        {"no name", CHUNKED "1;\r\nx\r\n0\r\n\r\n", "400"},
        {"no name, but a value", CHUNKED "1;=b\r\nx\r\n0\r\n\r\n", "400"},
        {"no value", CHUNKED "1;a=\r\nx\r\n0\r\n\r\n", "400"},
        {"only white space", CHUNKED "1 \r\nx\r\n0\r\n\r\n", "400"},
        {"white space behind a name", CHUNKED "1;a \r\nx\r\n0\r\n\r\n", "400"},
        {"no semicolon", CHUNKED "1 a\r\nx\r\n0\r\n\r\n", "400"},
        {"a string that goes on", CHUNKED "1;a=\"b\"c\r\nx\r\n0\r\n\r\n", "400"},
        {"a string without an end", CHUNKED "1;a=\"b\r\nx\r\n0\r\n\r\n", "400"},
        {"an escape without an end", CHUNKED "1;a=\"b\\\r\nx\r\n0\r\n\r\n", "400"},
        {"a control byte", CHUNKED "1;a=\"\x01\"\r\nx\r\n0\r\n\r\n", "400"},
        {"LF in an extension", CHUNKED "1;a\nx\r\n0\r\n\r\n", "400"},
        {"CR in an extension", CHUNKED "1;a\rb\r\nx\r\n0\r\n\r\n", "400"},
    };

    CHECK(rows);
}

Test(parser_body, has_chunks_of_one_shape_only)
{
    static const struct row rows[] = {
        {"no size", CHUNKED "\r\nx\r\n0\r\n\r\n", "400"},
        {"no number", CHUNKED "g\r\nx\r\n0\r\n\r\n", "400"},
        {"a prefix", CHUNKED "0x1\r\nx\r\n0\r\n\r\n", "400"},
        {"a sign", CHUNKED "+1\r\nx\r\n0\r\n\r\n", "400"},
        {"white space before", CHUNKED " 1\r\nx\r\n0\r\n\r\n", "400"},
        {"a size ends with LF alone", CHUNKED "1\nx\r\n0\r\n\r\n", "400"},
        {"a size ends with CR alone", CHUNKED "1\rx\r\n0\r\n\r\n", "400"},
        {"data ends with LF alone", CHUNKED "1\r\nx\n0\r\n\r\n", "400"},
        {"data ends with CR alone", CHUNKED "1\r\nx\r0\r\n\r\n", "400"},
        {"data is longer than its size", CHUNKED "1\r\nxy\r\n0\r\n\r\n", "400"},
        {"data is shorter than its size", CHUNKED "3\r\nx\r\n0\r\n\r\n", "400"},
        {"the end is LF alone", CHUNKED "1\r\nx\r\n0\r\n\n", "400"},
        {"the end is CR alone", CHUNKED "1\r\nx\r\n0\r\n\rX", "400"},
        {"2^64", CHUNKED "10000000000000000\r\nx", "400"},
        {"2^64 + 1", CHUNKED "10000000000000001\r\nx\r\n0\r\n\r\n", "400"},
    };

    CHECK(rows);
}

Test(parser_body, has_trailers_that_are_checked_as_fields_are)
{
    static const struct row rows[] = {
        {"two", CHUNKED "1\r\nx\r\n0\r\nA: b\r\nc:\t\xff\r\n\r\n", "POST / [x];"},
        {"names that begin as those that are not allowed",
         CHUNKED
         "0\r\nHos: 1\r\nHosts: 1\r\nContent-Lengths: 1\r\nTransfer-Encodings: 1\r\nTransfer-Encoding-2: 1\r\n\r\n",
         "POST /;"},
        {"Content-Length: RFC 9110, 6.5.1", CHUNKED "0\r\nContent-Length: 3\r\n\r\n", "400"},
        {"Transfer-Encoding", CHUNKED "0\r\nA: b\r\ntransfer-encoding: chunked\r\n\r\n", "400"},
        {"Host", CHUNKED "0\r\nHOST: h\r\n\r\n", "400"},
        {"Host behind another one", CHUNKED "0\r\nA: b\r\nHost: h\r\n\r\n", "400"},
        {"Connection", CHUNKED "0\r\nConnection: close\r\n\r\n", "400"},
        {"Connection, empty", CHUNKED "0\r\nConnection:\r\n\r\n", "400"},
        {"the first mistake counts", CHUNKED "0\r\nConnection:\r\nA\x01", "400"},
        {"obs-fold", CHUNKED "0\r\nA: b\r\n c\r\n\r\n", "400"},
        {"white space in front", CHUNKED "0\r\n A: b\r\n\r\n", "400"},
        {"space before the colon", CHUNKED "0\r\nA : b\r\n\r\n", "400"},
        {"no name", CHUNKED "0\r\n: b\r\n\r\n", "400"},
        {"no colon", CHUNKED "0\r\nA\r\n\r\n", "400"},
        {"LF alone", CHUNKED "0\r\nA: b\n\r\n", "400"},
        {"CR alone", CHUNKED "0\r\nA: b\rX: y\r\n\r\n", "400"},
        {"a control byte", CHUNKED "0\r\nA: \x01\r\n\r\n", "400"},
    };

    CHECK(rows);
}

Test(parser_body, over_the_limit_is_a_413_before_any_of_it_is_taken)
{
    static const struct row rows[] = {
        {"Content-Length", POST("Content-Length: 65\r\n") "x", "413"},
        {"2^64 - 1", POST("Content-Length: 18446744073709551615\r\n"), "413"},
        {"one chunk", CHUNKED "41\r\n", "413"},
        {"2^64 - 1 in a chunk", CHUNKED "ffffffffffffffff\r\n", "413"},
        {"all chunks together", CHUNKED "20\r\n0123456789abcdef0123456789abcdef\r\n21\r\n", "413"},
        {"all chunks together, and 2^64", CHUNKED "1\r\nx\r\nffffffffffffffff\r\n", "413"},
    };

    CHECK(rows);
}

Test(parser_body, waits_for_what_is_missing)
{
    static const struct row rows[] = {
        {"the head", "GET / HTTP/1.1\r\nHost: h\r\n", "..."},
        {"the LF of the head", "GET / HTTP/1.1\r\nHost: h\r\n\r", "..."},
        {"the body", POST("Content-Length: 4\r\n"), "..."},
        {"a byte of the body", POST("Content-Length: 4\r\n") "abc", "..."},
        {"the first chunk", CHUNKED, "..."},
        {"a byte of a chunk", CHUNKED "2\r\na", "..."},
        {"the CRLF behind a chunk", CHUNKED "2\r\nab", "..."},
        {"the end of the trailers", CHUNKED "0\r\n\r", "..."},
    };

    CHECK(rows);
}

/* ---- limits ---- */

/* begin, n times piece, end: long requests, at a few chunkings. */
static void check_long(const char *name, const char *begin_with, const char *piece, size_t n, const char *end_with,
                       const char *events)
{
    static char bytes[EVENTS_MAX];
    struct row row = {name, bytes, events};
    size_t len = strlen(piece), at = (size_t)sprintf(bytes, "%s", begin_with);

    cr_assert_lt(at + n * len + strlen(end_with), sizeof(bytes));
    for (size_t i = 0; i < n; i++, at += len)
        memcpy(bytes + at, piece, len);
    at += (size_t)sprintf(bytes + at, "%s", end_with);
    check_bytes(&row, bytes, at);
}

Test(parser_body, limits_the_request_line)
{
    static char largest[REQUEST_LINE_MAX + 2];
    size_t n = REQUEST_LINE_MAX - strlen("GET / HTTP/1.1");

    (void)snprintf(largest, sizeof(largest), "GET /%0*d;", (int)n, 0);
    check_long("the longest", "GET /", "0", n, " HTTP/1.1\r\n" HOST "\r\n", largest);
    check_long("a byte more", "GET /", "0", n + 1, " HTTP/1.1\r\n" HOST "\r\n", "414");
    check_long("without an end", "GET /", "0", 2 * REQUEST_LINE_MAX, "", "414");
    check_long("a long method: 3", "", "A", 2 * REQUEST_LINE_MAX, " / HTTP/1.1\r\n" HOST "\r\n", "501");
}

Test(parser_body, limits_the_head)
{
    size_t n = HEAD_MAX - strlen("GET / HTTP/1.1\r\n" HOST "A: \r\n\r\n");

    check_long("the longest", "GET / HTTP/1.1\r\n" HOST "A: ", "b", n, "\r\n\r\n", "GET /;");
    check_long("empty lines do not count", "\r\nGET / HTTP/1.1\r\n" HOST "A: ", "b", n, "\r\n\r\n", "GET /;");
    check_long("a byte more", "GET / HTTP/1.1\r\n" HOST "A: ", "b", n + 1, "\r\n\r\n", "431");
    check_long("without an end", "GET / HTTP/1.1\r\n" HOST "A: ", "b", HEAD_MAX, "", "431");
    check_long("as many fields as there may be", "GET / HTTP/1.1\r\n" HOST, "A:\r\n", FIELDS_MAX - 1, "\r\n", "GET /;");
    check_long("a field more", "GET / HTTP/1.1\r\n" HOST, "A:\r\n", FIELDS_MAX, "\r\n", "431");
}

Test(parser_body, limits_what_surrounds_chunks)
{
    size_t n = CHUNK_LINE_MAX - strlen("1;\r\n");

    check_long("the longest chunk line", CHUNKED "1;", "a", n, "\r\nx\r\n0\r\n\r\n", "POST / [x];");
    check_long("a byte more", CHUNKED "1;", "a", n + 1, "\r\nx\r\n0\r\n\r\n", "400");
    check_long("the longest second chunk line", CHUNKED "1\r\nx\r\n1;", "a", n, "\r\ny\r\n0\r\n\r\n", "POST / [xy];");
    check_long("a byte more of it", CHUNKED "1\r\nx\r\n1;", "a", n + 1, "\r\ny\r\n0\r\n\r\n", "400");
    check_long("zeros", CHUNKED, "0", CHUNK_LINE_MAX, "", "400");
    n = CHUNK_OVERHEAD_MAX - strlen("0\r\nA:\r\n\r\n");
    check_long("the longest trailer", CHUNKED "0\r\nA:", "b", n, "\r\n\r\n", "POST /;");
    check_long("a byte more of it", CHUNKED "0\r\nA:", "b", n + 1, "\r\n\r\n", "413");
    check_long("trailers", CHUNKED "0\r\n", "A:\r\n", FIELDS_MAX, "\r\n", "POST /;");
    check_long("a trailer more", CHUNKED "0\r\n", "A:\r\n", FIELDS_MAX + 1, "\r\n", "431");
    check_long("what is refused first, a name", CHUNKED "0\r\nHost:", "b", CHUNK_OVERHEAD_MAX, "", "400");
    check_long("what is refused first, a size", CHUNKED, "f", CHUNK_LINE_MAX, "g", "400");
}
