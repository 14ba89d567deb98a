/* max_memory: what requests hold is counted, over it new ones are refused, and afterwards nothing is counted. */
#include "lib/conn_fixture.h"
#include "server/server.h"

#include <errno.h>
#include <string.h>

enum { KIB = 1024, LIMIT = 300 * KIB, BODY = 900000, WIRES = 2 };

static struct wire wires[WIRES];
static char bytes[BODY];

static void open_limited(void)
{
    conn_fixture_open(&(hoist_config){.max_memory = LIMIT});
}

TestSuite(memory, .init = open_limited, .fini = conn_fixture_close, .timeout = 30);
TestSuite(memory_on_a_worker, .timeout = 30);

static size_t memory(void)
{
    return server_memory(&f.app->server);
}

static void send_head(struct wire *wire)
{
    char head[128];

    snprintf(head, sizeof(head), "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n", BODY);
    wire_send(wire, head);
}

/* A client that sends n bytes of its body and no more now. */
static void send_slowly(struct wire *wire, size_t n)
{
    wire_open(wire, &f);
    send_head(wire);
    wire_send_cut(wire, bytes, n, 0);
}

/* A client that comes now gets that status; 503 tells it when to come again, and ends its connection. */
static void expect_new_request(int status)
{
    static struct wire wire;
    char value[32];

    wire_open(&wire, &f);
    wire_send(&wire, GET("/say/x") GET("/say/y"));
    cr_expect_eq(wire_answer(&wire, 0)->status, status, "%d, not %d", wire.answer.status, status);
    if (status == 503) {
        wire_expect_last(&wire, 0, 503);
        cr_expect_str_eq(answer_field(&wire.answer, "Retry-After", value, sizeof(value)), "1");
    }
    wire_close(&wire);
}

Test(memory, is_not_counted_for_what_fits_into_an_exchange)
{
    wire_send(&w, GET("/pend"));

    cr_expect_eq(memory(), sizeof(struct exchange));
    conn_finish("small");
    cr_expect_eq(wire_answer(&w, 0)->status, 200);
    cr_expect_eq(memory(), 0);
}

Test(memory, is_counted_for_bodies_that_come_slowly_and_refuses_what_is_new)
{
    for (unsigned i = 0; i < 2; i++) {
        expect_new_request(200);
        send_slowly(&wires[i], (i + 1) * 100 * KIB);
    }
    cr_expect_gt(memory(), (size_t)LIMIT);
    expect_new_request(503);
    wire_close(&wires[0]);

    expect_new_request(200);
    wire_close(&wires[1]);
    cr_expect_eq(memory(), 0);
}

Test(memory, refuses_a_body_that_has_begun_to_grow_further)
{
    send_slowly(&wires[0], 100 * KIB);
    send_slowly(&wires[1], 200 * KIB);
    cr_expect_gt(memory(), (size_t)LIMIT);
    wire_send_cut(&wires[0], bytes, 100 * KIB, 0);

    wire_expect_last(&wires[0], 0, 503);
    cr_expect_lt(memory(), (size_t)LIMIT); /* so there is room for the other */
    wire_send_cut(&wires[1], bytes, 100 * KIB, 0);
    cr_expect_eq(wire_answers(&wires[1]), 0);
    cr_expect_not(wires[1].is_closing);
    wire_close(&wires[0]);
    wire_close(&wires[1]);
}

Test(memory, asks_for_no_body_that_it_has_no_room_for)
{
    send_slowly(&wires[0], 400 * KIB);
    wire_send(&w, "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");

    wire_expect_last(&w, 0, 503);
    wire_close(&wires[0]);
}

/* Else ten thousand of them might come, of 32 KiB each. */
Test(memory, lets_no_head_grow)
{
    wire_send(&w, GET("/say/x") "GET /say/");
    send_slowly(&wires[0], 400 * KIB);
    cr_expect_eq(wire_answers(&w), 1);
    wire_send(&w, "y HTTP");

    wire_expect_last(&w, 1, 503);
    wire_open(&wires[1], &f);
    wire_send(&wires[1], "GET");
    wire_expect_last(&wires[1], 0, 503);
    wire_close(&wires[0]);
    wire_close(&wires[1]);
}

