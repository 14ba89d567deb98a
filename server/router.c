/* The trie of routes.
 *
 * Happy path: router_add() checks a pattern whole, walks the trie along its segments, makes the nodes that are
 * missing and puts the route at the end. router_find() walks a path down, text first, and comes back where that leads
 * nowhere; a node is visited once at most, so the walk is bounded by the patterns, not by the path.
 * Failures: a bad pattern, a taken path, memory; nodes that were made by then hold no route and match nothing.
 * Close: router_close() frees the trie.
 */
#include "router.h"

#include "target.h"
#include "utf8.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { KIND_TEXT, KIND_ARG, KIND_REST };

struct segment {
    enum kind kind;
    const char *text; /* in the pattern; an argument's name for KIND_ARG and KIND_REST */
    size_t len;
};

struct pattern {
    const char *text;
    struct segment segments[ROUTER_SEGMENTS_MAX];
    unsigned n_segments, n_args;
};

/* A route at its node. */
struct leaf {
    void *route;
    const char *names[ROUTER_ARGS_MAX]; /* in pattern */
    char pattern[];                     /* a copy, with a NUL behind each name */
};

/* The routes of one path, by method. */
struct leaves {
    struct leaf *by_method[ROUTER_METHODS];
};

struct router_node {
    struct leaves here, rest;   /* of paths that end with this segment; of those that go on with "*" */
    struct router_node *arg;    /* the child that takes any segment */
    struct router_node **texts; /* the others, in the order of compare() */
    size_t n_texts;
    char text[]; /* of this segment */
};

static const char *parse(struct pattern *pattern, const char *text);
static const char *parse_segment(struct pattern *pattern, const char *text, size_t len, bool is_last);
static const char *parse_name(struct pattern *pattern, enum kind kind, const char *name, size_t len);
static const char *check_text(const char *text, size_t len);
static const char *push(struct pattern *pattern, enum kind kind, const char *text, size_t len);
static int insert(struct router *router, enum hoist_method method, const struct pattern *pattern, void *route);
static struct router_node *child_of(struct router_node *node, const struct segment *segment);
static struct router_node *node_new(const char *text, size_t len);
static void node_free(struct router_node *node);
static void leaves_free(struct leaves *leaves);
static struct leaf *leaf_new(const struct pattern *pattern, void *route);
static bool find_below(const struct router_node *node, enum hoist_method method, const char *path, unsigned n_args,
                       struct router_match *match);
static bool take(const struct leaves *leaves, enum hoist_method method, unsigned n_args, struct router_match *match);
static struct router_node *text_child(const struct router_node *node, const char *raw, size_t len, size_t *ret_place);
static int compare(const char *raw, size_t len, const char *text);

void router_close(struct router *router)
{
    if (router->root != NULL)
        node_free(router->root);
    router->root = NULL;
}

int router_add(struct router *router, enum hoist_method method, const char *pattern, void *route, char *error,
               size_t error_size)
{
    struct pattern parsed;
    const char *why = parse(&parsed, pattern);
    int err = -EINVAL;

    assert(route != NULL);
    if (why == NULL && method == HOIST_HEAD)
        why = "HEAD is answered by the route of GET";
    if (why == NULL && (unsigned)method >= ROUTER_METHODS)
        why = "not a method for routes";
    if (why == NULL) {
        err = insert(router, method, &parsed, route);
        why = err == -EEXIST ? "another route has this method and path" : "out of memory";
    }
    if (err < 0)
        (void)snprintf(error, error_size, "path '%.*s%s': %s", ROUTER_PATTERN_MAX, pattern,
                       strlen(pattern) > ROUTER_PATTERN_MAX ? "..." : "", why);
    return err;
}

bool router_find(const struct router *router, enum hoist_method method, const char *path,
                 struct router_match *ret_match)
{
    enum hoist_method served_as = method == HOIST_HEAD ? HOIST_GET : method;

    assert(path[0] == '/');

    ret_match->route = NULL;
    ret_match->methods = 0;
    ret_match->n_args = 0;
    return router->root != NULL && find_below(router->root, served_as, path + 1, 0, ret_match);
}

void router_rebase(struct router_match *match, const char *from, const char *to)
{
    for (unsigned i = 0; i < match->n_args; i++)
        match->args[i].value = to + (match->args[i].value - from);
}

const char *router_method_name(enum hoist_method method)
{
    static const char *const names[ROUTER_METHODS] = {
        [HOIST_GET] = "GET",     [HOIST_HEAD] = "HEAD",     [HOIST_POST] = "POST",       [HOIST_PUT] = "PUT",
        [HOIST_PATCH] = "PATCH", [HOIST_DELETE] = "DELETE", [HOIST_OPTIONS] = "OPTIONS",
    };

    return (unsigned)method < ROUTER_METHODS ? names[method] : NULL;
}

