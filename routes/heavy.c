/* heavy_func() stands for the blocking call that you have: it knows nothing of the server, and nothing can hurry it. */
#include "heavy.h"

#include <errno.h>
#include <time.h>

unsigned heavy_ms = 20000;

const hoist_option heavy_ms_option = {
    .name = "heavy-ms",
    .type = HOIST_OPTION_UINT,
    .value = &heavy_ms,
    .min = 0,
    .max = HEAVY_MS_MAX,
    .arg = "MS",
    .help = "how long heavy_func blocks",
};

void heavy_func(unsigned wait_ms)
{
    struct timespec left = {.tv_sec = wait_ms / 1000, .tv_nsec = (long)(wait_ms % 1000) * 1000000};

    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        ;
}
