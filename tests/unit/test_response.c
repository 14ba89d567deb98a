/* What a handler can say in reply. */
#include "lib/errors.h"
#include "lib/handler_fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LIMIT = 64 * 1024, NEARLY_ALL = 60 * 1024 };

static size_t max_reply;
static const hoist_test_reply *got;

static void call(hoist_handler *handler)
{
    got = handler_call(handler, max_reply);
}

static void expect(int status, const char *type, const char *body)
{
    cr_expect_eq(got->status, status, "%d", got->status);
    cr_expect_str_eq(hoist_test_reply_header(got, "Content-Type"), type);
    cr_expect_str_eq(got->body, body);
    cr_expect_eq(got->body_len, strlen(body));
}

TestSuite(response, .fini = handler_close);

/* ---- bodies ---- */

static int reply_text(hoist_req *req, hoist_res *res)
{
    char text[] = "on the stack";
    int err = hoist_reply_text(res, 201, text);

    (void)req;
    memset(text, '#', sizeof(text));
    return err;
}

Test(response, copies_a_text)
{
    call(reply_text);

    expect(201, "text/plain; charset=utf-8", "on the stack");
}

static int reply_json(hoist_req *req, hoist_res *res)
{
    char json[] = "{\"a\":1}";
    int err = hoist_reply_json(res, 200, json);

    (void)req;
    memset(json, '#', sizeof(json));
    return err;
}

Test(response, copies_json)
{
    call(reply_json);

    expect(200, "application/json", "{\"a\":1}");
}

static int reply_copy(hoist_req *req, hoist_res *res)
{
    char type[] = "image/x", body[] = "a\0b";
    int err = hoist_reply_copy(res, 200, type, body, 3);

    (void)req;
    memset(type, '#', sizeof(type));
    memset(body, '#', sizeof(body));
    return err;
}

Test(response, copies_bytes_and_their_type)
{
    call(reply_copy);

    cr_expect_eq(got->body_len, 3);
    cr_expect_eq(memcmp(got->body, "a\0b", 4), 0);
    cr_expect_str_eq(hoist_test_reply_header(got, "Content-Type"), "image/x");
}

static int reply_printf(hoist_req *req, hoist_res *res)
{
    return hoist_reply_printf(res, 200, "text/x", "%s is %d", hoist_req_path(req), 42);
}

Test(response, formats_a_body)
{
    call(reply_printf);

    expect(200, "text/x", "/ is 42");
}

static int reply_long_printf(hoist_req *req, hoist_res *res)
{
    (void)req;
    return hoist_reply_printf(res, 200, "text/x", "%100000d|", 7);
}

Test(response, formats_a_body_larger_than_any_buffer)
{
    call(reply_long_printf);

    cr_expect_eq(got->body_len, 100001);
    cr_expect_str_eq(got->body + 99998, " 7|");
}

static char lasting[] = "stays in place";

static int reply_static(hoist_req *req, hoist_res *res)
{
    int err = hoist_reply_static(res, 200, "text/x", lasting, 14);

    (void)req;
    lasting[0] = 'S'; /* it is not copied */
    return err;
}

Test(response, does_not_copy_a_static_body)
{
    call(reply_static);

    expect(200, "text/x", "Stays in place");
}

static int reply_empty(hoist_req *req, hoist_res *res)
{
    (void)req;
    return hoist_reply_copy(res, 200, "text/x", NULL, 0);
}

Test(response, may_be_empty)
{
    call(reply_empty);

    expect(200, "text/x", "");
    cr_expect_str_eq(hoist_test_reply_header(got, "Content-Length"), "0");
}

static int reply_error(hoist_req *req, hoist_res *res)
{
    (void)req;
    return hoist_reply_error(res, 422, "%s: \"%d\"", "no", 7);
}

Test(response, has_a_form_for_errors)
{
    call(reply_error);

    expect(422, "application/json", "{\"error\":\"no: \\\"7\\\"\"}");
}

static int reply_long_error(hoist_req *req, hoist_res *res)
{
    (void)req;
    return hoist_reply_error(res, 400, "%1000d", 7);
}

Test(response, cuts_a_long_error_so_that_it_stays_json)
{
    call(reply_long_error);

    cr_expect_eq(got->status, 400);
    cr_expect_str_eq(got->body + got->body_len - 3, " \"}");
}

/* ---- bodies that are given ---- */

static unsigned freed;

static void free_body(void *body)
{
    freed++;
    free(body);
}

static int reply_give(hoist_req *req, hoist_res *res)
{
    int err = hoist_reply_give(res, 200, "text/x", strdup("given"), 5, free_body);

    (void)req;
    cr_expect_eq(freed, 0);
    return err;
}

Test(response, takes_a_given_body_and_frees_it_once_after_it_was_sent)
{
    call(reply_give);

    expect(200, "text/x", "given");
    cr_expect_eq(freed, 1);
}

