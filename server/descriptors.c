/* The limit, the standard ones, and the room for more. Close: nothing is held. */
#include "descriptors.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

void descriptors_raise_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

void descriptors_open_standard(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

void descriptors_make_room(int fd_max)
{
    int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, fd_max);

    if (fd >= 0)
        close(fd);
}
