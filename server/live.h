/* What waits and runs now, as spans that have not ended. Loop thread only. */
#ifndef SERVER_LIVE_H
#define SERVER_LIVE_H

#include "app.h"
#include "spans.h"

/* Up to max spans of exchanges in progress, those that run first; ended_ns is 0. Returns how many there are, which may
 * be more than max. */
size_t live_read(const hoist_app *app, struct span *spans, size_t max);

#endif
