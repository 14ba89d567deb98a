/* The scan by itself: how far it looks, and what it tells about a chunked body. Its verdicts are in test_parser.c. */
#include "server/scan.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const char head[] = "POST /p HTTP/1.1\r\nHost: h\r\nA:\t b\r\n\r\n";
enum { HEAD_LEN = sizeof(head) - 1 };

Test(scan, finds_the_end_of_a_head_and_its_words)
{
    static const char more[] = "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\nGET";
    struct scan scan;
    size_t skipped;

    scan_init(&scan);

    cr_assert_eq(scan_head(&scan, more, sizeof(more) - 1, &skipped), SCAN_END);
    cr_expect_eq(skipped, 2);
    cr_expect_eq(scan.at, sizeof(more) - 1 - 2 - 3);
    cr_expect_eq(scan.method_len, 3);
    cr_expect_eq(scan.target_len, 1);
    cr_expect_eq(scan.n_fields, 1);
}

Test(scan, looks_at_no_byte_twice)
{
    char bytes[HEAD_LEN];
    struct scan scan;
    size_t skipped;

    scan_init(&scan);
    memcpy(bytes, head, HEAD_LEN);

    for (size_t len = 1; len < HEAD_LEN; len++) {
        cr_assert_eq(scan_head(&scan, bytes, len, &skipped), SCAN_MORE);
        cr_assert_eq(scan.at, len);
        memset(bytes, '\n', len); /* refused, if it were seen */
    }
    cr_expect_eq(scan_head(&scan, bytes, HEAD_LEN, &skipped), SCAN_END);
}

Test(scan, refuses_at_the_earliest_byte)
{
    static const struct {
        const char *bytes;
        int status;
    } rows[] = {
        {"G(", 400},
        {" ", 400},
        {"GET  ", 400},
        {"GET /\x80", 400},
        {"GET /#", 400},
        {"GET / HTTP/2.", 505},
        {"GET / HTTP/2\r", 505},
        {"GET / HTTP/22", 400},
        {"GET / HTTP/1.1\n", 400},
        {"GET / HTTP/1.1\r\n ", 400},
        {"GET / HTTP/1.1\r\n:", 400},
        {"GET / HTTP/1.1\r\nA ", 400},
        {"GET / HTTP/1.1\r\nA: b\n", 400},
        {"GET / HTTP/1.1\r\nA: b\r\r", 400},
        {"\r\n\r\n\r\n\r\n\r", 400},
        {"\n", 400},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t len = strlen(rows[i].bytes), skipped;
        struct scan scan;

        scan_init(&scan);
        cr_expect_eq(scan_head(&scan, rows[i].bytes, len - 1, &skipped), SCAN_MORE, "%zu", i);
        cr_expect_eq(scan_head(&scan, rows[i].bytes + skipped, len - skipped, &skipped), SCAN_BAD, "%zu", i);
        cr_expect_eq(scan.status, rows[i].status, "%zu: %d", i, scan.status);
        cr_expect_not_null(scan.reason);
    }
}

/* Every byte at every place of a head: what RFC 9112 allows there, and nothing else. */
Test(scan, knows_every_byte_of_names_targets_and_values)
{
    static const char token[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

    for (int c = 0; c < 256; c++) {
        bool is_token = c != 0 && strchr(token, c) != NULL;
        struct {
            const char *format;
            bool is_right;
        } places[] = {
            {"A%cA / HTTP/1.1\r\nA: b\r\n\r\n", is_token},
            {"GET /%cA HTTP/1.1\r\nA: b\r\n\r\n", c > 0x20 && c < 0x7f && c != '#'},
            {"GET / HTTP/1.1\r\nA%cA: b\r\n\r\n", is_token || c == ':'},
            {"GET / HTTP/1.1\r\nA: %cA\r\n\r\n", c == '\t' || (c >= 0x20 && c != 0x7f)},
        };

        for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
            struct scan scan;
            char bytes[64];
            size_t skipped, len = strlen(places[i].format) - 1;
            const char *hole = strchr(places[i].format, '%');
            size_t at = (size_t)(hole - places[i].format);

            memcpy(bytes, places[i].format, at);
            bytes[at] = (char)c;
            memcpy(bytes + at + 1, hole + 2, len - at - 1);
            scan_init(&scan);
            /* A method may end at the byte, and a target; then what follows is wrong. */
            cr_expect_eq(scan_head(&scan, bytes, len, &skipped) == SCAN_END, places[i].is_right, "0x%02x in place %zu",
                         c, i);
        }
    }
}

