/* Memory of one exchange: allocated piece by piece, freed all at once.
 *
 *     char first[1024];
 *     arena_init(&arena, first, sizeof(first), max_reply);
 *     name = arena_strndup(&arena, text, len);
 *     arena_reset(&arena);
 *
 * One thread at a time. Failures are NULL: memory ran out, or more than max bytes would have been handed out. Blocks
 * cost at most a third more than what was handed out, and 64 KiB.
 */
#ifndef SERVER_ARENA_H
#define SERVER_ARENA_H

#include "hoist.h"

#include <stdarg.h>
#include <stdbool.h>

struct arena_block;
struct budget;

struct arena {
    char *at, *end;             /* what is left of the current block */
    struct arena_block *blocks; /* from malloc(), the newest first */
    size_t next_size;           /* of the next shared block */
    size_t used, max;           /* handed out, with padding, and what that may become: max may be changed */
    char *first;                /* the owner's */
    size_t first_size;
    struct budget *budget; /* counts the blocks; the owner may set it after arena_init(). NULL: nobody does */
};

/* first[first_size] is used up before anything is allocated; it must stay in place. */
void arena_init(struct arena *arena, void *first, size_t first_size, size_t max);

/* Frees everything handed out; the arena is as after arena_init(), so this is also its close. */
void arena_reset(struct arena *arena);

/* Whether so many bytes more are within its maximum; there may still be no memory for them. */
bool arena_may_hold(const struct arena *arena, size_t size);

/* size bytes, aligned for any type, not zeroed. */
void *arena_alloc(struct arena *arena, size_t size);

/* A copy of text[0 .. len) with a NUL behind it. */
char *arena_strndup(struct arena *arena, const char *text, size_t len);

char *arena_printf(struct arena *arena, const char *format, ...) HOIST_PRINTF(2, 3);

/* ret_len may be NULL: the length without the NUL, also of a text that was too long. Untouched only when the format
 * cannot be printed. */
char *arena_vprintf(struct arena *arena, size_t *ret_len, const char *format, va_list args) HOIST_PRINTF(3, 0);

#endif
