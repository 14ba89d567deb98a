/* Text that is put together piece by piece: JSON, metrics, events. Numbers look the same in every locale. */
#ifndef SERVER_TEXT_H
#define SERVER_TEXT_H

#include "buffer.h"
#include "hoist.h"

#include <stdint.h>

/* Zeroed is empty. */
struct text {
    struct buffer bytes;
    int err; /* -ENOMEM once memory ran out; nothing is added any more */
};

void text_add(struct text *text, const char *format, ...) HOIST_PRINTF(2, 3);

/* As a JSON string, with its quotes. */
void text_add_json(struct text *text, const char *string);

/* A time in seconds with a point, as in 0.000125. */
void text_add_seconds(struct text *text, uint64_t ns);

/* A share, 0 to 1, likewise. */
void text_add_share(struct text *text, double share);

/* Replies with status 200 and it, and frees it; or answers its error. */
int text_reply(struct text *text, hoist_res *res, const char *type);

void text_close(struct text *text);

#endif
