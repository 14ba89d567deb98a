/* Characters of text that others wrote. Async-signal-safe. */
#ifndef SERVER_UTF8_H
#define SERVER_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* The length of the UTF-8 character at text, which has len bytes, 1 at least; 0: there is none that is valid (RFC 3629,
 * section 4). */
size_t utf8_len(const char *text, size_t len);

/* Is the valid one at text a control character? C1, U+0080 to U+009F, is what terminals obey as they do ESC. */
bool utf8_is_control(const char *text);

#endif
