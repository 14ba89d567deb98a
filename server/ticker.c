/* Streams that a timer pumps.
 *
 * Happy path: ticker_add(), a tick pumps each, on_closed() takes one out. Failures: none. Close: uv_close() of the
 * timer, once every connection is closed.
 */
#include "ticker.h"

#include "pool/owner.h"

#include <stdlib.h>

static void on_tick(uv_timer_t *timer);
static void on_closed(struct stream *stream);

void ticker_init(struct ticker *ticker, uv_loop_t *loop, unsigned ms)
{
    uv_timer_init(loop, &ticker->timer);
    ticker->ms = ms;
    ticker->first = NULL;
}

void ticker_add(struct ticker *ticker, struct ticking *ticking)
{
    ticking->stream.closed = on_closed;
    ticking->ticker = ticker;
    ticking->prev = NULL;
    ticking->next = ticker->first;
    if (ticking->next != NULL)
        ticking->next->prev = ticking;
    ticker->first = ticking;
    if (!uv_is_active((uv_handle_t *)&ticker->timer))
        uv_timer_start(&ticker->timer, on_tick, 1, ticker->ms);
}

unsigned ticker_count(const struct ticker *ticker)
{
    unsigned n = 0;

    for (const struct ticking *ticking = ticker->first; ticking != NULL; ticking = ticking->next)
        n++;
    return n;
}

static void on_tick(uv_timer_t *timer)
{
    struct ticker *ticker = OWNER_OF(timer, struct ticker, timer);
    struct ticking *next;

    for (struct ticking *ticking = ticker->first; ticking != NULL; ticking = next) {
        next = ticking->next;
        if (!stream_pump(&ticking->stream))
            ticking->missed++;
    }
}

static void on_closed(struct stream *stream)
{
    struct ticking *ticking = (struct ticking *)stream;
    struct ticker *ticker = ticking->ticker;

    *(ticking->prev != NULL ? &ticking->prev->next : &ticker->first) = ticking->next;
    if (ticking->next != NULL)
        ticking->next->prev = ticking->prev;
    if (ticker->first == NULL)
        uv_timer_stop(&ticker->timer);
    free(ticking);
}
