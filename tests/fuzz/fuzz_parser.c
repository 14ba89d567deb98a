/* Any bytes through the parser: however they are cut, the events are the same; and the fields of a head are its lines.
 *
 * The first byte says where the others are cut. A broken property is an assert; memory is the sanitizers' business.
 */
#include "lib/parser_events.h"

#include <stdint.h>

enum { FUZZ_BODY_MAX = 4096, INPUT_MAX = 40 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_events(const char *bytes, size_t len, size_t first, size_t step);
static void check_fields(const char *bytes, size_t len);
static void check_line(const struct field *field, const char *line, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data + 1;
    size_t len = size - 1;

    if (size == 0 || size > INPUT_MAX)
        return 0;
    check_events(bytes, len, 1, 1);
    check_events(bytes, len, 3, 3);
    check_events(bytes, len, 7, 7);
    check_events(bytes, len, data[0], EVERYTHING);
    check_fields(bytes, len);
    return 0;
}

static void check_events(const char *bytes, size_t len, size_t first, size_t step)
{
    static struct events whole, cut;

    parse(&whole, bytes, len, EVERYTHING, 1, FUZZ_BODY_MAX);
    parse(&cut, bytes, len, first, step, FUZZ_BODY_MAX);
    assert(whole.len == cut.len);
    assert(memcmp(whole.text, cut.text, whole.len) == 0);
    assert((whole.reason == NULL) == (cut.reason == NULL));
    assert(whole.reason == NULL || strcmp(whole.reason, cut.reason) == 0);
}

/* Reads the lines of a head that was taken once more, in the plainest way, and compares. */
static void check_fields(const char *bytes, size_t len)
{
    static struct request request;
    enum parser_result result;
    const char *line, *end;
    size_t used;

    begin(&request, FUZZ_BODY_MAX);
    result = feed(&request, bytes, len, &used);
    if (result != PARSER_HEAD)
        return;
    line = bytes + used - request.message.head_len;
    for (unsigned i = 0; i < request.message.n_fields; i++) {
        line = (const char *)memchr(line, '\n', len) + 1;
        end = memchr(line, '\r', len);
        check_line(&request.message.fields[i], line, (size_t)(end - line));
    }
    line = (const char *)memchr(line, '\n', len) + 1;
    assert(line[0] == '\r' && line[1] == '\n' && line + 2 == bytes + used);
    free(request.head);
}

static void check_line(const struct field *field, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);
    const char *value = colon + 1, *end = line + len;

    assert(colon != NULL);
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (value < end && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    assert(strlen(field->name) == field->name_len && strlen(field->value) == field->value_len);
    assert(field->name_len == (size_t)(colon - line) && memcmp(field->name, line, field->name_len) == 0);
    assert(field->value_len == (size_t)(end - value) && memcmp(field->value, value, field->value_len) == 0);
}
