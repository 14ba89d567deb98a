/* Whatever clients, sockets, memory and time do to connections, in any order: the input is a script of it.
 *
 * Happy path: an app without threads, up to four connections, one step after the other and check() after each; what
 * arrives at the clients is read by lib/reader.h. Then everybody leaves, and nothing may be left. A broken promise is
 * an assert; memory is the sanitizers' business. One step a line, and a line that is none is passed over:
 *
 *     0 .. 3    from here on it is about this connection, which is opened if it is not there
 *     g PATH    a whole GET request arrives
 *     s TEXT    bytes arrive; \r, \n, \\ and \xHH as in C
 *     x N       N times 'x' arrives; without N, or where it is more: FILL_MAX, or what is left of FILL_TOTAL
 *     c N       what arrives comes in pieces of N bytes; 0: whole
 *     e         the client ends its sending side
 *     l         it does so, or leaves, behind bytes that are not read yet
 *     r         it resets
 *     t N       the socket takes N bytes more at once; without N: all that comes
 *     f  w      from here on writes at once fail; writes in time do
 *     k N       the socket takes N bytes of the write under way; without N: all
 *     d         what the connection waits for has taken too long
 *     D         its request has
 *     n HOW     the oldest request that is pending goes on; see go_on()
 *     p         answers in pieces go on by one
 *     u         the loop turns: timers, ends of connections, stages of the stop
 *     m N       the N-th allocation from here on fails
 *     b         from here on answers are held until the loop turns
 *     h         a half-close does not mean that the client has left
 *     y N       it has sent N bytes that are not read yet; without N: none
 *     o N       N bytes of its answers have not reached it; without N: all have
 *     i N       N ms pass for those who are idle; without N: IDLE_MS
 *     C         one more client waits for a place
 *     M N       requests may hold N bytes together; without N: any
 *     S         the server stops
 *     A         every connection is cut
 */
#include "conn_check.h"
#include "conn_routes.h"
#include "conn_wire.h"
#include "lib/fail_malloc.h"
#include "server/app.h"
#include "server/log.h"

enum {
    WIRES = 4,
    INPUT_MAX = 8 * 1024,
    FILL_MAX = 200 * 1024,
    FILL_TOTAL = 5 * FILL_MAX,
    IDLE_MS = 300, /* enough to have to make room */
    TURNS_MAX = 1000,
    NONE = -1,
};

static struct wire wires[WIRES], *current;
static hoist_app *app;
static uv_loop_t loop;
static unsigned n_failing; /* allocations */
static bool has_limited_memory;
static size_t fill_left; /* bytes: by the byte, and thousands of times, they would take minutes */

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void start(void);
static void take_step(const char *line);
static void check(void);
static void stop(void);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const struct log_options quiet = {.level = LOG_ERROR};

    (void)argc;
    (void)argv;
    log_start(&quiet);
    log_stop(); /* its level stays */
    routes_init();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char script[INPUT_MAX + 1];
    char *next = script;

    if (size > INPUT_MAX)
        return 0;
    if (size > 0)
        memcpy(script, data, size);
    script[size] = '\0';
    start();
    for (char *line; (line = strsep(&next, "\n")) != NULL;) {
        take_step(line);
        check();
    }
    stop();
    return 0;
}

static void start(void)
{
    const unsigned hour_ms = 3600 * 1000; /* nothing takes too long but by a step */
    const hoist_config config = {
        .executor = HOIST_EXECUTOR_INLINE,
        .timeout_ms = hour_ms,
        .header_timeout_ms = hour_ms,
        .body_timeout_ms = hour_ms,
        .write_timeout_ms = hour_ms,
        .keep_alive_ms = hour_ms,
        .drain_ms = HOIST_NO_LIMIT,
        .max_body = ECHO_MAX,
    };
    int err;

    routes_reset();
    n_failing = 0;
    has_limited_memory = false;
    fill_left = FILL_TOTAL;
    err = uv_loop_init(&loop);
    assert(err == 0);
    err = hoist_app_new(&app, &config);
    assert(err == 0);
    for (size_t i = 0; i < ROUTES && err == 0; i++)
        err = hoist_app_route(app, &routes[i]);
    assert(err == 0);
    err = app_start(app, &loop);
    assert(err == 0);
    app->server.is_virtual = true; /* a hoist_later() is over when the loop turns */
    current = &wires[0];
    wire_open(current, &app->server);
}

/* ---- steps of a connection ---- */

static void step_get(const char *path, long n)
{
    (void)n;
    wire_send(current, "GET ", 4);
    wire_send(current, path, strlen(path));
    wire_send(current, " HTTP/1.1\r\nHost: t\r\n\r\n", 22);
}

