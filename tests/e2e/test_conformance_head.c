/* What a server must make of request lines and header fields: RFC 9112, sections 2 to 5, and RFC 9110, sections 4, 5, 7
 * and 9. Where the RFCs leave a choice, the comment at the row says which one is taken: the one that leaves no two
 * readers of the same bytes with two requests. */
#include "lib/client.h"
#include "lib/dialog.h"
#include "lib/process.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct process server;

static void set_up(void)
{
    process_start(&server, "--workers", "2", "--heavy-ms", "0", PROCESS_PATIENT);
}

static void tear_down(void)
{
    client_close_all();
    process_close(&server);
}

TestSuite(conformance_head, .init = set_up, .fini = tear_down);

/* A whole request with this request line. */
#define LINE(line) line "\r\n" HOST "\r\n"
/* GET /dummy with Host and one more line. */
#define FIELD(line) GET_WITH(HOST line "\r\n")

/* RFC 9112, section 3: method SP request-target SP HTTP-version, and the server may be lenient with white space; it is
 * not. */
Test(conformance_head, a_request_line_has_one_shape)
{
    static const struct dialog rows[] = {
        DIALOG("the plain one", LINE("GET /dummy HTTP/1.1"), "200"),
        DIALOG("two SP behind the method", LINE("GET  /dummy HTTP/1.1"), "400!"),
        DIALOG("two SP behind the target", LINE("GET /dummy  HTTP/1.1"), "400!"),
        DIALOG("HTAB behind the method", LINE("GET\t/dummy HTTP/1.1"), "400!"),
        DIALOG("HTAB behind the target", LINE("GET /dummy\tHTTP/1.1"), "400!"),
        DIALOG("VT behind the target", LINE("GET /dummy\vHTTP/1.1"), "400!"),
        DIALOG("FF behind the target", LINE("GET /dummy\fHTTP/1.1"), "400!"),
        DIALOG("bare CR behind the target", LINE("GET /dummy\rHTTP/1.1"), "400!"),
        DIALOG("SP behind the version", LINE("GET /dummy HTTP/1.1 "), "400!"),
        DIALOG("HTAB behind the version", LINE("GET /dummy HTTP/1.1\t"), "400!"),
        DIALOG("a word behind the version", LINE("GET /dummy HTTP/1.1 x"), "400!"),
        DIALOG("SP before the method", LINE(" GET /dummy HTTP/1.1"), "400!"),
        DIALOG("HTAB before the method", LINE("\tGET /dummy HTTP/1.1"), "400!"),
        DIALOG("SP in the target", LINE("GET /dum my HTTP/1.1"), "400!"),
        DIALOG("no target", LINE("GET HTTP/1.1"), "400!"),
        DIALOG("an empty target", LINE("GET  HTTP/1.1"), "400!"),
        DIALOG("a method alone", LINE("GET"), "400!"),
        DIALOG("no method", LINE("/dummy HTTP/1.1"), "400!"),
        DIALOG("a method with a slash", LINE("GE/T /dummy HTTP/1.1"), "400!"),
        DIALOG("a method with a colon", LINE("GET: /dummy HTTP/1.1"), "400!"),
        DIALOG("a quoted method", LINE("\"GET\" /dummy HTTP/1.1"), "400!"),
        DIALOG("a method with an 8-bit letter", LINE("G\xc3\x89T /dummy HTTP/1.1"), "400!"),
        DIALOG("a NUL in the method", LINE("GE\0T /dummy HTTP/1.1"), "400!"),
        DIALOG("a NUL in the target", LINE("GET /dum\0my HTTP/1.1"), "400!"),
        DIALOG_SAYS("a raw letter in the target", LINE("GET /dumm\xc3\xa9 HTTP/1.1"), "400!", "percent-encoded"),
        DIALOG("a NUL in the version", LINE("GET /dummy HTTP/1\0.1"), "400!"),
        DIALOG("a header field in its place", "Host: h\r\n\r\n", "400!"),
        DIALOG_SAYS("the beginning of TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400!", "TLS"),
        DIALOG("a status line", "HTTP/1.1 200 OK\r\n\r\n", "400!"),
    };

    DIALOGS_HOLD(&server, rows);
}

