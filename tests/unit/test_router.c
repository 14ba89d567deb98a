/* Patterns and paths. Rows name the route that a path must find by a letter. */
#include "lib/fail_malloc.h"
#include "server/router.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static char letters[] = "abcdefghijklmnopqrstuvwxyz";
static char error[ROUTER_PATTERN_MAX + 256];

/* Adds the route of that letter. */
static void add(struct router *router, enum hoist_method method, const char *pattern, char letter)
{
    int err = router_add(router, method, pattern, &letters[letter - 'a'], error, sizeof(error));

    cr_assert_eq(err, 0, "%s: %s", pattern, error);
}

/* The letter of the route, or what the result is: '4' not found, '5' no such method. */
static char find(const struct router *router, enum hoist_method method, const char *path, struct router_match *match)
{
    bool is_found = router_find(router, method, path, match);

    cr_assert_eq(match->route != NULL, is_found, "%s", path);
    if (is_found)
        return *(char *)match->route;
    return match->methods == 0 ? '4' : '5';
}

static bool arg_is(const struct router_match *match, unsigned i, const char *name, const char *value)
{
    return i < match->n_args && strcmp(match->args[i].name, name) == 0 && match->args[i].len == strlen(value) &&
           memcmp(match->args[i].value, value, strlen(value)) == 0;
}

static const char *refuse(struct router *router, const char *pattern, int want)
{
    int err = router_add(router, HOIST_GET, pattern, letters, error, sizeof(error));

    cr_expect_eq(err, want, "%s: %d", pattern, err);
    return error;
}

Test(router, finds_the_most_special_pattern)
{
    static const struct {
        const char *path;
        char route;
    } rows[] = {
        {"/", 'a'},
        {"/users", 'b'},
        {"/users/", '4'}, /* a '/' at the end counts */
        {"/users/7", 'c'},
        {"/users/me", 'd'},
        {"/users/mee", 'c'},
        {"/users/m", 'c'},
        {"/users/7/", 'e'},
        {"/users/7/posts", 'f'},
        {"/users/7/posts/", '4'},
        {"/users/me/posts", 'f'}, /* "me" leads nowhere */
        {"/files", '4'},
        {"/files/", 'g'},
        {"/files/a", 'g'},
        {"/files/a/b/c", 'g'},
        {"/files//", 'g'},
        {"/files/readme", 'h'},
        {"/files/readme/", 'g'},
        {"/files/x/info", 'i'},
        {"/files/x/inf", 'g'},
        {"/files/readme/info", 'i'},
        {"/a:b", 'j'},
        {"/gr\xc3\xbc\xc3\x9f", 'k'},
        {"//", '4'},
        {"//users", '4'},
        {"/Users", '4'},
    };
    struct router router = {0};
    struct router_match match;

    add(&router, HOIST_GET, "/files/:name/info", 'i');
    add(&router, HOIST_GET, "/files/*", 'g');
    add(&router, HOIST_GET, "/files/readme", 'h');
    add(&router, HOIST_GET, "/users/:id", 'c');
    add(&router, HOIST_GET, "/users/:id/", 'e');
    add(&router, HOIST_GET, "/users/me", 'd');
    add(&router, HOIST_GET, "/users/:id/posts", 'f');
    add(&router, HOIST_GET, "/users", 'b');
    add(&router, HOIST_GET, "/", 'a');
    add(&router, HOIST_GET, "/a:b", 'j');
    add(&router, HOIST_GET, "/gr\xc3\xbc\xc3\x9f", 'k');

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char route = find(&router, HOIST_GET, rows[i].path, &match);

        cr_expect_eq(route, rows[i].route, "%s: %c", rows[i].path, route);
    }
    router_close(&router);
}

Test(router, decodes_a_segment_before_it_compares)
{
    static const struct {
        const char *path;
        char route;
    } rows[] = {
        {"/dum%6dy", 'a'}, {"/%64%75%6D%6d%79", 'a'}, {"/dummy%20", '4'}, {"/dum%6d", '4'},  {"/dum%6dyy", '4'},
        {"/a%2Fb", '4'},   {"/a/%62", 'b'},           {"/dum%6", '4'},    {"/dum%zzy", '4'}, {"/dummy%00", '4'},
        {"/%c3%bc", 'c'},  {"/a/%62%00", '4'},        {"/%", '4'},        {"/a%2fb/c", '4'},
    };
    struct router router = {0};
    struct router_match match;

    add(&router, HOIST_GET, "/dummy", 'a');
    add(&router, HOIST_GET, "/a/b", 'b');
    add(&router, HOIST_GET, "/\xc3\xbc", 'c');

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char route = find(&router, HOIST_GET, rows[i].path, &match);

        cr_expect_eq(route, rows[i].route, "%s: %c", rows[i].path, route);
    }
    router_close(&router);
}

