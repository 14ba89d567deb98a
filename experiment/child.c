/* Starts the program once more, listens to its first two lines, ends it.
 *
 * Happy path: uv_spawn() starts `program experiment --serve-for PID serve ...`, which asks the system to be killed when
 * this process ends and then becomes `program serve ...` by execv(): a death signal survives that, and uv_spawn()
 * cannot ask for one. "listening on" and "admin on" on its stdout are the ports. Failures: no process; or one that ends
 * early, see child.h. Close: the process first, then pipes and timer.
 */
#include "child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static const char self[] = "/proc/self/exe", serve_for[] = "--serve-for";

static void open_handles(struct child *child, uv_loop_t *loop);
static void close_handle(uv_handle_t *handle);
static void on_close(uv_handle_t *handle);
static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *ret_buf);
static void on_out(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);
static void on_err(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);
static void on_end(uv_process_t *process, int64_t status, int signal);
static void on_grace(uv_timer_t *timer);

static const char *program_file(const char *program)
{
    return access(self, X_OK) == 0 ? self : program;
}

int child_start(struct child *child, uv_loop_t *loop, const char *program, const char *const *args)
{
    uv_stdio_container_t stdio[3] = {
        {.flags = UV_IGNORE},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&child->out},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&child->err},
    };
    uv_process_options_t options = {.exit_cb = on_end, .stdio_count = 3, .stdio = stdio};
    const char **argv;
    char pid[24];
    size_t n = 0;
    int err;

    while (args[n] != NULL)
        n++;
    argv = calloc(n + 6, sizeof(*argv));
    if (argv == NULL)
        return -ENOMEM;
    n = 0;
    (void)snprintf(pid, sizeof(pid), "%ld", (long)getpid());
    argv[n++] = program;
    argv[n++] = "experiment";
    argv[n++] = serve_for;
    argv[n++] = pid;
    argv[n++] = "serve";
    while (*args != NULL)
        argv[n++] = *args++;
    options.file = program_file(program);
    options.args = (char **)(uintptr_t)argv; /* libuv does not write to them */
    options.flags = UV_PROCESS_WINDOWS_HIDE;
    open_handles(child, loop);
    err = uv_spawn(loop, &child->process, &options);
    free(argv);
    if (err == 0)
        err = uv_read_start((uv_stream_t *)&child->out, on_alloc, on_out);
    if (err == 0)
        err = uv_read_start((uv_stream_t *)&child->err, on_alloc, on_err);
    if (err == 0)
        return 0;
    close_handle((uv_handle_t *)&child->process);
    child->has_exited = true;
    child_stop(child);
    return err;
}

static void open_handles(struct child *child, uv_loop_t *loop)
{
    uv_timer_init(loop, &child->grace);
    uv_pipe_init(loop, &child->out, 0);
    uv_pipe_init(loop, &child->err, 0);
    child->process.data = child->out.data = child->err.data = child->grace.data = child;
    child->n_open = 4;
}

bool child_is_ready(const struct child *child)
{
    return child->port != 0 && child->admin_port != 0;
}

/* ---- what it says ---- */

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *ret_buf)
{
    static char buffer[CHILD_TEXT]; /* for one read at a time */

    (void)handle;
    (void)size;
    *ret_buf = uv_buf_init(buffer, sizeof(buffer));
}

static void keep_last(char text[CHILD_TEXT], const char *more, size_t len)
{
    size_t had = strlen(text), over;

    if (len >= CHILD_TEXT) {
        more += len - (CHILD_TEXT - 1);
        len = CHILD_TEXT - 1;
    }
    over = had + len >= CHILD_TEXT ? had + len - (CHILD_TEXT - 1) : 0;
    memmove(text, text + over, had - over);
    memcpy(text + had - over, more, len);
    text[had - over + len] = '\0';
}

static unsigned port_behind(const char *text, const char *words)
{
    const char *at = strstr(text, words);
    unsigned long port;
    char *end;

    if (at == NULL || strchr(at, '\n') == NULL)
        return 0;
    port = strtoul(at + strlen(words), &end, 10);
    return port <= 65535 ? (unsigned)port : 0;
}

static void on_out(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct child *child = stream->data;

    if (n < 0)
        uv_read_stop(stream);
    if (n <= 0 || child_is_ready(child))
        return;
    keep_last(child->greeting, buf->base, (size_t)n);
    child->port = port_behind(child->greeting, "listening on 127.0.0.1:");
    child->admin_port = port_behind(child->greeting, "admin on 127.0.0.1:");
}

static void on_err(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct child *child = stream->data;

    if (n < 0)
        uv_read_stop(stream);
    else
        keep_last(child->errors, buf->base, (size_t)n);
}

/* ---- its end ---- */

void child_stop(struct child *child)
{
    if (child->n_open == 0)
        return;
    child->is_stopping = true;
    if (!child->has_exited) {
        uv_process_kill(&child->process, SIGTERM);
        uv_timer_start(&child->grace, on_grace, CHILD_GRACE_MS, 0);
        return;
    }
    close_handle((uv_handle_t *)&child->out);
    close_handle((uv_handle_t *)&child->err);
    close_handle((uv_handle_t *)&child->grace);
}

static void on_grace(uv_timer_t *timer)
{
    struct child *child = timer->data;

    uv_process_kill(&child->process, SIGKILL);
}

/* The pipes stay open until child_stop(), because the last words may still be in them. */
static void on_end(uv_process_t *process, int64_t status, int signal)
{
    struct child *child = process->data;

    child->has_exited = true;
    child->signal = signal;
    child->status = (int)status;
    close_handle((uv_handle_t *)process);
    if (child->is_stopping)
        child_stop(child);
}

static void close_handle(uv_handle_t *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, on_close);
}

static void on_close(uv_handle_t *handle)
{
    struct child *child = handle->data;

    child->n_open--;
}

bool child_is_gone(const struct child *child)
{
    return child->n_open == 0;
}

/* ---- in the new process ---- */

bool child_is_called_for(int argc, char **argv)
{
    return argc > 4 && strcmp(argv[2], serve_for) == 0;
}

int child_become(char **argv)
{
    const char *parent = argv[3];
    char *program = argv[0];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != (pid_t)strtol(parent, NULL, 10)) /* it has ended already */
        return EXIT_FAILURE;
    argv[3] = program;
    execv(program_file(program), argv + 3);
    fprintf(stderr, "%s: %s\n", program, strerror(errno));
    return EXIT_FAILURE;
}
