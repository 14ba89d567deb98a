/* The admin listener's life, its routes, and who may ask.
 *
 * Happy path: each route's handler is admit(), which looks at Host, Origin (RFC 9110, section 7.2; RFC 6454, section 7)
 * and Sec-Fetch-Site (W3C Fetch Metadata) and calls the one in the table. Failures: 403 for a stranger, who does not
 * keep a connection: those are few, and for who looks after the server. What no route takes is answered like anywhere,
 * by 404, 405 or to OPTIONS, whoever asks: that tells nothing of what is inside. Close: connections, then listener,
 * server and timers; on_part_closed() counts.
 */
#include "admin.h"

#include "app.h"
#include "bytes.h"
#include "conn.h"
#include "exchange.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { JOB_SPANS = 16384, LOOP_SPANS = 4096, MAX_REPLY = 64 * 1024 * 1024 };

static hoist_handler admit;

static const struct {
    enum hoist_method method;
    const char *path;
    hoist_handler *handler;
} table[] = {
    {HOIST_GET, "/live", admin_live},          {HOIST_GET, "/ready", admin_ready},
    {HOIST_GET, "/stats", admin_stats},        {HOIST_GET, "/metrics", admin_metrics},
    {HOIST_GET, "/trace", admin_trace},        {HOIST_GET, "/spans", admin_spans},
    {HOIST_GET, "/events", admin_events},      {HOIST_PUT, "/workers", admin_workers},
    {HOIST_POST, "/requests", admin_requests}, {HOIST_GET, "/", admin_page},
};

#define TABLE_SIZE (sizeof(table) / sizeof(table[0]))
_Static_assert(TABLE_SIZE <= ADMIN_ROUTES_MAX, "each has a route");

static int add_routes(struct admin *admin, char *error, size_t error_size);
static int start_server(struct admin *admin, uv_loop_t *loop);
static void on_sample(uint64_t lag_ns, void *arg);
static void on_change(void *arg);
static void on_handle_closed(uv_handle_t *handle);
static void on_part_closed(void *arg);
static bool refuse_stranger(hoist_req *req, hoist_res *res, int *ret_result);
static const char *host_of(const hoist_req *req, size_t *ret_len);
static bool is_page_of(const char *origin, const char *host, size_t len);
static bool is_for_page_elsewhere(const hoist_req *req);
static bool host_is_ours(const struct admin *admin, const char *host, size_t len);

int admin_bind(struct admin *admin, hoist_app *app, const char *text, char *error, size_t error_size)
{
    struct bind_address *address = &admin->address;
    int err;

    admin->app = app;
    err = bind_address_parse(address, text);
    if (err < 0)
        snprintf(error, error_size, "admin: '%.60s' %s", text, bind_address_fault(err));
    else if (admin->listener.fd >= 0)
        err = 0; /* adopted: text is where that one listens */
    else if (address->path != NULL)
        err = listener_bind_unix(&admin->listener, address->path);
    else
        err = listener_bind(&admin->listener, address->host, address->port, false);
    if (err < 0 && error[0] == '\0')
        snprintf(error, error_size, "admin: cannot listen on %.60s: %s%s", text,
                 err == -EEXIST ? "a file that is no socket is there" : uv_strerror(err),
                 err == -EADDRINUSE ? "; another address will do, or \"off\"" : "");
    if (err < 0)
        return err;
    admin->state = ADMIN_BOUND;
    err = add_routes(admin, error, error_size);
    if (err < 0)
        admin_close(admin, NULL, NULL);
    return err;
}

static int add_routes(struct admin *admin, char *error, size_t error_size)
{
    int err = 0;

    for (size_t i = 0; i < TABLE_SIZE && err == 0; i++) {
        struct route *route = &admin->routes[i];

        route->given = (hoist_route){
            .method = table[i].method,
            .path = table[i].path,
            .handler = admit,
            .run = HOIST_INLINE,
            .data = admin,
            .max_body = admin->app->config.max_body,
            .max_reply = MAX_REPLY,
        };
        route->hook = NO_HOOK;
        err = router_add(&admin->router, table[i].method, table[i].path, route, error, error_size);
    }
    return err;
}