static void begin_chunks(struct scan *scan)
{
    size_t skipped;

    scan_init(scan);
    cr_assert_eq(scan_head(scan, head, HEAD_LEN, &skipped), SCAN_END);
    scan_chunks(scan);
}

/* The first result that is not SCAN_MORE. */
static enum scan_result scan_all(struct scan *scan, const char *text)
{
    enum scan_result result = SCAN_MORE;
    bool is_extension;
    size_t len;

    for (; result == SCAN_MORE && *text != '\0'; text += len)
        result = scan_overhead(scan, text, strlen(text), &len, &is_extension);
    return result;
}

Test(scan, tells_extensions_from_what_a_decoder_needs)
{
    static const struct {
        const char *bytes;
        bool is_extension;
        enum scan_result result;
    } pieces[] = {
        {"5", false, SCAN_MORE},
        {" ;a=\"b\"", true, SCAN_MORE},
        {"\r\n", false, SCAN_SIZE},
    };
    const char *bytes = "5 ;a=\"b\"\r\n";
    struct scan scan;

    begin_chunks(&scan);

    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        bool is_extension;
        size_t len;

        cr_expect_eq(scan_overhead(&scan, bytes, strlen(bytes), &len, &is_extension), pieces[i].result);
        cr_expect_eq(len, strlen(pieces[i].bytes));
        cr_expect_eq(is_extension, pieces[i].is_extension);
        bytes += len;
    }
}

Test(scan, stops_where_data_begins_and_where_the_body_ends)
{
    static const char *const lines[] = {"5\r\n", "\r\n0\r\n", "A: b\r\n\r\n"};
    static const uint64_t sizes[] = {5, 0};
    struct scan scan;
    bool is_extension;
    size_t len;

    begin_chunks(&scan);

    for (size_t i = 0; i < 2; i++) {
        char bytes[32];

        (void)snprintf(bytes, sizeof(bytes), "%sxxxxx", lines[i]);
        cr_expect_eq(scan_overhead(&scan, bytes, strlen(bytes), &len, &is_extension), SCAN_SIZE);
        cr_expect_eq(len, strlen(lines[i]));
        scan_data(&scan, sizes[i]);
    }
    cr_expect_eq(scan_overhead(&scan, "A: b\r\n\r\nGET", 11, &len, &is_extension), SCAN_END);
    cr_expect_eq(len, strlen(lines[2]));
}

/* llhttp refuses many of these too, but not all of its versions do. */
Test(scan, refuses_chunk_lines_and_trailers_by_itself)
{
    static const char *const rows[] = {
        "\r",     "g",       " ",        "\n",         "1\n",        "1\r\r",  "1 \r",   "1;\r",    "1;a=\r",
        "1;a \r", "1;a=b c", "1;a=\"\n", "1;a=\"\\\r", "1;a=\"b\"c", "1;a=b=", "1;\x80", "1;a\x01",
    };
    static const char *const ends[] = {"\n", "\r\r", "x"};
    struct scan scan;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        begin_chunks(&scan);
        cr_expect_eq(scan_all(&scan, rows[i]), SCAN_BAD, "%s", rows[i]);
    }
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        begin_chunks(&scan);
        cr_assert_eq(scan_all(&scan, "1\r\n"), SCAN_SIZE);
        scan_data(&scan, 1);
        cr_expect_eq(scan_all(&scan, ends[i]), SCAN_BAD, "behind data: %s", ends[i]);
    }
}

Test(scan, says_whether_a_chunk_line_or_its_end_is_wrong)
{
    struct scan scan;

    begin_chunks(&scan);
    cr_assert_eq(scan_all(&scan, "1x"), SCAN_BAD);
    cr_expect_str_eq(scan.reason, "not a chunk line");
    begin_chunks(&scan);
    cr_assert_eq(scan_all(&scan, "1\r\r"), SCAN_BAD);
    cr_expect_str_eq(scan.reason, "no CRLF behind a chunk line or its data");
}

Test(scan, counts_the_bytes_before_one_that_is_wrong)
{
    struct scan scan;
    bool is_extension;
    size_t len;

    begin_chunks(&scan);

    cr_expect_eq(scan_overhead(&scan, "12g", 3, &len, &is_extension), SCAN_BAD);
    cr_expect_eq(len, 2);
    cr_expect_eq(scan.status, 400);
    begin_chunks(&scan);
    cr_assert_eq(scan_all(&scan, "0\r\n"), SCAN_SIZE);
    scan_data(&scan, 0);
    cr_expect_eq(scan_overhead(&scan, "A: b\x01", 5, &len, &is_extension), SCAN_BAD);
    cr_expect_eq(len, 4);
}
