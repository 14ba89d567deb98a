#include "answer.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool take(const char *bytes, size_t len, struct answer *ret_answer);

bool answer_find(const char *bytes, size_t len, unsigned n, struct answer *ret_answer)
{
    size_t at = 0;

    for (unsigned i = 0; i <= n; i++) {
        if (!take(bytes + at, len - at, ret_answer))
            return false;
        at += ret_answer->end;
    }
    ret_answer->end = at;
    return true;
}

unsigned answer_count(const char *bytes, size_t len)
{
    struct answer answer;
    unsigned n = 0;

    for (size_t at = 0; take(bytes + at, len - at, &answer); at += answer.end)
        n++;
    return n;
}

const char *answer_field(const struct answer *answer, const char *name, char *value, size_t size)
{
    const char *end = answer->head + answer->head_len, *line = answer->head, *next;
    size_t name_len = strlen(name), len;

    for (; (next = memmem(line, (size_t)(end - line), "\r\n", 2)) != NULL; line = next + 2) {
        len = (size_t)(next - line);
        if (len < name_len + 2 || strncasecmp(line, name, name_len) != 0 || line[name_len] != ':')
            continue;
        len -= name_len + 2;
        cr_assert_lt(len, size);
        memcpy(value, line + name_len + 2, len);
        value[len] = '\0';
        return value;
    }
    return NULL;
}

bool answer_body_is(const struct answer *answer, const char *text)
{
    return answer->body_len == strlen(text) && memcmp(answer->body, text, answer->body_len) == 0;
}

bool answer_says(const struct answer *answer, const char *text)
{
    return memmem(answer->body, answer->body_len, text, strlen(text)) != NULL;
}

/* The first answer of bytes; its end is from there. */
static bool take(const char *bytes, size_t len, struct answer *answer)
{
    const char *head_end = len > 0 ? memmem(bytes, len, "\r\n\r\n", 4) : NULL;
    char value[32];

    if (head_end == NULL)
        return false;
    cr_assert_eq(memcmp(bytes, "HTTP/1.1 ", 9), 0, "no answer begins here: %.40s", bytes);
    answer->head = bytes;
    answer->head_len = (size_t)(head_end + 2 - bytes);
    answer->status = atoi(bytes + 9);
    answer->body = head_end + 4;
    answer->body_len = 0;
    if (answer_field(answer, "Content-Length", value, sizeof(value)) != NULL)
        answer->body_len = (size_t)atol(value);
    answer->end = answer->head_len + 2 + answer->body_len;
    return answer->end <= len;
}
