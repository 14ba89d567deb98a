/* A reply as bytes: its head, its error form, text as JSON, and the date. */
#include "server/reply.h"

#include <criterion/criterion.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static char out[REPLY_HEAD_MAX + 1];
static const struct reply_framing plain = {.date = "Sun, 06 Nov 1994 08:49:37 GMT"};

static const char *write_head(const struct reply *reply, const struct reply_framing *framing)
{
    out[reply_write_head(out, reply, framing)] = '\0';
    return out;
}

/* ---- the head ---- */

Test(reply, has_a_status_line_a_date_a_type_a_length_and_an_empty_line)
{
    const struct reply reply = {.status = 200, .type = REPLY_TYPE_TEXT, .body = "hello", .body_len = 5};

    cr_expect_str_eq(write_head(&reply, &plain), "HTTP/1.1 200 OK\r\n"
                                                 "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                                                 "Content-Type: text/plain; charset=utf-8\r\n"
                                                 "Content-Length: 5\r\n"
                                                 "\r\n");
}

Test(reply, says_that_an_empty_body_is_empty)
{
    const struct reply reply = {.status = 200};

    cr_expect_not_null(strstr(write_head(&reply, &plain), "\r\nContent-Length: 0\r\n"));
    cr_expect_null(strstr(out, "Content-Type"));
}

Test(reply, announces_no_body_for_a_status_that_has_none)
{
    static const int statuses[] = {204, 304};

    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        const struct reply reply = {.status = statuses[i], .type = REPLY_TYPE_TEXT, .body = "x", .body_len = 1};

        cr_expect_not(reply_may_have_body(statuses[i]));
        cr_expect_null(strstr(write_head(&reply, &plain), "Content-"), "%s", out);
    }
    cr_expect_not(reply_may_have_body(205));
    cr_expect_not_null(strstr(write_head(&(struct reply){.status = 205, .body_len = 1}, &plain), "Content-Length: 0"));
    cr_expect(reply_may_have_body(200));
    cr_expect(reply_may_have_body(404));
}

Test(reply, tells_the_client_whether_the_connection_stays_when_it_would_think_otherwise)
{
    static const struct {
        bool is_last, is_http10;
        const char *field;
    } rows[] = {
        {false, false, NULL},
        {false, true, "\r\nConnection: keep-alive\r\n"},
        {true, false, "\r\nConnection: close\r\n"},
        {true, true, "\r\nConnection: close\r\n"},
    };
    const struct reply reply = {.status = 200};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct reply_framing framing = {
            .date = plain.date, .is_last = rows[i].is_last, .is_http10 = rows[i].is_http10};

        write_head(&reply, &framing);
        if (rows[i].field != NULL)
            cr_expect_not_null(strstr(out, rows[i].field), "row %zu: %s", i, out);
        else
            cr_expect_null(strstr(out, "Connection"), "row %zu: %s", i, out);
    }
}

Test(reply, says_how_long_it_waited_and_ran_when_asked)
{
    const struct reply reply = {.status = 200};
    const struct reply_framing framing = {
        .date = plain.date, .has_timing = true, .wait_ns = 1234000, .run_ns = 20000000000};

    cr_expect_not_null(strstr(write_head(&reply, &framing), "\r\nServer-Timing: wait;dur=1.234, run;dur=20000.000\r\n"),
                       "%s", out);
}

/* A comma would make two metrics of one (RFC 9110, section 5.6.1). */
Test(reply, tells_times_with_a_point_where_people_write_a_comma)
{
    static const char *const names[] = {"de_DE.UTF-8", "de_DE", "fr_FR.UTF-8", "it_IT.UTF-8", "pl_PL.UTF-8"};
    const struct reply reply = {.status = 200};
    const struct reply_framing framing = {.date = plain.date, .has_timing = true, .wait_ns = 1050999, .run_ns = 999999};
    size_t i = 0;

    while (i < sizeof(names) / sizeof(names[0]) && setlocale(LC_ALL, names[i]) == NULL)
        i++;
    if (strcmp(localeconv()->decimal_point, ",") != 0)
        setlocale(LC_ALL, "C"); /* none is installed: at least the digits are right */

    cr_expect_not_null(strstr(write_head(&reply, &framing), "wait;dur=1.050, run;dur=0.999\r\n"), "%s", out);
}

