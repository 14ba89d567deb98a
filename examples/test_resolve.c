#include "hoist_test.h"

#include <criterion/criterion.h>
#include <netdb.h>
#include <string.h>

extern const hoist_route resolve_route, reverse_route;

static hoist_test *resolve, *reverse;

/* What the next lookup answers; 0: what the system does. Looked at instead of the network: the linker puts these in
 * front. */
static int planned;

int __real_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **list);
int __wrap_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **list);
int __real_getnameinfo(const struct sockaddr *address, socklen_t len, char *host, socklen_t host_len, char *service,
                       socklen_t service_len, int flags);
int __wrap_getnameinfo(const struct sockaddr *address, socklen_t len, char *host, socklen_t host_len, char *service,
                       socklen_t service_len, int flags);

int __wrap_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **list)
{
    bool is_lookup = (hints->ai_flags & AI_NUMERICHOST) == 0;

    return is_lookup && planned != 0 ? planned : __real_getaddrinfo(node, service, hints, list);
}

int __wrap_getnameinfo(const struct sockaddr *address, socklen_t len, char *host, socklen_t host_len, char *service,
                       socklen_t service_len, int flags)
{
    bool is_lookup = (flags & NI_NUMERICHOST) == 0;

    if (is_lookup && planned == EAI_NONAME && (flags & NI_NAMEREQD) == 0)
        flags |= NI_NUMERICHOST; /* the address instead of its name */
    else if (is_lookup && planned != 0)
        return planned;
    return __real_getnameinfo(address, len, host, host_len, service, service_len, flags);
}

static void set_up(void)
{
    resolve = hoist_test_new(&resolve_route);
    reverse = hoist_test_new(&reverse_route);
}

static void tear_down(void)
{
    hoist_test_free(resolve);
    hoist_test_free(reverse);
}

TestSuite(resolve, .init = set_up, .fini = tear_down);

/* A bare chroot has no /etc/hosts. */
static void skip_without_a_name_for_this_machine(void)
{
    struct addrinfo *found;

    if (__real_getaddrinfo("localhost", NULL, NULL, &found) != 0)
        cr_skip_test("this system does not know localhost");
    freeaddrinfo(found);
}

Test(resolve, finds_the_addresses_of_a_name)
{
    const hoist_test_reply *reply;

    skip_without_a_name_for_this_machine();
    reply = hoist_test_get(resolve, "/resolve/localhost");
    cr_assert_eq(reply->status, 200, "%s", reply->body);
    cr_assert_eq(strncmp(reply->body, "{\"name\":\"localhost\",\"addresses\":[\"", 34), 0, "%s", reply->body);
    cr_assert_not_null(strstr(reply->body, "\"127.0.0.1\""), "%s", reply->body);
}

Test(resolve, takes_an_address_for_a_name_of_its_own)
{
    const hoist_test_reply *reply = hoist_test_get(resolve, "/resolve/::1");

    cr_assert_eq(reply->status, 200);
    cr_assert_str_eq(reply->body, "{\"name\":\"::1\",\"addresses\":[\"::1\"]}");
}

Test(resolve, finds_the_name_of_an_address)
{
    const hoist_test_reply *reply;

    skip_without_a_name_for_this_machine();
    reply = hoist_test_get(reverse, "/reverse/127.0.0.1");
    cr_assert_eq(reply->status, 200, "%s", reply->body);
    cr_assert_eq(strncmp(reply->body, "{\"address\":\"127.0.0.1\",\"name\":\"", 31), 0, "%s", reply->body);
}

Test(resolve, says_whose_fault_a_failed_lookup_is)
{
    static const struct {
        int code, status;
    } rows[] = {{EAI_NONAME, 404}, {EAI_AGAIN, 503}, {EAI_MEMORY, 503}, {EAI_FAIL, 502}, {EAI_SYSTEM, 500}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        planned = rows[i].code;
        cr_expect_eq(hoist_test_get(resolve, "/resolve/x.example")->status, rows[i].status, "%d", rows[i].code);
        cr_expect_eq(hoist_test_get(reverse, "/reverse/192.0.2.1")->status, rows[i].status, "%d", rows[i].code);
    }
}

Test(resolve, refuses_what_is_no_name)
{
    char target[300] = "/resolve/";

    planned = EAI_NONAME;
    memset(target + strlen(target), 'x', 254);
    cr_expect_eq(hoist_test_get(resolve, target)->status, 400);
    target[strlen("/resolve/") + 253] = '\0';
    cr_expect_eq(hoist_test_get(resolve, target)->status, 404);
}

Test(resolve, refuses_what_is_no_address)
{
    static const char *const targets[] = {"/reverse/localhost", "/reverse/127.0.0.256",
                                          "/reverse/::1::", "/reverse/%20"};

    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
        cr_expect_eq(hoist_test_get(reverse, targets[i])->status, 400, "%s", targets[i]);
}
