/* Jobs on workers as theory has them. Close: the trials' memory goes with trial_summary_free(). */
#include "trial_fixture.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t zero_ns = 1000000000;
static const double probe_every_s = 0.01;

static uint64_t at_ns(double seconds)
{
    return zero_ns + (uint64_t)llround(seconds * 1e9);
}

void trial_burst(struct trial *trial, enum executor executor, unsigned workers, size_t n, double run_s, double cpu_s)
{
    unsigned servers = executor == EXECUTOR_ASYNC ? (unsigned)n : workers > 0 ? workers : 1;
    double end_s = ceil((double)n / servers) * run_s;

    *trial = (struct trial){.setting = {executor, workers}, .zero_ns = zero_ns, .n_calls = n};
    trial->n_probes = (size_t)(end_s / probe_every_s);
    trial->calls = calloc(n, sizeof(struct call));
    trial->probes = calloc(trial->n_probes + 1, sizeof(struct call));
    trial->jobs = (struct jobs){.list = calloc(n, sizeof(struct job)), .n = n};
    cr_assert(trial->calls != NULL && trial->probes != NULL && trial->jobs.list != NULL);
    for (size_t i = 0; i < n; i++) {
        double start_s = (double)(i / servers) * run_s;

        trial->calls[i] = (struct call){zero_ns, zero_ns, at_ns(start_s + run_s), 200};
        trial->jobs.list[i] = (struct job){.received_s = executor == EXECUTOR_INLINE ? start_s : 0,
                                           .started_s = start_s,
                                           .finished_s = start_s + run_s,
                                           .cpu_s = cpu_s,
                                           .seat = executor == EXECUTOR_POOL ? (int)(i % servers) : -1,
                                           .status = 200,
                                           .is_async = executor == EXECUTOR_ASYNC};
    }
    for (size_t i = 0; i < trial->n_probes; i++) {
        double due_s = (double)i * probe_every_s;
        double answered_s = executor == EXECUTOR_INLINE ? end_s : due_s + 0.001;

        trial->probes[i] = (struct call){at_ns(due_s), at_ns(due_s), at_ns(answered_s), 200};
    }
}

/* As jobs_read() leaves them: from the first one's arrival on. */
void trial_lose(struct trial *trial, size_t n)
{
    struct jobs *jobs = &trial->jobs;
    double zero_s = jobs->list[n].received_s;

    jobs->n -= n;
    memmove(jobs->list, jobs->list + n, jobs->n * sizeof(*jobs->list));
    for (size_t i = 0; i < jobs->n; i++) {
        jobs->list[i].received_s -= zero_s;
        jobs->list[i].started_s -= zero_s;
        jobs->list[i].finished_s -= zero_s;
    }
    cr_assert_eq(trial_place_jobs(trial), 0);
}

void trial_summary(struct summary *summary, const struct plan *plan, struct trial *trials, size_t n)
{
    struct result *results = calloc(n, sizeof(*results));

    cr_assert_not_null(results);
    for (size_t i = 0; i < n; i++) {
        cr_assert_eq(result_make(&results[i], &trials[i], plan), 0);
        results[i].speedup = results[0].makespan_s / results[i].makespan_s;
    }
    *summary = (struct summary){.plan = plan, .trials = trials, .results = results, .n = n, .cores = 2};
    summary_make(summary);
}

void trial_summary_free(struct summary *summary)
{
    for (size_t i = 0; i < summary->n; i++)
        trial_free((struct trial *)(uintptr_t)&summary->trials[i]);
    free((struct result *)(uintptr_t)summary->results);
    *summary = (struct summary){0};
}

bool trial_summary_warns(const struct summary *summary, const char *words)
{
    for (size_t i = 0; i < summary->n_warnings; i++)
        if (strstr(summary->warnings[i], words) != NULL)
            return true;
    return false;
}
