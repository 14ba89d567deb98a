/* The outcome as files: a page, a picture, data. */
#ifndef EXPERIMENT_REPORT_H
#define EXPERIMENT_REPORT_H

#include "summary.h"

/* Makes the folder if it is not there. A negative errno: it is none, or may not be written to. */
int report_prepare(const char *folder);

/* In the folder, index.html, lanes.svg and data.json. A negative errno: not all of them were written. */
int report_write(const struct summary *summary, const char *folder);

#endif
