/* Two sinks, each with a lock, two buffers and a thread.
 *
 * Happy path: the caller formats its line on its own stack and copies it into the sink's fill buffer under the lock;
 * only a writer that sleeps is signalled. The writer swaps the buffers, writes the full one without the lock and
 * comes back.
 * Failures: a full buffer or a failing sink loses lines, counts them, and tells once it gets better.
 * Close: log_stop() lets the writers empty their buffers; one whose sink is stuck is left behind, it owns nothing but
 * its buffer.
 */
#include "log.h"

#include "log_line.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { STOP_TIMEOUT_S = 2 };

struct sink {
    const char *name;
    pthread_t writer;

    /* the writer's while it runs */
    const char *path; /* to open it again; NULL: not a file of ours */
    int fd;
    bool is_failing; /* the last write */
    bool is_cut;     /* what fd got ends within a line */
    char *out;

    pthread_mutex_t lock; /* of everything below */
    pthread_cond_t work, ended;
    enum { SINK_OFF, SINK_ON, SINK_STOPPING } state; /* OFF again once the writer has written everything */
    bool writer_sleeps;
    bool is_moved; /* the file at path is another one, or none: path is to be opened again */
    size_t len;    /* in fill */
    char *fill;
    uint64_t lost, told; /* lines, ever; how many of them the error log knows of */

    /* fill and out, in turns. The last line's room is for what the log has to say itself. */
    char buffers[2][LOG_BUFFER + LOG_LINE_MAX];
};

static struct sink errors = {
    .name = "error log",
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .work = PTHREAD_COND_INITIALIZER,
    .ended = PTHREAD_COND_INITIALIZER,
};
static struct sink accesses = {
    .name = "access log",
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .work = PTHREAD_COND_INITIALIZER,
    .ended = PTHREAD_COND_INITIALIZER,
};
static atomic_uint level_max = LOG_INFO, access_format = LOG_COMMON;
static atomic_bool access_is_wanted;

static int access_open(const char *path);
static int sink_start(struct sink *sink, int fd, const char *path);
static int start_writer(struct sink *sink);
static void sink_stop(struct sink *sink, const struct timespec *until);
static struct timespec stop_time(void);
static void sink_put(struct sink *sink, const struct log_line *line, size_t size);
static void *sink_run(void *arg);
static bool sink_take(struct sink *sink, size_t *ret_len, bool *ret_is_moved);
static void sink_write(struct sink *sink, size_t len);
static void sink_reopen(struct sink *sink);
static int end_cut_line(struct sink *sink);
static int write_all(int fd, const char *bytes, size_t len, size_t *ret_written);
static uint64_t count_lines(const char *bytes, size_t len);
static void note(enum log_level level, const char *format, ...) HOIST_PRINTF(2, 3);
static void put_error(enum log_level level, size_t size, const char *format, va_list args) HOIST_PRINTF(3, 0);

int log_start(const struct log_options *options)
{
    struct timespec until;
    int fd = -1, err;

    if (options->access_log != NULL) {
        fd = access_open(options->access_log);
        if (fd < 0)
            return fd;
    }
    log_line_choose_form();
    err = sink_start(&errors, STDERR_FILENO, NULL);
    if (err < 0)
        goto err_close;
    if (fd >= 0) {
        err = sink_start(&accesses, fd, fd != STDOUT_FILENO ? options->access_log : NULL);
        if (err < 0)
            goto err_stop;
    }
    atomic_store(&level_max, options->level);
    atomic_store(&access_format, options->access_format);
    atomic_store(&access_is_wanted, fd >= 0);
    return 0;

err_stop:
    until = stop_time();
    sink_stop(&errors, &until);
err_close:
    if (fd >= 0 && fd != STDOUT_FILENO)
        close(fd);
    return err;
}

void log_stop(void)
{
    struct timespec until = stop_time();

    atomic_store(&access_is_wanted, false);
    sink_stop(&accesses, &until); /* first: it may have something to tell in the other */
    sink_stop(&errors, &until);
}

void log_write(enum log_level level, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    put_error(level, LOG_BUFFER, format, args);
    va_end(args);
}