Test(reply, writes_a_handlers_fields_in_their_order)
{
    const struct reply_field second = {.name = "X-B", .value = ""},
                             first = {.next = &second, .name = "X-A", .value = "1"};
    const struct reply reply = {.status = 200, .fields = &first};

    cr_expect_not_null(strstr(write_head(&reply, &plain), "\r\nX-A: 1\r\nX-B: \r\n\r\n"), "%s", out);
}

Test(reply, fits_into_its_buffer_at_every_limit_at_once)
{
    static char value[REPLY_FIELDS_MAX], type[REPLY_TYPE_MAX];
    const struct reply_framing framing = {
        .date = plain.date, .is_last = true, .has_timing = true, .wait_ns = UINT64_MAX, .run_ns = UINT64_MAX};
    const struct reply_field field = {.name = "N", .value = value};
    const struct reply reply = {.status = 431, .type = type, .body_len = SIZE_MAX, .fields = &field};

    memset(value, 'v', sizeof(value) - sizeof("N: \r\n") + 1);
    memset(type, 't', sizeof(type) - 1);

    cr_expect_leq(strlen(write_head(&reply, &framing)), REPLY_HEAD_MAX);
}

Test(reply, names_its_status)
{
    static const struct {
        int status;
        const char *line;
    } rows[] = {
        {200, "HTTP/1.1 200 OK\r\n"},
        {404, "HTTP/1.1 404 Not Found\r\n"},
        {503, "HTTP/1.1 503 Service Unavailable\r\n"},
        {505, "HTTP/1.1 505 HTTP Version Not Supported\r\n"},
        {599, "HTTP/1.1 599 \r\n"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *head = write_head(&(struct reply){.status = rows[i].status}, &plain);

        cr_expect_eq(strncmp(head, rows[i].line, strlen(rows[i].line)), 0, "%d: %s", rows[i].status, head);
    }
}

/* ---- errors ---- */

Test(reply, has_one_form_for_an_error)
{
    char body[REPLY_ERROR_MAX];
    struct reply reply;

    reply_error(&reply, 400, "no \"x\"\n", body);

    cr_expect_eq(reply.status, 400);
    cr_expect_str_eq(reply.type, REPLY_TYPE_JSON);
    cr_expect_str_eq(reply.body, "{\"error\":\"no \\\"x\\\"\\n\"}");
    cr_expect_eq(reply.body_len, strlen(reply.body));
}

Test(reply, cuts_an_errors_text_so_that_it_stays_json)
{
    char text[2 * REPLY_ERROR_MAX], body[REPLY_ERROR_MAX];
    struct reply reply;

    for (size_t shift = 0; shift < 8; shift++) {
        memset(text, 'x', shift);
        for (size_t i = shift; i + 2 < sizeof(text); i += 2)
            memcpy(text + i, "\xc3\xa4", 3);
        reply_error(&reply, 400, text, body);

        cr_expect_lt(reply.body_len, REPLY_ERROR_MAX);
        cr_expect_gt(reply.body_len, REPLY_ERROR_MAX - 8);
        cr_expect_str_eq(body + reply.body_len - 4, "\xc3\xa4\"}");
    }
}

/* ---- JSON ---- */

Test(reply, escapes_what_json_strings_cannot_hold)
{
    static const struct {
        const char *text, *json;
        size_t len;
    } rows[] = {
#define ROW(text, json) {text, json, sizeof(text) - 1}
        ROW("", ""),
        ROW("plain ~", "plain ~"),
        ROW("\"\\/", "\\\"\\\\/"),
        ROW("\b\f\n\r\t", "\\b\\f\\n\\r\\t"),
        ROW("\x01\x1f\x7f", "\\u0001\\u001f\\u007f"),
        ROW("\xc2\x80\xc2\x9b\xc2\x9f\xc2\xa0", "\\u0080\\u009b\\u009f\xc2\xa0"),
        ROW("a\0b", "a\\u0000b"),
        ROW("\xc3\xa4\xe2\x82\xac\xf0\x9f\x99\x82", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x99\x82"),
        ROW("\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"),
#undef ROW
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t len = reply_json_escape(out, sizeof(out), rows[i].text, rows[i].len);

        cr_expect_str_eq(out, rows[i].json, "row %zu: %s", i, out);
        cr_expect_eq(len, strlen(rows[i].json), "row %zu", i);
    }
}

Test(reply, puts_a_replacement_character_for_each_byte_that_is_not_utf8)
{
    static const struct {
        const char *text;
        unsigned bad;
    } rows[] = {
        {"\x80", 1},
        {"\xff", 1},
        {"\xc3", 1},
        {"\xc0\x80", 2},
        {"\xc3\xc4", 2},
        {"\xe0\x80\x80", 3},
        {"\xed\xa0\x80", 3},
        {"\xe2\x82", 2},
        {"\xf0\x80\x80\x80", 4},
        {"\xf4\x90\x80\x80", 4},
        {"\xf5\x80\x80\x80", 4},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char want[32] = "";

        for (unsigned n = 0; n < rows[i].bad; n++)
            strcat(want, "\xef\xbf\xbd");
        reply_json_escape(out, sizeof(out), rows[i].text, strlen(rows[i].text));
        cr_expect_str_eq(out, want, "row %zu", i);
    }
}

Test(reply, takes_no_byte_behind_a_text_for_the_rest_of_its_last_character)
{
    reply_json_escape(out, sizeof(out), "\xc3\xa4", 1);

    cr_expect_str_eq(out, "\xef\xbf\xbd");
}

/* The first and the last of each length, but for control characters, and those around the surrogates. */
Test(reply, leaves_utf8_as_it_is)
{
    static const char text[] = "\xc2\xa0\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf"
                               "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf";

    reply_json_escape(out, sizeof(out), text, strlen(text));

    cr_expect_str_eq(out, text);
}

Test(reply, cuts_json_at_a_characters_border_and_tells_how_long_it_would_be)
{
    static const char text[] = "a\n\xe2\x82\xac.";
    static const char *const cut[] = {
        "", "", "a", "a", "a\\n", "a\\n", "a\\n", "a\\n\xe2\x82\xac", "a\\n\xe2\x82\xac."};

    cr_expect_eq(reply_json_escape(NULL, 0, text, strlen(text)), 7);
    for (size_t size = 1; size < sizeof(cut) / sizeof(cut[0]); size++) {
        memset(out, '#', sizeof(out));
        cr_expect_eq(reply_json_escape(out, size, text, strlen(text)), 7);
        cr_expect_str_eq(out, cut[size], "size %zu: %s", size, out);
        cr_expect_eq(out[size], '#');
    }
}

/* ---- the date ---- */

Test(reply, makes_the_date_once_a_second)
{
    struct reply_clock clock = {0};
    char date[sizeof(clock.date)];

    reply_clock_tick(&clock, 5000);
    cr_expect_gt(clock.until_ms, 5000);
    cr_expect_leq(clock.until_ms, 6000);
    memcpy(date, clock.date, sizeof(date));
    strcpy(clock.date, "kept");
    reply_clock_tick(&clock, clock.until_ms - 1);
    cr_expect_str_eq(clock.date, "kept");
    reply_clock_tick(&clock, clock.until_ms);
    cr_expect_eq(strlen(clock.date), strlen(date));
}

Test(reply, keeps_a_date_no_longer_than_its_second)
{
    struct reply_clock clock;
    struct timespec before, after;

    do {
        clock_gettime(CLOCK_REALTIME, &before);
        clock.until_ms = 0;
        reply_clock_tick(&clock, 5000);
        clock_gettime(CLOCK_REALTIME, &after);
    } while (before.tv_sec != after.tv_sec); /* a second may have passed in between */

    cr_expect_leq(clock.until_ms, 6000 - (uint64_t)before.tv_nsec / 1000000);
}

Test(reply, writes_the_time_of_day_as_http_and_as_logs_want_it)
{
    struct reply_clock clock = {0};
    char want[64], *old = setlocale(LC_ALL, "C");
    struct timespec before, after;
    struct tm tm;

    cr_assert_not_null(old);
    setenv("TZ", "EAST-14", 1);
    tzset();
    do {
        clock_gettime(CLOCK_REALTIME, &before); /* time(2) lags behind it, by up to a tick of the kernel's */
        clock.until_ms = 0;
        reply_clock_tick(&clock, 1);
        clock_gettime(CLOCK_REALTIME, &after);
    } while (before.tv_sec != after.tv_sec); /* a second may have passed in between */
    gmtime_r(&before.tv_sec, &tm);

    strftime(want, sizeof(want), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    cr_expect_str_eq(clock.date, want);
    strftime(want, sizeof(want), "%d/%b/%Y:%H:%M:%S +0000", &tm);
    cr_expect_str_eq(clock.log, want);
}