void router_allow(unsigned methods, char ret_text[ROUTER_ALLOW_SIZE])
{
    size_t len = 0;

    methods |= 1u << HOIST_OPTIONS;
    if (methods & 1u << HOIST_GET)
        methods |= 1u << HOIST_HEAD;
    for (unsigned i = 0; i < ROUTER_METHODS; i++)
        if (methods & 1u << i)
            len += (size_t)snprintf(ret_text + len, ROUTER_ALLOW_SIZE - len, "%s%s", len > 0 ? ", " : "",
                                    router_method_name((enum hoist_method)i));
}

/* ---- patterns: each returns NULL, or what is wrong ---- */

static const char *parse(struct pattern *pattern, const char *text)
{
    const char *why = NULL;

    *pattern = (struct pattern){.text = text};
    if (text[0] != '/')
        return "it must begin with '/'";
    if (strlen(text) > ROUTER_PATTERN_MAX)
        return "longer than 400 bytes";
    do {
        size_t len = strcspn(++text, "/");

        why = parse_segment(pattern, text, len, text[len] == '\0');
        text += len;
    } while (why == NULL && *text == '/');
    return why;
}

static const char *parse_segment(struct pattern *pattern, const char *text, size_t len, bool is_last)
{
    const char *why = check_text(text, len);

    if (why != NULL)
        return why;
    if (len == 0 && !is_last)
        return "two '/' in a row";
    if (memchr(text, '*', len) != NULL && (len > 1 || !is_last))
        return "'*' must be the whole last segment";
    if (len > 0 && text[0] == '*')
        return parse_name(pattern, KIND_REST, text, len);
    if (len > 0 && text[0] == ':')
        return parse_name(pattern, KIND_ARG, text + 1, len - 1);
    return push(pattern, KIND_TEXT, text, len);
}

static const char *parse_name(struct pattern *pattern, enum kind kind, const char *name, size_t len)
{
    if (len == 0)
        return "':' needs a name";
    if (pattern->n_args == ROUTER_ARGS_MAX)
        return "more than 16 arguments";
    for (unsigned i = 0; i < pattern->n_segments; i++) {
        const struct segment *other = &pattern->segments[i];

        if (other->kind == KIND_ARG && other->len == len && memcmp(other->text, name, len) == 0)
            return "an argument's name comes twice";
    }
    pattern->n_args++;
    return push(pattern, kind, name, len);
}

/* The characters of RFC 3986, section 3.3, but '%'; characters of UTF-8 stand for their escapes. Other bytes would be
 * in what tells of routes: Prometheus refuses all of /metrics for one of them. "." and ".." are refused before a path
 * is looked up. */
static const char *check_text(const char *text, size_t len)
{
    if ((len == 1 || len == 2) && memcmp(text, "..", len) == 0)
        return "'.' and '..' as a segment never match";
    for (size_t i = 0, n; i < len; i += n) {
        n = utf8_len(text + i, len - i);
        if (n == 0)
            return "it is not UTF-8";
        if (text[i] == ' ' || utf8_is_control(text + i) || strchr("\"#%<>?[\\]^`{|}", text[i]) != NULL)
            return "a character that is not for paths (they are written decoded, arguments as :name)";
    }
    return NULL;
}

static const char *push(struct pattern *pattern, enum kind kind, const char *text, size_t len)
{
    if (pattern->n_segments == ROUTER_SEGMENTS_MAX)
        return "more than 32 segments";
    pattern->segments[pattern->n_segments++] = (struct segment){kind, text, len};
    return NULL;
}

/* ---- the trie ---- */

static int insert(struct router *router, enum hoist_method method, const struct pattern *pattern, void *route)
{
    struct router_node *node;
    struct leaf **leaf;
    unsigned i;

    if (router->root == NULL)
        router->root = node_new("", 0);
    node = router->root;
    for (i = 0; node != NULL && i < pattern->n_segments && pattern->segments[i].kind != KIND_REST; i++)
        node = child_of(node, &pattern->segments[i]);
    if (node == NULL)
        return -ENOMEM;
    leaf = i < pattern->n_segments ? &node->rest.by_method[method] : &node->here.by_method[method];
    if (*leaf != NULL)
        return -EEXIST;
    *leaf = leaf_new(pattern, route);
    return *leaf != NULL ? 0 : -ENOMEM;
}

/* The child for a segment, made when it is missing. NULL: no memory. */
static struct router_node *child_of(struct router_node *node, const struct segment *segment)
{
    struct router_node *child, **texts;
    size_t place;

