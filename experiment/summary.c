/* From figures to words.
 *
 * Happy path: each part of summary_make() looks at all results and writes its piece. Failures: none; what does not fit
 * is cut, and warnings beyond the last place are left out. Close: nothing is held.
 */
#include "summary.h"

#include "real.h"
#include "sample.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

enum { WORKERS_MAX = 1024, FEW_CALLS = SAMPLE_BATCHES * SAMPLE_BATCH_MIN, FEW_PROBES = 100 };
enum { TITLE_ROUTE = 40 }; /* bytes of a route that fit into a picture's title */
enum { KNEE_REACH = 2 };   /* how far beyond the most servers that were measured the fit is believed */

/* A handler whose thread is on a CPU for less of its time waits, for more burns. */
#define SHARE_WAITS 0.1
#define SHARE_BURNS 0.9
/* Workers at work for this share of a stream are taken to have been so all the time. */
#define SHARE_BUSY 0.9
#define LATE_S 0.005
/* Variance over the mean's square, from which a tail is not that of exponential waits: theirs is 1. */
#define VARIES 2.0
/* Less is written as if it were nothing: times, and workers that are needed. */
#define LEAST_TIME_S 0.000005
#define LEAST_WORKERS 0.05
/* Only the clients see the way to the server and back. */
#define ON_THE_WAY_S 0.001

static void fit_usl(struct summary *summary);
static void write_law(struct summary *summary, double most_servers);
static bool answers_nearly_all(const struct result *result);
static void meet_target(struct summary *summary);
static double predict_p99(const struct summary *summary, const struct result *base, unsigned workers);
static void write_target(struct summary *summary, bool is_run_longer);
static void judge_cpu(struct summary *summary);
static void judge_bursts(struct summary *summary);
static void warn_of_result(struct summary *summary, const struct result *result);
static void warn_of_stream(struct summary *summary, const struct result *result, const char *name);
static void warn(struct summary *summary, const char *format, ...) HOIST_PRINTF(2, 3);
static void conclude_burst(struct summary *summary);
static void conclude_stream(struct summary *summary);

static const char *plural(double n)
{
    return n == 1 ? "" : "s";
}

/* The pool with the most or the fewest workers; NULL: there is none. */
static const struct result *find_pool(const struct summary *summary, bool most)
{
    const struct result *found = NULL;

    for (size_t i = 0; i < summary->n; i++) {
        const struct result *result = &summary->results[i];

        if (result->setting.executor == EXECUTOR_POOL &&
            (found == NULL || (result->setting.workers > found->setting.workers) == most))
            found = result;
    }
    return found;
}

void summary_make(struct summary *summary)
{
    summary->holds = true;
    summary->target_measured_s = NAN;
    fit_usl(summary);
    meet_target(summary);
    judge_cpu(summary);
    if (summary->plan->rate <= 0)
        judge_bursts(summary);
    for (size_t i = 0; i < summary->n; i++)
        warn_of_result(summary, &summary->results[i]);
    if (summary->plan->rate > 0)
        conclude_stream(summary);
    else
        conclude_burst(summary);
}

const char *summary_title(const struct plan *plan, char text[SUMMARY_TEXT])
{
    const char *method = plan->body != NULL ? "POST" : "GET";
    const char *rest = strlen(plan->route) > TITLE_ROUTE ? "..." : "";

    if (plan->rate > 0)
        (void)snprintf(text, SUMMARY_TEXT,
                       "%s %.*s%s: %g request%s a second at random moments for %g s, up to %u client%s", method,
                       TITLE_ROUTE, plan->route, rest, plan->rate, plural(plan->rate), plan->for_s, plan->clients,
                       plural(plan->clients));
    else
        (void)snprintf(text, SUMMARY_TEXT, "%s %.*s%s: %u request%s at once from %u client%s", method, TITLE_ROUTE,
                       plan->route, rest, plan->jobs, plural(plan->jobs), plan->clients, plural(plan->clients));
    return text;
}

double summary_longest_s(const struct summary *summary)
{
    double longest_s = 0;

    for (size_t i = 0; i < summary->n; i++)
        longest_s = real_max(longest_s, summary->results[i].makespan_s);
    return longest_s;
}