/* A given one by its length, a small one by what did not fit into the socket; a static one is nobody's. */
Test(memory, is_counted_for_large_replies_until_they_are_written)
{
    static const struct {
        const char *request;
        size_t least;
        int meanwhile;
    } rows[] = {
        {GET("/give"), BIG, 503},
        {GET("/print"), MEDIUM, 200},
        {GET("/medium/x"), MEDIUM, 200},
        {GET("/big"), 0, 200},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        wire_open(&wires[0], &f);
        wires[0].room = 10;
        wire_send(&wires[0], rows[i].request);
        cr_assert(wires[0].has_write, "row %zu", i);
        cr_expect_gt(memory(), rows[i].least, "row %zu: %zu", i, memory());
        cr_expect_lt(memory(), rows[i].least + 64 * KIB, "row %zu: %zu", i, memory());
        expect_new_request(rows[i].meanwhile);
        wire_take(&wires[0], SIZE_MAX);

        cr_expect_eq(wire_answer(&wires[0], 0)->status, 200, "row %zu", i);
        cr_expect_eq(memory(), 0, "row %zu: %zu", i, memory());
        expect_new_request(200);
        wire_close(&wires[0]);
    }
}

Test(memory, is_given_back_when_a_client_leaves_its_reply)
{
    wire_open(&wires[0], &f);
    wires[0].room = 10;
    wire_send(&wires[0], GET("/give"));
    cr_expect_gt(memory(), (size_t)BIG);
    wire_close(&wires[0]);

    cr_expect_eq(memory(), 0);
}

/* Read ahead behind a request that is handled. */
Test(memory, is_counted_for_what_is_read_ahead)
{
    wire_send(&w, GET("/pend"));
    wire_send_cut(&w, bytes, 40 * KIB, 0);

    cr_expect_gt(memory(), 40 * KIB);
    conn_finish("bad bytes follow");
}

/* What is read ahead when there is no room is not kept: what was before it is answered, and then it is refused. */
Test(memory, reads_nothing_ahead)
{
    size_t before;

    wire_send(&w, GET("/pend"));
    wire_send(&w, GET("/say/kept"));
    send_slowly(&wires[0], 400 * KIB);
    before = memory();
    wire_send(&w, GET("/say/lost"));
    cr_expect_not(w.is_reading);
    cr_expect_eq(memory(), before);
    wire_close(&wires[0]);
    conn_finish("first");

    wire_expect_body(&w, 0, "first");
    wire_expect_body(&w, 1, "kept");
    wire_expect_last(&w, 2, 503);
    cr_expect_eq(w.conn.state, CONN_LINGERING);
    cr_expect(w.is_reading);
}

Test(memory, reads_nothing_ahead_behind_an_answer_that_is_not_taken)
{
    w.room = 10;
    wire_send(&w, GET("/big"));
    send_slowly(&wires[0], 400 * KIB);
    wire_send(&w, GET("/say/lost"));
    wire_close(&wires[0]);
    wire_take(&w, SIZE_MAX);
    w.room = SIZE_MAX;
    while (w.has_write)
        wire_take(&w, SIZE_MAX);

    cr_expect_eq(wire_answer(&w, 0)->body_len, (size_t)BIG);
    wire_expect_last(&w, 1, 503);
}

/* What holds the memory is the client's own, and gone when its turn comes. */
Test(memory, is_there_for_what_follows_its_own_reply)
{
    w.room = 10;
    wire_send(&w, GET("/give"));
    cr_assert_gt(memory(), (size_t)LIMIT);
    wire_send(&w, GET("/say/second"));
    w.room = SIZE_MAX;
    while (w.has_write)
        wire_take(&w, SIZE_MAX);

    cr_expect_eq(wire_answer(&w, 0)->body_len, (size_t)BIG);
    wire_expect_body(&w, 1, "second");
}

/* The others hold 256 KiB, and 64 KiB are its own. */
Test(memory, is_there_for_what_follows_what_was_read_ahead)
{
    wire_send(&w, GET("/pend"));
    wire_send_cut(&w, bytes, 60 * KIB, 0);
    send_slowly(&wires[0], 200 * KIB);
    cr_assert_gt(memory(), (size_t)LIMIT);
    wire_send_cut(&w, bytes, KIB, 0);

    cr_expect(w.is_reading);
    wire_close(&wires[0]);
    conn_finish("bad bytes follow");
}

