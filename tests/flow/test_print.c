/* Handlers that print: on the loop, on a worker, and to the end of an asynchronous request. */
#include "lib/app_fixture.h"
#include "lib/fail_malloc.h"
#include "lib/gate.h"
#include "server/server.h"

#include <dlfcn.h>
#include <errno.h>

/* stdio gathers some thousand bytes; a reply of up to 16 KiB is copied, a larger one stays where it is. */
enum { LINES = 2000, LINE = 12, MAX_REPLY = LINES * LINE, MANY_LINES = 100000 };

static struct app_fixture f;
static struct gate gate;
static struct peer p;
static struct wire w;
static hoist_req *pending; /* what /finish waits with */
static hoist_res *pending_res;
static char expected[MAX_REPLY + 1];

static bool is_short; /* of memory for a stream */

/* In the place of the C library's, for the whole program. */
FILE *fopencookie(void *cookie, const char *mode, cookie_io_functions_t functions)
{
    FILE *(*real)(void *, const char *, cookie_io_functions_t);

    if (is_short) {
        errno = ENOMEM;
        return NULL;
    }
    *(void **)&real = dlsym(RTLD_NEXT, "fopencookie"); /* as dlsym(3) has it */
    return real(cookie, mode, functions);
}

/* "line 000042\n": all of them are LINE bytes. */
static int print_lines(hoist_res *res, unsigned n)
{
    FILE *file = hoist_res_file(res);

    if (file == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < n; i++)
        if (fprintf(file, "line %06u\n", i) < 0)
            return -errno;
    return 0;
}

static int print(hoist_req *req, hoist_res *res)
{
    (void)req;
    return print_lines(res, LINES);
}

static int print_nothing(hoist_req *req, hoist_res *res)
{
    (void)req;
    return print_lines(res, 0);
}

/* Legacy code does not look at what printf() says. */
static int print_too_much(hoist_req *req, hoist_res *res)
{
    (void)req;
    (void)print_lines(res, LINES + 1);
    return 0;
}

static int print_too_much_and_look(hoist_req *req, hoist_res *res)
{
    (void)req;
    return print_lines(res, MANY_LINES);
}

static int print_csv(hoist_req *req, hoist_res *res)
{
    int err = hoist_res_type(res, 203, "text/csv");

    (void)req;
    return err < 0 ? err : print_lines(res, 1);
}

static int print_and_reply(hoist_req *req, hoist_res *res)
{
    (void)print_lines(res, LINES);
    return hoist_reply_text(res, 201, hoist_req_path(req));
}

static int print_and_fail(hoist_req *req, hoist_res *res)
{
    (void)req;
    (void)print_lines(res, LINES);
    return -ENOENT;
}

static int print_twice(hoist_req *req, hoist_res *res)
{
    FILE *file = hoist_res_file(res);

    (void)req;
    fputs("one, ", file);
    fputs(hoist_res_file(res) == file ? "the same" : "another", hoist_res_file(res));
    return 0;
}

/* GET /held: prints on both sides of the gate. */
static int held(hoist_req *req, hoist_res *res)
{
    (void)req;
    (void)print_lines(res, 1000);
    gate_pass(&gate, 0);
    return print_lines(res, 1000);
}

static int offload(hoist_req *req, hoist_res *res)
{
    int err = print_lines(res, 0);

    return err < 0 ? err : hoist_offload(req, print);
}

static int wait_for_finish(hoist_req *req, hoist_res *res)
{
    pending = req;
    pending_res = res;
    return HOIST_PENDING;
}

static int print_and_wait(hoist_req *req, hoist_res *res)
{
    int err = print_lines(res, 1);

    return err < 0 ? err : hoist_later(req, 3600 * 1000, print);
}

/* As a fork of a program does it, or a library that wants all output to be out. */
static int flush_all(hoist_req *req, hoist_res *res)
{
    FILE *file = hoist_res_file(res);

    (void)req;
    fflush(NULL);
    return file != NULL && fputs("own", file) >= 0 ? 0 : -ENOMEM;
}

/* Whatever came of it. */
static int print_if_it_can(hoist_req *req, hoist_res *res)
{
    (void)req;
    (void)print_lines(res, 1);
    return 0;
}

