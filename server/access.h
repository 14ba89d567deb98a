/* The access log's line for an answer, or for a client that left before it, in one of two forms. Loop thread.
 *
 * common: the common log format ("-": no request, or its head was refused), then wait=, run= (seconds) and threads=,
 * busy= (the loop and the pool's threads, and workers at work).
 * json: one object with always the same members, null where there is nothing to tell:
 *   time        when it was answered, RFC 3339, UTC, in milliseconds
 *   client      its address
 *   method, target, protocol    as in the request; target without its end when it is long
 *   status, bytes               of the answer, bytes of its body
 *   wait_s, run_s               seconds in the queue and in the handler
 *   route, id   the route's pattern; the request's number, by which the error log and traces name it
 *   worker      the seat it ran on; null: the loop
 *   threads, busy               threads of the server; workers at work
 *   user_agent  as sent, without its end when it is long
 * Numbers have a point whatever the locale says, and any byte a client may send is escaped, or U+FFFD.
 */
#ifndef SERVER_ACCESS_H
#define SERVER_ACCESS_H

struct conn;
struct exchange;
struct reply;

/* The status of a request whose client left: none that HTTP has, but nginx's logs. */
enum { ACCESS_LEFT = 499 };

/* reply goes out on conn, and answers x; NULL: what came was no request. */
void access_log(const struct conn *conn, const struct exchange *x, const struct reply *reply);

#endif
