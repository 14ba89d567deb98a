/* See guard.h. This file alone is compiled with -fexceptions, and so has what others need not have.
 *
 * Happy path: a call. Failures: what unwinds the stack calls check_returned(), as the end of a GUARD's scope does.
 */
#include "guard.h"

#include "exchange.h"
#include "log.h"
#include "server.h"

#include <stdlib.h>

/* Set to the exchange before the call, and to NULL behind it. */
#define GUARD __attribute__((cleanup(check_returned)))

static void check_returned(struct exchange *const *inside);
__attribute__((cold)) static _Noreturn void end_program(const struct exchange *x);

int guard_call(struct exchange *x)
{
    GUARD struct exchange *inside = x;
    int result = x->handler(&x->req, &x->res);

    inside = NULL;
    return result;
}

void guard_call_end(struct exchange *x)
{
    GUARD struct exchange *inside = x;

    for (struct end_hook *hook = x->req.end_hooks; hook != NULL; hook = hook->next)
        hook->call(hook->arg);
    if (x->res.free_body != NULL)
        x->res.free_body(x->res.given_body);
    inside = NULL;
}

static void check_returned(struct exchange *const *inside)
{
    if (*inside != NULL)
        end_program(*inside);
}

static _Noreturn void end_program(const struct exchange *x)
{
    log_write(LOG_ERROR, "%s: an exception, or pthread_exit(), left its code", x->req.route->given.path);
    log_stop();
    abort();
}