/* RFC 9112, section 2.2: a server should ignore at least one empty line, CRLF, before a request; four are. */
Test(conformance_head, a_few_empty_lines_before_a_request_are_nothing)
{
    static const struct dialog rows[] = {
        DIALOG("one", "\r\n" GET("/dummy"), "200"),
        DIALOG("four", "\r\n\r\n\r\n\r\n" GET("/dummy"), "200"),
        DIALOG("five", "\r\n\r\n\r\n\r\n\r\n" GET("/dummy"), "400!"),
        DIALOG("four before each request", "\r\n\r\n\r\n\r\n" GET("/a") "\r\n\r\n\r\n\r\n" GET("/b"), "404 404"),
        DIALOG("one behind a body", POST_WITH("Content-Length: 1\r\n") "x\r\n" GET("/a"), "200 404"),
        DIALOG("one behind the last request", GET("/a") "\r\n", "404"),
        DIALOG("a bare LF", "\n" GET("/dummy"), "400!"),
        DIALOG("a bare LF behind an empty line", "\r\n\n" GET("/dummy"), "400!"),
        DIALOG("a bare CR", "\r" GET("/dummy"), "400!"),
        DIALOG("two CR", "\r\r\n" GET("/dummy"), "400!"),
        DIALOG("a line of SP", " \r\n" GET("/dummy"), "400!"),
        DIALOG("a NUL", "\0" GET("/dummy"), "400!"),
    };

    DIALOGS_HOLD(&server, rows);
}

/* RFC 9112, section 2.3: the name is case-sensitive, and each number is one digit. Another major version is not spoken
 * here: 505 (RFC 9110, section 15.6.6). A minor one above 1 may be served as 1.1 (RFC 9110, section 2.5); nobody sends
 * it in earnest, so it is 400. */
Test(conformance_head, only_http_1_0_and_1_1_are_spoken)
{
    static const struct dialog rows[] = {
        DIALOG("1.0", LINE("GET /dummy HTTP/1.0"), "200!"),
        DIALOG("2.0", LINE("GET /dummy HTTP/2.0"), "505!"),
        DIALOG("2", LINE("GET /dummy HTTP/2"), "505!"),
        DIALOG("3.0", LINE("GET /dummy HTTP/3.0"), "505!"),
        DIALOG("0.9", LINE("GET /dummy HTTP/0.9"), "505!"),
        DIALOG("9.9", LINE("GET /dummy HTTP/9.9"), "505!"),
        DIALOG("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505!"),
        DIALOG("1.2", LINE("GET /dummy HTTP/1.2"), "400!"),
        DIALOG("1.9", LINE("GET /dummy HTTP/1.9"), "400!"),
        DIALOG("1", LINE("GET /dummy HTTP/1"), "400!"),
        DIALOG("1.", LINE("GET /dummy HTTP/1."), "400!"),
        DIALOG(".1", LINE("GET /dummy HTTP/.1"), "400!"),
        DIALOG("1.10", LINE("GET /dummy HTTP/1.10"), "400!"),
        DIALOG("1.01", LINE("GET /dummy HTTP/1.01"), "400!"),
        DIALOG("01.1", LINE("GET /dummy HTTP/01.1"), "400!"),
        DIALOG("22.0", LINE("GET /dummy HTTP/22.0"), "400!"),
        DIALOG("11.1", LINE("GET /dummy HTTP/11.1"), "400!"),
        DIALOG("1,1", LINE("GET /dummy HTTP/1,1"), "400!"),
        DIALOG("-1.1", LINE("GET /dummy HTTP/-1.1"), "400!"),
        DIALOG("a SP in it", LINE("GET /dummy HTTP/ 1.1"), "400!"),
        DIALOG("no number", LINE("GET /dummy HTTP"), "400!"),
        DIALOG("no slash", LINE("GET /dummy HTTP1.1"), "400!"),
        DIALOG("lower case", LINE("GET /dummy http/1.1"), "400!"),
        DIALOG("mixed case", LINE("GET /dummy Http/1.1"), "400!"),
        DIALOG("HTTPS", LINE("GET /dummy HTTPS/1.1"), "400!"),
        DIALOG("RTSP", LINE("GET /dummy RTSP/1.0"), "400!"),
        DIALOG("ICE", LINE("SOURCE /dummy ICE/1.0"), "400!"),
        DIALOG("ICY", LINE("GET /dummy ICY/1.1"), "400!"),
        DIALOG("none, as in HTTP/0.9", "GET /dummy\r\n", "400!"),
        DIALOG("none, and a bare LF", "GET /dummy\n", "400!"),
        DIALOG("none, and a SP", "GET /dummy \r\n", "400!"),
    };

    DIALOGS_HOLD(&server, rows);
}

