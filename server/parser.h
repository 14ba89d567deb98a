/* Bytes in, one request out: a strict scan for what llhttp lets pass, then llhttp, then the rules between fields.
 *
 * Happy path: parser_init() for each request; parser_feed() until PARSER_HEAD; look at the head, set body_max; feed on
 * until PARSER_DONE. Body bytes go to the sink as they come.
 * Failures: PARSER_FAILED with the status to answer and a reason that names what was wrong; the connection must close
 * after it.
 * Close: there is nothing to close.
 *
 * The result never depends on how the bytes were cut.
 */
#ifndef SERVER_PARSER_H
#define SERVER_PARSER_H

#include "message.h"
#include "scan.h"

#include <llhttp.h>

enum parser_result {
    PARSER_MORE,   /* all taken that could be taken; give more */
    PARSER_HEAD,   /* the head is in *message */
    PARSER_DONE,   /* the request is complete; bytes behind ret_used belong to the next one */
    PARSER_FAILED, /* see status and reason */
};

/* One byte more than the longest name that must not be in a trailer, so that a longer one is not taken for it. */
enum { PARSER_TRAILER_MAX = sizeof("transfer-encoding") };

struct parser {
    struct message *message; /* the caller's; filled */
    /* Takes decoded body bytes; a negative errno fails the request with 503. */
    int (*on_body)(void *arg, const char *bytes, size_t len);
    void *arg;
    uint64_t body_max;  /* bytes; more is a 413. 0 at first; set it at PARSER_HEAD at the latest */
    int status;         /* when PARSER_FAILED: 400, 413, 414, 417, 431, 501, 503 or 505 */
    const char *reason; /* likewise: a text for people, static or the parser's own */

    /* The parser's own. */
    enum parser_stage {
        PARSER_IN_HEAD,
        PARSER_AT_BODY, /* PARSER_HEAD was answered, the body not begun */
        PARSER_IN_BODY,
        PARSER_IN_CHUNKS,
        PARSER_OVER,
    } stage;
    bool has_head;
    bool is_for_head;
    struct scan scan;
    llhttp_t llhttp;
    enum scan_result decoded;         /* what llhttp saw in the bytes it was given last */
    uint64_t body_left;               /* bytes of the body, or of the chunk, to come */
    uint64_t body_total;              /* of a chunked body, so far */
    char trailer[PARSER_TRAILER_MAX]; /* a name, or as much of it as fits */
    size_t trailer_len;
    char over[sizeof("the body is over the limit of 18446744073709551615 bytes")];
};

void parser_init(struct parser *parser, struct message *message, int (*on_body)(void *, const char *, size_t),
                 void *arg);

/* Parses bytes[0 .. len). Until PARSER_HEAD a head that is not complete is not taken: *ret_used counts only empty lines
 * before it, and the caller gives the same bytes again, with more behind them (they may have moved; nothing is scanned
 * again and again). Writes NULs into the bytes of a complete head. At PARSER_HEAD *ret_used is the head's end.
 *
 * The call after PARSER_HEAD may have no bytes: it answers PARSER_DONE when there is no body, PARSER_FAILED when the
 * body is announced to be longer than body_max, else PARSER_MORE. Not to be called again after PARSER_DONE or
 * PARSER_FAILED. */
enum parser_result parser_feed(struct parser *parser, char *bytes, size_t len, size_t *ret_used);

/* The message is filled: after PARSER_HEAD, whatever came later. */
bool parser_has_head(const struct parser *parser);

/* The method is HEAD, whatever came behind it: no answer to it has a body, a refusal neither. */
bool parser_is_for_head(const struct parser *parser);

/* After PARSER_HEAD: something of the body was received, if only of a chunk line. */
bool parser_has_body_begun(const struct parser *parser);

/* Nothing of a request was received, but maybe empty lines: the peer may end here without a loss. */
bool parser_is_between(const struct parser *parser);

#endif
