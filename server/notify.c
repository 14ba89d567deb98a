/* What a supervisor is told.
 *
 * Happy path: one datagram for each message (sd_notify(3)), and WATCHDOG=1 from a timer on the loop at half the time
 * that is allowed: a loop that is held tells nothing, which is what the supervisor waits for. Failures: logged once.
 * Close: the timer and the socket.
 */
#include "notify.h"

#include "log.h"
#include "number.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool set_address(struct notify *notify, const char *text);
static uint64_t watchdog_interval_ms(void);
static void on_watchdog(uv_timer_t *timer);
static void tell(struct notify *notify, const char *message);
static void fail(struct notify *notify, int err);

void notify_open(struct notify *notify)
{
    const char *text = getenv("NOTIFY_SOCKET");

    memset(notify, 0, sizeof(*notify));
    notify->fd = -1;
    if (text != NULL) {
        notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (notify->fd < 0)
            fail(notify, -errno);
        else if (!set_address(notify, text))
            fail(notify, -EAFNOSUPPORT);
        else
            notify->watchdog_ms = watchdog_interval_ms();
    }
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

/* A path, or after '@' a name that is no file (unix(7), abstract). */
static bool set_address(struct notify *notify, const char *text)
{
    size_t len = strlen(text);

    if ((text[0] != '/' && text[0] != '@') || len < 2 || len >= sizeof(notify->address.sun_path))
        return false;
    notify->address.sun_family = AF_UNIX;
    memcpy(notify->address.sun_path, text, len + 1);
    if (text[0] == '@')
        notify->address.sun_path[0] = '\0';
    /* Each byte of an abstract name counts, so the end that a path has must not be sent. */
    notify->address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (text[0] == '/'));
    return true;
}

/* Half of what is allowed, as sd_watchdog_enabled(3) advises. */
static uint64_t watchdog_interval_ms(void)
{
    const char *allowed = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    uint64_t allowed_us, number;

    if (allowed == NULL || !number_parse(allowed, false, &allowed_us) || allowed_us == 0)
        return 0;
    if (pid != NULL && (!number_parse(pid, false, &number) || number != (uint64_t)getpid()))
        return 0;
    return allowed_us < 2000 ? 1 : allowed_us / 2000;
}

void notify_ready(struct notify *notify, uv_loop_t *loop, const char *status)
{
    char message[512];

    if (notify->fd < 0)
        return;
    snprintf(message, sizeof(message), "READY=1\nSTATUS=%s", status);
    tell(notify, message);
    if (notify->watchdog_ms == 0)
        return;
    uv_timer_init(loop, &notify->watchdog);
    notify->watchdog.data = notify;
    notify->has_timer = true;
    uv_timer_start(&notify->watchdog, on_watchdog, notify->watchdog_ms, notify->watchdog_ms);
}

void notify_stopping(struct notify *notify, const char *status)
{
    char message[512];

    snprintf(message, sizeof(message), "STOPPING=1\nSTATUS=%s", status);
    tell(notify, message);
}

void notify_close(struct notify *notify)
{
    if (notify->has_timer)
        uv_close((uv_handle_t *)&notify->watchdog, NULL);
    notify->has_timer = false;
    if (notify->fd >= 0)
        close(notify->fd);
    notify->fd = -1;
}

static void on_watchdog(uv_timer_t *timer)
{
    tell(timer->data, "WATCHDOG=1");
}

static void tell(struct notify *notify, const char *message)
{
    if (notify->fd >= 0 && sendto(notify->fd, message, strlen(message), MSG_NOSIGNAL,
                                  (const struct sockaddr *)&notify->address, notify->address_len) < 0)
        fail(notify, -errno);
}

/* A supervisor that does not listen is told nothing more about it. */
static void fail(struct notify *notify, int err)
{
    if (!notify->has_failed)
        log_write(LOG_ERROR, "cannot tell the supervisor (NOTIFY_SOCKET): %s", uv_strerror(err));
    notify->has_failed = true;
}