/* RFC 9110, sections 9.1 (case-sensitive; 501 for one that the server does not know) and 15.5.6. */
Test(conformance_head, a_method_is_known_or_501_and_allowed_or_405)
{
    static const struct dialog rows[] = {
        DIALOG("HEAD", LINE("HEAD /dummy HTTP/1.1"), "h200"),
        DIALOG("HEAD of what a worker does", LINE("HEAD /sleep/0 HTTP/1.1"), "h200"),
        DIALOG("HEAD of what waits on the loop", LINE("HEAD /async HTTP/1.1"), "h200"),
        DIALOG("HEAD of nothing", LINE("HEAD /nowhere HTTP/1.1"), "h404"),
        DIALOG("HEAD where GET is not", LINE("HEAD /echo HTTP/1.1"), "h405"),
        DIALOG_SAYS("POST where GET is", LINE("POST /dummy HTTP/1.1"), "405", "\r\nAllow: GET, HEAD, OPTIONS\r\n"),
        DIALOG_SAYS("GET where POST is", LINE("GET /echo HTTP/1.1"), "405", "\r\nAllow: POST, OPTIONS\r\n"),
        DIALOG("PUT", LINE("PUT /dummy HTTP/1.1"), "405"),
        DIALOG("PATCH", LINE("PATCH /dummy HTTP/1.1"), "405"),
        DIALOG("DELETE", LINE("DELETE /dummy HTTP/1.1"), "405"),
        DIALOG_SAYS("TRACE", LINE("TRACE /dummy HTTP/1.1"), "405", "\r\nAllow: GET, HEAD, OPTIONS\r\n"),
        DIALOG("TRACE of nothing", LINE("TRACE /nowhere HTTP/1.1"), "404"),
        DIALOG("DELETE of nothing", LINE("DELETE /nowhere HTTP/1.1"), "404"),
        /* What follows a CONNECT would be bytes for a tunnel (RFC 9110, section 9.3.6). */
        DIALOG_SAYS("CONNECT", LINE("CONNECT h:80 HTTP/1.1"), "405!", "not allowed for h:80; allowed: OPTIONS"),
        DIALOG("CONNECT to IPv6", LINE("CONNECT [::1]:443 HTTP/1.1"), "405!"),
        DIALOG("CONNECT without a port", LINE("CONNECT h HTTP/1.1"), "400!"),
        DIALOG("CONNECT with an empty port", LINE("CONNECT h: HTTP/1.1"), "400!"),
        DIALOG("CONNECT to a path", LINE("CONNECT /dummy HTTP/1.1"), "400!"),
        DIALOG("CONNECT to a URL", LINE("CONNECT http://h:80/ HTTP/1.1"), "400!"),
        DIALOG_SAYS("OPTIONS", LINE("OPTIONS /dummy HTTP/1.1"), "204", "\r\nAllow: GET, HEAD, OPTIONS\r\n"),
        DIALOG_SAYS("OPTIONS *", LINE("OPTIONS * HTTP/1.1"), "204", "GET, HEAD, POST"),
        DIALOG("OPTIONS of nothing", LINE("OPTIONS /nowhere HTTP/1.1"), "404"),
        DIALOG("OPTIONS of the server as a URL", LINE("OPTIONS http://h HTTP/1.1"), "204"),
        DIALOG("OPTIONS with a body", "OPTIONS * HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nxx", "204"),
        DIALOG("lower case", LINE("get /dummy HTTP/1.1"), "501!"),
        DIALOG("mixed case", LINE("Get /dummy HTTP/1.1"), "501!"),
        DIALOG("one letter less", LINE("GE /dummy HTTP/1.1"), "501!"),
        DIALOG("one letter more", LINE("GETS /dummy HTTP/1.1"), "501!"),
        DIALOG("unknown", LINE("BREW /dummy HTTP/1.1"), "501!"),
        DIALOG("of WebDAV", LINE("PROPFIND /dummy HTTP/1.1"), "501!"),
        DIALOG("of marks", LINE("!#$%&'*+-.^_`|~ /dummy HTTP/1.1"), "501!"),
        DIALOG("of digits", LINE("42 /dummy HTTP/1.1"), "501!"),
        DIALOG("unknown, with a body that could be a request",
               "BREW / HTTP/1.1\r\n" HOST "Content-Length: 30\r\n\r\n" GET("/a"), "501!"),
    };

    DIALOGS_HOLD(&server, rows);
}

