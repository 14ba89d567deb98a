/* Targets of RFC 3986 and RFC 9112, section 3.2: escapes, paths, queries and authorities, good and bad. */
#include "server/target.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

Test(target, decodes_escapes)
{
    static const struct {
        const char *raw, *path, *query; /* NULL: -EINVAL */
    } rows[] = {
        {"", "", ""},
        {"abc", "abc", "abc"},
        {"%41%7a%2F%25", "Az/%", "Az/%"},
        {"%c3%A4", "\xc3\xa4", "\xc3\xa4"},
        {"a+b%2B", "a+b+", "a b+"},
        {"%2541", "%41", "%41"},
        {"%", NULL, NULL},
        {"a%4", NULL, NULL},
        {"%g1", NULL, NULL},
        {"%1g", NULL, NULL},
        {"%%41", NULL, NULL},
        {"%00", NULL, NULL},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int part = TARGET_PATH; part <= TARGET_QUERY; part++) {
            const char *want = part == TARGET_PATH ? rows[i].path : rows[i].query;
            char out[32] = "?";
            int err = target_decode(out, rows[i].raw, strlen(rows[i].raw), (enum target_part)part);

            cr_expect_eq(err, want != NULL ? 0 : -EINVAL, "%s", rows[i].raw);
            cr_expect_eq(target_check(rows[i].raw, strlen(rows[i].raw), (enum target_part)part), err, "%s",
                         rows[i].raw);
            if (want != NULL)
                cr_expect_str_eq(out, want, "%s: %s", rows[i].raw, out);
        }
    }
}

Test(target, decodes_in_place_and_not_beyond_its_length)
{
    char text[] = "a%20b%20c";

    cr_expect_eq(target_decode(text, text, 5, TARGET_PATH), 0);
    cr_expect_str_eq(text, "a b");
    cr_expect_eq(target_decode(text, "%4142", 2, TARGET_PATH), -EINVAL);
}

Test(target, refuses_paths_that_climb)
{
    static const char *const bad[] = {
        "/.",      "/..",  "/./a",      "/../a", "/a/.",        "/a/..",     "/a/./b",
        "/a/../b", "/%2e", "/%2E%2e/a", "/.%2e", "/a%2f..%2fb", "/a/%2e%2F", "/..%2f",
    };
    static const char *const good[] = {
        "/", "//", "/a//b", "/...", "/.a", "/a.", "/..a", "/a..", "/a.b", "/%2e%2e%2e", "/a/.../b", "/%252e%252e/",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_expect_eq(target_check(bad[i], strlen(bad[i]), TARGET_PATH), -EINVAL, "%s", bad[i]);
        cr_expect_eq(target_check(bad[i], strlen(bad[i]), TARGET_QUERY), 0, "%s", bad[i]);
    }
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        cr_expect_eq(target_check(good[i], strlen(good[i]), TARGET_PATH), 0, "%s", good[i]);
}

Test(target, finds_the_first_value_of_a_name)
{
    static const struct {
        const char *query, *name, *value; /* NULL: none */
    } rows[] = {
        {"a=1", "a", "1"},     {"a=1&b=2", "b", "2"},  {"a=1&a=2", "a", "1"},
        {"a=1=2", "a", "1=2"}, {"a", "a", ""},         {"a&b=1", "a", ""},
        {"a=", "a", ""},       {"&&a=1&", "a", "1"},   {"%61b=%31", "ab", "%31"},
        {"a+b=1", "a b", "1"}, {"aa=1&a=2", "a", "2"}, {"a=1&aa=2", "aa", "2"},
        {"b=a=1", "a", NULL},  {"", "a", NULL},        {"=1", "", NULL},
        {"A=1", "a", NULL},    {"%6=1", "a", NULL},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *raw = NULL;
        size_t len = 0;
        bool found = target_query_find(rows[i].query, rows[i].name, &raw, &len);

        cr_expect_eq(found, rows[i].value != NULL, "%s in %s", rows[i].name, rows[i].query);
        cr_expect_eq(raw != NULL, found);
        if (found && rows[i].value != NULL)
            cr_expect(len == strlen(rows[i].value) && memcmp(raw, rows[i].value, len) == 0, "%s in %s: %.*s",
                      rows[i].name, rows[i].query, (int)len, raw);
    }
}

Test(target, knows_an_authority)
{
    static const char *const good[] = {
        "h",
        "h:",
        "h:80",
        "H.example",
        "127.0.0.1:8000",
        "[::1]",
        "[::1]:",
        "[2001:db8::1]:65535",
        "[::ffff:1.2.3.4]",
        "a-b._~!$&'()*+,;=",
        "%41b",
        "h:0080",
    };
    static const char *const bad[] = {
        "",        ":",     ":80",     "h:x",
        "h:8 ",    "h:-1",  "h:65536", "h:99999999999",
        "h:1:2",   "u@h",   "h/",      "h?",
        "a b",     "a\tb",  "h\\",     "h\x80",
        "%zz",     "%4",    "%00",     "[",
        "[]",      "[::1",  "::1",     "[::1]x",
        "[h]",     "[::g]", "[1.2.3]", "[::1%25lo]",
        "[::1]:x", "h]",    "<h>",     "[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc]",
    };

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        cr_expect(target_is_authority(good[i], strlen(good[i])), "%s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_expect_not(target_is_authority(bad[i], strlen(bad[i])), "%s", bad[i]);
    cr_expect_not(target_is_authority("h\0", 2));
    cr_expect_not(target_is_authority("[::1\0]", 6));
    cr_expect_not(target_is_authority("[1111:2222:3333:4444:5555:6666:255.255.255.2555]", 48)); /* a byte too long */
}

Test(target, skips_the_authority_of_an_http_url)
{
    static const struct {
        const char *target, *rest; /* NULL: -EINVAL */
    } rows[] = {
        {"http://h/p", "/p"},   {"HTTP://h:80/p?q", "/p?q"},
        {"http://h", ""},       {"http://h?q/", "?q/"},
        {"http://[::1]/", "/"}, {"http:///p", NULL},
        {"http://", NULL},      {"http:/h/p", NULL},
        {"https://h/", NULL},   {"ftp://h/", NULL},
        {"http", NULL},         {"h:80", NULL},
        {"http://u@h/", NULL},  {"", NULL},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t at = 99;
        int err = target_skip_authority(rows[i].target, strlen(rows[i].target), &at);

        cr_expect_eq(err, rows[i].rest != NULL ? 0 : -EINVAL, "%s", rows[i].target);
        if (rows[i].rest != NULL)
            cr_expect_str_eq(rows[i].target + at, rows[i].rest);
        else
            cr_expect_eq(at, 99);
    }
}
