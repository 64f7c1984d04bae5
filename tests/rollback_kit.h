/*
 * rollback_kit.h - what the tests of roll-backs share: a probation of ten seconds of a clock
 * that stands
 */
#ifndef ROLLBACK_KIT_H
#define ROLLBACK_KIT_H

#include <stdio.h>

#include "reload_kit.h"
#include "script/probation.h"

#define KELPIE "local kelpie = require('kelpie')\n"

#define GOOD "return { on_message = function(conn, line) conn:send('good ', line) end }"

#define PROBATION_NS (10 * KP_NS_PER_S)

static inline int
setup(void **state)
{
    int rc = rk_setup(state);
    struct reload_kit *kit = *state;

    kit->sk.script.limits.probation_ns = PROBATION_NS;
    kit->sk.script.limits.rolls_back_itself = true;
    fault_clock_set(&kit->sk.sys, kp_sys_now_ns(&kit->sk.env.sys));
    return rc;
}

static inline void
say_many(struct reload_kit *kit, int slot, const char *line, int n)
{
    for (int i = 0; i < n; i++)
        sk_say(&kit->sk, slot, line);
}

static inline void
roll_back(struct reload_kit *kit)
{
    int rc = kp_reload_rollback(&kit->sk.script);

    if (rc != 0)
        print_message("%d: %s\n", rc, kit->sk.script.error);
    assert_int_equal(rc, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, rk_teardown)

#endif
