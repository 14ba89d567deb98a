/* Puts the scan, llhttp and the rules between fields together.
 *
 * Happy path: the scan finds the end of the head; llhttp then runs over all of it once, its spans become the fields,
 * and it is paused there; head.c checks what they mean. A body with a Content-Length goes to the sink by a count, past
 * llhttp: the count is all there is to it. Of a chunked body llhttp gets what the scan has passed, without extensions,
 * and both must agree on where lines and the body end.
 * Failures: refuse() keeps the status and the reason; nothing needs to be undone.
 * Close: nothing is owned.
 */
#include "parser.h"

#include "head.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static enum parser_result feed_head(struct parser *parser, char *bytes, size_t len, size_t *ret_used);
static enum parser_result begin_body(struct parser *parser);
static enum parser_result feed_body(struct parser *parser, const char *bytes, size_t len, size_t *ret_used);
static bool give_body(struct parser *parser, const char *bytes, size_t len);
static enum parser_result feed_chunks(struct parser *parser, const char *bytes, size_t len, size_t *ret_used);
static bool feed_data(struct parser *parser, const char *bytes, size_t len, size_t *ret_used);
static bool feed_overhead(struct parser *parser, const char *bytes, size_t len, size_t *ret_used);
static bool decode(struct parser *parser, const char *bytes, size_t len);

static bool read_head(struct parser *parser, char *head);
static void blank_line_ends(char *head, size_t len);
static bool run_llhttp(struct parser *parser, const char *head);

static int on_field(llhttp_t *llhttp, const char *at, size_t len);
static int on_value(llhttp_t *llhttp, const char *at, size_t len);
static int on_head(llhttp_t *llhttp);
static int on_trailer(llhttp_t *llhttp, const char *at, size_t len);
static int on_trailer_complete(llhttp_t *llhttp);
static int on_chunk(llhttp_t *llhttp);
static int on_data(llhttp_t *llhttp, const char *at, size_t len);
static int on_end(llhttp_t *llhttp);

static void refuse_body(struct parser *parser);
__attribute__((cold)) static bool refuse(struct parser *parser, int status, const char *reason);

void parser_init(struct parser *parser, struct message *message, int (*on_body)(void *, const char *, size_t),
                 void *arg)
{
    parser->message = message;
    parser->on_body = on_body;
    parser->arg = arg;
    parser->body_max = 0;
    parser->status = 0;
    parser->reason = NULL;
    parser->stage = PARSER_IN_HEAD;
    parser->has_head = false;
    parser->is_for_head = false;
    scan_init(&parser->scan);
    /* llhttp and what belongs to a body are set when they are needed. */
}

enum parser_result parser_feed(struct parser *parser, char *bytes, size_t len, size_t *ret_used)
{
    enum parser_result result = PARSER_MORE;

    *ret_used = 0;
    if (parser->stage == PARSER_IN_HEAD)
        return feed_head(parser, bytes, len, ret_used);
    if (parser->stage == PARSER_AT_BODY)
        result = begin_body(parser);
    if (result != PARSER_MORE)
        return result;
    if (parser->stage == PARSER_IN_BODY)
        return feed_body(parser, bytes, len, ret_used);
    assert(parser->stage == PARSER_IN_CHUNKS);
    return feed_chunks(parser, bytes, len, ret_used);
}

bool parser_has_head(const struct parser *parser)
{
    return parser->has_head;
}

bool parser_is_for_head(const struct parser *parser)
{
    return parser->is_for_head;
}

bool parser_has_body_begun(const struct parser *parser)
{
    if (parser->stage == PARSER_IN_CHUNKS)
        return parser->scan.overhead > 0;
    return parser->stage == PARSER_IN_BODY && parser->body_left < parser->message->content_length;
}

bool parser_is_between(const struct parser *parser)
{
    return parser->stage == PARSER_IN_HEAD && parser->scan.at == 0;
}

/* ---- the head ---- */

static enum parser_result feed_head(struct parser *parser, char *bytes, size_t len, size_t *ret_used)
{
    static const char head[] = "HEAD";
    struct scan *scan = &parser->scan;
    enum scan_result result;

    result = scan_head(scan, bytes, len, ret_used);
    parser->is_for_head =
        scan->method_len == sizeof(head) - 1 && memcmp(bytes + *ret_used, head, sizeof(head) - 1) == 0;
    if (result == SCAN_MORE)
        return PARSER_MORE;
    if (result == SCAN_BAD) {
        refuse(parser, scan->status, scan->reason);
        return PARSER_FAILED;
    }
    if (!read_head(parser, bytes + *ret_used))
        return PARSER_FAILED;
    *ret_used += scan->at;
    parser->has_head = true;
    parser->stage = PARSER_AT_BODY;
    return PARSER_HEAD;
}

