/* As routes/sleep.c and routes/spin.c do it. */
#include "work.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void sleep_for(long ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    while (ms > 0 && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0)
        ;
}

static int64_t cpu_time_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void spin_for(long ms)
{
    int64_t until_ns = cpu_time_ns() + ms * 1000000;

    while (cpu_time_ns() < until_ns)
        for (volatile unsigned i = 0; i < 1000; i++)
            ;
}

void work_on(const char *path)
{
    if (strncmp(path, "/sleep/", 7) == 0)
        sleep_for(strtol(path + 7, NULL, 10));
    else if (strncmp(path, "/spin/", 6) == 0)
        spin_for(strtol(path + 6, NULL, 10));
}