const char *summary_time(double seconds, char text[SUMMARY_TIME])
{
    double ms = seconds * 1000;

    if (isnan(seconds))
        (void)snprintf(text, SUMMARY_TIME, "-");
    else if (isinf(seconds))
        (void)snprintf(text, SUMMARY_TIME, "no end");
    else if (seconds >= 0.9995)
        (void)snprintf(text, SUMMARY_TIME, "%.*f s", seconds >= 99.995 ? 1 : seconds >= 9.9995 ? 2 : 3, seconds);
    else
        (void)snprintf(text, SUMMARY_TIME, "%.*f ms", ms >= 99.95 ? 0 : ms >= 9.995 ? 1 : 2, ms);
    return text;
}

/* ---- what comes of several rows ---- */

/* How many requests a second it could do with all that it can use at once, whose number it returns. Of a burst, which
 * ends with some idle unless they divide it, only what it took beyond its prediction counts: else idle ones would look
 * like contention. A stream's throughput is what was asked for, whatever the workers could do; then it is what they
 * could do at most, if their run times are those of workers that compete. */
static double full_throughput(const struct summary *summary, const struct result *result, double *ret_servers)
{
    unsigned servers = plan_servers(summary->plan, &result->setting);

    *ret_servers = servers;
    return servers / result->run_mean_s / (summary->plan->rate > 0 ? 1 : result_ratio(result));
}

/* A worker beside idle ones runs as fast as one alone, whatever many at work would do to each other. */
static bool counts_for_usl(const struct summary *summary, const struct result *result)
{
    return result->setting.executor == EXECUTOR_POOL && result_is_whole(result) && result_is_of_servers(result) &&
           (summary->plan->rate <= 0 || result->busy >= SHARE_BUSY);
}

static void fit_usl(struct summary *summary)
{
    double servers[PLAN_SETTINGS_MAX], throughput[PLAN_SETTINGS_MAX], most = 0;
    size_t n = 0;

    for (size_t i = 0; i < summary->n; i++) {
        const struct result *result = &summary->results[i];

        if (!counts_for_usl(summary, result))
            continue;
        throughput[n] = full_throughput(summary, result, &servers[n]);
        most = real_max(most, servers[n++]);
    }
    summary->has_usl = theory_fit_usl(servers, throughput, n, &summary->usl);
    if (summary->has_usl)
        write_law(summary, most);
}

/* A millisecond on the way there and back bends the fit a little, and so puts a knee somewhere far out: of that nothing
 * is said. */
static void write_law(struct summary *summary, double most_servers)
{
    const struct usl *usl = &summary->usl;
    size_t n = (size_t)snprintf(
        summary->law, SUMMARY_TEXT,
        "Universal Scalability Law: one worker does %.4g/s, %.2f %% of the work is serial, each pair of workers costs "
        "%.2g; ",
        usl->rate, 100 * usl->contention, usl->coherence);

    if (isinf(usl->knee))
        (void)snprintf(summary->law + n, SUMMARY_TEXT - n, "there is no knee.");
    else if (usl->knee > KNEE_REACH * most_servers)
        (void)snprintf(summary->law + n, SUMMARY_TEXT - n, "there is no knee up to %.0f workers.",
                       KNEE_REACH * most_servers);
    else
        (void)snprintf(summary->law + n, SUMMARY_TEXT - n, "the knee is at %.0f worker%s.",
                       real_max(1, real_floor(usl->knee)), usl->knee < 2 ? "" : "s");
}

/* So that a p99 of its answers is one of its requests. */
static bool answers_nearly_all(const struct result *result)
{
    return (double)result->n_answered >= 0.99 * (double)result->n_calls;
}

/* By the model, with the run time as the pool with the most workers had it; that may be wrong where workers compete for
 * CPUs, so what was measured stands beside it. */
static void meet_target(struct summary *summary)
{
    const struct result *base = find_pool(summary, true);
    double target_s = summary->plan->target_p99_s;

    if (target_s <= 0 || base == NULL || !result_is_of_servers(base))
        return;
    for (unsigned workers = 1; workers <= WORKERS_MAX && summary->target_workers == 0; workers++) {
        summary->target_predicted_s = predict_p99(summary, base, workers);
        if (summary->target_predicted_s <= target_s)
            summary->target_workers = workers;
    }
    for (size_t i = 0; i < summary->n; i++) {
        const struct result *result = &summary->results[i];

        if (result->setting.executor == EXECUTOR_POOL && result->setting.workers == summary->target_workers)
            summary->target_measured_s = answers_nearly_all(result) ? result->latency_p99_s : INFINITY;
    }
    write_target(summary, (summary->plan->rate > 0 ? base->run_p99_s : base->run_mean_s) > target_s);
}

