#include "hoist_test.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern const hoist_route factor_route, filter_route;
extern const char *factor_program, *filter_program;

static hoist_test *t, *filter;
static int free_fd;

/* What the next spawn answers; 0: what the system does. The linker puts this in front. */
static int planned;

int __real_posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *files,
                        const posix_spawnattr_t *attributes, char *const *argv, char *const *envp);
int __wrap_posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *files,
                        const posix_spawnattr_t *attributes, char *const *argv, char *const *envp);

int __wrap_posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *files,
                        const posix_spawnattr_t *attributes, char *const *argv, char *const *envp)
{
    return planned != 0 ? planned : __real_posix_spawnp(pid, file, files, attributes, argv, envp);
}

/* The lowest descriptor that is free. */
static int next_fd(void)
{
    int fd = dup(STDERR_FILENO);

    close(fd);
    return fd;
}

static void set_up(void)
{
    t = hoist_test_new(&factor_route);
    filter = hoist_test_new(&filter_route);
    free_fd = next_fd();
}

/* Every test ends without a child, running or dead, and without its pipe or its file. */
static void tear_down(void)
{
    cr_expect_eq(next_fd(), free_fd);
    hoist_test_free(t);
    hoist_test_free(filter);
    cr_expect_eq(waitpid(-1, NULL, WNOHANG), -1);
    cr_expect_eq(errno, ECHILD);
}

TestSuite(child, .init = set_up, .fini = tear_down);

Test(child, answers_with_what_the_command_prints)
{
    const hoist_test_reply *reply = hoist_test_get(t, "/factor/360");

    cr_assert_eq(reply->status, 200);
    cr_assert_str_eq(reply->body, "360: 2 2 2 3 3 5\n");
}

Test(child, gives_the_command_nothing_but_digits)
{
    static const char *const targets[] = {"/factor/abc", "/factor/-1", "/factor/--help", "/factor/1%202",
                                          "/factor/1%0A"};
    char target[200] = "/factor/";

    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
        cr_expect_eq(hoist_test_get(t, targets[i])->status, 400, "%s", targets[i]);
    memset(target + strlen(target), '1', 101);
    cr_expect_eq(hoist_test_get(t, target)->status, 400);
}

Test(child, says_how_a_command_failed)
{
    const hoist_test_reply *reply;

    factor_program = "false";
    reply = hoist_test_get(t, "/factor/1");
    cr_assert_eq(reply->status, 502);
    cr_assert_str_eq(reply->body, "{\"error\":\"the command's exit status is 1\"}");
}

/* Makes a shell script at path, which ends with XXXXXX. */
static void write_script(char *path, const char *text)
{
    int fd = mkstemp(path);

    cr_assert_geq(fd, 0);
    dprintf(fd, "#!/bin/sh\n%s\n", text);
    fchmod(fd, 0700);
    close(fd);
}

/* Makes a shell script the command; it is gone again after the call. */
static const hoist_test_reply *run_script(const char *text)
{
    char path[] = "/tmp/hoist-XXXXXX";
    const hoist_test_reply *reply;

    write_script(path, text);
    factor_program = path;
    reply = hoist_test_get(t, "/factor/1");
    unlink(path);
    return reply;
}

/* Likewise, with a body for its standard input. */
static const hoist_test_reply *filter_by_script(const char *text, const void *body, size_t len)
{
    char path[] = "/tmp/hoist-XXXXXX";
    const hoist_test_reply *reply;

    write_script(path, text);
    filter_program = path;
    reply = hoist_test_post(filter, "/filter", body, len);
    unlink(path);
    return reply;
}

/* Workers block most signals; a command that inherited that could not be stopped by them. */
Test(child, says_which_signal_ended_a_command)
{
    const hoist_test_reply *reply;
    sigset_t blocked;

    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    reply = run_script("kill -TERM $$; echo alive");
    cr_assert_eq(reply->status, 502, "%s", reply->body);
    cr_assert_not_null(strstr(reply->body, "ended by signal 15"), "%s", reply->body);
}

/* Servers ignore SIGPIPE; a pipeline that inherited that would run on when its reader has gone. */
Test(child, lets_a_command_die_of_a_broken_pipe)
{
    signal(SIGPIPE, SIG_IGN);
    cr_assert_str_eq(run_script("exec 3>&1; { yes; echo $? >&3; } | head -n 1 >/dev/null")->body, "141\n");
}

/* A child that held both ends of its pipe would never see that nobody reads it. */
Test(child, gives_the_command_one_end_of_its_pipe)
{
    cr_assert_str_eq(run_script("ls -l /proc/$$/fd | grep -cF \"$(readlink /proc/$$/fd/1)\"")->body, "1\n");
}

