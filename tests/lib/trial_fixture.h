/* Trials made by hand: what clients and server would have seen of equal jobs.
 *
 * Happy path: trial_burst(&trial, ...), then whatever is to be tested, then trial_free(). Failures fail the test.
 */
#ifndef TESTS_LIB_TRIAL_FIXTURE_H
#define TESTS_LIB_TRIAL_FIXTURE_H

#include "experiment/summary.h"

/* n jobs, all there at once, of run_s each, on that setting; cpu_s of each was on a CPU. Every 10 ms a probe, which an
 * inline server answers at the end and others after 1 ms. */
void trial_burst(struct trial *trial, enum executor executor, unsigned workers, size_t n, double run_s, double cpu_s);

/* The server no longer has the first n of its jobs. */
void trial_lose(struct trial *trial, size_t n);

/* A summary of n such trials under this plan, with their results; all of it is freed by trial_summary_free(), which may
 * be called again. */
void trial_summary(struct summary *summary, const struct plan *plan, struct trial *trials, size_t n);
void trial_summary_free(struct summary *summary);

/* Does it warn with these words? */
bool trial_summary_warns(const struct summary *summary, const char *words);

#endif
