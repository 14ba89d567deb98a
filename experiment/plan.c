/* The command line of `hoist experiment`, from one table.
 *
 * Happy path: every option through set_value(), then what depends on others: settle(). Failures: the first bad option
 * ends it with one line of text. Close: nothing is allocated, nothing to close.
 */
#include "plan.h"

#include "job.h"
#include "load.h"
#include "server/number.h"
#include "server/options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { WORKERS_MAX = 1024, CLIENTS_MAX = 10000, HELP_COLUMN = 26, ARTICLE_JOBS = 8, STREAM_CLIENTS = 256 };

/* As it was given; 0 or NULL: it was not. */
struct given {
    const char *workers, *route, *compare, *async_route, *body, *out;
    unsigned jobs, clients, probe_rate;
    double rate, for_s, target_p99_s;
    bool full, json;
};

enum kind { KIND_UINT, KIND_REAL, KIND_TIME, KIND_TEXT, KIND_SWITCH };

// clang-format off
#define OPTIONS(X)                                                                                                     \
    X("workers", workers, TEXT, 0, 0, "N,N,...", "one server for each; default: 1,8")                                  \
    X("compare", compare, TEXT, 0, 0, "inline,async", "servers beside those: handlers on the loop, waits on timers")   \
    X("route", route, TEXT, 0, 0, "PATH", "what is asked for; default: /, which then waits for 2 s")                    \
    X("async-route", async_route, TEXT, 0, 0, "PATH", "what --compare async asks for; default: /async")                \
    X("body", body, TEXT, 0, 0, "TEXT", "sent by POST; without it, GET")                                               \
    X("jobs", jobs, UINT, 1, LOAD_CALLS_MAX, "N", "requests, all at once; default: 8, or twice the most workers")      \
    X("rate", rate, REAL, 0.01, 1e6, "R", "instead: requests a second at random moments, answered or not")             \
    X("for", for_s, TIME, 0.1, 86400, "TIME", "how long they come, as 10s or 500ms; default: 10s")                     \
    X("clients", clients, UINT, 1, CLIENTS_MAX, "N", "connections; default: one for each job, or 256")                 \
    X("probe-rate", probe_rate, UINT, 1, 10000, "N", "requests for /dummy a second, meanwhile; default: 100")          \
    X("target-p99", target_p99_s, TIME, 0.0001, 86400, "TIME", "how many workers answer 99 % within it?")              \
    X("full", full, SWITCH, 0, 0, NULL, "/ waits for 20 s")                                                            \
    X("out", out, TEXT, 0, 0, "DIR", "writes index.html, lanes.svg and data.json there")                               \
    X("json", json, SWITCH, 0, 0, NULL, "one object on stdout instead of the table")
// clang-format on

struct option {
    const char *name;
    size_t offset; /* in struct given */
    enum kind kind;
    double min, max;
    const char *arg, *help;
};

