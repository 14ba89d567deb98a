/* Where a request's body ends, and what is refused because two readers could see two ends: RFC 9112, sections 6 and 7,
 * and RFC 9110, section 8.6. Where the RFCs leave a choice, the comment at the row says which one is taken. */
#include "lib/client.h"
#include "lib/dialog.h"
#include "lib/process.h"

#include <criterion/criterion.h>
#include <string.h>

enum { BODY_MAX = 1024, CHUNK_LINE_MAX = 4 * 1024, CHUNK_OVERHEAD_MAX = 16 * 1024 };

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

TestSuite(conformance_framing, .init = set_up, .fini = tear_down);

#define CHUNKED "Transfer-Encoding: chunked\r\n"
#define CHUNKS(bytes) POST_WITH(CHUNKED) bytes
#define LENGTH(value) POST_WITH("Content-Length:" value "\r\n")
#define CODING(value) POST_WITH("Transfer-Encoding:" value "\r\n")

/* RFC 9110, section 8.6: 1*DIGIT. A list of equal numbers may be taken for one (RFC 9112, section 6.3), but a reader in
 * front may have taken its first or its last: 400. */
Test(conformance_framing, a_content_length_is_one_number)
{
    static const struct dialog rows[] = {
        DIALOG_SAYS("a number", LENGTH(" 5") "hello", "200", "hello"),
        DIALOG_SAYS("zeros in front", LENGTH(" 0005") "hello", "200", "hello"),
        DIALOG_SAYS("many zeros in front", LENGTH(" 00000000000000000000000000005") "hello", "200", "hello"),
        DIALOG_SAYS("no white space", LENGTH("5") "hello", "200", "hello"),
        DIALOG_SAYS("white space around it", LENGTH(" \t 5 \t ") "hello", "200", "hello"),
        DIALOG_SAYS("a HTAB before it", LENGTH("\t5") "hello", "200", "hello"),
        DIALOG_SAYS("a HTAB behind it", LENGTH(" 5\t") "hello", "200", "hello"),
        DIALOG("zero", LENGTH(" 0"), "200"),
        DIALOG("none, which is zero", POST_WITH(""), "200"),
        DIALOG("a body of line ends", LENGTH(" 8") "\r\n\r\n\n\r\0\n", "200"),
        DIALOG_SAYS("a body that looks like a request", LENGTH(" 35") GET("/smuggled"), "200", "/smuggled"),
        DIALOG("empty", LENGTH(""), "400!"),
        DIALOG("white space", LENGTH(" \t"), "400!"),
        DIALOG("a plus sign", LENGTH(" +5") "hello", "400!"),
        DIALOG("a minus sign", LENGTH(" -5") "hello", "400!"),
        DIALOG("minus zero", LENGTH(" -0"), "400!"),
        DIALOG("hex", LENGTH(" 0x5") "hello", "400!"),
        DIALOG("a fraction", LENGTH(" 5.0") "hello", "400!"),
        DIALOG("an exponent", LENGTH(" 5e0") "hello", "400!"),
        DIALOG("a word", LENGTH(" five") "hello", "400!"),
        DIALOG("a word behind it", LENGTH(" 5x") "hello", "400!"),
        DIALOG("quotes", LENGTH(" \"5\"") "hello", "400!"),
        DIALOG("two numbers", LENGTH(" 5 5") "hello", "400!"),
        DIALOG("a parameter", LENGTH(" 5;a=b") "hello", "400!"),
        DIALOG("a list of equal numbers", LENGTH(" 5,5") "hello", "400!"),
        DIALOG("a list of equal numbers with SP", LENGTH(" 5, 5") "hello", "400!"),
        DIALOG("a list of two numbers", LENGTH(" 5, 6") "hello", "400!"),
        DIALOG("a comma behind it", LENGTH(" 5,") "hello", "400!"),
        DIALOG("a comma before it", LENGTH(" ,5") "hello", "400!"),
        DIALOG("an 8-bit digit", LENGTH(" \xd9\xa5") "hello", "400!"),
        DIALOG("twice", POST_WITH("Content-Length: 5\r\nContent-Length: 5\r\n") "hello", "400!"),
        DIALOG("twice, different", POST_WITH("Content-Length: 5\r\ncontent-length: 6\r\n") "hello", "400!"),
        DIALOG("twice, once empty", POST_WITH("Content-Length: 5\r\nContent-Length:\r\n") "hello", "400!"),
        DIALOG("twice, far apart", POST_WITH("Content-Length: 0\r\nA: b\r\nContent-Length: 0\r\n"), "400!"),
        DIALOG("folded", POST_WITH("Content-Length:\r\n 5\r\n") "hello", "400!"),
        DIALOG("folded behind a number", POST_WITH("Content-Length: 1\r\n 5\r\n") "hello", "400!"),
        DIALOG("SP before the colon", POST_WITH("Content-Length : 5\r\n") "hello", "400!"),
        DIALOG("a NUL behind it", LENGTH(" 5\0") "hello", "400!"),
        DIALOG("for GET", GET_WITH(HOST "Content-Length: 5\r\n") "hello", "200"),
        DIALOG("bad for GET", GET_WITH(HOST "Content-Length: x\r\n") "hello", "400!"),
        DIALOG("in HTTP/1.0", "POST /echo HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello", "200!"),
        DIALOG("2^64", LENGTH(" 18446744073709551616"), "400!"),
        DIALOG("much more", LENGTH(" 99999999999999999999999999"), "400!"),
    };

    DIALOGS_HOLD(&server, rows);
}