/* RFC 9110, section 9.3.2: the answer to HEAD has no body, also when something is wrong with the request. */
Test(conformance_head, no_refusal_of_a_head_request_has_a_body)
{
    static const struct dialog rows[] = {
        DIALOG("no Host", "HEAD /dummy HTTP/1.1\r\n\r\n", "h400!"),
        DIALOG("a bad target", LINE("HEAD /%zz HTTP/1.1"), "h400!"),
        DIALOG("another version", LINE("HEAD /dummy HTTP/2.0"), "h505!"),
        DIALOG("a bad field", "HEAD /dummy HTTP/1.1\r\n" HOST "x y: z\r\n\r\n", "h400!"),
        DIALOG("an unknown expectation", "HEAD /dummy HTTP/1.1\r\n" HOST "Expect: x\r\n\r\n", "h417!"),
        DIALOG("a body that is too large", "HEAD / HTTP/1.1\r\n" HOST "Content-Length: 99999999\r\n\r\n", "h413!"),
        DIALOG("a body that is not one", "HEAD / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nx", "h400!"),
        DIALOG("behind another", GET("/a") LINE("HEAD /dummy HTTP/1.1") LINE("HEAD /#x HTTP/1.1"), "404 h200 h400!"),
        DIALOG("a method that only begins like it", LINE("HEADS /dummy HTTP/1.1"), "501!"),
    };

    DIALOGS_HOLD(&server, rows);
}

