/* For tests of connections: a wire to an app without workers, whose routes answer now or later, little or much. */
#ifndef TESTS_LIB_CONN_FIXTURE_H
#define TESTS_LIB_CONN_FIXTURE_H

#include "app_fixture.h"
#include "gate.h"

enum { BIG = 1024 * 1024, MEDIUM = 8 * 1024 };

extern char conn_big[BIG + 1]; /* what /big answers */

extern unsigned conn_calls;     /* of any handler */
extern hoist_req *conn_pending; /* what /pend waits with; NULL: nothing */
extern unsigned conn_freed;     /* bodies of /give */
extern struct gate conn_gate;   /* where /work stops */
extern const hoist_route conn_routes[];
extern const size_t conn_routes_n;

/* Each test has a process of its own, and in it one of these. */
extern struct app_fixture f;
extern struct wire w;

/* Opens both, under the inline executor. */
void conn_fixture_open(const hoist_config *config);
void conn_fixture_open_plain(void); /* with the default configuration, as a suite's init */

/* Closes both: nothing of the connection may be left. */
void conn_fixture_close(void);

/* The connection's deadline will be over in 1 ms; then turns the loop until it is. */
void conn_hurry(void);
void conn_hurry_and_pass(void);

/* Answers /pend. */
void conn_finish(const char *text);

#endif
