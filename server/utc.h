/* The time of day as lines in the logs have it. Any thread; async-signal-safe. */
#ifndef SERVER_UTC_H
#define SERVER_UTC_H

#include <stdint.h>

enum { UTC_TEXT = 25 }; /* bytes, with the NUL */

/* Seconds and milliseconds since the epoch as 2026-11-22T22:17:10.123Z, to the end of the year 9999. Returns text. */
const char *utc_text(int64_t seconds, unsigned ms, char text[UTC_TEXT]);

/* The same of now. */
const char *utc_now(char text[UTC_TEXT]);

#endif