Test(router, gives_the_arguments_as_they_were_sent)
{
    struct router router = {0};
    struct router_match match;

    add(&router, HOIST_GET, "/users/:id/posts/:post", 'a');

    cr_assert_eq(find(&router, HOIST_GET, "/users/a%2Fb/posts/7", &match), 'a');
    cr_expect_eq(match.n_args, 2);
    cr_expect(arg_is(&match, 0, "id", "a%2Fb"));
    cr_expect(arg_is(&match, 1, "post", "7"));
    router_close(&router);
}

Test(router, an_argument_may_be_named_like_a_segment)
{
    struct router router = {0};
    struct router_match match;

    add(&router, HOIST_GET, "/id/:id", 'a');

    cr_expect_eq(find(&router, HOIST_GET, "/id/7", &match), 'a');
    cr_expect(arg_is(&match, 0, "id", "7"));
    router_close(&router);
}

Test(router, the_rest_of_a_path_is_an_argument_that_may_be_empty)
{
    struct router router = {0};
    struct router_match match;

    add(&router, HOIST_GET, "/files/:disk/*", 'a');

    cr_assert_eq(find(&router, HOIST_GET, "/files/c/x//y/", &match), 'a');
    cr_expect(arg_is(&match, 0, "disk", "c"));
    cr_expect(arg_is(&match, 1, "*", "x//y/"));
    cr_assert_eq(find(&router, HOIST_GET, "/files/c/", &match), 'a');
    cr_expect(arg_is(&match, 1, "*", ""));
    cr_expect_eq(find(&router, HOIST_GET, "/files/c", &match), '4');
    router_close(&router);
}

Test(router, an_argument_is_never_empty)
{
    struct router router = {0};
    struct router_match match;

    add(&router, HOIST_GET, "/users/:id/posts", 'a');
    add(&router, HOIST_GET, "/:any", 'b');

    cr_expect_eq(find(&router, HOIST_GET, "/users//posts", &match), '4');
    cr_expect_eq(find(&router, HOIST_GET, "/", &match), '4');
    router_close(&router);
}

Test(router, arguments_of_a_way_that_led_nowhere_are_forgotten)
{
    struct router router = {0};
    struct router_match match;

    add(&router, HOIST_GET, "/:a/:b/end", 'a');
    add(&router, HOIST_GET, "/:x/*", 'b');

    cr_assert_eq(find(&router, HOIST_GET, "/1/2/3", &match), 'b');
    cr_expect_eq(match.n_args, 2);
    cr_expect(arg_is(&match, 0, "x", "1"));
    cr_expect(arg_is(&match, 1, "*", "2/3"));
    router_close(&router);
}

Test(router, each_method_of_a_path_has_its_own_names)
{
    struct router router = {0};
    struct router_match match;

    add(&router, HOIST_GET, "/users/:id", 'a');
    add(&router, HOIST_PUT, "/users/:name", 'b');

    cr_assert_eq(find(&router, HOIST_GET, "/users/7", &match), 'a');
    cr_expect(arg_is(&match, 0, "id", "7"));
    cr_assert_eq(find(&router, HOIST_PUT, "/users/7", &match), 'b');
    cr_expect(arg_is(&match, 0, "name", "7"));
    router_close(&router);
}