/* RFC 9112, section 3.2, and RFC 3986. */
Test(conformance_head, a_target_has_the_form_of_its_method)
{
    static const struct dialog rows[] = {
        DIALOG("a path with a query", LINE("GET /dummy?a=b&c=%20 HTTP/1.1"), "200"),
        DIALOG("an empty query", LINE("GET /dummy? HTTP/1.1"), "200"),
        DIALOG("a query with a question mark, a slash and a colon", LINE("GET /dummy?a?/:@ HTTP/1.1"), "200"),
        DIALOG("a query that looks like a URL", LINE("GET /dummy?http://a/b HTTP/1.1"), "200"),
        DIALOG("an escaped letter", LINE("GET /d%75mmy HTTP/1.1"), "200"),
        DIALOG("an escape in lower case", LINE("GET /dumm%79?%c3%a9 HTTP/1.1"), "200"),
        DIALOG("an escaped slash, which divides nothing", LINE("GET /sleep%2F0 HTTP/1.1"), "404"),
        DIALOG("all marks of a path", LINE("GET /-._~!$&'()*+,;=:@ HTTP/1.1"), "404"),
        /* No URI has these raw, but clients send them, and no reader takes them for anything else. */
        DIALOG("marks that should be escaped", LINE("GET /\"<>[]\\^`{|} HTTP/1.1"), "404"),
        DIALOG("two slashes", LINE("GET //dummy HTTP/1.1"), "404"),
        DIALOG("a slash at its end", LINE("GET /dummy/ HTTP/1.1"), "404"),
        DIALOG("a URL", LINE("GET http://h/dummy HTTP/1.1"), "200"),
        DIALOG("a URL of another host than Host", LINE("GET http://other:81/dummy HTTP/1.1"), "200"),
        DIALOG("a URL in capitals", LINE("GET HTTP://H/dummy HTTP/1.1"), "200"),
        DIALOG("a URL without a path", LINE("GET http://h HTTP/1.1"), "200"),
        DIALOG("a URL without a path, with a query", LINE("GET http://h?x HTTP/1.1"), "200"),
        DIALOG("a URL of an IPv6 address", LINE("GET http://[::1]:80/dummy HTTP/1.1"), "200"),
        DIALOG("a URL with an empty port", LINE("GET http://h:/dummy HTTP/1.1"), "200"),
        DIALOG("a URL in HTTP/1.0", "GET http://h/dummy HTTP/1.0\r\n\r\n", "200!"),
        DIALOG("a URL without Host", "GET http://h/dummy HTTP/1.1\r\n\r\n", "400!"),
        DIALOG("a URL with two Hosts", "GET http://h/dummy HTTP/1.1\r\n" HOST HOST "\r\n", "400!"),
        DIALOG("a URL with a bad Host", "GET http://h/dummy HTTP/1.1\r\nHost: a b\r\n\r\n", "400!"),
        DIALOG("a URL with user information", LINE("GET http://u@h/dummy HTTP/1.1"), "400!"),
        DIALOG("a URL with a password", LINE("GET http://u:p@h/dummy HTTP/1.1"), "400!"),
        DIALOG("a URL without a host", LINE("GET http:///dummy HTTP/1.1"), "400!"),
        DIALOG("a URL of a port alone", LINE("GET http://:80/dummy HTTP/1.1"), "400!"),
        DIALOG("a URL with a bad port", LINE("GET http://h:x/dummy HTTP/1.1"), "400!"),
        DIALOG("a URL with a fragment", LINE("GET http://h/dummy#x HTTP/1.1"), "400!"),
        DIALOG("a URL with one slash", LINE("GET http:/dummy HTTP/1.1"), "400!"),
        DIALOG("https, which this is not", LINE("GET https://h/dummy HTTP/1.1"), "400!"),
        DIALOG("another scheme", LINE("GET ftp://h/dummy HTTP/1.1"), "400!"),
        DIALOG("* for GET", LINE("GET * HTTP/1.1"), "400!"),
        DIALOG("* for HEAD", LINE("HEAD * HTTP/1.1"), "h400!"),
        DIALOG("* with a query", LINE("OPTIONS *?x HTTP/1.1"), "400!"),
        DIALOG("/*", LINE("GET /* HTTP/1.1"), "404"),
        DIALOG("host and port for GET", LINE("GET h:80 HTTP/1.1"), "400!"),
        DIALOG("a path without a slash", LINE("GET dummy HTTP/1.1"), "400!"),
        DIALOG("a query alone", LINE("GET ?x HTTP/1.1"), "400!"),
        DIALOG("a fragment", LINE("GET /dummy#x HTTP/1.1"), "400!"),
        DIALOG("a fragment in the query", LINE("GET /dummy?a#x HTTP/1.1"), "400!"),
        DIALOG("an escape that is not hex", LINE("GET /%zz HTTP/1.1"), "400!"),
        DIALOG("half an escape", LINE("GET /%4 HTTP/1.1"), "400!"),
        DIALOG("a percent sign alone", LINE("GET /% HTTP/1.1"), "400!"),
        DIALOG("an escape of an escape, cut", LINE("GET /%%34 HTTP/1.1"), "400!"),
        DIALOG("a bad escape in the query", LINE("GET /dummy?%xy HTTP/1.1"), "400!"),
        DIALOG("an escaped NUL", LINE("GET /dummy%00 HTTP/1.1"), "400!"),
        DIALOG("an escaped NUL in the query", LINE("GET /dummy?a=%00 HTTP/1.1"), "400!"),
        /* Served as they are, dot segments would say one path to a proxy's rules and another to ours. */
        DIALOG("..", LINE("GET /x/../dummy HTTP/1.1"), "400!"),
        DIALOG("escaped ..", LINE("GET /x/%2e%2E/dummy HTTP/1.1"), "400!"),
        DIALOG(".. behind an escaped slash", LINE("GET /x%2f../dummy HTTP/1.1"), "400!"),
        DIALOG(".", LINE("GET /./dummy HTTP/1.1"), "400!"),
        DIALOG("three dots", LINE("GET /.../dummy HTTP/1.1"), "404"),
        DIALOG(".. in the query", LINE("GET /dummy?/../ HTTP/1.1"), "200"),
        DIALOG("DEL", LINE("GET /\x7f HTTP/1.1"), "400!"),
        DIALOG("an 8-bit byte", LINE("GET /\xe9 HTTP/1.1"), "400!"),
        DIALOG("a control byte", LINE("GET /\x01 HTTP/1.1"), "400!"),
    };

    DIALOGS_HOLD(&server, rows);
}