bool log_access_wanted(void)
{
    return atomic_load_explicit(&access_is_wanted, memory_order_relaxed);
}

enum log_format log_access_format(void)
{
    return atomic_load_explicit(&access_format, memory_order_relaxed);
}

void log_access(const char *format, ...)
{
    struct log_line line = {.len = 0};
    va_list args;

    if (!log_access_wanted())
        return;
    va_start(args, format);
    log_line_print(&line, format, args);
    va_end(args);
    log_line_end(&line);
    sink_put(&accesses, &line, LOG_BUFFER);
}

void log_reopen(void)
{
    pthread_mutex_lock(&accesses.lock);
    accesses.is_moved |= accesses.state == SINK_ON && accesses.path != NULL;
    pthread_mutex_unlock(&accesses.lock);
    pthread_cond_signal(&accesses.work);
}

uint64_t log_lost(void)
{
    uint64_t lost = 0;

    pthread_mutex_lock(&errors.lock);
    lost += errors.lost;
    pthread_mutex_unlock(&errors.lock);
    pthread_mutex_lock(&accesses.lock);
    lost += accesses.lost;
    pthread_mutex_unlock(&accesses.lock);
    return lost;
}

/* ---- starting and stopping ---- */

/* Opened without waiting for a FIFO's reader, and written as usual: the writer's thread may wait. */
static int access_open(const char *path)
{
    int fd;

    if (strcmp(path, "-") == 0)
        return STDOUT_FILENO;
    fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
    if (fd < 0)
        return -errno;
    (void)fcntl(fd, F_SETFL, O_APPEND);
    return fd;
}

static int sink_start(struct sink *sink, int fd, const char *path)
{
    int err = -EBUSY;

    pthread_mutex_lock(&sink->lock);
    if (sink->state == SINK_OFF) {
        sink->fd = fd;
        sink->path = path;
        sink->fill = sink->buffers[0];
        sink->out = sink->buffers[1];
        sink->len = 0;
        sink->is_failing = false;
        sink->is_cut = false;
        err = start_writer(sink);
        if (err == 0)
            sink->state = SINK_ON;
    }
    pthread_mutex_unlock(&sink->lock);
    return err;
}

/* The process's signals are not for this thread; it inherits the mask. */
static int start_writer(struct sink *sink)
{
    sigset_t all, before;
    int err;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    err = pthread_create(&sink->writer, NULL, sink_run, sink);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -err;
}

static struct timespec stop_time(void)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until); /* the other one may be set back meanwhile */
    until.tv_sec += STOP_TIMEOUT_S;
    return until;
}

static void sink_stop(struct sink *sink, const struct timespec *until)
{
    bool was_on, is_off;
    int err = 0;

    pthread_mutex_lock(&sink->lock);
    was_on = sink->state == SINK_ON;
    if (was_on)
        sink->state = SINK_STOPPING;
    pthread_cond_signal(&sink->work);
    while (sink->state == SINK_STOPPING && err == 0)
        err = pthread_cond_clockwait(&sink->ended, &sink->lock, CLOCK_MONOTONIC, until);
    is_off = sink->state == SINK_OFF;
    pthread_mutex_unlock(&sink->lock);

    if (was_on && is_off)
        pthread_join(sink->writer, NULL);
    else if (was_on)
        pthread_detach(sink->writer);
}

/* ---- callers ---- */

/* size: how much of the buffer the line may use. */
static void sink_put(struct sink *sink, const struct log_line *line, size_t size)
{
    bool is_off, fits, wake = false;

    pthread_mutex_lock(&sink->lock);
    is_off = sink->state == SINK_OFF;
    fits = sink->len + line->len <= size;
    if (!is_off && !fits)
        sink->lost++;
    if (!is_off && fits) {
        memcpy(sink->fill + sink->len, line->text, line->len);
        sink->len += line->len;
        wake = sink->writer_sleeps;
        sink->writer_sleeps = false;
    }
    pthread_mutex_unlock(&sink->lock);

    if (wake)
        pthread_cond_signal(&sink->work);
    if (is_off && sink == &errors)
        (void)write_all(STDERR_FILENO, line->text, line->len, &(size_t){0});
}