#define OPTION_ROW(name, field, kind, min, max, arg, help)                                                             \
    {name, offsetof(struct given, field), KIND_##kind, min, max, arg, help},
static const struct option table[] = {OPTIONS(OPTION_ROW)};

enum { TABLE_SIZE = sizeof(table) / sizeof(table[0]) };

/* Where the line for people goes. */
struct error {
    char *text;
    size_t size;
};

static int read_options(struct given *given, struct plan *plan, int argc, char **argv, struct error *error);
static int set_value(const struct option *option, struct given *given, const char *value, struct error *error);
static int settle(struct plan *plan, const struct given *given, const hoist_program *program, struct error *error);
static int settle_settings(struct plan *plan, const struct given *given, struct error *error);
static int settle_routes(struct plan *plan, const struct given *given, const hoist_program *program,
                         struct error *error);
static int settle_load(struct plan *plan, const struct given *given, struct error *error);
static int fail(struct error *error, const char *format, ...) HOIST_PRINTF(2, 3);

int plan_read(struct plan *ret_plan, const hoist_program *program, int argc, char **argv, char *error,
              size_t error_size)
{
    struct error text = {error, error_size};
    struct plan plan = {0};
    struct given given = {0};
    int err;

    error[0] = '\0';
    err = read_options(&given, &plan, argc, argv, &text);
    if (err == 0)
        err = settle(&plan, &given, program, &text);
    if (err == 0)
        *ret_plan = plan;
    return err;
}

bool plan_wants_help(int argc, char **argv)
{
    for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

void plan_print_help(const hoist_program *program, FILE *out)
{
    fprintf(out, "%s experiment [OPTION...] [-- SERVER OPTION...]\n\n", program->name);
    fputs("Starts a server for each setting, drives it, and compares what it measures with what theory predicts.\n"
          "Without options: 8 workers, 1 worker, the loop and timers, in 36 s.\n\n",
          out);
    for (size_t i = 0; i < TABLE_SIZE; i++) {
        int len = fprintf(out, "  --%s %s", table[i].name, table[i].arg != NULL ? table[i].arg : "");

        fprintf(out, "%*s%s\n", len < HELP_COLUMN ? HELP_COLUMN - len : 1, "", table[i].help);
    }
    fputs("\nWhat follows -- goes to the servers. Exit status 1: a burst of slow requests took over "
          "10 % more or less than predicted.\n",
          out);
}

/* ---- options ---- */

static const struct option *find(const char *name, size_t len)
{
    for (size_t i = 0; i < TABLE_SIZE; i++)
        if (strlen(table[i].name) == len && memcmp(table[i].name, name, len) == 0)
            return &table[i];
    return NULL;
}

static int read_options(struct given *given, struct plan *plan, int argc, char **argv, struct error *error)
{
    int i;

    for (i = 2; i < argc && strcmp(argv[i], "--") != 0; i++) {
        size_t len = strcspn(argv[i], "=");
        const struct option *option;
        int err;

        if (argv[i][0] != '-')
            return fail(error, "unexpected '%.60s', see experiment --help", argv[i]);
        option = strncmp(argv[i], "--", 2) == 0 ? find(argv[i] + 2, len - 2) : NULL;
        if (option == NULL)
            return fail(error, "unknown option '%.*s', see experiment --help; a server's options follow --",
                        len < 60 ? (int)len : 60, argv[i]);
        err = set_value(option, given, options_value(argc, argv, &i, option->kind == KIND_SWITCH), error);
        if (err < 0)
            return err;
    }
    if (argc - i - 1 > PLAN_SERVER_ARGS_MAX)
        return fail(error, "more than %d words for the servers follow --", PLAN_SERVER_ARGS_MAX);
    /* The end of argv is a NULL, as the end of a list of arguments is. */
    plan->server_args = (const char **)(uintptr_t)(argv + (i < argc ? i + 1 : argc));
    return 0;
}

/* A number, with "s" or "ms" behind it if it is a time; seconds without. */
static bool read_real(const char *text, bool is_time, double *ret_value)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || strspn(text, "0123456789.") != (size_t)(end - text))
        return false;
    if (is_time && strcmp(end, "ms") == 0)
        value /= 1000;
    else if (*end != '\0' && !(is_time && strcmp(end, "s") == 0))
        return false;
    *ret_value = value;
    return true;
}

static int set_value(const struct option *option, struct given *given, const char *value, struct error *error)
{
    char *field = (char *)given + option->offset;
    uint64_t number;
    double real;

    if (value[0] == '\0')
        return fail(error, "--%s: needs a value", option->name);
    switch (option->kind) {
    case KIND_TEXT:
        *(const char **)(void *)field = value;
        return 0;
    case KIND_UINT:
        if (!number_parse(value, false, &number) || (double)number < option->min || (double)number > option->max)
            return fail(error, "--%s: '%.60s' is not a number from %.0f to %.0f", option->name, value, option->min,
                        option->max);
        *(unsigned *)(void *)field = (unsigned)number;
        return 0;
    case KIND_REAL:
    case KIND_TIME:
        if (!read_real(value, option->kind == KIND_TIME, &real) || real < option->min || real > option->max)
            return fail(error, "--%s: '%.60s' is not a %s from %g to %.0f", option->name, value,
                        option->kind == KIND_TIME ? "time (10s, 500ms)" : "number", option->min, option->max);
        *(double *)(void *)field = real;
        return 0;
    case KIND_SWITCH:
        break;
    }
    if (strcmp(value, "1") != 0 && strcmp(value, "0") != 0)
        return fail(error, "--%s: '%.60s' is neither 1 nor 0", option->name, value);
    *(bool *)field = value[0] == '1';
    return 0;
}

/* ---- what depends on others ---- */

static int settle(struct plan *plan, const struct given *given, const hoist_program *program, struct error *error)
{
    int err;

    plan->is_json = given->json;
    plan->out = given->out;
    plan->target_p99_s = given->target_p99_s;
    plan->probe_rate = given->probe_rate > 0 ? given->probe_rate : 100;
    plan->body = given->body;
    if (plan->body != NULL && strlen(plan->body) > PLAN_BODY_MAX)
        return fail(error, "--body: more than %d bytes", PLAN_BODY_MAX);
    err = settle_settings(plan, given, error);
    if (err == 0)
        err = settle_routes(plan, given, program, error);
    return err < 0 ? err : settle_load(plan, given, error);
}