/* RFC 9112, sections 6.1 and 6.3. Content-Length beside it may be ignored or be refused: it is refused. */
Test(conformance_framing, a_transfer_encoding_is_chunked_and_nothing_else)
{
    static const struct dialog rows[] = {
        DIALOG_SAYS("chunked", CODING(" chunked") "5\r\nhello\r\n0\r\n\r\n", "200", "hello"),
        DIALOG_SAYS("in capitals", CODING(" CHUNKED") "5\r\nhello\r\n0\r\n\r\n", "200", "hello"),
        DIALOG_SAYS("in mixed case", CODING(" cHuNkEd") "5\r\nhello\r\n0\r\n\r\n", "200", "hello"),
        DIALOG_SAYS("white space around it", CODING(" \t chunked \t ") "5\r\nhello\r\n0\r\n\r\n", "200", "hello"),
        DIALOG_SAYS("no white space", CODING("chunked") "5\r\nhello\r\n0\r\n\r\n", "200", "hello"),
        DIALOG_SAYS("a HTAB before it", CODING("\tchunked") "5\r\nhello\r\n0\r\n\r\n", "200", "hello"),
        DIALOG("for GET", GET_WITH(HOST CHUNKED) "5\r\nhello\r\n0\r\n\r\n", "200"),
        DIALOG("empty", CODING(""), "400!"),
        DIALOG("white space", CODING(" "), "400!"),
        DIALOG("identity", CODING(" identity"), "400!"),
        DIALOG("gzip", CODING(" gzip"), "400!"),
        DIALOG("gzip, then chunked", CODING(" gzip, chunked") "0\r\n\r\n", "501!"),
        DIALOG("identity, then chunked", CODING(" identity, chunked") "0\r\n\r\n", "501!"),
        DIALOG("chunked, then gzip", CODING(" chunked, gzip") "0\r\n\r\n", "400!"),
        DIALOG("chunked, then identity", CODING(" chunked, identity") "0\r\n\r\n", "400!"),
        DIALOG("chunked twice", CODING(" chunked, chunked") "0\r\n\r\n", "400!"),
        DIALOG("a comma before it", CODING(" , chunked") "0\r\n\r\n", "400!"),
        DIALOG("a comma behind it", CODING(" chunked,") "0\r\n\r\n", "400!"),
        DIALOG("a parameter", CODING(" chunked;a=b") "0\r\n\r\n", "400!"),
        DIALOG("quotes", CODING(" \"chunked\"") "0\r\n\r\n", "400!"),
        DIALOG("one letter more", CODING(" xchunked") "0\r\n\r\n", "400!"),
        DIALOG("one letter behind it", CODING(" chunkedx") "0\r\n\r\n", "400!"),
        DIALOG("one letter less", CODING(" chunke") "0\r\n\r\n", "400!"),
        DIALOG("a word behind it", CODING(" chunked x") "0\r\n\r\n", "400!"),
        DIALOG("VT before it", CODING(" \vchunked") "0\r\n\r\n", "400!"),
        DIALOG("VT behind it", CODING(" chunked\v") "0\r\n\r\n", "400!"),
        DIALOG("a NUL behind it", CODING(" chunked\0") "0\r\n\r\n", "400!"),
        DIALOG("an 8-bit space before it",
               CODING(" \xa0"
                      "chunked") "0\r\n\r\n",
               "400!"),
        DIALOG("twice", POST_WITH(CHUNKED CHUNKED) "0\r\n\r\n", "400!"),
        DIALOG("twice, once identity", POST_WITH(CHUNKED "Transfer-Encoding: identity\r\n") "0\r\n\r\n", "400!"),
        DIALOG("twice, once empty", POST_WITH("Transfer-Encoding:\r\n" CHUNKED) "0\r\n\r\n", "400!"),
        DIALOG("on two lines", POST_WITH("Transfer-Encoding: gzip\r\n" CHUNKED) "0\r\n\r\n", "400!"),
        DIALOG("folded", POST_WITH("Transfer-Encoding:\r\n chunked\r\n") "0\r\n\r\n", "400!"),
        DIALOG("SP before the colon", POST_WITH("Transfer-Encoding : chunked\r\n") "0\r\n\r\n", "400!"),
        DIALOG("a line that begins with SP", POST_WITH("A: b\r\n " CHUNKED) "0\r\n\r\n", "400!"),
        /* Not a name that anybody takes for Transfer-Encoding: a field like others. */
        DIALOG("an underscore in the name", POST_WITH("Transfer_Encoding: chunked\r\nContent-Length: 0\r\n"), "200"),
        DIALOG("a letter before the name", POST_WITH("X-Transfer-Encoding: chunked\r\n"), "200"),
        DIALOG("TE, which is another field", POST_WITH("TE: chunked\r\n"), "200"),
        DIALOG("behind a length", POST_WITH("Content-Length: 5\r\n" CHUNKED) "0\r\n\r\n", "400!"),
        DIALOG("before a length", POST_WITH(CHUNKED "Content-Length: 5\r\n") "0\r\n\r\n", "400!"),
        DIALOG("with a length of zero", POST_WITH(CHUNKED "Content-Length: 0\r\n") "0\r\n\r\n", "400!"),
        DIALOG("with an empty length", POST_WITH(CHUNKED "Content-Length:\r\n") "0\r\n\r\n", "400!"),
        DIALOG("empty, with a length", POST_WITH("Transfer-Encoding:\r\nContent-Length: 5\r\n") "hello", "400!"),
        DIALOG("identity with a length", POST_WITH("Transfer-Encoding: identity\r\nContent-Length: 5\r\n") "hello",
               "400!"),
        DIALOG("for GET with a length", GET_WITH(HOST CHUNKED "Content-Length: 5\r\n") "0\r\n\r\n", "400!"),
        DIALOG("in HTTP/1.0", "POST /echo HTTP/1.0\r\n" CHUNKED "\r\n0\r\n\r\n", "400!"),
        DIALOG("in HTTP/1.0 that stays", "POST /echo HTTP/1.0\r\nConnection: keep-alive\r\n" CHUNKED "\r\n0\r\n\r\n",
               "400!"),
    };

    DIALOGS_HOLD(&server, rows);
}

