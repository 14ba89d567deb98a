#include "usage.h"

#include "client.h"
#include "process.h"
#include "wait.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { PROMPT_ROUNDS = 50, ROUNDS_MAX = 2000 };

unsigned usage_count(const struct process *process, const char *folder)
{
    char path[64];
    unsigned n = 0;
    DIR *dir;

    (void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)process->pid, folder);
    dir = opendir(path);
    cr_assert_not_null(dir);
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n;
}

void usage_expect_back_to(const struct process *process, const char *folder, unsigned before, struct client *observer)
{
    unsigned now = usage_count(process, folder);

    for (unsigned i = 0; i < ROUNDS_MAX && now != before; i++) {
        client_get(observer, "/dummy");
        cr_assert_eq(client_receive(observer)->status, 200);
        if (i >= PROMPT_ROUNDS)
            (void)poll(NULL, 0, 10); /* a worker that gets no CPU still has to look up */
        now = usage_count(process, folder);
    }
    cr_expect_eq(now, before, "%s: %u, and %u before", folder, now, before);
}

struct usage usage_begin(const struct process *process)
{
    struct timespec cpu;
    clockid_t clock;

    cr_assert_eq(clock_getcpuclockid(process->pid, &clock), 0);
    cr_assert_eq(clock_gettime(clock, &cpu), 0);
    return (struct usage){
        .at_ns = wait_clock_ns(),
        .cpu_ns = (uint64_t)cpu.tv_sec * 1000000000 + (uint64_t)cpu.tv_nsec,
    };
}

void usage_expect_idle_since(const struct process *process, const struct usage *begun)
{
    struct usage now = usage_begin(process);
    double used = (double)(now.cpu_ns - begun->cpu_ns) / (double)(now.at_ns - begun->at_ns);

    cr_expect_lt(used, 0.1, "%.0f %% of a CPU", 100 * used);
}

/* What a line of /proc/<pid>/status says. */
static unsigned long long status_kib(const struct process *process, const char *name)
{
    unsigned long long kib = 0;
    char path[64], line[256];
    size_t len = strlen(name);
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)process->pid);
    file = fopen(path, "r");
    cr_assert_not_null(file);
    while (fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, name, len) == 0 && line[len] == ':')
            kib = strtoull(line + len + 1, NULL, 10);
    fclose(file);
    return kib;
}

unsigned usage_memory_kib(const struct process *process)
{
    return (unsigned)(status_kib(process, "RssAnon") + status_kib(process, "VmSwap"));
}

/* By the shadow of all memory, which takes terabytes of addresses. */
bool usage_is_sanitized(const struct process *process)
{
    return status_kib(process, "VmSize") > 1ULL << 30;
}

void usage_raise_descriptors(void)
{
    struct rlimit limit;

    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}