Test(router, says_which_methods_a_path_has)
{
    struct router router = {0};
    struct router_match match;

    add(&router, HOIST_GET, "/a", 'a');
    add(&router, HOIST_DELETE, "/a", 'b');
    add(&router, HOIST_PUT, "/:any", 'c');
    add(&router, HOIST_POST, "/b", 'd');

    cr_expect_eq(find(&router, HOIST_POST, "/a", &match), '5');
    cr_expect_eq(match.methods, 1u << HOIST_GET | 1u << HOIST_DELETE | 1u << HOIST_PUT);
    cr_expect_eq(find(&router, ROUTER_OTHER_METHOD, "/a", &match), '5');
    cr_expect_eq(match.methods, 1u << HOIST_GET | 1u << HOIST_DELETE | 1u << HOIST_PUT);
    cr_expect_eq(find(&router, HOIST_OPTIONS, "/b", &match), '5');
    cr_expect_eq(match.methods, 1u << HOIST_POST | 1u << HOIST_PUT);
    cr_expect_eq(find(&router, HOIST_POST, "/b/c", &match), '4');
    router_close(&router);
}

Test(router, goes_on_where_only_the_method_is_missing)
{
    struct router router = {0};
    struct router_match match;

    add(&router, HOIST_GET, "/users/me", 'a');
    add(&router, HOIST_POST, "/users/:id", 'b');

    cr_expect_eq(find(&router, HOIST_POST, "/users/me", &match), 'b');
    cr_expect(arg_is(&match, 0, "id", "me"));
    router_close(&router);
}

Test(router, head_finds_the_routes_of_get)
{
    struct router router = {0};
    struct router_match match;

    add(&router, HOIST_GET, "/a", 'a');
    add(&router, HOIST_POST, "/b", 'b');

    cr_expect_eq(find(&router, HOIST_HEAD, "/a", &match), 'a');
    cr_expect_eq(find(&router, HOIST_HEAD, "/b", &match), '5');
    cr_expect_lt(router_add(&router, HOIST_HEAD, "/a", letters, error, sizeof(error)), 0);
    router_close(&router);
}

Test(router, an_options_route_takes_options)
{
    struct router router = {0};
    struct router_match match;

    add(&router, HOIST_OPTIONS, "/a", 'a');

    cr_expect_eq(find(&router, HOIST_OPTIONS, "/a", &match), 'a');
    router_close(&router);
}

Test(router, writes_allow_in_one_order)
{
    static const struct {
        unsigned methods;
        const char *text;
    } rows[] = {
        {0, "OPTIONS"},
        {1u << HOIST_GET, "GET, HEAD, OPTIONS"},
        {1u << HOIST_DELETE | 1u << HOIST_POST, "POST, DELETE, OPTIONS"},
        {(1u << ROUTER_METHODS) - 1, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[ROUTER_ALLOW_SIZE];

        router_allow(rows[i].methods, text);
        cr_expect_str_eq(text, rows[i].text, "%s", text);
    }
}

Test(router, refuses_bad_patterns_and_says_why)
{
    static const struct {
        const char *pattern, *why;
    } rows[] = {
        {"", "begin with '/'"},
        {"users", "begin with '/'"},
        {"*", "begin with '/'"},
        {"//", "two '/'"},
        {"/a//b", "two '/'"},
        {"/*/a", "whole last segment"},
        {"/*/", "whole last segment"},
        {"/a*", "whole last segment"},
        {"/*name", "whole last segment"},
        {"/:*", "whole last segment"},
        {"/:", "needs a name"},
        {"/a/:/b", "needs a name"},
        {"/:id/:id", "twice"},
        {"/.", "never match"},
        {"/caf\xe9", "UTF-8"},
        {"/:gr\xc3", "UTF-8"},
        {"/a/../b", "never match"},
        {"/{id}", "not for paths"},
        {"/a b", "not for paths"},
        {"/a%20b", "not for paths"},
        {"/a?b=c", "not for paths"},
        {"/a#b", "not for paths"},
        {"/a\x01", "not for paths"},
        {"/a\x7f", "not for paths"},
        {"/a\xc2\x85", "not for paths"},
        {"/:a/:b/:c/:d/:e/:f/:g/:h/:i/:j/:k/:l/:m/:n/:o/:p/:q", "16 arguments"},
        {"/:a/:b/:c/:d/:e/:f/:g/:h/:i/:j/:k/:l/:m/:n/:o/:p/*", "16 arguments"},
        {"/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/26/27/28/29/30/31/32/33", "32 segments"},
    };
    struct router router = {0};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *why = refuse(&router, rows[i].pattern, -EINVAL);

        cr_expect_not_null(strstr(why, rows[i].why), "%s: %s", rows[i].pattern, why);
        cr_expect_not_null(strstr(why, rows[i].pattern), "%s: %s", rows[i].pattern, why);
    }
    router_close(&router);
}

