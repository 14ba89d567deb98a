/* Public structs that the caller compiled, maybe with more or fewer fields than this library knows. Their size tells
 * which: so a new field is appended, and no struct ends with padding, in which a small one would change no size. */
#ifndef SERVER_ABI_H
#define SERVER_ABI_H

#include "hoist.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

/* What to say at -E2BIG: a format for what the struct is of. */
#define ABI_TOO_NEW "%s sets a field that libhoist " HOIST_VERSION " does not have"

#define ABI_ENDS_WITH(type, field)                                                                                     \
    _Static_assert(offsetof(type, field) + sizeof(((type *)NULL)->field) == sizeof(type),                              \
                   #type " ends with " #field " and no padding")

ABI_ENDS_WITH(hoist_config, stuck_exit_ms);
ABI_ENDS_WITH(hoist_route, worker_fini);
ABI_ENDS_WITH(hoist_option, help);
ABI_ENDS_WITH(hoist_program, options);

/* Copies a struct of given_size bytes into one of own_size: fields that the caller does not have are zero, which is
 * their default. -E2BIG: the caller sets one that this library does not have (as openat2(2) answers). */
static inline int abi_import(void *own, size_t own_size, const void *given, size_t given_size)
{
    const unsigned char *bytes = given;

    for (size_t i = own_size; i < given_size; i++)
        if (bytes[i] != 0)
            return -E2BIG;
    memset(own, 0, own_size);
    memcpy(own, given, own_size < given_size ? own_size : given_size);
    return 0;
}

#endif
