#!/bin/sh
# cost.sh - instructions per message with the watchdog off, by signal, and polled
#
#   sh tests/bench/cost.sh [BENCH_COST]      default: build/release/tests/bench_cost
#
# Counted by valgrind in user space, within kelpie_step, system calls not; the difference of
# two runs, so that what happens once does not count. Takes half a minute.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
program=${1:-$here/../../build/release/tests/bench_cost}
work=$(mktemp -d "${TMPDIR:-/tmp}/kelpie-cost.XXXXXX")
trap 'rm -rf "$work"' EXIT

count() { # MODE HANDLER MESSAGES BATCH
    valgrind --tool=callgrind --callgrind-out-file="$work/out" --toggle-collect=run_steps \
        "$program" "$@" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
    sed -n 's/^.*Collected : //p' "$work/log"
}

printf '%-8s %5s %10s %16s %16s\n' handler batch off signal polled
for batch in 1 64; do
    for handler in send chat loop; do
        for mode in off signal polled; do
            few=$(count $mode $handler 640 $batch)
            many=$(count $mode $handler 6400 $batch)
            eval "$mode=$(((many - few) / 5760))"
        done
        # shellcheck disable=SC2154
        awk -v h=$handler -v b=$batch -v o="$off" -v s="$signal" -v p="$polled" 'BEGIN {
            printf "%-8s %5d %10d %8d %+6.1f%% %8d %+6.1f%%\n", h, b, o,
                   s, (s - o) * 100 / o, p, (p - o) * 100 / o }'
    done
done