Test(router, takes_a_pattern_as_long_as_it_says_and_shows_the_begin_of_a_longer_one)
{
    struct router router = {0};
    char pattern[ROUTER_PATTERN_MAX + 2];
    const char *why;

    pattern[0] = '/';
    memset(pattern + 1, 'x', sizeof(pattern) - 2);
    pattern[sizeof(pattern) - 1] = '\0';
    why = refuse(&router, pattern, -EINVAL);
    cr_expect_not_null(strstr(why, "xxx...': longer than 400 bytes"), "%s", why);

    pattern[ROUTER_PATTERN_MAX] = '\0';
    add(&router, HOIST_GET, pattern, 'a');
    router_close(&router);
}

Test(router, takes_as_many_arguments_and_segments_as_it_says)
{
    struct router router = {0};
    struct router_match match;

    add(&router, HOIST_GET, "/:a/:b/:c/:d/:e/:f/:g/:h/:i/:j/:k/:l/:m/:n/:o/:p", 'a');
    add(&router, HOIST_GET, "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/26/27/28/29/30/31/*",
        'b');

    cr_assert_eq(find(&router, HOIST_GET, "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16", &match), 'a');
    cr_expect_eq(match.n_args, 16);
    cr_expect(arg_is(&match, 15, "p", "16"));
    cr_expect_eq(find(&router, HOIST_GET, "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17", &match), '4');
    router_close(&router);
}

Test(router, a_method_and_path_are_taken_once_whatever_the_names)
{
    struct router router = {0};
    struct router_match match;

    add(&router, HOIST_GET, "/users/:id", 'a');
    add(&router, HOIST_GET, "/files/*", 'b');

    refuse(&router, "/users/:name", -EEXIST);
    refuse(&router, "/files/*", -EEXIST);
    add(&router, HOIST_POST, "/users/:name", 'c');
    cr_expect_eq(find(&router, HOIST_GET, "/users/7", &match), 'a');
    router_close(&router);
}

Test(router, an_empty_one_finds_nothing)
{
    struct router router = {0};
    struct router_match match;

    cr_expect_eq(find(&router, HOIST_GET, "/", &match), '4');
    router_close(&router);
}

Test(router, finds_each_of_many)
{
    struct router router = {0};
    struct router_match match;
    char path[32];

    for (unsigned i = 0; i < 1000; i++) {
        (void)snprintf(path, sizeof(path), "/%u/x", i * 7919 % 1000);
        add(&router, HOIST_GET, path, (char)('a' + i * 7919 % 1000 % 26));
    }

    for (unsigned i = 0; i < 1000; i++) {
        (void)snprintf(path, sizeof(path), "/%u/x", i);
        cr_expect_eq(find(&router, HOIST_GET, path, &match), (char)('a' + i % 26), "%s", path);
    }
    cr_expect_eq(find(&router, HOIST_GET, "/1000/x", &match), '4');
    router_close(&router);
}

Test(router, its_arguments_follow_a_path_that_moves)
{
    struct router router = {0};
    struct router_match match;
    const char *path = "/users/7/8";
    char copy[] = "/users/7/8";

    add(&router, HOIST_GET, "/users/:id/*", 'a');
    cr_assert_eq(find(&router, HOIST_GET, path, &match), 'a');

    router_rebase(&match, path, copy);

    cr_expect_eq(match.args[0].value, copy + 7);
    cr_expect_eq(match.args[1].value, copy + 9);
    router_close(&router);
}

Test(router, survives_each_malloc_that_fails)
{
    bool failed = true;

    for (unsigned n = 1; failed; n++) {
        struct router router = {0};
        struct router_match match;
        int err;

        fail_malloc_at(n);
        err = router_add(&router, HOIST_GET, "/users/:id/*", letters, error, sizeof(error));
        failed = fail_malloc_failed();
        fail_malloc_at(0);

        cr_expect_eq(err, failed ? -ENOMEM : 0, "malloc number %u", n);
        cr_expect_eq(find(&router, HOIST_GET, "/users/7/", &match), failed ? '4' : 'a');
        if (failed)
            add(&router, HOIST_GET, "/users/:id/*", 'b');
        cr_expect_eq(find(&router, HOIST_GET, "/users/7/", &match), failed ? 'b' : 'a');
        router_close(&router);
    }
}