static void step_send(const char *text, long n)
{
    static char bytes[INPUT_MAX];
    unsigned byte;

    for (n = 0; *text != '\0'; n++) {
        bytes[n] = *text++;
        if (bytes[n] != '\\' || *text == '\0')
            continue;
        bytes[n] = *text++;
        if (bytes[n] == 'r') {
            bytes[n] = '\r';
        } else if (bytes[n] == 'n') {
            bytes[n] = '\n';
        } else if (bytes[n] == 'x' && sscanf(text, "%2x", &byte) == 1) {
            bytes[n] = (char)byte;
            text += text[1] != '\0' ? 2 : 1;
        }
    }
    wire_send(current, bytes, (size_t)n);
}

static void step_fill(const char *text, long n)
{
    static char fill[FILL_MAX];
    size_t len = n == NONE || n > FILL_MAX ? FILL_MAX : (size_t)n;

    (void)text;
    len = len < fill_left ? len : fill_left;
    fill_left -= len;
    memset(fill, 'x', len);
    wire_send(current, fill, len);
}

static void step_cut(const char *text, long n)
{
    (void)text;
    current->piece = n == NONE ? 0 : (size_t)n;
}

static void step_eof(const char *text, long n)
{
    (void)text;
    (void)n;
    if (current->at_eof || current->has_left || !current->is_reading)
        return;
    current->at_eof = true;
    conn_on_eof(&current->conn);
}

static void step_leave(const char *text, long n)
{
    (void)text;
    (void)n;
    if (current->has_left || current->is_reading)
        return;
    current->has_left = true;
    conn_on_leaving(&current->conn);
}

static void step_reset(const char *text, long n)
{
    (void)text;
    (void)n;
    if (current->has_left || current->at_eof)
        return;
    current->has_left = current->is_cut = true;
    conn_on_error(&current->conn);
}

static void step_room(const char *text, long n)
{
    (void)text;
    current->room = n == NONE ? SIZE_MAX : (size_t)n;
}

static void step_fail_at_once(const char *text, long n)
{
    (void)text;
    (void)n;
    current->fails_at_once = current->is_cut = true;
}

static void step_fail_in_time(const char *text, long n)
{
    (void)text;
    (void)n;
    current->fails_in_time = current->is_cut = true;
}

static void step_take(const char *text, long n)
{
    size_t left = n == NONE ? SIZE_MAX : (size_t)n, len;

    (void)text;
    if (!current->has_write)
        return;
    for (unsigned i = 0; i < 2; i++) {
        uv_buf_t *buf = &current->queued[i];

        if (buf->len == 0) /* and no address then */
            continue;
        len = wire_receive(current, buf->base, buf->len < left ? buf->len : left);
        reader_take_all(&current->reader);
        buf->len -= len;
        buf->base += len;
        left -= len;
    }
    if (current->queued[0].len + current->queued[1].len > 0)
        return;
    current->has_write = false;
    conn_on_written(&current->conn, current->fails_in_time ? -ECONNRESET : 0);
}

/* As the timer does it. */
static void expire(struct deadline *deadline)
{
    if (!deadline_is_armed(deadline))
        return;
    deadline_disarm(deadline);
    deadline->expired(deadline);
}

static void step_expire(const char *text, long n)
{
    (void)text;
    (void)n;
    conn_write_held(&app->server); /* a timer comes in the next turn of the loop */
    expire(&current->conn.deadline);
}

static void step_expire_request(const char *text, long n)
{
    (void)text;
    (void)n;
    conn_write_held(&app->server);
    if (current->conn.exchange != NULL)
        expire(&current->conn.exchange->deadline);
}

/* ---- steps of the server ---- */

static void step_turn(const char *text, long n)
{
    (void)text;
    (void)n;
    uv_run(&loop, UV_RUN_NOWAIT);
    for (unsigned i = 0; i < WIRES; i++)
        if (wires[i].is_open && wires[i].is_closing)
            wire_end(&wires[i]);
}

static void step_go_on(const char *text, long n)
{
    (void)text;
    go_on(n);
}

static void step_pump(const char *text, long n)
{
    (void)text;
    (void)n;
    pump();
}

static void step_fail_malloc(const char *text, long n)
{
    (void)text;
    if (n <= 0)
        return;
    n_failing++;
    fail_malloc_at((unsigned)n);
    for (unsigned i = 0; i < WIRES; i++)
        wires[i].is_cut = true;
}

static void step_hold(const char *text, long n)
{
    (void)text;
    (void)n;
    app->server.holds = true;
}

static void step_half_close(const char *text, long n)
{
    (void)text;
    (void)n;
    app->config.half_close = HOIST_HALF_CLOSE_FINISH;
}

static void step_unread(const char *text, long n)
{
    (void)text;
    current->unread = n == NONE ? 0 : (size_t)n;
}

static void step_on_way(const char *text, long n)
{
    (void)text;
    current->on_way = n == NONE ? 0 : (size_t)n;
}

static void step_idle(const char *text, long n)
{
    (void)text;
    for (struct conn *conn = app->server.conns; conn != NULL; conn = conn->next)
        if (conn->wait == WAIT_REQUEST || conn->wait == WAIT_HEAD)
            conn->since_ms -= n == NONE ? IDLE_MS : (uint64_t)n;
}

