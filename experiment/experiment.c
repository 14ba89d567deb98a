/* The order of things: command line, one trial after the other, figures, words, files.
 *
 * Happy path: run_all() tries every setting, tell() prints. Failures: one line on stderr and exit status 1, 2 for the
 * command line. SIGINT and SIGTERM end the trial that runs, and its server with it. Close: trials are freed at the end.
 */
#include "experiment.h"

#include "child.h"
#include "json.h"
#include "report.h"
#include "summary.h"
#include "table.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    EXIT_USAGE = 2,
    ERROR_TEXT = 512,
    EXIT_SIGNAL = 128,
    REQUEST_TEXT = PLAN_BODY_MAX + 2 * PLAN_TEXT, /* a target is shorter than one, the rest of a head, too */
};

/* One run of the command: what its callbacks need. */
struct experiment {
    const struct plan *plan;
    uv_loop_t loop;
    uv_signal_t interrupt, terminate;
    bool is_interrupted;
    int signal;
    struct bench bench;
    char requests[2][REQUEST_TEXT], probe[PLAN_TEXT];
    struct trial trials[PLAN_SETTINGS_MAX];
    struct result results[PLAN_SETTINGS_MAX];
    struct summary summary;
    const struct setting *setting; /* the one that runs */
    size_t n;                      /* trials done */
    uint64_t begun_ns;
    bool has_line; /* the terminal shows a progress line */
};

static int run(struct experiment *experiment);
static int start_signals(struct experiment *experiment);
static void stop_signals(struct experiment *experiment);
static void on_signal(uv_signal_t *handle, int number);
static void write_requests(struct experiment *experiment);
static int run_all(struct experiment *experiment);
static int fail_unanswered(struct experiment *experiment, const struct result *result);
static int tell(struct experiment *experiment);
static void tell_unwritten(struct experiment *experiment, const char *where, int err);
static void say_begun(struct experiment *experiment);
static void on_progress(void *arg, size_t answered, size_t all);
static void clear_line(struct experiment *experiment);

int experiment_main(int argc, char **argv, const hoist_program *program)
{
    struct experiment *experiment;
    struct plan plan;
    char error[ERROR_TEXT];
    int status;

    setlocale(LC_NUMERIC, "C"); /* numbers are read and written by machines, too, whatever the program has chosen */
    if (child_is_called_for(argc, argv))
        return child_become(argv);
    if (plan_wants_help(argc, argv)) {
        plan_print_help(program, stdout);
        return EXIT_SUCCESS;
    }
    if (plan_read(&plan, program, argc, argv, error, sizeof(error)) < 0) {
        fprintf(stderr, "%s: %s\n", program->name, error);
        return EXIT_USAGE;
    }
    experiment = calloc(1, sizeof(*experiment));
    if (experiment == NULL) {
        fprintf(stderr, "%s: %s\n", program->name, strerror(ENOMEM));
        return EXIT_FAILURE;
    }
    experiment->plan = &plan;
    experiment->bench.program = argv[0];
    status = run(experiment);
    if (status != EXIT_SUCCESS && experiment->bench.error[0] != '\0')
        fprintf(stderr, "%s: %s\n", program->name, experiment->bench.error);
    free(experiment);
    return status;
}

static int run(struct experiment *experiment)
{
    struct bench *bench = &experiment->bench;
    int err, status;

    err = uv_loop_init(&experiment->loop);
    if (err < 0) {
        (void)snprintf(bench->error, sizeof(bench->error), "cannot start: %s", uv_strerror(err));
        return EXIT_FAILURE;
    }
    bench->loop = &experiment->loop;
    bench->plan = experiment->plan;
    bench->interrupted = &experiment->is_interrupted;
    bench->on_progress = isatty(STDERR_FILENO) ? on_progress : NULL;
    bench->arg = experiment;
    err = experiment->plan->out != NULL ? report_prepare(experiment->plan->out) : 0; /* not after minutes of work */
    if (err < 0)
        tell_unwritten(experiment, experiment->plan->out, err);
    write_requests(experiment);
    if (err == 0)
        err = start_signals(experiment);
    if (err == 0)
        err = run_all(experiment);
    stop_signals(experiment);
    if (err == 0)
        status = tell(experiment);
    else
        status = experiment->signal != 0 ? EXIT_SIGNAL + experiment->signal : EXIT_FAILURE;
    for (size_t i = 0; i < experiment->n; i++)
        trial_free(&experiment->trials[i]);
    uv_loop_close(&experiment->loop);
    return status;
}

/* ---- signals ---- */

static int start_signals(struct experiment *experiment)
{
    int err;

    err = uv_signal_init(&experiment->loop, &experiment->interrupt);
    if (err == 0)
        err = uv_signal_init(&experiment->loop, &experiment->terminate);
    if (err == 0)
        experiment->interrupt.data = experiment->terminate.data = experiment; /* both are to be closed */
    if (err == 0)
        err = uv_signal_start(&experiment->interrupt, on_signal, SIGINT);
    if (err == 0)
        err = uv_signal_start(&experiment->terminate, on_signal, SIGTERM);
    if (err < 0)
        (void)snprintf(experiment->bench.error, sizeof(experiment->bench.error), "no signals: %s", uv_strerror(err));
    return err;
}

static void stop_signals(struct experiment *experiment)
{
    if (experiment->interrupt.data == NULL)
        return;
    uv_close((uv_handle_t *)&experiment->interrupt, NULL);
    uv_close((uv_handle_t *)&experiment->terminate, NULL);
    uv_run(&experiment->loop, UV_RUN_DEFAULT);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct experiment *experiment = handle->data;

    experiment->is_interrupted = true;
    experiment->signal = number;
}

