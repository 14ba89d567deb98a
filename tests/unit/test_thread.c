/* What the kernel says of a thread: its name, and where it sleeps. */
#include "server/thread.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int ends[2];
static atomic_int number;

static void *wait_for_byte(void *arg)
{
    char byte;

    (void)arg;
    pthread_setname_np(pthread_self(), "odd) (name");
    atomic_store(&number, (int)syscall(SYS_gettid));
    (void)!read(ends[0], &byte, 1);
    return NULL;
}

Test(thread, is_told_by_name_and_number_and_where_it_sleeps, .timeout = 20)
{
    pthread_t thread;
    char text[THREAD_TEXT], want[64];

    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(pthread_create(&thread, NULL, wait_for_byte, NULL), 0);
    while (atomic_load(&number) == 0 || strstr(thread_describe(atomic_load(&number), text), ") is asleep") == NULL)
        ;
    (void)snprintf(want, sizeof(want), "odd) (name (%d) is asleep", atomic_load(&number));
    cr_expect_eq(strncmp(text, want, strlen(want)), 0, "%s", text);
    if (access("/proc/self/syscall", R_OK) == 0)
        cr_expect_not_null(strstr(text, " is asleep in read"), "%s", text);

    cr_assert_eq(write(ends[1], "x", 1), 1);
    pthread_join(thread, NULL);
}

Test(thread, runs_while_it_asks)
{
    char text[THREAD_TEXT];

    cr_expect_not_null(strstr(thread_describe((int)syscall(SYS_gettid), text), ") runs"), "%s", text);
    cr_expect_null(strstr(text, ", at 0"), "it waits nowhere: %s", text);
}

Test(thread, that_is_not_there_is_a_number)
{
    char text[THREAD_TEXT];

    cr_expect_str_eq(thread_describe(999999999, text), "999999999");
}

/* A look at a stuck thread must not cost more each time. */
Test(thread, is_told_without_keeping_a_descriptor)
{
    char text[THREAD_TEXT];
    int before = dup(STDERR_FILENO), after;

    close(before);
    (void)thread_describe((int)syscall(SYS_gettid), text);
    after = dup(STDERR_FILENO);
    close(after);

    cr_expect_eq(after, before);
}