static const hoist_route routes[] = {
    {.path = "/flush-all", .handler = flush_all, .run = HOIST_INLINE},
    {.path = "/inline", .handler = print, .run = HOIST_INLINE, .max_reply = MAX_REPLY},
    {.path = "/worker", .handler = print, .max_reply = MAX_REPLY},
    {.path = "/offload", .handler = offload, .run = HOIST_ASYNC, .max_reply = MAX_REPLY},
    {.path = "/print-later", .handler = print_and_wait, .run = HOIST_ASYNC},
    {.path = "/finish", .handler = wait_for_finish, .run = HOIST_ASYNC, .max_reply = MAX_REPLY},
    {.path = "/nothing", .handler = print_nothing},
    {.path = "/csv", .handler = print_csv},
    {.path = "/reply", .handler = print_and_reply},
    {.path = "/fail", .handler = print_and_fail},
    {.path = "/twice", .handler = print_twice},
    {.path = "/too-much", .handler = print_too_much, .max_reply = MAX_REPLY},
    {.path = "/too-much-inline", .handler = print_too_much, .max_reply = MAX_REPLY, .run = HOIST_INLINE},
    {.path = "/look", .handler = print_too_much_and_look, .max_reply = MAX_REPLY},
    {.path = "/held", .handler = held},
    {.path = "/if", .handler = print_if_it_can},
};

static void open_app(void)
{
    app_fixture_serve(&f, &(hoist_config){.workers = 1}, routes, sizeof(routes) / sizeof(routes[0]));
    gate_open(&gate, &f.loop);
    for (unsigned i = 0; i < LINES; i++)
        (void)snprintf(expected + i * LINE, LINE + 1, "line %06u\n", i);
}

static void close_app(void)
{
    app_fixture_close_with(&f, &gate);
}

TestSuite(print, .init = open_app, .fini = close_app, .timeout = 30);

static void finish_when_it_waits(int (*print_now)(hoist_res *res, unsigned n), unsigned n)
{
    hoist_req *req;

    LOOP_RUN_UNTIL(&f.loop, pending != NULL);
    req = pending;
    pending = NULL;
    hoist_finish(req, print_now(pending_res, n));
}

/* Asks for target on the connection; its answer, the n-th one. */
static const struct answer *ask(const char *target, unsigned n)
{
    if (n == 0)
        peer_open(&p, &f);
    peer_get(&p, target);
    return peer_answer(&p, n);
}

Test(print, is_the_reply_wherever_the_handler_runs)
{
    static const char *const targets[] = {"/inline", "/worker", "/offload"};

    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        cr_expect_eq(ask(targets[i], 0)->status, 200, "%s", targets[i]);
        cr_expect(answer_body_is(&p.answer, expected), "%s", targets[i]);
        peer_close(&p);
    }
}

Test(print, is_the_reply_of_what_is_finished_later)
{
    peer_open(&p, &f);
    peer_get(&p, "/finish");
    finish_when_it_waits(print_lines, LINES);

    cr_expect_eq(peer_answer(&p, 0)->status, 200);
    cr_expect(answer_body_is(&p.answer, expected));
}

/* It has the exchange of a request whose client left while its handler waited. */
Test(print, of_the_request_before_is_not_in_the_reply)
{
    peer_open(&p, &f);
    peer_get(&p, "/print-later");
    LOOP_RUN_UNTIL(&f.loop, app_fixture_count(&f, EXCHANGE_TIMED) == 1);
    peer_close(&p);
    LOOP_RUN_UNTIL(&f.loop, f.app->server.n_exchanges == 0);

    cr_expect_eq(ask("/flush-all", 0)->status, 200);
    cr_expect(answer_body_is(&p.answer, "own"));
}

Test(print, may_be_nothing)
{
    char type[64];

    cr_expect_eq(ask("/nothing", 0)->status, 200);
    cr_expect_eq(p.answer.body_len, 0);
    cr_expect_str_eq(answer_field(&p.answer, "Content-Type", type, sizeof(type)), "text/plain; charset=utf-8");
}

Test(print, has_the_status_and_type_that_were_said)
{
    char type[64];

    cr_expect_eq(ask("/csv", 0)->status, 203);
    cr_expect(answer_body_is(&p.answer, "line 000000\n"));
    cr_expect_str_eq(answer_field(&p.answer, "Content-Type", type, sizeof(type)), "text/csv");
}

Test(print, gives_way_to_a_reply)
{
    cr_expect_eq(ask("/reply", 0)->status, 201);
    cr_expect(answer_body_is(&p.answer, "/reply"));
}

