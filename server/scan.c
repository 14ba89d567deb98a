/* The strict scan: see scan.h.
 *
 * Happy path: runs of common bytes are skipped by a table of byte classes; a state says what the next byte may be.
 * Failures: bad() keeps the first one.
 * Close: there is nothing to close.
 */
#include "scan.h"

#include "bytes.h"
#include "message.h"

#include <assert.h>
#include <string.h>

enum state {
    BAD,
    METHOD,
    TARGET,
    VERSION,
    /* Field lines, of the head and of trailers. */
    LINE,
    NAME,
    VALUE,
    VALUE_LF,
    LAST_LF,
    /* Chunk lines, and the CRLF behind data: the rows of chunk_moves. */
    SIZE_BEGIN,
    SIZE,
    EXTENSION, /* white space; ';' must come */
    EXTENSION_NAME_BEGIN,
    EXTENSION_NAME,
    EXTENSION_NAME_END, /* white space; '=' or ';' must come */
    EXTENSION_VALUE_BEGIN,
    EXTENSION_TOKEN,
    EXTENSION_QUOTED,
    EXTENSION_ESCAPED,
    EXTENSION_QUOTED_END,
    SIZE_LF,
    SIZE_OVER,
    DATA_CR,
    DATA_LF,
    OVER,
};

/* Where a target must have ended, so that the version still fits into the request line. */
enum { TARGET_END_MAX = REQUEST_LINE_MAX - (sizeof(" HTTP/1.1") - 1) };

/* What a byte is to a chunk line. */
enum chunk_kind { OTHER, DIGIT, TOKEN, BLANK, SEMICOLON, EQUALS, QUOTE, BACKSLASH, PLAIN, CR, LF, CHUNK_KINDS };

/* The next state by state and byte; what is not here is BAD.
 *
 * chunk-size [ chunk-ext ] CRLF with chunk-ext = *( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] )
 * (RFC 9112, section 7.1.1); a DIGIT is hexadecimal, and a TOKEN's byte too. */
#define ROW(state) [(state)-SIZE_BEGIN]
#define WORD(next) [DIGIT] = (next), [TOKEN] = (next)
#define AFTER_EXTENSION [SEMICOLON] = EXTENSION_NAME_BEGIN, [CR] = SIZE_LF
#define QUOTABLE(next) WORD(next), [BLANK] = (next), [SEMICOLON] = (next), [EQUALS] = (next), [PLAIN] = (next)
static const unsigned char chunk_moves[][CHUNK_KINDS] = {
    ROW(SIZE_BEGIN) = {[DIGIT] = SIZE},
    ROW(SIZE) = {[DIGIT] = SIZE, [BLANK] = EXTENSION, AFTER_EXTENSION},
    ROW(EXTENSION) = {[BLANK] = EXTENSION, [SEMICOLON] = EXTENSION_NAME_BEGIN},
    ROW(EXTENSION_NAME_BEGIN) = {[BLANK] = EXTENSION_NAME_BEGIN, WORD(EXTENSION_NAME)},
    ROW(EXTENSION_NAME) = {WORD(EXTENSION_NAME), [BLANK] = EXTENSION_NAME_END, [EQUALS] = EXTENSION_VALUE_BEGIN,
                           AFTER_EXTENSION},
    ROW(EXTENSION_NAME_END) =
        {[BLANK] = EXTENSION_NAME_END, [EQUALS] = EXTENSION_VALUE_BEGIN, [SEMICOLON] = EXTENSION_NAME_BEGIN},
    ROW(EXTENSION_VALUE_BEGIN) = {[BLANK] = EXTENSION_VALUE_BEGIN, WORD(EXTENSION_TOKEN), [QUOTE] = EXTENSION_QUOTED},
    ROW(EXTENSION_TOKEN) = {WORD(EXTENSION_TOKEN), [BLANK] = EXTENSION, AFTER_EXTENSION},
    ROW(EXTENSION_QUOTED) =
        {QUOTABLE(EXTENSION_QUOTED), [QUOTE] = EXTENSION_QUOTED_END, [BACKSLASH] = EXTENSION_ESCAPED},
    ROW(EXTENSION_ESCAPED) = {QUOTABLE(EXTENSION_QUOTED), [QUOTE] = EXTENSION_QUOTED, [BACKSLASH] = EXTENSION_QUOTED},
    ROW(EXTENSION_QUOTED_END) = {[BLANK] = EXTENSION, AFTER_EXTENSION},
    ROW(SIZE_LF) = {[LF] = SIZE_OVER},
    ROW(DATA_CR) = {[CR] = DATA_LF},
    ROW(DATA_LF) = {[LF] = SIZE_BEGIN},
};