int admin_start(struct admin *admin, uv_loop_t *loop)
{
    struct server *served = &admin->app->server;
    int err;

    assert(admin->state == ADMIN_BOUND);
    admin->state = ADMIN_STARTED;
    admin->begun_ns = uv_hrtime();
    clock_gettime(CLOCK_REALTIME, &admin->begun);
    err = start_server(admin, loop);
    if (err == 0)
        err = spans_init(&served->job_spans, JOB_SPANS);
    if (err == 0)
        err = spans_init(&served->loop_spans, LOOP_SPANS);
    admin->samples = malloc(ADMIN_SAMPLES * sizeof(*admin->samples)); /* touched as they come */
    if (err == 0 && admin->samples == NULL)
        err = -ENOMEM;
    admin->watch.on_sample = on_sample;
    admin->watch.sample_arg = admin;
    loop_watch_start(&admin->watch, loop);
    on_sample(0, admin);
    ticker_init(&admin->events, loop, ADMIN_EVENTS_MS);
    ticker_init(&admin->rows, loop, ADMIN_ROWS_MS);
    admin->events.timer.data = admin->rows.timer.data = admin;
    return err < 0 ? err : listener_start(&admin->listener, &admin->server);
}

static void on_sample(uint64_t lag_ns, void *arg)
{
    struct admin *admin = arg;
    struct pool_figures figures = {0};

    if (admin->samples == NULL)
        return;
    if (admin->app->pool != NULL)
        pool_figures(admin->app->pool, &figures);
    admin->samples[admin->n_samples++ % ADMIN_SAMPLES] =
        (struct sample){uv_hrtime(), lag_ns, figures.busy, figures.waiting};
}

static int start_server(struct admin *admin, uv_loop_t *loop)
{
    admin->config = admin->app->config;
    admin->config.max_connections = ADMIN_CONNECTIONS;
    admin->config.max_memory = 0;
    admin->config.server_timing = false;
    admin->server.fd_max = admin->app->server.fd_max;
    admin->server.is_quiet = true;
    admin->server.on_change = on_change;
    admin->server.arg = admin;
    return server_init(&admin->server, loop, &admin->config, &admin->router);
}

/* ---- close ---- */

bool admin_close(struct admin *admin, void (*on_closed)(void *arg), void *arg)
{
    struct conn *next;

    if (admin->state == ADMIN_BOUND) {
        admin->state = ADMIN_OFF;
        listener_close(&admin->listener, NULL, NULL);
        router_close(&admin->router);
    }
    if (admin->state != ADMIN_STARTED)
        return false;
    admin->state = ADMIN_CLOSING;
    admin->on_closed = on_closed;
    admin->arg = arg;
    admin->n_open = 5 + admin->n_asks; /* this call, the watch, two timers, the server, each request to ourselves */
    admin->n_open += admin->listener.is_started;
    ask_close_all(admin);
    listener_close(&admin->listener, on_part_closed, admin);
    loop_watch_close(&admin->watch, on_part_closed, admin);
    uv_close((uv_handle_t *)&admin->events.timer, on_handle_closed);
    uv_close((uv_handle_t *)&admin->rows.timer, on_handle_closed);
    for (struct conn *conn = admin->server.conns; conn != NULL; conn = next) {
        next = conn->next;
        conn_close(conn, false); /* what was written still arrives */
    }
    if (server_is_empty(&admin->server))
        server_close(&admin->server, on_part_closed, admin);
    on_part_closed(admin);
    return true;
}

/* The last connection's end is the last thing that it does on its way out, so the server may go now. */
static void on_change(void *arg)
{
    struct admin *admin = arg;

    listener_on_room(&admin->listener);
    if (admin->state == ADMIN_CLOSING && server_is_empty(&admin->server))
        server_close(&admin->server, on_part_closed, admin);
}

void admin_on_ask_closed(struct admin *admin)
{
    if (admin->state == ADMIN_CLOSING)
        on_part_closed(admin);
}

static void on_handle_closed(uv_handle_t *handle)
{
    on_part_closed(handle->data);
}

static void on_part_closed(void *arg)
{
    struct admin *admin = arg;

    if (--admin->n_open > 0)
        return;
    router_close(&admin->router);
    free(admin->samples);
    admin->samples = NULL;
    admin->on_closed(admin->arg);
}

