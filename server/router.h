/* Which route takes a request: a trie of path segments.
 *
 * A pattern is '/' and segments divided by '/': text, ":name" for any segment that is not empty, "*" at the end for the
 * rest of the path, which may be empty. Patterns are written decoded, in UTF-8. A '/' at the end counts.
 *
 * A request's path is split at raw '/', then each segment is decoded and compared, so "%2F" never divides. At each
 * segment text wins over ":name" and that over "*"; where this way leads nowhere, or to a path that lacks the method,
 * the next one is tried. A lookup allocates nothing.
 */
#ifndef SERVER_ROUTER_H
#define SERVER_ROUTER_H

#include "hoist.h"

enum {
    ROUTER_METHODS = HOIST_OPTIONS + 1,
    ROUTER_PATTERN_MAX = 400, /* bytes; so every log and figure has room for it whole */
    ROUTER_SEGMENTS_MAX = 32,
    ROUTER_ARGS_MAX = 16,
    ROUTER_ALLOW_SIZE = 64, /* holds every method */
};

/* For a lookup: a method that no route can have (TRACE, CONNECT). */
#define ROUTER_OTHER_METHOD ((enum hoist_method)ROUTER_METHODS)

struct router_node;

struct router {
    struct router_node *root;
};

/* An argument of the path, as sent: not decoded, not NUL-terminated. */
struct router_arg {
    const char *name;  /* of the route; "*" for the rest; lives as long as the router */
    const char *value; /* in the path that was looked up */
    size_t len;
};

struct router_match {
    void *route;      /* NULL: none was found */
    unsigned methods; /* then: that this path has, 1u << enum hoist_method each; 0: there is no such path */
    unsigned n_args;  /* 0 then */
    struct router_arg args[ROUTER_ARGS_MAX];
};

/* A router of zeros is empty; router_close() frees what was added and leaves it empty. */
void router_close(struct router *router);

/* Adds a route; pattern is copied. -EINVAL: a bad pattern or method; -EEXIST: the method and path are taken, whatever
 * the arguments' names; -ENOMEM. One line of why is in error[error_size] then, and lookups give what they gave before.
 */
int router_add(struct router *router, enum hoist_method method, const char *pattern, void *route, char *error,
               size_t error_size);

/* path begins with '/' and holds no bad %-escape and no "." or ".." segment. HOIST_HEAD finds the routes of HOIST_GET.
 * False: none is found, and the methods tell a 404 from a 405 and are the answer to OPTIONS. */
bool router_find(const struct router *router, enum hoist_method method, const char *path,
                 struct router_match *ret_match);

/* Makes the arguments point into to, which holds the same path as from, in which they were found. */
void router_rebase(struct router_match *match, const char *from, const char *to);

/* "GET" for HOIST_GET; NULL for a value that is no method. */
const char *router_method_name(enum hoist_method method);

/* The value of Allow for a router_match.methods: "GET, HEAD, OPTIONS". HEAD comes with GET, and OPTIONS always. */
void router_allow(unsigned methods, char ret_text[ROUTER_ALLOW_SIZE]);

#endif
