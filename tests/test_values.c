/*
 * test_values.c - sizes, times and counts as people write them
 *
 * The daemon's files are no part of the library, so they are compiled into this test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "daemon/values.c"

static void
given_times_when_read_then_milliseconds(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t ms;
    } good[] = {
        {"0", 0},
        {"30", 30000},
        {"30s", 30000},
        {"0.5", 500},
        {".5", 500},
        {"500ms", 500},
        {"1.5m", 90000},
        {"2h", 7200000},
        {"2H", 7200000},
        {"0.0001", 1},
        {"0.0015s", 2},
        {"1.999999", 2000},
        {"1.0000001", 1001},
    };
    static const char *const bad[] = {"",  "-1", "1e3",  " 1",  "1 s", "1.",
                                      "s", ".",  "1.5x", "inf", "0x10"};
    uint64_t ms;

    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_int_equal(kd_value_time(&ms, good[i].text), KD_VALUE_GOOD);
        assert_int_equal(ms, good[i].ms);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(kd_value_time(&ms, bad[i]), KD_VALUE_MALFORMED);
    assert_int_equal(kd_value_time(&ms, "18446744073709551615h"), KD_VALUE_OUT_OF_RANGE);
}

static void
given_sizes_when_read_then_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        {"0", 0},
        {"1", 1},
        {"8192", 8192},
        {"64K", 65536},
        {"64k", 65536},
        {"1M", 1 << 20},
        {"2GiB", UINT64_C(2) << 30},
        {"3kb", 3072},
        {"18446744073709551615", UINT64_MAX},
    };
    static const char *const bad[] = {"", "K", "-1", "1.5M", "1 K", "0x10", "+1", "1T"};
    uint64_t bytes;

    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_int_equal(kd_value_size(&bytes, good[i].text), KD_VALUE_GOOD);
        assert_true(bytes == good[i].bytes);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(kd_value_size(&bytes, bad[i]), KD_VALUE_MALFORMED);
    assert_int_equal(kd_value_size(&bytes, "18446744073709551616"),
                     KD_VALUE_OUT_OF_RANGE);
    assert_int_equal(kd_value_size(&bytes, "18014398509481984K"), KD_VALUE_OUT_OF_RANGE);
}

static void
given_numbers_when_written_then_they_can_be_read_again(void **state)
{
    (void)state;
    static const uint64_t numbers[] = {0,    1,    999,     1000,   1001,
                                       1023, 1024, 3600000, 1 << 20};
    char text[KD_VALUE_TEXT_SIZE];
    uint64_t again;

    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        kd_value_size_format(text, numbers[i]);
        assert_int_equal(kd_value_size(&again, text), KD_VALUE_GOOD);
        assert_true(again == numbers[i]);
        kd_value_time_format(text, numbers[i]);
        assert_int_equal(kd_value_time(&again, text), KD_VALUE_GOOD);
        assert_true(again == numbers[i]);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_times_when_read_then_milliseconds),
        cmocka_unit_test(given_sizes_when_read_then_bytes),
        cmocka_unit_test(given_numbers_when_written_then_they_can_be_read_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
