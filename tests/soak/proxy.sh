#!/bin/sh
# proxy.sh - much data through examples/proxy.lua, in each direction: memory stays flat
#
#   sh tests/soak/proxy.sh [KELPIE [MIB]]      default: build/release/kelpie, 1024 MiB
#
# First a client takes so much from an upstream, then another gives so much to one and ends its
# side. The receiver is slower than the sender at first: it sleeps a second before it takes
# anything. Every byte is compared by its checksum; resident memory of the proxy is shown at the
# start, at most, and at the end, and must not have grown by more than 8 MiB. Exit status 0 or 1;
# 77 without socat, or where /proc does not tell.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
kelpie=${1:-$here/../../build/release/kelpie} mib=${2:-1024}
work=$(mktemp -d "${TMPDIR:-/tmp}/kelpie-proxy.XXXXXX")
pids=
clean_up() {
    # shellcheck disable=SC2086
    [ -z "$pids" ] || kill $pids 2>/dev/null || true
    wait
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM
command -v socat >/dev/null || { echo "skipped: socat is not installed" && exit 77; }
[ -r /proc/self/status ] || { echo "skipped: there is no /proc" && exit 77; }

wait_for() { # SOCKET
    tries=0
    until [ -S "$1" ]; do
        tries=$((tries + 1))
        [ $tries -lt 200 ] || { echo "proxy.sh: $1 does not come" >&2 && exit 1; }
        sleep 0.05
    done
}

resident() { # FIELD
    sed -n "s/^$1:[^0-9]*\([0-9]*\) kB/\1/p" "/proc/$proxy/status"
}

cat >"$work/data" <<SH
exec 2>/dev/null
yes "0123456789 abcdefghijklmnopqrstuvwxyz" | head -c $((mib * 1048576))
SH
wanted=$(sh "$work/data" | cksum)

mkdir -p "$work/proxy"
cp "$here/../../examples/proxy.lua" "$work"
printf 'return { "unix:%s/giver" }\n' "$work" >"$work/proxy/upstreams.lua"
XDG_RUNTIME_DIR=$work "$kelpie" run --no-stdin -l "unix:$work/in" "$work/proxy.lua" >"$work/log" 2>&1 &
proxy=$!
pids="$proxy"
wait_for "$work/in"
start=$(resident VmRSS)

# shows DIRECTION CHECKSUM
shows() {
    most=$(resident VmHWM)
    printf '%-28s %6d MiB, resident KiB: %6d at the start, %6d at most, %6d at the end\n' \
        "$1" "$mib" "$start" "$most" "$(resident VmRSS)"
    [ "$2" = "$wanted" ] || { echo "proxy.sh: what came out is something else: $2, not $wanted" && exit 1; }
    [ $((most - start)) -le 8192 ] || { echo "proxy.sh: it has grown" && exit 1; }
}

socat -b 65536 "UNIX-LISTEN:$work/giver" "SYSTEM:sh $work/data" &
pids="$pids $!"
wait_for "$work/giver"
shows "from upstream to client" "$(socat -u -b 65536 "UNIX-CONNECT:$work/in" - | (sleep 1 && cksum))"
rm -f "$work/giver"

socat -t 600 -b 65536 "UNIX-LISTEN:$work/giver" "SYSTEM:sleep 1; cksum" &
pids="$pids $!"
wait_for "$work/giver"
shows "from client to upstream" "$(sh "$work/data" | socat -t 600 -b 65536 - "UNIX-CONNECT:$work/in")"
! grep -E ' (error|warn) .*(reset|slow|full|handler)' "$work/log" || exit 1
