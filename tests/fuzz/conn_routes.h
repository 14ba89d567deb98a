/* The routes behind fuzz_conn.c: answers now and later, small and large, given and printed, and to one another.
 *
 * Every answer of a handler carries the number of its exchange, so that one that comes twice, or to somebody else, is
 * seen. What is given must be freed, and what is hooked must be called: routes_check().
 */
#ifndef TESTS_FUZZ_CONN_ROUTES_H
#define TESTS_FUZZ_CONN_ROUTES_H

#include "conn_wire.h"
#include "server/exchange.h"
#include "server/stream.h"

#include <errno.h>
#include <stdlib.h>

enum { LARGE = 90 * 1000, ECHO_MAX = 100 * 1000, PENDING_MAX = 32 };

static char large_body[LARGE];
static unsigned given, freed, hooked, ended;
static struct {
    hoist_req *req;
    hoist_res *res;
} pending[PENDING_MAX]; /* the oldest first */
static unsigned n_pending;

/* An answer in pieces. */
struct talk {
    struct stream stream;
    struct talk *next;
    unsigned n_left; /* pieces */
};

static struct talk *talks; /* the newest first */

static void go_on(long how);

static void routes_init(void)
{
    reader_fill_pattern(large_body, LARGE);
}

static void routes_reset(void)
{
    given = freed = hooked = ended = n_pending = 0;
}

static void routes_check(void)
{
    assert(n_pending == 0);
    assert(talks == NULL);
    assert(given == freed);
    assert(hooked == ended);
}

static void on_freed(void *body)
{
    freed++;
    free(body);
}

static void on_ended(void *arg)
{
    ended++;
    if (arg != NULL)
        go_on(0);
}

static int number(hoist_req *req, hoist_res *res)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)exchange_of_req(req)->id);
    return hoist_res_header(res, READER_NUMBER, text);
}

static int say(hoist_req *req, hoist_res *res)
{
    int err = number(req, res);

    return err < 0 ? err : hoist_reply_text(res, 200, "said");
}

static int echo(hoist_req *req, hoist_res *res)
{
    int err = number(req, res);

    return err < 0 ? err : hoist_reply_printf(res, 200, "text/x", "=%s", hoist_req_body(req, NULL));
}

static int large(hoist_req *req, hoist_res *res)
{
    int err = number(req, res);

    return err < 0 ? err : hoist_reply_static(res, 200, READER_PATTERN_TYPE, large_body, LARGE);
}

static int give(hoist_req *req, hoist_res *res)
{
    int err = number(req, res);
    char *body = err < 0 ? NULL : malloc(LARGE);

    if (body == NULL)
        return -ENOMEM;
    memcpy(body, large_body, LARGE);
    given++;
    return hoist_reply_give(res, 200, READER_PATTERN_TYPE, body, LARGE, on_freed);
}

static int print(hoist_req *req, hoist_res *res)
{
    FILE *file = hoist_res_file(res);
    int err = number(req, res);

    if (file == NULL || err < 0)
        return -ENOMEM;
    fprintf(file, "%9000d", 1);
    return 0;
}

static int fail(hoist_req *req, hoist_res *res)
{
    (void)res;
    return strcmp(hoist_req_query(req), "busy") == 0 ? -EBUSY : -EINVAL;
}

static int pend(hoist_req *req, hoist_res *res)
{
    if (n_pending == PENDING_MAX)
        return -EBUSY;
    pending[n_pending].req = req;
    pending[n_pending++].res = res;
    return HOIST_PENDING;
}

static int later(hoist_req *req, hoist_res *res)
{
    (void)res;
    return hoist_later(req, 5, say);
}

static int twice(hoist_req *req, hoist_res *res)
{
    (void)res;
    return hoist_later(req, 5, later);
}

static int offload(hoist_req *req, hoist_res *res)
{
    (void)res;
    return hoist_offload(req, give);
}