/* Cuts the next word of a list with commas out of *list; false: there is none. */
static bool next_word(const char **list, char word[PLAN_TEXT])
{
    size_t len = strcspn(*list, ",");

    if (**list == '\0')
        return false;
    (void)snprintf(word, PLAN_TEXT, "%.*s", (int)(len < PLAN_TEXT ? len : PLAN_TEXT - 1), *list);
    *list += len + ((*list)[len] == ',');
    return true;
}

static int add_setting(struct plan *plan, enum executor executor, unsigned workers, struct error *error)
{
    if (plan->n_settings == PLAN_SETTINGS_MAX)
        return fail(error, "--workers and --compare: more than %d servers", PLAN_SETTINGS_MAX);
    plan->settings[plan->n_settings++] = (struct setting){executor, workers};
    return 0;
}

static int settle_settings(struct plan *plan, const struct given *given, struct error *error)
{
    const char *workers = given->workers != NULL ? given->workers : "1,8";
    const char *compare = given->compare != NULL ? given->compare : given->route == NULL ? "inline,async" : "";
    char word[PLAN_TEXT];
    uint64_t number;
    int err = 0;

    while (err == 0 && next_word(&workers, word)) {
        if (!number_parse(word, false, &number) || number < 1 || number > WORKERS_MAX)
            return fail(error, "--workers: '%.60s' is not a number from 1 to %d%s", word, WORKERS_MAX,
                        strcmp(word, "inline") == 0 || strcmp(word, "async") == 0 ? "; --compare takes that" : "");
        err = add_setting(plan, EXECUTOR_POOL, (unsigned)number, error);
    }
    while (err == 0 && next_word(&compare, word)) {
        if (strcmp(word, "inline") == 0)
            err = add_setting(plan, EXECUTOR_INLINE, 0, error);
        else if (strcmp(word, "async") == 0)
            err = add_setting(plan, EXECUTOR_ASYNC, 1, error);
        else if (strcmp(word, "none") != 0)
            return fail(error, "--compare: '%.60s' is none of inline, async, none", word);
    }
    return err;
}

static const hoist_route *find_route(const hoist_program *program, const char *path)
{
    for (const hoist_route *const *route = program->routes; *route != NULL; route++)
        if ((*route)->path != NULL && strcmp((*route)->path, path) == 0)
            return *route;
    return NULL;
}

static bool has_heavy_ms(const hoist_program *program)
{
    for (const hoist_option *const *option = program->options; option != NULL && *option != NULL; option++)
        if (strcmp((*option)->name, "heavy-ms") == 0)
            return true;
    return false;
}

/* Is anything that is tried for this route, however it is written? */
static bool tries(const struct plan *plan, const hoist_route *route)
{
    for (size_t i = 0; i < plan->n_settings; i++)
        if (job_route_matches(route->path, strlen(route->path), plan_target(plan, &plan->settings[i])))
            return true;
    return false;
}

/* /async waits for as long as the route of the others does: --heavy-ms, or the number in /sleep/200. */
static int settle_routes(struct plan *plan, const struct given *given, const hoist_program *program,
                         struct error *error)
{
    bool has_defaults =
        has_heavy_ms(program) && find_route(program, "/") != NULL && find_route(program, "/async") != NULL;
    const char *route = given->route != NULL ? given->route : "/";
    const hoist_route *dummy = find_route(program, "/dummy");
    const char *async_route = given->async_route != NULL ? given->async_route : "/async";
    bool has_async = false;
    uint64_t ms;