Test(child, says_that_there_is_no_such_command)
{
    const hoist_test_reply *reply;

    factor_program = "/no/such/command";
    reply = hoist_test_get(t, "/factor/1");
    cr_assert_eq(reply->status, 500);
    cr_assert_str_eq(reply->body, "{\"error\":\"the command cannot be run\"}");
}

/* Lets so many more descriptors be opened. */
static void leave_descriptors(int n)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = (rlim_t)(free_fd + n);
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* A pipe has two, and a body is a file. */
Test(child, can_be_asked_again_when_there_are_descriptors)
{
    for (int n = 0; n < 2; n++) {
        leave_descriptors(n);
        cr_expect_eq(hoist_test_get(t, "/factor/1")->status, 503, "%d descriptors", n);
        cr_expect_eq(hoist_test_post(filter, "/filter", "x", 1)->status, 503, "%d descriptors", n);
    }

    leave_descriptors(100);
    cr_expect_eq(hoist_test_get(t, "/factor/1")->status, 200);
    cr_expect_eq(hoist_test_post(filter, "/filter", "x", 1)->status, 200);
}

Test(child, can_be_asked_again_after_a_shortage_and_says_what_else_there_is)
{
    static const struct {
        int err, status;
    } rows[] = {{EAGAIN, 503}, {ENOMEM, 503}, {EMFILE, 503}, {ENFILE, 503}, {ENOENT, 500}};
    const hoist_test_reply *reply = NULL;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        planned = rows[i].err;
        reply = hoist_test_get(t, "/factor/1");
        cr_expect_eq(reply->status, rows[i].status, "%d: %d", rows[i].err, reply->status);
    }
    cr_assert_str_eq(reply->body, "{\"error\":\"the command cannot be run: No such file or directory\"}");
}

Test(child, kills_a_command_that_prints_more_than_max_reply)
{
    const hoist_test_reply *reply;

    factor_program = "yes";
    reply = hoist_test_get(t, "/factor/1");
    cr_assert_eq(reply->status, 500);
    cr_assert_not_null(strstr(reply->body, "65536 bytes"), "%s", reply->body);
}

Test(child, kills_a_command_that_nobody_waits_for, .timeout = 30)
{
    factor_program = "sleep";
    hoist_test_cancel(t);
    cr_assert_eq(hoist_test_get(t, "/factor/1000")->status, 0);
}

/* It is ours to wait for when the command has ended. */
Test(child, kills_what_a_command_leaves_in_the_background, .timeout = 30)
{
    const hoist_test_reply *reply;
    int pid, status;

    prctl(PR_SET_CHILD_SUBREAPER, 1);
    reply = run_script("sleep 60 >/dev/null & echo $!");
    cr_assert_eq(reply->status, 200, "%s", reply->body);
    cr_assert_eq(sscanf(reply->body, "%d", &pid), 1);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFSIGNALED(status));
    cr_assert_eq(WTERMSIG(status), SIGKILL);
}

/* Each of two lanes would have as many workers as both are to have. */
Test(child, has_one_bulkhead_for_all_commands)
{
    cr_assert_not_null(factor_route.lane);
    cr_assert_not_null(filter_route.lane);
    cr_assert_str_eq(factor_route.lane, filter_route.lane);
}

Test(child, gives_a_command_the_body_to_read)
{
    const hoist_test_reply *reply = hoist_test_post(filter, "/filter", "b\na\n", 4);

    cr_assert_eq(reply->status, 200, "%s", reply->body);
    cr_assert_str_eq(reply->body, "a\nb\n");
    cr_assert_str_eq(hoist_test_post(filter, "/filter", "", 0)->body, "");
}

/* Each way holds more than a pipe does. */
Test(child, lets_a_command_write_before_it_reads, .timeout = 60)
{
    enum { BYTES = 1000000 };
    char *body = malloc(BYTES);
    const hoist_test_reply *reply;

    cr_assert_not_null(body);
    memset(body, 'x', BYTES);
    reply = filter_by_script("head -c 1000000 /dev/zero; cat", body, BYTES);
    cr_assert_eq(reply->status, 200, "%s", reply->body);
    cr_assert_eq(reply->body_len, 2 * BYTES);
    cr_assert_eq(memcmp(reply->body + BYTES, body, BYTES), 0);
    free(body);
}

Test(child, lets_a_command_leave_the_body_unread)
{
    cr_assert_str_eq(filter_by_script("echo done", "text", 4)->body, "done\n");
}

Test(child, says_which_signal_ended_a_command_that_had_a_body)
{
    const hoist_test_reply *reply = filter_by_script("read line; kill -SEGV $$", "text\n", 5);

    cr_assert_eq(reply->status, 502);
    cr_assert_not_null(strstr(reply->body, "ended by signal 11"), "%s", reply->body);
}
