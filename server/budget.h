/* Memory that the requests of a server hold: how much, and how much they may.
 *
 * Happy path: what was given a budget (buffers, arenas) counts each block that it gets from malloc() in, and out when
 * it is freed; a request that gets none costs nothing here. Each request has one of its own, in its server's: what the
 * others hold is the rest. Nothing is refused here, either: whoever lets something begin or grow asks first, see
 * server_is_over_memory().
 * Failures: none. Close: nothing is held; what is used must be 0 again when everything is freed.
 *
 * Any thread: workers allocate for their replies. The number orders nothing else, so relaxed is enough. */
#ifndef SERVER_BUDGET_H
#define SERVER_BUDGET_H

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>

/* Zeroed but for in: nothing is used. Owner: whoever embeds it; it outlives all that counts in it. */
struct budget {
    atomic_size_t used; /* bytes */
    struct budget *in;  /* all of them are counted in it, too; NULL: in none */
};

/* Both do nothing without a budget. */
static inline void budget_add(struct budget *budget, size_t bytes)
{
    for (; budget != NULL; budget = budget->in)
        atomic_fetch_add_explicit(&budget->used, bytes, memory_order_relaxed);
}

static inline void budget_sub(struct budget *budget, size_t bytes)
{
    for (; budget != NULL; budget = budget->in) {
        size_t before = atomic_fetch_sub_explicit(&budget->used, bytes, memory_order_relaxed);

        assert(before >= bytes); /* counted in before */
        (void)before;
    }
}

static inline size_t budget_used(const struct budget *budget)
{
    return atomic_load_explicit(&budget->used, memory_order_relaxed);
}

#endif
