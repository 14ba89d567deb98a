/* What `hoist experiment` is asked to do: its command line.
 */
#ifndef EXPERIMENT_PLAN_H
#define EXPERIMENT_PLAN_H

#include "hoist.h"

#include <stdio.h>

enum { PLAN_SETTINGS_MAX = 32, PLAN_BODY_MAX = 64 * 1024, PLAN_TEXT = 256, PLAN_SERVER_ARGS_MAX = 100 };

enum executor {
    EXECUTOR_POOL,   /* handlers block workers */
    EXECUTOR_INLINE, /* handlers block the loop */
    EXECUTOR_ASYNC,  /* they wait on the loop's timers */
};

/* One server to try. */
struct setting {
    enum executor executor;
    unsigned workers; /* 0: there are none */
};

struct plan {
    struct setting settings[PLAN_SETTINGS_MAX];
    size_t n_settings;
    char route[PLAN_TEXT], async_route[PLAN_TEXT];
    const char *body;   /* sent by POST, PLAN_BODY_MAX bytes at most; NULL: GET */
    bool sets_heavy_ms; /* for / and /async; else it is as the program has it */
    unsigned heavy_ms;
    unsigned jobs;       /* requests */
    double rate, for_s;  /* of a stream of requests; rate 0: a burst */
    unsigned clients;    /* connections; of a burst not more than jobs */
    double target_p99_s; /* 0: none */
    bool probes_options; /* OPTIONS * is what the loop answers at once, else /dummy */
    double probe_rate;   /* per second */
    const char *out;     /* a folder, NULL: none */
    bool is_json;
    const char **server_args; /* what came behind "--", PLAN_SERVER_ARGS_MAX words at most; ends with NULL */
};

/* Reads argv[2 ..], `hoist experiment` being the first two. 0, or -EINVAL after one line in error that names the
 * option, the value and its range. argv must stay in place. */
int plan_read(struct plan *ret_plan, const hoist_program *program, int argc, char **argv, char *error,
              size_t error_size);

/* Is there a --help before any "--"? */
bool plan_wants_help(int argc, char **argv);
void plan_print_help(const hoist_program *program, FILE *out);

/* "8 workers", "1 worker", "inline", "async". Returns text. */
const char *plan_setting_name(const struct setting *setting, char text[PLAN_TEXT]);

/* What the probe asks for, for people. */
const char *plan_probe(const struct plan *plan);

/* The path that this setting's requests are for. */
const char *plan_target(const struct plan *plan, const struct setting *setting);

/* The executor's word, as in JSON. */
const char *plan_executor_name(enum executor executor);

/* Requests that are served at once at most. */
unsigned plan_servers(const struct plan *plan, const struct setting *setting);

#endif
