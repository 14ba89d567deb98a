/* The log, with pipes and files as its sinks. A line is waited for by reading it; Criterion's time limit ends a test in
 * which it never comes. */
#include "server/log.h"

#include "lib/capture.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { LINES_ENOUGH = 100000, THREADS = 4, LINES_A_THREAD = 2000 };

static bool is_ahead; /* the wall clock, by an hour, until somebody sets it */

#ifdef SYS_clock_gettime64 /* on 32-bit systems: it has this timespec, the other one has the old */
#undef SYS_clock_gettime
#define SYS_clock_gettime SYS_clock_gettime64
#endif

/* In the place of the system's. */
int clock_gettime(clockid_t clock, struct timespec *ret_time)
{
    int err = (int)syscall(SYS_clock_gettime, clock, ret_time);

    if (clock == CLOCK_REALTIME && is_ahead)
        ret_time->tv_sec += 3600;
    return err;
}

TestSuite(log, .timeout = 60);

static void start(enum log_level level, const char *access_log)
{
    int err = log_start(&(struct log_options){.level = level, .access_log = access_log});

    cr_assert_eq(err, 0, "%s", strerror(-err));
}

/* Writes numbered lines until one is lost because nobody reads. How many were written. */
static unsigned write_until_lost(void (*write_number)(unsigned number))
{
    unsigned n = 0;

    while (log_lost() == 0 && n < LINES_ENOUGH)
        write_number(n++);
    cr_assert_gt(log_lost(), 0);
    return n;
}

static void write_number(unsigned number)
{
    log_write(LOG_INFO, "line %u", number);
}

static void access_number(unsigned number)
{
    log_access("line %u", number);
}

Test(log, a_line_before_the_start_is_written_by_its_caller)
{
    struct capture c = capture(STDERR_FILENO);

    log_write(LOG_ERROR, "early");

    cr_expect_str_eq(capture_text(capture_line(&c)), "early");
    capture_release(&c);
}

Test(log, a_line_has_time_level_and_text)
{
    static const char shape[] = "0000-00-00T00:00:00.000Z warning 7 of 8";
    struct capture c = capture(STDERR_FILENO);
    char line[128] = "";

    start(LOG_INFO, NULL);
    log_write(LOG_WARNING, "%d of %d", 7, 8);
    strncat(line, capture_line(&c), sizeof(line) - 1);
    log_stop();
    capture_release(&c);

    for (char *p = line; p < strchr(line, 'Z'); p++)
        *p = (char)(isdigit((unsigned char)*p) ? '0' : *p);
    cr_expect_str_eq(line, shape);
}

Test(log, a_line_above_the_level_is_not_written)
{
    struct capture c = capture(STDERR_FILENO);

    start(LOG_WARNING, NULL);
    log_write(LOG_INFO, "no");
    log_write(LOG_DEBUG, "no");
    log_write(LOG_WARNING, "yes");
    log_stop();
    capture_release_writer(&c);

    cr_expect_str_eq(capture_text(capture_line(&c)), "yes");
    cr_expect_null(capture_line(&c));
    close(c.reader);
}

