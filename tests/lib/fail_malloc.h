/* An allocator that fails when it is told to. Link with -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc: then the calls
 * of everything that is linked statically into the test go through it, those of shared libraries do not.
 *
 *     for (n = 1; failed; n++) {
 *         fail_malloc_at(n);
 *         err = thing_new(&thing);
 *         failed = fail_malloc_failed();
 *         fail_malloc_at(0);
 *         cr_expect_eq(err, failed ? -ENOMEM : 0);
 *     }
 */
#ifndef TESTS_LIB_FAIL_MALLOC_H
#define TESTS_LIB_FAIL_MALLOC_H

#include <stdbool.h>

/* The n-th allocation from now on fails, in whichever thread, and only that one; 0: none. */
void fail_malloc_at(unsigned n);

/* Whether it has come to that since. */
bool fail_malloc_failed(void);

#endif