static void write_target(struct summary *summary, bool is_run_longer)
{
    char target[SUMMARY_TIME], predicted[SUMMARY_TIME], measured[SUMMARY_TIME];
    unsigned workers = summary->target_workers;

    summary_time(summary->plan->target_p99_s, target);
    if (workers == 0)
        (void)snprintf(summary->target, SUMMARY_TEXT, "No number of workers %sanswers 99 %% within %s%s.",
                       is_run_longer ? "" : "up to 1024 ", target, is_run_longer ? ": one run takes longer" : "");
    else
        (void)snprintf(summary->target, SUMMARY_TEXT,
                       "The fewest workers that answer 99 %% within %s: %u; predicted %s, measured %s.", target,
                       workers, summary_time(summary->target_predicted_s, predicted),
                       isnan(summary->target_measured_s) ? "not: try --workers with it"
                                                         : summary_time(summary->target_measured_s, measured));
}

static double predict_p99(const struct summary *summary, const struct result *base, unsigned workers)
{
    const struct plan *plan = summary->plan;
    const struct setting setting = {.executor = EXECUTOR_POOL, .workers = workers};

    if (plan->rate > 0)
        return theory_wait_percentile(&base->stream, workers, 0.99) + base->run_p99_s;
    return theory_burst_percentile(plan->clients, plan_servers(plan, &setting), base->run_mean_s, 0.99);
}

/* Of the pool with the fewest workers, where they compete least. */
static void judge_cpu(struct summary *summary)
{
    const struct result *base = find_pool(summary, false);
    double share = base != NULL ? base->cpu_share : NAN;
    const char *cores = summary->cores == 1 ? "core" : "cores";
    char run[SUMMARY_TIME];

    if (base == NULL || isnan(share) || !result_is_of_servers(base))
        return;
    if (result_is_short(base))
        (void)snprintf(summary->cpu, SUMMARY_TEXT,
                       "takes %s, hardly more than the way to a worker and back: more workers help little",
                       base->run_mean_s < LEAST_TIME_S ? "less than 0.01 ms" : summary_time(base->run_mean_s, run));
    else if (share < SHARE_WAITS)
        (void)snprintf(summary->cpu, SUMMARY_TEXT, "waits %.1f %% of its time: more workers help where requests queue",
                       100 * (1 - share));
    else if (share > SHARE_BURNS)
        (void)snprintf(summary->cpu, SUMMARY_TEXT,
                       "burns CPU for %.0f %% of its time: more workers than %u %s will not help", 100 * share,
                       summary->cores, cores);
    else
        (void)snprintf(
            summary->cpu, SUMMARY_TEXT,
            "is on a CPU for %.0f %% of its time: %u %s can keep about %.0f workers busy, more will not help",
            100 * share, summary->cores, cores, real_ceil(summary->cores / share));
}

static void judge_bursts(struct summary *summary)
{
    for (size_t i = 0; i < summary->n; i++) {
        const struct result *result = &summary->results[i];
        char name[PLAN_TEXT];

        if (!result_is_of_servers(result) || result_is_short(result) ||
            fabs(result_ratio(result) - 1) <= SUMMARY_TOLERANCE)
            continue;
        summary->holds = false;
        warn(summary, "%s: the makespan is %+.0f %% off what theory says", plan_setting_name(&result->setting, name),
             100 * (result_ratio(result) - 1));
        if (result->setting.executor == EXECUTOR_POOL &&
            result->most_running < plan_servers(summary->plan, &result->setting))
            warn(summary, "%s: only %u ran at once: does the route have a max_concurrency?", name,
                 result->most_running);
    }
}

/* ---- warnings ---- */

static void warn(struct summary *summary, const char *format, ...)
{
    va_list args;

    if (summary->n_warnings == SUMMARY_WARNINGS)
        return;
    va_start(args, format);
    (void)vsnprintf(summary->warnings[summary->n_warnings++], SUMMARY_TEXT, format, args);
    va_end(args);
}