/* What a terminal may obey, in either of its encodings. */
Test(log, control_characters_and_what_is_no_utf8_are_escaped)
{
    static const struct {
        const char *text, *line;
    } rows[] = {
        {"a\nb\r\x01\x7f\x1b[31m\t\xc3\xbc", "a\\x0ab\\x0d\\x01\\x7f\\x1b[31m\\x09\xc3\xbc"},
        {"\xc2\x80\xc2\x9b 31m\xc2\x9f\xc2\xa0", "\\xc2\\x80\\xc2\\x9b 31m\\xc2\\x9f\xc2\xa0"},
        {"\x9b 31m\xff\xe2\x82", "\\x9b 31m\\xff\\xe2\\x82"},
        {"\xe2\x82\xac\xf0\x9f\x99\x82.", "\xe2\x82\xac\xf0\x9f\x99\x82."},
    };
    struct capture c = capture(STDERR_FILENO);

    start(LOG_INFO, NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        log_write(LOG_INFO, "%s", rows[i].text);
    log_stop();

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_expect_str_eq(capture_text(capture_line(&c)), rows[i].line, "row %zu", i);
    capture_release(&c);
}

Test(log, a_long_line_is_cut)
{
    struct capture c = capture(STDERR_FILENO);
    static char x[3 * LOG_LINE_MAX];

    memset(x, 'x', sizeof(x) - 1);
    start(LOG_INFO, NULL);
    log_write(LOG_INFO, "%s", x);
    memset(x, '\n', sizeof(x) - 1);
    log_write(LOG_INFO, "%s", x);
    log_write(LOG_INFO, "next");
    log_stop();

    cr_expect_eq(strlen(capture_line(&c)), LOG_LINE_MAX - 1);
    cr_expect_eq(strlen(capture_text(capture_line(&c))) % strlen("\\x0a"), 0, "an escape was cut");
    cr_expect_str_eq(capture_text(capture_line(&c)), "next");
    capture_release(&c);
}

Test(log, a_full_sink_loses_and_counts_lines_and_holds_nobody_up)
{
    struct capture c = capture_narrow(STDERR_FILENO);
    const char *text;
    unsigned written, arrived = 0;
    char want[64];

    start(LOG_INFO, NULL);
    written = write_until_lost(write_number); /* nobody reads, and yet it comes back */

    for (text = capture_text(capture_line(&c)); strncmp(text, "line ", 5) == 0;
         text = capture_text(capture_line(&c)), arrived++)
        cr_assert_eq(strtoul(text + 5, NULL, 10), arrived);
    (void)snprintf(want, sizeof(want), "error log: %" PRIu64 " lines lost", log_lost());
    cr_expect_str_eq(text, want);
    cr_expect_eq(arrived + log_lost(), written);

    log_write(LOG_INFO, "after");
    cr_expect_str_eq(capture_text(capture_line(&c)), "after");
    log_stop();
    capture_release(&c);
}

Test(log, a_stuck_access_log_leaves_the_error_log_alone)
{
    struct capture out = capture_narrow(STDOUT_FILENO), err = capture(STDERR_FILENO);
    unsigned filled = 0, written, arrived;

    cr_assert_eq(fcntl(STDOUT_FILENO, F_SETFL, O_NONBLOCK), 0);
    while (write(STDOUT_FILENO, "\n", 1) == 1) /* so that not even the first write ends before somebody reads */
        filled++;
    cr_assert_eq(fcntl(STDOUT_FILENO, F_SETFL, 0), 0);
    start(LOG_INFO, "-");
    written = write_until_lost(access_number);
    log_write(LOG_INFO, "through");
    cr_expect_str_eq(capture_text(capture_line(&err)), "through");

    for (; filled > 0; filled--)
        cr_assert_not_null(capture_line(&out));
    for (arrived = 0; arrived + log_lost() < written; arrived++)
        cr_assert_not_null(capture_line(&out));
    cr_expect_not_null(strstr(capture_line(&err), "access log: "));
    log_stop();
    capture_release(&out);
    capture_release(&err);
}

Test(log, a_sink_that_does_not_block_gets_every_line)
{
    struct capture c = capture_narrow(STDERR_FILENO);

    cr_assert_eq(fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK), 0);
    start(LOG_INFO, NULL);
    for (unsigned i = 0; i < 1000; i++)
        write_number(i);

    for (unsigned i = 0; i < 1000; i++)
        cr_assert_eq(strtoul(capture_text(capture_line(&c)) + 5, NULL, 10), i);
    cr_expect_eq(log_lost(), 0);
    log_stop();
    capture_release(&c);
}

static void *write_many(void *arg)
{
    const unsigned *thread = arg;

    for (unsigned i = 0; i < LINES_A_THREAD; i++)
        log_write(LOG_INFO, "%u %u end", *thread, i);
    return NULL;
}