static int reply_give_badly(hoist_req *req, hoist_res *res)
{
    (void)req;
    cr_expect_eq(hoist_reply_give(res, 199, "text/x", strdup("given"), 5, free_body), -EPROTO);
    cr_expect_eq(freed, 1);
    cr_expect_eq(hoist_reply_give(res, 200, "text/x", strdup("given"), 65, free_body), -EMSGSIZE);
    cr_expect_eq(freed, 2);
    cr_expect_eq(hoist_reply_text(res, 200, "ok"), 0);
    cr_expect_eq(hoist_reply_give(res, 200, "text/x", strdup("given"), 5, free_body), -EALREADY);
    cr_expect_eq(freed, 3);
    return 0;
}

Test(response, frees_a_given_body_that_it_refuses)
{
    max_reply = 64;
    call(reply_give_badly);

    expect(200, "text/plain; charset=utf-8", "ok");
    cr_expect_eq(freed, 3);
}

static int give_and_fail(hoist_req *req, hoist_res *res)
{
    (void)req;
    cr_expect_eq(hoist_reply_give(res, 200, "text/x", strdup("given"), 5, free_body), 0);
    return -EACCES;
}

Test(response, frees_a_given_body_that_is_not_sent)
{
    call(give_and_fail);

    cr_expect_eq(got->status, 403);
    cr_expect_eq(freed, 1);
}

/* What went wrong is for who runs the program, too, as it is when a handler returns an errno. */
static int error_status;

static int reply_with_error(hoist_req *req, hoist_res *res)
{
    (void)req;
    return hoist_reply_error(res, error_status, "no table %d", 7);
}

static void expect_error(int status, unsigned lines)
{
    error_status = status;
    errors_catch();
    call(reply_with_error);
    cr_expect_eq(errors_count(" error /: its handler replied with 500: no table 7"), lines, "%s", errors_text());
    errors_release();
    expect(status, "application/json", "{\"error\":\"no table 7\"}");
}

Test(response, that_says_why_it_is_a_500_is_logged)
{
    expect_error(500, 1);
}

Test(response, that_says_why_it_is_a_500_when_its_client_has_left_is_no_error)
{
    static const hoist_route route = {.path = "/", .handler = reply_with_error};
    hoist_test *t = hoist_test_new(&route);

    error_status = 500;
    errors_catch();
    hoist_test_cancel(t);
    cr_expect_eq(hoist_test_get(t, "/")->status, 0);
    cr_expect_eq(errors_count(" info /: its handler replied with 500: no table 7"), 1, "%s", errors_text());
    errors_release();
    hoist_test_free(t);
}

Test(response, that_says_why_it_is_something_else_is_not_logged)
{
    expect_error(503, 0);
}

/* ---- refusals ---- */

static int reply_twice(hoist_req *req, hoist_res *res)
{
    (void)req;
    cr_expect_eq(hoist_reply_text(res, 200, "first"), 0);
    cr_expect_eq(hoist_reply_text(res, 201, "second"), -EALREADY);
    cr_expect_eq(hoist_reply_json(res, 201, "second"), -EALREADY);
    cr_expect_eq(hoist_reply_printf(res, 201, "text/x", "second"), -EALREADY);
    cr_expect_eq(hoist_reply_copy(res, 201, "text/x", "second", 6), -EALREADY);
    cr_expect_eq(hoist_reply_static(res, 201, "text/x", "second", 6), -EALREADY);
    cr_expect_eq(hoist_reply_error(res, 500, "second"), -EALREADY);
    return 0;
}

Test(response, is_the_first_one_of_a_handler_that_replies_twice)
{
    errors_catch();
    call(reply_twice);

    errors_expect_one_line(" error /: its handler replied twice");
    errors_release();
    expect(200, "text/plain; charset=utf-8", "first");
}

static int reply_with_bad_status(hoist_req *req, hoist_res *res)
{
    static const int bad[] = {-1, 0, 100, 199, 600, 1000};

    (void)req;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_expect_eq(hoist_reply_text(res, bad[i], "x"), -EPROTO, "%d", bad[i]);
    return hoist_reply_text(res, 599, "x");
}

Test(response, has_a_status_from_200_to_599)
{
    call(reply_with_bad_status);

    cr_expect_eq(got->status, 599);
}

static int reply_with_bad_type(hoist_req *req, hoist_res *res)
{
    static char type[257];

    (void)req;
    memset(type, 't', 256);
    cr_expect_eq(hoist_reply_copy(res, 200, NULL, "x", 1), -EPROTO);
    cr_expect_eq(hoist_reply_copy(res, 200, "", "x", 1), -EPROTO);
    cr_expect_eq(hoist_reply_copy(res, 200, "text/x\r\nX: y", "x", 1), -EPROTO);
    cr_expect_eq(hoist_reply_copy(res, 200, "text/\x7f", "x", 1), -EPROTO);
    cr_expect_eq(hoist_reply_copy(res, 200, type, "x", 1), -EPROTO);
    return hoist_reply_copy(res, 200, type + 1, "x", 1);
}

