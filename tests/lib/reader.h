/* Answers as a strict client reads them while they come; what no client should see is an assert.
 *
 * Happy path: bytes are put behind reader->bytes, reader_take_all() takes out what is whole, so a client that reads
 * on has room again. Failures: none. Close: nothing is held. For fuzz targets, so without Criterion.
 */
#ifndef TESTS_LIB_READER_H
#define TESTS_LIB_READER_H

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { READER_BYTES = 256 * 1024, READER_LINE_MAX = 10 * 1024, READER_PATTERN = 23 };

#define READER_NUMBER "X-Number"           /* a field whose values only grow */
#define READER_STREAM_TYPE "text/stream"   /* of a body without a length: in chunks, or up to the connection's end */
#define READER_PATTERN_TYPE "text/pattern" /* of a body as reader_fill_pattern() makes it */

struct reader {
    unsigned n_of_head;  /* letters of HEAD that were sent last */
    bool has_asked_head; /* there was a request for HEAD: an answer may lack the body that it announces */
    bool is_over;        /* the last one said Connection: close */
    unsigned n_final;    /* whole ones; those of 1xx are not counted */
    unsigned long long number;
    size_t len;
    char bytes[READER_BYTES]; /* what is not a whole answer yet; the last member */
};

/* One answer's. */
struct reader_head {
    int status;
    unsigned n_dates, n_lengths;
    size_t len, body_len;
    unsigned long long number; /* 0: it has none */
    bool is_last, is_pattern, is_stream, is_chunked;
};

static inline void reader_fill_pattern(char *body, size_t len)
{
    for (size_t i = 0; i < len; i++)
        body[i] = (char)('a' + i % READER_PATTERN);
}

/* At least one period long: it begins as it should, and each byte is the one a period before it. */
static inline bool reader_is_pattern(const char *body, size_t len)
{
    char begin[READER_PATTERN];

    reader_fill_pattern(begin, sizeof(begin));
    return len == 0 ||
           (memcmp(body, begin, sizeof(begin)) == 0 && memcmp(body + sizeof(begin), body, len - sizeof(begin)) == 0);
}

/* The value in a line "name: value"; NULL: it is another field. */
static inline const char *reader_value(const char *line, const char *name)
{
    size_t len = strlen(name);

    return strncasecmp(line, name, len) == 0 && strncmp(line + len, ": ", 2) == 0 ? line + len + 2 : NULL;
}

static inline void reader_read_field(struct reader_head *head, const char *line)
{
    const char *value;

    assert(line[0] != ':' && strchr(line, ':') != NULL);
    if (reader_value(line, "Date") != NULL) {
        head->n_dates++;
    } else if ((value = reader_value(line, "Content-Length")) != NULL) {
        head->n_lengths++;
        head->body_len = strtoul(value, NULL, 10);
    } else if ((value = reader_value(line, "Connection")) != NULL) {
        head->is_last = strcmp(value, "close") == 0;
    } else if ((value = reader_value(line, "Content-Type")) != NULL) {
        head->is_pattern = strcmp(value, READER_PATTERN_TYPE) == 0;
        head->is_stream = strcmp(value, READER_STREAM_TYPE) == 0;
    } else if ((value = reader_value(line, "Transfer-Encoding")) != NULL) {
        head->is_chunked = strcmp(value, "chunked") == 0;
    } else if ((value = reader_value(line, READER_NUMBER)) != NULL) {
        head->number = strtoull(value, NULL, 10);
    }
}

static inline void reader_check_head(const struct reader_head *head)
{
    assert(head->status >= 100 && head->status <= 599);
    assert(head->n_dates == (head->status >= 200));
    assert(head->n_lengths == (head->status >= 200 && head->status != 204 && !head->is_stream));
    assert(!head->is_chunked || head->is_stream);
    assert(!head->is_stream || head->is_chunked || head->is_last);
}

