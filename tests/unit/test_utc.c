/* The time of day in the logs, against the C library's. */
#include "server/utc.h"

#include <criterion/criterion.h>
#include <stdlib.h>
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
    const size_t to_the_second = UTC_TEXT - sizeof("000Z");
    char want[UTC_TEXT], now[UTC_TEXT];
    struct timespec before, after;
    long ms;

    do {
        clock_gettime(CLOCK_REALTIME, &before); /* time(2) lags behind it, by up to a tick of the kernel's */
        utc_now(now);
        clock_gettime(CLOCK_REALTIME, &after);
    } while (before.tv_sec != after.tv_sec); /* a second may have passed in between */
    cr_expect_eq(strncmp(now, by_libc(before.tv_sec, want), to_the_second), 0, "%s %s", now, want);
    ms = strtol(now + to_the_second, NULL, 10);
    cr_expect(before.tv_nsec / 1000000 <= ms && ms <= after.tv_nsec / 1000000, "%s", now);
}
