/* The access log's file: what is in it, when it is another one, and after a line that was cut. */
#include "server/log.h"

#include "lib/capture.h"

#include <criterion/criterion.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/hoist-log-XXXXXX", name[64], moved[64];

static void make_folder(void)
{
    cr_assert_not_null(mkdtemp(folder));
    (void)snprintf(name, sizeof(name), "%s/access", folder);
    (void)snprintf(moved, sizeof(moved), "%s/moved", folder);
}

static void remove_folder(void)
{
    remove(name);
    remove(moved);
    rmdir(folder);
}

TestSuite(log_file, .init = make_folder, .fini = remove_folder, .timeout = 60);

static void start(void)
{
    int err = log_start(&(struct log_options){.level = LOG_INFO, .access_log = name});

    cr_assert_eq(err, 0, "%s", strerror(-err));
}

static void expect_file(const char *path, const char *want)
{
    char text[256] = "";
    FILE *file = fopen(path, "r");

    cr_assert_not_null(file, "%s", path);
    (void)!fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    cr_expect_str_eq(text, want, "%s: %s", path, text);
}

Test(log_file, the_access_log_is_appended_to_its_file)
{
    for (int i = 0; i < 2; i++) {
        start();
        log_access("line %d", i);
        log_stop();
    }
    expect_file(name, "line 0\nline 1\n");
}

Test(log_file, the_access_log_is_opened_anew_when_asked)
{
    start();
    cr_assert_eq(rename(name, moved), 0);
    log_reopen();
    log_access("new");
    log_stop();

    expect_file(moved, "");
    expect_file(name, "new\n");
}

/* Who moved it may want its room on the disk back. */
Test(log_file, the_access_log_is_opened_anew_though_nothing_is_logged)
{
    start();
    cr_assert_eq(rename(name, moved), 0);
    log_reopen();
    while (access(name, F_OK) != 0)
        sched_yield();
    log_stop();
}

Test(log_file, no_line_is_lost_however_often_it_is_opened_anew)
{
    enum { LINES = 10000 };
    FILE *file;
    int i, n;

    start();
    for (i = 0; i < LINES; i++) {
        log_access("%d", i);
        log_reopen();
    }
    log_stop();

    cr_expect_eq(log_lost(), 0);
    file = fopen(name, "r");
    cr_assert_not_null(file);
    for (i = 0; fscanf(file, "%d", &n) == 1; i++)
        cr_assert_eq(n, i);
    fclose(file);
    cr_expect_eq(i, LINES);
}

Test(log_file, the_old_file_stays_in_use_when_the_new_one_cannot_be_opened)
{
    struct capture c = capture(STDERR_FILENO);

    start();
    cr_assert_eq(rename(name, moved), 0);
    cr_assert_eq(mkdir(name, 0700), 0);
    log_reopen();
    log_access("old");
    log_stop();

    cr_expect_not_null(strstr(capture_line(&c), "Is a directory"));
    expect_file(moved, "old\n");
    capture_release(&c);
}

/* The access log may have four bytes, as if its disk were full then; stderr tells once its line was cut. */
static void start_with_cut_line(const struct capture *c)
{
    struct rlimit usual, four;

    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &usual), 0);
    four = usual;
    four.rlim_cur = 4;
    start();
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &four), 0);
    log_access("lost and cut");
    cr_expect_str_eq(capture_text(capture_line(c)), "access log: File too large");
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &usual), 0);
}

Test(log_file, a_line_after_one_that_was_cut_is_on_its_own)
{
    struct capture c = capture(STDERR_FILENO);

    start_with_cut_line(&c);
    log_access("good");
    log_access("next");
    log_stop();

    expect_file(name, "lost\ngood\nnext\n");
    cr_expect_eq(log_lost(), 1);
    capture_release(&c);
}

Test(log_file, a_new_file_does_not_begin_with_the_end_of_a_cut_line)
{
    struct capture c = capture(STDERR_FILENO);

    start_with_cut_line(&c);
    cr_assert_eq(rename(name, moved), 0);
    log_reopen();
    log_access("new");
    log_stop();

    expect_file(name, "new\n");
    capture_release(&c);
}

Test(log_file, a_next_start_does_not_begin_with_the_end_of_a_cut_line)
{
    struct capture c = capture(STDERR_FILENO);

    start_with_cut_line(&c);
    log_stop();
    cr_assert_eq(rename(name, moved), 0);
    start();
    log_access("new");
    log_stop();

    expect_file(name, "new\n");
    capture_release(&c);
}
