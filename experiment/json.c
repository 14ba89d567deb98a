/* One object, a line per setting. What is not a number is null. Nothing is allocated; failures are the stream's. */
#include "json.h"

#include <math.h>

static void print_text(FILE *out, const char *text)
{
    fputc('"', out);
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            fprintf(out, "\\%c", *c);
        else if (*c == '<' || *c < 0x20 || *c == 0x7f) /* "</script>" ends a script in the page that holds this */
            fprintf(out, "\\u%04x", *c);
        else
            fputc(*c, out);
    }
    fputc('"', out);
}

static void print_number(FILE *out, const char *key, double value)
{
    fprintf(out, ",\"%s\":", key);
    if (isfinite(value))
        fprintf(out, "%.9g", value);
    else
        fputs("null", out);
}

static void print_setting(const struct result *result, const struct plan *plan, FILE *out)
{
    fprintf(out, "{\"workers\":%u,\"executor\":\"%s\"", result->setting.workers,
            plan_executor_name(result->setting.executor));
    print_number(out, "makespan_s", result->makespan_s);
    print_number(out, "predicted_s", result->predicted_s);
    print_number(out, "speedup", result->speedup);
    print_number(out, "wait_mean_s", result->wait_mean_s);
    print_number(out, "wait_max_s", result->wait_max_s);
    print_number(out, "run_mean_s", result->run_mean_s);
    print_number(out, "busy", result->busy);
    print_number(out, "dummy_p50_s", result->dummy_p50_s);
    print_number(out, "dummy_p99_s", result->dummy_p99_s);
    print_number(out, "dummy_max_s", result->dummy_max_s);
    fprintf(out, ",\"shed\":%zu", result->n_shed);
    print_number(out, "cpu_share", result->cpu_share);
    fprintf(out, ",\"requests\":%zu,\"answered\":%zu,\"failed\":%zu,\"probes\":%zu", result->n_calls,
            result->n_answered, result->n_failed, result->n_dummy);
    print_number(out, "latency_p50_s", result->latency_p50_s);
    print_number(out, "latency_p99_s", result->latency_p99_s);
    print_number(out, "latency_p99_predicted_s", result->latency_p99_predicted_s);
    if (plan->rate > 0) {
        print_number(out, "offered", result_offered(plan, result));
        print_number(out, "wait_predicted_s", result->wait_predicted_s);
        print_number(out, "wait_interval_s", result->wait_half_s);
        print_number(out, "delayed", result->delayed);
        print_number(out, "delayed_predicted", result->delayed_predicted);
    }
    fputc('}', out);
}

static void print_little(const struct summary *summary, FILE *out)
{
    fputs("\"littles_law\":[", out);
    for (size_t i = 0; i < summary->n; i++) {
        const struct result *result = &summary->results[i];

        fprintf(out, "%s\n{\"workers\":%u,\"executor\":\"%s\"", i > 0 ? "," : "", result->setting.workers,
                plan_executor_name(result->setting.executor));
        print_number(out, "l", result->in_flight);
        print_number(out, "x", result->throughput);
        print_number(out, "w_s", result->residence_s);
        print_number(out, "ratio", result_little(result));
        fputc('}', out);
    }
    fputs("],\n", out);
}

static void print_fit(const struct summary *summary, FILE *out)
{
    if (summary->has_usl) {
        fputs("\"usl\":{\"law\":\"USL\"", out);
        print_number(out, "rate", summary->usl.rate);
        print_number(out, "contention", summary->usl.contention);
        print_number(out, "coherence", summary->usl.coherence);
        print_number(out, "knee", summary->usl.knee);
        fputs("},\n", out);
    }
    if (summary->plan->target_p99_s > 0) {
        fprintf(out, "\"target\":{\"workers\":%u", summary->target_workers);
        print_number(out, "p99_s", summary->plan->target_p99_s);
        print_number(out, "predicted_s", summary->target_predicted_s);
        print_number(out, "measured_s", summary->target_measured_s);
        fputs("},\n", out);
    }
}

void json_print(const struct summary *summary, FILE *out)
{
    const struct plan *plan = summary->plan;

    fputs("{\"route\":", out);
    print_text(out, plan->route);
    fprintf(out, ",\"cores\":%u,\"clients\":%u", summary->cores, plan->clients);
    if (plan->rate > 0) {
        print_number(out, "rate", plan->rate);
        print_number(out, "for_s", plan->for_s);
    } else {
        fprintf(out, ",\"jobs\":%u", plan->jobs);
    }
    fputs(",\n\"settings\":[", out);
    for (size_t i = 0; i < summary->n; i++) {
        fputs(i > 0 ? ",\n" : "\n", out);
        print_setting(&summary->results[i], plan, out);
    }
    fputs("],\n", out);
    print_little(summary, out);
    print_fit(summary, out);
    fputs("\"verdict\":", out);
    print_text(out, summary->verdict);
    fputs(",\n\"warnings\":[", out);
    for (size_t i = 0; i < summary->n_warnings; i++) {
        fputs(i > 0 ? ",\n" : "\n", out);
        print_text(out, summary->warnings[i]);
    }
    fputs("]}\n", out);
}
