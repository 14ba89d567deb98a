/* The whole program around an app: command line, environment, limits and signals of the process.
 *
 * Happy path: hoist_main() -> options -> serve(): what a supervisor passes, limits, log, app, the line "listening on
 * …", the loop until SIGINT or SIGTERM, drain. Failures: one line on stderr; exit status 2 for a bad command line, 1
 * for everything else. Close: a clean stop frees all of it; when handlers are stuck, they are listed and _exit() ends
 * the process, because exit() would wait for libuv's threads.
 */
#include "abi.h"
#include "activation.h"
#include "app.h"
#include "config.h"
#include "crash.h"
#include "descriptors.h"
#include "experiment/experiment.h"
#include "forkserver.h"
#include "hoist_uv.h"
#include "log.h"
#include "notify.h"
#include "number.h"
#include "options.h"
#include "pool/pool.h"
#include "process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    EXIT_USAGE = 2,
    OPTIONS_MAX = 64,
    SAME_STOP_MS = 100, /* timeout(1) signals the process and then its group, a terminal the whole group */
};

/* The caller's program, and its options, as this library knows them. */
struct imported {
    hoist_program program;
    const hoist_option *pointers[OPTIONS_MAX + 1];
    hoist_option options[OPTIONS_MAX];
};

/* One run of the server: what its callbacks need. */
struct run {
    hoist_app *app;
    uv_loop_t loop;
    uv_signal_t interrupt, terminate, hang_up;
    struct activation sockets; /* that were passed */
    struct notify notify;
    uint64_t stopping_ms; /* since when, on uv_now()'s clock; 0: it serves */
    int result;
};

static int import_program(struct imported *own, const hoist_program *given, size_t program_size, size_t option_size,
                          char *error, size_t error_size);
static int serve(const hoist_program *program, size_t route_size, const struct options *options);
static int prepare_process(const struct run *run, const hoist_program *program, size_t route_size,
                           const struct options *options);
static void tell_unreserved(const struct options *options, int err);
static int start_forkserver(const struct run *run, const hoist_program *program, size_t route_size, unsigned nice);
static hoist_app *make_app(const hoist_program *program, size_t route_size, const struct options *options,
                           const struct activation *sockets);
static int run_app(struct run *run, const struct options *options);
static int start(struct run *run);
static void tell_unstarted(hoist_app *app, const struct options *options, int err);
static void tell_ready(struct run *run, const hoist_config *config);
static int init_signals(struct run *run);
static int start_signals(struct run *run);
static void on_signal(uv_signal_t *handle, int number);
static void on_hang_up(uv_signal_t *handle, int number);
static void on_stopped(hoist_app *app, int err, void *arg);
static sigset_t our_signals(void);
static void close_handles(struct run *run);
static void leave(hoist_app *app);
static int print_routes(const hoist_program *program, size_t route_size);
static int print_version(const hoist_program *program);
static int print_help(const hoist_program *program);
static int check_stdout(const hoist_program *program);

int hoist_main_sized(int argc, char **argv, const hoist_program *given, size_t program_size, size_t route_size,
                     size_t option_size)
{
    struct imported own = {0};
    const hoist_program *program = &own.program;
    struct options options;
    char error[256];
    bool has_command;
    int status, written;

    if (import_program(&own, given, program_size, option_size, error, sizeof(error)) < 0) {
        fprintf(stderr, "%s: %s\n", given->name != NULL ? given->name : "hoist_main", error);
        return EXIT_USAGE;
    }
    signal(SIGPIPE, SIG_IGN); /* who has left is an error of write(2), not the end */
    descriptors_raise_limit();
    if (argc > 1 && strcmp(argv[1], "experiment") == 0) {
        status = experiment_main(argc, argv, program);
        written = check_stdout(program);
        return status == EXIT_SUCCESS ? written : status;
    }
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return print_help(program);
        if (strcmp(argv[i], "--version") == 0)
            return print_version(program);
    }
    if (argc > 1 && strcmp(argv[1], "routes") == 0) {
        if (argc == 2)
            return print_routes(program, route_size);
        fprintf(stderr, "%s: routes: unexpected '%.60s', it takes no arguments\n", program->name, argv[2]);
        return EXIT_USAGE;
    }
    has_command = argc > 1 && strcmp(argv[1], "serve") == 0;
    if (options_read(&options, program, argc - has_command, argv + has_command, error, sizeof(error)) < 0) {
        fprintf(stderr, "%s: %s\n", program->name, error);
        return EXIT_USAGE;
    }
    return serve(program, route_size, &options);
}