Test(log, lines_of_many_threads_arrive_whole_and_in_order)
{
    struct capture c = capture(STDERR_FILENO);
    pthread_t threads[THREADS];
    unsigned numbers[THREADS], next[THREADS] = {0}, arrived = 0;
    const char *line;

    start(LOG_INFO, NULL);
    for (unsigned i = 0; i < THREADS; i++) {
        numbers[i] = i;
        cr_assert_eq(pthread_create(&threads[i], NULL, write_many, &numbers[i]), 0);
    }
    while (arrived + log_lost() < THREADS * LINES_A_THREAD && (line = capture_line(&c)) != NULL) {
        unsigned thread, number;
        char end;

        if (strstr(line, "lines lost") != NULL)
            continue;
        cr_assert_eq(sscanf(capture_text(line), "%u %u en%c", &thread, &number, &end), 3, "%s", line);
        cr_assert_lt(thread, THREADS);
        cr_assert_geq(number, next[thread]);
        next[thread] = number + 1;
        arrived++;
    }

    cr_expect_eq(arrived + log_lost(), THREADS * LINES_A_THREAD);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    log_stop();
    capture_release(&c);
}

Test(log, a_stop_writes_what_is_left)
{
    struct capture c = capture(STDERR_FILENO);

    start(LOG_INFO, NULL);
    for (unsigned i = 0; i < 500; i++)
        write_number(i);
    log_stop();
    log_write(LOG_INFO, "late");
    capture_release_writer(&c);

    for (unsigned i = 0; i < 500; i++)
        cr_assert_eq(strtoul(capture_text(capture_line(&c)) + 5, NULL, 10), i);
    cr_expect_str_eq(capture_text(capture_line(&c)), "late");
    cr_expect_null(capture_line(&c));
    close(c.reader);
}

Test(log, a_stop_gives_up_on_a_stuck_sink)
{
    struct capture c = capture_narrow(STDERR_FILENO);

    start(LOG_INFO, NULL);
    (void)write_until_lost(write_number);

    is_ahead = true;
    log_stop();
    is_ahead = false;
    log_write(LOG_INFO, "this does not block either");
    cr_expect_eq(log_start(&(struct log_options){.level = LOG_INFO}), -EBUSY);

    while (strstr(capture_line(&c), "lines lost") == NULL) /* its last one: now the writer ends, too */
        ;
    capture_release(&c);
}

Test(log, a_failing_sink_is_told_once_and_its_lines_are_counted)
{
    struct capture c = capture(STDERR_FILENO);

    start(LOG_INFO, "/dev/full");
    log_access("one");
    cr_expect_str_eq(capture_text(capture_line(&c)), "access log: No space left on device");
    log_access("two");
    log_access("three");
    log_stop();
    capture_release_writer(&c);

    cr_expect_null(capture_line(&c));
    cr_expect_eq(log_lost(), 3);
    close(c.reader);
}

Test(log, a_sink_that_still_fails_is_told_again_after_the_next_start)
{
    struct capture c = capture(STDERR_FILENO);

    for (unsigned i = 0; i < 2; i++) {
        start(LOG_INFO, "/dev/full");
        log_access("one");
        log_stop();
        cr_expect_str_eq(capture_text(capture_line(&c)), "access log: No space left on device");
    }
    capture_release(&c);
}

Test(log, a_reader_that_left_does_not_end_the_process)
{
    struct capture c = capture(STDERR_FILENO);

    close(c.reader);
    start(LOG_INFO, NULL);
    log_write(LOG_INFO, "for nobody");
    log_stop();
    capture_release_writer(&c);

    cr_expect_eq(log_lost(), 1);
}

Test(log, an_access_log_is_wanted_only_while_there_is_one)
{
    cr_expect_not(log_access_wanted());
    start(LOG_INFO, NULL);
    cr_expect_not(log_access_wanted());
    log_access("to nobody");
    log_stop();
    start(LOG_INFO, "/dev/null");
    cr_expect(log_access_wanted());
    log_stop();
    cr_expect_not(log_access_wanted());
}

/* The lowest descriptor that is free. */
static int lowest_free(void)
{
    int fd = dup(STDERR_FILENO);

    close(fd);
    return fd;
}

