/* The access log's lines.
 *
 * Happy path: what both forms tell is gathered once, then printed by one of them. Failures: none; what is long is cut,
 * so that a line of either form is whole within LOG_LINE_MAX. Close: nothing is held.
 */
#include "access.h"

#include "conn.h"
#include "exchange.h"
#include "log.h"
#include "server.h"
#include "utc.h"

#include <stdio.h>
#include <string.h>

/* Bytes of a line's parts as they are printed, quotes and NUL included. */
enum { TARGET_MAX = 1024, ROUTE_MAX = ROUTER_PATTERN_MAX + sizeof("\"\""), AGENT_MAX = 256 };

struct access {
    const struct exchange *x;      /* NULL: the bytes were no request */
    const struct message *message; /* NULL: its head is not whole */
    const char *peer;
    int status;
    size_t body_len; /* of the answer; how much of it gets there is not known yet */
    uint64_t wait_us, run_us;
    unsigned threads, busy;
};

static void log_common(const struct access *access, const char *time);
static void quote_target(const struct message *message, char text[TARGET_MAX]);
static void log_json(const struct access *access);
static const char *quoted(const char *value, char *text, size_t size);
static const char *quoted_target(const struct message *message, char text[TARGET_MAX]);
static const char *worker_of(const struct exchange *x, char *text, size_t size);

void access_log(const struct conn *conn, const struct exchange *x, const struct reply *reply)
{
    struct server *server = conn->server;
    struct pool_figures figures = {0};
    char peer[CONN_PEER_MAX];
    struct access access = {
        .x = x,
        .message = exchange_message(x),
        .peer = conn->io->peer(conn, peer, sizeof(peer)),
        .status = reply->status,
        .body_len = exchange_body_len(x, reply),
        .wait_us = x != NULL ? x->wait_ns / 1000 : 0,
        .run_us = x != NULL ? x->run_ns / 1000 : 0,
    };

    reply_clock_tick(&server->clock, uv_now(server->loop));
    if (server->pool != NULL)
        pool_figures(server->pool, &figures);
    access.threads = figures.threads + 1;
    access.busy = figures.busy;
    if (log_access_format() == LOG_JSON)
        log_json(&access);
    else
        log_common(&access, server->clock.log);
}

static const char *method_of(const struct message *message)
{
    return message != NULL && message->method_is_known ? router_method_name(message->method) : NULL;
}

/* Seconds are printed as two whole numbers: %f may have a comma in a program that calls setlocale(). */
#define SECONDS "%llu.%06u"
#define AS_SECONDS(us) (unsigned long long)((us) / 1000000), (unsigned)((us) % 1000000)

/* ---- common ---- */

static void log_common(const struct access *access, const char *time)
{
    const struct message *message = access->message;
    const char *method = method_of(message);
    const char *protocol = message == NULL ? "" : message->minor == 0 ? " HTTP/1.0" : " HTTP/1.1";
    char target[TARGET_MAX] = "";

    if (message != NULL)
        quote_target(message, target);
    log_access("%s - - [%s] \"%s%s%s%s\" %d %zu wait=" SECONDS " run=" SECONDS " threads=%u busy=%u", access->peer,
               time, method != NULL ? method : "-", message != NULL ? " " : "", target, protocol, access->status,
               access->body_len, AS_SECONDS(access->wait_us), AS_SECONDS(access->run_us), access->threads,
               access->busy);
}

/* The target as sent, cut, in quotes that it cannot end: a client may put any visible byte there. */
static void quote_target(const struct message *message, char text[TARGET_MAX])
{
    const char *parts[] = {message->target, message->query[0] != '\0' ? "?" : "", message->query};
    size_t len = 0;

    for (size_t i = 0; i < 3; i++)
        for (const char *c = parts[i]; *c != '\0' && len < TARGET_MAX - 5; c++)
            if (*c == '"' || *c == '\\')
                len += (size_t)snprintf(text + len, 5, "\\x%02X", (unsigned)*c);
            else
                text[len++] = *c;
    text[len] = '\0';
}

/* ---- JSON ---- */

static void log_json(const struct access *access)
{
    const struct message *message = access->message;
    const struct exchange *x = access->x;
    const struct route *route = x != NULL && message != NULL ? x->req.route : NULL;
    const struct field *agent = message != NULL ? message_field(message, "User-Agent") : NULL;
    char time[UTC_TEXT], method[32], target[TARGET_MAX], pattern[ROUTE_MAX], worker[16], user_agent[AGENT_MAX];

    log_access("{\"time\":\"%s\",\"client\":\"%s\",\"method\":%s,\"target\":%s,\"protocol\":%s"
               ",\"status\":%d,\"bytes\":%zu,\"wait_s\":" SECONDS ",\"run_s\":" SECONDS ",\"route\":%s,\"id\":%llu"
               ",\"worker\":%s,\"threads\":%u,\"busy\":%u,\"user_agent\":%s}",
               utc_now(time), access->peer, quoted(method_of(message), method, sizeof(method)),
               quoted_target(message, target),
               message == NULL       ? "null"
               : message->minor == 0 ? "\"HTTP/1.0\""
                                     : "\"HTTP/1.1\"",
               access->status, access->body_len, AS_SECONDS(access->wait_us), AS_SECONDS(access->run_us),
               quoted(route != NULL ? route->given.path : NULL, pattern, sizeof(pattern)),
               (unsigned long long)(x != NULL ? x->id : 0), worker_of(x, worker, sizeof(worker)), access->threads,
               access->busy, quoted(agent != NULL ? agent->value : NULL, user_agent, sizeof(user_agent)));
}

/* As a JSON string, cut to fit; NULL is null. Returns text. */
static const char *quoted(const char *value, char *text, size_t size)
{
    size_t len;

    if (value == NULL)
        return "null";
    text[0] = '"';
    reply_json_escape(text + 1, size - 2, value, strlen(value));
    len = strlen(text);
    text[len] = '"';
    text[len + 1] = '\0';
    return text;
}

static const char *quoted_target(const struct message *message, char text[TARGET_MAX])
{
    char target[TARGET_MAX];

    if (message == NULL)
        return "null";
    (void)snprintf(target, sizeof(target), "%s%s%s", message->target, message->query[0] != '\0' ? "?" : "",
                   message->query);
    return quoted(target, text, TARGET_MAX);
}

static const char *worker_of(const struct exchange *x, char *text, size_t size)
{
    if (x == NULL || !x->was_queued || x->outcome != SPAN_ANSWERED)
        return "null";
    (void)snprintf(text, size, "%u", x->job.seat);
    return text;
}
