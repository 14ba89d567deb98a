/* The blocking function that this server is about. Replace heavy_func() with yours. */
#ifndef ROUTES_HEAVY_H
#define ROUTES_HEAVY_H

#include "hoist.h"

enum { HEAVY_MS_MAX = 60 * 60 * 1000 };

/* Blocks the calling thread for wait_ms milliseconds, without using the CPU. Any thread. */
void heavy_func(unsigned wait_ms);

/* --heavy-ms: how long it blocks. Routes hand &heavy_ms on as their data. */
extern unsigned heavy_ms;
extern const hoist_option heavy_ms_option;

#endif
