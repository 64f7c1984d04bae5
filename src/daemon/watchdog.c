/*
 * watchdog.c - what the daemon does on the thread of the watchdog
 *
 * Threads share their descriptors, and then Linux counts each use of one: 0.05 us for every
 * system call of the server, a fiftieth of what an answer costs. The watchdog needs none, so its
 * thread gets a table of its own with the standard ones only. The price is that the last resort
 * cannot write to the log file that the server has open, but opens it by its name.
 *
 * See       close_range(2), CLOSE_RANGE_UNSHARE (Linux 5.9)
 */
#include "watchdog.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#if __has_include(<sys/syscall.h>)
# include <sys/syscall.h>
#endif

#define UNSHARE 2U /* CLOSE_RANGE_UNSHARE, which older C libraries do not name */

static void
on_watchdog(void *arg)
{
    struct kd_watchdog *watchdog = arg;

    watchdog->has_own_files = false;
#if defined(SYS_close_range)
    /* A kernel that cannot do it leaves all as it was. */
    if (syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, UNSHARE) == 0)
        watchdog->has_own_files = true;
#endif
}

/* The server's thread hangs in C, perhaps for ever. Nobody is served any more, and who has
 * started us can start us again. */
static void
on_stuck(void *arg, const char *what, const char *place)
{
    const struct kd_watchdog *watchdog = arg;
    struct kd_log *log = watchdog->log;

    if (watchdog->has_own_files)
        kd_log_open_here(log);
    kd_log_write(log, KELPIE_LOG_ERROR,
                 "%s hangs outside of Lua and cannot be ended%s%s: aborting", what,
                 place[0] != '\0' ? ", at " : "", place);
    (void)kd_log_flush(log); /* what is left waits for nobody */
    abort();
}

void
kd_watchdog_configure(struct kd_watchdog *watchdog, struct kelpie_options *server)
{
    server->watchdog_signal = SIGURG;
    server->on_watchdog = on_watchdog;
    server->on_stuck = on_stuck;
    server->on_stuck_arg = watchdog;
}
