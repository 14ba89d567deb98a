/* What a handler can ask of its request. */
#include "hoist_test.h"
#include "server/exchange.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* A test's own look at the request, from inside the handler. */
static void (*look)(hoist_req *req);
static unsigned looks;

static int handle(hoist_req *req, hoist_res *res)
{
    look(req);
    looks++;
    return hoist_reply_text(res, 200, "");
}

static void request(const hoist_route *route, const char *method, const char *target, const char *body)
{
    hoist_test *t = hoist_test_new(route);
    unsigned before = looks;

    cr_assert_not_null(t);
    cr_expect_eq(hoist_test_request(t, method, target, body, strlen(body))->status, 200, "%s %s", method, target);
    cr_expect_eq(looks, before + 1);
    hoist_test_free(t);
}

static void get(const char *path, const char *target, void (*see)(hoist_req *req))
{
    const hoist_route route = {.path = path, .handler = handle};

    look = see;
    request(&route, "GET", target, "");
}

/* ---- method, path, query ---- */

static enum hoist_method method_seen;

static void see_method(hoist_req *req)
{
    method_seen = hoist_req_method(req);
}

Test(request, knows_its_method)
{
    static const struct {
        const char *name;
        enum hoist_method route, seen;
    } rows[] = {
        {"GET", HOIST_GET, HOIST_GET},
        {"HEAD", HOIST_GET, HOIST_HEAD},
        {"POST", HOIST_POST, HOIST_POST},
        {"PUT", HOIST_PUT, HOIST_PUT},
        {"PATCH", HOIST_PATCH, HOIST_PATCH},
        {"DELETE", HOIST_DELETE, HOIST_DELETE},
        {"OPTIONS", HOIST_OPTIONS, HOIST_OPTIONS},
    };

    look = see_method;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const hoist_route route = {.method = rows[i].route, .path = "/", .handler = handle};

        request(&route, rows[i].name, "/", "");
        cr_expect_eq(method_seen, rows[i].seen, "%s", rows[i].name);
    }
}

static void see_path(hoist_req *req)
{
    const char *path = hoist_req_path(req);

    cr_expect_str_eq(path, "/a b/c+d");
    cr_expect_eq(hoist_req_path(req), path, "it is decoded once");
    cr_expect_str_eq(hoist_req_query(req), "x=%41&y");
}

Test(request, has_its_path_decoded_and_its_query_as_sent)
{
    get("/*", "/a%20b/c+d?x=%41&y", see_path);
}

static void see_no_query(hoist_req *req)
{
    cr_expect_str_eq(hoist_req_query(req), "");
    cr_expect_null(hoist_req_arg(req, "x"));
}

Test(request, has_an_empty_query_when_there_is_none)
{
    get("/", "/", see_no_query);
    get("/", "/?", see_no_query);
}

/* ---- arguments ---- */

static void see_args(hoist_req *req)
{
    cr_expect_str_eq(hoist_req_arg(req, "id"), "a/b+c");
    cr_expect_str_eq(hoist_req_arg(req, "*"), "d/e f");
    cr_expect_str_eq(hoist_req_arg(req, "q"), "1 +");
    cr_expect_str_eq(hoist_req_arg(req, "empty"), "");
    cr_expect_str_eq(hoist_req_arg(req, "bare"), "");
    cr_expect_null(hoist_req_arg(req, "none"));
    cr_expect_null(hoist_req_arg(req, "I"));
}

Test(request, finds_arguments_in_its_path_then_in_its_query_the_first_of_a_name)
{
    get("/users/:id/*", "/users/a%2Fb+c/d/e%20f?id=not&q=1+%2B&q=2&empty=&bare", see_args);
}

