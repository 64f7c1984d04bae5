#!/bin/sh
# run.sh - measures kelpie, the C reference and what is installed of other servers
#
#   sh tests/bench/run.sh [OPTIONS] [WORKLOAD...]      W2 means all that begin with W2; default: all
#
#   --quick            one round of 0.3 s each: to see that it works, not to compare
#   --rounds N         5: each figure is the median of so many
#   --seconds S        1: what is measured of a round, after 0.3 s of warm-up
#   --servers "A B"    only these; the C reference is always measured
#   --cores S,C        the server's core and the client's; 1,0 where there are two
#   --build DIR        use the programs there; otherwise builds the release preset
#   --out DIR          build/bench: results.tsv, table.txt
#   --smoke            a few hundred messages each, C and kelpie only: for ctest
#   --install          installs the other servers first (Debian, root), and measures
#
# All runs of a round are done before the next round begins. Exit status: 0; 1 when a run of
# the C reference or of kelpie failed, or a byte was wrong. README.md says how to read it.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
. "$here/servers.sh"

rounds=5 seconds=1 warm_up=300 servers=$all_servers cores=1,0 build= out=$top/build/bench
smoke= install= wanted=
while [ $# -gt 0 ]; do
    case $1 in
    --quick) rounds=1 seconds=0.3 warm_up=100 ;;
    --rounds) rounds=$2 && shift ;;
    --seconds) seconds=$2 && shift ;;
    --servers) servers="c $2" && shift ;;
    --cores) cores=$2 && shift ;;
    --build) build=$2 && shift ;;
    --out) out=$2 && shift ;;
    --smoke) smoke=yes rounds=1 servers="c kelpie" ;;
    --install) install=yes ;;
    -*) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" && exit 64 ;;
    *) wanted="$wanted $1" ;;
    esac
    shift
done

# ---- what is needed --------------------------------------------------------------------

if [ -n "$install" ]; then
    # Debian starts the services that it installs; nobody wants that here.
    # shellcheck disable=SC2086
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $packages
fi
mkdir -p "$out"
if [ -z "$build" ]; then
    build=$top/build/release
    (cd "$top" && cmake --preset release && cmake --build --preset release \
        --target kelpie_daemon bench_load bench_raw) >"$out/build.log" 2>&1 ||
        { cat "$out/build.log" && exit 1; }
fi
bin=$build/tests kelpie=$build/kelpie
ulimit -n 60000 2>/dev/null || ulimit -n "$(ulimit -Hn)"

pin_server= pin_client=
if has taskset && [ "$(getconf _NPROCESSORS_ONLN)" -gt 1 ] && [ -z "$smoke" ]; then
    pin_server="taskset -c ${cores%,*}" pin_client="taskset -c ${cores#*,}"
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/kelpie-bench.XXXXXX")
pid=
clean_up() {
    [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

results=$out/results.tsv
notes=$out/notes.txt
printf 'round\tworkload\tserver\t%s\n' "$("$bin/bench_load" columns)" >"$results"
: >"$notes"

# ---- one run -----------------------------------------------------------------------------

note() {
    echo "$*" >>"$notes"
    [ -n "$smoke" ] && echo "$*" >&2
    return 0
}

stop_server() {
    kill -TERM "$pid" 2>/dev/null || true
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.05
    done
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
    pid=
}

failed=0
run() { # ROUND WORKLOAD SERVER MODE ARGUMENTS...
    round=$1 workload=$2 server=$3 mode=$4
    shift 4
    port=$("$bin/bench_load" port)
    (server_exec "$server" "$mode" "$port") </dev/null >"$work/server.out" 2>&1 &
    pid=$!
    status=0
    # shellcheck disable=SC2086
    line=$($pin_client "$bin/bench_load" "$@" --port "$port" --server "$pid" \
        --dialect "$(server_dialect "$server" "$mode")" 2>"$work/client.err") || status=$?
    stop_server
    case $status in
    0) printf '%s\t%s\t%s\t%s\n' "$round" "$workload" "$server" "$line" >>"$results" ;;
    77) note "$workload $server: not measured: $(cat "$work/client.err")" ;;
    *)
        note "$workload $server: FAILED: $(tail -n 1 "$work/client.err"); server: $(tail -n 1 "$work/server.out")"
        case $server in c | kelpie) failed=1 ;; esac
        ;;
    esac
}

is_wanted() { # WORKLOAD
    [ -n "$wanted" ] || return 0
    for prefix in $wanted; do
        case $1 in "$prefix" | "$prefix".*) return 0 ;; esac
    done
    return 1
}

# Runs one cell with all servers that can do it.
run_cell() { # ROUND WORKLOAD MODE WHO ARGUMENTS...
    cell_round=$1 cell=$2 cell_mode=$3 who=$4
    shift 4
    for name in $present; do
        case $who.$name in
        own.c | own.kelpie | all.*) ;;
        *) continue ;;
        esac
        server_can "$name" "$cell_mode" || continue
        # shellcheck disable=SC2086
        run "$cell_round" "$cell" "$name" "$cell_mode" "$@" $limits
    done
}

# ---- all of them ---------------------------------------------------------------------------

present=
for name in $servers; do
    if server_is_installed "$name"; then
        present="$present $name"
    else
        note "$name: not installed"
    fi
done
limits="--warm-up $warm_up --time $(echo "$seconds" | awk '{ print int($1 * 1000) }')"
[ -z "$smoke" ] || limits="--warm-up 0 --time 20000 --messages 300 --conns 20"
load_before=$(uptime | sed 's/.*average[s]*: *//')

for round in $(seq "$rounds"); do
    while IFS="$(printf '\t')" read -r cell mode who arguments; do
        case $cell in "#"*) continue ;; esac
        is_wanted "$cell" || continue
        [ -z "$smoke" ] || echo "$cell"
        [ -n "$smoke" ] || printf '\r\033[Kround %s of %s: %s' "$round" "$rounds" "$cell" >&2
        # shellcheck disable=SC2086
        run_cell "$round" "$cell" "$mode" "$who" $arguments </dev/null
    done <"$here/cells.tsv"
done
[ -n "$smoke" ] || printf '\r\033[K' >&2

{
    echo "$("$kelpie" --version | head -n 1), $(uname -sr), $(getconf _NPROCESSORS_ONLN) cores, $rounds rounds of $seconds s, load average before $load_before, after $(uptime | sed 's/.*average[s]*: *//')"
    awk -f "$here/table.awk" "$results"
    sort -u "$notes"
} >"$out/table.txt"
cat "$out/table.txt"
exit $failed
