/* Where to listen, as it is written. */
#include "server/bind_address.h"

#include <criterion/criterion.h>
#include <errno.h>

Test(bind_address, takes_addresses_with_ports_and_paths)
{
    static const struct {
        const char *text, *host;
        unsigned port;
        const char *path;
    } rows[] = {
        {"127.0.0.1:8001", "127.0.0.1", 8001, NULL}, {"0.0.0.0:0", "0.0.0.0", 0, NULL},
        {"[::1]:65535", "::1", 65535, NULL},         {"::1:80", "::1", 80, NULL},
        {"unix:/run/a:b", "", 0, "/run/a:b"},        {"unix:a", "", 0, "a"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bind_address address;

        cr_assert_eq(bind_address_parse(&address, rows[i].text), 0, "%s", rows[i].text);
        cr_expect_str_eq(address.host, rows[i].host, "%s", rows[i].text);
        cr_expect_eq(address.port, rows[i].port, "%s", rows[i].text);
        if (rows[i].path != NULL)
            cr_expect_str_eq(address.path, rows[i].path);
        else
            cr_expect_null(address.path);
    }
}

Test(bind_address, refuses_everything_else)
{
    static const struct {
        const char *text;
        int err;
    } rows[] = {
        {"", -EINVAL},
        {"unix:", -EINVAL},
        {"127.0.0.1", -EINVAL},
        {"127.0.0.1:", -EINVAL},
        {"127.0.0.1:-1", -EINVAL},
        {"127.0.0.1:65536", -ERANGE},
        {"localhost:80", -EADDRNOTAVAIL},
        {":80", -EADDRNOTAVAIL},
        {"[::1:80", -EADDRNOTAVAIL},
        {"[127.0.0.1]x:80", -EADDRNOTAVAIL},
        {"1111111111111111111111111111111111111111111111111111111111111111111:80", -EADDRNOTAVAIL},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_expect_eq(bind_address_parse(&(struct bind_address){.path = NULL}, rows[i].text), rows[i].err, "%s",
                     rows[i].text);
}