/* The others hold 288 KiB. */
Test(memory, is_there_for_what_follows_answers_that_are_not_taken)
{
    w.room = 10;
    wire_send(&w, GET("/medium/x"));
    send_slowly(&wires[0], 200 * KIB);
    send_slowly(&wires[1], 30 * KIB);
    cr_assert_gt(memory(), (size_t)LIMIT);
    wire_send(&w, GET("/say/second"));

    cr_expect(w.is_reading);
    wire_close(&wires[0]);
    wire_close(&wires[1]);
}

/* ---- on a worker ---- */

static struct gate gate;

/* Stops at the gate with much in its arena. */
static int use_much(hoist_req *req, hoist_res *res)
{
    char *text = hoist_req_alloc(req, MEDIUM * 100);

    if (text == NULL)
        return -ENOMEM;
    memset(text, 'm', MEDIUM * 100);
    gate_pass(&gate, 0);
    return hoist_reply_copy(res, 200, "text/x", text, MEDIUM * 100);
}

static int say(hoist_req *req, hoist_res *res)
{
    (void)req;
    return hoist_reply_text(res, 200, "said");
}

static int print_much(hoist_req *req, hoist_res *res)
{
    FILE *file = hoist_res_file(res);

    (void)req;
    if (file == NULL)
        return -ENOMEM;
    fprintf(file, "%*d", MEDIUM * 100, 1);
    return 0;
}

static const hoist_route routes[] = {
    {.path = "/much", .handler = use_much},
    {.path = "/print", .handler = print_much},
    {.path = "/say/:text", .handler = say, .run = HOIST_INLINE},
};

static void open_with_workers(void)
{
    app_fixture_serve_wires(&f, &(hoist_config){.workers = 2, .max_memory = LIMIT}, routes,
                            sizeof(routes) / sizeof(routes[0]));
    gate_open(&gate, &f.loop);
}

static void close_with_workers(void)
{
    cr_expect_eq(memory(), 0);
    gate_close(&gate);
    app_fixture_close(&f);
}

Test(memory_on_a_worker, is_counted_while_it_runs_and_until_its_reply_is_written)
{
    open_with_workers();
    wire_open(&wires[0], &f);
    wires[0].room = 10;
    wire_send(&wires[0], GET("/much"));
    gate_run_until_inside(&gate, 1);
    cr_expect_gt(memory(), (size_t)MEDIUM * 100);
    expect_new_request(503);
    gate_let_all_go(&gate);
    LOOP_SPIN_UNTIL(&f.loop, wires[0].has_write);
    cr_expect_gt(memory(), (size_t)MEDIUM * 200, "the reply, too");
    wire_take(&wires[0], SIZE_MAX);

    cr_expect_eq(wire_answer(&wires[0], 0)->body_len, (size_t)MEDIUM * 100);
    wire_close(&wires[0]);
    close_with_workers();
}

Test(memory_on_a_worker, is_counted_for_what_was_printed)
{
    open_with_workers();
    wire_open(&wires[0], &f);
    wires[0].room = 10;
    wire_send(&wires[0], GET("/print"));
    LOOP_SPIN_UNTIL(&f.loop, wires[0].has_write);
    cr_expect_gt(memory(), (size_t)MEDIUM * 100);
    expect_new_request(503);
    wire_close(&wires[0]);

    close_with_workers();
}

Test(memory_on_a_worker, is_counted_until_an_abandoned_job_returns)
{
    open_with_workers();
    wire_open(&wires[0], &f);
    wire_send(&wires[0], GET("/much"));
    gate_run_until_inside(&gate, 1);
    wire_close(&wires[0]);
    cr_expect_gt(memory(), (size_t)MEDIUM * 100);
    expect_new_request(503);
    gate_let_all_go(&gate);
    LOOP_RUN_UNTIL(&f.loop, f.app->server.n_exchanges == 0);

    expect_new_request(200);
    close_with_workers();
}