    if (segment->kind == KIND_ARG) {
        if (node->arg == NULL)
            node->arg = node_new("", 0);
        return node->arg;
    }
    child = text_child(node, segment->text, segment->len, &place);
    if (child != NULL)
        return child;
    texts = realloc(node->texts, (node->n_texts + 1) * sizeof(struct router_node *));
    if (texts == NULL)
        return NULL;
    node->texts = texts;
    child = node_new(segment->text, segment->len);
    if (child == NULL)
        return NULL;
    memmove(texts + place + 1, texts + place, (node->n_texts - place) * sizeof(struct router_node *));
    texts[place] = child;
    node->n_texts++;
    return child;
}

static struct router_node *node_new(const char *text, size_t len)
{
    struct router_node *node = calloc(1, sizeof(*node) + len + 1);

    if (node != NULL)
        memcpy(node->text, text, len);
    return node;
}

/* Recursion is bounded by ROUTER_SEGMENTS_MAX, here and in find_below(). */
static void node_free(struct router_node *node)
{
    for (size_t i = 0; i < node->n_texts; i++)
        node_free(node->texts[i]);
    if (node->arg != NULL)
        node_free(node->arg);
    leaves_free(&node->here);
    leaves_free(&node->rest);
    free(node->texts);
    free(node);
}

static void leaves_free(struct leaves *leaves)
{
    for (unsigned i = 0; i < ROUTER_METHODS; i++)
        free(leaves->by_method[i]);
}

static struct leaf *leaf_new(const struct pattern *pattern, void *route)
{
    size_t size = strlen(pattern->text) + 1;
    struct leaf *leaf = malloc(sizeof(*leaf) + size);
    unsigned n = 0;

    if (leaf == NULL)
        return NULL;
    leaf->route = route;
    memcpy(leaf->pattern, pattern->text, size);
    for (unsigned i = 0; i < pattern->n_segments; i++) {
        const struct segment *segment = &pattern->segments[i];
        char *name = leaf->pattern + (segment->text - pattern->text);

        if (segment->kind == KIND_TEXT)
            continue;
        name[segment->len] = '\0';
        leaf->names[n++] = name;
    }
    return leaf;
}

/* path is what is behind the '/' that follows node's segment; NULL: that segment was the last. */
static bool find_below(const struct router_node *node, enum hoist_method method, const char *path, unsigned n_args,
                       struct router_match *match)
{
    const struct router_node *child;
    const char *next;
    size_t len = 0;

    if (path == NULL)
        return take(&node->here, method, n_args, match);
    while (path[len] != '/' && path[len] != '\0')
        len++;
    next = path[len] == '/' ? path + len + 1 : NULL;
    child = text_child(node, path, len, NULL);
    if (child != NULL && find_below(child, method, next, n_args, match))
        return true;
    if (node->arg != NULL && len > 0) {
        match->args[n_args] = (struct router_arg){.value = path, .len = len};
        if (find_below(node->arg, method, next, n_args + 1, match))
            return true;
    }
    if (!take(&node->rest, method, n_args + 1, match))
        return false;
    match->args[n_args].value = path;
    match->args[n_args].len = strlen(path);
    return true;
}

/* Ends a find with the route of that method, or notes which methods there are. */
static bool take(const struct leaves *leaves, enum hoist_method method, unsigned n_args, struct router_match *match)
{
    const struct leaf *leaf = (unsigned)method < ROUTER_METHODS ? leaves->by_method[method] : NULL;

    if (leaf == NULL) {
        for (unsigned i = 0; i < ROUTER_METHODS; i++)
            if (leaves->by_method[i] != NULL)
                match->methods |= 1u << i;
        return false;
    }
    match->route = leaf->route;
    match->n_args = n_args;
    for (unsigned i = 0; i < n_args; i++)
        match->args[i].name = leaf->names[i];
    return true;
}

/* The child with that text, by halving; when there is none, *ret_place is where it belongs. ret_place may be NULL. */
static struct router_node *text_child(const struct router_node *node, const char *raw, size_t len, size_t *ret_place)
{
    size_t low = 0, high = node->n_texts;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare(raw, len, node->texts[middle]->text);

        if (order == 0)
            return node->texts[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    if (ret_place != NULL)
        *ret_place = low;
    return NULL;
}

/* raw[0 .. len), decoded on the fly, against text, which has no '%': as strcmp(). */
static int compare(const char *raw, size_t len, const char *text)
{
    for (size_t at = 0; at < len; text++) {
        int have = (unsigned char)raw[at], want = (unsigned char)*text;

        if (have == '%')
            have = target_next(raw, len, &at, TARGET_PATH);
        else
            at++;
        if (have != want)
            return have < want ? -1 : 1;
    }
    return *text == '\0' ? 0 : -1;
}
