/*
 * activation.c - listeners that were opened by whoever has started the daemon
 *
 * The protocol of sd_listen_fds(3), which other supervisors speak as well: descriptors from 3
 * on, how many of them in $LISTEN_FDS, for whom in $LISTEN_PID, their names in
 * $LISTEN_FDNAMES, separated by colons. They become addresses like any other, "fd:3", so
 * that what is wrong with one of them is said as it is for those of the command line.
 *
 * A name is that of the listener, for handlers.listeners. systemd gives each descriptor one:
 * where nobody has chosen it, it is that of the socket unit, which is no name for us.
 */
#include "activation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_FD 3
#define MAX_FDS  64

/* Returns whether somebody has chosen this name of len bytes. */
static bool
is_chosen(const char *name, size_t len)
{
    static const char unit[] = ".socket";
    size_t unit_len = sizeof(unit) - 1;

    if (len == 0 || (len == strlen("unknown") && memcmp(name, "unknown", len) == 0))
        return false;
    return len < unit_len || memcmp(name + len - unit_len, unit, unit_len) != 0;
}

static int
add(struct kd_list *out, int fd, const char *name, size_t len)
{
    char address[128];

    if (is_chosen(name, len))
        snprintf(address, sizeof(address), "%.*s=fd:%d", (int)len, name, fd);
    else
        snprintf(address, sizeof(address), "fd:%d", fd);
    return kd_list_add(out, address, KD_FROM_FLAGS);
}

/* Returns how many descriptors are meant for this process. */
static int
count(void)
{
    const char *pid = getenv("LISTEN_PID");
    const char *fds = getenv("LISTEN_FDS");

    if (pid == NULL || fds == NULL || strtol(pid, NULL, 10) != (long)getpid())
        return 0;
    long n = strtol(fds, NULL, 10);
    return n < 0 ? 0 : n > MAX_FDS ? MAX_FDS : (int)n;
}

int
kd_activation_read(struct kd_list *out)
{
    const char *names = getenv("LISTEN_FDNAMES");
    int n = count();
    int rc = 0;

    if (names == NULL)
        names = "";
    for (int i = 0; i < n && rc == 0; i++) {
        size_t len = strcspn(names, ":");
        rc = add(out, FIRST_FD + i, names, len);
        names += names[len] == ':' ? len + 1 : len;
    }
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return rc;
}