/* RFC 9112, section 3.2, and RFC 9110, section 7.2: exactly one that is valid; HTTP/1.0 needs none. The grammar allows
 * an empty one, for a target that has no host; an http target always has one (RFC 9110, section 4.2.1). */
Test(conformance_head, a_request_names_exactly_one_host)
{
    static const struct dialog rows[] = {
        DIALOG("a name", GET_WITH("Host: example.org\r\n"), "200"),
        DIALOG("a name with a dot at its end", GET_WITH("Host: example.org.\r\n"), "200"),
        DIALOG("a name with a port", GET_WITH("Host: example.org:8080\r\n"), "200"),
        DIALOG("a name with an empty port", GET_WITH("Host: h:\r\n"), "200"),
        DIALOG("an IPv4 address", GET_WITH("Host: 127.0.0.1:80\r\n"), "200"),
        DIALOG("an IPv6 address", GET_WITH("Host: [2001:db8::1]\r\n"), "200"),
        DIALOG("an IPv6 address with a port", GET_WITH("Host: [::1]:80\r\n"), "200"),
        DIALOG("a name with an underscore", GET_WITH("Host: a_b\r\n"), "200"),
        DIALOG("no white space before it", GET_WITH("Host:h\r\n"), "200"),
        DIALOG("much white space around it", GET_WITH("Host: \t h \t \r\n"), "200"),
        DIALOG("in capitals", GET_WITH("HOST: H\r\n"), "200"),
        DIALOG("not the first field", GET_WITH("A: b\r\nhOsT: h\r\n"), "200"),
        DIALOG("none", GET_WITH(""), "400!"),
        DIALOG("none, but a longer name", GET_WITH("Hosts: h\r\nX-Host: h\r\n"), "400!"),
        DIALOG("none in HTTP/1.0", "GET /dummy HTTP/1.0\r\n\r\n", "200!"),
        DIALOG("two", GET_WITH("Host: a\r\nHost: b\r\n"), "400!"),
        DIALOG("two that are equal", GET_WITH("Host: h\r\nHost: h\r\n"), "400!"),
        DIALOG("two in HTTP/1.0", "GET /dummy HTTP/1.0\r\n" HOST HOST "\r\n", "400!"),
        DIALOG("two, far apart", GET_WITH("Host: a\r\nX: y\r\nZ: z\r\nhost: a\r\n"), "400!"),
        DIALOG("an empty one", GET_WITH("Host:\r\n"), "400!"),
        DIALOG("white space", GET_WITH("Host: \t\r\n"), "400!"),
        DIALOG("an empty one and another", GET_WITH("Host:\r\nHost: h\r\n"), "400!"),
        DIALOG("a port alone", GET_WITH("Host: :80\r\n"), "400!"),
        DIALOG("a port that is no number", GET_WITH("Host: h:8o\r\n"), "400!"),
        DIALOG("a port with a sign", GET_WITH("Host: h:-1\r\n"), "400!"),
        DIALOG("a port over 65535", GET_WITH("Host: h:65536\r\n"), "400!"),
        DIALOG("two ports", GET_WITH("Host: h:80:81\r\n"), "400!"),
        DIALOG("user information", GET_WITH("Host: u@h\r\n"), "400!"),
        DIALOG("a path", GET_WITH("Host: h/x\r\n"), "400!"),
        DIALOG("a query", GET_WITH("Host: h?x\r\n"), "400!"),
        DIALOG("a fragment", GET_WITH("Host: h#x\r\n"), "400!"),
        DIALOG("a URL", GET_WITH("Host: http://h\r\n"), "400!"),
        DIALOG("a SP in it", GET_WITH("Host: a b\r\n"), "400!"),
        DIALOG("a HTAB in it", GET_WITH("Host: a\tb\r\n"), "400!"),
        DIALOG("a list", GET_WITH("Host: a, b\r\n"), "400!"),
        DIALOG("a backslash", GET_WITH("Host: a\\b\r\n"), "400!"),
        DIALOG("an 8-bit name", GET_WITH("Host: \xc3\xa9\r\n"), "400!"),
        DIALOG("a bad escape", GET_WITH("Host: a%zz\r\n"), "400!"),
        DIALOG("IPv6 without brackets", GET_WITH("Host: ::1\r\n"), "400!"),
        DIALOG("an open bracket", GET_WITH("Host: [::1\r\n"), "400!"),
        DIALOG("a word behind a bracket", GET_WITH("Host: [::1]x\r\n"), "400!"),
        DIALOG("brackets around a name", GET_WITH("Host: [h]\r\n"), "400!"),
        DIALOG("empty brackets", GET_WITH("Host: []\r\n"), "400!"),
        DIALOG("SP before the colon", GET_WITH("Host : h\r\n"), "400!"),
        DIALOG("folded", GET_WITH("Host:\r\n h\r\n"), "400!"),
    };

    DIALOGS_HOLD(&server, rows);
}

