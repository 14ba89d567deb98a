/* hoist_res_file(): a reply made by code that prints. */
#include "hoist_test.h"
#include "lib/errors.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

/* Prints as many bytes as the query says. */
static int print(hoist_req *req, hoist_res *res)
{
    FILE *file = hoist_res_file(res);
    long n;
    int err;

    err = hoist_req_long(req, "n", 0, 1000000, &n);
    if (err < 0)
        return err;
    for (long i = 0; i < n; i++)
        putc('p', file);
    return 0;
}

static int print_csv(hoist_req *req, hoist_res *res)
{
    char type[] = "text/csv";
    int err = hoist_res_type(res, 201, type);

    (void)req;
    memset(type, '#', sizeof(type));
    fputs("a,", hoist_res_file(res));
    fflush(hoist_res_file(res));
    fputs("b\n", hoist_res_file(res));
    return err;
}

static int print_and_fail(hoist_req *req, hoist_res *res)
{
    (void)req;
    fputs("not sent", hoist_res_file(res));
    return -ENOENT;
}

static int print_and_reply(hoist_req *req, hoist_res *res)
{
    (void)req;
    fputs("not sent", hoist_res_file(res));
    return hoist_reply_text(res, 200, "sent");
}

static int reply_and_print(hoist_req *req, hoist_res *res)
{
    int err = hoist_reply_text(res, 200, "sent");

    (void)req;
    cr_expect_null(hoist_res_file(res));
    return err;
}

static int print_badly(hoist_req *req, hoist_res *res)
{
    (void)req;
    cr_expect_eq(hoist_res_type(res, 199, "text/x"), -EPROTO);
    cr_expect_eq(hoist_res_type(res, 600, "text/x"), -EPROTO);
    cr_expect_eq(hoist_res_type(res, 200, "text/x\r\n"), -EPROTO);
    fputs("plain", hoist_res_file(res));
    return 0;
}

static int print_and_close(hoist_req *req, hoist_res *res)
{
    (void)req;
    fputs("first, ", hoist_res_file(res));
    cr_expect_eq(fclose(hoist_res_file(res)), 0);
    fputs("second", hoist_res_file(res));
    return fclose(hoist_res_file(res));
}

static int print_too_much_and_close(hoist_req *req, hoist_res *res)
{
    (void)req;
    for (unsigned i = 0; i < 100001; i++)
        putc('p', hoist_res_file(res));
    cr_expect_eq(fclose(hoist_res_file(res)), EOF);
    return 0;
}

/* As code does that looks at what printf() says. */
static int print_too_much_and_tell(hoist_req *req, hoist_res *res)
{
    FILE *file = hoist_res_file(res);

    (void)req;
    for (unsigned i = 0; i < 100001; i++)
        putc('p', file);
    errno = ENOENT; /* of something before */
    return fflush(file) == 0 ? 0 : -errno;
}

static int print_more(hoist_req *req, hoist_res *res)
{
    (void)req;
    fputs("second", hoist_res_file(res));
    return 0;
}

static int print_later(hoist_req *req, hoist_res *res)
{
    fputs("first, ", hoist_res_file(res));
    return hoist_later(req, 1, print_more);
}

static int print_and_wait(hoist_req *req, hoist_res *res)
{
    (void)req;
    fputs("never sent", hoist_res_file(res));
    return HOIST_PENDING;
}

/* Replies with the status that the query has. */
static int type_and_reply(hoist_req *req, hoist_res *res)
{
    long status = 0;
    int err = hoist_res_type(res, 200, "text/csv");

    if (err == 0)
        err = hoist_req_long(req, "status", 200, 599, &status);
    return err < 0 ? err : hoist_reply_text(res, (int)status, "sent");
}

static int reply_and_type(hoist_req *req, hoist_res *res)
{
    int err = hoist_reply_text(res, 200, "sent");

    (void)req;
    cr_expect_eq(hoist_res_type(res, 201, "text/csv"), -EALREADY);
    return err;
}

static const hoist_test_reply *get(hoist_test **ret_t, hoist_handler *handler, enum hoist_run run, const char *target)
{
    const hoist_route route = {.path = "/", .handler = handler, .run = run, .max_reply = 100000};

    *ret_t = hoist_test_new(&route);
    return hoist_test_get(*ret_t, target);
}

static void expect(hoist_handler *handler, enum hoist_run run, int status, const char *type, const char *body)
{
    hoist_test *t;
    const hoist_test_reply *reply = get(&t, handler, run, "/");

    cr_expect_eq(reply->status, status, "%d", reply->status);
    cr_expect_str_eq(hoist_test_reply_header(reply, "Content-Type"), type);
    cr_expect_str_eq(reply->body, body);
    hoist_test_free(t);
}

