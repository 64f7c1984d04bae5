/*
 * test_kqueue_model.c - kqueue(2): random programs against a model
 *
 * Each program has a seed of its own, which is printed when it fails:
 *
 *   KELPIE_SEED=1234 test_kqueue_model    runs this one, and nothing else
 *
 * A program that fails is shortened before it is shown: steps are left out as long as it
 * still fails.
 */
#include "kqueue_kit.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kevent_program.h"

#define MAX_STEPS 400
#define BUDGET_S  3

static uint32_t
next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

static size_t
make_program(uint8_t *program, uint64_t seed)
{
    uint64_t state = seed;
    size_t n_steps = 1 + next_random(&state) % MAX_STEPS;
    for (size_t i = 0; i < 2 * n_steps; i++)
        program[i] = (uint8_t)next_random(&state);
    return 2 * n_steps;
}

/* Leaves out steps that are not needed to make it fail. */
static size_t
shorten(uint8_t *program, size_t len, char *message, size_t message_size)
{
    uint8_t shorter[2 * MAX_STEPS];
    for (size_t cut = 64; cut > 0; cut /= 2) {
        for (size_t at = 0; at + 2 * cut <= len;) {
            char other[160];
            memcpy(shorter, program, at);
            memcpy(shorter + at, program + at + 2 * cut, len - at - 2 * cut);
            if (kevent_program_run(shorter, len - 2 * cut, other, sizeof(other))) {
                at += 2;
                continue;
            }
            len -= 2 * cut;
            memcpy(program, shorter, len);
            (void)snprintf(message, message_size, "%s", other);
        }
    }
    return len;
}

static void
run_seed(uint64_t seed)
{
    uint8_t program[2 * MAX_STEPS];
    char message[160];
    size_t len = make_program(program, seed);
    if (kevent_program_run(program, len, message, sizeof(message)))
        return;
    print_error("KELPIE_SEED=%llu: %s\n", (unsigned long long)seed, message);
    len = shorten(program, len, message, sizeof(message));
    print_error("shortest program: %s:", message);
    for (size_t i = 0; i < len; i += 2)
        print_error(" %u,%u", program[i] % 12u, program[i + 1]);
    print_error("\n");
    fail();
}

static void
given_random_programs_when_run_then_kqueue_and_model_agree(void **state)
{
    const char *wanted = getenv("KELPIE_SEED");
    time_t end = time(NULL) + BUDGET_S;
    uint64_t seed = (uint64_t)time(NULL) << 20 ^ (uint64_t)getpid();
    int n = 0;
    (void)state;

    if (wanted != NULL) {
        run_seed(strtoull(wanted, NULL, 10));
        return;
    }
    print_message("first seed: %llu\n", (unsigned long long)seed);
    do {
        run_seed(seed++);
        n++;
    } while (time(NULL) < end);
    print_message("%d programs\n", n);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_TEST(given_random_programs_when_run_then_kqueue_and_model_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
