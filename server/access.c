/* The access log's line: the common log format, then how long the request waited and ran, and how many threads there
 * are: the loop and the pool's, with the workers at work among them.
 */
#include "access.h"

#include "conn.h"
#include "exchange.h"
#include "log.h"
#include "server.h"

#include <stdio.h>

enum { TARGET_MAX = 1024 };

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

void access_log(const struct conn *conn, const struct reply *reply)
{
    const struct exchange *x = conn->exchange;
    const struct message *message = x != NULL && parser_has_head(&x->parser) ? &x->req.message : NULL;
    struct pool_figures figures = {0};
    char peer[64], target[TARGET_MAX] = "-";

    if (message != NULL)
        quote_target(message, target);
    if (conn->server->pool != NULL)
        pool_figures(conn->server->pool, &figures);
    log_access("%s - - [%s] \"%s %s HTTP/1.%d\" %d %zu wait=%.6f run=%.6f threads=%u busy=%u",
               conn->io->peer(conn, peer, sizeof(peer)), conn->server->clock.log,
               message != NULL && message->method_is_known ? router_method_name(message->method) : "-", target,
               message != NULL ? message->minor : 1, reply->status, reply->body_len,
               x != NULL ? (double)x->wait_ns / 1e9 : 0.0, x != NULL ? (double)x->run_ns / 1e9 : 0.0,
               figures.threads + 1, figures.busy);
}
