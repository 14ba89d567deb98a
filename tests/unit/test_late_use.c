/* Whatever a handler calls with its request or reply after it has returned ends the program, which says so. */
#include "hoist_test.h"
#include "lib/errors.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static hoist_req *kept_req;
static hoist_res *kept_res;

static int keep(hoist_req *req, hoist_res *res)
{
    kept_req = req;
    kept_res = res;
    return hoist_reply_text(res, 200, "");
}

/* In a process that it ends. */
static int status_of_use(void (*use)(hoist_req *req, hoist_res *res))
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        signal(SIGABRT, SIG_DFL);
        use(kept_req, kept_res);
        _exit(EXIT_SUCCESS);
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return status;
}

#define USE(name, call)                                                                                                \
    static void name(hoist_req *req, hoist_res *res)                                                                   \
    {                                                                                                                  \
        (void)req;                                                                                                     \
        (void)res;                                                                                                     \
        (void)call;                                                                                                    \
    }

USE(method, hoist_req_method(req))
USE(path, hoist_req_path(req))
USE(query, hoist_req_query(req))
USE(arg, hoist_req_arg(req, "a"))
USE(number, hoist_req_long(req, "a", 0, 1, NULL))
USE(header, hoist_req_header(req, "host"))
USE(body, hoist_req_body(req, NULL))
USE(memory, hoist_req_alloc(req, 1))
USE(json_string, hoist_json_string(req, "a"))
USE(data, hoist_req_data(req))
USE(worker_data, hoist_req_worker_data(req))
USE(remaining_ms, hoist_req_remaining_ms(req))
USE(on_end, hoist_on_end(req, free, NULL))
USE(later, hoist_later(req, 1, keep))
USE(offload, hoist_offload(req, keep))
USE(text, hoist_reply_text(res, 200, "a"))
USE(no_text, hoist_reply_text(res, 200, NULL))
USE(json, hoist_reply_json(res, 200, "1"))
USE(copy, hoist_reply_copy(res, 200, "text/x", "a", 1))
USE(print, hoist_reply_printf(res, 200, "text/x", "a"))
USE(fixed, hoist_reply_static(res, 200, "text/x", "a", 1))
USE(give, hoist_reply_give(res, 200, "text/x", NULL, 0, free))
USE(give_to_nobody, hoist_reply_give(res, 200, "text/x", NULL, 0, NULL))
USE(error, hoist_reply_error(res, 400, "a"))
USE(field, hoist_res_header(res, "X-A", "a"))
USE(file, hoist_res_file(res))
USE(type, hoist_res_type(res, 200, "text/x"))

static void finish(hoist_req *req, hoist_res *res)
{
    (void)res;
    hoist_finish(req, 0);
}

Test(late_use, ends_the_program_whatever_it_is)
{
    static const struct {
        const char *name;
        void (*use)(hoist_req *req, hoist_res *res);
    } rows[] = {
#define ROW(use) {#use, use}
        ROW(method), ROW(path),   ROW(query),       ROW(arg),    ROW(number),      ROW(header),
        ROW(body),   ROW(memory), ROW(json_string), ROW(data),   ROW(worker_data), ROW(remaining_ms),
        ROW(on_end), ROW(later),  ROW(offload),     ROW(finish), ROW(text),        ROW(no_text),
        ROW(json),   ROW(copy),   ROW(print),       ROW(fixed),  ROW(give),        ROW(give_to_nobody),
        ROW(error),  ROW(field),  ROW(file),        ROW(type),
#undef ROW
    };
    const size_t n = sizeof(rows) / sizeof(rows[0]);
    hoist_test *t = hoist_test_new(&(hoist_route){.path = "/keep", .handler = keep});

    cr_assert_eq(hoist_test_get(t, "/keep")->status, 200);
    errors_catch();
    for (size_t i = 0; i < n; i++) {
        int status = status_of_use(rows[i].use);

        cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "%s", rows[i].name);
    }
    cr_expect_eq(errors_count("/keep: a handler used its request or reply after it had returned"), n, "%s",
                 errors_text());
    errors_release();
    hoist_test_free(t);
}
