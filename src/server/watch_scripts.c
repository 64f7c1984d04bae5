/*
 * watch_scripts.c - a reload whenever a file of the scripts has changed
 *
 * What there is to watch is the footprint of the last load (script/footprint.c): files that
 * were read, and places where one was looked for. Two things tell that something may have
 * happened there:
 *
 *     news    of the files, and of the folders that they are in or would be in: an editor
 *             that writes in place tells by the file, one that replaces it by the folder
 *     a poll  once a second, while there is anything that cannot be watched
 *
 * Neither is believed. Both lead to a look: the bytes on disk are compared with what is
 * known, and only another content is a reason to reload. So it does no harm to be told too
 * often, of unrelated files or of touch(1), and nothing is assumed about what the systems
 * report for which change.
 *
 *     news -> look_ns, moved on by further news -> look -> update_places
 *                                                    `---> kelpie_reload -> follow
 *
 * A look also sees to it that the right things are watched: a file that was replaced is
 * another file now, a folder may have come into being. What was added could have changed
 * before the kernel was told of it, hence another look follows. This comes to an end, since
 * that one finds nothing to add.
 *
 * One timer serves both deadlines. It is started for ever when this is switched on, so that
 * moving it later needs no memory.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "event/path_watch.h"
#include "script/reload.h"
#include "server.h"

#define QUIET_NS    (60 * KP_NS_PER_MS) /* an editor has done its several things by then */
#define PATIENCE_NS KP_NS_PER_S         /* who changes for longer is not waited for */
#define POLL_NS     KP_NS_PER_S
#define MAX_PATH    4096

/* Polls that read the files after something has happened: stat(2) may not tell then. */
#define THOROUGH_POLLS 2

/* Descriptors are there for clients in the first place. */
#define MAX_PLACES 256

struct kp_script_watch {
    kelpie *k;
    struct kp_node places; /* struct place */
    size_t n_places;
    uint64_t n_loads; /* of the footprint that they are made for */

    struct kp_timer timer;
    uint64_t look_ns;    /* when to look; KP_NEVER: nothing has happened */
    uint64_t first_ns;   /* when the first of what was not yet looked into has happened */
    uint64_t poll_ns;    /* when to look in any case; KP_NEVER: everything is watched */
    unsigned n_thorough; /* polls to come that read the files */
    bool is_incomplete;  /* a place is missing from the list: there was no memory */
    bool has_said_poll;
};

/* A file or folder that is watched, or that the system refuses to watch. */
struct place {
    struct kp_node node; /* in kp_script_watch.places */
    struct kp_script_watch *owner;
    struct kp_path_watch watch;
    bool is_wanted;  /* found by the walk of update_places */
    bool is_refused; /* until the next load */
    char path[];
};

/* ---- time --------------------------------------------------------------------------- */

