/* One call of a handler of the test's own, through a route of the test client.
 *
 * Happy path: handler_call(), and the reply is there until the next one. Failures fail the test. Close: handler_close()
 * as the suite's fini.
 */
#ifndef TESTS_LIB_HANDLER_FIXTURE_H
#define TESTS_LIB_HANDLER_FIXTURE_H

#include "hoist_test.h"

/* GET / of a route with this handler and, unless 0, this max_reply. */
const hoist_test_reply *handler_call(hoist_handler *handler, size_t max_reply);

void handler_close(void);

#endif
