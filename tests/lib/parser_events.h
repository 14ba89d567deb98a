/* What the parser makes of bytes that come in pieces, as text, for tests and fuzzers: any way to cut them must give the
 * same. */
#ifndef TESTS_PARSER_EVENTS_H
#define TESTS_PARSER_EVENTS_H

#include "server/parser.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EVENTS_MAX = 64 * 1024, EVERYTHING = 1 << 20 };

/* "POST /path?query close expect unknown [body];" for each request, then the status of a failure, or "..." when more of
 * a request is missing. */
struct events {
    char text[EVENTS_MAX];
    size_t len;
    const char *reason;
};

/* One request on its way: the head where message_rebase() has moved it. */
struct request {
    struct parser parser;
    struct message message;
    char *head;
    char body[EVENTS_MAX];
    size_t body_len;
};

static void say(struct events *events, const char *format, ...) HOIST_PRINTF(2, 3);

static void say(struct events *events, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    events->len += (size_t)vsnprintf(events->text + events->len, sizeof(events->text) - events->len, format, args);
    va_end(args);
    assert(events->len < sizeof(events->text));
}

static int on_body(void *arg, const char *bytes, size_t len)
{
    struct request *request = arg;

    assert(len > 0);
    assert(request->body_len + len <= sizeof(request->body));
    memcpy(request->body + request->body_len, bytes, len);
    request->body_len += len;
    return 0;
}

static void say_request(struct events *events, struct request *request)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
    const struct message *message = &request->message;

    say(events, "%s %s", methods[message->method], message->path);
    if (message->query[0] != '\0')
        say(events, "?%s", message->query);
    say(events, "%s%s%s", message->keep_alive ? "" : " close", message->expects_continue ? " expect" : "",
        message->method_is_known ? "" : " unknown");
    if (request->body_len > 0)
        say(events, " [%.*s]", (int)request->body_len, request->body);
    say(events, ";");
}

static void begin(struct request *request, uint64_t body_max)
{
    parser_init(&request->parser, &request->message, on_body, request);
    request->parser.body_max = body_max;
    request->head = NULL;
    request->body_len = 0;
}

/* Moves the head away, as a connection does before its buffer goes. */
static void keep_head(struct request *request)
{
    request->head = malloc(request->message.head_len);
    memcpy(request->head, request->message.head, request->message.head_len);
    message_rebase(&request->message, request->head);
}

/* Feeds one piece of memory that ends where the bytes end, so that a sanitizer sees who reads on. */
static enum parser_result feed(struct request *request, const char *bytes, size_t len, size_t *ret_used)
{
    char *copy = malloc(len + 1);
    char *place = copy + 1; /* and at an odd address */
    enum parser_result result;

    memcpy(place, bytes, len);
    result = parser_feed(&request->parser, place, len, ret_used);
    assert(*ret_used <= len);
    if (result == PARSER_HEAD)
        keep_head(request);
    free(copy);
    return result;
}

/* Parses bytes that come in pieces: a first one, and the others of the same size. */
static inline void parse(struct events *events, const char *bytes, size_t len, size_t first, size_t step,
                         uint64_t body_max)
{
    static struct request request;
    size_t at = 0, end = first < len ? first : len, used;

    events->len = 0;
    events->text[0] = '\0';
    events->reason = NULL;
    begin(&request, body_max);
    for (;;) {
        enum parser_result result = feed(&request, bytes + at, end - at, &used);

        at += used;
        if (result == PARSER_FAILED) {
            say(events, "%d", request.parser.status);
            events->reason = request.parser.reason;
            break;
        }
        if (result == PARSER_DONE) {
            say_request(events, &request);
            free(request.head);
            begin(&request, body_max);
        } else if (result == PARSER_MORE) {
            assert(at == end || !parser_has_head(&request.parser)); /* all of a body is taken */
            if (end == len) {
                say(events, parser_is_between(&request.parser) ? "" : "...");
                break;
            }
            end = len - end < step ? len : end + step;
        }
    }
    free(request.head);
}

#endif
