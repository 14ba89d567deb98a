#include "gate.h"

#include <limits.h>
#include <string.h>

static void on_moved(uv_async_t *moved)
{
    (void)moved;
}

void gate_open(struct gate *gate, uv_loop_t *loop)
{
    memset(gate, 0, sizeof(*gate));
    gate->loop = loop;
    cr_assert_eq(uv_mutex_init(&gate->lock), 0);
    cr_assert_eq(uv_cond_init(&gate->open), 0);
    cr_assert_eq(uv_async_init(loop, &gate->moved, on_moved), 0);
    uv_unref((uv_handle_t *)&gate->moved);
}

void gate_close(struct gate *gate)
{
    cr_assert_eq(gate_inside(gate), 0);
    uv_close((uv_handle_t *)&gate->moved, NULL);
    uv_run(gate->loop, UV_RUN_NOWAIT);
    uv_cond_destroy(&gate->open);
    uv_mutex_destroy(&gate->lock);
}

void gate_pass(struct gate *gate, unsigned mark)
{
    unsigned place;

    uv_mutex_lock(&gate->lock);
    place = gate->came++;
    gate->order[place % GATE_ORDER_MAX] = mark;
    if (++gate->inside > gate->inside_max)
        gate->inside_max = gate->inside;
    uv_async_send(&gate->moved);
    while (place >= gate->let_go)
        uv_cond_wait(&gate->open, &gate->lock);
    gate->inside--;
    uv_mutex_unlock(&gate->lock);
}

unsigned gate_came(struct gate *gate)
{
    unsigned n;

    uv_mutex_lock(&gate->lock);
    n = gate->came;
    uv_mutex_unlock(&gate->lock);
    return n;
}

unsigned gate_inside(struct gate *gate)
{
    unsigned n;

    uv_mutex_lock(&gate->lock);
    n = gate->inside;
    uv_mutex_unlock(&gate->lock);
    return n;
}

void gate_run_until_inside(struct gate *gate, unsigned n)
{
    LOOP_RUN_UNTIL(gate->loop, gate_inside(gate) == n);
}

void gate_let_go(struct gate *gate, unsigned n)
{
    uv_mutex_lock(&gate->lock);
    gate->let_go = n;
    uv_cond_broadcast(&gate->open);
    uv_mutex_unlock(&gate->lock);
}

void gate_let_all_go(struct gate *gate)
{
    gate_let_go(gate, UINT_MAX);
}
