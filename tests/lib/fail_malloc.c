/* Counts allocations down. The names are the linker's, see ld(1), --wrap. */
#include "fail_malloc.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);

static atomic_uint left; /* allocations up to the one that fails, itself included; 0: none will */
static atomic_bool failed;

static bool fails_now(void);

void fail_malloc_at(unsigned n)
{
    atomic_store(&left, n);
    atomic_store(&failed, false);
}

bool fail_malloc_failed(void)
{
    return atomic_load(&failed);
}

void *__wrap_malloc(size_t size)
{
    return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails_now() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails_now() ? NULL : __real_realloc(old, size);
}

static bool fails_now(void)
{
    unsigned n = atomic_load(&left);

    while (n > 0 && !atomic_compare_exchange_weak(&left, &n, n - 1))
        continue;
    if (n != 1)
        return false;
    atomic_store(&failed, true);
    errno = ENOMEM;
    return true;
}
