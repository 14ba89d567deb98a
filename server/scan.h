/* The strict scan in front of llhttp: line ends, field lines, chunk lines, limits (RFC 9112, sections 2 to 5 and 7.1).
 *
 * Happy path: scan_head() with the same bytes and more behind them, until SCAN_END; each byte is looked at twice at
 * most. For a chunked body then scan_chunks(), scan_overhead() for all that is not data, and scan_data() for each size.
 * Failures: SCAN_BAD at the first byte that is wrong, with a status and a reason; the verdict never depends on how the
 * bytes were cut.
 * Close: there is nothing to close.
 */
#ifndef SERVER_SCAN_H
#define SERVER_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum scan_result {
    SCAN_MORE, /* all right so far */
    SCAN_SIZE, /* a chunk line is over: tell scan_data() the size in it */
    SCAN_END,  /* the head, or the chunked body, is over */
    SCAN_BAD,  /* see status and reason */
};

struct scan {
    size_t at;                     /* bytes of the head looked at; in the end its length */
    size_t method_len, target_len; /* one SP behind each */
    unsigned n_fields;             /* of the head, later of the trailers */
    unsigned n_empty_lines;        /* before the request line */
    unsigned line_len;             /* bytes of the chunk line so far */
    unsigned overhead;             /* bytes of a chunked body that are not data */
    unsigned char state;           /* scan.c's own */
    int status;                    /* when SCAN_BAD */
    const char *reason;            /* likewise: a static text, for people */
};

void scan_init(struct scan *scan);

/* Goes on with the head. While none of it was there, *ret_skipped bytes of empty lines are in front of it: the caller
 * drops them before the next call. */
enum scan_result scan_head(struct scan *scan, const char *bytes, size_t len, size_t *ret_skipped);

/* The head is over and a chunked body begins. */
void scan_chunks(struct scan *scan);

/* Scans what is not data: chunk lines, the CRLF behind data, trailers. *ret_len bytes are right and of one kind, also
 * when the next one is SCAN_BAD: *ret_extension tells a chunk extension, which no decoder needs to see. SCAN_MORE comes
 * at each change of kind too. */
enum scan_result scan_overhead(struct scan *scan, const char *bytes, size_t len, size_t *ret_len, bool *ret_extension);

/* The size in the chunk line that just ended; the caller skips that much data. 0: trailers follow. */
void scan_data(struct scan *scan, uint64_t size);

#endif
