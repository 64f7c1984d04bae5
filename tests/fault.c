/*
 * fault.c - everything that can fail, made to fail: memory, and the helpers
 *
 * The idea and the use are described in fault.h; the other door is in fault_sys.c.
 *
 * A block of the allocator has a header in front of it with its size and a mark. The header
 * is as large as the strictest alignment, so the block is aligned as malloc's; a sanitizer
 * sees its end, because nothing lies behind it. The mark tells a block from what is none.
 */
#include "fault.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE_NS (10 * KP_NS_PER_S)
#define MAX_FDS     65536

/* ---- memory ---- */

#define MARK      UINT64_C(0x6b656c7069650a0d)
#define FREE_MARK UINT64_C(0xdeadbeefdeadbeef)

union header {
    struct {
        size_t size;
        uint64_t mark;
    } of;
    max_align_t align;
};

void
fault_mem_init(struct fault_mem *mem)
{
    memset(mem, 0, sizeof(*mem));
}

void
fault_mem_fail(struct fault_mem *mem, size_t nth)
{
    mem->fail_at = mem->calls + nth;
    mem->fail_on = false;
}

void
fault_mem_fail_from(struct fault_mem *mem, size_t nth)
{
    fault_mem_fail(mem, nth);
    mem->fail_on = true;
}

static void
give_up(const char *what, size_t said, size_t is)
{
    fprintf(stderr, "fault_alloc: %s: size given as %zu, is %zu\n", what, said, is);
    abort();
}

static union header *
header_of(void *ptr, size_t size)
{
    union header *header = (union header *)ptr - 1;

    if (header->of.mark != MARK)
        give_up(header->of.mark == FREE_MARK ? "freed twice" : "no block", size, 0);
    if (header->of.size != size)
        give_up("wrong size", size, header->of.size);
    return header;
}

static bool
is_refused(struct fault_mem *mem)
{
    size_t call = ++mem->calls;

    if (mem->fail_at == 0 || call < mem->fail_at ||
        (call > mem->fail_at && !mem->fail_on))
        return false;
    mem->failures++;
    return true;
}

static void *
new_block(struct fault_mem *mem, size_t size)
{
    union header *header = malloc(sizeof(*header) + size);

    if (header == NULL)
        return NULL;
    header->of.size = size;
    header->of.mark = MARK;
    memset(header + 1, 0xa5, size); /* nobody may rely on zeros */
    mem->blocks++;
    mem->bytes += size;
    if (mem->bytes > mem->peak)
        mem->peak = mem->bytes;
    return header + 1;
}

static void
free_block(struct fault_mem *mem, union header *header)
{
    mem->blocks--;
    mem->bytes -= header->of.size;
    header->of.mark = FREE_MARK;
    free(header);
}

void *
fault_alloc(void *arg, void *ptr, size_t old_size, size_t new_size)
{
    struct fault_mem *mem = arg;
    union header *before = ptr != NULL ? header_of(ptr, old_size) : NULL;
    bool is_growth = before == NULL || new_size > old_size;
    void *block = NULL;

    if (before == NULL && new_size == 0)
        return NULL;
    if (new_size > 0) {
        if (is_growth && is_refused(mem))
            return NULL;
        block = new_block(mem, new_size);
        if (block == NULL)
            return NULL;
        if (before != NULL)
            memcpy(block, ptr, old_size < new_size ? old_size : new_size);
    }
    if (before != NULL)
        free_block(mem, before);
    return block;
}

/* ---- both ---- */

void
fault_env_init(struct kp_env *env, struct fault_mem *mem, struct fault_sys *sys)
{
    if (mem != NULL)
        fault_mem_init(mem);
    kp_mem_init(&env->mem, mem != NULL ? fault_alloc : NULL, mem);
    env->sys = (struct kp_sys){.calls = &kp_sys_kernel};
    if (sys != NULL) {
        fault_sys_init(sys);
        env->sys = (struct kp_sys){.calls = &fault_sys_calls, .arg = sys};
    }
    kp_log_init(&env->log, NULL, NULL, KELPIE_LOG_ERROR);
}

void
fault_env_heal(struct fault_mem *mem, struct fault_sys *sys)
{
    if (mem != NULL)
        mem->fail_at = 0;
    if (sys == NULL)
        return;
    memset(sys->rules, 0, sizeof(sys->rules));
    sys->eagain_every = 0;
    sys->send_one_byte = sys->recv_one_byte = false;
}

void
fault_env_check(const struct kp_env *env, const struct fault_mem *mem)
{
    assert_int_equal(env->mem.used, mem->bytes);
    assert_int_equal(mem->blocks, 0);
    assert_int_equal(mem->bytes, 0);
}

/* ---- helpers ---- */

/* The layer for Linux keeps descriptors of a closed kqueue until the next one is made. */
static void
flush_closed_kqueues(void)
{
    int kq = kp_sys_kernel.kqueue(NULL);

    assert_true(kq >= 0);
    assert_int_equal(close(kq), 0);
}

/* Asks about every number. */
static size_t
count_fds_by_poll(void)
{
    static struct pollfd fds[MAX_FDS]; /* only read and written here */
    long limit = sysconf(_SC_OPEN_MAX);
    nfds_t max = limit < 0 || limit > MAX_FDS ? MAX_FDS : (nfds_t)limit;
    size_t n = 0;

    for (nfds_t i = 0; i < max; i++)
        fds[i] = (struct pollfd){.fd = (int)i};
    assert_true(poll(fds, max, 0) >= 0); /* one call says it of all of them */
    for (nfds_t i = 0; i < max; i++)
        n += (fds[i].revents & POLLNVAL) == 0;
    return n;
}

/* Where the system lists them, that is much faster. */
size_t
fault_count_fds(void)
{
    size_t n = 0;

    flush_closed_kqueues();
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL)
        return count_fds_by_poll();
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        n += entry->d_name[0] != '.';
    assert_int_equal(closedir(folder), 0);
    return n - 1; /* but that of the list */
}

void
fault_socketpair(int fds[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(kp_sys_kernel.set_flags(NULL, fds[i]), 0);
}

size_t
fault_fill(int fd)
{
    static const char bytes[4096];
    struct iovec iov = {.iov_base = (char *)bytes, .iov_len = sizeof(bytes)};
    size_t total = 0;
    ssize_t n;

    while ((n = kp_sys_kernel.send(NULL, fd, &iov, 1, false)) > 0)
        total += (size_t)n;
    assert_int_equal(n, -EAGAIN);
    return total;
}

size_t
fault_drain(int fd)
{
    char bytes[4096];
    size_t total = 0;
    ssize_t n;

    while ((n = kp_sys_kernel.recv(NULL, fd, bytes, sizeof(bytes))) > 0)
        total += (size_t)n;
    return total;
}

void
fault_wait_until(bool (*is_so)(void *arg), void *arg, const char *what)
{
    uint64_t deadline_ns = kp_sys_kernel.now_ns(NULL) + PATIENCE_NS;

    while (!is_so(arg)) {
        if (kp_sys_kernel.now_ns(NULL) > deadline_ns)
            fail_msg("waited for %s", what);
        (void)poll(NULL, 0, 1);
    }
}