static enum scan_result skip_empty_lines(struct scan *scan, const char *bytes, size_t len, size_t *ret_skipped);
static enum scan_result scan_lines(struct scan *scan, const char *bytes, size_t len);
static const char *scan_word(struct scan *scan, const char *bytes, const char *p, const char *end);
static const char *scan_version(struct scan *scan, const char *bytes, const char *p, const char *end);
static enum scan_result bad_version(struct scan *scan, size_t at, const char *p, const char *end);
static const char *scan_fields(struct scan *scan, const char *p, const char *end);
static const char *skip_whole_fields(struct scan *scan, const char *p, const char *end);
static void begin_field(struct scan *scan, char c);
static void end_name(struct scan *scan, char c);
static void end_value(struct scan *scan, char c);
static void end_line(struct scan *scan, char c);
static size_t scan_chunk_line(struct scan *scan, const char *bytes, size_t len, bool *ret_extension);
static void move_in_chunk_line(struct scan *scan, unsigned char next);
static enum chunk_kind chunk_kind(char c);
__attribute__((cold)) static enum scan_result bad(struct scan *scan, int status, const char *reason);
__attribute__((cold)) static enum scan_result bad_byte(struct scan *scan, char c, const char *reason);

void scan_init(struct scan *scan)
{
    *scan = (struct scan){.state = METHOD};
}

enum scan_result scan_head(struct scan *scan, const char *bytes, size_t len, size_t *ret_skipped)
{
    enum scan_result result = SCAN_END;

    *ret_skipped = 0;
    if (scan->at == 0)
        result = skip_empty_lines(scan, bytes, len, ret_skipped);
    if (result != SCAN_END)
        return result;
    return scan_lines(scan, bytes + *ret_skipped, len - *ret_skipped);
}

/* SCAN_END: the request line begins behind them. */
static enum scan_result skip_empty_lines(struct scan *scan, const char *bytes, size_t len, size_t *ret_skipped)
{
    for (; len > 0 && *bytes == '\r'; bytes += 2, len -= 2) {
        if (scan->n_empty_lines == EMPTY_LINES_MAX)
            return bad(scan, 400, "too many empty lines before the request line");
        if (len == 1)
            return SCAN_MORE;
        if (bytes[1] != '\n')
            return bad(scan, 400, "bare CR");
        scan->n_empty_lines++;
        *ret_skipped += 2;
    }
    return len > 0 ? SCAN_END : SCAN_MORE;
}

static enum scan_result scan_lines(struct scan *scan, const char *bytes, size_t len)
{
    const char *p = bytes + scan->at;
    const char *end = bytes + (len < HEAD_MAX ? len : HEAD_MAX);

    if (scan->state == METHOD && p < end)
        p = scan_word(scan, bytes, p, end);
    if (scan->state == TARGET && p < end)
        p = scan_word(scan, bytes, p, end);
    if (scan->state == VERSION)
        p = scan_version(scan, bytes, p, end);
    if (scan->state >= LINE)
        p = scan_fields(scan, p, end);
    scan->at = (size_t)(p - bytes);
    if (scan->state == BAD)
        return SCAN_BAD;
    if (scan->state == OVER)
        return SCAN_END;
    if (scan->at == HEAD_MAX)
        return bad(scan, 431, "the head is too large");
    return SCAN_MORE;
}

/* The method or the target, and the one SP behind it. */
static const char *scan_word(struct scan *scan, const char *bytes, const char *p, const char *end)
{
    static const char no_method[] = "the request line does not begin with a method";
    static const char tls[] = "this looks like TLS, and plain HTTP is spoken here";
    static const char no_version[] = "not one target and a version";
    static const char raw[] = "a byte in the target that has to be percent-encoded";
    bool is_method = scan->state == METHOD;
    const char *word = is_method ? bytes : bytes + scan->method_len + 1;

    p = bytes_skip(p, end, is_method ? BYTE_TOKEN : BYTE_TARGET);
    if (p - bytes > TARGET_END_MAX) {
        if (is_method)
            bad(scan, 501, "the method is too long");
        else
            bad(scan, 414, "the request line is too long");
    } else if (p < end && (*p != ' ' || p == word)) {
        bad_byte(scan, *p, *bytes == '\x16' ? tls : is_method ? no_method : (unsigned char)*p > ' ' ? raw : no_version);
    } else if (p < end) {
        *(is_method ? &scan->method_len : &scan->target_len) = (size_t)(p - word);
        scan->state = is_method ? TARGET : VERSION;
        p++;
    }
    return p;
}

