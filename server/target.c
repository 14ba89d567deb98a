/* Request targets: see target.h.
 *
 * Happy path: one pass over the bytes, nothing is stored.
 * Failures: -EINVAL or false, and nothing to undo.
 * Close: nothing is owned.
 */
#include "target.h"

#include "bytes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

enum { PORT_MAX = 65535 };

static int hex_digit(char c);
static bool name_matches(const char *raw, size_t len, const char *name);
static const char *skip_host(const char *text, const char *end);
static const char *skip_reg_name(const char *name, const char *end);
static bool ipv6_is_valid(const char *text, size_t len);
static bool port_is_valid(const char *port, size_t len);

int target_check(const char *raw, size_t len, enum target_part part)
{
    size_t segment_len = 0;
    bool only_dots = true; /* in the segment at hand */

    if (memchr(raw, '%', len) == NULL && (part != TARGET_PATH || memchr(raw, '.', len) == NULL))
        return 0; /* as it nearly always is */
    for (size_t at = 0; at < len;) {
        int c = target_next(raw, len, &at, part);

        if (c == TARGET_BAD_ESCAPE)
            return -EINVAL;
        if (part != TARGET_PATH)
            continue;
        /* An escaped '/' ends a segment too: "a%2F..%2Fb" decodes to a path that climbs. */
        if (c == '/') {
            if (only_dots && (segment_len == 1 || segment_len == 2))
                return -EINVAL;
            segment_len = 0;
            only_dots = true;
        } else {
            segment_len++;
            only_dots = only_dots && c == '.';
        }
    }
    return only_dots && (segment_len == 1 || segment_len == 2) ? -EINVAL : 0;
}

int target_decode(char *out, const char *raw, size_t len, enum target_part part)
{
    for (size_t at = 0; at < len;) {
        int c = target_next(raw, len, &at, part);

        if (c == TARGET_BAD_ESCAPE)
            return -EINVAL;
        *out++ = (char)c;
    }
    *out = '\0';
    return 0;
}

/* One decoded byte, *at moved behind it. */
int target_next(const char *raw, size_t len, size_t *at, enum target_part part)
{
    char c = raw[(*at)++];
    int high, low;

    if (c == '+' && part == TARGET_QUERY)
        return ' ';
    if (c != '%')
        return (unsigned char)c;
    if (len - *at < 2)
        return TARGET_BAD_ESCAPE;
    high = hex_digit(raw[*at]);
    low = hex_digit(raw[*at + 1]);
    /* NUL would end the decoded string early for whoever reads it. */
    if (high < 0 || low < 0 || (high == 0 && low == 0))
        return TARGET_BAD_ESCAPE;
    *at += 2;
    return high * 16 + low;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool target_query_find(const char *query, const char *name, const char **ret_raw, size_t *ret_len)
{
    for (const char *pair = query;; pair++) {
        size_t len = strcspn(pair, "&");
        size_t name_len = strcspn(pair, "=&");

        if (name_len > 0 && name_matches(pair, name_len, name)) {
            size_t value_at = name_len < len ? name_len + 1 : len;

            *ret_raw = pair + value_at;
            *ret_len = len - value_at;
            return true;
        }
        pair += len;
        if (*pair == '\0')
            return false;
    }
}

static bool name_matches(const char *raw, size_t len, const char *name)
{
    for (size_t at = 0; at < len; name++)
        if (target_next(raw, len, &at, TARGET_QUERY) != (unsigned char)*name)
            return false;
    return *name == '\0';
}

int target_skip_authority(const char *target, size_t len, size_t *ret_at)
{
    static const char scheme[] = "http://"; /* in any case: RFC 3986, section 3.1 */
    size_t begin = sizeof(scheme) - 1;
    size_t end = begin;

    if (len < begin || !bytes_are_word(target, begin, scheme))
        return -EINVAL;
    while (end < len && target[end] != '/' && target[end] != '?')
        end++;
    if (!target_is_authority(target + begin, end - begin))
        return -EINVAL;
    *ret_at = end;
    return 0;
}

bool target_is_authority(const char *text, size_t len)
{
    const char *end = text + len;
    const char *host_end = skip_host(text, end);

    if (host_end == NULL || host_end == text)
        return false;
    return host_end == end || (*host_end == ':' && port_is_valid(host_end + 1, (size_t)(end - host_end - 1)));
}

/* The end of the host at text, which may be empty; NULL: it is none. The colons of an IPv6 address are inside its
 * brackets. */
static const char *skip_host(const char *text, const char *end)
{
    const char *bracket;

    if (text == end || *text != '[')
        return skip_reg_name(text, end);
    bracket = memchr(text, ']', (size_t)(end - text));
    if (bracket == NULL || !ipv6_is_valid(text + 1, (size_t)(bracket - text - 1)))
        return NULL;
    return bracket + 1;
}

/* reg-name = *( unreserved / pct-encoded / sub-delims ); an IPv4 address is one too. */
static const char *skip_reg_name(const char *name, const char *end)
{
    const char *p;

    for (p = name; (p = bytes_skip(p, end, BYTE_HOST)) < end && *p == '%';) {
        size_t at = 0;

        if (target_next(p, (size_t)(end - p), &at, TARGET_PATH) == TARGET_BAD_ESCAPE)
            return NULL;
        p += at;
    }
    return p;
}

static bool ipv6_is_valid(const char *text, size_t len)
{
    char copy[INET6_ADDRSTRLEN];
    struct in6_addr address;

    if (len >= sizeof(copy))
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    return strlen(copy) == len && inet_pton(AF_INET6, copy, &address) == 1;
}

/* port = *DIGIT; an empty one is the scheme's. */
static bool port_is_valid(const char *port, size_t len)
{
    unsigned value = 0;

    for (size_t i = 0; i < len; i++) {
        if (port[i] < '0' || port[i] > '9')
            return false;
        value = value * 10 + (unsigned)(port[i] - '0');
        if (value > PORT_MAX)
            return false;
    }
    return true;
}