Test(print, gives_way_to_an_error)
{
    cr_expect_eq(ask("/fail", 0)->status, 404);
    cr_expect_not(answer_says(&p.answer, "line"));
}

Test(print, goes_to_one_stream_however_often_it_is_asked_for)
{
    ask("/twice", 0);
    cr_expect(answer_body_is(&p.answer, "one, the same"), "%.*s", (int)p.answer.body_len, p.answer.body);
}

Test(print, is_500_over_max_reply_names_it_and_the_connection_lives_on)
{
    static const char *const targets[] = {"/too-much", "/too-much-inline", "/look"};

    for (unsigned i = 0; i < 3; i++) {
        cr_expect_eq(ask(targets[i], 2 * i)->status, 500, "%s: %d", targets[i], p.answer.status);
        cr_expect(answer_says(&p.answer, "over max_reply, 24000 bytes"), "%.*s", (int)p.answer.body_len, p.answer.body);
        cr_expect_eq(ask("/twice", 2 * i + 1)->status, 200);
    }
}

Test(print, is_503_without_memory_for_a_stream_whatever_the_handler_makes_of_it)
{
    is_short = true;
    cr_expect_eq(ask("/if", 0)->status, 503, "%d", p.answer.status);
    cr_expect_eq(ask("/worker", 1)->status, 503, "%d", p.answer.status);
    is_short = false;
    cr_expect_eq(ask("/if", 2)->status, 200);
}

Test(print, goes_nowhere_when_the_client_has_left)
{
    peer_open(&p, &f);
    peer_get(&p, "/held");
    gate_run_until_inside(&gate, 1);
    peer_reset(&p);
    LOOP_RUN_UNTIL(&f.loop, app_fixture_abandoned(&f) == 1);
    gate_let_all_go(&gate);
    LOOP_RUN_UNTIL(&f.loop, app_fixture_abandoned(&f) == 0);

    cr_expect_eq(ask("/twice", 0)->status, 200);
}

Test(print, goes_nowhere_when_the_client_has_left_before_the_finish)
{
    peer_open(&p, &f);
    peer_get(&p, "/finish");
    LOOP_RUN_UNTIL(&f.loop, pending != NULL);
    (void)print_lines(pending_res, 1000);
    peer_reset(&p);
    LOOP_RUN_UNTIL(&f.loop, app_fixture_abandoned(&f) == 1);
    finish_when_it_waits(print_lines, 1000);

    LOOP_RUN_UNTIL(&f.loop, f.app->server.n_exchanges == 0);
    cr_expect_eq(ask("/twice", 0)->status, 200);
}

/* 200, a refusal, or a closed connection; each n-th allocation fails until none does. */
static void walk(const char *request, bool is_finished_here)
{
    bool failed = true;
    unsigned n;

    for (n = 1; failed; n++) {
        exchange_close_all(&f.app->server); /* or the second request would do with what the first one has made */
        wire_open(&w, &f);
        fail_malloc_at(n);
        wire_send(&w, request);
        LOOP_SPIN_UNTIL(&f.loop, w.is_closing || w.is_shut || wire_answers(&w) > 0 || pending != NULL);
        if (is_finished_here && pending != NULL)
            finish_when_it_waits(print_lines, LINES);
        LOOP_SPIN_UNTIL(&f.loop, f.app->server.n_due == 0);
        failed = fail_malloc_failed();
        fail_malloc_at(0);
        if (wire_answers(&w) > 0)
            cr_expect_eq(wire_answer(&w, 0)->status, !failed ? 200 : 503, "%s%u: %d", request, n, w.answer.status);
        else
            cr_expect(failed, "%s%u", request, n);
        wire_close(&w);
        cr_expect_eq(f.app->server.n_exchanges, 0, "%s%u", request, n);
    }
    cr_expect_gt(n, 4, "%s: %u", request, n);
}

Test(print_malloc, is_a_refusal_when_memory_runs_out, .fini = close_app, .timeout = 30)
{
    app_fixture_serve_wires(&f, &(hoist_config){.workers = 1}, routes, sizeof(routes) / sizeof(routes[0]));
    gate_open(&gate, &f.loop);
    walk(GET("/inline"), false);
    walk(GET("/worker"), false);
    walk(GET("/offload"), false);
    walk(GET("/finish"), true);
}
