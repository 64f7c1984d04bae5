/*
 * sim_kernel.c - a kernel that exists only in memory: its life, descriptors, files
 *
 * The calls are in sim_calls.c, connections in sim_socket.c, readiness in sim_kqueue.c.
 */
#include "sim_kernel.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- life -------------------------------------------------------------------------- */

void
sim_kernel_init(struct sim_kernel *kernel, struct sim_random *random)
{
    memset(kernel, 0, sizeof(*kernel));
    kernel->random = random;
    kp_mem_init(&kernel->mem, NULL, NULL);
    kernel->now_ns = KP_NS_PER_S * 1000;
    kernel->listener = kernel->corked_fd = -1;
    kernel->n_fds = SIM_MAX_FDS;
}

void
sim_kernel_clear(struct sim_kernel *kernel)
{
    for (int i = 0; i < kernel->n_links; i++) {
        kp_buf_clear(&kernel->links[i].to_server, &kernel->mem);
        kp_buf_clear(&kernel->links[i].to_client, &kernel->mem);
    }
}

int
sim_kernel_count(const struct sim_kernel *kernel, enum sim_kind kind)
{
    int n = 0;

    for (int i = 0; i < SIM_MAX_FDS; i++)
        n += kernel->fds[i].kind == kind;
    return n;
}

int
sim_kernel_count_all(const struct sim_kernel *kernel)
{
    return SIM_MAX_FDS - sim_kernel_count(kernel, SIM_CLOSED);
}

void
sim_file_write(struct sim_kernel *kernel, int index, const char *path, const char *text)
{
    struct sim_file *file = &kernel->files[index];

    file->path = path;
    file->text = text;
    file->len = text != NULL ? strlen(text) : 0;
    file->version++;
}

void
sim_violate(struct sim_kernel *kernel, const char *format, ...)
{
    va_list args;

    if (kernel->violation[0] != '\0')
        return;
    va_start(args, format);
    vsnprintf(kernel->violation, sizeof(kernel->violation), format, args);
    va_end(args);
    sim_trace(kernel, "VIOLATION %s", kernel->violation);
}

void
sim_trace(const struct sim_kernel *kernel, const char *format, ...)
{
    va_list args;

    if (!kernel->has_trace)
        return;
    printf("%12.6f  ", (double)kernel->now_ns / (double)KP_NS_PER_S);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
}

bool
sim_fails(struct sim_kernel *kernel, unsigned of_256)
{
    return !kernel->is_calm && sim_chance(kernel->random, of_256);
}

/* ---- descriptors ------------------------------------------------------------------- */

struct sim_fd *
sim_fd_get(struct sim_kernel *kernel, int fd, const char *call)
{
    kernel->calls++;
    if (kernel->corked_fd >= 0 &&
        (fd != kernel->corked_fd || strcmp(call, "shutdown") != 0))
        sim_violate(kernel, "%s of descriptor %d, while bytes of %d wait for its end",
                    call, fd, kernel->corked_fd);
    if (fd >= 0 && fd < SIM_MAX_FDS && kernel->fds[fd].kind != SIM_CLOSED)
        return &kernel->fds[fd];
    sim_violate(kernel, "%s of descriptor %d, which is not open", call, fd);
    return NULL;
}

int
sim_fd_new(struct sim_kernel *kernel, enum sim_kind kind, int index)
{
    for (int i = 0; i < kernel->n_fds; i++) {
        if (kernel->fds[i].kind != SIM_CLOSED)
            continue;
        kernel->fds[i] = (struct sim_fd){.kind = kind, .index = index};
        kernel->fds[i].channel.is_open = kernel->fds[i].channel.is_peer_open = true;
        return i;
    }
    return -EMFILE;
}
