/* Streams that a timer pumps; it ticks while there are any. Loop thread only. */
#ifndef SERVER_TICKER_H
#define SERVER_TICKER_H

#include "stream.h"

#include <uv.h>

/* The first member of what its owner allocated by malloc(), with stream.fill set. */
struct ticking {
    struct stream stream;
    struct ticker *ticker;
    struct ticking *prev, *next;
    unsigned missed; /* ticks that found the last piece unsent; its owner's to set to 0 */
};

struct ticker {
    uv_timer_t timer;
    unsigned ms;
    struct ticking *first; /* the newest; NULL: it rests */
};

/* timer.data is the caller's. */
void ticker_init(struct ticker *ticker, uv_loop_t *loop, unsigned ms);

/* Takes the stream, which ticks for the first time in 1 ms, and frees it when its connection is done with it. */
void ticker_add(struct ticker *ticker, struct ticking *ticking);

/* How many streams it has. */
unsigned ticker_count(const struct ticker *ticker);

#endif