static const char *scan_version(struct scan *scan, const char *bytes, const char *p, const char *end)
{
    static const char version[] = "HTTP/1.1\r\n"; /* or 1.0 */
    size_t at = (size_t)(p - bytes) - scan->method_len - scan->target_len - 2;

    /* As nearly every request has it. */
    if (at == 0 && (size_t)(end - p) >= sizeof(version) - 1 && memcmp(p, version, sizeof(version) - 1) == 0) {
        scan->state = LINE;
        return p + sizeof(version) - 1;
    }
    for (; p < end && version[at] != '\0'; p++, at++) {
        if (*p == version[at] || (at == 7 && *p == '0'))
            continue;
        bad_version(scan, at, p, end);
        return p;
    }
    if (version[at] == '\0')
        scan->state = LINE;
    return p;
}

/* Nothing is decided yet when it takes the byte behind *p, and that is not there: "HTTP/2.0" is a version, "HTTP/22" is
 * none. */
static enum scan_result bad_version(struct scan *scan, size_t at, const char *p, const char *end)
{
    char c = *p;

    if (at == 5 && c >= '0' && c <= '9' && p + 1 == end)
        return SCAN_MORE;
    if (at == 5 && c >= '0' && c <= '9' && (p[1] == '.' || p[1] == '\r'))
        return bad(scan, 505, "not HTTP/1");
    if (at == 9)
        return bad(scan, 400, "bare CR");
    return bad_byte(scan, c, "the request line does not end with HTTP/1.0 or HTTP/1.1");
}

/* Field lines and the empty line behind them (RFC 9112, section 5). Returns where it stopped, before a byte that is
 * wrong. */
static const char *scan_fields(struct scan *scan, const char *p, const char *end)
{
    while (p < end && scan->state != BAD && scan->state != OVER) {
        switch (scan->state) {
        case LINE:
            p = skip_whole_fields(scan, p, end);
            if (p < end)
                begin_field(scan, *p++);
            break;
        case NAME:
            p = bytes_skip(p, end, BYTE_TOKEN);
            if (p < end)
                end_name(scan, *p++);
            break;
        case VALUE:
            p = bytes_skip(p, end, BYTE_TEXT);
            if (p < end)
                end_value(scan, *p++);
            break;
        default:
            assert(scan->state == VALUE_LF || scan->state == LAST_LF);
            end_line(scan, *p++);
        }
    }
    return scan->state == BAD ? p - 1 : p;
}

/* Field lines that are whole and right, as nearly all are. The first other one is left to the states. */
static const char *skip_whole_fields(struct scan *scan, const char *p, const char *end)
{
    while (scan->n_fields < FIELDS_MAX) {
        const char *colon = bytes_skip(p, end, BYTE_TOKEN);
        const char *cr;

        if (colon == p || colon == end || *colon != ':')
            break;
        cr = bytes_skip(colon + 1, end, BYTE_TEXT);
        if (end - cr < 2 || cr[0] != '\r' || cr[1] != '\n')
            break;
        scan->n_fields++;
        p = cr + 2;
    }
    return p;
}

/* c is the first byte of a line. */
static void begin_field(struct scan *scan, char c)
{
    if (c == '\r') {
        scan->state = LAST_LF;
    } else if (c == ' ' || c == '\t') {
        /* RFC 9112, section 5.2, and section 2.2 for the first line. */
        bad(scan, 400, "obs-fold: a header line begins with white space");
    } else if (c == ':') {
        bad(scan, 400, "a field without a name");
    } else if (!byte_is(c, BYTE_TOKEN)) {
        bad_byte(scan, c, "a byte that is not allowed in a field name");
    } else if (++scan->n_fields > FIELDS_MAX) {
        bad(scan, 431, "too many header fields");
    } else {
        scan->state = NAME;
    }
}

