/* The command line, the environment and --help, from the table of options.
 *
 * Happy path: defaults (the table's own, and config.c's), then the environment, then the command line, each value
 * through option_set(); last what depends on other options (workers, workers_max). --help walks the same table.
 * Failures: the first bad option ends it with one line of text. Close: nothing is allocated, nothing to close.
 */
#include "options.h"

#include "config.h"
#include "log.h"
#include "number.h"
#include "option.h"

#include <assert.h>
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PREFIX "HOIST_"

enum { HELP_COLUMN = 30, VARIABLE_SIZE = sizeof(PREFIX) + OPTION_NAME_SIZE };

static bool name_is_good(const char *name);
static void set_defaults(struct options *options);
static int read_environment(struct options *options, const hoist_program *program, struct option_error *error);
static const char *variable_of(const struct option *option, char variable[VARIABLE_SIZE]);
static void tell_if_unknown(const char *given, size_t len, const hoist_program *program);
static int read_arguments(struct options *options, const hoist_program *program, int argc, char **argv,
                          struct option_error *error);
static int fail_unexpected(const char *given, bool may_be_command, const hoist_program *program,
                           struct option_error *error);
static int fail_unknown(const char *given, size_t len, const hoist_program *program, struct option_error *error);
static bool is_near(const char *a, size_t a_len, const char *b);
static int settle_workers(hoist_config *config, struct option_error *error);
static void settle_admin(hoist_config *config);
static void print_option(const struct option *option, FILE *out);
static void print_range(const struct option *option, FILE *out);
static void print_default(const struct option *option, FILE *out);
static void print_choice(const char *words, unsigned place, FILE *out);

int options_read(struct options *ret_options, const hoist_program *program, int argc, char **argv, char *error,
                 size_t error_size)
{
    struct option_error text = {error, error_size};
    struct options options;
    int err;

    error[0] = '\0';
    set_defaults(&options);
    err = read_environment(&options, program, &text);
    if (err < 0)
        return err;
    err = read_arguments(&options, program, argc, argv, &text);
    if (err < 0)
        return err;
    err = settle_workers(&options.config, &text);
    if (err < 0)
        return err;
    settle_admin(&options.config);
    *ret_options = options;
    return 0;
}

void options_print_help(const hoist_program *program, FILE *out)
{
    struct options options;
    struct option option;

    set_defaults(&options);
    for (size_t i = 0; option_at(i, &options, program, &option); i++) {
        if (i == option_count_ours())
            fprintf(out, "\n%s\n", program->name);
        if (option.kind == KIND_GROUP)
            fprintf(out, "%s%s\n", i > 0 ? "\n" : "", option.help);
        else
            print_option(&option, out);
    }
    fprintf(out, "\nEach is also read from the environment, as in HOIST_WORKERS=8; a size takes K, M or G behind it.\n"
                 "One without a value takes 0 or 1 there: HOIST_SERVER_TIMING=1.\n");
}

/* ---- the program's own options ---- */

int options_check_program(const hoist_program *program, char *error, size_t error_size)
{
    struct option_error text = {error, error_size};
    const hoist_option *const *own = program->options;
    struct options unused;
    struct option other;

    error[0] = '\0';
    for (size_t n = 0; own != NULL && own[n] != NULL; n++) {
        const char *name = own[n]->name != NULL ? own[n]->name : "";

        if (!name_is_good(name))
            return option_fail(&text, "the program's option '%s': a name is of a-z, 0-9 and '-'", name);
        if (own[n]->value == NULL || (unsigned)own[n]->type > HOIST_OPTION_BOOL)
            return option_fail(&text, "the program's option --%s: no value, or an unknown type", name);
        if (own[n]->max > 0 && own[n]->min > own[n]->max)
            return option_fail(&text, "the program's option --%s: its min is over its max", name);
        if (strcmp(name, "help") == 0 || strcmp(name, "version") == 0)
            return option_fail(&text, "the program's option --%s: the name is taken", name);
        for (size_t i = 0; i < option_count_ours() + n && option_at(i, &unused, program, &other); i++)
            if (strcmp(other.name, name) == 0)
                return option_fail(&text, "the program's option --%s: the name is taken", name);
    }
    return 0;
}

static bool name_is_good(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

    return len > 0 && len < OPTION_NAME_SIZE && name[len] == '\0' && name[0] != '-';
}

