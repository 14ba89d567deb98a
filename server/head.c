/* The rules of a head: see head.h.
 *
 * Happy path: method, target, one pass over the fields, then what they mean together.
 * Failures: refuse() keeps the first one.
 * Close: nothing is owned.
 */
#include "head.h"

#include "bytes.h"
#include "target.h"

#include <string.h>

struct reading {
    struct message *message;
    char *head; /* message->head, writable */
    char *target;
    size_t target_len;
    bool is_connect;
    const struct field *host, *length, *coding; /* Content-Length, Transfer-Encoding */
    bool has_close, has_keep_alive, has_continue;
    struct head_refusal refusal;
};

static bool read_target(struct reading *reading);
static bool read_authority_form(struct reading *reading);
static const char *short_path(struct reading *reading, char c);
static bool read_fields(struct reading *reading);
static bool check_field(struct reading *reading, const struct field *field);
static bool on_host(struct reading *reading, const struct field *field);
static bool on_content_length(struct reading *reading, const struct field *field);
static bool on_transfer_encoding(struct reading *reading, const struct field *field);
static bool on_connection(struct reading *reading, const struct field *field);
static bool on_expect(struct reading *reading, const struct field *field);
static bool read_framing(struct reading *reading);
static bool read_content_length(struct reading *reading);
static bool read_coding(struct reading *reading);
static bool next_element(const char **list, const char **ret_element, size_t *ret_len);
__attribute__((cold)) static bool refuse(struct reading *reading, int status, const char *reason);

/* TRACE and CONNECT are known to the server only as what it refuses (405); any other token is 501 (RFC 9110,
 * section 9.1). */
bool head_read_method(struct message *message, size_t len, struct head_refusal *ret_refusal)
{
#define NAMED(name) (name), sizeof(name) - 1
    static const struct {
        const char *name;
        size_t len;
        enum hoist_method method;
        bool is_known;
    } methods[] = {
        {NAMED("GET"), HOIST_GET, true},         {NAMED("HEAD"), HOIST_HEAD, true},
        {NAMED("POST"), HOIST_POST, true},       {NAMED("PUT"), HOIST_PUT, true},
        {NAMED("PATCH"), HOIST_PATCH, true},     {NAMED("DELETE"), HOIST_DELETE, true},
        {NAMED("OPTIONS"), HOIST_OPTIONS, true}, {NAMED("TRACE"), HOIST_GET, false},
        {NAMED("CONNECT"), HOIST_GET, false},
    };
#undef NAMED

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        /* Methods are case-sensitive. */
        if (methods[i].len == len && memcmp(message->head, methods[i].name, len) == 0) {
            message->method = methods[i].method;
            message->method_is_known = methods[i].is_known;
            return true;
        }
    }
    *ret_refusal = (struct head_refusal){501, "an unknown method"};
    return false;
}

bool head_read(struct message *message, char *head, size_t method_len, size_t target_len,
               struct head_refusal *ret_refusal)
{
    static const char connect[] = "CONNECT";
    struct reading reading = {
        .message = message,
        .head = head,
        .target = head + method_len + 1,
        .target_len = target_len,
        .is_connect = method_len == sizeof(connect) - 1 && memcmp(head, connect, method_len) == 0,
    };

    if (read_target(&reading) && read_fields(&reading) && read_framing(&reading))
        return true;
    *ret_refusal = reading.refusal;
    return false;
}

bool head_owns_field(const char *name, size_t len)
{
    static const char *const owned[] = {"content-length", "transfer-encoding", "host", "connection"};

    for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
        if (bytes_are_word(name, len, owned[i]))
            return true;
    return false;
}

