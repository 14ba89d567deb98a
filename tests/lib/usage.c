#include "usage.h"

#include "client.h"
#include "process.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>

enum { ROUNDS_MAX = 2000 };

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
        now = usage_count(process, folder);
    }
    cr_expect_eq(now, before, "%s: %u, and %u before", folder, now, before);
}

unsigned usage_memory_kib(const struct process *process)
{
    char path[64], line[256];
    unsigned kib = 0;
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)process->pid);
    file = fopen(path, "r");
    cr_assert_not_null(file);
    while (fgets(line, sizeof(line), file) != NULL && sscanf(line, "RssAnon: %u kB", &kib) != 1)
        ;
    fclose(file);
    cr_assert_gt(kib, 0);
    return kib;
}

void usage_raise_descriptors(void)
{
    struct rlimit limit;

    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}
