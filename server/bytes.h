/* What a byte may be part of: one table for everything that is made of some bytes and not of others. */
#ifndef SERVER_BYTES_H
#define SERVER_BYTES_H

#include <stdbool.h>
#include <stddef.h>

/* Or'ed together they mean any of them. */
enum byte_class {
    BYTE_TOKEN = 1,  /* of tokens: RFC 9110, section 5.6.2 */
    BYTE_TEXT = 2,   /* of field values: HTAB, SP, VCHAR, obs-text: RFC 9110, section 5.5 */
    BYTE_TARGET = 4, /* of targets: 0x21 to 0x7e, but never '#' (a fragment stays at the client) */
    BYTE_HEX = 8,
    BYTE_HOST = 16,  /* of a reg-name, not escaped: unreserved and sub-delims: RFC 3986, section 3.2.2 */
    BYTE_PLAIN = 32, /* of targets, and means nothing there but itself: not '?', '%' or '.' */
};

extern const unsigned char byte_classes[256];

static inline bool byte_is(char c, unsigned classes)
{
    return (byte_classes[(unsigned char)c] & classes) != 0;
}

/* The first byte from p on that is not of these classes, or end. Four at a time while they have a class in common. */
static inline const char *bytes_skip(const char *p, const char *end, unsigned classes)
{
    const unsigned char *q = (const unsigned char *)p;

    for (; end - p >= 4; p += 4, q += 4)
        if ((byte_classes[q[0]] & byte_classes[q[1]] & byte_classes[q[2]] & byte_classes[q[3]] & classes) == 0)
            break;
    while (p < end && byte_is(*p, classes))
        p++;
    return p;
}

static inline char byte_lower(char c)
{
    if (c >= 'A' && c <= 'Z')
        c = (char)(c + 'a' - 'A');
    return c;
}

/* Are a[0 .. len) and b[0 .. len) the same but for their case? They are read as far as they are. Not strncasecmp():
 * that one asks the locale, and in a Turkish one 'I' is not 'i'. */
static inline bool bytes_equal_in_any_case(const char *a, const char *b, size_t len)
{
    size_t i = 0;

    while (i < len && byte_lower(a[i]) == byte_lower(b[i]))
        i++;
    return i == len;
}

/* Is text[0 .. len) this word, in any case? The word is in lower case. */
static inline bool bytes_are_word(const char *text, size_t len, const char *word)
{
    size_t i;

    for (i = 0; i < len && word[i] != '\0'; i++)
        if (byte_lower(text[i]) != word[i])
            return false;
    return i == len && word[i] == '\0';
}

#endif
