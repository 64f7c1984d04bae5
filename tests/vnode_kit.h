/*
 * vnode_kit.h - what the tests of EVFILT_VNODE share
 *
 * A temporary folder is the working directory of all tests of a program.
 */
#ifndef VNODE_KIT_H
#define VNODE_KIT_H

#include "kqueue_kit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compat/compat.h"

#define ALL_NOTES                                                                        \
 (NOTE_DELETE | NOTE_WRITE | NOTE_EXTEND | NOTE_ATTRIB | NOTE_LINK | NOTE_RENAME)

static inline int
make_folder(void **state)
{
    char *folder = strdup("/tmp/kelpie-vnode-XXXXXX");
    *state = folder;
    return folder != NULL && mkdtemp(folder) != NULL && chdir(folder) == 0 ? 0 : -1;
}

static inline int
remove_folder(void **state)
{
    char *folder = *state;
    int rc = chdir("/") == 0 && rmdir(folder) == 0 ? 0 : -1;
    free(folder);
    return rc;
}

static inline void
put_file(const char *path, const char *text, int flags)
{
    int fd = open(path, O_WRONLY | O_CREAT | flags, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    kit_close(fd);
}

static inline int
watch(int kq, const char *path, unsigned flags, unsigned notes, int tag)
{
    int fd = open(path, O_EVTONLY);
    assert_true(fd >= 0);
    kit_change(kq, fd, EVFILT_VNODE, EV_ADD | flags, notes, tag);
    return fd;
}

static inline void
assert_silent(int kq)
{
    struct kevent event;
    assert_int_equal(kit_peek(kq, &event, 1), 0);
}

#endif
