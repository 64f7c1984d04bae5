/*
 * inside_glib.c - kelpie inside a main loop of GLib, as of GTK programs
 *
 * A source of its own kind: GLib asks prepare before it sleeps, and watches kelpie_fd. So
 * whatever a callback of the program did with the server, such as the broadcast of every(),
 * is taken care of.
 */
#include <glib-unix.h>
#include <kelpie.h>
#include <stdio.h>

struct kelpie_source {
    GSource source; /* GLib's part comes first */
    kelpie *k;
    gpointer fd; /* what GLib calls the watch of kelpie_fd */
    GMainLoop *loop;
};

static gboolean
prepare(GSource *source, gint *timeout_ms)
{
    *timeout_ms = kelpie_timeout(((struct kelpie_source *)source)->k);
    return *timeout_ms == 0;
}

static gboolean
check(GSource *source)
{
    struct kelpie_source *s = (struct kelpie_source *)source;

    return g_source_query_unix_fd(source, s->fd) != 0 || kelpie_timeout(s->k) == 0;
}

static gboolean
dispatch(GSource *source, GSourceFunc callback, gpointer arg)
{
    struct kelpie_source *s = (struct kelpie_source *)source;

    (void)callback, (void)arg;
    if (kelpie_step(s->k, 0) > 0)
        return G_SOURCE_CONTINUE;
    g_main_loop_quit(s->loop);
    return G_SOURCE_REMOVE;
}

static gboolean
every(gpointer arg) /* a timer of the program's own */
{
    kelpie_broadcast(arg, "tick", 4, NULL);
    return G_SOURCE_CONTINUE;
}

int
main(int argc, char **argv)
{
    static GSourceFuncs calls = {
        .prepare = prepare, .check = check, .dispatch = dispatch};
    kelpie *k;
    int port;

    if (kelpie_new(&k, NULL) < 0 ||
        (port = kelpie_listen(k, argc > 1 ? argv[1] : "127.0.0.1:8080")) < 0)
        return 1;
    GSource *source = g_source_new(&calls, sizeof(struct kelpie_source));
    struct kelpie_source *s = (struct kelpie_source *)source;
    s->k = k;
    s->fd = g_source_add_unix_fd(source, kelpie_fd(k), G_IO_IN);
    s->loop = g_main_loop_new(NULL, FALSE);
    g_source_attach(source, NULL);
    g_timeout_add(100, every, k);
    fprintf(stderr, "listening, port %d\n", port);
    g_main_loop_run(s->loop);
    g_main_loop_unref(s->loop);
    g_source_destroy(source);
    g_source_unref(source);
    kelpie_free(k);
    return 0;
}
