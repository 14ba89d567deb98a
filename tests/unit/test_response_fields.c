/* hoist_res_header(): the fields that a handler adds to its reply. */
#include "lib/handler_fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

TestSuite(response_fields, .fini = handler_close);

static int add_fields(hoist_req *req, hoist_res *res)
{
    char name[] = "X-Stack", value[] = "copied";

    (void)req;
    cr_expect_eq(hoist_res_header(res, name, value), 0);
    memset(name, '#', sizeof(name));
    memset(value, '#', sizeof(value));
    cr_expect_eq(hoist_res_header(res, "Set-Cookie", "a=1"), 0);
    cr_expect_eq(hoist_res_header(res, "Set-Cookie", "b=2\tc"), 0);
    cr_expect_eq(hoist_res_header(res, "X-Empty", ""), 0);
    cr_expect_eq(hoist_res_header(res, "X-Text", "\xc3\xa4"), 0);
    return hoist_reply_text(res, 200, "");
}

Test(response_fields, are_those_that_were_added)
{
    const hoist_test_reply *got = handler_call(add_fields, 0);

    cr_expect_str_eq(hoist_test_reply_header(got, "x-stack"), "copied");
    cr_expect_str_eq(hoist_test_reply_header(got, "Set-Cookie"), "a=1");
    cr_expect_str_eq(hoist_test_reply_header(got, "X-Empty"), "");
    cr_expect_str_eq(hoist_test_reply_header(got, "X-Text"), "\xc3\xa4");
    cr_expect_null(hoist_test_reply_header(got, "X"));
}

static int add_null_fields(hoist_req *req, hoist_res *res)
{
    (void)req;
    cr_expect_eq(hoist_res_header(res, NULL, "x"), -EFAULT);
    return hoist_res_header(res, "X-Echo", hoist_req_header(req, "x-missing"));
}

Test(response_fields, with_null_in_the_place_of_a_text_are_an_error)
{
    const hoist_test_reply *got = handler_call(add_null_fields, 0);

    cr_expect_eq(got->status, 500, "%d", got->status);
    cr_expect_not_null(strstr(got->body, "NULL"), "%s", got->body);
}

static int add_bad_fields(hoist_req *req, hoist_res *res)
{
    static const struct {
        const char *name, *value;
        int err;
    } rows[] = {
        {"", "x", -EPROTO},
        {"a b", "x", -EPROTO},
        {"a:", "x", -EPROTO},
        {"a\r\n", "x", -EPROTO},
        {"\xc3\xa4", "x", -EPROTO},
        {"a", "x\r\ny: z", -EINVAL},
        {"a", "x\n", -EINVAL},
        {"a", "\x01", -EINVAL},
        {"a", "\x7f", -EINVAL},
        {"Connection", "x", -EPROTO},
        {"content-length", "1", -EPROTO},
        {"CONTENT-TYPE", "x", -EPROTO},
        {"Date", "x", -EPROTO},
        {"Transfer-Encoding", "chunked", -EPROTO},
    };

    (void)req;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_expect_eq(hoist_res_header(res, rows[i].name, rows[i].value), rows[i].err, "row %zu", i);
    return hoist_reply_text(res, 200, "");
}

Test(response_fields, that_would_break_the_reply_are_refused)
{
    const hoist_test_reply *got = handler_call(add_bad_fields, 0);

    cr_expect_eq(got->status, 200);
    cr_expect_null(hoist_test_reply_header(got, "a"));
}

static int add_many_fields(hoist_req *req, hoist_res *res)
{
    char value[850];
    unsigned n = 0;
    int err;

    (void)req;
    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    while ((err = hoist_res_header(res, "X-Long", value)) == 0)
        n++;
    cr_expect_eq(err, -EMSGSIZE);
    cr_expect_eq(n, 9);
    cr_expect_eq(hoist_res_header(res, "X-Small", "fits"), 0);
    return hoist_reply_text(res, 200, "");
}

Test(response_fields, are_no_more_than_eight_kilobytes)
{
    const hoist_test_reply *got = handler_call(add_many_fields, 0);

    cr_expect_eq(got->status, 200);
    cr_expect_str_eq(hoist_test_reply_header(got, "X-Small"), "fits");
}

static int add_one_large_field(hoist_req *req, hoist_res *res)
{
    static char value[8 * 1024 - sizeof("X: \r\n") + 2]; /* with its NUL; the other one does not count */

    (void)req;
    memset(value, 'v', sizeof(value) - 1);
    cr_expect_eq(hoist_res_header(res, "XX", value), -EMSGSIZE);
    cr_expect_eq(hoist_res_header(res, "X", value), 0);
    return hoist_reply_text(res, 200, "");
}

Test(response_fields, may_be_eight_kilobytes)
{
    const hoist_test_reply *got = handler_call(add_one_large_field, 0);

    cr_expect_eq(got->status, 200);
    cr_expect_not_null(hoist_test_reply_header(got, "X"));
}