static void see_long(hoist_req *req)
{
    static const struct {
        const char *name;
        int err;
        long value;
    } rows[] = {
        {"five", 0, 5},       {"min", 0, -10},       {"max", 0, 10},        {"zeros", 0, 7},      {"low", -EINVAL, 0},
        {"high", -EINVAL, 0}, {"empty", -EINVAL, 0}, {"word", -EINVAL, 0},  {"tail", -EINVAL, 0}, {"space", -EINVAL, 0},
        {"plus", -EINVAL, 0}, {"huge", -EINVAL, 0},  {"minus", -EINVAL, 0}, {"none", -EINVAL, 0}, {"hex", -EINVAL, 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        long value = 12345;

        cr_expect_eq(hoist_req_long(req, rows[i].name, -10, 10, &value), rows[i].err, "%s", rows[i].name);
        cr_expect_eq(value, rows[i].err == 0 ? rows[i].value : 12345, "%s", rows[i].name);
    }
}

Test(request, reads_a_number_in_its_range_and_nothing_else)
{
    get("/",
        "/?five=5&min=-10&max=10&zeros=007&low=-11&high=11&empty=&word=x&tail=1x&space=+1&plus=%2B1&minus=-&hex=0x1"
        "&huge=99999999999999999999999",
        see_long);
}

/* Also where there is a query in which it could be looked for. */
static void see_nothing(hoist_req *req)
{
    long value = 1;

    cr_expect_null(hoist_req_arg(req, NULL));
    cr_expect_eq(hoist_req_long(req, NULL, 0, 9, &value), -EFAULT);
    cr_expect_eq(value, 1);
    cr_expect_null(hoist_req_header(req, NULL));
}

Test(request, finds_nothing_by_no_name)
{
    get("/:name", "/a?b=1", see_nothing);
}

static void see_all_longs(hoist_req *req)
{
    long value;

    cr_expect_eq(hoist_req_long(req, "min", LONG_MIN, LONG_MAX, &value), 0);
    cr_expect_eq(value, LONG_MIN);
    cr_expect_eq(hoist_req_long(req, "max", LONG_MIN, LONG_MAX, &value), 0);
    cr_expect_eq(value, LONG_MAX);
    cr_expect_eq(hoist_req_long(req, "over", LONG_MIN, LONG_MAX, &value), -EINVAL);
}

Test(request, reads_the_smallest_and_the_largest_number)
{
    char target[100];

    (void)snprintf(target, sizeof(target), "/?min=%ld&max=%ld&over=%lu", LONG_MIN, LONG_MAX, LONG_MAX + 1UL);
    get("/", target, see_all_longs);
}

static int want_ms(hoist_req *req, hoist_res *res)
{
    long ms;
    int err;

    err = hoist_req_long(req, "ms", 0, 3600000, &ms);
    return err < 0 ? err : hoist_reply_printf(res, 200, "text/plain", "%ld", ms);
}

Test(request, answers_400_that_names_the_argument_its_value_and_the_range)
{
    static const hoist_route route = {.path = "/sleep/:ms", .handler = want_ms};
    static const hoist_route bare = {.path = "/sleep", .handler = want_ms};
    hoist_test *t = hoist_test_new(&route), *none = hoist_test_new(&bare);
    const hoist_test_reply *reply;

    reply = hoist_test_get(t, "/sleep/soon");
    cr_expect_eq(reply->status, 400);
    cr_expect_str_eq(reply->body, "{\"error\":\"ms: 'soon' is not a number from 0 to 3600000\"}");
    reply = hoist_test_get(none, "/sleep");
    cr_expect_eq(reply->status, 400);
    cr_expect_str_eq(reply->body, "{\"error\":\"ms is missing: a number from 0 to 3600000\"}");

    hoist_test_free(t);
    hoist_test_free(none);
}

/* ---- header and body ---- */

static void see_header(hoist_req *req)
{
    cr_expect_str_eq(hoist_req_header(req, "x-one"), "1");
    cr_expect_str_eq(hoist_req_header(req, "X-ONE"), "1");
    cr_expect_str_eq(hoist_req_header(req, "X-Empty"), "");
    cr_expect_null(hoist_req_header(req, "X"));
    cr_expect_null(hoist_req_header(req, "X-One-More"));
}

Test(request, finds_the_first_header_field_of_a_name_in_any_case)
{
    static const hoist_route route = {.path = "/", .handler = handle};
    hoist_test *t = hoist_test_new(&route);

    look = see_header;
    hoist_test_header(t, "X-One", "1");
    hoist_test_header(t, "X-Empty", "");
    hoist_test_header(t, "X-One", "2");
    cr_expect_eq(hoist_test_get(t, "/")->status, 200);
    hoist_test_free(t);
}

static const char *body_sent;

static void see_body(hoist_req *req)
{
    size_t len = SIZE_MAX;
    const char *body = hoist_req_body(req, &len);

    cr_expect_eq(len, strlen(body_sent));
    cr_expect_str_eq(body, body_sent);
    cr_expect_eq(hoist_req_body(req, NULL), body);
}

Test(request, has_its_whole_body_with_a_nul_behind_it)
{
    static const hoist_route route = {.method = HOIST_POST, .path = "/", .handler = handle};
    static char bodies[3][2000];

    look = see_body;
    memset(bodies[1], 'a', 511); /* the NUL is at the end of the first block, and the first of the second */
    memset(bodies[2], 'a', 512);
    for (size_t i = 0; i < 3; i++) {
        body_sent = bodies[i];
        request(&route, "POST", "/", bodies[i]);
    }
}

/* ---- memory ---- */

static void see_alloc(hoist_req *req)
{
    static const size_t sizes[] = {0, 1, 3, 17, 5000, 100000};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *memory = hoist_req_alloc(req, sizes[i]);

        cr_assert_not_null(memory);
        cr_expect_eq((uintptr_t)memory % alignof(max_align_t), 0);
        memset(memory, 'x', sizes[i]);
    }
}

