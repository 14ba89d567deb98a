/* The experiments' HTTP client, against a server of the test's own that answers by a script. */
#include "experiment/caller.h"
#include "lib/loop.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ASK "GET / HTTP/1.1\r\nHost: t\r\n\r\n"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

enum { CONNECTIONS_MAX = 8, BODY_BLOCK = 64 * 1024 };

/* What the server does about a request, whichever connection it comes on. */
struct step {
    const char *text; /* to be written; may be "" */
    bool ends;        /* and then the connection is closed */
};

static uv_loop_t loop;
static uv_tcp_t listener, connections[CONNECTIONS_MAX];
static unsigned n_connections, n_requests;
static const struct step *script;

static struct caller caller;
static bool is_open;
static unsigned n_answers;
static struct caller_answer last;

/* ---- the server ---- */

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *ret_buf)
{
    static char buffer[1024];

    (void)handle;
    (void)size;
    *ret_buf = uv_buf_init(buffer, sizeof(buffer));
}

static void end(uv_handle_t *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void on_written(uv_write_t *write, int status)
{
    const struct step *step = write->data;

    (void)status;
    if (step->ends)
        end((uv_handle_t *)write->handle);
    free(write);
}

/* A request is as short as one read. */
static void on_request(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    uv_write_t *write;
    uv_buf_t out;

    (void)buf;
    if (n < 0)
        end((uv_handle_t *)stream);
    if (n <= 0)
        return;
    write = malloc(sizeof(*write));
    cr_assert_not_null(write);
    write->data = (void *)(uintptr_t)&script[n_requests];
    out = uv_buf_init((char *)(uintptr_t)script[n_requests].text, (unsigned)strlen(script[n_requests].text));
    n_requests++;
    cr_assert_eq(uv_write(write, stream, &out, 1, on_written), 0);
}

static void on_connection(uv_stream_t *server, int status)
{
    uv_tcp_t *connection = &connections[n_connections++];

    cr_assert_eq(status, 0);
    cr_assert_lt(n_connections, CONNECTIONS_MAX);
    uv_tcp_init(&loop, connection);
    cr_assert_eq(uv_accept(server, (uv_stream_t *)connection), 0);
    uv_read_start((uv_stream_t *)connection, on_alloc, on_request);
}

/* ---- the client ---- */

static void on_open(struct caller *of, int err)
{
    (void)of;
    cr_assert_eq(err, 0);
    is_open = true;
}

static void on_answer(struct caller *of, const struct caller_answer *answer)
{
    (void)of;
    n_answers++;
    last = *answer;
}

static void open_both(const struct step *steps)
{
    struct sockaddr_in address;
    int len = sizeof(address);

    script = steps;
    cr_assert_eq(uv_loop_init(&loop), 0);
    uv_tcp_init(&loop, &listener);
    uv_ip4_addr("127.0.0.1", 0, &address);
    cr_assert_eq(uv_tcp_bind(&listener, (const struct sockaddr *)&address, 0), 0);
    cr_assert_eq(uv_listen((uv_stream_t *)&listener, 8, on_connection), 0);
    cr_assert_eq(uv_tcp_getsockname(&listener, (struct sockaddr *)&address, &len), 0);
    caller = (struct caller){
        .loop = &loop, .port = ntohs(address.sin_port), .keeps_body = true, .on_open = on_open, .on_answer = on_answer};
    cr_assert_eq(caller_open(&caller), 0);
    LOOP_RUN_UNTIL(&loop, is_open && n_connections == 1);
}

static void close_both(void)
{
    caller_close(&caller);
    end((uv_handle_t *)&listener);
    for (unsigned i = 0; i < n_connections; i++)
        end((uv_handle_t *)&connections[i]);
    uv_run(&loop, UV_RUN_DEFAULT);
    cr_expect_eq(caller.state, CALLER_CLOSED);
    cr_expect_eq(uv_loop_close(&loop), 0);
}

TestSuite(caller, .fini = close_both, .timeout = 30);

static void ask(void)
{
    unsigned before = n_answers;

    caller_ask(&caller, ASK, strlen(ASK));
    LOOP_RUN_UNTIL(&loop, n_answers == before + 1);
}

static void expect(int err, unsigned connections_so_far, unsigned requests_so_far)
{
    cr_expect_eq(last.err, err, "%d", last.err);
    if (err == 0)
        cr_expect_eq(last.status, 200, "%d", last.status);
    cr_expect_eq(n_connections, connections_so_far, "%u connections", n_connections);
    cr_expect_eq(n_requests, requests_so_far, "%u requests", n_requests);
}

Test(caller, asks_again_on_one_connection)
{
    static const struct step steps[] = {{OK, false}, {OK, false}};

    open_both(steps);
    ask();
    expect(0, 1, 1);
    ask();
    expect(0, 1, 2);
}

Test(caller, repeats_a_request_on_a_connection_that_ends_before_its_answer_begins)
{
    static const struct step steps[] = {{OK, false}, {"", true}, {OK, false}, {OK, false}};

    open_both(steps);
    ask();
    ask();
    expect(0, 2, 3);
    ask();
    expect(0, 2, 4);
}

Test(caller, repeats_no_request_whose_answer_has_begun)
{
    static const struct step steps[] = {{OK, false}, {"HTTP/1.1 200", true}, {OK, false}};

    open_both(steps);
    ask();
    ask();
    expect(-ECONNRESET, 1, 2);
}

/* Otherwise a server that ends each would be asked for ever. */
Test(caller, repeats_no_request_on_a_connection_that_has_not_answered)
{
    static const struct step first[] = {{"", true}, {OK, false}};

    open_both(first);
    ask();
    expect(-ECONNRESET, 1, 1);
}

Test(caller, repeats_a_request_once)
{
    static const struct step steps[] = {{OK, false}, {"", true}, {"", true}, {OK, false}};

    open_both(steps);
    ask();
    ask();
    expect(-ECONNRESET, 2, 3);
}

Test(caller, opens_again_what_was_ended_in_silence)
{
    static const struct step steps[] = {{OK, false}, {OK, false}, {OK, false}};

    open_both(steps);
    ask();
    end((uv_handle_t *)&connections[0]);
    LOOP_RUN_UNTIL(&loop, caller.is_stale);
    ask();
    expect(0, 2, 2);
    ask();
    expect(0, 2, 3);
}

Test(caller, opens_again_what_the_answer_said_would_end)
{
    static const struct step steps[] = {{"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", false},
                                        {OK, false}};

    open_both(steps);
    ask();
    expect(0, 1, 1);
    ask();
    expect(0, 2, 2);
}

Test(caller, keeps_a_body_as_long_as_its_memory)
{
    static char text[BODY_BLOCK + 128];
    static const struct step steps[] = {{text, false}};
    size_t head = (size_t)snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", BODY_BLOCK);

    memset(text + head, 'b', BODY_BLOCK);
    open_both(steps);
    ask();
    expect(0, 1, 1);
    cr_expect_eq(last.body_len, BODY_BLOCK);
    cr_expect_eq(strlen(caller.body), BODY_BLOCK);
    cr_expect_gt(caller.body_size, BODY_BLOCK, "there is room for the NUL");
}

/* The rest of the body comes when the caller has kept so much that this makes it len bytes. */
static void expect_of_long_body(size_t len, int err)
{
    static const struct step steps[] = {{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no", false}};
    uv_buf_t rest = {.base = (char *)(uintptr_t) "k", .len = 1};

    open_both(steps);
    caller_ask(&caller, ASK, strlen(ASK));
    LOOP_RUN_UNTIL(&loop, caller.answer.body_len == 1);
    caller.answer.body_len = len - 1;
    cr_assert_eq(uv_try_write((uv_stream_t *)&connections[0], &rest, 1), 1);
    LOOP_RUN_UNTIL(&loop, n_answers == 1);
    expect(err, 1, 1);
}

Test(caller, keeps_a_body_up_to_its_limit)
{
    expect_of_long_body(CALLER_BODY_MAX - 1, 0);
    cr_expect_eq(last.body_len, CALLER_BODY_MAX - 1);
}

Test(caller, fails_when_a_body_is_longer)
{
    expect_of_long_body(CALLER_BODY_MAX, -EFBIG);
}