static void warn_of_result(struct summary *summary, const struct result *result)
{
    char name[PLAN_TEXT];

    plan_setting_name(&result->setting, name);
    if (result->n_failed > 0)
        warn(summary, "%s: %zu of %zu requests failed, one with status %d", name, result->n_failed, result->n_calls,
             result->failed_status);
    if (result->n_shed > 0)
        warn(summary, "%s: %zu of %zu requests were refused with 503", name, result->n_shed, result->n_calls);
    if (result->n_dummy < FEW_PROBES)
        warn(summary, "%s: the p99 of %s is that of %zu request%s: its maximum", name, plan_probe(summary->plan),
             result->n_dummy, plural((double)result->n_dummy));
    if (result->n_dummy >= LOAD_CALLS_MAX)
        warn(summary, "%s: after %zu requests for %s no more were sent: --probe-rate less", name, result->n_dummy,
             plan_probe(summary->plan));
    if (result->late_s > LATE_S)
        warn(summary, "%s: the client itself was up to %.1f ms late: this machine is busy", name,
             1000 * result->late_s);
    if (!result_is_of_servers(result))
        warn(summary, "%s: %s is an asynchronous route: it holds neither a worker nor the loop", name,
             plan_target(summary->plan, &result->setting));
    else if (result->n_otherwise > 0)
        warn(summary, "%s: %s is no asynchronous route: what it waits for holds a worker or the loop", name,
             plan_target(summary->plan, &result->setting));
    if (result->lacks_process)
        warn(summary, "%s: %s has a process for each request elsewhere, and none here: not the same work", name,
             plan_target(summary->plan, &result->setting));
    if (result->n_lost > 0)
        warn(summary, "%s: the server no longer had %zu of the requests' times", name, result->n_lost);
    /* Of requests as quick as that most are on the way. */
    if (!result_is_short(result) && result->n_held == 0 && result->n_lost == 0 &&
        fabs(result_little(result) - 1) > SUMMARY_TOLERANCE &&
        fabs(result->in_flight / result->throughput - result->residence_s) > ON_THE_WAY_S)
        warn(summary, "%s: client and server do not agree: L is %.2f, X x W is %.2f", name, result->in_flight,
             result->throughput * result->residence_s);
    if (summary->plan->rate > 0)
        warn_of_stream(summary, result, name);
}

static void warn_of_stream(struct summary *summary, const struct result *result, const char *name)
{
    double offered = result_offered(summary->plan, result);

    if (offered >= 1)
        warn(summary, "%s: %.2f times what it can do is asked of it: the queue only grows, and --for decides how long",
             name, offered);
    else if (offered > 0.9)
        warn(summary, "%s: %.0f %% of what it can do is asked of it: waits need a much longer --for to settle", name,
             100 * offered);
    if (result->n_calls < FEW_CALLS)
        warn(summary, "%s: %zu request%s too few for a p99 or an interval: --for longer", name, result->n_calls,
             result->n_calls == 1 ? " is" : "s are");
    if (result->stream.run_variability > VARIES)
        warn(summary, "%s: a few runs are much longer than the others: the predicted p99 may be far too short", name);
    if (result->n_held > 0)
        warn(summary, "%s: %zu request%s waited for a connection: try more --clients than %u", name, result->n_held,
             plural((double)result->n_held), summary->plan->clients);
    if (offered < 1 && !isnan(result->wait_half_s) &&
        fabs(result->wait_mean_s - result->wait_predicted_s) > result->wait_half_s + 0.0005)
        warn(summary, "%s: theory's mean wait of %.1f ms is outside of the measured interval, %.1f to %.1f ms", name,
             1000 * result->wait_predicted_s, 1000 * real_max(0, result->wait_mean_s - result->wait_half_s),
             1000 * (result->wait_mean_s + result->wait_half_s));
}

/* ---- the sentence ---- */

static const struct result *find_executor(const struct summary *summary, enum executor executor)
{
    for (size_t i = 0; i < summary->n; i++)
        if (summary->results[i].setting.executor == executor)
            return &summary->results[i];
    return NULL;
}

/* Adds to the verdict. */
static void say(struct summary *summary, const char *format, ...) HOIST_PRINTF(2, 3);
static void say(struct summary *summary, const char *format, ...)
{
    size_t len = strlen(summary->verdict);
    va_list args;

    va_start(args, format);
    (void)vsnprintf(summary->verdict + len, SUMMARY_TEXT - len, format, args);
    va_end(args);
}

/* False: it held workers. */
static bool conclude_async(struct summary *summary, const struct result *pool)
{
    if (result_is_of_servers(pool))
        return false;
    say(summary, "%s is an asynchronous route: the number of workers does not matter to it.", summary->plan->route);
    return true;
}

