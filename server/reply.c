/* A reply's head as bytes, its error form, and the date in it.
 *
 * Happy path: one pass of copies into a buffer that is large enough by construction (REPLY_HEAD_MAX).
 * Failures: none; limits are held where fields are added (response.c). Close: nothing is held.
 */
#include "reply.h"

#include "utf8.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define STATUSES(X)                                                                                                    \
    X(200, "OK")                                                                                                       \
    X(201, "Created")                                                                                                  \
    X(202, "Accepted")                                                                                                 \
    X(204, "No Content")                                                                                               \
    X(206, "Partial Content")                                                                                          \
    X(301, "Moved Permanently")                                                                                        \
    X(302, "Found")                                                                                                    \
    X(303, "See Other")                                                                                                \
    X(304, "Not Modified")                                                                                             \
    X(307, "Temporary Redirect")                                                                                       \
    X(308, "Permanent Redirect")                                                                                       \
    X(400, "Bad Request")                                                                                              \
    X(401, "Unauthorized")                                                                                             \
    X(403, "Forbidden")                                                                                                \
    X(404, "Not Found")                                                                                                \
    X(405, "Method Not Allowed")                                                                                       \
    X(406, "Not Acceptable")                                                                                           \
    X(408, "Request Timeout")                                                                                          \
    X(409, "Conflict")                                                                                                 \
    X(410, "Gone")                                                                                                     \
    X(412, "Precondition Failed")                                                                                      \
    X(413, "Content Too Large")                                                                                        \
    X(414, "URI Too Long")                                                                                             \
    X(415, "Unsupported Media Type")                                                                                   \
    X(417, "Expectation Failed")                                                                                       \
    X(422, "Unprocessable Content")                                                                                    \
    X(429, "Too Many Requests")                                                                                        \
    X(431, "Request Header Fields Too Large")                                                                          \
    X(500, "Internal Server Error")                                                                                    \
    X(501, "Not Implemented")                                                                                          \
    X(502, "Bad Gateway")                                                                                              \
    X(503, "Service Unavailable")                                                                                      \
    X(504, "Gateway Timeout")                                                                                          \
    X(505, "HTTP Version Not Supported")

static char *put(char *at, const char *text, size_t len);
static char *put_status(char *at, int status);
static char *put_field(char *at, const char *name, const char *value);
static char *put_length(char *at, size_t len);
static char *put_number(char *at, uint64_t number);
static char *put_milliseconds(char *at, uint64_t ns);

/* A copy whose length the compiler knows. */
#define PUT(at, literal) ((char *)memcpy(at, literal, sizeof(literal) - 1) + sizeof(literal) - 1)

int reply_status_of(int err)
{
    static const struct {
        int err, status;
    } rows[] = {
        {-EINVAL, 400}, {-EACCES, 403}, {-ENOENT, 404},    {-EFBIG, 413},     {-EAGAIN, 503},
        {-EBUSY, 503},  {-ENOMEM, 503}, {-ECANCELED, 503}, {-ETIMEDOUT, 504},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].err == err)
            return rows[i].status;
    return 500;
}

size_t reply_write_head(char *out, const struct reply *reply, const struct reply_framing *framing)
{
    char *at = put_status(out, reply->status);

    at = PUT(at, "Date: ");
    at = put(at, framing->date, REPLY_DATE_LEN);
    at = PUT(at, "\r\n");
    if (reply_may_have_body(reply->status)) {
        if (reply->type != NULL)
            at = put_field(at, "Content-Type", reply->type);
        if (!framing->is_stream)
            at = put_length(at, reply->body_len);
    } else if (reply->status == 205) { /* RFC 9110, section 15.3.6 */
        at = put_length(at, 0);
    }
    if (framing->is_stream && !framing->is_http10)
        at = PUT(at, "Transfer-Encoding: chunked\r\n");
    if (framing->is_last)
        at = PUT(at, "Connection: close\r\n");
    else if (framing->is_http10)
        at = PUT(at, "Connection: keep-alive\r\n");
    if (framing->has_timing) {
        at = PUT(at, "Server-Timing: wait;dur=");
        at = put_milliseconds(at, framing->wait_ns);
        at = PUT(at, ", run;dur=");
        at = put_milliseconds(at, framing->run_ns);
        at = PUT(at, "\r\n");
    }
    for (const struct reply_field *field = reply->fields; field != NULL; field = field->next)
        at = put_field(at, field->name, field->value);
    at = PUT(at, "\r\n");
    assert(at - out <= REPLY_HEAD_MAX);
    return (size_t)(at - out);
}

