/* stdout or stderr, taken away from the test runner for a while, and read line by line. */
#ifndef TESTS_LIB_CAPTURE_H
#define TESTS_LIB_CAPTURE_H

struct capture {
    int fd, saved, reader; /* reader: of the pipe that fd is meanwhile */
};

struct capture capture(int fd);
struct capture capture_narrow(int fd); /* a pipe that holds little */

/* Gives fd back; the reader goes with the second one. */
void capture_release_writer(struct capture *c);
void capture_release(struct capture *c);

/* The next line, without its newline, until the next call; NULL at the end. Waits for it. */
const char *capture_line(const struct capture *c);

/* The text of a log line behind "<time> <level> ". */
const char *capture_text(const char *line);

#endif
