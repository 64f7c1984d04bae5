/*
 * test_nearest.c - "did you mean"
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/nearest.h"

static void
given_two_words_when_compared_then_the_edits_are_counted(void **state)
{
    static const struct {
        const char *a, *b;
        size_t edits;
    } cases[] = {
        {"", "", 0},
        {"abc", "abc", 0},
        {"", "abc", 3},
        {"abc", "", 3},
        {"on_mesage", "on_message", 1}, /* one letter less */
        {"framingg", "framing", 1},     /* more */
        {"on_connekt", "on_connect", 1},
        {"on_mesasge", "on_message", 1}, /* neighbours swapped */
        {"On_Message", "on_message", 0}, /* case */
        {"kitten", "sitting", 3},
        {"ca", "abc", 3}, /* what is swapped is not edited again */
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t there = kp_nearest_distance(cases[i].a, cases[i].b);
        size_t back = kp_nearest_distance(cases[i].b, cases[i].a);

        assert_int_equal(there, cases[i].edits);
        assert_int_equal(back, cases[i].edits);
    }
}

static void
given_a_very_long_word_when_compared_then_it_is_like_nothing(void **state)
{
    static const char longest[] = "0123456789012345678901234567890123456789abcdefgh";
    static const char longer[] = "0123456789012345678901234567890123456789abcdefghi";
    const char *names[] = {longest};
    (void)state;

    assert_int_equal(kp_nearest_distance(longest, longest), 0);
    assert_int_equal(kp_nearest_distance(longer, longest), SIZE_MAX);
    assert_int_equal(kp_nearest_distance(longest, longer), SIZE_MAX);
    assert_null(kp_nearest(longer, names, 1));
}

static void
given_names_when_one_is_mistyped_then_the_most_like_is_found(void **state)
{
    static const char *const names[] = {"on_connect", "on_message", "on_disconnect",
                                        "framing", "max_message"};
    (void)state;

    assert_string_equal(kp_nearest("on_mesage", names, 5), "on_message");
    assert_string_equal(kp_nearest("onmessage", names, 5), "on_message");
    assert_string_equal(kp_nearest("on_conect", names, 5), "on_connect");
    assert_string_equal(kp_nearest("on_disconect", names, 5), "on_disconnect");
    assert_string_equal(kp_nearest("framming", names, 5), "framing");
    assert_string_equal(kp_nearest("framing", names, 5), "framing");
}

static void
given_names_when_nothing_is_near_then_none_is_named(void **state)
{
    static const char *const names[] = {"on_connect", "framing"};
    (void)state;

    assert_null(kp_nearest("color", names, 2));
    assert_null(kp_nearest("", names, 2));
    assert_null(kp_nearest("framing", names, 0));
}

static void
given_equally_near_names_when_asked_then_the_first_is_named(void **state)
{
    static const char *const names[] = {"cat", "bat", "rat"};
    (void)state;

    assert_string_equal(kp_nearest("hat", names, 3), "cat");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_two_words_when_compared_then_the_edits_are_counted),
        cmocka_unit_test(given_a_very_long_word_when_compared_then_it_is_like_nothing),
        cmocka_unit_test(given_names_when_one_is_mistyped_then_the_most_like_is_found),
        cmocka_unit_test(given_names_when_nothing_is_near_then_none_is_named),
        cmocka_unit_test(given_equally_near_names_when_asked_then_the_first_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
