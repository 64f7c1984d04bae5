/*
 * collector.c - when the garbage of a generation is collected
 *
 * Lua collects in steps, a little for each few KiB that are allocated, so that nobody waits
 * long. There are two ways in which one message would pay for a whole cycle nevertheless,
 * some 50 ms for a heap of 60 MiB:
 *
 *   the cap       Lua begins a cycle when the heap has doubled. A heap above half of the cap
 *                 never doubles: memory "runs out", and Lua collects everything at once.
 *                 Again and again, because that does not change when the next one begins.
 *                 So a cycle is begun here, half way between the heap and its cap
 *   big blocks    a step does work for what was allocated since the last one, so a table
 *                 that grows by a MiB makes a step that is a hundred times as large. The step
 *                 multiplier is therefore a quarter of Lua's own: a cycle is done while the
 *                 heap grows by about a twentieth, which is early enough
 *
 *     bytes   live ........ begin_at ....... cap
 *                  half of the room, to begin; the other half, to finish
 *
 * begin_at follows the heap downward at once, and upward only when a cycle was begun: garbage
 * does not move it. What is left are the parts of a cycle that Lua does not divide: the last
 * look at what has changed, and one table of any size.
 *
 * A heap below SMALL_HEAP may grow to four times what lives in it, not to twice, before a cycle
 * begins: a cycle looks at all that lives, and for the strings of a few hundred messages that is
 * most of the work. It costs less than a MiB, and stays within the cache of a processor. Lua
 * reads the pause at the end of a cycle, so a heap whose garbage makes it large has the one of
 * large heaps each second time.
 *
 * Generational mode would cost less on the whole (a third, for a heap of 50 MiB of which little
 * changes), but its major collections are whole cycles, and come when a heap has grown.
 *
 * See       Lua 5.4 manual, 2.5, lua_gc
 */
#include "collector.h"

#define PAUSE           200 /* per cent of the live heap: as Lua */
#define SMALL_PAUSE     400
#define SMALL_HEAP      (1u << 20)
#define STEP_MULTIPLIER 25 /* Lua: 100 */
#define STEP_SIZE_LOG2  13 /* 8 KiB: as Lua */

static void
set_pause(struct kp_collector *collector, lua_State *L, bool is_small)
{
    collector->is_small = is_small;
    lua_gc(L, LUA_GCINC, is_small ? SMALL_PAUSE : PAUSE, STEP_MULTIPLIER, STEP_SIZE_LOG2);
}

void
kp_collector_init(struct kp_collector *collector, lua_State *L)
{
    collector->begin_at = SIZE_MAX;
    set_pause(collector, L, true);
}

void
kp_collector_follow(struct kp_collector *collector, lua_State *L, size_t bytes,
                    size_t cap)
{
    size_t room = bytes < cap ? cap - bytes : 0;
    size_t half_way = bytes + room / 2;

    if ((bytes < SMALL_HEAP) != collector->is_small)
        set_pause(collector, L, bytes < SMALL_HEAP);
    if (cap == 0 || bytes <= cap / 2) { /* Lua itself begins early enough */
        collector->begin_at = SIZE_MAX;
        return;
    }
    if (half_way < collector->begin_at)
        collector->begin_at = half_way;
    if (bytes < collector->begin_at)
        return;
    lua_gc(L, LUA_GCSTEP, 0); /* one basic step; the next ones come by themselves */
    collector->begin_at = half_way;
}
