/* Characters of text that others wrote. Failures: none. Close: nothing is held. */
#include "utf8.h"

size_t utf8_len(const char *text, size_t len)
{
    const unsigned char *bytes = (const unsigned char *)text;
    unsigned char c = bytes[0];
    size_t need = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;

    if (need == 0 || need > len)
        return 0;
    for (size_t i = 1; i < need; i++)
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
    if ((c == 0xe0 && bytes[1] < 0xa0) || (c == 0xed && bytes[1] > 0x9f) || /* overlong, surrogates */
        (c == 0xf0 && bytes[1] < 0x90) || (c == 0xf4 && bytes[1] > 0x8f))
        return 0;
    return need;
}

bool utf8_is_control(const char *text)
{
    unsigned char c = (unsigned char)text[0];

    return c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)text[1] < 0xa0);
}
