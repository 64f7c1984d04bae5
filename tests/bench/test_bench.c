/*
 * test_bench.c - the parts of the benchmark that its figures rest on
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dialect.h"
#include "histogram.h"

/* ---- histogram -------------------------------------------------------------------------- */

static void
given_no_value_when_asked_then_zero(void **state)
{
    struct histogram histogram;

    (void)state;
    histogram_clear(&histogram);

    assert_int_equal(histogram_at(&histogram, 0.99), 0);
    assert_int_equal(histogram.max, 0);
}

static void
given_small_values_when_asked_then_exact(void **state)
{
    struct histogram histogram;

    (void)state;
    histogram_clear(&histogram);
    for (uint64_t ns = 0; ns < 50; ns++)
        histogram_add(&histogram, ns);

    assert_int_equal(histogram_at(&histogram, 0), 0);
    assert_int_equal(histogram_at(&histogram, 0.5), 25);
    assert_int_equal(histogram_at(&histogram, 1), 49);
}

static void
given_a_hundred_thousand_when_asked_then_at_most_4_percent_off(void **state)
{
    static const double shares[] = {0.01, 0.5, 0.9, 0.99, 0.999};
    struct histogram histogram;

    (void)state;
    histogram_clear(&histogram);
    for (uint64_t i = 1; i <= 100000; i++)
        histogram_add(&histogram, i * 1000);

    for (size_t i = 0; i < 5; i++) {
        double exact = shares[i] * 100000 * 1000;
        double got = (double)histogram_at(&histogram, shares[i]);
        assert_true(got >= exact && got <= exact * 1.04);
    }
    assert_int_equal(histogram.max, 100000000);
}

static void
given_a_value_beyond_all_when_added_then_the_last_bucket_and_an_exact_max(void **state)
{
    struct histogram histogram;

    (void)state;
    histogram_clear(&histogram);
    histogram_add(&histogram, UINT64_MAX);

    assert_int_equal(histogram.n, 1);
    assert_true(histogram.max == UINT64_MAX);
    assert_int_equal(histogram.counts[HISTOGRAM_BUCKETS - 1], 1);
}

/* ---- payloads ------------------------------------------------------------------------------ */

static void
given_neighbouring_messages_when_made_then_no_two_alike(void **state)
{
    char payloads[3][3][31];

    (void)state;
    for (unsigned number = 0; number < 3; number++)
        for (unsigned seq = 0; seq < 3; seq++)
            dialect_payload(payloads[number][seq], 31, number, seq);

    for (unsigned i = 0; i < 9; i++)
        for (unsigned j = 0; j < i; j++)
            assert_memory_not_equal(payloads[i / 3][i % 3], payloads[j / 3][j % 3], 31);
}

static void
given_a_long_payload_when_made_then_printable_to_its_last_byte_and_no_further(
    void **state)
{
    static char payload[65536 + 1];

    (void)state;
    memset(payload, '\n', sizeof(payload));
    dialect_payload(payload, 65536, 3, 1234567);

    for (size_t i = 0; i < 65536; i++)
        assert_true(payload[i] > ' ' && payload[i] <= 'z');
    assert_int_equal(payload[65536], '\n');
}

static void
given_a_line_of_32_bytes_when_asked_of_redis_then_its_length_is_31(void **state)
{
    struct dialect dialect;

    (void)state;
    assert_true(dialect_make(&dialect, "redis", DIALECT_ECHO, 32, 0));

    assert_int_equal(dialect.payload_size, 31);
    assert_memory_equal(dialect.answer_before.data, "$31\r\n", dialect.answer_before.len);
}

static void
given_no_such_dialect_when_made_then_refused(void **state)
{
    struct dialect dialect;

    (void)state;
    assert_false(dialect_make(&dialect, "gopher", DIALECT_ECHO, 32, 0));
    assert_false(dialect_make(&dialect, "mqtt", DIALECT_ROOM, 200, 10));
    assert_false(dialect_make(&dialect, "line", DIALECT_ECHO, 1, 0));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_no_value_when_asked_then_zero),
        cmocka_unit_test(given_small_values_when_asked_then_exact),
        cmocka_unit_test(given_a_hundred_thousand_when_asked_then_at_most_4_percent_off),
        cmocka_unit_test(
            given_a_value_beyond_all_when_added_then_the_last_bucket_and_an_exact_max),
        cmocka_unit_test(given_neighbouring_messages_when_made_then_no_two_alike),
        cmocka_unit_test(
            given_a_long_payload_when_made_then_printable_to_its_last_byte_and_no_further),
        cmocka_unit_test(
            given_a_line_of_32_bytes_when_asked_of_redis_then_its_length_is_31),
        cmocka_unit_test(given_no_such_dialect_when_made_then_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