/* RFC 9112, sections 2.2, 5.1 and 5.2, and RFC 9110, section 5.5. A recipient may take a bare LF for a line's end, and
 * replace a bare CR or obs-fold by SP; each of these has been used to smuggle requests, so none is done. */
Test(conformance_head, a_field_line_has_one_shape)
{
    static const struct dialog rows[] = {
        DIALOG("an empty value", FIELD("A:"), "200"),
        DIALOG("a value of white space", FIELD("A: \t "), "200"),
        DIALOG("a value with HTAB and SP", FIELD("A: b\tc  d"), "200"),
        DIALOG("a value with colons and quotes", FIELD("A: \"b:c\":d"), "200"),
        DIALOG("an 8-bit value", FIELD("A: \x80\xff\xc3\xa9"), "200"),
        DIALOG("every mark in a name", FIELD("!#$%&'*+-.^_`|~09az: b"), "200"),
        DIALOG("a name twice", FIELD("A: b\r\na: c"), "200"),
        DIALOG("a bare LF behind the request line", "GET /dummy HTTP/1.1\n" HOST "\r\n", "400!"),
        DIALOG("a bare LF behind a field", "GET /dummy HTTP/1.1\r\nHost: h\n\r\n", "400!"),
        DIALOG("a bare LF for the empty line", "GET /dummy HTTP/1.1\r\nHost: h\r\n\n", "400!"),
        DIALOG("bare LFs only", "GET /dummy HTTP/1.1\nHost: h\n\n", "400!"),
        DIALOG("a bare LF in a value", FIELD("A: b\nC: d"), "400!"),
        DIALOG("a bare LF in a name", FIELD("A\nB: c"), "400!"),
        DIALOG("a bare LF behind a colon", FIELD("A:\nTransfer-Encoding: chunked"), "400!"),
        DIALOG("a bare CR in a value", FIELD("A: b\rc"), "400!"),
        DIALOG("a bare CR behind a colon", FIELD("A:\rTransfer-Encoding: chunked"), "400!"),
        DIALOG("a bare CR in a name", FIELD("A\rB: c"), "400!"),
        DIALOG("a bare CR before a name", FIELD("\rA: b"), "400!"),
        DIALOG("two CR behind a value", FIELD("A: b\r"), "400!"),
        DIALOG("two CR for the empty line", "GET /dummy HTTP/1.1\r\n" HOST "\r\r\n", "400!"),
        DIALOG("a bare CR for the empty line", "GET /dummy HTTP/1.1\r\n" HOST "\rX", "400!"),
        DIALOG("a bare CR behind the request line", "GET /dummy HTTP/1.1\r" HOST "\r\n", "400!"),
        DIALOG("folded with SP", FIELD("A: b\r\n c"), "400!"),
        DIALOG("folded with HTAB", FIELD("A: b\r\n\tc"), "400!"),
        DIALOG("folded to nothing", FIELD("A: b\r\n "), "400!"),
        DIALOG("folded before the first field", "GET /dummy HTTP/1.1\r\n " HOST "\r\n", "400!"),
        DIALOG("SP before the colon", FIELD("A : b"), "400!"),
        DIALOG("HTAB before the colon", FIELD("A\t: b"), "400!"),
        DIALOG("SP in a name", FIELD("A B: c"), "400!"),
        DIALOG("no colon", FIELD("A"), "400!"),
        DIALOG("no name", FIELD(": b"), "400!"),
        DIALOG("a colon alone", FIELD(":"), "400!"),
        DIALOG("a name in quotes", FIELD("\"A\": b"), "400!"),
        DIALOG("a name with a slash", FIELD("A/B: c"), "400!"),
        DIALOG("a name with brackets", FIELD("A[]: c"), "400!"),
        DIALOG("an 8-bit name", FIELD("\xc3\x84: b"), "400!"),
        DIALOG("a NUL in a name", FIELD("A\0B: c"), "400!"),
        DIALOG("a NUL in a value", FIELD("A: b\0c"), "400!"),
        DIALOG("a NUL as a value", FIELD("A: \0"), "400!"),
        DIALOG("DEL in a name", FIELD("A\x7f: b"), "400!"),
        DIALOG("DEL in a value", FIELD("A: \x7f"), "400!"),
        DIALOG("ESC in a value", FIELD("A: \x1b[0m"), "400!"),
        DIALOG("BEL in a value", FIELD("A: \a"), "400!"),
        DIALOG("VT in a value", FIELD("A: b\vc"), "400!"),
        DIALOG("FF in a value", FIELD("A: b\fc"), "400!"),
    };

    DIALOGS_HOLD(&server, rows);
}

