/* sleep_floor THREADS JOBS MS: the sleeps of that many jobs, on bare threads without a server: no server can be faster.
 * Prints the seconds that it took. The sleep is that of routes/sleep.c. */
#include "client.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { THREADS_MAX = 64, JOBS_MAX = 1000000, MS_MAX = 1000, GIVE_UP_S = 120 };

static atomic_int jobs;
static unsigned ms;

static void *work(void *arg)
{
    struct timespec until;

    while (atomic_fetch_sub(&jobs, 1) > 0) {
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += (long)ms * 1000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0)
            ;
    }
    return arg;
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS_MAX];
    uint64_t began_ns;
    unsigned n;

    if (argc != 4) {
        fprintf(stderr, "usage: sleep_floor THREADS JOBS MS\n");
        return 2;
    }
    alarm(GIVE_UP_S);
    n = number(argv[1], THREADS_MAX);
    atomic_store(&jobs, (int)number(argv[2], JOBS_MAX));
    ms = number(argv[3], MS_MAX);
    began_ns = now_ns();
    for (unsigned i = 0; i < n; i++)
        if (pthread_create(&threads[i], NULL, work, NULL) != 0)
            return 1;
    for (unsigned i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    printf("%.6f\n", (double)(now_ns() - began_ns) / 1e9);
    return 0;
}
