/* A ring of spans.
 *
 * Happy path: put, and read by number. Failures: no memory at start. Close: frees it.
 */
#include "spans.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

int spans_init(struct spans *spans, size_t size)
{
    assert((size & (size - 1)) == 0);
    spans->ring = malloc(size * sizeof(*spans->ring));
    spans->size = size;
    spans->next = 0;
    return spans->ring != NULL ? 0 : -ENOMEM;
}

void spans_close(struct spans *spans)
{
    free(spans->ring);
    *spans = (struct spans){0};
}

uint64_t spans_first(const struct spans *spans)
{
    return spans->next > spans->size ? spans->next - spans->size : 0;
}

uint64_t spans_since(const struct spans *spans, uint64_t ended_ns)
{
    uint64_t n = spans_first(spans);

    while (n < spans->next && spans_at(spans, n)->ended_ns < ended_ns)
        n++;
    return n;
}

const struct span *spans_at(const struct spans *spans, uint64_t n)
{
    assert(n >= spans_first(spans) && n < spans->next);
    return &spans->ring[n & (spans->size - 1)];
}