Test(log, stdout_stays_open_when_the_log_is_opened_anew_and_stopped)
{
    struct capture c = capture(STDOUT_FILENO);

    start(LOG_INFO, "-");
    log_access("one");
    cr_expect_str_eq(capture_line(&c), "one");
    log_reopen();
    log_access("two");
    cr_expect_str_eq(capture_line(&c), "two");
    log_stop();

    cr_expect_geq(fcntl(STDOUT_FILENO, F_GETFD), 0);
    capture_release(&c);
}

Test(log, a_file_is_closed_when_it_is_opened_anew_and_at_the_stop)
{
    int before = lowest_free();

    for (unsigned i = 0; i < 2; i++) {
        start(LOG_INFO, "/dev/null");
        cr_expect_eq(fcntl(before, F_GETFD), FD_CLOEXEC, "no child has it");
        log_access("one");
        if (i > 0)
            log_reopen();
        log_access("two");
        log_stop();
        cr_expect_eq(lowest_free(), before);
    }
}

Test(log, a_file_goes_on_beyond_two_gibibytes)
{
    static const off_t size = (off_t)3 << 30;
    char path[] = "/tmp/hoist-log-XXXXXX";
    struct stat after;
    int fd = mkstemp(path);

    cr_assert_geq(fd, 0);
    cr_assert_eq(ftruncate(fd, size), 0);
    start(LOG_INFO, path);
    log_access("one");
    log_stop();

    cr_assert_eq(fstat(fd, &after), 0);
    cr_expect_eq(after.st_size - size, (off_t)sizeof("one"));
    close(fd);
    unlink(path);
}

Test(log, a_file_that_cannot_be_opened_fails_the_start)
{
    cr_expect_eq(log_start(&(struct log_options){.access_log = "/nonexistent/access"}), -ENOENT);
    start(LOG_INFO, NULL);
    log_stop();
}

Test(log, a_thread_that_cannot_be_had_fails_the_start)
{
    pthread_attr_t usual, huge;

    cr_assert_eq(pthread_getattr_default_np(&usual), 0);
    cr_assert_eq(pthread_attr_init(&huge), 0);
    cr_assert_eq(pthread_attr_setstacksize(&huge, SIZE_MAX / 4 * 3), 0);
    cr_assert_eq(pthread_setattr_default_np(&huge), 0);

    cr_expect_eq(log_start(&(struct log_options){.access_log = "/dev/null"}), -EAGAIN);

    cr_assert_eq(pthread_setattr_default_np(&usual), 0);
    start(LOG_INFO, "/dev/null");
    log_stop();
}

Test(log, there_is_one)
{
    start(LOG_INFO, NULL);
    cr_expect_eq(log_start(&(struct log_options){.level = LOG_INFO}), -EBUSY);
    log_stop();
}

Test(log, the_journal_gets_priorities)
{
    struct capture c = capture(STDERR_FILENO);
    struct stat status;
    char name[64];

    cr_assert_eq(fstat(STDERR_FILENO, &status), 0);
    (void)snprintf(name, sizeof(name), "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    setenv("JOURNAL_STREAM", name, 1);
    start(LOG_DEBUG, NULL);
    log_write(LOG_ERROR, "a");
    log_write(LOG_WARNING, "b");
    log_write(LOG_INFO, "c");
    log_write(LOG_DEBUG, "d");
    log_stop();

    cr_expect_str_eq(capture_line(&c), "<3>a");
    cr_expect_str_eq(capture_line(&c), "<4>b");
    cr_expect_str_eq(capture_line(&c), "<6>c");
    cr_expect_str_eq(capture_line(&c), "<7>d");
    capture_release(&c);
}

Test(log, a_journal_that_is_not_stderr_changes_nothing)
{
    struct capture c = capture(STDERR_FILENO);

    setenv("JOURNAL_STREAM", "1:1", 1);
    start(LOG_INFO, NULL);
    log_write(LOG_INFO, "a");
    log_stop();

    cr_expect_str_eq(capture_text(capture_line(&c)), "a");
    capture_release(&c);
}
