/* Request targets: their forms, their percent-escapes, and the names and values in a query (RFC 9112, section 3.2; RFC
 * 3986).
 *
 * Happy path: the parser checks the host, the path and the query of a request once; what passed can be decoded later
 * without a failure.
 * Failures: -EINVAL for what RFC 3986 forbids, or what would climb in a path.
 * Close: nothing is allocated.
 */
#ifndef SERVER_TARGET_H
#define SERVER_TARGET_H

#include <stdbool.h>
#include <stddef.h>

enum target_part {
    TARGET_PATH,
    TARGET_QUERY, /* '+' is a space there, as forms send it */
};

/* A raw path or query: -EINVAL when an escape is not '%' and two hex digits or stands for NUL; in a path also when a
 * segment is "." or "..", however it or a '/' around it is escaped. */
int target_check(const char *raw, size_t len, enum target_part part);

enum { TARGET_BAD_ESCAPE = -1 };

/* The decoded byte at raw[*at], *at < len, and moves *at behind it; TARGET_BAD_ESCAPE for one that target_check()
 * refuses. */
int target_next(const char *raw, size_t len, size_t *at, enum target_part part);

/* Decodes raw[0 .. len) into out[len + 1], which gets a NUL behind it; out may be raw. -EINVAL only for an escape that
 * target_check() refuses; out is undefined then. */
int target_decode(char *out, const char *raw, size_t len, enum target_part part);

/* The raw value of the query's first "name=value" whose decoded name is name; "name" alone has an empty value. False:
 * there is none, and nothing was set. */
bool target_query_find(const char *query, const char *name, const char **ret_raw, size_t *ret_len);

/* Is this a host name, IPv4 address or [IPv6 address], not empty, with ":port" or ":" behind it or not? */
bool target_is_authority(const char *text, size_t len);

/* Where path and query begin in an absolute-form target, "http://host:port/path?query", maybe at its end. -EINVAL:
 * another scheme, or the authority is not valid; user information never is. */
int target_skip_authority(const char *target, size_t len, size_t *ret_at);

#endif