/* Takes in the caller's program and checks it as a whole, so that the first run finds a mistake in it, whatever is
 * asked of it. On failure a line is in error. */
static int import_program(struct imported *own, const hoist_program *given, size_t program_size, size_t option_size,
                          char *error, size_t error_size)
{
    const hoist_option *const *options;
    int err = abi_import(&own->program, sizeof(own->program), given, program_size);

    options = own->program.options;
    for (size_t i = 0; err == 0 && options != NULL && options[i] != NULL; i++) {
        if (i == OPTIONS_MAX) {
            snprintf(error, error_size, "the program has more than %d options of its own", OPTIONS_MAX);
            return -EINVAL;
        }
        err = abi_import(&own->options[i], sizeof(own->options[i]), options[i], option_size);
        own->pointers[i] = &own->options[i];
    }
    if (err < 0) {
        snprintf(error, error_size, "the program was built for a newer libhoist than %s", HOIST_VERSION);
        return err;
    }
    own->program.options = own->pointers;
    if (own->program.name == NULL || own->program.version == NULL) {
        snprintf(error, error_size, "the program has no name or no version");
        return -EINVAL;
    }
    if (own->program.routes == NULL || own->program.routes[0] == NULL) {
        snprintf(error, error_size, "the program has no routes");
        return -EINVAL;
    }
    return options_check_program(&own->program, error, error_size);
}

/* ---- serve ---- */