/* Writes NULs behind the target and over its first '?'. */
static bool read_target(struct reading *reading)
{
    struct message *message = reading->message;
    char *target = reading->target;
    char *end = target + reading->target_len;
    size_t path_at = 0;
    char *query;

    *end = '\0';
    message->target = target;
    if (target[0] == '/' && bytes_skip(target, end, BYTE_PLAIN) == end && !reading->is_connect) {
        message->path = target;
        message->query = end;
        return true;
    }
    query = memchr(target, '?', reading->target_len);
    message->query = query != NULL ? query + 1 : end;
    if (reading->is_connect)
        return read_authority_form(reading);
    if (strcmp(target, "*") == 0 && message->method == HOIST_OPTIONS) {
        message->path = target;
        return true;
    }
    if (target[0] != '/' && target_skip_authority(target, reading->target_len, &path_at) < 0)
        return refuse(reading, 400, "the target is neither a path nor an http URL with a valid host");
    if (target_check(message->query, (size_t)(end - message->query), TARGET_QUERY) < 0)
        return refuse(reading, 400, "a bad %-escape in the query");
    if (query != NULL)
        *query = '\0';
    message->path = target + path_at;
    /* "http://host" is its path "/"; for OPTIONS it is the server as a whole (RFC 9112, section 3.2.4). */
    if (message->path[0] == '\0')
        message->path = short_path(reading, message->method == HOIST_OPTIONS && query == NULL ? '*' : '/');
    if (target_check(message->path, strlen(message->path), TARGET_PATH) < 0)
        return refuse(reading, 400, "a bad %-escape, '.' or '..' in the path");
    return true;
}

/* CONNECT host:port, the port given (RFC 9110, section 9.3.6). It has no path: "*", which no route has, stands in. */
static bool read_authority_form(struct reading *reading)
{
    struct message *message = reading->message;
    size_t len = reading->target_len;

    if (!target_is_authority(message->target, len) || strrchr(message->target, ':') == NULL ||
        strchr("]:", message->target[len - 1]) != NULL)
        return refuse(reading, 400, "the target of CONNECT is not host:port");
    message->path = short_path(reading, '*');
    return true;
}

/* A path that the target has not. There is no room for it behind the target, but in front: the method was read. */
static const char *short_path(struct reading *reading, char c)
{
    reading->head[0] = c;
    reading->head[1] = '\0';
    return reading->head;
}

/* Ends the strings, and checks each field that means something here. */
static bool read_fields(struct reading *reading)
{
    const struct message *message = reading->message;
    char *head = reading->head;

    for (unsigned i = 0; i < message->n_fields; i++) {
        const struct field *field = &message->fields[i];

        head[(size_t)(field->name - head) + field->name_len] = '\0';
        head[(size_t)(field->value - head) + field->value_len] = '\0';
        if (!check_field(reading, field))
            return false;
    }
    return true;
}

/* No two of these names are of one length, so the length tells most fields apart. */
static bool check_field(struct reading *reading, const struct field *field)
{
#define RULE(word, check)                                                                                              \
    case sizeof(word) - 1:                                                                                             \
        return !bytes_are_word(field->name, sizeof(word) - 1, word) || check(reading, field)

    switch (field->name_len) {
        RULE("host", on_host);
        RULE("expect", on_expect);
        RULE("connection", on_connection);
        RULE("content-length", on_content_length);
        RULE("transfer-encoding", on_transfer_encoding);
    default:
        return true;
    }
#undef RULE
}

/* Exactly one in HTTP/1.1, at most one in HTTP/1.0 (RFC 9112, section 3.2). */
static bool on_host(struct reading *reading, const struct field *field)
{
    if (reading->host != NULL)
        return refuse(reading, 400, "more than one Host");
    if (!target_is_authority(field->value, field->value_len))
        return refuse(reading, 400, "Host is not a valid host");
    reading->host = field;
    return true;
}

static bool on_content_length(struct reading *reading, const struct field *field)
{
    if (reading->length != NULL)
        return refuse(reading, 400, "more than one Content-Length");
    reading->length = field;
    return true;
}

static bool on_transfer_encoding(struct reading *reading, const struct field *field)
{
    if (reading->coding != NULL)
        return refuse(reading, 400, "more than one Transfer-Encoding");
    reading->coding = field;
    return true;
}

static bool on_connection(struct reading *reading, const struct field *field)
{
    const char *list = field->value;
    const char *option;
    size_t len;

    while (next_element(&list, &option, &len)) {
        if (bytes_are_word(option, len, "close"))
            reading->has_close = true;
        else if (bytes_are_word(option, len, "keep-alive"))
            reading->has_keep_alive = true;
    }
    return true;
}

