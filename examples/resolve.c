/* Names and addresses: getaddrinfo(3) and getnameinfo(3).
 *
 * The problem: they block for as long as a name server does not answer, half a minute perhaps, and nothing can stop
 * them. Here that costs the client five seconds and the program at most four workers: the lane is a bulkhead. With more
 * workers than LOOKUPS_MAX, whatever else the program serves has the others to itself.
 *
 *     resolve --workers 8
 */
#include "hoist.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

enum { LOOKUPS_MAX = 4, ANSWER_MS = 5000, NAME_MAX_LEN = 253 }; /* RFC 1035, section 2.3.4 */

/* The client asked for what does not exist, or the name server failed, or we did. */
static int explain(hoist_res *res, const char *what, int code)
{
    switch (code) {
    case EAI_NONAME:
#ifdef EAI_NODATA
    case EAI_NODATA:
#endif
        return hoist_reply_error(res, 404, "%s: %s", what, gai_strerror(code));
    case EAI_AGAIN:
        return -EAGAIN;
    case EAI_MEMORY:
        return -ENOMEM;
    case EAI_SYSTEM:
        return hoist_reply_error(res, 500, "%s: %s", what, strerror(errno));
    default:
        return hoist_reply_error(res, 502, "%s: %s", what, gai_strerror(code));
    }
}

static int print_addresses(hoist_req *req, hoist_res *res, const char *name, const struct addrinfo *list)
{
    const char *json_name = hoist_json_string(req, name), *separator = "";
    FILE *out = hoist_res_file(res);
    char address[NI_MAXHOST];

    if (json_name == NULL || out == NULL || hoist_res_type(res, 200, "application/json") < 0)
        return -ENOMEM;
    fprintf(out, "{\"name\":%s,\"addresses\":[", json_name);
    for (const struct addrinfo *a = list; a != NULL; a = a->ai_next) {
        if (getnameinfo(a->ai_addr, a->ai_addrlen, address, sizeof(address), NULL, 0, NI_NUMERICHOST) != 0)
            continue;
        fprintf(out, "%s\"%s\"", separator, address);
        separator = ",";
    }
    fputs("]}", out);
    return 0;
}

static int resolve(hoist_req *req, hoist_res *res)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM}; /* else each address comes once for each type */
    const char *name = hoist_req_arg(req, "name");
    struct addrinfo *list;
    int code, err;

    if (name == NULL || strlen(name) > NAME_MAX_LEN)
        return hoist_reply_error(res, 400, "a name has at most %d bytes", NAME_MAX_LEN);
    code = getaddrinfo(name, NULL, &hints, &list);
    if (code != 0)
        return explain(res, name, code);
    err = print_addresses(req, res, name, list);
    freeaddrinfo(list);
    return err;
}

static int reverse(hoist_req *req, hoist_res *res)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST}; /* asks nobody */
    const char *address = hoist_req_arg(req, "address"), *json_address, *json_name;
    struct addrinfo *one;
    char name[NI_MAXHOST];
    int code;

    if (address == NULL || getaddrinfo(address, NULL, &hints, &one) != 0)
        return hoist_reply_error(res, 400, "that is not an IPv4 or IPv6 address");
    code = getnameinfo(one->ai_addr, one->ai_addrlen, name, sizeof(name), NULL, 0, NI_NAMEREQD);
    freeaddrinfo(one);
    if (code != 0)
        return explain(res, address, code);
    json_address = hoist_json_string(req, address);
    json_name = hoist_json_string(req, name); /* whoever owns the address chose the name */
    if (json_address == NULL || json_name == NULL)
        return -ENOMEM;
    return hoist_reply_printf(res, 200, "application/json", "{\"address\":%s,\"name\":%s}", json_address, json_name);
}

const hoist_route resolve_route = {
    .path = "/resolve/:name",
    .handler = resolve,
    .lane = "resolver",
    .max_concurrency = LOOKUPS_MAX,
    .timeout_ms = ANSWER_MS,
};

const hoist_route reverse_route = {
    .path = "/reverse/:address",
    .handler = reverse,
    .lane = "resolver",
    .max_concurrency = LOOKUPS_MAX,
    .timeout_ms = ANSWER_MS,
};

int main(int argc, char **argv)
{
    static const hoist_route *const routes[] = {&resolve_route, &reverse_route, NULL};

    return hoist_main(argc, argv, &(hoist_program){.name = "resolve", .version = "1", .routes = routes});
}