static int serve(const hoist_program *program, size_t route_size, const struct options *options)
{
    const char *access_log = options->access_log;
    struct log_options log_options = {.level = options->log_level, .access_format = options->access_log_format};
    struct run run = {0};
    char error[128];
    int err;

    descriptors_open_standard();
    if (activation_take(&run.sockets, ACTIVATION_FIRST_FD, error, sizeof(error)) < 0) {
        log_write(LOG_ERROR, "%s", error);
        return EXIT_FAILURE;
    }
    notify_open(&run.notify);
    if (access_log == NULL)
        access_log = isatty(STDOUT_FILENO) ? "-" : "off";
    log_options.access_log = strcmp(access_log, "off") == 0 ? NULL : access_log;
    if (prepare_process(&run, program, route_size, options) < 0)
        return EXIT_FAILURE;
    err = log_start(&log_options);
    if (err < 0) {
        if (log_options.access_log != NULL)
            log_write(LOG_ERROR, "cannot log to %s: %s", access_log, uv_strerror(err));
        else /* there was no file to open */
            log_write(LOG_ERROR, "cannot start: no thread for the log: %s", uv_strerror(err));
        forkserver_stop();
        return EXIT_FAILURE;
    }
    options_tell_unknown_variables(program);
    run.app = make_app(program, route_size, options, &run.sockets);
    err = run.app == NULL ? -EINVAL : run_app(&run, options);
    forkserver_stop();
    log_stop();
    /* libuv's threads end there, before what was registered earlier takes away what they still use. And not here: libuv
     * does not start again. */
    (void)atexit(uv_library_shutdown);
    return err < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* What belongs to the whole process. Before any thread exists. A failure is in the log. */
static int prepare_process(const struct run *run, const hoist_program *program, size_t route_size,
                           const struct options *options)
{
    hoist_config config;
    char error[256];
    int err;

    crash_enable();
    (void)pool_trace_enable();
    if (config_resolve(&config, &options->config, error, sizeof(error)) < 0)
        return 0; /* the app will say so */
    descriptors_make_room(config_fd_max(&config));
    if (config.executor == HOIST_EXECUTOR_INLINE)
        return 0;
    err = pool_reserve_threads(options->config.workers_max, options->worker_stack);
    if (err < 0) {
        tell_unreserved(options, err);
        return err;
    }
    err = start_forkserver(run, program, route_size, config.worker_nice);
    if (err < 0)
        log_write(LOG_ERROR, "cannot start: no fork server, which makes processes for calls: %s", uv_strerror(err));
    return err;
}

static void tell_unreserved(const struct options *options, int err)
{
    struct rlimit limit;

    if (err == -ENOTSUP)
        log_write(LOG_ERROR, "cannot start: --worker-stack: libuv %s gives every thread 8 MiB", uv_version_string());
    else if (getrlimit(RLIMIT_STACK, &limit) == 0 && options->worker_stack > limit.rlim_max)
        log_write(LOG_ERROR,
                  "cannot start: --worker-stack: %zu bytes are more than the hard limit of the stack, %lu bytes",
                  options->worker_stack, (unsigned long)limit.rlim_max);
    else
        log_write(LOG_ERROR, "cannot start: %s", uv_strerror(err));
}

/* For routes that run in a process of their own, if there are any. */
static int start_forkserver(const struct run *run, const hoist_program *program, size_t route_size, unsigned nice)
{
    const int own[] = {run->sockets.data, run->sockets.admin, run->notify.fd};
    hoist_route route = {0};

    for (size_t i = 0; program->routes[i] != NULL && route.run != HOIST_PROCESS; i++)
        if (abi_import(&route, sizeof(route), program->routes[i], route_size) < 0)
            return 0; /* the app will say so */
    if (route.run != HOIST_PROCESS)
        return 0;
    return forkserver_start(process_serve, nice == HOIST_NO_LIMIT ? 0 : nice, own, sizeof(own) / sizeof(own[0]));
}

/* NULL after a line in the log. */
static hoist_app *make_app(const hoist_program *program, size_t route_size, const struct options *options,
                           const struct activation *sockets)
{
    hoist_app *app;
    int err;

    err = hoist_app_new(&app, &options->config);
    if (err < 0)
        return NULL;
    for (size_t i = 0; program->routes[i] != NULL && err == 0; i++)
        err = hoist_app_route_sized(app, program->routes[i], route_size);
    if (err == 0)
        err = app_adopt(app, sockets->data, sockets->admin);
    if (err == 0)
        err = hoist_app_listen(app);
    if (err == 0)
        return app;
    log_write(LOG_ERROR, "%s", hoist_app_error(app)[0] != '\0' ? hoist_app_error(app) : uv_strerror(err));
    hoist_app_free(app);
    return NULL;
}

static int run_app(struct run *run, const struct options *options)
{
    int err, closed;

    err = uv_loop_init(&run->loop);
    if (err == 0)
        err = init_signals(run);
    if (err < 0) {
        log_write(LOG_ERROR, "no loop: %s", uv_strerror(err));
        return err;
    }
    err = start(run);
    if (err < 0)
        tell_unstarted(run->app, options, err);
    else
        tell_ready(run, &options->config);

    uv_run(&run->loop, UV_RUN_DEFAULT); /* after a failed start too: threads that it had gathered use the loop */
    if (run->result < 0) {
        stuck_list(&run->app->server);
        leave(run->app);
    }
    hoist_app_free(run->app);
    closed = uv_loop_close(&run->loop);
    return err < 0 ? err : closed;
}

static int start(struct run *run)
{
    int err;

    err = hoist_app_start(run->app, &run->loop, on_stopped, run);
    if (err < 0) {
        close_handles(run);
        return err;
    }
    err = start_signals(run);
    if (err < 0)
        hoist_app_stop(run->app);
    return err;
}

/* Threads that the system does not give are fewer, or take less memory, by these two options; the latter only where the
 * stack is not fixed. */
static void tell_unstarted(hoist_app *app, const struct options *options, int err)
{
    const char *said = hoist_app_error(app)[0] != '\0' ? hoist_app_error(app) : uv_strerror(err);
    char stack[NUMBER_TEXT];

    if (err != -EAGAIN || options->config.executor != HOIST_EXECUTOR_POOL)
        log_write(LOG_ERROR, "%s", said);
    else if (pool_stack_is_fixed())
        log_write(LOG_ERROR, "%s; --workers-max is %u, and each has libuv's 8 MiB of stack", said,
                  options->config.workers_max);
    else
        log_write(LOG_ERROR, "%s; --workers-max is %u, --worker-stack %s", said, options->config.workers_max,
                  number_text(options->worker_stack, true, stack));
}

/* On stdout, for people and scripts, and to a supervisor. */
static void tell_ready(struct run *run, const hoist_config *config)
{
    char address[LISTENER_TEXT], line[LISTENER_TEXT + 64];

    listener_text(&run->app->listener, address, sizeof(address));
    if (config->executor == HOIST_EXECUTOR_INLINE)
        snprintf(line, sizeof(line), "listening on %s, no workers: every handler runs on the loop", address);
    else
        snprintf(line, sizeof(line), "listening on %s, %u worker%s", address, config->workers,
                 config->workers == 1 ? "" : "s");
    puts(line);
    if (run->app->config.admin != NULL)
        printf("admin on %s\n", listener_text(&run->app->admin.listener, address, sizeof(address)));
    if (fflush(stdout) != 0 || ferror(stdout))
        log_write(LOG_WARNING, "cannot write to stdout: %s; %s", strerror(errno), line);
    notify_ready(&run->notify, &run->loop, line);
}

static int init_signals(struct run *run)
{
    int err;

    err = uv_signal_init(&run->loop, &run->interrupt);
    if (err == 0)
        err = uv_signal_init(&run->loop, &run->terminate);
    if (err == 0)
        err = uv_signal_init(&run->loop, &run->hang_up);
    run->interrupt.data = run->terminate.data = run;
    return err;
}

/* Not before the app has started: until then a signal ends the process, whatever a worker_init does. They may be
 * blocked: a mask is inherited. */
static int start_signals(struct run *run)
{
    const sigset_t ours = our_signals();
    int err;

    err = uv_signal_start(&run->interrupt, on_signal, SIGINT);
    if (err == 0)
        err = uv_signal_start(&run->terminate, on_signal, SIGTERM);
    if (err == 0)
        err = uv_signal_start(&run->hang_up, on_hang_up, SIGHUP);
    pthread_sigmask(SIG_UNBLOCK, &ours, NULL);
    return err;
}

static sigset_t our_signals(void)
{
    sigset_t ours;

    sigemptyset(&ours);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGHUP);
    return ours;
}

