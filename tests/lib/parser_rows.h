/* Tables of bytes and what the parser must make of them at every chunking. */
#ifndef TESTS_PARSER_ROWS_H
#define TESTS_PARSER_ROWS_H

#include "lib/parser_events.h"

#include <criterion/criterion.h>

#define HOST "Host: h\r\n"
#define NEXT "GET /next HTTP/1.1\r\n" HOST "\r\n"

enum { BODY_MAX = 64, SHORT = 400 };

struct row {
    const char *name, *bytes, *events;
};

static void check_cut(const struct row *row, const char *bytes, size_t len, const char *want, size_t first, size_t step)
{
    static struct events whole, cut;

    parse(&whole, bytes, len, EVERYTHING, 1, BODY_MAX);
    parse(&cut, bytes, len, first, step, BODY_MAX);
    cr_expect_str_eq(cut.text, want, "%s: cut at %zu, then every %zu: '%s', not '%s' (%s)", row->name, first, step,
                     cut.text, want, cut.reason != NULL ? cut.reason : "no reason");
    cr_expect((cut.reason == NULL) == (whole.reason == NULL) &&
                  (cut.reason == NULL || strcmp(cut.reason, whole.reason) == 0),
              "%s: cut at %zu: '%s', whole: '%s'", row->name, first, cut.reason, whole.reason);
}

/* At every chunking, with another request pipelined behind it: that one is found behind a good one, and nothing is
 * behind a bad one. */
static void check_bytes(const struct row *row, const char *bytes, size_t len)
{
    static char all[EVENTS_MAX], want[EVENTS_MAX];
    size_t n = strlen(row->events);
    bool is_good = n > 0 && row->events[n - 1] == ';';

    cr_assert_lt(len + sizeof(NEXT), sizeof(all));
    memcpy(all, bytes, len);
    memcpy(all + len, NEXT, sizeof(NEXT));
    (void)snprintf(want, sizeof(want), "%s%s", row->events, is_good ? "GET /next;" : "");
    if (n == 0 || strcmp(row->events, "...") != 0)
        len += sizeof(NEXT) - 1;
    check_cut(row, all, len, want, EVERYTHING, 1);
    check_cut(row, all, len, want, 1, 1);
    check_cut(row, all, len, want, 3, 3);
    check_cut(row, all, len, want, 7, 7);
    for (size_t at = 1; at < len && len <= SHORT; at++)
        check_cut(row, all, len, want, at, EVERYTHING);
}

static inline void check_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        check_bytes(&rows[i], rows[i].bytes, strlen(rows[i].bytes));
}
#define CHECK(rows) check_rows(rows, sizeof(rows) / sizeof((rows)[0]))

#endif
