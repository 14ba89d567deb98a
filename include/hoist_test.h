/* Unit tests for routes: one route behind the real request path, without a socket or a thread.
 *
 *     hoist_test *t = hoist_test_new(&dummy_route);
 *     const hoist_test_reply *reply = hoist_test_get(t, "/dummy");
 *
 *     cr_assert_eq(reply->status, 200);
 *     hoist_test_free(t);
 *
 * A handler runs in the call, on the calling thread, offloaded or not, and to its end: no time limit cuts it short, and
 * no signal of .interrupt; but hoist_req_cancelled() looks at the limit, and -ECANCELED behind it is 504. One of
 * HOIST_PROCESS runs there, too; if it ends the program, so does its test, with status 1. worker_init ran in
 * hoist_test_new(). The clock of hoist_later() is virtual: 20 s take no time, but bring the route's limit nearer, and a
 * wait that is longer ends with 504. What waits for a callback of another loop gets no reply here. One thread; several
 * clients may live side by side.
 */
#ifndef HOIST_TEST_H
#define HOIST_TEST_H

#include "hoist.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hoist_test hoist_test;

/* Owned by the client, in place until hoist_test_free(). */
typedef struct hoist_test_reply {
    int status;       /* 0: the connection ended without a reply; a line on stderr tells one that is never finished */
    const char *body; /* a NUL follows its last byte */
    size_t body_len;
    unsigned waited_ms; /* on the virtual clock */
    const char *fields; /* for hoist_test_reply_header() */
} hoist_test_reply;

HOIST_API hoist_test *hoist_test_new_sized(const hoist_route *route, size_t route_size);

/* NULL after a line on stderr that says why: a route that hoist_app_route() refuses, a failing worker_init, no memory.
 */
#define hoist_test_new(...) hoist_test_new_sized(__VA_ARGS__, sizeof(hoist_route))

/* t may be NULL. One whose handler was left by a jump, as of a failed assert in what the handler calls, stays as it is,
 * and a line on stderr says so. */
HOIST_API void hoist_test_free(hoist_test *t);

/* Adds a header field to the next request, as it is; strings are copied. Host is "test" without one. */
HOIST_API void hoist_test_header(hoist_test *t, const char *name, const char *value);

/* The client of the next request leaves before its handler runs: hoist_req_cancelled() is true, the reply's status 0.
 */
HOIST_API void hoist_test_cancel(hoist_test *t);

/* Each sends one request and returns its reply, never NULL. target: path and query, as on the wire. */
HOIST_API const hoist_test_reply *hoist_test_get(hoist_test *t, const char *target);
HOIST_API const hoist_test_reply *hoist_test_post(hoist_test *t, const char *target, const void *body, size_t len);
HOIST_API const hoist_test_reply *hoist_test_request(hoist_test *t, const char *method, const char *target,
                                                     const void *body, size_t len);

/* The value of the reply's first header field of that name, in any case; NULL when there is none. */
HOIST_API const char *hoist_test_reply_header(const hoist_test_reply *reply, const char *name);

#ifdef __cplusplus
}
#endif

#endif
