/* Numbers and sizes as options have them. Any thread. */
#ifndef SERVER_NUMBER_H
#define SERVER_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

enum { NUMBER_TEXT = 24 }; /* bytes for any number, its suffix and a NUL */

/* Digits, and for a size one of K, M, G (powers of 1024) behind them; nothing else. False also when it overflows. */
bool number_parse(const char *text, bool is_size, uint64_t *ret_number);

/* The number as number_parse() reads it, a size with the largest suffix that loses nothing. Returns buffer. */
const char *number_text(uint64_t number, bool is_size, char buffer[NUMBER_TEXT]);

#endif