static char *put_status(char *at, int status)
{
    assert(status >= 200 && status <= 599);
    switch (status) {
#define CASE(code, phrase)                                                                                             \
    case code:                                                                                                         \
        return PUT(at, "HTTP/1.1 " #code " " phrase "\r\n");
        STATUSES(CASE)
#undef CASE
    default:
        at = PUT(at, "HTTP/1.1 ");
        at = put_number(at, (uint64_t)status);
        return PUT(at, " \r\n");
    }
}

static char *put_length(char *at, size_t len)
{
    at = PUT(at, "Content-Length: ");
    at = put_number(at, len);
    return PUT(at, "\r\n");
}

static char *put(char *at, const char *text, size_t len)
{
    memcpy(at, text, len);
    return at + len;
}

static char *put_field(char *at, const char *name, const char *value)
{
    at = put(at, name, strlen(name));
    at = PUT(at, ": ");
    at = put(at, value, strlen(value));
    return PUT(at, "\r\n");
}

static char *put_number(char *at, uint64_t number)
{
    char digits[24];
    char *first = digits + sizeof(digits);

    do {
        *--first = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return put(at, first, (size_t)(digits + sizeof(digits) - first));
}

/* Not %f: a program that calls setlocale() may get a comma. */
static char *put_milliseconds(char *at, uint64_t ns)
{
    uint64_t us = ns / 1000;
    const char decimals[] = {'.', (char)('0' + us / 100 % 10), (char)('0' + us / 10 % 10), (char)('0' + us % 10)};

    at = put_number(at, us / 1000);
    return put(at, decimals, sizeof(decimals));
}

bool reply_may_have_body(int status)
{
    return status != 204 && status != 205 && status != 304;
}

void reply_error(struct reply *reply, int status, const char *text, char body[REPLY_ERROR_MAX])
{
    static const char before[] = "{\"error\":\"", after[] = "\"}";
    size_t room = REPLY_ERROR_MAX - sizeof(before) - sizeof(after);
    char *at = PUT(body, before);

    reply_json_escape(at, room, text, strlen(text));
    at += strlen(at);
    at = put(at, after, sizeof(after));
    *reply = (struct reply){
        .status = status,
        .type = REPLY_TYPE_JSON,
        .body = body,
        .body_len = (size_t)(at - body) - 1,
    };
}

/* One character of text as JSON (RFC 8259, section 7) into piece. Returns how many bytes of text it was. */
static size_t escape_one(const char *text, size_t len, char piece[8])
{
    static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    size_t taken = utf8_len(text, len);
    const char *special = text[0] == '\0' ? NULL : strchr(plain, text[0]);

    if (special != NULL) {
        snprintf(piece, 8, "\\%c", letters[special - plain]);
    } else if (taken == 0) {
        memcpy(piece, "\xef\xbf\xbd", 4);
    } else if (utf8_is_control(text)) {
        snprintf(piece, 8, "\\u%04x", (unsigned char)text[taken - 1]); /* of C1, too, the last byte is the code point */
    } else {
        memcpy(piece, text, taken);
        piece[taken] = '\0';
    }
    return taken > 0 ? taken : 1;
}

size_t reply_json_escape(char *out, size_t size, const char *text, size_t len)
{
    size_t total = 0, written = 0;
    bool is_cut = size == 0;
    char piece[8];

    for (size_t i = 0; i < len; total += strlen(piece)) {
        i += escape_one(text + i, len - i, piece);
        is_cut = is_cut || strlen(piece) >= size - written;
        if (!is_cut) {
            memcpy(out + written, piece, strlen(piece));
            written += strlen(piece);
        }
    }
    if (size > 0)
        out[written] = '\0';
    return total;
}

void reply_clock_tick(struct reply_clock *clock, uint64_t now_ms)
{
    /* Not strftime(): a program that calls setlocale() would get names in its own language. */
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct timespec now;
    struct tm tm;

    if (now_ms < clock->until_ms)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    snprintf(clock->date, sizeof(clock->date), "%s, %02d %s %d %02d:%02d:%02d GMT", days[tm.tm_wday], tm.tm_mday,
             months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
    snprintf(clock->log, sizeof(clock->log), "%02d/%s/%d:%02d:%02d:%02d +0000", tm.tm_mday, months[tm.tm_mon],
             tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
    clock->until_ms = now_ms + 1000 - (uint64_t)now.tv_nsec / 1000000;
}
