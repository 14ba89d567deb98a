/* A bump allocator with a maximum.
 *
 * Happy path: a pointer moves through the owner's first block and never calls malloc(). When that is used up, shared
 * blocks of 4 to 64 KiB follow, each twice as large as the one before; a request for more than a quarter of the next
 * one gets a block of its own, so that the rest of the current one is not lost.
 * Failures: NULL; nothing changes.
 * Close: arena_reset().
 */
#include "arena.h"

#include "budget.h"

#include <assert.h>
#include <errno.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = alignof(max_align_t), BLOCK_MIN = 4 * 1024, BLOCK_MAX = 64 * 1024 };

struct arena_block {
    alignas(max_align_t) struct arena_block *next;
    size_t size; /* with this; the memory handed out follows */
};

static size_t pad(size_t size);
static char *take(struct arena *arena, size_t size);
static int refill(struct arena *arena);
static char *block_new(struct arena *arena, size_t size);

void arena_init(struct arena *arena, void *first, size_t first_size, size_t max)
{
    size_t skew = (ALIGNMENT - (uintptr_t)first % ALIGNMENT) % ALIGNMENT;

    assert(first_size >= skew);

    *arena = (struct arena){.first = (char *)first + skew, .first_size = first_size - skew, .max = max};
    arena_reset(arena);
}

void arena_reset(struct arena *arena)
{
    struct arena_block *block;

    while ((block = arena->blocks) != NULL) {
        arena->blocks = block->next;
        budget_sub(arena->budget, block->size);
        free(block);
    }
    arena->at = arena->first;
    arena->end = arena->first + arena->first_size;
    arena->next_size = BLOCK_MIN;
    arena->used = 0;
}

bool arena_may_hold(const struct arena *arena, size_t size)
{
    size_t padded = pad(size);

    return padded >= size && arena->used <= arena->max && padded <= arena->max - arena->used;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    size_t padded = pad(size);
    char *memory;

    if (!arena_may_hold(arena, size))
        return NULL;
    memory = take(arena, padded);
    if (memory != NULL)
        arena->used += padded;
    return memory;
}

char *arena_strndup(struct arena *arena, const char *text, size_t len)
{
    char *copy;

    if (len == SIZE_MAX)
        return NULL;
    copy = arena_alloc(arena, len + 1);
    if (copy == NULL)
        return NULL;
    memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    char *text;

    va_start(args, format);
    text = arena_vprintf(arena, NULL, format, args);
    va_end(args);
    return text;
}

/* Printed once where it nearly always fits, into what is left of the current block; twice where it does not. */
char *arena_vprintf(struct arena *arena, size_t *ret_len, const char *format, va_list args)
{
    char *rest = arena->at;
    va_list again;
    char *text;
    int len;

    va_copy(again, args);
    len = vsnprintf(rest, (size_t)(arena->end - rest), format, args);
    text = len < 0 ? NULL : arena_alloc(arena, (size_t)len + 1);
    if (text != NULL && text != rest)
        (void)vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    if (len >= 0 && ret_len != NULL)
        *ret_len = (size_t)len;
    return text;
}

/* Wraps around for a size near SIZE_MAX. */
static size_t pad(size_t size)
{
    return size == 0 ? ALIGNMENT : (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* size bytes of the current block, of a new one, or of a block that is theirs alone. */
static char *take(struct arena *arena, size_t size)
{
    char *memory;

    if (size > (size_t)(arena->end - arena->at)) {
        if (size > arena->next_size / 4)
            return block_new(arena, size);
        if (refill(arena) < 0)
            return NULL;
    }
    memory = arena->at;
    arena->at += size;
    return memory;
}

static int refill(struct arena *arena)
{
    char *memory = block_new(arena, arena->next_size);

    if (memory == NULL)
        return -ENOMEM;
    arena->at = memory;
    arena->end = memory + arena->next_size;
    if (arena->next_size < BLOCK_MAX)
        arena->next_size *= 2;
    return 0;
}

static char *block_new(struct arena *arena, size_t size)
{
    struct arena_block *block;

    if (size > SIZE_MAX - sizeof(*block))
        return NULL;
    block = malloc(sizeof(*block) + size);
    if (block == NULL)
        return NULL;
    block->size = sizeof(*block) + size;
    budget_add(arena->budget, block->size);
    block->next = arena->blocks;
    arena->blocks = block;
    return (char *)(block + 1);
}
