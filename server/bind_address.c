/* Where to listen, as it is written. Failures: as in the header. Close: nothing is held. */
#include "bind_address.h"

#include "number.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <uv.h>

int bind_address_parse(struct bind_address *ret_address, const char *text)
{
    struct bind_address address = {.path = NULL};
    const char *colon = strrchr(text, ':');
    uint64_t port;
    size_t len;

    if (strncmp(text, "unix:", 5) == 0 && text[5] != '\0') {
        address.path = text + 5;
        *ret_address = address;
        return 0;
    }
    if (colon == NULL || !number_parse(colon + 1, false, &port))
        return -EINVAL;
    if (port > 65535)
        return -ERANGE;
    len = (size_t)(colon - text);
    if (len > 2 && text[0] == '[' && text[len - 1] == ']') {
        text++;
        len -= 2;
    }
    if (len >= sizeof(address.host))
        return -EADDRNOTAVAIL;
    memcpy(address.host, text, len);
    address.port = (unsigned)port;
    if (!bind_address_is_numeric(address.host))
        return -EADDRNOTAVAIL;
    *ret_address = address;
    return 0;
}

bool bind_address_is_numeric(const char *text)
{
    struct sockaddr_in ip4;
    struct sockaddr_in6 ip6;

    return uv_ip4_addr(text, 0, &ip4) == 0 || uv_ip6_addr(text, 0, &ip6) == 0;
}

const char *bind_address_fault(int err)
{
    switch (err) {
    case -ERANGE:
        return "has a port over 65535";
    case -EADDRNOTAVAIL:
        return "has no numeric IPv4 or IPv6 address";
    default:
        return "is not HOST:PORT or unix:PATH";
    }
}
