/* The table of options, and how a value is read.
 *
 * Happy path: a row by its number or name, then its value through option_set(). Failures: a value that is none of what
 * the row takes: one line of text. Close: nothing is held.
 */
#include "option.h"

#include "bind_address.h"
#include "number.h"
#include "option_table.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define GROUP_ROW(title) {.kind = KIND_GROUP, .name = "", .help = (title)},
#define OPTION_ROW(option, field, type, preset, min, max, arg, help)                                                   \
    {KIND_##type, (option), offsetof(struct options, field), NULL, (preset), (min), (max), (arg), (help)},
static const struct option table[] = {OPTIONS(GROUP_ROW, OPTION_ROW)};

#define TABLE_SIZE (sizeof(table) / sizeof(table[0]))

/* What option_set() writes has the size of what the row names. */
#define SIZE_OF(kind)                                                                                                  \
    ((kind) == KIND_SIZE                                                      ? sizeof(size_t)                         \
     : (kind) == KIND_TEXT || (kind) == KIND_ADDRESS || (kind) == KIND_LISTEN ? sizeof(const char *)                   \
     : (kind) == KIND_SWITCH                                                  ? sizeof(bool)                           \
                                                                              : sizeof(unsigned))
#define GROUP_CHECK(title)
#define OPTION_CHECK(option, field, type, ...)                                                                         \
    _Static_assert(sizeof(((struct options *)NULL)->field) == SIZE_OF(KIND_##type), option);
OPTIONS(GROUP_CHECK, OPTION_CHECK)

static struct option option_of_program(const hoist_option *given);
static int set_choice(const struct option *option, const char *source, const char *value, struct option_error *error);
static void set_number(const struct option *option, uint64_t number);

size_t option_count_ours(void)
{
    return TABLE_SIZE;
}

bool option_at(size_t i, struct options *options, const hoist_program *program, struct option *ret_option)
{
    const hoist_option *const *own = program->options;

    if (i < TABLE_SIZE) {
        *ret_option = table[i];
        ret_option->value = (char *)options + table[i].offset;
        return true;
    }
    for (i -= TABLE_SIZE; own != NULL && *own != NULL; own++, i--) {
        if (i == 0) {
            *ret_option = option_of_program(*own);
            return true;
        }
    }
    return false;
}

static struct option option_of_program(const hoist_option *given)
{
    static const enum kind kinds[] = {
        [HOIST_OPTION_UINT] = KIND_UINT, [HOIST_OPTION_STRING] = KIND_TEXT, [HOIST_OPTION_BOOL] = KIND_SWITCH};

    return (struct option){
        .kind = kinds[given->type],
        .name = given->name,
        .value = given->value,
        .min = given->type == HOIST_OPTION_UINT ? given->min : 0,
        .max = given->type != HOIST_OPTION_UINT ? 1
               : given->max > 0                 ? given->max
                                                : UINT_MAX,
        .arg = given->arg != NULL ? given->arg : "VALUE",
        .help = given->help != NULL ? given->help : "(no description)",
    };
}

bool option_find(const char *name, size_t len, struct options *options, const hoist_program *program,
                 struct option *ret_option)
{
    for (size_t i = 0; option_at(i, options, program, ret_option); i++)
        if (len > 0 && strncmp(ret_option->name, name, len) == 0 && ret_option->name[len] == '\0')
            return true;
    return false;
}

/* ---- values ---- */

int option_set(const struct option *option, const char *source, const char *value, struct option_error *error)
{
    char least[NUMBER_TEXT], most[NUMBER_TEXT];
    bool is_size = option->kind == KIND_SIZE;
    struct bind_address address;
    uint64_t number;
    int err = 0;

    if (value[0] == '\0')
        return option_fail(error, "%s: needs a value", source);
    if (option->kind == KIND_CHOICE)
        return set_choice(option, source, value, error);
    if (option->kind == KIND_ADDRESS && !bind_address_is_numeric(value))
        return option_fail(error, "%s: '%.60s' is not a numeric IPv4 or IPv6 address", source, value);
    if (option->kind == KIND_LISTEN && strcmp(value, "off") != 0)
        err = bind_address_parse(&address, value);
    if (err == -EINVAL)
        return option_fail(error, "%s: '%.60s' is none of %s", source, value, option->arg);
    if (err < 0)
        return option_fail(error, "%s: '%.60s' %s", source, value, bind_address_fault(err));
    if (option->kind == KIND_TEXT || option->kind == KIND_ADDRESS || option->kind == KIND_LISTEN) {
        *(const char **)option->value = value;
        return 0;
    }
    if (!number_parse(value, is_size, &number) || number < option->min || number > option->max)
        return option_fail(error, "%s: '%.60s' is not a %s from %s to %s", source, value, is_size ? "size" : "number",
                           number_text(option->min, is_size, least), number_text(option->max, is_size, most));
    set_number(option, number);
    return 0;
}

/* The words are in arg, divided by '|'; the enum's value is the place of the word. */
static int set_choice(const struct option *option, const char *source, const char *value, struct option_error *error)
{
    const char *word = option->arg;

    for (uint64_t i = 0;; i++) {
        size_t len = strcspn(word, "|");

        if (strlen(value) == len && memcmp(word, value, len) == 0) {
            set_number(option, i);
            return 0;
        }
        if (word[len] == '\0')
            return option_fail(error, "%s: '%.60s' is none of %s", source, value, option->arg);
        word += len + 1;
    }
}

static void set_number(const struct option *option, uint64_t number)
{
    switch (option->kind) {
    case KIND_UINT:
    case KIND_CHOICE:
        *(unsigned *)option->value = (unsigned)number;
        break;
    case KIND_LIMIT:
        *(unsigned *)option->value = number == 0 ? HOIST_NO_LIMIT : (unsigned)number;
        break;
    case KIND_SIZE:
        *(size_t *)option->value = (size_t)number;
        break;
    case KIND_SWITCH:
        *(bool *)option->value = number != 0;
        break;
    case KIND_GROUP:
    case KIND_TEXT:
    case KIND_ADDRESS:
    case KIND_LISTEN:
        break;
    }
}

int option_fail(struct option_error *error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(error->text, error->size, format, args);
    va_end(args);
    return -EINVAL;
}
