/* Where handlers and jobs on workers stop until the test lets them go. */
#ifndef TESTS_LIB_GATE_H
#define TESTS_LIB_GATE_H

#include "loop.h"

enum { GATE_ORDER_MAX = 256 };

struct gate {
    uv_loop_t *loop;
    uv_async_t moved; /* wakes the loop when somebody comes or goes */
    uv_mutex_t lock;
    uv_cond_t open;
    unsigned came, let_go; /* since gate_open() */
    unsigned inside, inside_max;
    unsigned order[GATE_ORDER_MAX]; /* the marks, as they came */
};

void gate_open(struct gate *gate, uv_loop_t *loop);
void gate_close(struct gate *gate);

/* Worker thread: stops here; mark tells who it is. */
void gate_pass(struct gate *gate, unsigned mark);

/* How many have come, and how many are at the gate; turns the loop until n are. */
unsigned gate_came(struct gate *gate);
unsigned gate_inside(struct gate *gate);
void gate_run_until_inside(struct gate *gate, unsigned n);

/* The first n of all that have come or will come may go on; gate_let_all_go(): all of them. */
void gate_let_go(struct gate *gate, unsigned n);
void gate_let_all_go(struct gate *gate);

#endif