static uint64_t
min_ns(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void
set_timer(struct kp_script_watch *w)
{
    kelpie *k = w->k;

    if (kp_timer_start(&k->timers, &w->timer, min_ns(w->look_ns, w->poll_ns)) < 0)
        kp_log_write(
            &k->env.log, KELPIE_LOG_ERROR,
            "watch: out of memory; changes are not noticed until the next reload");
}

/* Something may have happened. */
static void
expect_change(struct kp_script_watch *w)
{
    uint64_t now = w->k->loop.now_ns;

    if (w->look_ns == KP_NEVER)
        w->first_ns = now;
    w->look_ns = min_ns(now + QUIET_NS, w->first_ns + PATIENCE_NS);
    set_timer(w);
}

static void
say_poll(struct kp_script_watch *w, const char *path, int error)
{
    if (w->has_said_poll)
        return;
    w->has_said_poll = true;
    kp_log_write(&w->k->env.log, KELPIE_LOG_WARN,
                 "watch: %s cannot be watched (%s); changes are looked for once a second",
                 path, kelpie_strerror(error));
}

/* ---- places ------------------------------------------------------------------------- */

static void
refuse_place(struct place *place, int error)
{
    place->is_refused = true;
    say_poll(place->owner, place->path, error);
}

/* Starts to poll, or ends it, as is needed. */
static void
set_poll(struct kp_script_watch *w)
{
    bool is_needed = w->is_incomplete;

    kp_list_each(node, &w->places)
        is_needed |= kp_container_of(node, struct place, node)->is_refused;
    if (!is_needed)
        w->poll_ns = KP_NEVER;
    else if (w->poll_ns == KP_NEVER)
        w->poll_ns = w->k->loop.now_ns + POLL_NS;
    set_timer(w);
}

static void
on_news(void *arg, struct kp_path_watch *watch, int error)
{
    struct place *place = arg;
    struct kp_script_watch *w = place->owner;

    (void)watch;
    if (error == 0) {
        expect_change(w);
        return;
    }
    refuse_place(place, error);
    set_poll(w);
}

static void
free_place(struct place *place)
{
    struct kp_script_watch *w = place->owner;

    kp_path_watch_close(&place->watch);
    kp_list_remove(&place->node);
    w->n_places--;
    kp_mem_free(&w->k->env.mem, place, sizeof(*place) + strlen(place->path) + 1);
}

static struct place *
find_place(struct kp_script_watch *w, const char *path)
{
    kp_list_each(node, &w->places) {
        struct place *place = kp_container_of(node, struct place, node);
        if (strcmp(place->path, path) == 0)
            return place;
    }
    return NULL;
}

static struct place *
new_place(struct kp_script_watch *w, const char *path)
{
    size_t path_size = strlen(path) + 1;
    struct place *place = kp_mem_zalloc(&w->k->env.mem, sizeof(*place) + path_size);

    if (place == NULL)
        return NULL;
    memcpy(place->path, path, path_size);
    place->owner = w;
    kp_path_watch_init(&place->watch, &w->k->loop, on_news, place);
    kp_list_append(&w->places, &place->node);
    w->n_places++;
    return place;
}

/* Watches a path, if it is not watched already as what it is now.
 * Returns   whether there is such a file or folder, watched or refused. */
static bool
want_place(struct kp_script_watch *w, const char *path, bool *is_new)
{
    struct place *place = find_place(w, path);

    if (place == NULL && (place = new_place(w, path)) == NULL) {
        w->is_incomplete = true;
        say_poll(w, path, -ENOMEM);
        return true;
    }
    place->is_wanted = true;
    if (place->is_refused || kp_path_watch_is_at(&place->watch, path))
        return true;
    kp_path_watch_close(&place->watch);
    int rc = w->n_places > MAX_PLACES ? -EMFILE : kp_path_watch_open(&place->watch, path);
    if (rc == 0) {
        *is_new = true;
    } else if (rc == -ENOENT || rc == -ENOTDIR) {
        free_place(place);
        return false;
    } else {
        refuse_place(place, rc);
    }
    return true;
}

/* Makes the path of a folder out of that of a file or folder in it.
 * Returns   false at the end: "/" and "." are in no other. */
static bool
go_up(char *path)
{
    char *slash = strrchr(path, '/');

    if (strcmp(path, ".") == 0 || strcmp(path, "/") == 0)
        return false;
    if (slash == NULL) {
        memcpy(path, ".", 2);
        return true;
    }
    while (slash > path && slash[-1] == '/')
        slash--;
    slash[slash == path ? 1 : 0] = '\0';
    return true;
}

/* Watches a file and the folder that it is in; if there is none yet, the nearest one in
 * which it could be made. */
static void
want_file(struct kp_script_watch *w, const char *path, bool *is_new)
{
    char folder[MAX_PATH];
    size_t len = strlen(path);

    (void)want_place(w, path, is_new); /* the folder tells when it is there */
    if (len + 2 > sizeof(folder))
        return;
    memcpy(folder, path, len + 1);
    while (go_up(folder) && !want_place(w, folder, is_new))
        ;
}

/* Watches what is to be watched, and nothing else. */
static void
update_places(struct kp_script_watch *w)
{
    const struct kp_footprint *footprint = &w->k->script.footprint;
    struct kp_node *cursor = NULL;
    const char *path;
    bool is_new = false;

    w->is_incomplete = false;
    kp_list_each(node, &w->places)
        kp_container_of(node, struct place, node)->is_wanted = false;
    while ((path = kp_footprint_next(footprint, &cursor)) != NULL)
        want_file(w, path, &is_new);
    kp_list_each_safe(node, &w->places) {
        struct place *place = kp_container_of(node, struct place, node);
        if (!place->is_wanted)
            free_place(place);
    }
    set_poll(w);
    if (is_new)
        expect_change(w);
}

/* ---- looking ------------------------------------------------------------------------ */

static void
ask_for_reload(struct kp_script_watch *w, const struct kp_footprint_change *change)
{
    kelpie *k = w->k;
    char more[48] = "";

    if (change->n > 1)
        snprintf(more, sizeof(more), ", and %zu more file%s", change->n - 1,
                 change->n == 2 ? "" : "s");
    kp_log_write(&k->env.log, KELPIE_LOG_INFO, "watch: %s %s%s", change->path,
                 change->become, more);
    kp_footprint_accept(&k->script.footprint);
    if (kp_reload_is_rolled_back_content(&k->script))
        kp_log_write(&k->env.log, KELPIE_LOG_WARN,
                     "watch: these are the scripts that were rolled back; they are not "
                     "loaded again before a file changes");
    else
        kelpie_reload(k);
}

/* Compares the disk with what is known, and acts on it. A file that is gone or empty is most
 * probably about to be written, so that is waited for. */
static void
look(struct kp_script_watch *w, bool thoroughly)
{
    kelpie *k = w->k;
    uint64_t now = k->loop.now_ns;
    struct kp_footprint_change change;

    if (w->look_ns == KP_NEVER)
        w->first_ns = now;
    w->look_ns = KP_NEVER;
    if (k->is_draining || k->script.path == NULL)
        return;
    kp_footprint_compare(&k->script, thoroughly, &change);
    if (change.n > 0 || change.was_touched)
        w->n_thorough = THOROUGH_POLLS;
    if (change.n_half > 0 && now < w->first_ns + PATIENCE_NS)
        w->look_ns = w->first_ns + PATIENCE_NS;
    else if (change.n > 0)
        ask_for_reload(w, &change);
    update_places(w);
}

static void
on_timer(struct kp_timer *timer, void *arg)
{
    struct kp_script_watch *w = arg;
    uint64_t now = w->k->loop.now_ns;
    bool is_due = w->look_ns <= now, is_poll = w->poll_ns <= now;

    (void)timer;
    if (is_poll)
        w->poll_ns = now + POLL_NS;
    if (is_due) {
        look(w, true);
    } else if (is_poll && w->look_ns == KP_NEVER) {
        bool thoroughly = w->n_thorough > 0;
        w->n_thorough -= thoroughly;
        look(w, thoroughly);
    }
    set_timer(w);
}

/* ---- on and off --------------------------------------------------------------------- */

void
kp_script_watch_follow(kelpie *k)
{
    struct kp_script_watch *w = k->script_watch;

    if (w == NULL || w->n_loads == k->script.footprint.n_loads)
        return;
    w->n_loads = k->script.footprint.n_loads;
    w->n_thorough = THOROUGH_POLLS;
    kp_list_each(node, &w->places)
        kp_container_of(node, struct place, node)->is_refused = false;
    update_places(w);
}

static int
switch_on(kelpie *k)
{
    struct kp_script_watch *w = kp_mem_zalloc(&k->env.mem, sizeof(*w));

    if (w == NULL)
        return kp_server_fail(k, -ENOMEM, "watch: out of memory");
    w->k = k;
    w->look_ns = w->poll_ns = KP_NEVER;
    kp_list_init(&w->places);
    kp_timer_init(&w->timer, on_timer, w);
    int rc = kp_timer_start(&k->timers, &w->timer, KP_NEVER);
    if (rc < 0) {
        kp_mem_free(&k->env.mem, w, sizeof(*w));
        return kp_server_fail(k, rc, "watch: out of memory");
    }
    k->script_watch = w;
    kp_script_watch_follow(k);
    return 0;
}

int
kelpie_watch_scripts(kelpie *k, int on)
{
    if (!on)
        kp_script_watch_clear(k);
    else if (k->script_watch == NULL)
        return switch_on(k);
    return 0;
}

void
kp_script_watch_clear(kelpie *k)
{
    struct kp_script_watch *w = k->script_watch;

    if (w == NULL)
        return;
    while (!kp_list_is_empty(&w->places))
        free_place(kp_container_of(w->places.next, struct place, node));
    kp_timer_cancel(&k->timers, &w->timer);
    kp_mem_free(&k->env.mem, w, sizeof(*w));
    k->script_watch = NULL;
}