/* The first one drains; one that is asked for later does not wait. */
static void on_signal(uv_signal_t *handle, int number)
{
    struct run *run = handle->data;
    uint64_t now_ms = uv_now(&run->loop);
    char cut_off[SERVER_CUT_OFF_TEXT];

    if (run->stopping_ms != 0 && now_ms - run->stopping_ms < SAME_STOP_MS)
        return;
    if (run->stopping_ms != 0) {
        log_write(LOG_ERROR, "%s again: leaving at once; %s", strsignal(number),
                  server_cut_off_text(&run->app->server, cut_off));
        leave(run->app);
    }
    run->stopping_ms = now_ms;
    log_write(LOG_INFO, "%s: draining", strsignal(number));
    notify_stopping(&run->notify, "draining");
    hoist_app_stop(run->app);
}

static void on_hang_up(uv_signal_t *handle, int number)
{
    (void)handle;
    (void)number;
    log_reopen();
}

/* It ends by itself from here on; libuv puts the default actions back, and a late signal's would end it before. */
static void on_stopped(hoist_app *app, int err, void *arg)
{
    const sigset_t ours = our_signals();
    struct run *run = arg;
    sigset_t before;

    (void)app;
    run->result = err;
    if (err < 0)
        uv_stop(&run->loop);
    pthread_sigmask(SIG_BLOCK, &ours, &before);
    close_handles(run);
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void close_handles(struct run *run)
{
    uv_close((uv_handle_t *)&run->interrupt, NULL);
    uv_close((uv_handle_t *)&run->terminate, NULL);
    uv_close((uv_handle_t *)&run->hang_up, NULL);
    notify_close(&run->notify);
}

/* exit() would wait for a thread that is stuck. */
static void leave(hoist_app *app)
{
    unix_socket_remove(&app->admin.listener.file);
    log_stop();
    _exit(EXIT_FAILURE);
}

/* ---- what needs no server ---- */

static int print_routes(const hoist_program *program, size_t route_size)
{
    hoist_route route;
    const char *method, *run;

    for (size_t i = 0; program->routes[i] != NULL; i++) {
        if (abi_import(&route, sizeof(route), program->routes[i], route_size) < 0) {
            fprintf(stderr, "%s: route " ABI_TOO_NEW "\n", program->name, route_path(program->routes[i]));
            return EXIT_FAILURE;
        }
        method = router_method_name(route.method);
        run = route_run_name(route.run);
        printf("%-8s%-24s%s\n", method != NULL ? method : "?", route_path(&route), run != NULL ? run : "?");
    }
    return check_stdout(program);
}

static int print_version(const hoist_program *program)
{
    printf("%s %s (libhoist %s, libuv %s)\n", program->name, program->version, HOIST_VERSION, uv_version_string());
    return check_stdout(program);
}

static int print_help(const hoist_program *program)
{
    printf("%s [serve] [OPTION...]   serves until SIGINT or SIGTERM\n", program->name);
    printf("%s routes                lists what it serves\n", program->name);
    printf("%s experiment            tries what more workers buy; experiment --help\n", program->name);
    printf("%s --version | --help\n\n", program->name);
    options_print_help(program, stdout);
    return check_stdout(program);
}

/* What was printed has got there: a disk may be full. */
static int check_stdout(const hoist_program *program)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return EXIT_SUCCESS;
    fprintf(stderr, "%s: cannot write to stdout: %s\n", program->name, strerror(errno));
    return EXIT_FAILURE;
}