/* RFC 9112, section 7.1: chunk = chunk-size [ chunk-ext ] CRLF chunk-data CRLF. */
Test(conformance_framing, chunks_have_one_shape)
{
    static const struct dialog rows[] = {
        DIALOG_SAYS("one", CHUNKS("5\r\nhello\r\n0\r\n\r\n"), "200", "hello"),
        DIALOG_SAYS("several", CHUNKS("1\r\nh\r\n3\r\nell\r\n1\r\no\r\n0\r\n\r\n"), "200", "hello"),
        DIALOG("none", CHUNKS("0\r\n\r\n"), "200"),
        DIALOG("a last one of more zeros", CHUNKS("1\r\nx\r\n0000\r\n\r\n"), "200"),
        DIALOG_SAYS("zeros in front", CHUNKS("000000000000000000005\r\nhello\r\n0\r\n\r\n"), "200", "hello"),
        DIALOG_SAYS("hex in lower case", CHUNKS("b\r\nhello world\r\n0\r\n\r\n"), "200", "hello world"),
        DIALOG_SAYS("hex in upper case", CHUNKS("B\r\nhello world\r\n0\r\n\r\n"), "200", "hello world"),
        DIALOG("data of line ends", CHUNKS("6\r\n\r\n0\r\n\r\r\n0\r\n\r\n"), "200"),
        DIALOG_SAYS("data that looks like a request", CHUNKS("23\r\n" GET("/smuggled") "\r\n0\r\n\r\n"), "200",
                    "/smuggled"),
        DIALOG("no size", CHUNKS("\r\nhello\r\n0\r\n\r\n"), "400!"),
        DIALOG("a size that is not hex", CHUNKS("g\r\nhello\r\n0\r\n\r\n"), "400!"),
        DIALOG("0x", CHUNKS("0x5\r\nhello\r\n0\r\n\r\n"), "400!"),
        DIALOG("a plus sign", CHUNKS("+5\r\nhello\r\n0\r\n\r\n"), "400!"),
        DIALOG("a minus sign", CHUNKS("-5\r\nhello\r\n0\r\n\r\n"), "400!"),
        DIALOG("an underscore", CHUNKS("0_5\r\nhello\r\n0\r\n\r\n"), "400!"),
        DIALOG("a comma", CHUNKS("5,5\r\nhello\r\n0\r\n\r\n"), "400!"),
        DIALOG("SP before the size", CHUNKS(" 5\r\nhello\r\n0\r\n\r\n"), "400!"),
        DIALOG("HTAB before the size", CHUNKS("\t5\r\nhello\r\n0\r\n\r\n"), "400!"),
        /* BWS belongs to an extension; without one it is nothing that the grammar has. */
        DIALOG("SP behind the size", CHUNKS("5 \r\nhello\r\n0\r\n\r\n"), "400!"),
        DIALOG("HTAB behind the size", CHUNKS("5\t\r\nhello\r\n0\r\n\r\n"), "400!"),
        DIALOG("SP in the size", CHUNKS("0 5\r\nhello\r\n0\r\n\r\n"), "400!"),
        DIALOG("a NUL in the size", CHUNKS("5\0\r\nhello\r\n0\r\n\r\n"), "400!"),
        DIALOG("a bare LF behind the size", CHUNKS("5\nhello\r\n0\r\n\r\n"), "400!"),
        DIALOG("a bare CR behind the size", CHUNKS("5\rhello\r\n0\r\n\r\n"), "400!"),
        DIALOG("two CR behind the size", CHUNKS("5\r\r\nhello\r\n0\r\n\r\n"), "400!"),
        DIALOG("a bare LF behind the data", CHUNKS("5\r\nhello\n0\r\n\r\n"), "400!"),
        DIALOG("a bare CR behind the data", CHUNKS("5\r\nhello\r0\r\n\r\n"), "400!"),
        DIALOG("nothing behind the data", CHUNKS("5\r\nhello0\r\n\r\n"), "400!"),
        DIALOG("less data than said", CHUNKS("6\r\nhello\r\n0\r\n\r\n"), "400!"),
        DIALOG("more data than said", CHUNKS("4\r\nhello\r\n0\r\n\r\n"), "400!"),
        DIALOG("an empty line between chunks", CHUNKS("1\r\nx\r\n\r\n0\r\n\r\n"), "400!"),
        DIALOG("a bare LF behind the last size", CHUNKS("0\n\r\n"), "400!"),
        DIALOG("a bare LF for the end", CHUNKS("0\r\n\n"), "400!"),
        DIALOG("a bare CR for the end", CHUNKS("0\r\n\rX"), "400!"),
        DIALOG("a sign before the last size", CHUNKS("-0\r\n\r\n"), "400!"),
        DIALOG("no chunks at all", CHUNKS("hello"), "400!"),
        DIALOG("a size of 17 digits", CHUNKS("10000000000000000\r\n"), "400!"),
        DIALOG("a size of very many digits", CHUNKS("10000000000000000000000000000000005\r\nhello\r\n0\r\n\r\n"),
               "400!"),
    };

    DIALOGS_HOLD(&server, rows);
}

