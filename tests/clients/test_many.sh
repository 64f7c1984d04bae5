#!/bin/sh
# test_many.sh - 10,000 clients at once, who say nothing, and one who talks
. "$(dirname "$0")/lib.sh"
need_nc
need cc

wanted=10000
# shellcheck disable=SC3045
files=$(ulimit -H -n 2>/dev/null || echo unlimited)
[ "$files" = unlimited ] || [ "$files" -gt $((wanted + 100)) ] || skip "only $files open files are allowed"
cc -O1 -o "$work/hold" "$here/hold.c" || fail "hold.c does not compile"

copy_scripts
start_server run -p 0 --max-clients 10050 "$work/scripts"
limit=120

: >"$work/hold.out"
client hold "$work/hold" "$port" $wanted
expect hold "held $wanted"
kill -USR2 "$server"
expect_log "clients $wanted (accepted $wanted, refused 0, closed 0)"

# Somebody is served among them, and everybody is reached.
client anna nc 127.0.0.1 "$port"
expect anna "welcome! you are client #$wanted!"
say anna "anybody there?"
expect_printed "client #$wanted: anybody there?"
operator "to all"
expect anna "to all"
expect hold "read by $wanted: to all"

# A reload keeps them all.
reload
expect_log "generation 2 serves"
kill -USR2 "$server"
expect_log "clients $((wanted + 1)) ("
hang_up hold
wait_end hold
equal "the exit code of the clients" "$(cat "$work/hold.status")" 0
wait_until "all have left" sh -c "[ \"\$(grep -c 'disconnected\.' '$out')\" -eq $wanted ]"
say anna "alone"
expect_printed "client #$wanted: alone"
finish
