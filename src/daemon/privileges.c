/*
 * privileges.c - becoming another user, and other things a process asks of its system
 *
 * Ports are bound as root, scripts are read and run as the user: kd_privileges_drop comes
 * between the two. The order is groups, group, user, because each step takes away the right
 * to do the one before. For a process of root setgid(2) and setuid(2) set the real, the
 * effective and the saved ID on every system (POSIX.1-2017), where setresuid(2) is missing
 * on some. That nothing is left is not believed but tried.
 */
#include "privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "values.h"

void
kd_privileges_fill_std_fds(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= 2);
    if (fd > 2)
        (void)close(fd); /* it was read from and written to by nobody */
}

size_t
kd_privileges_raise_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 0;
    rlim_t soft = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        limit.rlim_cur = soft; /* a hard limit that is higher than the system can do */
    return limit.rlim_cur == RLIM_INFINITY ? 0 : (size_t)limit.rlim_cur;
}

bool
kd_privileges_is_root(void)
{
    return geteuid() == 0;
}

struct identity {
    const char *name; /* NULL: a number without an account */
    uid_t uid;
    gid_t gid;
};

/* Returns 0, or EX_NOUSER with a sentence. */
static int
find_identity(struct identity *out, const char *user, char *why, size_t size)
{
    uint64_t number;
    struct passwd *account = getpwnam(user);

    if (account == NULL && kd_value_count(&number, user) == KD_VALUE_GOOD &&
        number <= INT32_MAX) {
        account = getpwuid((uid_t)number);
        *out = (struct identity){NULL, (uid_t)number, (gid_t)number};
        if (account == NULL)
            return 0;
    }
    if (account == NULL) {
        snprintf(why, size, "--user %s: there is no such user", user);
        return EX_NOUSER;
    }
    *out = (struct identity){account->pw_name, account->pw_uid, account->pw_gid};
    return 0;
}

static int
set_groups(const struct identity *who)
{
    if (who->name != NULL)
        return initgroups(who->name, who->gid);
    return setgroups(1, &who->gid);
}

/* Returns whether all IDs are those of who, and root's cannot be had again. */
static bool
is_for_good(const struct identity *who)
{
    if (getuid() != who->uid || geteuid() != who->uid || getgid() != who->gid ||
        getegid() != who->gid)
        return false;
    return who->uid == 0 || (setuid(0) < 0 && seteuid(0) < 0);
}

int
kd_privileges_drop(const char *user, char *why, size_t size)
{
    struct identity who;
    int rc = find_identity(&who, user, why, size);

    if (rc != 0)
        return rc;
    if (!kd_privileges_is_root()) {
        if (getuid() == who.uid && geteuid() == who.uid)
            return 0;
        snprintf(why, size, "--user %s: only root can become another user", user);
        return EX_NOPERM;
    }
    if (set_groups(&who) < 0 || setgid(who.gid) < 0 || setuid(who.uid) < 0) {
        snprintf(why, size, "--user %s: %s", user, strerror(errno));
        return EX_OSERR;
    }
    if (!is_for_good(&who)) {
        snprintf(why, size, "--user %s: root could be had again; not going on", user);
        return EX_OSERR;
    }
    return 0;
}