static void put_error(enum log_level level, size_t size, const char *format, va_list args)
{
    struct log_line line;

    if (level > atomic_load_explicit(&level_max, memory_order_relaxed))
        return;
    log_line_begin(&line, level);
    log_line_print(&line, format, args);
    log_line_end(&line);
    sink_put(&errors, &line, size);
}

/* ---- the writers ---- */

static void *sink_run(void *arg)
{
    struct sink *sink = arg;
    size_t len;
    bool is_moved;

    (void)pthread_setname_np(pthread_self(), "hoist-log");
    while (sink_take(sink, &len, &is_moved)) {
        if (is_moved)
            sink_reopen(sink);
        if (len > 0)
            sink_write(sink, len);
    }
    return NULL;
}

/* Waits for lines, which it moves to out, or for a file that was moved. False: the sink is stopped, and off. */
static bool sink_take(struct sink *sink, size_t *ret_len, bool *ret_is_moved)
{
    char *filled;
    bool is_off;

    pthread_mutex_lock(&sink->lock);
    while (sink->len == 0 && !sink->is_moved && sink->state == SINK_ON) {
        sink->writer_sleeps = true;
        pthread_cond_wait(&sink->work, &sink->lock);
    }
    sink->writer_sleeps = false;
    is_off = sink->len == 0 && !sink->is_moved;
    *ret_len = sink->len;
    *ret_is_moved = sink->is_moved;
    filled = sink->fill;
    sink->fill = sink->out;
    sink->out = filled;
    sink->len = 0;
    sink->is_moved = false;
    if (is_off) {
        if (sink->path != NULL)
            close(sink->fd); /* before the next log_start() may set another */
        sink->state = SINK_OFF;
        pthread_cond_signal(&sink->ended);
    }
    pthread_mutex_unlock(&sink->lock);
    return !is_off;
}

static void sink_write(struct sink *sink, size_t len)
{
    uint64_t lost = 0, untold;
    size_t written = 0;
    int err;

    err = end_cut_line(sink);
    if (err == 0)
        err = write_all(sink->fd, sink->out, len, &written);
    if (written > 0)
        sink->is_cut = sink->out[written - 1] != '\n';
    if (err < 0) {
        lost = count_lines(sink->out + written, len - written);
        if (!sink->is_failing && sink != &errors)
            note(LOG_ERROR, "%s: %s", sink->name, strerror(-err));
    }
    sink->is_failing = err < 0;

    pthread_mutex_lock(&sink->lock);
    sink->lost += lost;
    untold = sink->is_failing ? 0 : sink->lost - sink->told;
    sink->told += untold;
    pthread_mutex_unlock(&sink->lock);
    if (untold > 0)
        note(LOG_WARNING, "%s: %" PRIu64 " lines lost", sink->name, untold);
}

static void sink_reopen(struct sink *sink)
{
    int fd = access_open(sink->path);

    if (fd < 0) {
        note(LOG_ERROR, "%s: %s: %s; the old file stays in use", sink->name, sink->path, strerror(-fd));
        return;
    }
    close(sink->fd);
    sink->fd = fd;
    sink->is_cut = false;
}

/* Otherwise the next line, a good one, would be glued to what went through of the one that was lost. */
static int end_cut_line(struct sink *sink)
{
    int err = sink->is_cut ? write_all(sink->fd, "\n", 1, &(size_t){0}) : 0;

    if (err == 0)
        sink->is_cut = false;
    return err;
}

static int write_all(int fd, const char *bytes, size_t len, size_t *ret_written)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = write(fd, bytes + done, len - done);

        if (n >= 0)
            done += (size_t)n;
        else if (errno == EAGAIN)
            (void)poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
        else if (errno != EINTR)
            break;
    }
    *ret_written = done;
    return done == len ? 0 : -errno;
}

static uint64_t count_lines(const char *bytes, size_t len)
{
    uint64_t n = 0;

    for (size_t i = 0; i < len; i++)
        n += bytes[i] == '\n';
    return n;
}

/* What the log says itself finds room where others' lines no longer do. */
static void note(enum log_level level, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    put_error(level, LOG_BUFFER + LOG_LINE_MAX, format, args);
    va_end(args);
}
