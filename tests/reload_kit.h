/*
 * reload_kit.h - script files in a fresh folder, loaded by kp_reload
 *
 * On top of script_kit.h, whose sk_ functions do the rest with &kit->sk. The clock runs, so
 * that endless loops come to an end; a test that wants to move it stops it first
 * (fault_clock_set). What is opened can be watched, and refused.
 */
#ifndef RELOAD_KIT_H
#define RELOAD_KIT_H

#include "folder_kit.h"
#include "script/reload.h"
#include "script_kit.h"

struct reload_kit {
    struct script_kit sk;
    char folder[FOLDER_SIZE]; /* of the script files; removed at the end */

    struct kp_sys_calls
        calls; /* behind the fault kit: the kernel's, but open is watched */
    void (*before_open)(struct reload_kit *kit, const char *path); /* or NULL */
    const char *deny;  /* a path that cannot be opened: EACCES */
    unsigned n_opened; /* counts calls, for before_open */
};

/* Builds and takes down a kit; for cmocka_unit_test_setup_teardown. */
int rk_setup(void **state);
int rk_teardown(void **state);

/* Writes a file of the script folder; folders on the way are made. */
void rk_write(struct reload_kit *kit, const char *name, const char *text);
void rk_write_bytes(struct reload_kit *kit, const char *name, const void *bytes,
                    size_t len);
void rk_remove(struct reload_kit *kit, const char *name);

/* Writes init.lua and reloads; returns what kp_reload does. */
int rk_load(struct reload_kit *kit, const char *text);
/* The same, and asserts that it succeeds. */
void rk_must_load(struct reload_kit *kit, const char *text);
/* The same, and asserts that it is rejected, that script->error has all of the words, and
 * that the generation that served still serves. Ends with NULL. */
void rk_must_reject(struct reload_kit *kit, const char *text, ...)
    __attribute__((sentinel));

/* Opens a connection in a slot, but does no step: it is not announced. */
void rk_connect_unannounced(struct reload_kit *kit, int slot);

void rk_assert_has(const char *text, const char *words);
void rk_assert_has_not(const char *text, const char *words);

#endif
