/* A date without gmtime_r(3), which takes a lock of the C library's: localtime_r(3) that crashes on a bad pointer holds
 * it, and the line that tells of the crash needs the time.
 *
 * A year here begins in March, so that a leap day is its last. Nothing fails and nothing is held.
 */
#include "utc.h"

#include <time.h>

enum {
    DAY_S = 24 * 60 * 60,
    FIRST_DAY = 719468, /* the epoch, in days since 1 March of the year 0 */
    ERA_DAYS = 146097,  /* of 400 years, after which the calendar repeats itself */
    CENTURY_DAYS = 36524,
    FOUR_YEARS_DAYS = 1461,
    FIVE_MONTHS_DAYS = 153, /* March to July, and August to December */
};

static char *put(char *end, unsigned number, unsigned width, char behind);

const char *utc_text(int64_t seconds, unsigned ms, char text[UTC_TEXT])
{
    unsigned second = (unsigned)(seconds % DAY_S);
    unsigned day = (unsigned)(seconds / DAY_S + FIRST_DAY);
    unsigned era = day / ERA_DAYS, year, month;
    char *end = text;

    day %= ERA_DAYS;
    /* without the leap days before it, all its years have 365 days */
    year = (day - day / (FOUR_YEARS_DAYS - 1) + day / CENTURY_DAYS - day / (ERA_DAYS - 1)) / 365;
    day -= year * 365 + year / 4 - year / 100;
    month = (day * 5 + 2) / FIVE_MONTHS_DAYS; /* 0: March */
    day -= (month * FIVE_MONTHS_DAYS + 2) / 5;

    end = put(end, era * 400 + year + (month >= 10), 4, '-');
    end = put(end, month < 10 ? month + 3 : month - 9, 2, '-');
    end = put(end, day + 1, 2, 'T');
    end = put(end, second / 3600, 2, ':');
    end = put(end, second / 60 % 60, 2, ':');
    end = put(end, second % 60, 2, '.');
    end = put(end, ms, 3, 'Z');
    *end = '\0';
    return text;
}

const char *utc_now(char text[UTC_TEXT])
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return utc_text(now.tv_sec, (unsigned)(now.tv_nsec / 1000000), text);
}

static char *put(char *end, unsigned number, unsigned width, char behind)
{
    for (unsigned i = width; i > 0; i--, number /= 10)
        end[i - 1] = (char)('0' + number % 10);
    end[width] = behind;
    return end + width + 1;
}