Test(request, hands_out_memory_aligned_for_any_type)
{
    get("/", "/", see_alloc);
}

static void see_alloc_end(hoist_req *req)
{
    unsigned n = 0;

    while (hoist_req_alloc(req, 4096) != NULL)
        n++;
    cr_expect_geq(n, 16);
    cr_expect_leq(n, 32);
    cr_expect_null(hoist_req_alloc(req, SIZE_MAX));
}

Test(request, hands_out_memory_up_to_its_maximum)
{
    const hoist_route route = {.path = "/", .handler = handle, .max_reply = 64 * 1024};

    look = see_alloc_end;
    request(&route, "GET", "/", "");
}

static void see_json(hoist_req *req)
{
    cr_expect_str_eq(hoist_json_string(req, ""), "\"\"");
    cr_expect_str_eq(hoist_json_string(req, NULL), "null");
    cr_expect_str_eq(hoist_json_string(req, "say \"x\"\n"), "\"say \\\"x\\\"\\n\"");
    cr_expect_str_eq(hoist_json_string(req, "\xff"), "\"\xef\xbf\xbd\"");
}

Test(request, makes_a_json_string_of_any_text)
{
    get("/", "/", see_json);
}

/* ---- what it belongs to ---- */

static int datum;

static void see_data(hoist_req *req)
{
    cr_expect_eq(hoist_req_data(req), &datum);
    cr_expect_null(hoist_req_worker_data(req));
    cr_expect_not(hoist_req_cancelled(req));
}

Test(request, has_its_routes_data)
{
    const hoist_route route = {.path = "/", .handler = handle, .data = &datum};

    look = see_data;
    request(&route, "GET", "/", "");
}

static unsigned remaining_ms;

static void see_remaining(hoist_req *req)
{
    remaining_ms = hoist_req_remaining_ms(req);
}

static void see_none_remaining(hoist_req *req)
{
    req->deadline_ns = 1;
    remaining_ms = hoist_req_remaining_ms(req);
}

Test(request, has_no_time_left_when_the_deadline_is_over)
{
    const hoist_route hour = {.path = "/", .handler = handle, .timeout_ms = 3600000};

    look = see_none_remaining;
    remaining_ms = 1;
    request(&hour, "GET", "/", "");
    cr_expect_eq(remaining_ms, 0);
}

Test(request, knows_how_much_time_is_left)
{
    const hoist_route hour = {.path = "/", .handler = handle, .timeout_ms = 3600000};
    const hoist_route endless = {.path = "/", .handler = handle, .timeout_ms = HOIST_NO_LIMIT};
    const hoist_route on_loop = {.path = "/", .handler = handle, .run = HOIST_INLINE};

    look = see_remaining;
    request(&hour, "GET", "/", "");
    cr_expect_leq(remaining_ms, 3600000);
    cr_expect_gt(remaining_ms, 3000000);
    request(&endless, "GET", "/", "");
    cr_expect_eq(remaining_ms, HOIST_NO_LIMIT);
    request(&on_loop, "GET", "/", "");
    cr_expect_eq(remaining_ms, HOIST_NO_LIMIT);
}