static bool on_expect(struct reading *reading, const struct field *field)
{
    const char *list = field->value;
    const char *expectation;
    size_t len;

    while (next_element(&list, &expectation, &len)) {
        if (!bytes_are_word(expectation, len, "100-continue"))
            return refuse(reading, 417, "an unknown Expect");
        reading->has_continue = true;
    }
    return true;
}

/* What the fields mean together: where the body ends, and whether another request may follow. */
static bool read_framing(struct reading *reading)
{
    struct message *message = reading->message;
    bool is_old = message->minor == 0;

    message->chunked = false;
    message->content_length = 0;
    if (reading->host == NULL && !is_old)
        return refuse(reading, 400, "no Host");
    /* Who disagrees with us about these sees another request where we see a body (RFC 9112, sections 6.1 and 6.3). */
    if (reading->coding != NULL && reading->length != NULL)
        return refuse(reading, 400, "Content-Length together with Transfer-Encoding");
    if (reading->coding != NULL && is_old)
        return refuse(reading, 400, "Transfer-Encoding in HTTP/1.0");
    if (reading->coding != NULL && !read_coding(reading))
        return false;
    if (reading->length != NULL && !read_content_length(reading))
        return false;
    if (reading->is_connect) { /* what follows is not HTTP, and nobody will read it */
        message->chunked = false;
        message->content_length = 0;
    }
    message->keep_alive = !reading->has_close && (!is_old || reading->has_keep_alive) && !reading->is_connect;
    message->expects_continue = reading->has_continue && !is_old && (message->chunked || message->content_length > 0);
    return true;
}

/* 1*DIGIT (RFC 9110, section 8.6). */
static bool read_content_length(struct reading *reading)
{
    const struct field *length = reading->length;
    uint64_t value = 0;

    if (length->value_len == 0)
        return refuse(reading, 400, "Content-Length is empty");
    for (const char *p = length->value; *p != '\0'; p++) {
        unsigned digit = (unsigned)(*p - '0');

        if (digit > 9)
            return refuse(reading, 400, "Content-Length is not a number");
        if (value > (UINT64_MAX - digit) / 10)
            return refuse(reading, 400, "Content-Length is too large for a number");
        value = value * 10 + digit;
    }
    reading->message->content_length = value;
    return true;
}

/* "chunked", in any case, and nothing else. With other codings before it, it is one that we do not have: 501; without
 * it at the end nobody knows where the body ends: 400 (RFC 9112, sections 6.1 and 6.3). */
static bool read_coding(struct reading *reading)
{
    const struct field *coding = reading->coding;
    const char *list = coding->value;
    const char *name = NULL;
    size_t len = 0;
    unsigned n = 0, n_chunked = 0;

    for (; next_element(&list, &name, &len); n++)
        n_chunked += bytes_are_word(name, len, "chunked");
    if (n > 1 && n_chunked == 1 && bytes_are_word(name, len, "chunked"))
        return refuse(reading, 501, "a Transfer-Encoding other than chunked");
    if (!bytes_are_word(coding->value, coding->value_len, "chunked"))
        return refuse(reading, 400, "Transfer-Encoding is not chunked");
    reading->message->chunked = true;
    return true;
}

/* The next element of a comma-separated list; empty ones are passed over (RFC 9110, section 5.6.1.2). */
static bool next_element(const char **list, const char **ret_element, size_t *ret_len)
{
    const char *element = *list + strspn(*list, ", \t");
    size_t len = strcspn(element, ",");

    *list = element + len;
    while (len > 0 && (element[len - 1] == ' ' || element[len - 1] == '\t'))
        len--;
    if (len == 0)
        return false;
    *ret_element = element;
    *ret_len = len;
    return true;
}

/* Always false, for the caller to return. */
static bool refuse(struct reading *reading, int status, const char *reason)
{
    reading->refusal = (struct head_refusal){status, reason};
    return false;
}