/* ---- requests ---- */

struct admin *admin_of(const hoist_req *req)
{
    return hoist_req_data(req);
}

static int admit(hoist_req *req, hoist_res *res)
{
    int result;

    if (refuse_stranger(req, res, &result)) {
        exchange_of_req(req)->conn->keep_alive = false;
        return result;
    }
    hoist_res_header(res, "Cache-Control", "no-store");
    hoist_res_header(res, "X-Content-Type-Options", "nosniff");
    return table[req->route - admin_of(req)->routes].handler(req, res);
}

/* False: it is none. Else *ret_result is what to return, also when there is no memory for the 403. */
static bool refuse_stranger(hoist_req *req, hoist_res *res, int *ret_result)
{
    const char *origin = hoist_req_header(req, "Origin");
    const char *host;
    size_t len;

    /* Without a host it is HTTP/1.0, which no browser speaks. */
    host = host_of(req, &len);
    if (host != NULL && !host_is_ours(admin_of(req), host, len))
        *ret_result = hoist_reply_error(res, 403, "this listener does not answer for %.*s", (int)len, host);
    else if (origin != NULL && !is_page_of(origin, host, len))
        *ret_result = hoist_reply_error(res, 403, "this listener does not answer pages of %s", origin);
    else if (is_for_page_elsewhere(req))
        *ret_result = hoist_reply_error(res, 403, "this listener does not answer pages of other sites");
    else
        return false;
    return true;
}

/* Whom the request asks: the target's authority goes before Host (RFC 9112, section 3.2.2). NULL: it does not say. */
static const char *host_of(const hoist_req *req, size_t *ret_len)
{
    const char *host = hoist_req_header(req, "Host");
    const char *target = req->message.target;
    const char *slashes = target[0] == '/' ? NULL : strstr(target, "//");

    if (slashes != NULL)
        host = slashes + 2;
    *ret_len = host != NULL ? strcspn(host, "/") : 0;
    return host;
}

static bool is_page_of(const char *origin, const char *host, size_t len)
{
    static const char scheme[] = "http://";
    const char *name = origin + sizeof(scheme) - 1;

    return host != NULL && strncmp(origin, scheme, sizeof(scheme) - 1) == 0 && strlen(name) == len &&
           bytes_equal_in_any_case(name, host, len);
}

/* A page may ask for what it cannot read, as a picture or a frame, and sends no Origin then. Its user may follow a link
 * to here: that is for a document of its own. Only browsers send these fields. */
static bool is_for_page_elsewhere(const hoist_req *req)
{
    const char *site = hoist_req_header(req, "Sec-Fetch-Site");
    const char *use = hoist_req_header(req, "Sec-Fetch-Dest");
    bool is_elsewhere = site != NULL && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0;

    return is_elsewhere && (use == NULL || strcmp(use, "document") != 0);
}

/* host may have a port behind it: the name alone counts. */
static bool host_is_ours(const struct admin *admin, const char *host, size_t len)
{
    const char *own = admin->address.host;
    const char *colon = memrchr(host, ':', len);
    char name[sizeof(admin->address.host)];
    struct sockaddr_in ip4;
    struct sockaddr_in6 ip6;
    bool is_number;

    if (admin->address.path != NULL)
        return true; /* no browser asks a socket that is a file */
    if (colon != NULL && memchr(colon, ']', len - (size_t)(colon - host)) == NULL)
        len = (size_t)(colon - host);
    if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
        host++;
        len -= 2;
    }
    if (len >= sizeof(name))
        return false;
    memcpy(name, host, len);
    name[len] = '\0';
    if (bytes_are_word(name, len, "localhost") || strcmp(name, "::1") == 0 ||
        (strlen(own) == len && bytes_equal_in_any_case(name, own, len)))
        return true;
    is_number = uv_ip4_addr(name, 0, &ip4) == 0;
    if (is_number && strncmp(name, "127.", 4) == 0)
        return true;
    is_number = is_number || uv_ip6_addr(name, 0, &ip6) == 0;
    return is_number && (strcmp(own, "0.0.0.0") == 0 || strcmp(own, "::") == 0); /* then each address is its own */
}