/* ---- trials ---- */

static void write_request(char request[REQUEST_TEXT], const char *target, const char *body)
{
    if (body == NULL)
        (void)snprintf(request, REQUEST_TEXT, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", target);
    else
        (void)snprintf(request, REQUEST_TEXT, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %zu\r\n\r\n%s",
                       target, strlen(body), body);
}

static void write_requests(struct experiment *experiment)
{
    const struct plan *plan = experiment->plan;
    struct bench *bench = &experiment->bench;

    write_request(experiment->requests[0], plan->route, plan->body);
    write_request(experiment->requests[1], plan->async_route, plan->body);
    (void)snprintf(experiment->probe, sizeof(experiment->probe), "%s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
                   plan->probes_options ? "OPTIONS *" : "GET /dummy");
    bench->request[EXECUTOR_POOL] = bench->request[EXECUTOR_INLINE] = experiment->requests[0];
    bench->request[EXECUTOR_ASYNC] = experiment->requests[1];
    bench->probe = experiment->probe;
}

static int run_all(struct experiment *experiment)
{
    const struct plan *plan = experiment->plan;
    struct bench *bench = &experiment->bench;
    int err;

    for (size_t i = 0; i < plan->n_settings; i++) {
        struct result *result = &experiment->results[i];

        experiment->setting = &plan->settings[i];
        say_begun(experiment);
        err = trial_run(&experiment->trials[i], bench, experiment->setting);
        clear_line(experiment);
        if (err < 0)
            return err;
        experiment->n++;
        err = result_make(result, &experiment->trials[i], plan);
        if (err < 0) {
            (void)snprintf(bench->error, sizeof(bench->error), "%s", strerror(-err));
            return err;
        }
        if (result->n_answered == 0)
            return fail_unanswered(experiment, result);
        result->speedup = plan->rate <= 0 && result_is_whole(&experiment->results[0]) && result_is_whole(result)
                              ? experiment->results[0].makespan_s / result->makespan_s
                              : NAN;
    }
    return 0;
}

static int fail_unanswered(struct experiment *experiment, const struct result *result)
{
    const struct plan *plan = experiment->plan;
    struct bench *bench = &experiment->bench;
    int status = result->n_failed > 0 ? result->failed_status : 503;
    const char *hint = "";

    if (status == 405)
        hint = plan->body != NULL ? ": with --body requests are POST" : ": requests are GET; with --body they are POST";
    (void)snprintf(bench->error, sizeof(bench->error), "%s: none of %zu requests was answered with a 2xx; one had %d%s",
                   plan_target(plan, experiment->setting), result->n_calls, status, hint);
    return -EPROTO;
}

/* ---- the outcome ---- */

static int tell(struct experiment *experiment)
{
    const struct plan *plan = experiment->plan;
    struct summary *summary = &experiment->summary;
    int err = 0;

    *summary = (struct summary){.plan = plan,
                                .trials = experiment->trials,
                                .results = experiment->results,
                                .n = experiment->n,
                                .cores = uv_available_parallelism()};
    summary_make(summary);
    if (plan->is_json)
        json_print(summary, stdout);
    else
        table_print(summary, stdout);
    if (plan->out != NULL)
        err = report_write(summary, plan->out);
    if (err < 0)
        tell_unwritten(experiment, plan->out, err);
    else if (!plan->is_json && plan->out != NULL)
        printf("The page: %s/index.html; the picture: %s/lanes.svg\n", plan->out, plan->out);
    else if (!plan->is_json)
        puts("With --out DIR there is a page with every request's lane.");
    if (err == 0 && !summary->holds)
        (void)snprintf(experiment->bench.error, sizeof(experiment->bench.error),
                       "a makespan is more than %.0f %% off what theory says", 100 * SUMMARY_TOLERANCE);
    return err == 0 && summary->holds ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void tell_unwritten(struct experiment *experiment, const char *where, int err)
{
    struct bench *bench = &experiment->bench;

    (void)snprintf(bench->error, sizeof(bench->error), "cannot write to %s: %s", where, strerror(-err));
}

/* ---- progress: a line that is rewritten on a terminal, one for each server elsewhere ---- */

/* DECAWM: the terminal cuts what does not fit. Of a line that has wrapped, only the last piece could be rewritten. */
#define NO_WRAP "\033[?7l"
#define WRAP "\033[?7h"

static void say_begun(struct experiment *experiment)
{
    char name[PLAN_TEXT];

    experiment->begun_ns = uv_hrtime();
    if (experiment->bench.on_progress == NULL)
        fprintf(stderr, "%zu of %zu: %s, %s\n", experiment->n + 1, experiment->plan->n_settings,
                plan_setting_name(experiment->setting, name), plan_target(experiment->plan, experiment->setting));
}

static void on_progress(void *arg, size_t answered, size_t all)
{
    struct experiment *experiment = arg;
    char name[PLAN_TEXT];

    experiment->has_line = true;
    fprintf(stderr, "\r\033[K" NO_WRAP "%zu of %zu: %s: %zu of %zu answered, %.1f s, %s" WRAP, experiment->n + 1,
            experiment->plan->n_settings, plan_setting_name(experiment->setting, name), answered, all,
            seconds_between(experiment->begun_ns, uv_hrtime()), plan_target(experiment->plan, experiment->setting));
    fflush(stderr);
}

static void clear_line(struct experiment *experiment)
{
    if (experiment->has_line)
        fputs("\r\033[K", stderr);
    experiment->has_line = false;
}