/* RFC 9112, section 7.1.1: extensions that nobody knows are ignored, but they have a grammar. */
Test(conformance_framing, chunk_extensions_are_ignored_when_well_formed)
{
    static const struct dialog rows[] = {
        DIALOG_SAYS("a name", CHUNKS("5;a\r\nhello\r\n0\r\n\r\n"), "200", "hello"),
        DIALOG_SAYS("a value", CHUNKS("5;a=b\r\nhello\r\n0\r\n\r\n"), "200", "hello"),
        DIALOG_SAYS("two", CHUNKS("5;a=b;c\r\nhello\r\n0\r\n\r\n"), "200", "hello"),
        DIALOG_SAYS("quotes", CHUNKS("5;a=\"b c\"\r\nhello\r\n0\r\n\r\n"), "200", "hello"),
        DIALOG_SAYS("empty quotes", CHUNKS("5;a=\"\"\r\nhello\r\n0\r\n\r\n"), "200", "hello"),
        DIALOG_SAYS("escapes in quotes", CHUNKS("5;a=\"\\\"\\\\;\"\r\nhello\r\n0\r\n\r\n"), "200", "hello"),
        DIALOG_SAYS("a semicolon in quotes", CHUNKS("5;a=\";\"\r\nhello\r\n0\r\n\r\n"), "200", "hello"),
        DIALOG_SAYS("white space wherever it may be", CHUNKS("5 ;\ta = b ; c\r\nhello\r\n0\r\n\r\n"), "200", "hello"),
        DIALOG_SAYS("on the last chunk", CHUNKS("5\r\nhello\r\n0;a=b\r\n\r\n"), "200", "hello"),
        DIALOG("no name", CHUNKS("5;\r\nhello\r\n0\r\n\r\n"), "400!"),
        DIALOG("a value without a name", CHUNKS("5;=b\r\nhello\r\n0\r\n\r\n"), "400!"),
        DIALOG("no value", CHUNKS("5;a=\r\nhello\r\n0\r\n\r\n"), "400!"),
        DIALOG("two semicolons", CHUNKS("5;;a\r\nhello\r\n0\r\n\r\n"), "400!"),
        DIALOG("open quotes", CHUNKS("5;a=\"b\r\nhello\r\n0\r\n\r\n"), "400!"),
        DIALOG("a word behind quotes", CHUNKS("5;a=\"b\"c\r\nhello\r\n0\r\n\r\n"), "400!"),
        DIALOG("white space behind it", CHUNKS("5;a \r\nhello\r\n0\r\n\r\n"), "400!"),
        DIALOG("a bare LF behind it", CHUNKS("5;a\nhello\r\n0\r\n\r\n"), "400!"),
        DIALOG("a bare LF in it", CHUNKS("5;a\nb\r\nhello\r\n0\r\n\r\n"), "400!"),
        DIALOG("a bare CR in it", CHUNKS("5;a\rb\r\nhello\r\n0\r\n\r\n"), "400!"),
        DIALOG("a bare LF in quotes", CHUNKS("5;a=\"\n\"\r\nhello\r\n0\r\n\r\n"), "400!"),
        DIALOG("a CRLF in quotes", CHUNKS("5;a=\"\r\n\"\r\nhello\r\n0\r\n\r\n"), "400!"),
        DIALOG("a NUL in it", CHUNKS("5;a\0\r\nhello\r\n0\r\n\r\n"), "400!"),
        DIALOG("DEL in quotes", CHUNKS("5;a=\"\x7f\"\r\nhello\r\n0\r\n\r\n"), "400!"),
    };

    DIALOGS_HOLD(&server, rows);
}