/* Finished before it has returned. */
static int finish(hoist_req *req, hoist_res *res)
{
    hoist_finish(req, say(req, res));
    return HOIST_PENDING;
}

static int hook(hoist_req *req, hoist_res *res)
{
    if (hoist_on_end(req, on_ended, NULL) == 0)
        hooked++;
    return later(req, res);
}

/* Another request, maybe another connection's, goes on: now, or when this one ends. */
static int wake(hoist_req *req, hoist_res *res)
{
    if (strcmp(hoist_req_query(req), "end") != 0)
        go_on(0);
    else if (hoist_on_end(req, on_ended, req) == 0)
        hooked++;
    return say(req, res);
}

static ssize_t on_fill(struct stream *stream, char *out, size_t size)
{
    struct talk *talk = (struct talk *)stream;

    if (talk->n_left == 0)
        return STREAM_OVER;
    assert(size >= STREAM_PIECE);
    memset(out, 'p', STREAM_PIECE);
    talk->n_left--;
    return STREAM_PIECE;
}

static void on_talk_closed(struct stream *stream)
{
    struct talk **at = &talks;

    while (*at != (struct talk *)stream)
        at = &(*at)->next;
    *at = (*at)->next;
    free(stream);
}

static int talk(hoist_req *req, hoist_res *res)
{
    struct talk *new = calloc(1, sizeof(*new));

    if (new == NULL)
        return -ENOMEM;
    wire_of(exchange_of_req(req)->conn)->is_cut = true;
    *new = (struct talk){{.fill = on_fill, .closed = on_talk_closed}, .next = talks, .n_left = 2};
    talks = new;
    return response_stream(res, READER_STREAM_TYPE, &new->stream);
}

/* Each says one more piece, where the last one is written. */
static void pump(void)
{
    for (struct talk *at = talks, *next; at != NULL; at = next) {
        next = at->next;
        stream_pump(&at->stream);
    }
}

static const hoist_route routes[] = {
    {.path = "/say", .handler = say, .run = HOIST_INLINE},
    {.path = "/echo", .handler = echo, .run = HOIST_INLINE, .method = HOIST_POST, .max_body = ECHO_MAX},
    {.path = "/put", .handler = echo, .method = HOIST_PUT},
    {.path = "/large", .handler = large, .run = HOIST_INLINE},
    {.path = "/give", .handler = give, .run = HOIST_INLINE},
    {.path = "/print", .handler = print, .run = HOIST_INLINE},
    {.path = "/work", .handler = large},
    {.path = "/fail", .handler = fail},
    {.path = "/pend", .handler = pend, .run = HOIST_ASYNC},
    {.path = "/later", .handler = later, .run = HOIST_ASYNC},
    {.path = "/twice", .handler = twice, .run = HOIST_ASYNC},
    {.path = "/offload", .handler = offload, .run = HOIST_ASYNC},
    {.path = "/finish", .handler = finish, .run = HOIST_ASYNC},
    {.path = "/hook", .handler = hook, .run = HOIST_ASYNC},
    {.path = "/wake", .handler = wake, .run = HOIST_INLINE},
    {.path = "/talk", .handler = talk, .run = HOIST_INLINE},
};

enum { ROUTES = sizeof(routes) / sizeof(routes[0]) };

/* The oldest request that is pending goes on. how: 1 a large answer, 2 an error, 3 a timer, 4 what a worker would do,
 * else a small answer. */
static void go_on(long how)
{
    hoist_req *req = pending[0].req;
    hoist_res *res = pending[0].res;

    if (n_pending == 0)
        return;
    memmove(pending, pending + 1, --n_pending * sizeof(pending[0]));
    if (how == 1)
        hoist_finish(req, give(req, res));
    else if (how == 2)
        hoist_finish(req, -EAGAIN);
    else if (how == 3)
        hoist_later(req, 5, say);
    else if (how == 4)
        hoist_offload(req, give);
    else
        hoist_finish(req, say(req, res));
}

#endif
