/* How end-to-end tests wait: for bytes and ends, never for time to pass. */
#ifndef TESTS_LIB_WAIT_H
#define TESTS_LIB_WAIT_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* Only so that a test that fails comes to an end; a test that goes well is far from it, also under a sanitizer. */
enum { WAIT_BOUND_MS = 60 * 1000 };

/* True once fd has one of events, or an error or end of its own. */
static inline bool wait_for_fd(int fd, short events, int bound_ms)
{
    struct pollfd wait = {.fd = fd, .events = events};

    return poll(&wait, 1, bound_ms) > 0;
}

/* For ratios between two times of one test. */
static inline uint64_t wait_clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

#endif