static void conclude_burst(struct summary *summary)
{
    const struct result *few = find_pool(summary, false), *many = find_pool(summary, true);
    const struct result *on_loop = find_executor(summary, EXECUTOR_INLINE);
    char name[PLAN_TEXT], few_s[SUMMARY_TIME], many_s[SUMMARY_TIME], dummy_s[SUMMARY_TIME], loop_s[SUMMARY_TIME];

    assert(few != NULL && many != NULL); /* --workers is never empty */
    if (conclude_async(summary, many))
        return;
    plan_setting_name(&many->setting, name);
    if (!result_is_whole(few) || !result_is_whole(many)) {
        say(summary, "Not all requests were answered: %zu of %zu with %s", many->n_answered, many->n_calls, name);
        if (few != many)
            say(summary, ", %zu with %s", few->n_answered, plan_setting_name(&few->setting, name));
        say(summary, "; their times are of unequal work.");
        return;
    }
    if (few->setting.workers == many->setting.workers)
        say(summary, "%s answer%s %zu request%s in %s", name, many->setting.workers == 1 ? "s" : "", many->n_answered,
            plural((double)many->n_answered), summary_time(many->makespan_s, many_s));
    else
        say(summary, "%s answer %zu request%s in %s where %u take%s %s, %.1f times as fast", name, many->n_answered,
            plural((double)many->n_answered), summary_time(many->makespan_s, many_s), few->setting.workers,
            few->setting.workers == 1 ? "s" : "", summary_time(few->makespan_s, few_s),
            few->makespan_s / many->makespan_s);
    if (few->setting.workers != many->setting.workers &&
        plan_servers(summary->plan, &few->setting) == plan_servers(summary->plan, &many->setting))
        say(summary, ", because %u client%s at a time", summary->plan->clients,
            summary->plan->clients == 1 ? " asks" : "s ask");
    else if (summary->cpu[0] != '\0' && summary->holds) /* else it is not the reason, or not the whole of it */
        say(summary, ", because the handler %s", summary->cpu);
    if (on_loop != NULL)
        say(summary, "; %s waits %s at most, %s when handlers run on the loop", plan_probe(summary->plan),
            summary_time(many->dummy_max_s, dummy_s), summary_time(on_loop->dummy_max_s, loop_s));
    say(summary, ".");
}

static const char *write_need(double workers, char text[SUMMARY_TIME])
{
    if (workers < LEAST_WORKERS)
        (void)snprintf(text, SUMMARY_TIME, "less than 0.1");
    else
        (void)snprintf(text, SUMMARY_TIME, "%.1f", workers);
    return text;
}

/* The fewest workers that keep up. */
static void conclude_stream(struct summary *summary)
{
    const struct result *base = find_pool(summary, true), *enough = NULL;
    double rate = summary->plan->rate;
    bool has_room = false;
    char p99_s[SUMMARY_TIME], wait_s[SUMMARY_TIME], need[SUMMARY_TIME], name[PLAN_TEXT];

    assert(base != NULL);
    if (conclude_async(summary, base))
        return;
    for (size_t i = 0; i < summary->n; i++) {
        const struct result *result = &summary->results[i];

        if (result->setting.executor != EXECUTOR_POOL || result_offered(summary->plan, result) >= 1)
            continue;
        has_room = true;
        if (answers_nearly_all(result) && (enough == NULL || result->setting.workers < enough->setting.workers))
            enough = result;
    }
    if (enough == NULL && has_room)
        say(summary, "No pool that was tried answers 99 %% of %g request%s a second", rate, plural(rate));
    else if (enough == NULL)
        say(summary,
            "No pool that was tried keeps up with %g request%s a second of %s each, which takes more than %.1f workers",
            rate, plural(rate), summary_time(base->run_mean_s, wait_s), rate * base->run_mean_s);
    else
        say(summary,
            "%g request%s a second take%s %s workers on average; with %s they wait %s on average and 99 %% are "
            "answered within %s",
            rate, plural(rate), rate == 1 ? "s" : "", write_need(rate * enough->run_mean_s, need),
            plan_setting_name(&enough->setting, name), summary_time(enough->wait_mean_s, wait_s),
            summary_time(enough->latency_p99_s, p99_s));
    if (summary->cpu[0] != '\0')
        say(summary, "; the handler %s", summary->cpu);
    say(summary, ".");
}
