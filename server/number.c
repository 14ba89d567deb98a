/* Numbers and sizes as text: strict to read, short to write. Nothing is allocated. Failures: false. Close: nothing is
 * held. */
#include "number.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool number_parse(const char *text, bool is_size, uint64_t *ret_number)
{
    static const char suffixes[] = "KMG";
    const char *p, *suffix;
    uint64_t number = 0;
    unsigned shift = 0;

    for (p = text; *p >= '0' && *p <= '9'; p++) {
        if (number > (UINT64_MAX - 9) / 10)
            return false;
        number = number * 10 + (uint64_t)(*p - '0');
    }
    if (p == text)
        return false;
    suffix = is_size && *p != '\0' ? strchr(suffixes, toupper((unsigned char)*p)) : NULL;
    if (suffix != NULL) {
        shift = 10 * (unsigned)(suffix - suffixes + 1);
        p++;
    }
    if (*p != '\0' || number > UINT64_MAX >> shift)
        return false;
    *ret_number = number << shift;
    return true;
}

const char *number_text(uint64_t number, bool is_size, char buffer[NUMBER_TEXT])
{
    static const char suffixes[] = "\0KMG";
    unsigned i = 0;

    for (; is_size && number > 0 && number % 1024 == 0 && i < 3; i++)
        number /= 1024;
    (void)snprintf(buffer, NUMBER_TEXT, "%" PRIu64 "%.1s", number, suffixes + i);
    return buffer;
}
