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
#   --out DIR          build/bench: results.tsv, table.txt, ratios.svg, growth.svg
#   --smoke            a few hundred messages each, C and kelpie only: for ctest
#   --install          installs the other servers first (Debian, root), and measures
#
# All runs of a round are done before the next round begins. Exit status: 0; 1 when a run of
# the C reference or of kelpie failed, or a byte was wrong. README.md says how to read it.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
. "$here/lib.sh"

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
    -*) usage "$0" ;;
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
build_programs
ulimit -n 60000 2>/dev/null || ulimit -n "$(ulimit -Hn)"

pin_client=
if has taskset && [ "$(getconf _NPROCESSORS_ONLN)" -gt 1 ] && [ -z "$smoke" ]; then
    pin_server="taskset -c ${cores%,*}" pin_client="taskset -c ${cores#*,}"
fi

results=$out/results.tsv
notes=$out/notes.txt
printf 'round\tworkload\tserver\t%s\n' "$("$bin/bench_load" columns)" >"$results"
: >"$notes"
failed=0

note() {
    echo "$*" >>"$notes"
    [ -z "$smoke" ] || echo "$*"
}

# ---- one run -----------------------------------------------------------------------------

run() { # ROUND WORKLOAD SERVER MODE ARGUMENTS...
    key="$1	$2	$3" what="$2 $3" dialect=$(server_dialect "$3" "$4") status=0
    start_server "$3" "$4"
    case $3 in c | kelpie) is_own=yes ;; *) is_own= ;; esac
    shift 4
    # shellcheck disable=SC2086
    line=$($pin_client "$bin/bench_load" "$@" --port "$port" --server "$pid" \
        --dialect "$dialect" 2>"$work/client.err") || status=$?
    stop_server
    case $status in
    0) printf '%s\t%s\n' "$key" "$line" >>"$results" ;;
    77) note "$what: not measured: $(cat "$work/client.err")" ;;
    *)
        note "$what: FAILED: $(tail -n 2 "$work/client.err") ($(tail -n 1 "$work/server.out"))"
        [ -z "$is_own" ] || failed=1
        ;;
    esac
}

# Says why a server is not measured in a workload, if somebody might expect it.
has_too_many() { # SERVER ARGUMENTS...
    most=$(server_max_conns "$1")
    conns=$(echo "$*" | sed -n 's/.*--conns \([0-9]*\).*/\1/p')
    [ -z "$smoke" ] && [ "${conns:-1}" -gt "$most" ] || return 1
    [ "$1" = haproxy ] || set -- "everybody"
    note "$cell_name $1: not measured: at most $most connections with ulimit -n $(ulimit -n)"
}

# Runs one workload with all servers that can do it.
run_cell() { # ROUND WORKLOAD MODE WHO ARGUMENTS...
    cell_round=$1 cell_name=$2 cell_mode=$3 cell_who=$4
    shift 4
    # Memory does not differ from round to round, and takes its time to settle.
    [ "$1" != idle ] || [ "$cell_round" = 1 ] || return 0
    [ -n "$smoke" ] || printf '\r\033[Kround %s of %s: %s' "$cell_round" "$rounds" "$cell_name" >&2
    for name in $present; do
        case $cell_who.$name in
        own.c | own.kelpie | all.*) ;;
        *) continue ;;
        esac
        server_can "$name" "$cell_mode" || continue
        ! has_too_many "$name" "$@" || continue
        # shellcheck disable=SC2086
        run "$cell_round" "$cell_name" "$name" "$cell_mode" "$@" $limits
    done
}

# That a wrong answer is noticed: an echo is expected of a server that says something else.
try_wrong_server() {
    start_server c churn
    if "$bin/bench_load" echo --port "$port" --server "$pid" --messages 10 2>"$work/client.err"; then
        note "a wrong answer was not noticed"
        failed=1
    fi
    stop_server
    grep -q 'got "welcome!' "$work/client.err" || failed=1
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

# What W5 is made of, as far as kelpie's own allocator knows.
counted_bytes() { # WORKLOAD SCRIPT
    is_wanted "$1" && [ -x "$bin/bench_memory" ] && [ -z "$smoke" ] || return 0
    counted=$("$bin/bench_memory" "$here/scripts/$2.lua" | cut -f 1,2 | tr '\t' ' ') || return 0
    echo "$1 kelpie: ${counted% *} bytes allocated for a connection, ${counted#* } of them by Lua"
}

load_average() {
    uptime | sed 's/.*average[s]*: *//'
}

load_before=$(load_average)
[ -z "$smoke" ] || try_wrong_server
for round in $(seq "$rounds"); do
    each_cell run_cell "$round"
done
[ -n "$smoke" ] || printf '\r\033[K' >&2

{
    echo "$("$kelpie" --version), $(uname -sr), $(getconf _NPROCESSORS_ONLN) cores," \
        "$rounds rounds of $seconds s, load average before $load_before, after $(load_average)"
    awk -f "$here/stats.awk" -f "$here/table.awk" "$results"
    counted_bytes W5.10k echo
    counted_bytes W5.10k.data data
    sort -u "$notes"
} >"$out/table.txt"
cat "$out/table.txt"
for picture in ratios growth; do
    awk -f "$here/stats.awk" -f "$here/$picture.awk" "$results" >"$out/$picture.svg"
done
exit $failed
