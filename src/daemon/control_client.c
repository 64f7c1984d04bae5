/*
 * control_client.c - asks a running daemon
 *
 * The other end of the control socket (kelpie_control in kelpie.h). One command goes there,
 * its answer comes back: lines that begin with a blank, then the verdict, "ok ..." or
 * "error ...". Waiting has no limit: a reload may have to wait until handlers have finished,
 * and the daemon ends that wait by itself.
 *
 * The daemon has escaped what it says. Should it be another program that answers, nothing but
 * printable ASCII reaches the terminal all the same.
 */
#include "control_client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "control_path.h"
#include "log.h"

#define MAX_ANSWER ((size_t)1 << 20)

/* ---- finding it ----------------------------------------------------------------------- */

static int
refuse(const char *path, int error)
{
    char line[1024];

    (void)kd_log_escape(line, sizeof(line), path);
    fprintf(stderr, "kelpie: no daemon answers at %s: %s\n", line,
            kelpie_strerror(error));
    return KD_EXIT_NOBODY;
}

static int
open_path(struct kd_control *out, const char *path)
{
    out->fd = kd_control_connect(path);
    return out->fd < 0 ? refuse(path, out->fd) : 0;
}

/* Prints "  --control PATH   pid 12, scripts/". */
static void
list_one(const struct kd_control_found *found)
{
    struct kd_control control = {.fd = kd_control_connect(found->path)};
    const char *script = "", *label = "\n script ";

    if (control.fd >= 0 && kd_control_ask(&control, "status") == 0) {
        script = strstr(control.text, label);
        script = script != NULL ? script + strlen(label) : "";
        script += strspn(script, " ");
    }
    fprintf(stderr, "  --control %s   pid %ld  %.*s\n", found->path, found->pid,
            (int)strcspn(script, "\n"), script);
    kd_control_close(&control);
}

static int
open_only_one(struct kd_control *out)
{
    struct kd_control_found *found = calloc(KD_CONTROL_MAX_FOUND, sizeof(*found));
    int rc = 0;

    if (found == NULL) {
        fputs("kelpie: out of memory\n", stderr);
        return EX_OSERR;
    }
    size_t n = kd_control_find(found);
    if (n == 0) {
        fputs("kelpie: no daemon of this user is running; --control PATH names one\n",
              stderr);
        rc = KD_EXIT_NOBODY;
    } else if (n == 1) {
        rc = open_path(out, found[0].path);
    } else {
        fprintf(stderr, "kelpie: %zu daemons are running; say which one:\n", n);
        for (size_t i = 0; i < n; i++)
            list_one(&found[i]);
        rc = EX_USAGE;
    }
    free(found);
    return rc;
}

int
kd_control_open(struct kd_control *out, const struct kd_options *options)
{
    memset(out, 0, sizeof(*out));
    out->fd = -1;
    if (options->control == NULL)
        return open_only_one(out);
    if (strcmp(options->control, "none") != 0)
        return open_path(out, options->control);
    fputs("kelpie: --control none: there is nobody to ask\n", stderr);
    return EX_USAGE;
}

/* ---- asking --------------------------------------------------------------------------- */

static int
send_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

/* Reads some more. Returns the number of bytes, 0 at the end, or negative errno. */
static ssize_t
read_more(struct kd_control *control)
{
    ssize_t n;

    if (control->capacity - control->len < 2) {
        size_t capacity = control->capacity > 0 ? 2 * control->capacity : 4096;
        char *text = capacity <= MAX_ANSWER ? realloc(control->text, capacity) : NULL;
        if (text == NULL)
            return -ENOMEM;
        control->text = text;
        control->capacity = capacity;
    }
    do
        n = recv(control->fd, control->text + control->len,
                 control->capacity - control->len - 1, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    control->len += (size_t)n;
    control->text[control->len] = '\0';
    return n;
}

static void
make_printable(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] != '\n' && (text[i] < 0x20 || text[i] > 0x7e))
            text[i] = '?';
}

/* Returns where the verdict begins when it is there as a whole, else NULL. */
static char *
find_verdict(struct kd_control *control)
{
    char *line = control->text, *newline;

    while (line != NULL && (newline = strchr(line, '\n')) != NULL) {
        if (line[0] != ' ')
            return line;
        line = newline + 1;
    }
    return NULL;
}

int
kd_control_ask(struct kd_control *control, const char *command)
{
    char *verdict = NULL;
    ssize_t rc = send_all(control->fd, command, strlen(command));

    if (rc == 0)
        rc = send_all(control->fd, "\n", 1);
    /* It may have said why and closed, before it read. */
    control->len = 0;
    do {
        ssize_t n = read_more(control);
        if (n <= 0) {
            fprintf(stderr, "kelpie: the daemon has gone without an answer%s%s\n",
                    n < 0 || rc < 0 ? ": " : "",
                    n < 0 || rc < 0 ? kelpie_strerror((int)(n < 0 ? n : rc)) : "");
            return KD_EXIT_NOBODY;
        }
        verdict = find_verdict(control);
    } while (verdict == NULL);

    make_printable(control->text, control->len);
    snprintf(control->verdict, sizeof(control->verdict), "%.*s",
             (int)strcspn(verdict, "\n"), verdict);
    *verdict = '\0';
    return 0;
}

/* ---- the answer ----------------------------------------------------------------------- */

static bool
begins_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

int
kd_control_print(const struct kd_control *control)
{
    bool is_good = begins_with(control->verdict, "ok");
    FILE *out = is_good ? stdout : stderr;

    for (const char *line = control->text; *line != '\0';) {
        int len = (int)strcspn(line, "\n");
        fprintf(out, "%.*s\n", len - 1, line + 1); /* without the blank */
        line += len + (line[len] == '\n');
    }
    if (control->text[0] == '\0')
        fprintf(out, "%s\n", control->verdict + strcspn(control->verdict, " ") + 1);
    if (fflush(out) != 0)
        return EX_IOERR;
    if (is_good)
        return KD_EXIT_DONE;
    if (begins_with(control->verdict, "error busy"))
        return KD_EXIT_NOBODY;
    return begins_with(control->verdict, "error rolled back") ? KD_EXIT_ROLLED_BACK
                                                              : KD_EXIT_REJECTED;
}

void
kd_control_close(struct kd_control *control)
{
    if (control->fd >= 0)
        (void)close(control->fd);
    free(control->text);
    memset(control, 0, sizeof(*control));
    control->fd = -1;
}

int
kd_control_command(const struct kd_options *options, const char *command)
{
    struct kd_control control;
    int code = kd_control_open(&control, options);

    if (code == 0)
        code = kd_control_ask(&control, command);
    if (code == 0)
        code = kd_control_print(&control);
    kd_control_close(&control);
    return code;
}