/* ---- where values come from ---- */

static void set_defaults(struct options *options)
{
    static const hoist_program none = {.name = ""};
    char text[128] = "";
    struct option_error error = {text, sizeof(text)};
    struct option option;

    *options = (struct options){0};
    config_set_defaults(&options->config);
    for (size_t i = 0; option_at(i, options, &none, &option); i++) {
        int err = 0;

        if (option.preset != NULL)
            err = option_set(&option, option.name, option.preset, &error);
        assert(err == 0);
    }
}

static int read_environment(struct options *options, const hoist_program *program, struct option_error *error)
{
    struct option option;

    for (size_t i = 0; option_at(i, options, program, &option); i++) {
        char variable[VARIABLE_SIZE];
        const char *value = getenv(variable_of(&option, variable));
        int err;

        if (option.kind == KIND_GROUP || value == NULL || value[0] == '\0')
            continue;
        err = option_set(&option, variable, value, error);
        if (err < 0)
            return err;
    }
    return 0;
}

static const char *variable_of(const struct option *option, char variable[VARIABLE_SIZE])
{
    (void)snprintf(variable, VARIABLE_SIZE, PREFIX "%s", option->name);
    for (char *p = variable; *p != '\0'; p++)
        *p = (char)(*p == '-' ? '_' : toupper((unsigned char)*p));
    return variable;
}

void options_tell_unknown_variables(const hoist_program *program)
{
    for (char **variable = environ; *variable != NULL; variable++) {
        size_t len = strcspn(*variable, "=");

        if (strncmp(*variable, PREFIX, strlen(PREFIX)) == 0 && (*variable)[len] == '=' && (*variable)[len + 1] != '\0')
            tell_if_unknown(*variable, len, program);
    }
}

static void tell_if_unknown(const char *given, size_t len, const hoist_program *program)
{
    char variable[VARIABLE_SIZE], near[VARIABLE_SIZE] = "";
    struct options unused;
    struct option option;

    for (size_t i = 0; option_at(i, &unused, program, &option); i++) {
        if (option.kind == KIND_GROUP)
            continue;
        variable_of(&option, variable);
        if (strlen(variable) == len && memcmp(variable, given, len) == 0)
            return;
        if (near[0] == '\0' && is_near(given, len, variable))
            memcpy(near, variable, sizeof(near));
    }
    log_write(LOG_WARNING, "%.*s in the environment names no option%s%s%s", len < 60 ? (int)len : 60, given,
              near[0] != '\0' ? ", did you mean " : "", near, near[0] != '\0' ? "?" : "");
}

static int read_arguments(struct options *options, const hoist_program *program, int argc, char **argv,
                          struct option_error *error)
{
    for (int i = 1; i < argc; i++) {
        char source[sizeof("--") + OPTION_NAME_SIZE];
        struct option option;
        size_t len;
        int err;

        if (argv[i][0] != '-')
            return fail_unexpected(argv[i], i == 1, program, error);
        len = strcspn(argv[i], "=");
        if (strncmp(argv[i], "--", 2) != 0 || !option_find(argv[i] + 2, len - 2, options, program, &option))
            return fail_unknown(argv[i], len, program, error);
        (void)snprintf(source, sizeof(source), "--%s", option.name);
        err = option_set(&option, source, options_value(argc, argv, &i, option.kind == KIND_SWITCH), error);
        if (err < 0)
            return err;
    }
    return 0;
}

const char *options_value(int argc, char **argv, int *i, bool is_switch)
{
    const char *equals = strchr(argv[*i], '=');

    if (equals != NULL)
        return equals + 1;
    if (is_switch)
        return "1";
    if (*i + 1 < argc && strncmp(argv[*i + 1], "--", 2) != 0)
        return argv[++*i];
    return "";
}

/* A command, where one may stand, or the name of an option without its dashes. */
static int fail_unexpected(const char *given, bool may_be_command, const hoist_program *program,
                           struct option_error *error)
{
    static const char *const commands[] = {"serve", "routes", "experiment"};
    size_t len = strlen(given);
    struct options unused;
    struct option option;

