/* Cache lines. What the loop and the workers both write at every job has lines of its own: else each write takes from
 * the other core what lies beside it, too.
 */
#ifndef POOL_LINE_H
#define POOL_LINE_H

#include <stdlib.h>
#include <string.h>

enum { LINE = 64 }; /* bytes, of most processors; where it is another number, this is only slower */

/* Zeroed, for a type of so many bytes that begins with a line; for free(3). NULL: no memory. */
static inline void *line_alloc(size_t size)
{
    void *lines = aligned_alloc(LINE, (size + LINE - 1) / LINE * LINE);

    if (lines != NULL)
        memset(lines, 0, size);
    return lines;
}

#endif
