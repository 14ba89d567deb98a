/* From a member to the struct that it is in. */
#ifndef POOL_OWNER_H
#define POOL_OWNER_H

#include <stddef.h>
#include <stdint.h>

/* The struct whose member pointer points to. One of another type than the member's does not compile. */
#define OWNER_OF(pointer, type, member)                                                                                \
    ((type *)((uintptr_t)(1 ? (pointer) : &((type *)NULL)->member) - offsetof(type, member)))

#endif