    for (size_t i = 0; i < plan->n_settings; i++)
        has_async = has_async || plan->settings[i].executor == EXECUTOR_ASYNC;
    if (given->route == NULL && !has_defaults)
        return fail(error, "--route is needed: %s has no /, /async and --heavy-ms to do without it", program->name);
    if (route[0] != '/' || strlen(route) >= PLAN_TEXT || strpbrk(route, " \t\r\n") != NULL)
        return fail(error, "--route: '%.60s' is not a path of at most %d bytes that begins with /", route,
                    PLAN_TEXT - 1);
    if (async_route[0] != '/' || strlen(async_route) >= PLAN_TEXT || strpbrk(async_route, " \t\r\n") != NULL)
        return fail(error, "--async-route: '%.60s' is not a path of at most %d bytes that begins with /", async_route,
                    PLAN_TEXT - 1);
    (void)snprintf(plan->route, sizeof(plan->route), "%s", route);
    (void)snprintf(plan->async_route, sizeof(plan->async_route), "%s", async_route);
    /* A probe must not be one of the requests that are tried, nor go to a worker as by a route that takes any path. */
    plan->probes_options = dummy == NULL || dummy->run != HOIST_INLINE || tries(plan, dummy);
    if (given->full && !has_defaults)
        return fail(error, "--full: it is for a program that has /, /async and --heavy-ms");
    if (given->full && strcmp(route, "/") != 0)
        return fail(error, "--full: it is for /, not for %s", route);
    plan->sets_heavy_ms = true;
    if (has_defaults && strcmp(route, "/") == 0)
        plan->heavy_ms = given->full ? 20000 : 2000;
    else if (has_defaults && strncmp(route, "/sleep/", 7) == 0 && number_parse(route + 7, false, &ms) && ms <= 3600000)
        plan->heavy_ms = (unsigned)ms;
    else
        plan->sets_heavy_ms = false;
    if (!plan->sets_heavy_ms && has_async && given->async_route == NULL)
        return fail(error, "--compare: 'async' needs --async-route PATH, which awaits what %s blocks for", route);
    return 0;
}

static int settle_load(struct plan *plan, const struct given *given, struct error *error)
{
    unsigned most = 1;

    for (size_t i = 0; i < plan->n_settings; i++)
        most = plan->settings[i].workers > most ? plan->settings[i].workers : most;
    if (given->rate > 0 && given->jobs > 0)
        return fail(error, "--jobs: '%u' does not go with --rate", given->jobs);
    if (given->for_s > 0 && given->rate <= 0)
        return fail(error, "--for: '%g' needs --rate", given->for_s);
    plan->rate = given->rate;
    plan->for_s = given->for_s > 0 ? given->for_s : 10;
    if (plan->rate * plan->for_s > LOAD_CALLS_MAX)
        return fail(error, "--rate: '%g' for %g s is more than %d requests", plan->rate, plan->for_s, LOAD_CALLS_MAX);
    if (plan->rate > 0 && plan->probe_rate * plan->for_s > LOAD_CALLS_MAX)
        return fail(error, "--probe-rate: '%g' for %g s is more than %d requests", plan->probe_rate, plan->for_s,
                    LOAD_CALLS_MAX);
    plan->jobs = (unsigned)(plan->rate * plan->for_s + 0.5);
    if (plan->rate > 0 && plan->jobs == 0)
        return fail(error, "--for: %g s is too short for %g requests a second: not one is due", plan->for_s,
                    plan->rate);
    if (plan->rate <= 0)
        plan->jobs = given->jobs > 0 ? given->jobs : given->route == NULL ? ARTICLE_JOBS : 2 * most;
    plan->clients = given->clients > 0 ? given->clients : plan->rate > 0 ? STREAM_CLIENTS : plan->jobs;
    if (plan->rate <= 0 && plan->clients > plan->jobs)
        plan->clients = plan->jobs;
    if (plan->clients > CLIENTS_MAX)
        plan->clients = CLIENTS_MAX;
    return 0;
}

static int fail(struct error *error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(error->text, error->size, format, args);
    va_end(args);
    return -EINVAL;
}

/* ---- words ---- */

const char *plan_executor_name(enum executor executor)
{
    return executor == EXECUTOR_POOL ? "pool" : executor == EXECUTOR_INLINE ? "inline" : "async";
}

const char *plan_setting_name(const struct setting *setting, char text[PLAN_TEXT])
{
    if (setting->executor == EXECUTOR_POOL)
        (void)snprintf(text, PLAN_TEXT, "%u worker%s", setting->workers, setting->workers == 1 ? "" : "s");
    else
        (void)snprintf(text, PLAN_TEXT, "%s", plan_executor_name(setting->executor));
    return text;
}

const char *plan_probe(const struct plan *plan)
{
    return plan->probes_options ? "OPTIONS *" : "/dummy";
}

const char *plan_target(const struct plan *plan, const struct setting *setting)
{
    return setting->executor == EXECUTOR_ASYNC ? plan->async_route : plan->route;
}

unsigned plan_servers(const struct plan *plan, const struct setting *setting)
{
    unsigned most = plan->rate > 0 ? UINT32_MAX : plan->clients;
    unsigned servers = setting->executor == EXECUTOR_ASYNC ? UINT32_MAX : setting->workers > 0 ? setting->workers : 1;

    return servers < most ? servers : most;
}
