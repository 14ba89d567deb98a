/* Columns as rows of a table, and what prints them. Nothing is allocated. Failures are those of the stream. */
#include "table.h"

#include <math.h>

enum { NAME_WIDTH = 12, CELL_WIDTH = 10 };

// clang-format off
#define MEASURED(X)                                                         \
    X(makespan, "", "makespan", TIME, r->makespan_s)                        \
    X(speedup, "", "speed-up", TIMES, r->speedup)                           \
    X(wait_mean, "wait", "mean", TIME, r->wait_mean_s)                      \
    X(wait_max, "wait", "max", TIME, r->wait_max_s)                         \
    X(run_mean, "run", "mean", TIME, r->run_mean_s)                         \
    X(busy, "", "busy", SHARE, r->busy)                                     \
    X(dummy_p50, NULL, "p50", TIME, r->dummy_p50_s)                         \
    X(dummy_p99, NULL, "p99", TIME, r->dummy_p99_s)                         \
    X(dummy_max, NULL, "max", TIME, r->dummy_max_s)                         \
    X(shed, "", "503", COUNT, (double)r->n_shed)

#define BURST(X)                                                            \
    X(makespan_predicted, "makespan", "predicted", TIME, r->predicted_s)    \
    X(makespan_measured, "makespan", "measured", TIME, r->makespan_s)       \
    X(off, "", "off", CHANGE, result_is_short(r) ? NAN : result_ratio(r) - 1)

#define STREAM(X)                                                           \
    X(offered, "", "offered", SHARE, result_offered(plan, r))               \
    X(wait_predicted, "wait", "predicted", TIME, r->wait_predicted_s)       \
    X(wait_measured, "wait", "measured", TIME, r->wait_mean_s)              \
    X(wait_half, "95 %", "+-", TIME, r->wait_half_s)                        \
    X(delayed_predicted, "waited", "predicted", SHARE, r->delayed_predicted) \
    X(delayed, "waited", "measured", SHARE, r->delayed)

#define BOTH(X)                                                             \
    X(p99_predicted, "p99", "predicted", TIME, r->latency_p99_predicted_s)  \
    X(p99_measured, "p99", "measured", TIME, r->latency_p99_s)              \
    X(in_flight, "in flight", "L", NUMBER, r->in_flight)                    \
    X(little, "in flight", "X x W", NUMBER, r->throughput * r->residence_s) \
    X(cpu_share, "handler", "CPU", SHARE, r->cpu_share)
// clang-format on

#define GETTER(name, above, title, kind, value)                                                                        \
    static double name(const struct result *r, const struct plan *plan)                                                \
    {                                                                                                                  \
        (void)plan;                                                                                                    \
        return value;                                                                                                  \
    }
#define COLUMN(name, above, title, kind, value) {above, title, COLUMN_##kind, name},

MEASURED(GETTER)
BURST(GETTER)
STREAM(GETTER)
BOTH(GETTER)

const struct column *table_measured(void)
{
    static const struct column columns[] = {MEASURED(COLUMN){0}};

    return columns;
}

const struct column *table_predicted(const struct plan *plan)
{
    static const struct column burst[] = {BURST(COLUMN) BOTH(COLUMN){0}}, stream[] = {STREAM(COLUMN) BOTH(COLUMN){0}};

    return plan->rate > 0 ? stream : burst;
}

const char *table_above(const struct column *column, const struct plan *plan)
{
    return column->above != NULL ? column->above : plan_probe(plan);
}

const char *table_cell(const struct column *column, const struct result *result, const struct plan *plan,
                       char text[TABLE_CELL])
{
    double value = column->value(result, plan);

    if (column->kind == COLUMN_TIME)
        return summary_time(value, text);
    if (isnan(value)) {
        (void)snprintf(text, TABLE_CELL, "-");
        return text;
    }
    switch (column->kind) {
    case COLUMN_SHARE:
        (void)snprintf(text, TABLE_CELL, "%.1f %%", 100 * value);
        break;
    case COLUMN_CHANGE:
        (void)snprintf(text, TABLE_CELL, "%+.1f %%", 100 * value);
        break;
    case COLUMN_TIMES:
        (void)snprintf(text, TABLE_CELL, "%.2f x", value);
        break;
    case COLUMN_COUNT:
        (void)snprintf(text, TABLE_CELL, "%.0f", value);
        break;
    case COLUMN_NUMBER:
    case COLUMN_TIME:
        (void)snprintf(text, TABLE_CELL, "%.2f", value);
        break;
    }
    return text;
}

/* ---- as text ---- */

static void print_table(const struct summary *summary, const char *name, const struct column *columns, FILE *out)
{
    char text[TABLE_CELL], setting[PLAN_TEXT];

    fprintf(out, "%-*s", NAME_WIDTH, "");
    for (const struct column *column = columns; column->title != NULL; column++)
        fprintf(out, "%*s", CELL_WIDTH, table_above(column, summary->plan));
    fprintf(out, "\n%-*s", NAME_WIDTH, name);
    for (const struct column *column = columns; column->title != NULL; column++)
        fprintf(out, "%*s", CELL_WIDTH, column->title);
    for (size_t i = 0; i < summary->n; i++) {
        const struct result *result = &summary->results[i];

        fprintf(out, "\n%-*s", NAME_WIDTH, plan_setting_name(&result->setting, setting));
        for (const struct column *column = columns; column->title != NULL; column++)
            fprintf(out, "%*s", CELL_WIDTH, table_cell(column, result, summary->plan, text));
    }
    fputs("\n\n", out);
}

void table_print(const struct summary *summary, FILE *out)
{
    char title[SUMMARY_TEXT];

    fprintf(out, "%s; %u core%s\n\n", summary_title(summary->plan, title), summary->cores,
            summary->cores == 1 ? "" : "s");
    print_table(summary, "measured", table_measured(), out);
    print_table(summary, "predicted", table_predicted(summary->plan), out);
    if (summary->target[0] != '\0')
        fprintf(out, "%s\n", summary->target);
    if (summary->law[0] != '\0')
        fprintf(out, "%s\n", summary->law);
    fprintf(out, "%s\n", summary->verdict);
    for (size_t i = 0; i < summary->n_warnings; i++)
        fprintf(out, "warning: %s\n", summary->warnings[i]);
}