/* RFC 9112, section 7.1.2, and RFC 9110, section 6.5: they are fields in shape; those that say where a message ends or
 * goes come too late, and must not be there. */
Test(conformance_framing, trailers_are_fields_but_none_that_frame_or_route)
{
#define TRAILER(line) CHUNKS("1\r\nx\r\n0\r\n" line "\r\n\r\n")
    static const struct dialog rows[] = {
        DIALOG("one", TRAILER("A: b"), "200"),
        DIALOG("two", TRAILER("A: b\r\nC: d"), "200"),
        DIALOG("announced", POST_WITH(CHUNKED "Trailer: A\r\n") "1\r\nx\r\n0\r\nA: b\r\n\r\n", "200"),
        DIALOG("with an empty value", TRAILER("A:"), "200"),
        DIALOG("with a longer name", TRAILER("Content-Length-Of-It: 1"), "200"),
        DIALOG("Content-Length", TRAILER("Content-Length: 5"), "400!"),
        DIALOG("Content-Length in capitals", TRAILER("CONTENT-LENGTH: 5"), "400!"),
        DIALOG("Transfer-Encoding", TRAILER("Transfer-Encoding: chunked"), "400!"),
        DIALOG("Host", TRAILER("Host: h"), "400!"),
        DIALOG("Connection", TRAILER("Connection: close"), "400!"),
        DIALOG("Host behind another", TRAILER("A: b\r\nHost: h"), "400!"),
        DIALOG("a request instead", CHUNKS("1\r\nx\r\n0\r\n" GET("/smuggled")), "400!"),
        DIALOG("folded", TRAILER("A: b\r\n c"), "400!"),
        DIALOG("folded from the start", TRAILER(" A: b"), "400!"),
        DIALOG("no colon", TRAILER("A"), "400!"),
        DIALOG("no name", TRAILER(": b"), "400!"),
        DIALOG("SP before the colon", TRAILER("A : b"), "400!"),
        DIALOG("a bare LF", TRAILER("A: b\nC: d"), "400!"),
        DIALOG("a bare CR", TRAILER("A: b\rC: d"), "400!"),
        DIALOG("a NUL", TRAILER("A: \0"), "400!"),
        DIALOG("DEL", TRAILER("A: \x7f"), "400!"),
    };

    DIALOGS_HOLD(&server, rows);
}