/* As the listener does it. */
static void step_crowd(const char *text, long n)
{
    (void)text;
    (void)n;
    app->server.is_crowded = !conn_close_idle(&app->server);
}

static void step_max_memory(const char *text, long n)
{
    (void)text;
    has_limited_memory = true;
    app->config.max_memory = n == NONE ? 0 : (size_t)n;
}

static void step_stop(const char *text, long n)
{
    (void)text;
    (void)n;
    hoist_app_stop(app);
}

static void step_abort(const char *text, long n)
{
    (void)text;
    (void)n;
    for (unsigned i = 0; i < WIRES; i++)
        wires[i].is_cut = true;
    server_abort(&app->server);
}

static void take_step(const char *line)
{
    static const struct {
        char name;
        bool takes_wire; /* which must be there, and not be closing */
        void (*take)(const char *text, long n);
    } steps[] = {
        {'g', true, step_get},
        {'s', true, step_send},
        {'x', true, step_fill},
        {'c', true, step_cut},
        {'e', true, step_eof},
        {'l', true, step_leave},
        {'r', true, step_reset},
        {'t', true, step_room},
        {'f', true, step_fail_at_once},
        {'w', true, step_fail_in_time},
        {'k', true, step_take},
        {'d', true, step_expire},
        {'D', true, step_expire_request},
        {'n', false, step_go_on},
        {'u', false, step_turn},
        {'p', false, step_pump},
        {'m', false, step_fail_malloc},
        {'b', false, step_hold},
        {'h', false, step_half_close},
        {'y', true, step_unread},
        {'o', true, step_on_way},
        {'i', false, step_idle},
        {'C', false, step_crowd},
        {'M', false, step_max_memory},
        {'S', false, step_stop},
        {'A', false, step_abort},
    };
    const char *text = line[0] != '\0' && line[1] == ' ' ? line + 2 : "";
    unsigned long n = strtoul(text, NULL, 10);

    if (line[0] >= '0' && line[0] < '0' + WIRES) {
        current = &wires[line[0] - '0'];
        if (!current->is_open && app->state == APP_SERVING)
            wire_open(current, &app->server);
    }
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        if (steps[i].name == line[0] && (!steps[i].takes_wire || (current->is_open && !current->is_closing)))
            steps[i].take(text, *text >= '0' && *text <= '9' && n < INT_MAX ? (long)n : NONE);
}

/* What holds between any two steps. */
static void check(void)
{
    const struct server *server = &app->server;
    uint64_t n_answers = 0;
    unsigned n_open = 0;

    for (unsigned i = 0; i < WIRES; i++) {
        const struct wire *wire = &wires[i];
        enum conn_state state = wire->conn.state;

        if (!wire->is_open)
            continue;
        n_open++;
        n_answers += wire->reader.n_final;
        assert(wire->is_closing == (state == CONN_CLOSING));
        check_conn(&wire->conn);
        if (wire->is_closing)
            continue;
        assert(wire->has_write == (state == CONN_WRITING));
        assert(wire->is_shut == (state == CONN_LINGERING));
        assert(wire->is_reading || wire->at_eof || wire->conn.ahead.len > 0 || wire->conn.has_lost);
        assert(!wire->conn.is_held || state == CONN_READING);
        assert(state == CONN_HANDLING || state == CONN_STREAMING || deadline_is_armed(&wire->conn.deadline));
        assert(state != CONN_HANDLING || wire->conn.exchange->state >= EXCHANGE_ON_LOOP);
    }
    assert(server->n_conns == n_open);
    check_list(server);
    assert(server->out_len == server->out_begin);
    assert((server->out_len == 0) == (server->n_held == 0));
    assert(n_answers <= server->figures.answers);
    /* An exchange has one; for want of memory there may be one without, for max_memory a connection's last. */
    assert(server->figures.answers <=
           server->next_id + n_failing + (has_limited_memory ? server->figures.accepted : 0));
}

/* Everybody leaves, what is pending goes on, and nothing is left. */
static void stop(void)
{
    fail_malloc_at(0);
    for (unsigned i = 0; i < WIRES; i++) {
        if (!wires[i].is_open || wires[i].is_closing)
            continue;
        wires[i].is_cut = true;
        conn_close(&wires[i].conn, false);
    }
    do {
        while (n_pending > 0)
            go_on(0);
        step_turn("", 0);
    } while (n_pending + app->server.n_due > 0);
    check();
    assert(server_is_empty(&app->server));
    for (const struct route *route = app->routes; route != NULL; route = route->next)
        assert(route->figures.abandoned == 0);
    routes_check();
    hoist_app_stop(app);
    for (unsigned turns = 0; hoist_app_free(app) == -EBUSY; turns++) {
        assert(turns < TURNS_MAX);
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    uv_run(&loop, UV_RUN_NOWAIT);
    if (uv_loop_close(&loop) < 0)
        abort();
}