static void end_name(struct scan *scan, char c)
{
    if (c == ':')
        scan->state = VALUE;
    else if (c == ' ' || c == '\t')
        bad(scan, 400, "white space before a colon"); /* RFC 9112, section 5.1 */
    else
        bad_byte(scan, c, "a byte that is not allowed in a field name");
}

static void end_value(struct scan *scan, char c)
{
    if (c == '\r')
        scan->state = VALUE_LF;
    else
        bad_byte(scan, c, "a control byte in a field value");
}

static void end_line(struct scan *scan, char c)
{
    if (c == '\n')
        scan->state = scan->state == VALUE_LF ? LINE : OVER;
    else
        bad(scan, 400, "bare CR");
}

void scan_chunks(struct scan *scan)
{
    assert(scan->state == OVER);
    scan->state = SIZE_BEGIN;
    scan->line_len = 0;
    scan->overhead = 0;
}

enum scan_result scan_overhead(struct scan *scan, const char *bytes, size_t len, size_t *ret_len, bool *ret_extension)
{
    size_t room = CHUNK_OVERHEAD_MAX - scan->overhead;
    size_t max = len < room ? len : room;

    *ret_extension = false;
    if (scan->state < SIZE_BEGIN)
        *ret_len = (size_t)(scan_fields(scan, bytes, bytes + max) - bytes);
    else
        *ret_len = scan_chunk_line(scan, bytes, max, ret_extension);
    scan->overhead += (unsigned)*ret_len;
    if (scan->state == BAD)
        return SCAN_BAD;
    if (scan->state == OVER)
        return SCAN_END;
    if (scan->overhead == CHUNK_OVERHEAD_MAX)
        return bad(scan, 413, "too many bytes of chunk lines and trailers");
    return scan->state == SIZE_OVER ? SCAN_SIZE : SCAN_MORE;
}

/* Moves over bytes of one kind, extension or not, and not beyond the end of a chunk line or a byte that is wrong. */
static size_t scan_chunk_line(struct scan *scan, const char *bytes, size_t len, bool *ret_extension)
{
    size_t n;

    assert(scan->state != SIZE_OVER);
    for (n = 0; n < len && scan->state != BAD && scan->state != SIZE_OVER; n++) {
        unsigned char next = chunk_moves[scan->state - SIZE_BEGIN][chunk_kind(bytes[n])];
        bool is_extension = next >= EXTENSION && next <= EXTENSION_QUOTED_END;

        if (n > 0 && is_extension != *ret_extension)
            break;
        *ret_extension = is_extension;
        move_in_chunk_line(scan, next);
    }
    return scan->state == BAD ? n - 1 : n;
}

static void move_in_chunk_line(struct scan *scan, unsigned char next)
{
    if (next == BAD) {
        bool at_end = scan->state >= SIZE_LF;

        bad(scan, 400, at_end ? "no CRLF behind a chunk line or its data" : "not a chunk line");
    } else if (++scan->line_len > CHUNK_LINE_MAX) {
        bad(scan, 400, "a chunk line is too long");
    } else {
        scan->state = next;
        if (next == SIZE_BEGIN)
            scan->line_len = 0;
    }
}

static enum chunk_kind chunk_kind(char c)
{
    switch (c) {
    case '\r':
        return CR;
    case '\n':
        return LF;
    case ' ':
    case '\t':
        return BLANK;
    case ';':
        return SEMICOLON;
    case '=':
        return EQUALS;
    case '"':
        return QUOTE;
    case '\\':
        return BACKSLASH;
    default:
        return byte_is(c, BYTE_HEX) ? DIGIT : byte_is(c, BYTE_TOKEN) ? TOKEN : byte_is(c, BYTE_TEXT) ? PLAIN : OTHER;
    }
}

void scan_data(struct scan *scan, uint64_t size)
{
    assert(scan->state == SIZE_OVER);
    scan->line_len = 0;
    scan->n_fields = 0;
    scan->state = size > 0 ? DATA_CR : LINE;
}

static enum scan_result bad(struct scan *scan, int status, const char *reason)
{
    scan->state = BAD;
    scan->status = status;
    scan->reason = reason;
    return SCAN_BAD;
}

/* reason is for any c but those that have a name of their own. */
static enum scan_result bad_byte(struct scan *scan, char c, const char *reason)
{
    switch (c) {
    case '\0':
        return bad(scan, 400, "a NUL byte");
    case '\n':
        return bad(scan, 400, "bare LF");
    default:
        return bad(scan, 400, reason);
    }
}
