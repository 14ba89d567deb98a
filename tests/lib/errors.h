/* What the code under test writes on stderr, kept from the test runner. */
#ifndef TESTS_LIB_ERRORS_H
#define TESTS_LIB_ERRORS_H

/* From now on, and until then: a sanitizer's report at the end of the test is for the runner again. */
void errors_catch(void);
void errors_release(void);

/* All that came so far; the next call overwrites it. */
const char *errors_text(void);

/* What came so far does not count any more. */
void errors_forget(void);

/* How many lines have all of text in them. */
unsigned errors_count(const char *text);

/* There is one line, and text is in it. */
void errors_expect_one_line(const char *text);

#endif
