/* What all rows say together: fit, target, warnings, and a sentence.
 */
#ifndef EXPERIMENT_SUMMARY_H
#define EXPERIMENT_SUMMARY_H

#include "result.h"

enum { SUMMARY_WARNINGS = 64, SUMMARY_TEXT = 512 };

/* A burst's makespan over its prediction, for the experiment to pass. */
#define SUMMARY_TOLERANCE 0.10

struct summary {
    const struct plan *plan;
    const struct trial *trials;
    const struct result *results;
    size_t n;
    unsigned cores;

    bool has_usl;
    struct usl usl;
    unsigned target_workers;    /* that meet --target-p99; 0: no number does */
    double target_predicted_s;  /* the p99 with so many */
    double target_measured_s;   /* likewise, if it was tried; else NAN */
    char cpu[SUMMARY_TEXT];     /* does the handler wait or burn? */
    char target[SUMMARY_TEXT];  /* empty: none was asked for */
    char law[SUMMARY_TEXT];     /* the fit, in words; empty: there is none */
    char verdict[SUMMARY_TEXT]; /* one sentence */
    char warnings[SUMMARY_WARNINGS][SUMMARY_TEXT];
    size_t n_warnings;
    bool holds; /* every burst took what theory says */
};

/* plan, trials, results, n and cores are set and borrowed; fills the rest. */
void summary_make(struct summary *summary);

/* "GET /sleep/200: 16 requests at once from 16 clients". Returns text. */
const char *summary_title(const struct plan *plan, char text[SUMMARY_TEXT]);

/* The longest makespan. */
double summary_longest_s(const struct summary *summary);

/* A time as people write it: "2.003 s", "0.31 ms", "-" for NAN. Returns text. */
enum { SUMMARY_TIME = 32 };
const char *summary_time(double seconds, char text[SUMMARY_TIME]);

#endif
