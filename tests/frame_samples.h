/*
 * frame_samples.h - streams in all framings, written by hand and generated
 *
 * Short ones, valid and not, with limits that are met early; the same in every run.
 */
#ifndef FRAME_SAMPLES_H
#define FRAME_SAMPLES_H

#include "frame_property.h"

#define FS_LONGEST_STREAM 56
#define FS_LONGEST_FOR_4  22 /* pieces: their number grows with the third power */
#define FS_N_MESSAGES     40

struct frame_sample {
    struct frame_stream stream;
    unsigned char bytes[FS_LONGEST_STREAM];
};

struct frame_samples {
    struct frame_sample *all;
    size_t n;
    uint64_t random;
};

extern const struct kp_framing fs_framings[];
extern const size_t fs_n_framings;

/* Of a group of tests, for cmocka; state is a struct frame_samples. */
int fs_setup(void **state);
int fs_teardown(void **state);

/* Returns a number in [0, below): the same ones in every run. */
size_t fs_pick(struct frame_samples *samples, size_t below);

/* Makes at most max positions in [0, len], ascending. Returns how many. */
size_t fs_random_cuts(struct frame_samples *samples, size_t len, size_t *cuts,
                      size_t max);

/* Makes FS_N_MESSAGES messages that the framing can carry, wraps them in a row, and says
 * where they are. out has 64 bytes for each. Returns how many bytes. */
size_t fs_wrap_random(struct frame_samples *samples, const struct kp_framing *framing,
                      unsigned char *out, struct frame_message *expected);

#endif
