/*
 * sim_handlers.c - handlers in C that do anything with anybody, at any moment
 *
 * Each handler, timer and posted call does a few random things of the public interface: to
 * its own connection, to others, to rooms and timers. What each call has returned is told to
 * the checker.
 *
 * When there is a script it is the one that acts, and these only look.
 */
#include <errno.h>
#include <string.h>

#include "net/conn.h"
#include "sim_script.h"

static void act(struct sim_world *world, kelpie_conn *self);

/* ---- things to do ------------------------------------------------------------------ */

size_t
sim_make_message(struct sim_world *world, const kelpie_conn *conn, char *out)
{
    size_t len = sim_chance(&world->random, 16) ? sim_below(&world->random, 300)
                                                : sim_below(&world->random, 30);

    if (conn != NULL && conn->framing.kind == KP_FRAME_FIXED)
        len = conn->framing.fixed_size;
    memset(out, 'A' + (int)sim_below(&world->random, 26), len);
    return len;
}

static void
send_one(struct sim_world *world, kelpie_conn *conn)
{
    char text[SIM_MAX_MESSAGE];
    size_t len = sim_make_message(world, conn, text);
    bool wrapped = sim_chance(&world->random, 200);
    int rc =
        wrapped ? kelpie_conn_send(conn, text, len) : kelpie_conn_write(conn, text, len);

    sim_check_sent(world, conn, text, len, wrapped, rc);
}

static void
cast(struct sim_world *world, kelpie_conn *self)
{
    char text[SIM_MAX_MESSAGE];
    size_t len = sim_make_message(world, NULL, text);
    struct kelpie_room *room = world->rooms[sim_below(&world->random, SIM_ROOMS)];
    struct sim_cast what = {.message = text, .len = len, .wrapped = true};

    what.except = sim_chance(&world->random, 128) ? self : NULL;
    what.room = sim_chance(&world->random, 64) ? NULL : room;
    sim_check_before_cast(world, &what);
    int rc = what.room == NULL ? kelpie_broadcast(world->k, text, len, what.except)
                               : kelpie_room_send(room, text, len, what.except);
    sim_check_after_cast(world, &what, rc);
}

static void
move(struct sim_world *world, kelpie_conn *conn)
{
    struct kelpie_room *room = world->rooms[sim_below(&world->random, SIM_ROOMS)];
    bool joins = sim_chance(&world->random, 180);
    bool was_in = kp_room_has(room, conn);
    bool is_open = kp_conn_is_open(conn);
    int rc = joins ? kelpie_room_join(room, conn) : kelpie_room_leave(room, conn);

    if (rc >= 0 && (rc == 1) != (was_in != joins))
        VIOLATE("room: %s says %d", joins ? "join" : "leave", rc);
    if (rc == KELPIE_ECLOSED && is_open)
        VIOLATE("room: closed, says %s", joins ? "join" : "leave");
}

static void
end(struct sim_world *world, kelpie_conn *conn)
{
    bool rudely = sim_chance(&world->random, 96);

    sim_trace(&world->kernel, "    %s conn %llu", rudely ? "abort" : "close",
              (unsigned long long)conn->id);
    if (rudely)
        kelpie_conn_abort(conn);
    else
        kelpie_conn_close(conn, sim_chance(&world->random, 128) ? "bye" : NULL);
    if (kelpie_conn_is_open(conn))
        VIOLATE("I4: closed, but open");
}

static void
hold_back(struct sim_world *world, kelpie_conn *conn)
{
    if (sim_chance(&world->random, 96))
        kelpie_conn_pause(conn);
    else
        kelpie_conn_resume(conn);
    sim_trace(&world->kernel, "    blocks of conn %llu: %u", (unsigned long long)conn->id,
              conn->blocks);
}

static void
set_timeout(struct sim_world *world, kelpie_conn *conn)
{
    static const int limits[] = {-1, 1, 50, 2000};

    kelpie_conn_set_timeout(conn, limits[sim_below(&world->random, 4)]);
}

/* ---- timers and posts -------------------------------------------------------------- */

/* The timer is found by its place, since only one argument is handed on. */
static void
on_timer(void *arg)
{
    struct sim_world *world = arg;

    if (world->depth != 0)
        VIOLATE("I5: a timer inside a handler");
    world->depth++;
    act(world, NULL);
    world->depth--;
}

#define ON_TIMER(n)                                                                      \
 static void on_timer_##n(void *arg)                                                     \
 {                                                                                       \
  struct sim_world *world = arg;                                                         \
  if (!world->repeats[n])                                                                \
   world->timers[n] = NULL;                                                              \
  on_timer(world);                                                                       \
 }
ON_TIMER(0)
ON_TIMER(1)
ON_TIMER(2)
ON_TIMER(3)