static bool read_head(struct parser *parser, char *head)
{
    const struct scan *scan = &parser->scan;
    struct message *message = parser->message;
    struct head_refusal refusal;

    message->head = head;
    message->head_len = (unsigned)scan->at;
    message->n_fields = 0;
    /* Before llhttp, whose list of methods is longer in one place and shorter in another. */
    if (!head_read_method(message, scan->method_len, &refusal))
        return refuse(parser, refusal.status, refusal.reason);
    blank_line_ends(head, scan->at);
    if (!run_llhttp(parser, head))
        return false;
    if (!head_read(message, head, scan->method_len, scan->target_len, &refusal))
        return refuse(parser, refusal.status, refusal.reason);
    if (message->chunked && !(parser->llhttp.flags & F_CHUNKED))
        return refuse(parser, 400, "an ambiguous Transfer-Encoding");
    return true;
}

/* White space around a value is no part of it (RFC 9112, section 5.1), but behind a Content-Length or a
 * Transfer-Encoding llhttp takes only SP for it: HTAB in front of a CR becomes SP. */
static void blank_line_ends(char *head, size_t len)
{
    char *end = head + len;
    char *p = head;

    while ((p = memchr(p, '\t', (size_t)(end - p))) != NULL) {
        char *begin = p;

        while (*p == '\t' || *p == ' ')
            p++;
        if (*p == '\r')
            memset(begin, ' ', (size_t)(p - begin));
    }
}

static bool run_llhttp(struct parser *parser, const char *head)
{
    static const llhttp_settings_t settings = {
        .on_header_field = on_field,
        .on_header_value = on_value,
        .on_headers_complete = on_head,
    };
    struct message *message = parser->message;
    llhttp_t *llhttp = &parser->llhttp;
    llhttp_errno_t err;

    llhttp_init(llhttp, HTTP_REQUEST, &settings);
    llhttp->data = parser;
    err = llhttp_execute(llhttp, head, message->head_len);
    if (err != HPE_OK && err != HPE_PAUSED)
        return refuse(parser, 400, llhttp_get_error_reason(llhttp));
    if (err != HPE_PAUSED || llhttp_get_error_pos(llhttp) != head + message->head_len ||
        message->n_fields != parser->scan.n_fields)
        return refuse(parser, 400, "an ambiguous head");
    message->minor = llhttp_get_http_minor(llhttp);
    return true;
}

/* ---- the body ---- */

static enum parser_result begin_body(struct parser *parser)
{
    /* llhttp does not write to it, but says so in llhttp_init() alone. */
    static llhttp_settings_t settings = {
        .on_header_field = on_trailer,
        .on_header_field_complete = on_trailer_complete,
        .on_chunk_header = on_chunk,
        .on_body = on_data,
        .on_message_complete = on_end,
    };
    const struct message *message = parser->message;

    if (message->content_length > parser->body_max) {
        refuse_body(parser);
        return PARSER_FAILED;
    }
    parser->body_left = message->content_length;
    if (message->chunked) {
        parser->body_total = 0;
        parser->trailer_len = 0;
        scan_chunks(&parser->scan);
        parser->llhttp.settings = &settings;
        llhttp_resume(&parser->llhttp);
        parser->stage = PARSER_IN_CHUNKS;
        return PARSER_MORE;
    }
    parser->stage = parser->body_left > 0 ? PARSER_IN_BODY : PARSER_OVER;
    return parser->body_left > 0 ? PARSER_MORE : PARSER_DONE;
}

static enum parser_result feed_body(struct parser *parser, const char *bytes, size_t len, size_t *ret_used)
{
    size_t n = len < parser->body_left ? len : (size_t)parser->body_left;

    if (!give_body(parser, bytes, n))
        return PARSER_FAILED;
    parser->body_left -= n;
    *ret_used = n;
    if (parser->body_left > 0)
        return PARSER_MORE;
    parser->stage = PARSER_OVER;
    return PARSER_DONE;
}

static bool give_body(struct parser *parser, const char *bytes, size_t len)
{
    if (len > 0 && parser->on_body(parser->arg, bytes, len) < 0)
        return refuse(parser, 503, "no memory for the body");
    return true;
}

static enum parser_result feed_chunks(struct parser *parser, const char *bytes, size_t len, size_t *ret_used)
{
    size_t at = 0;

    while (at < len && parser->stage == PARSER_IN_CHUNKS) {
        size_t n = 0;
        bool is_right = parser->body_left > 0 ? feed_data(parser, bytes + at, len - at, &n)
                                              : feed_overhead(parser, bytes + at, len - at, &n);

        if (!is_right)
            return PARSER_FAILED;
        at += n;
    }
    *ret_used = at;
    return parser->stage == PARSER_OVER ? PARSER_DONE : PARSER_MORE;
}

