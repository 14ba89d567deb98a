/* Latencies as SVG: what /dummy took over the time, and how requests' latencies are distributed.
 */
#ifndef EXPERIMENT_PLOT_H
#define EXPERIMENT_PLOT_H

#include "summary.h"

void plot_write_dummy(const struct summary *summary, FILE *out);
void plot_write_latency(const struct summary *summary, FILE *out);

#endif
