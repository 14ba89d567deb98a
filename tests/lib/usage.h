/* What a process holds and uses, as the system tells: a server that many clients have come to and left holds what it
 * held before. */
#ifndef TESTS_LIB_USAGE_H
#define TESTS_LIB_USAGE_H

#include <stdbool.h>

struct client;
struct process;

/* How many entries /proc/<pid>/<folder> has: fd, or task. */
unsigned usage_count(const struct process *process, const char *folder);

/* Fails the test unless it comes back to that; observer keeps the server turning, which may see the last client leave
 * only then. */
void usage_expect_back_to(const struct process *process, const char *folder, unsigned before, struct client *observer);

/* CPU seconds of all its threads. */
double usage_cpu_s(const struct process *process);

/* Memory of its own, not shared with the files it was started from, resident or swapped. Meaningless under a sanitizer,
 * which keeps what was freed and finds leaks by itself. */
unsigned usage_memory_kib(const struct process *process);
bool usage_is_sanitized(const struct process *process);

/* Lets this test have as many descriptors as the system allows it. */
void usage_raise_descriptors(void);

#endif
