/* What tests get wrong with the test client, and what it notices that a test runner would not. */
#include "hoist_test.h"
#include "lib/errors.h"
#include "lib/fail_malloc.h"

#include <criterion/criterion.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static int hello(hoist_req *req, hoist_res *res)
{
    (void)req;
    return hoist_reply_text(res, 200, "hello");
}

static const hoist_route hello_route = {.path = "/", .handler = hello};

static int leave(hoist_req *req, hoist_res *res)
{
    (void)req;
    (void)res;
    exit(EXIT_SUCCESS);
}

Test(hoist_test_misuse, fails_when_a_handler_ends_the_program_as_if_all_were_well, .exit_code = EXIT_FAILURE)
{
    hoist_test *t = hoist_test_new(&(hoist_route){.path = "/", .handler = leave, .run = HOIST_PROCESS});

    hoist_test_get(t, "/");
}

static hoist_test *ready;

static void get_nothing(void)
{
    hoist_test_get(ready, NULL);
}

static void ask_without_method(void)
{
    hoist_test_request(ready, NULL, "/", NULL, 0);
}

static void post_nothing(void)
{
    hoist_test_post(ready, "/", NULL, 1);
}

static void name_no_field(void)
{
    hoist_test_header(ready, NULL, "value");
}

static void give_no_value(void)
{
    hoist_test_header(ready, "X-Name", NULL);
}

static void look_for_no_field(void)
{
    hoist_test_reply_header(hoist_test_get(ready, "/"), NULL);
}

static void look_in_no_reply(void)
{
    hoist_test_reply_header(NULL, "Date");
}

static sigjmp_buf aborted;

static void on_abort(int number)
{
    (void)number;
    siglongjmp(aborted, 1);
}

Test(hoist_test_misuse, names_an_argument_that_is_null, .init = errors_catch)
{
    static const struct {
        void (*call)(void);
        const char *line;
    } rows[] = {
        {get_nothing, "hoist_test: the target is NULL\n"},
        {ask_without_method, "hoist_test: the method is NULL\n"},
        {post_nothing, "hoist_test: the body is NULL\n"},
        {name_no_field, "hoist_test: a header field's name is NULL\n"},
        {give_no_value, "hoist_test: a header field's value is NULL\n"},
        {look_for_no_field, "hoist_test: a header field's name is NULL\n"},
        {look_in_no_reply, "hoist_test: the reply is NULL\n"},
    };

    ready = hoist_test_new(&hello_route);
    for (volatile size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *said;

        signal(SIGABRT, on_abort);
        if (sigsetjmp(aborted, 1) == 0) {
            rows[i].call();
            cr_expect(false, "row %zu", i);
        }
        said = errors_text();
        cr_expect(strlen(said) >= strlen(rows[i].line) &&
                      strcmp(said + strlen(said) - strlen(rows[i].line), rows[i].line) == 0,
                  "row %zu: %s", i, said);
    }
    cr_expect_null(hoist_test_new(NULL));
    cr_expect_eq(errors_count("hoist_test_new: route is NULL\n"), 1);
    hoist_test_free(ready);
}

Test(hoist_test_misuse, says_that_there_is_no_memory, .init = errors_catch)
{
    fail_malloc_at(1);
    cr_expect_null(hoist_test_new(&hello_route));
    fail_malloc_at(0);
    errors_expect_one_line("hoist_test_new: not enough memory\n");
}

/* As a failing assert of a test framework does it, in a mock that the handler calls. */
static jmp_buf before;

static int jump(hoist_req *req, hoist_res *res)
{
    if (hoist_req_arg(req, "jump") != NULL)
        longjmp(before, 1);
    return hoist_reply_text(res, 200, "returned");
}

Test(hoist_test_misuse, frees_no_client_whose_handler_was_left, .init = errors_catch, .timeout = 10)
{
    ready = hoist_test_new(&(hoist_route){.path = "/", .handler = jump});
    if (setjmp(before) == 0)
        hoist_test_get(ready, "/?jump");
    cr_expect_eq(hoist_test_get(ready, "/")->status, 200);
    hoist_test_free(ready);

    errors_expect_one_line("hoist_test_free: the handler of / was left without a return\n");
}