/* Reads the head at the begin of bytes[0 .. len). False: it is not whole. */
static inline bool reader_read_head(struct reader_head *head, const char *bytes, size_t len)
{
    char line[READER_LINE_MAX];
    const char *at = bytes, *end;

    *head = (struct reader_head){0};
    if (len == 0 || memmem(bytes, len, "\r\n\r\n", 4) == NULL)
        return false;
    for (; (end = memmem(at, len - (size_t)(at - bytes), "\r\n", 2)) != at; at = end + 2) {
        assert((size_t)(end - at) < sizeof(line));
        memcpy(line, at, (size_t)(end - at));
        line[end - at] = '\0';
        assert(strlen(line) == (size_t)(end - at) && strpbrk(line, "\r\n") == NULL);
        if (at != bytes)
            reader_read_field(head, line);
        else if (sscanf(line, "HTTP/1.1 %3d ", &head->status) != 1)
            abort(); /* not a status line */
    }
    head->len = (size_t)(at + 2 - bytes);
    reader_check_head(head);
    return true;
}

/* How long the chunks at the begin of bytes[0 .. len) are, the last one included; 0: it is not there yet. */
static inline size_t reader_chunks(const char *bytes, size_t len)
{
    const char *end;
    size_t at = 0, size = 1, begin;

    while (size > 0) {
        end = at < len ? memmem(bytes + at, len - at, "\r\n", 2) : NULL;
        if (end == NULL)
            return 0;
        size = strtoul(bytes + at, NULL, 16);
        begin = (size_t)(end + 2 - bytes);
        if (len - begin < size + 2)
            return 0;
        assert(memcmp(bytes + begin + size, "\r\n", 2) == 0);
        at = begin + size + 2;
    }
    return at;
}

/* To be told of all that is sent, before it is answered: a HEAD may come in pieces. */
static inline void reader_note_sent(struct reader *reader, const char *bytes, size_t len)
{
    static const char head[] = "HEAD"; /* no letter is there twice */

    for (size_t i = 0; i < len; i++) {
        reader->n_of_head = bytes[i] == head[reader->n_of_head] ? reader->n_of_head + 1 : bytes[i] == head[0];
        reader->has_asked_head |= reader->n_of_head == 4;
        reader->n_of_head %= 4;
    }
}

/* Takes the answer at the begin of bytes[0 .. len): its length, 0 when it is not whole. No body of a test begins with
 * an H, so one that does is the next answer, behind one for HEAD. */
static inline size_t reader_take(struct reader *reader, const char *bytes, size_t len)
{
    struct reader_head head;
    const char *body;

    if (!reader_read_head(&head, bytes, len))
        return 0;
    body = bytes + head.len;
    if (reader->has_asked_head && len > head.len && body[0] == 'H')
        head.body_len = 0;
    else if (head.is_stream && (head.body_len = head.is_chunked ? reader_chunks(body, len - head.len) : 0) == 0)
        return 0;
    if (len - head.len < head.body_len)
        return 0;
    assert(!head.is_pattern || reader_is_pattern(body, head.body_len));
    assert(!reader->is_over);
    if (head.status >= 200) {
        reader->n_final++;
        reader->is_over = head.is_last;
    }
    if (head.number != 0) {
        assert(head.number > reader->number); /* in order, and none twice */
        reader->number = head.number;
    }
    return head.len + head.body_len;
}

static inline void reader_take_all(struct reader *reader)
{
    size_t at = 0, n;

    while ((n = reader_take(reader, reader->bytes + at, reader->len - at)) > 0)
        at += n;
    reader->len -= at;
    if (at > 0)
        memmove(reader->bytes, reader->bytes + at, reader->len);
}

/* Nothing more will come: the last answer was not cut. */
static inline void reader_check_end(const struct reader *reader)
{
    struct reader_head head;

    if (reader->len == 0)
        return;
    assert(reader->has_asked_head);
    if (!reader_read_head(&head, reader->bytes, reader->len))
        abort();
    assert(head.len == reader->len);
}

#endif
