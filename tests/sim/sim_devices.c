/*
 * sim_devices.c - descriptors that the host watches, and changes its mind about
 *
 * Two places for a device each, which has something to read or has not. When one is told, the
 * host reads it, or gives up one of them in the middle of the batch, or puts another device
 * in its place; that one gets the number that has just become free, and the loop's slot of
 * the old one. So an event of the batch that was meant for the old device must not reach
 * the new one, which has nothing to read.
 */
#include <sys/event.h>

#include "sim_world.h"

static void on_device(void *arg, int fd);

static void
take_device(struct sim_world *world, int place)
{
    struct sim_device *device = &world->devices[place];

    device->world = world;
    device->fd = sim_fd_new(&world->kernel, SIM_DEVICE, place);
    if (device->fd < 0)
        return;
    int rc = kelpie_watch(world->k, device->fd, on_device, device);
    if (rc == 0)
        return;
    if (!world->memory_fails)
        VIOLATE("watch of descriptor %d: %d", device->fd, rc);
    world->kernel.fds[device->fd] = (struct sim_fd){.kind = SIM_CLOSED};
    device->fd = -1;
}

static void
give_device_up(struct sim_world *world, int place)
{
    struct sim_device *device = &world->devices[place];
    int rc = kelpie_unwatch(world->k, device->fd);

    /* A watch that the kernel has refused is logged, and gone. */
    if (rc != 0 && world->kernel.faults.no_memory == 0)
        VIOLATE("unwatch of descriptor %d: %d", device->fd, rc);
    world->kernel.fds[device->fd] = (struct sim_fd){.kind = SIM_CLOSED};
    device->fd = -1;
}

static void
set_ready(struct sim_world *world, const struct sim_device *device, bool is_ready)
{
    struct channel *channel = &world->kernel.fds[device->fd].channel;

    channel->n_unread = is_ready;
    if (is_ready)
        model_owe(channel, EVFILT_READ);
    else
        model_forgive(channel);
}

static void
change_one(struct sim_world *world)
{
    int place = (int)sim_below(&world->random, SIM_DEVICES);
    struct sim_device *device = &world->devices[place];

    if (device->fd < 0) {
        take_device(world, place);
    } else {
        give_device_up(world, place);
        if (sim_chance(&world->random, 180))
            take_device(world, place);
    }
}

static void
on_device(void *arg, int fd)
{
    struct sim_device *device = arg;
    struct sim_world *world = device->world;

    sim_trace(&world->kernel, "  device with descriptor %d is told of", fd);
    if (device->fd != fd)
        VIOLATE("E1: descriptor %d is told of, which is not watched any more", fd);
    else if (world->kernel.fds[fd].channel.n_unread == 0)
        VIOLATE("E1: descriptor %d is told of, which has nothing to read", fd);
    else
        set_ready(world, device, false);
    if (!world->is_resting && sim_chance(&world->random, 100))
        change_one(world);
}

void
sim_devices_act(struct sim_world *world)
{
    for (int i = 0; i < SIM_DEVICES; i++)
        if (world->devices[i].fd >= 0 && sim_chance(&world->random, 128))
            set_ready(world, &world->devices[i], true);
    if (sim_chance(&world->random, 32))
        change_one(world);
}

void
sim_devices_init(struct sim_world *world)
{
    for (int i = 0; i < SIM_DEVICES; i++)
        world->devices[i].fd = -1;
}

void
sim_devices_drop(struct sim_world *world)
{
    for (int i = 0; i < SIM_DEVICES; i++)
        if (world->devices[i].fd >= 0)
            give_device_up(world, i);
}
