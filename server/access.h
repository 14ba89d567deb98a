/* The access log's line for an answer. Loop thread. */
#ifndef SERVER_ACCESS_H
#define SERVER_ACCESS_H

struct conn;
struct reply;

/* reply goes out on conn, whose exchange, if any, it answers. */
void access_log(const struct conn *conn, const struct reply *reply);

#endif