Test(response, has_a_type_that_can_stand_in_a_header)
{
    call(reply_with_bad_type);

    cr_expect_eq(got->status, 200);
    cr_expect_eq(strlen(hoist_test_reply_header(got, "content-type")), 255);
}

static int reply_too_much(hoist_req *req, hoist_res *res)
{
    (void)req;
    cr_expect_eq(hoist_reply_printf(res, 200, "text/x", "%65d", 1), -EMSGSIZE);
    cr_expect_eq(hoist_reply_static(res, 200, "text/x", "", 65), -EMSGSIZE);
    return hoist_reply_copy(res, 200, "text/x", "", 65);
}

Test(response, that_is_too_large_becomes_500_and_names_the_limit)
{
    max_reply = 64;
    call(reply_too_much);

    cr_expect_eq(got->status, 500);
    cr_expect_not_null(strstr(got->body, "65 bytes"), "%s", got->body);
    cr_expect_not_null(strstr(got->body, "max_reply is 64"), "%s", got->body);
}

static int reply_the_most(hoist_req *req, hoist_res *res)
{
    (void)req;
    return hoist_reply_printf(res, 200, "text/x", "%64d", 1);
}

/* Each is within the limit, both are not. */
static int reply_beside_memory(hoist_req *req, hoist_res *res)
{
    char *memory = hoist_req_alloc(req, NEARLY_ALL);

    cr_assert_not_null(memory);
    memset(memory, 'm', NEARLY_ALL);
    cr_expect_eq(hoist_reply_printf(res, 200, "text/x", "%.*s", NEARLY_ALL, memory), -EMSGSIZE);
    return hoist_reply_copy(res, 200, "text/x", memory, NEARLY_ALL);
}

Test(response, that_is_too_large_beside_what_was_allocated_becomes_500)
{
    max_reply = LIMIT;
    call(reply_beside_memory);

    cr_expect_eq(got->status, 500);
    cr_expect_not_null(strstr(got->body, "max_reply"), "%s", got->body);
}

Test(response, may_be_as_large_as_its_limit)
{
    max_reply = 64;
    call(reply_the_most);

    cr_expect_eq(got->status, 200);
    cr_expect_eq(got->body_len, 64);
}

static int reply_after_a_failure(hoist_req *req, hoist_res *res)
{
    (void)req;
    cr_expect_eq(hoist_reply_copy(res, 200, "text/x", "", 65), -EMSGSIZE);
    return hoist_reply_text(res, 507, "too much");
}

Test(response, may_follow_one_that_was_refused)
{
    max_reply = 64;
    call(reply_after_a_failure);

    expect(507, "text/plain; charset=utf-8", "too much");
}

static int print_what_no_locale_has(hoist_req *req, hoist_res *res)
{
    const wchar_t half_a_pair[] = {0xd800, 0};

    (void)req;
    return hoist_reply_printf(res, 200, "text/plain", "%ls", half_a_pair);
}

Test(response, fails_when_its_format_cannot_be_printed)
{
    call(print_what_no_locale_has);

    cr_expect_eq(got->status, 500, "%d", got->status);
    cr_expect_not_null(strstr(got->body, "cannot be printed"), "%s", got->body);
}

static int reply_null(hoist_req *req, hoist_res *res)
{
    (void)req;
    cr_expect_eq(hoist_reply_json(res, 200, NULL), -EFAULT);
    return hoist_reply_text(res, 200, NULL);
}

Test(response, to_null_in_the_place_of_a_text_is_an_error)
{
    call(reply_null);

    cr_expect_eq(got->status, 500);
    cr_expect_not_null(strstr(got->body, "NULL"), "%s", got->body);
}

static int reply_null_body(hoist_req *req, hoist_res *res)
{
    (void)req;
    cr_expect_eq(hoist_reply_copy(res, 200, "text/x", NULL, 1), -EFAULT);
    return hoist_reply_static(res, 200, "text/x", NULL, 1);
}

static int give_without_free(hoist_req *req, hoist_res *res)
{
    static char body[] = "static";

    (void)req;
    return hoist_reply_give(res, 200, "text/x", body, strlen(body), NULL);
}

Test(response, to_null_in_the_place_of_anything_else_is_one_too)
{
    hoist_handler *const handlers[] = {reply_null_body, give_without_free};

    for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++) {
        call(handlers[i]);
        cr_expect_eq(got->status, 500, "handler %zu: %d", i, got->status);
        cr_expect_not_null(strstr(got->body, "NULL"), "%s", got->body);
    }
}
