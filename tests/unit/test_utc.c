/* The time of day in the logs, against the C library's. */
#include "server/utc.h"

#include <criterion/criterion.h>
#include <string.h>
#include <time.h>

enum { DAY_S = 24 * 60 * 60 };

static const char *by_libc(time_t seconds, char text[UTC_TEXT])
{
    struct tm tm;

    gmtime_r(&seconds, &tm);
    cr_assert_eq(strftime(text, UTC_TEXT, "%Y-%m-%dT%H:%M:%S.000Z", &tm), UTC_TEXT - 1);
    return text;
}

/* A day apart, and a little more, so that the time of day changes too. */
Test(utc, is_what_libc_says_until_the_year_9999)
{
    const time_t end = 253402300799; /* the last second of it */
    char want[UTC_TEXT], got[UTC_TEXT];

    for (time_t seconds = 0; seconds <= end; seconds += DAY_S + 7)
        cr_assert_str_eq(utc_text(seconds, 0, got), by_libc(seconds, want));
    cr_expect_str_eq(utc_text(end, 999, got), "9999-12-31T23:59:59.999Z");
}

Test(utc, has_its_milliseconds)
{
    char text[UTC_TEXT];

    cr_expect_str_eq(utc_text(1795905149, 7, text), "2026-11-28T22:32:29.007Z");
}

Test(utc, now_is_now)
{
    char before[UTC_TEXT], now[UTC_TEXT], after[UTC_TEXT];

    utc_now(before);
    utc_now(now);
    by_libc(time(NULL) + 1, after);
    cr_expect_leq(strcmp(before, now), 0, "%s %s", before, now);
    cr_expect_leq(strcmp(now, after), 0, "%s %s", now, after);
}
