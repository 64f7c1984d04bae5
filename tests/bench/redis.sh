#!/bin/sh
# redis.sh - examples/redis.lua beside a real redis-server, under redis-benchmark
#
#   sh tests/bench/redis.sh [KELPIE [REQUESTS [PIPELINE [ROUNDS]]]]
#
# Defaults: build/release/kelpie, 1000000 requests of each kind a run, 16 in a pipeline, 5 rounds.
# Both servers run all the time; each round asks the one, then the other. The figure is the
# processor time of the server for one request, in microseconds, and how often that of the real
# one it is: medians of the rounds. Requests a second are those of the last round; they depend on
# what else the machine does. Every answer must come, and be no error.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
kelpie=${1:-$here/../../build/release/kelpie} n=${2:-1000000} depth=${3:-16} rounds=${4:-5}
work=$(mktemp -d "${TMPDIR:-/tmp}/kelpie-redis.XXXXXX")
pids=
clean_up() {
    # shellcheck disable=SC2086
    [ -z "$pids" ] || kill -KILL $pids 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM
for tool in redis-server redis-cli redis-benchmark; do
    command -v "$tool" >/dev/null || { echo "redis.sh: $tool is not installed" >&2 && exit 77; }
done

redis-server --port 0 --unixsocket "$work/redis.sock" --save '' --appendonly no --loglevel warning \
    --dir "$work" >"$work/redis.log" 2>&1 &
redis_pid=$!
XDG_RUNTIME_DIR=$work "$kelpie" run --no-stdin -l "unix:$work/kelpie.sock" "$here/../../examples/redis.lua" \
    >"$work/kelpie.log" 2>&1 &
kelpie_pid=$!
pids="$redis_pid $kelpie_pid"
for name in redis kelpie; do
    tries=0
    until [ "$(redis-cli -s "$work/$name.sock" ping 2>/dev/null)" = PONG ]; do
        tries=$((tries + 1))
        [ $tries -lt 200 ] || { cat "$work/$name.log" && exit 1; }
        sleep 0.05
    done
done

ticks() { # PID: user and system time, in ticks
    sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'
}

measure() { # NAME PID KIND
    before=$(ticks "$2")
    redis-benchmark -s "$work/$1.sock" -t "$3" -P "$depth" -n "$n" -c 50 --csv >"$work/csv" 2>"$work/err" ||
        { cat "$work/err" && exit 1; }
    ! grep -i error "$work/csv" "$work/err" || exit 1
    rate=$(tail -n 1 "$work/csv" | cut -d '"' -f 4)
    after=$(ticks "$2")
    echo "$3 $1 $((after - before)) $rate" >>"$work/results"
}

for _ in $(seq "$rounds"); do
    for kind in ping_inline ping_mbulk set get; do
        measure redis "$redis_pid" $kind
        measure kelpie "$kelpie_pid" $kind
    done
done

printf '%-12s %10s %10s %8s %14s %14s\n' "" "redis us" "kelpie us" ratio "redis req/s" "kelpie req/s"
sort -k1,1 -k2,2 -k3,3n "$work/results" | awk -v n="$n" -v hz="$(getconf CLK_TCK)" '
    { key = $1 " " $2; value[key, ++count[key]] = $3 / hz / n * 1e6; rate[key] = $4; kinds[$1] }
    function median(key) {
        m = count[key]
        return m % 2 ? value[key, (m + 1) / 2] : (value[key, m / 2] + value[key, m / 2 + 1]) / 2
    }
    END {
        for (kind in kinds) {
            r = median(kind " redis"); k = median(kind " kelpie")
            printf "%-12s %10.3f %10.3f %8.2f %14.0f %14.0f\n", kind, r, k, k / r,
                rate[kind " redis"], rate[kind " kelpie"] | "sort"
        }
    }'
