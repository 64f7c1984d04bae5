#!/bin/sh
# profile.sh - where the time goes: instructions and system calls for each message
#
#   sh tests/bench/profile.sh [OPTIONS] [WORKLOAD...]     as in run.sh; default: W1.50 W2 W3
#
#   --servers "A B"    "c kelpie"
#   --build DIR        use the programs there; otherwise builds the release preset
#   --out DIR          build/bench: callgrind.WORKLOAD.SERVER, for callgrind_annotate(1), and its
#                      list of functions, functions.WORKLOAD.SERVER
#
# instructions are those in user space, counted by callgrind (valgrind): much the same on every
# run, whatever else the machine does, but blind to the kernel and to caches. calls are system
# calls, counted by the kernel (perf stat). Each is counted in a short and in a long run; the
# figure is the difference, divided by that of the messages: start and end are not in it.
# Under callgrind a server is slow, so that it finds more messages in a turn than otherwise.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
. "$here/lib.sh"

servers="c kelpie" build= out=$top/build/bench wanted=
while [ $# -gt 0 ]; do
    case $1 in
    --servers) servers=$2 && shift ;;
    --build) build=$2 && shift ;;
    --out) out=$2 && shift ;;
    -*) usage "$0" ;;
    *) wanted="$wanted $1" ;;
    esac
    shift
done
: "${wanted:=W1.50 W2 W3}"
has valgrind || { echo "profile.sh: valgrind is not installed" >&2 && exit 77; }
can_count_calls=yes
perf stat -e raw_syscalls:sys_enter true >/dev/null 2>&1 || can_count_calls=
[ -n "$can_count_calls" ] || echo "profile.sh: perf cannot be used here: system calls are not counted" >&2
mkdir -p "$out"
build_programs

# How many messages the short run has; the long one has four times as many.
short_run() { # WORKLOAD
    case $1 in
    W2* | W3* | W7* | W8.room* | W8.timers*) echo 50000 ;;
    *) echo 5000 ;;
    esac
}

# One run against the server that was started; sets messages.
talk() { # MESSAGES ARGUMENTS...
    count=$1
    shift
    messages=$("$bin/bench_load" "$@" --port "$port" --dialect "$dialect" --warm-up 0 \
        --time 600000 --messages "$count" | cut -f 1)
}

# Runs it under callgrind; sets instructions and messages. What it says at its end is nothing new.
count_instructions() { # FILE MESSAGES ARGUMENTS...
    file=$1
    shift
    pin_server="valgrind --quiet --tool=callgrind --callgrind-out-file=$file"
    start_server "$server" "$mode"
    talk "$@"
    stop_server
    instructions=$(awk '/^totals:/ { n += $2 } END { printf "%.0f", n }' "$file")
}

# Runs it as it is, and has the kernel count; sets messages, and writes "COUNT NAME" lines.
count_calls() { # FILE MESSAGES ARGUMENTS...
    file=$1
    shift
    pin_server=
    start_server "$server" "$mode"
    mkfifo "$file.tell" "$file.told"
    perf stat -D -1 --control "fifo:$file.tell,$file.told" -x ';' -o "$file.perf" \
        -e 'syscalls:sys_enter_*' -p "$pid" >/dev/null 2>&1 &
    perf_pid=$!
    echo enable >"$file.tell" && read -r _ <"$file.told" # from here on it counts
    talk "$@"
    stop_server
    wait "$perf_pid" || true
    sed -n 's/^\([1-9][0-9]*\);.*sys_enter_\([a-z0-9_]*\).*/\1 \2/p' "$file.perf" >"$file"
    rm -f "$file.tell" "$file.told"
}

# Prints "TOTAL: NAME PER_MESSAGE, ..." of two such files.
difference() { # SHORT LONG MESSAGES
    awk -v messages="$3" '
        NR == FNR { before[$2] = $1; next }
        { per = ($1 - before[$2]) / messages; total += per
          if (per >= 0.0005) list = list sprintf(", %s %.3f", $2, per) }
        END { printf "%.3f: %s\n", total, substr(list, 3) }' "$1" "$2"
}

profile() { # WORKLOAD SERVER MODE ARGUMENTS...
    workload=$1 server=$2 mode=$3 dialect=$(server_dialect "$2" "$3") n=$(short_run "$1")
    shift 3
    count_instructions "$work/short" "$n" "$@"
    n_short=$messages i_short=$instructions
    count_instructions "$out/callgrind.$workload.$server" $((4 * n)) "$@"
    per=$(awk "BEGIN { printf \"%.1f\", ($instructions - $i_short) / ($messages - $n_short) }")
    callgrind_annotate --auto=no "$out/callgrind.$workload.$server" >"$out/functions.$workload.$server"
    calls=-
    if [ -n "$can_count_calls" ]; then
        count_calls "$work/calls.short" "$((4 * n))" "$@"
        n_short=$messages
        count_calls "$work/calls.long" "$((16 * n))" "$@"
        calls=$(difference "$work/calls.short" "$work/calls.long" $((messages - n_short)))
    fi
    printf '%-14s %-8s %12s  %s\n' "$workload" "$server" "$per" "$calls"
}

profile_cell() { # WORKLOAD MODE WHO ARGUMENTS...
    cell_name=$1 cell_mode=$2
    shift 3
    for name in $servers; do
        ! server_can "$name" "$cell_mode" || profile "$cell_name" "$name" "$cell_mode" "$@"
    done
}

printf '%-14s %-8s %12s  %s\n' workload server instructions "system calls"
each_cell profile_cell
