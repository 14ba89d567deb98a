/* What became of the latest requests: a ring of spans, one for each exchange that has ended, for the dashboard, traces
 * and experiments. Two of them, so that a flood of requests that the loop answers does not push out the workers' jobs.
 * Loop thread only.
 */
#ifndef SERVER_SPANS_H
#define SERVER_SPANS_H

#include <stddef.h>
#include <stdint.h>

enum span_outcome {
    SPAN_ANSWERED,
    SPAN_SHED,      /* refused: the lane was full, or too long, or no memory was left at its turn */
    SPAN_EXPIRED,   /* its time was over while it waited */
    SPAN_CANCELLED, /* its client left while it waited */
    SPAN_ABANDONED, /* it ran on after its client had left or its time was over */
};

#define SPAN_OUTCOMES                                                                                                  \
    {                                                                                                                  \
        "answered", "shed", "expired", "cancelled", "abandoned"                                                        \
    }

/* Times are uv_hrtime()'s; 0: it did not come to that. */
struct span {
    uint64_t id;
    uint64_t received_ns, queued_ns, started_ns, ended_ns;
    uint64_t cpu_ns; /* of its worker */
    uint16_t route;  /* route.index */
    int16_t seat;    /* SPAN_ON_LOOP */
    uint16_t status; /* 0: nobody was answered */
    uint8_t outcome;
};

enum { SPAN_ON_LOOP = -1 };

struct spans {
    struct span *ring; /* NULL: none are kept */
    size_t size;       /* a power of two */
    uint64_t next;     /* the number of the next span, from 0 */
};

/* Keeps the last size spans, a power of two; memory is touched as they come. -ENOMEM. */
int spans_init(struct spans *spans, size_t size);
void spans_close(struct spans *spans);

static inline void spans_put(struct spans *spans, const struct span *span)
{
    if (spans->ring != NULL)
        spans->ring[spans->next++ & (spans->size - 1)] = *span;
}

/* The number of the oldest one that is there. */
uint64_t spans_first(const struct spans *spans);

/* The number of the oldest one there that ended at or after that time. Some behind it may have ended before: a span is
 * put when the answer is written, which a slow client delays. */
uint64_t spans_since(const struct spans *spans, uint64_t ended_ns);

/* Number n, which is there. */
const struct span *spans_at(const struct spans *spans, uint64_t n);

#endif
