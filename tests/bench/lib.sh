# lib.sh - what run.sh and profile.sh have in common; read by both
#
#   usage SCRIPT             prints the comment at its top, and ends
#   build_programs           the release preset, unless build is set already
#   start_server NAME MODE   sets pid and port; behind the command in pin_server
#   stop_server
#   each_cell COMMAND        calls COMMAND WORKLOAD MODE WHO ARGUMENTS... for each that is wanted
#
# Expects here (this folder), top, out, and wanted: the workloads, all when it is empty.

. "$here/servers.sh"

work=$(mktemp -d "${TMPDIR:-/tmp}/kelpie-bench.XXXXXX")
pid= port= pin_server=
clean_up() {
    [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

usage() {
    sed -n '2,/^set/s/^# \{0,1\}//p' "$1"
    exit 64
}

build_programs() {
    if [ -z "$build" ]; then
        build=$top/build/release
        (cd "$top" && cmake --preset release && cmake --build --preset release \
            --target kelpie_daemon bench_load bench_raw bench_memory) >"$out/build.log" 2>&1 ||
            { cat "$out/build.log" && exit 1; }
    fi
    bin=$build/tests kelpie=$build/kelpie
}

start_server() { # NAME MODE
    port=$("$bin/bench_load" port)
    (server_exec "$1" "$2" "$port") </dev/null >"$work/server.out" 2>&1 &
    pid=$!
}

stop_server() {
    kill -TERM "$pid" 2>/dev/null || true
    for _ in $(seq 100); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.05
    done
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
    pid=
}

is_wanted() { # WORKLOAD
    [ -n "$wanted" ] || return 0
    for prefix in $wanted; do
        case $1 in "$prefix" | "$prefix".*) return 0 ;; esac
    done
    return 1
}

each_cell() { # COMMAND
    while IFS="$(printf '\t')" read -r cell mode who arguments; do
        case $cell in "#"*) continue ;; esac
        is_wanted "$cell" || continue
        # shellcheck disable=SC2086
        "$@" "$cell" "$mode" "$who" $arguments </dev/null
    done <"$here/cells.tsv"
}
