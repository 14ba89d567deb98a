/* The lanes of every setting under one another on one time axis, as SVG.
 */
#ifndef EXPERIMENT_LANES_H
#define EXPERIMENT_LANES_H

#include "summary.h"

enum { LANES_BARS_MAX = 3000 }; /* requests drawn per setting, the first ones */

/* A whole SVG element that needs nothing around it. */
void lanes_write(const struct summary *summary, FILE *out);

#endif
