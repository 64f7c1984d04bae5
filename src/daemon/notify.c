/*
 * notify.c - telling the supervisor how the daemon is: the protocol of sd_notify(3)
 *
 * One datagram a message to the unix socket that $NOTIFY_SOCKET names:
 *
 *     READY=1      the server listens and its scripts serve
 *     WATCHDOG=1   the loop turns: at twice the pace that $WATCHDOG_USEC asks for
 *     STATUS=...   what has come of a reload or roll-back: the sentence of the log
 *     STOPPING=1   the drain has begun
 *
 * It is a dozen lines of POSIX, hence no dependency. A supervisor that does not listen costs
 * one line in the log and nothing else: the daemon serves all the same.
 *
 * That a reload begins is not told (RELOADING=1): `kelpie reload`, which the unit runs for it,
 * waits for the true result, which is more than a message to the supervisor could say. The
 * status tells of those that nobody has waited for.
 */
#include "notify.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The socket's address; a name that begins with @ is an abstract one of Linux. */
static socklen_t
address_of(const struct kd_notify *notify, struct sockaddr_un *out)
{
    size_t len = strlen(notify->path);

    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(out->sun_path, notify->path, len);
    if (notify->path[0] == '@')
        out->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

static int
send_once(const struct kd_notify *notify, const char *message)
{
    struct sockaddr_un address;
    socklen_t len = address_of(notify, &address);
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

    if (fd < 0)
        return -errno;
    ssize_t sent =
        sendto(fd, message, strlen(message), 0, (struct sockaddr *)&address, len);
    int rc = sent < 0 ? -errno : 0;
    close(fd); /* a datagram is gone by now */
    return rc;
}

static void
tell(struct kd_notify *notify, const char *message)
{
    if (notify->path[0] == '\0')
        return;
    int rc = send_once(notify, message);
    if (rc == 0)
        return;
    kd_log_write(notify->log, KELPIE_LOG_WARN,
                 "the supervisor at %s cannot be told how it goes: %s", notify->path,
                 kelpie_strerror(rc));
    notify->path[0] = '\0';
}

/* Returns how often the supervisor wants a sign of life, in milliseconds; 0: never. */
static int
wanted_interval_ms(void)
{
    const char *usec = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");
    char *end;

    if (usec == NULL || (pid != NULL && strtol(pid, NULL, 10) != (long)getpid()))
        return 0;
    unsigned long long interval_ms = strtoull(usec, &end, 10) / 1000;
    return *end != '\0' || interval_ms > INT_MAX ? 0 : (int)interval_ms;
}

void
kd_notify_init(struct kd_notify *notify, struct kd_log *log)
{
    const char *path = getenv("NOTIFY_SOCKET");

    *notify = (struct kd_notify){.alive_ms = wanted_interval_ms(), .log = log};
    if (path != NULL && (path[0] == '/' || path[0] == '@') &&
        strlen(path) < sizeof(notify->path))
        memcpy(notify->path, path, strlen(path) + 1);
    else if (path != NULL)
        kd_log_write(log, KELPIE_LOG_WARN,
                     "NOTIFY_SOCKET=%s is no address of a unix socket", path);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

static void
on_alive(void *arg)
{
    tell(arg, "WATCHDOG=1");
}

int
kd_notify_ready(struct kd_notify *notify, kelpie *k)
{
    if (notify->path[0] == '\0')
        return 0;
    if (notify->alive_ms > 1) {
        int rc = kelpie_every(k, NULL, notify->alive_ms / 2, on_alive, notify);
        if (rc < 0)
            return rc;
    }
    notify->is_ready = true;
    tell(notify, "READY=1");
    return 0;
}

void
kd_notify_status(struct kd_notify *notify, const char *text)
{
    char message[512];

    if (!notify->is_ready)
        return;
    snprintf(message, sizeof(message), "STATUS=%.*s", (int)strcspn(text, "\n"), text);
    tell(notify, message);
}

void
kd_notify_stopping(struct kd_notify *notify)
{
    if (notify->is_ready)
        tell(notify, "STOPPING=1");
    notify->is_ready = false;
}
