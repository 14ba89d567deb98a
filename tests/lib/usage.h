/* What a process holds and uses, as the system tells: a server that many clients have come to and left holds what it
 * held before. */
#ifndef TESTS_LIB_USAGE_H
#define TESTS_LIB_USAGE_H

#include <stdbool.h>
#include <stdint.h>

struct client;
struct process;

/* How many entries /proc/<pid>/<folder> has: fd, or task. */
unsigned usage_count(const struct process *process, const char *folder);

/* Fails the test unless it comes back to that; observer keeps the server turning, which may see the last client leave
 * only then. */
void usage_expect_back_to(const struct process *process, const char *folder, unsigned before, struct client *observer);

/* Fails the test unless it has used less than a tenth of a CPU, all its threads together, since usage_begin(), which
 * should be a second ago: it does not spin. */
struct usage {
    uint64_t at_ns, cpu_ns;
};
struct usage usage_begin(const struct process *process);
void usage_expect_idle_since(const struct process *process, const struct usage *begun);

/* Memory of its own, not shared with the files it was started from, resident or swapped. Meaningless under a sanitizer,
 * which keeps what was freed and finds leaks by itself. */
unsigned usage_memory_kib(const struct process *process);
bool usage_is_sanitized(const struct process *process);

/* Lets this test have as many descriptors as the system allows it. */
void usage_raise_descriptors(void);

#endif