static bool feed_data(struct parser *parser, const char *bytes, size_t len, size_t *ret_used)
{
    size_t n = len < parser->body_left ? len : (size_t)parser->body_left;

    if (!decode(parser, bytes, n))
        return false;
    parser->body_left -= n;
    *ret_used = n;
    return true;
}

static bool feed_overhead(struct parser *parser, const char *bytes, size_t len, size_t *ret_used)
{
    struct scan *scan = &parser->scan;
    enum scan_result result;
    bool is_extension;

    result = scan_overhead(scan, bytes, len, ret_used, &is_extension);
    parser->decoded = SCAN_MORE;
    /* Also in front of a byte that is wrong: what llhttp refuses there came first. */
    if (!is_extension && !decode(parser, bytes, *ret_used))
        return false;
    if (result == SCAN_BAD)
        return refuse(parser, scan->status, scan->reason);
    if (result != parser->decoded)
        return refuse(parser, 400, "an ambiguous chunked body");
    if (result == SCAN_SIZE)
        scan_data(scan, parser->body_left);
    else if (result == SCAN_END)
        parser->stage = PARSER_OVER;
    return true;
}

/* A callback that refused has said why; otherwise it is llhttp's own verdict. */
static bool decode(struct parser *parser, const char *bytes, size_t len)
{
    if (llhttp_execute(&parser->llhttp, bytes, len) == HPE_OK)
        return true;
    if (parser->stage != PARSER_OVER)
        refuse(parser, 400, llhttp_get_error_reason(&parser->llhttp));
    return false;
}

/* ---- llhttp's callbacks for a head, which comes in one piece ---- */

static int on_field(llhttp_t *llhttp, const char *at, size_t len)
{
    struct parser *parser = llhttp->data;
    struct message *message = parser->message;

    if (message->n_fields == FIELDS_MAX)
        return -1;
    /* Until there is a value it is the empty string at the name's end. */
    message->fields[message->n_fields++] =
        (struct field){.name = at, .name_len = (unsigned)len, .value = at + len, .value_len = 0};
    return 0;
}

static int on_value(llhttp_t *llhttp, const char *at, size_t len)
{
    struct parser *parser = llhttp->data;
    struct message *message = parser->message;
    struct field *field;

    assert(message->n_fields > 0);
    while (len > 0 && (at[len - 1] == ' ' || at[len - 1] == '\t'))
        len--;
    if (len == 0)
        return 0; /* llhttp's place for an empty value is the line behind it; on_field() has a better one */
    field = &message->fields[message->n_fields - 1];
    field->value = at;
    field->value_len = (unsigned)len;
    return 0;
}

/* Stops behind the head, so that the rules between fields are checked before llhttp goes on. upgrade is cleared, or it
 * would stop for good at the end of a request with Upgrade, which we ignore, and what is pipelined behind it would be
 * lost. */
static int on_head(llhttp_t *llhttp)
{
    llhttp->upgrade = 0;
    return HPE_PAUSED;
}

/* ---- for a chunked body ---- */

/* A piece of a trailer's name. */
static int on_trailer(llhttp_t *llhttp, const char *at, size_t len)
{
    struct parser *parser = llhttp->data;
    size_t room = sizeof(parser->trailer) - parser->trailer_len;
    size_t n = len < room ? len : room;

    memcpy(parser->trailer + parser->trailer_len, at, n);
    parser->trailer_len += n;
    return 0;
}

static int on_trailer_complete(llhttp_t *llhttp)
{
    struct parser *parser = llhttp->data;

    if (head_owns_field(parser->trailer, parser->trailer_len)) {
        refuse(parser, 400, "a field that is not allowed in trailers");
        return -1;
    }
    parser->trailer_len = 0;
    return 0;
}

static int on_chunk(llhttp_t *llhttp)
{
    struct parser *parser = llhttp->data;
    uint64_t size = llhttp->content_length;

    if (size > parser->body_max || parser->body_total > parser->body_max - size) {
        refuse_body(parser);
        return -1;
    }
    parser->body_total += size;
    parser->body_left = size;
    parser->decoded = SCAN_SIZE;
    return 0;
}

static int on_data(llhttp_t *llhttp, const char *at, size_t len)
{
    struct parser *parser = llhttp->data;

    return give_body(parser, at, len) ? 0 : -1;
}

static int on_end(llhttp_t *llhttp)
{
    struct parser *parser = llhttp->data;

    parser->decoded = SCAN_END;
    return 0;
}

static void refuse_body(struct parser *parser)
{
    (void)snprintf(parser->over, sizeof(parser->over), "the body is over the limit of %" PRIu64 " bytes",
                   parser->body_max);
    refuse(parser, 413, parser->over);
}

/* Always false, for the caller to return. */
static bool refuse(struct parser *parser, int status, const char *reason)
{
    parser->stage = PARSER_OVER;
    parser->status = status;
    parser->reason = reason;
    return false;
}