/* RFC 9110, section 15.5.14. */
Test(conformance_framing, a_body_over_the_limit_is_413_before_it_comes)
{
    static const struct dialog rows[] = {
        DIALOG("a length of one more", LENGTH(" 1025"), "413!"),
        DIALOG("a length of 2^63", LENGTH(" 9223372036854775808"), "413!"),
        DIALOG("a length of 2^64 - 1", LENGTH(" 18446744073709551615"), "413!"),
        DIALOG("a length that only zeros make long", LENGTH(" 0000000000000000000001025"), "413!"),
        DIALOG("one more for GET", GET_WITH(HOST "Content-Length: 1025\r\n"), "413!"),
        DIALOG("one more for nothing", "POST /nowhere HTTP/1.1\r\n" HOST "Content-Length: 1025\r\n\r\n", "413!"),
        DIALOG("one more, expecting 100", POST_WITH("Content-Length: 1025\r\nExpect: 100-continue\r\n"), "413!"),
        DIALOG("a chunk of one more", CHUNKS("401\r\n"), "413!"),
        DIALOG("a chunk of one more behind an extension", CHUNKS("401;a=b\r\n"), "413!"),
        DIALOG("a sum of one more", CHUNKS("1\r\nx\r\n400\r\n"), "413!"),
        DIALOG("a chunk of 2^64 - 1", CHUNKS("ffffffffffffffff\r\n"), "413!"),
        DIALOG("a sum that wraps around", CHUNKS("1\r\nx\r\nffffffffffffffff\r\n"), "413!"),
    };

    DIALOGS_HOLD(&server, rows);
}

/* ---- limits, met exactly ---- */

Test(conformance_framing, a_body_as_large_as_the_limit_is_taken)
{
    dialog_holds_filled(&server, "a length", LENGTH(" 1024"), 'x', BODY_MAX, "", "200");
    dialog_holds_filled(&server, "one chunk", CHUNKS("400\r\n"), 'x', BODY_MAX, "\r\n0\r\n\r\n", "200");
    dialog_holds_filled(&server, "two chunks", CHUNKS("1\r\nx\r\n3ff\r\n"), 'x', BODY_MAX - 1, "\r\n0\r\n\r\n", "200");
    dialog_holds_filled(&server, "a length, not wanted",
                        "POST /nowhere HTTP/1.1\r\n" HOST "Content-Length: 1024\r\n\r\n", 'x', BODY_MAX, "", "404");
}

Test(conformance_framing, a_chunk_line_has_a_limit)
{
    size_t name = CHUNK_LINE_MAX - strlen("1;\r\n");

    dialog_holds_filled(&server, "as long as allowed", CHUNKS("1;"), 'a', name, "\r\nx\r\n0\r\n\r\n", "200");
    dialog_holds_filled(&server, "one more", CHUNKS("1;"), 'a', name + 1, "\r\nx\r\n0\r\n\r\n", "400!");
    dialog_holds_filled(&server, "zeros", CHUNKS(""), '0', CHUNK_LINE_MAX + 1, "", "400!");
    dialog_holds_filled(&server, "an extension without an end", CHUNKS("1;a=\""), 'b', CHUNK_LINE_MAX, "", "400!");
}

Test(conformance_framing, what_surrounds_chunks_has_a_limit)
{
    size_t value = CHUNK_OVERHEAD_MAX - strlen("1\r\n\r\n0\r\nA:\r\n\r\n");

    dialog_holds_filled(&server, "as much as allowed", CHUNKS("1\r\nx\r\n0\r\nA:"), 'a', value, "\r\n\r\n", "200");
    dialog_holds_filled(&server, "one more", CHUNKS("1\r\nx\r\n0\r\nA:"), 'a', value + 1, "\r\n\r\n", "413!");
}
