/* What the kernel says of a thread: /proc/self/task/<number>/stat, syscall and wchan, see proc(5).
 *
 * Happy path: three short reads, put into words. Failures: what cannot be read is left out; a descriptor may be short,
 * and some systems hide the one or the other. Close: nothing is held.
 */
#include "thread.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FILE_TEXT = 256 };

/* Those that a thread is likely to be stuck in; the others are told by their number. */
static const struct {
    long number;
    const char *name;
} calls[] = {
    {SYS_read, "read"},
    {SYS_write, "write"},
    {SYS_pread64, "pread64"},
    {SYS_pwrite64, "pwrite64"},
    {SYS_readv, "readv"},
    {SYS_writev, "writev"},
    {SYS_openat, "openat"},
    {SYS_close, "close"},
    {SYS_fsync, "fsync"},
    {SYS_fdatasync, "fdatasync"},
    {SYS_fcntl, "fcntl"},
    {SYS_flock, "flock"},
    {SYS_ioctl, "ioctl"},
    {SYS_connect, "connect"},
#ifdef SYS_accept /* i386 and s390x have the newer ones only */
    {SYS_accept, "accept"},
#endif
    {SYS_accept4, "accept4"},
    {SYS_recvfrom, "recvfrom"},
    {SYS_recvmsg, "recvmsg"},
    {SYS_sendto, "sendto"},
    {SYS_sendmsg, "sendmsg"},
    {SYS_ppoll, "ppoll"},
    {SYS_pselect6, "pselect6"},
    {SYS_epoll_pwait, "epoll_pwait"},
    {SYS_wait4, "wait4"},
    {SYS_waitid, "waitid"},
    {SYS_nanosleep, "nanosleep"},
    {SYS_clock_nanosleep, "clock_nanosleep"},
    {SYS_restart_syscall, "restart_syscall"},
    {SYS_futex, "futex"}, /* every lock and condition of pthreads */
#ifdef SYS_poll           /* newer architectures have only the longer names above */
    {SYS_open, "open"},
    {SYS_poll, "poll"},
#ifdef SYS_select /* 32-bit ARM has _newselect */
    {SYS_select, "select"},
#endif
    {SYS_epoll_wait, "epoll_wait"},
    {SYS_pause, "pause"},
#endif
};

static bool read_of(int number, const char *file, char text[FILE_TEXT]);
static size_t put_state(const char *stat, int number, char text[THREAD_TEXT]);
static size_t put_call(const char *call, char *text, size_t room);

const char *thread_describe(int number, char text[THREAD_TEXT])
{
    char file[FILE_TEXT];
    size_t len;

    len = put_state(read_of(number, "stat", file) ? file : "", number, text);
    if (read_of(number, "syscall", file))
        len += put_call(file, text + len, THREAD_TEXT - len);
    if (read_of(number, "wchan", file) && strcmp(file, "0") != 0)
        (void)snprintf(text + len, THREAD_TEXT - len, ", at %.64s", file);
    return text;
}

/* False: it cannot be read, or is empty. */
static bool read_of(int number, const char *file, char text[FILE_TEXT])
{
    char path[64];
    ssize_t n;
    int fd;

    (void)snprintf(path, sizeof(path), "/proc/self/task/%d/%s", number, file);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    n = read(fd, text, FILE_TEXT - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return text[0] != '\0';
}

/* stat begins "4711 (hoist-w0) S ". Returns how long text is. */
static size_t put_state(const char *stat, int number, char text[THREAD_TEXT])
{
    static const struct {
        char letter;
        const char *words;
    } states[] = {
        {'R', "runs"},
        {'S', "is asleep"},
        {'D', "is in an uninterruptible sleep"},
        {'T', "is stopped"},
        {'t', "is stopped by a debugger"},
    };
    const char *name = strchr(stat, '('), *end = strrchr(stat, ')');
    const char *words = "is in an unknown state";

    if (name == NULL || end == NULL || end[1] != ' ')
        return (size_t)snprintf(text, THREAD_TEXT, "%d", number);
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
        if (states[i].letter == end[2])
            words = states[i].words;
    return (size_t)snprintf(text, THREAD_TEXT, "%.*s (%d) %s", (int)(end - name - 1), name + 1, number, words);
}

/* syscall is "running"; or "-1 ..." for a thread that waits outside of any, as in a page fault; or begins with the
 * call's number. */
static size_t put_call(const char *call, char *text, size_t room)
{
    char *end;
    long number = strtol(call, &end, 10);

    if (end == call)
        return 0;
    if (number < 0)
        return (size_t)snprintf(text, room, " in no system call");
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        if (calls[i].number == number)
            return (size_t)snprintf(text, room, " in %s", calls[i].name);
    return (size_t)snprintf(text, room, " in system call %ld", number);
}