    for (size_t i = 0; may_be_command && len > 2 && i < sizeof(commands) / sizeof(commands[0]); i++)
        if (is_near(given, len, commands[i]) && strcmp(given, commands[i]) != 0)
            return option_fail(error, "unexpected '%s', did you mean %s?", given, commands[i]);
    if (strcmp(given, "help") == 0 || strcmp(given, "version") == 0 ||
        option_find(given, len, &unused, program, &option))
        return option_fail(error, "unexpected '%s', did you mean --%s?", given, given);
    return option_fail(error, "unexpected '%.60s', see --help", given);
}

static int fail_unknown(const char *given, size_t len, const hoist_program *program, struct option_error *error)
{
    struct options unused;
    struct option option;

    for (size_t i = 0; len > 4 && option_at(i, &unused, program, &option); i++)
        if (is_near(given + 2, len - 2, option.name))
            return option_fail(error, "unknown option '%.*s', did you mean --%s?", (int)len, given, option.name);
    return option_fail(error, "unknown option '%.*s', see --help", len < 60 ? (int)len : 60, given);
}

/* Without what they begin and end with alike, at most two letters are left: one wrong or missing, or two exchanged. */
static bool is_near(const char *a, size_t a_len, const char *b)
{
    size_t b_len = strlen(b), less = a_len < b_len ? a_len : b_len, head = 0, tail = 0;

    while (head < less && a[head] == b[head])
        head++;
    while (tail < less - head && a[a_len - 1 - tail] == b[b_len - 1 - tail])
        tail++;
    return a_len + b_len - less - head - tail <= 2;
}

static int settle_workers(hoist_config *config, struct option_error *error)
{
    config_set_workers(config);
    if (config->workers > config->workers_max)
        return option_fail(error,
                           "--workers (or HOIST_WORKERS): %u is more than --workers-max (or HOIST_WORKERS_MAX), which "
                           "is %u",
                           config->workers, config->workers_max);
    return 0;
}

/* Two servers side by side, on free ports or on a shared one, must not fight for one admin port. */
static void settle_admin(hoist_config *config)
{
    if (config->admin == NULL)
        config->admin = config->reuseport ? "off" : config->port == 0 ? "127.0.0.1:0" : "127.0.0.1:8001";
}

/* ---- help ---- */

static void print_option(const struct option *option, FILE *out)
{
    const char *arg = option->kind != KIND_SWITCH ? option->arg : "";
    int len = fprintf(out, "  --%s %s", option->name, arg);

    if (len >= HELP_COLUMN) {
        fputc('\n', out);
        len = 0;
    }
    fprintf(out, "%*s%s", HELP_COLUMN - len, "", option->help);
    print_range(option, out);
}

/* Default and range, as they would be given. */
static void print_range(const struct option *option, FILE *out)
{
    bool is_size = option->kind == KIND_SIZE;
    bool has_range = is_size || option->kind == KIND_UINT || option->kind == KIND_LIMIT;
    char least[NUMBER_TEXT], most[NUMBER_TEXT];

    print_default(option, out);
    if (has_range)
        fprintf(out, "; %s to %s", number_text(option->min, is_size, least), number_text(option->max, is_size, most));
    fputc('\n', out);
}

/* A number out of its range is none: something else decides. */
static void print_default(const struct option *option, FILE *out)
{
    char buffer[NUMBER_TEXT];
    uint64_t number = 0;

    switch (option->kind) {
    case KIND_UINT:
    case KIND_LIMIT:
        number = *(unsigned *)option->value;
        if (option->kind == KIND_LIMIT && number == HOIST_NO_LIMIT)
            number = 0;
        break;
    case KIND_SIZE:
        number = *(size_t *)option->value;
        break;
    case KIND_TEXT:
    case KIND_ADDRESS:
    case KIND_LISTEN:
        if (*(const char **)option->value != NULL)
            fprintf(out, "; default: %s", *(const char **)option->value);
        return;
    case KIND_CHOICE:
        print_choice(option->arg, *(unsigned *)option->value, out);
        return;
    case KIND_SWITCH:
    case KIND_GROUP:
        return;
    }
    if (number >= option->min && number <= option->max)
        fprintf(out, "; default: %s", number_text(number, option->kind == KIND_SIZE, buffer));
}

/* The word of that place. */
static void print_choice(const char *words, unsigned place, FILE *out)
{
    for (; place > 0; place--)
        words += strcspn(words, "|") + 1;
    fprintf(out, "; default: %.*s", (int)strcspn(words, "|"), words);
}