/* ---- limits, met exactly ---- */

enum {
    REQUEST_LINE_MAX = 8 * 1024,
    HEAD_MAX = 32 * 1024,
    FIELDS_MAX = 100,
    ROOM_IN_LINE = REQUEST_LINE_MAX - (sizeof("GET / HTTP/1.1") - 1),
    ROOM_IN_HEAD = HEAD_MAX - (sizeof(GET_WITH(HOST "A:\r\n")) - 1),
};

/* RFC 9112, section 3: 414 for a target that is too long, 501 for a method longer than any that is known. RFC 6585,
 * section 5: 431. */
Test(conformance_head, a_request_line_and_a_head_have_limits)
{
    dialog_holds_filled(&server, "a line as long as allowed", "GET /", 'x', ROOM_IN_LINE, " HTTP/1.1\r\n" HOST "\r\n",
                        "404");
    dialog_holds_filled(&server, "a line of one more", "GET /", 'x', ROOM_IN_LINE + 1, " HTTP/1.1\r\n" HOST "\r\n",
                        "414!");
    dialog_holds_filled(&server, "a query of one more", "GET /?", 'x', ROOM_IN_LINE, " HTTP/1.1\r\n" HOST "\r\n",
                        "414!");
    dialog_holds_filled(&server, "a target without an end", "GET /", 'x', 2 * REQUEST_LINE_MAX, "", "414!");
    dialog_holds_filled(&server, "a target without an end, of HEAD", "HEAD /", 'x', 2 * REQUEST_LINE_MAX, "", "h414!");
    dialog_holds_filled(&server, "a method without an end", "", 'X', 2 * REQUEST_LINE_MAX, "", "501!");
    dialog_holds_filled(&server, "a head as large as allowed", "GET /dummy HTTP/1.1\r\n" HOST "A:", 'x', ROOM_IN_HEAD,
                        "\r\n\r\n", "200");
    dialog_holds_filled(&server, "a head of one more", "GET /dummy HTTP/1.1\r\n" HOST "A:", 'x', ROOM_IN_HEAD + 1,
                        "\r\n\r\n", "431!");
    dialog_holds_filled(&server, "a value without an end", "GET /dummy HTTP/1.1\r\n" HOST "A:", 'x', HEAD_MAX, "",
                        "431!");
    dialog_holds_filled(&server, "a name without an end", "GET /dummy HTTP/1.1\r\n" HOST, 'x', HEAD_MAX, "", "431!");
}

Test(conformance_head, so_many_fields_are_taken_and_no_more)
{
    char bytes[FIELDS_MAX * 8];
    size_t len = (size_t)sprintf(bytes, "GET /dummy HTTP/1.1\r\n" HOST);

    for (int i = 1; i < FIELDS_MAX; i++)
        len += (size_t)sprintf(bytes + len, "a: b\r\n");

    memcpy(bytes + len, "\r\n", 3);
    dialog_holds_for(&server, "as many as allowed", bytes, len + 2, "200");
    memcpy(bytes + len, "a: b\r\n\r\n", 9);
    dialog_holds_for(&server, "one more", bytes, len + 8, "431!");
}