static void
set_timer(struct sim_world *world)
{
    static void (*const fns[SIM_TIMERS])(void *) = {on_timer_0, on_timer_1, on_timer_2,
                                                    on_timer_3};
    uint32_t n = sim_below(&world->random, SIM_TIMERS);
    int ms = (int)sim_below(&world->random, 60) + 1;

    if (world->timers[n] != NULL) {
        kelpie_timer_cancel(world->timers[n]);
        world->timers[n] = NULL;
        return;
    }
    world->repeats[n] = sim_chance(&world->random, 64);
    int rc = world->repeats[n]
                 ? kelpie_every(world->k, &world->timers[n], ms, fns[n], world)
                 : kelpie_after(world->k, &world->timers[n], ms, fns[n], world);
    if (rc < 0) {
        world->timers[n] = NULL;
        if (!world->memory_fails)
            VIOLATE("timer: %d", rc);
    }
}

static void
post(struct sim_world *world)
{
    int rc = kelpie_post(world->k, on_timer, world);

    if (rc < 0 && !world->memory_fails)
        VIOLATE("post: %d", rc);
}

void
sim_drop_handles(struct sim_world *world)
{
    for (int i = 0; i < SIM_TIMERS; i++) {
        if (world->timers[i] != NULL)
            kelpie_timer_cancel(world->timers[i]);
        world->timers[i] = NULL;
    }
    for (int i = 0; i < SIM_ROOMS; i++) {
        if (world->rooms[i] != NULL)
            kelpie_room_close(world->rooms[i]);
        world->rooms[i] = NULL;
    }
}

/* ---- somebody does something ------------------------------------------------------- */

static kelpie_conn *
choose_conn(struct sim_world *world, kelpie_conn *self)
{
    if (self != NULL && sim_chance(&world->random, 180))
        return self;
    if (sim_chance(&world->random, 128))
        return kelpie_client(world->k, sim_below(&world->random, 6));
    return kelpie_find(world->k, 1 + sim_below(&world->random, SIM_MAX_LINKS));
}

static void
act_on(struct sim_world *world, kelpie_conn *conn)
{
    uint32_t what = sim_below(&world->random, 100);

    if (what < 65)
        send_one(world, conn);
    else if (what < 80)
        move(world, conn);
    else if (what < 90)
        hold_back(world, conn);
    else if (what < 93)
        end(world, conn);
    else
        set_timeout(world, conn);
}

static void
act(struct sim_world *world, kelpie_conn *self)
{
    if (world->is_resting)
        return;
    for (uint32_t n = sim_below(&world->random, 4); n > 0; n--) {
        kelpie_conn *conn = choose_conn(world, self);
        uint32_t what = sim_below(&world->random, 100);
        if (what < 16)
            cast(world, self);
        else if (what < 22)
            set_timer(world);
        else if (what < 25)
            post(world);
        else if (conn != NULL)
            act_on(world, conn);
    }
}

static int
handle(struct sim_world *world, kelpie_conn *conn)
{
    static const int results[] = {KELPIE_PASS, KELPIE_PASS, KELPIE_DONE};

    if (world->script_source != NULL)
        return KELPIE_PASS;
    world->depth++;
    act(world, conn);
    world->depth--;
    if (!world->is_resting && sim_chance(&world->random, 2))
        return -EIO;
    return results[sim_below(&world->random, 3)];
}

static int
on_connect(kelpie_conn *conn, void *arg)
{
    sim_check_connect(arg, conn);
    return handle(arg, conn);
}

static int
on_message(kelpie_conn *conn, const void *message, size_t len, void *arg)
{
    sim_check_message(arg, conn, message, len);
    return handle(arg, conn);
}

static int
on_disconnect(kelpie_conn *conn, const char *reason, void *arg)
{
    sim_check_disconnect(arg, conn, reason);
    return handle(arg, conn);
}

const struct kelpie_handlers sim_handlers = {
    .size = sizeof(struct kelpie_handlers),
    .on_connect = on_connect,
    .on_message = on_message,
    .on_disconnect = on_disconnect,
};

void
sim_operator_acts(struct sim_world *world)
{
    if (world->script_source == NULL && sim_chance(&world->random, 20))
        act(world, NULL);
    if (world->script_source != NULL && sim_chance(&world->random, 8))
        sim_script_change(world);
    if (sim_chance(&world->random, 1)) {
        sim_trace(&world->kernel, "the operator asks for the end");
        kelpie_drain(world->k);
        world->is_woken = true;
    }
    if (world->script_source != NULL && sim_chance(&world->random, 8))
        (void)kelpie_input(world->k, "hello", 5); /* the handler may raise */
}
