/* Callers, and a queue of calls that are due.
 *
 * Happy path: pump() sends what is due while callers are free, then sets the alarm for the next one; an answer frees
 * its caller and pumps again. A call's latency counts from when it was due, not from when it could be sent: else a
 * server that stalls would slow its own test down and look well. Failures: a connection that breaks gives its call no
 * status; the first one sets err, and whoever turns the loop gives up. Close: the callers, then the alarm.
 */
#include "load.h"

#include "real.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SEED = 20240601 };

static void pump(void *arg);
static uint64_t due_ns(const struct load *load, size_t i, uint64_t now_ns);
static void send_next(struct load *load, uint64_t intended_ns);
static void on_open(struct caller *caller, int err);
static void on_answer(struct caller *caller, const struct caller_answer *answer);
static void set_free(struct load *load, struct load_caller *caller);

/* splitmix64 (Steele, Lea, Flood 2014): 0 < value <= 1. */
static double draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    z ^= z >> 31;
    return (double)((z >> 11) + 1) / 9007199254740992.0;
}

/* Of a Poisson process of which it is known that n come in n / rate seconds, and one more at their end: exponential
 * gaps, stretched to fit (Devroye, Non-Uniform Random Variate Generation, 1986, chapter V). */
void load_draw(struct call *calls, size_t n, double rate)
{
    uint64_t state = SEED;
    double all = 0, at = 0;

    for (size_t i = 0; i <= n; i++)
        all -= real_ln(draw(&state));
    state = SEED;
    for (size_t i = 0; i < n; i++) {
        at -= real_ln(draw(&state));
        calls[i].intended_ns = (uint64_t)(at / all * (double)n / rate * 1e9);
    }
}

int load_open(struct load *load)
{
    int err;

    load->calls = calloc(load->n, sizeof(*load->calls));
    load->callers = calloc(load->n_callers, sizeof(*load->callers));
    load->free_callers = calloc(load->n_callers, sizeof(struct load_caller *));
    err = load->calls != NULL && load->callers != NULL && load->free_callers != NULL ? 0 : -ENOMEM;
    if (err == 0)
        err = alarm_open(&load->alarm, load->loop, pump, load);
    if (err < 0) {
        load_free(load);
        return err;
    }
    for (unsigned i = 0; i < load->n_callers; i++) {
        struct caller *caller = &load->callers[i].caller;

        *caller = (struct caller){
            .loop = load->loop, .port = load->port, .on_open = on_open, .on_answer = on_answer, .arg = load};
        err = caller_open(caller);
        if (err < 0 && load->err == 0)
            load->err = err;
    }
    return 0;
}

bool load_is_ready(const struct load *load)
{
    return load->n_ready == load->n_callers;
}

void load_start(struct load *load)
{
    load->started_ns = load->free_since_ns = uv_hrtime();
    if (load->kind == LOAD_RANDOM)
        load_draw(load->calls, load->n, load->rate);
    load->has_started = true;
    pump(load);
}

void load_stop(struct load *load)
{
    uint64_t now_ns = uv_hrtime();
    size_t n = load->n_sent;

    while (n < load->n && due_ns(load, n, now_ns) <= now_ns)
        n++;
    load->n = n;
}

bool load_is_over(const struct load *load)
{
    return load->n_answered == load->n;
}

/* ---- sending ---- */

static void pump(void *arg)
{
    struct load *load = arg;
    uint64_t now_ns = uv_hrtime(), at_ns;

    while (load->has_started && load->n_sent < load->n && load->n_free > 0) {
        at_ns = due_ns(load, load->n_sent, now_ns);
        if (at_ns > now_ns) {
            alarm_set(&load->alarm, at_ns);
            return;
        }
        send_next(load, at_ns);
    }
}

static uint64_t due_ns(const struct load *load, size_t i, uint64_t now_ns)
{
    if (load->kind == LOAD_RANDOM)
        return load->calls[i].intended_ns + load->started_ns;
    if (load->kind == LOAD_STEADY)
        return load->started_ns + (uint64_t)((double)i * 1e9 / load->rate);
    return i < load->n_callers ? load->started_ns : now_ns;
}

static void send_next(struct load *load, uint64_t intended_ns)
{
    struct load_caller *caller = load->free_callers[--load->n_free];
    struct call *call = &load->calls[load->n_sent++];
    uint64_t since_ns = load->free_since_ns;

    caller->call = call;
    call->intended_ns = intended_ns;
    caller_ask(&caller->caller, load->request, strlen(load->request));
    call->sent_ns = caller->caller.answer.sent_ns;
    if (intended_ns < since_ns)
        load->n_held++;
    else
        since_ns = intended_ns;
    if (call->sent_ns - since_ns > load->late_ns)
        load->late_ns = call->sent_ns - since_ns;
}

/* ---- what callers say ---- */

static void on_open(struct caller *caller, int err)
{
    struct load *load = caller->arg;

    if (err == 0) {
        load->n_ready++;
        set_free(load, (struct load_caller *)caller);
    } else if (load->err == 0) {
        load->err = err;
    }
}

static void on_answer(struct caller *caller, const struct caller_answer *answer)
{
    struct load *load = caller->arg;
    struct call *call = ((struct load_caller *)caller)->call;

    call->answered_ns = answer->answered_ns;
    call->status = answer->err < 0 ? 0 : answer->status;
    load->n_answered++;
    if (answer->err == 0)
        set_free(load, (struct load_caller *)caller);
    else if (load->err == 0)
        load->err = answer->err;
    pump(load);
}

static void set_free(struct load *load, struct load_caller *caller)
{
    if (load->n_free == 0)
        load->free_since_ns = uv_hrtime();
    load->free_callers[load->n_free++] = caller;
}

/* ---- the end ---- */

void load_close(struct load *load)
{
    for (unsigned i = 0; i < load->n_callers; i++)
        caller_close(&load->callers[i].caller);
    alarm_close(&load->alarm);
}

bool load_is_closed(const struct load *load)
{
    for (unsigned i = 0; i < load->n_callers; i++)
        if (load->callers[i].caller.state != CALLER_CLOSED)
            return false;
    return !load->alarm.is_open;
}

void load_free(struct load *load)
{
    free(load->calls);
    free(load->callers);
    free(load->free_callers);
    load->calls = NULL;
    load->callers = NULL;
    load->free_callers = NULL;
    load->n_callers = 0;
}
