/* The outcome as one JSON object. */
#ifndef EXPERIMENT_JSON_H
#define EXPERIMENT_JSON_H

#include "summary.h"

void json_print(const struct summary *summary, FILE *out);

#endif
