/* Where to listen, as it is written: "127.0.0.1:8001", "[::1]:8001", "unix:/run/app.sock". */
#ifndef SERVER_BIND_ADDRESS_H
#define SERVER_BIND_ADDRESS_H

#include <stdbool.h>

struct bind_address {
    char host[64]; /* a numeric IP address */
    unsigned port;
    const char *path; /* in the text; NULL: host and port count */
};

/* -EINVAL: text is none of these. -EADDRNOTAVAIL: what stands before the port is no numeric address. -ERANGE: there is
 * no such port. */
int bind_address_parse(struct bind_address *ret_address, const char *text);

/* Is it an IPv4 or IPv6 address, without a port? */
bool bind_address_is_numeric(const char *text);

/* What such an error is, for people: "'text' <fault>". */
const char *bind_address_fault(int err);

#endif