Test(response_file, has_a_status_and_a_type)
{
    expect(print_csv, HOIST_OFFLOAD, 201, "text/csv", "a,b\n");
    expect(print_badly, HOIST_OFFLOAD, 200, "text/plain; charset=utf-8", "plain");
}

Test(response_file, is_what_has_the_status_and_the_type, .init = errors_catch)
{
    hoist_test *t;

    expect(reply_and_type, HOIST_OFFLOAD, 200, "text/plain; charset=utf-8", "sent");
    cr_expect_eq(get(&t, type_and_reply, HOIST_OFFLOAD, "/?status=404")->status, 404);
    cr_expect_str_empty(errors_text(), "an error wins over what would be printed");
    cr_expect_eq(hoist_test_get(t, "/?status=203")->status, 203);
    errors_expect_one_line(" error /: its handler gave a type for what it prints, and replied otherwise\n");
    hoist_test_free(t);
}

Test(response_file, becomes_the_reply_up_to_its_limit)
{
    static const char *const targets[] = {"/?n=0", "/?n=1", "/?n=99999", "/?n=100000"};
    static const size_t sizes[] = {0, 1, 99999, 100000};
    hoist_test *t;

    for (size_t i = 0; i < 4; i++) {
        const hoist_test_reply *reply = get(&t, print, HOIST_OFFLOAD, targets[i]);

        cr_expect_eq(reply->status, 200, "%s", targets[i]);
        cr_expect_eq(reply->body_len, sizes[i], "%s", targets[i]);
        cr_expect_eq(strspn(reply->body, "p"), sizes[i], "%s", targets[i]);
        hoist_test_free(t);
    }
}

Test(response_file, becomes_500_over_its_limit_and_names_it)
{
    static const char *const targets[] = {"/?n=100001", "/?n=1000000"};
    hoist_test *t;

    for (size_t i = 0; i < 2; i++) {
        const hoist_test_reply *reply = get(&t, print, HOIST_OFFLOAD, targets[i]);

        cr_expect_eq(reply->status, 500);
        cr_expect_not_null(strstr(reply->body, "100000"), "%s", reply->body);
        hoist_test_free(t);
    }
}

Test(response_file, over_its_limit_is_told_by_errno_too)
{
    hoist_test *t;
    const hoist_test_reply *reply = get(&t, print_too_much_and_tell, HOIST_OFFLOAD, "/");

    cr_expect_eq(reply->status, 500, "%d", reply->status);
    cr_expect_not_null(strstr(reply->body, "100000"), "%s", reply->body);
    hoist_test_free(t);
}

Test(response_file, gives_way_to_an_error_and_to_a_reply)
{
    expect(print_and_fail, HOIST_OFFLOAD, 404, "application/json", "{\"error\":\"no such file or directory\"}");
    expect(print_and_reply, HOIST_OFFLOAD, 200, "text/plain; charset=utf-8", "sent");
    expect(reply_and_print, HOIST_OFFLOAD, 200, "text/plain; charset=utf-8", "sent");
}

Test(response_file, may_be_closed_by_the_handler)
{
    hoist_test *t;

    expect(print_and_close, HOIST_OFFLOAD, 200, "text/plain; charset=utf-8", "first, second");
    cr_expect_eq(get(&t, print_too_much_and_close, HOIST_OFFLOAD, "/")->status, 500);
    hoist_test_free(t);
}

Test(response_file, goes_on_with_an_asynchronous_handler)
{
    expect(print_later, HOIST_ASYNC, 200, "text/plain; charset=utf-8", "first, second");
}

Test(response_file, is_closed_when_nobody_waits_for_it)
{
    hoist_test *t;

    cr_expect_eq(get(&t, print_and_wait, HOIST_ASYNC, "/")->status, 0);
    hoist_test_free(t);
}

/* ---- a handler that keeps what it must not keep ---- */

static hoist_req *kept;

static int keep(hoist_req *req, hoist_res *res)
{
    kept = req;
    return hoist_reply_text(res, 200, "");
}

Test(response_file, ends_the_program_when_a_request_is_used_after_its_handler, .signal = SIGABRT)
{
    hoist_test *t;

    cr_assert_eq(get(&t, keep, HOIST_OFFLOAD, "/")->status, 200);
    (void)hoist_req_alloc(kept, 1);
}
